//! What is printed goes to COM1, through ports of our own: a kernel without debug calls prints nothing for us.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::Cap;
use libsel::abi::CPtr;
use libsel::bootinfo::initial;
use libsel::cap::IoPort;
use libsel::rt::print;

/// COM1's data register, and its line status register.
const DATA: u16 = 0x3f8;
const LINE_STATUS: u16 = 0x3fd;
/// The data register takes another byte.
const READY: u8 = 0x20;
/// How often to look for that before the byte is given up.
const PATIENCE: usize = 100_000;

/// Slot of the capability to the ports.
static PORTS: AtomicU64 = AtomicU64::new(0);

/// Takes the ports into `slot`, and prints through them from now on. The line is set up by whoever booted us.
pub fn open(slot: CPtr) -> libsel::Result<()> {
    initial::IO_PORT_CONTROL.issue(DATA, DATA + 7, initial::CNODE.at(slot))?;
    PORTS.store(slot, Relaxed);
    print::set_hook(put);
    Ok(())
}

fn put(bytes: &[u8]) {
    let ports = Cap::<IoPort>::new(PORTS.load(Relaxed));
    for byte in bytes {
        let ready = |_: &usize| ports.in8(LINE_STATUS).is_ok_and(|status| status & READY != 0);
        let _ = (0..PATIENCE).find(ready);
        let _ = ports.out8(DATA, *byte);
    }
}
