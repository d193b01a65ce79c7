//! The 8042 keyboard controller, read by port. The firmware left it initialised and translating to scan code set 1.

use libsel::cap::{Cap, IoPort};

const DATA: u16 = 0x60;
const STATUS: u16 = 0x64;
/// A byte can be read.
const OUTPUT_FULL: u8 = 0x01;
/// It comes from the mouse.
const FROM_MOUSE: u8 = 0x20;
/// What a controller that is not there answers to everything.
const NOTHING: u8 = 0xff;
/// Bytes that are read in a row, so that a broken controller cannot stop the server.
const MAX_BYTES: usize = 64;

/// The controller.
#[derive(Clone, Copy, Debug)]
pub struct Controller(Cap<IoPort>);

impl Controller {
    /// The controller behind these ports, if there is one.
    pub fn new(ports: Cap<IoPort>) -> Option<Self> {
        (ports.in8(STATUS).ok()? != NOTHING).then_some(Controller(ports))
    }

    /// The bytes that the keyboard sent. Those of a mouse are dropped.
    pub fn read(self) -> impl Iterator<Item = u8> + use<> {
        let next = move || {
            let status = self.0.in8(STATUS).ok().filter(|status| status & OUTPUT_FULL != 0)?;
            let byte = self.0.in8(DATA).ok()?;
            Some((status & FROM_MOUSE == 0).then_some(byte))
        };
        core::iter::from_fn(next).take(MAX_BYTES).flatten()
    }
}
