//! A 16550 serial port: written by polling, read when it interrupts. Speed and frame are as the kernel set them.

use libsel::cap::{Cap, IoPort};

use crate::output::Output;

/// Offset of the registers to send and receive a byte.
const DATA: u16 = 0;
/// Offset of the interrupt enable register.
const INTERRUPT_ENABLE: u16 = 1;
const WHEN_RECEIVED: u8 = 0x01;
/// Offset of the FIFO control register, to be written: enabled, an interrupt for each byte.
const FIFO_CONTROL: u16 = 2;
const FIFO_ENABLE: u8 = 0x01;
/// Offset of the modem control register. Its second output connects the interrupt on a PC.
const MODEM_CONTROL: u16 = 4;
const READY_AND_CONNECTED: u8 = 0x0b;
/// Offset of the interrupt identification register, whose top bits say whether the FIFO is on.
const INTERRUPT_IDENTIFICATION: u16 = 2;
const FIFO_ON: u8 = 0xc0;
/// Offset of the line status register.
const LINE_STATUS: u16 = 5;
/// The transmit FIFO is empty.
const TRANSMIT_EMPTY: u8 = 0x20;
/// A byte can be read.
const DATA_READY: u8 = 0x01;
/// What a port that is not there answers to everything.
const NOTHING: u8 = 0xff;
/// Bytes that are read in a row: more than anybody pastes, but a broken port does not stop the server for ever.
const MAX_BYTES: usize = 1 << 16;
/// Bytes that an empty FIFO takes.
const FIFO_BYTES: usize = 16;
/// Looks at the line status before bytes are sent regardless: a port that is not there must not stop the server.
const MAX_POLLS: u32 = 100_000;

/// The port.
pub struct Serial {
    ports: Cap<IoPort>,
    base: u16,
    burst: usize,
    sent: usize,
}

impl Serial {
    /// The port at `base`, within the range that `ports` allows.
    pub fn new(ports: Cap<IoPort>, base: u16) -> libsel::Result<Self> {
        let fifo = ports.in8(base + INTERRUPT_IDENTIFICATION)? & FIFO_ON == FIFO_ON;
        // Whether the FIFO is empty now is not known, so the first byte looks.
        let burst = if fifo { FIFO_BYTES } else { 1 };
        Ok(Serial { ports, base, burst, sent: burst })
    }

    /// Lets the port interrupt when it received something.
    pub fn enable_interrupts(&self) -> libsel::Result<()> {
        self.ports.out8(self.base + FIFO_CONTROL, FIFO_ENABLE)?;
        self.ports.out8(self.base + MODEM_CONTROL, READY_AND_CONNECTED)?;
        self.ports.out8(self.base + INTERRUPT_ENABLE, WHEN_RECEIVED)
    }

    /// The bytes that it received, to the last: only a port that has none interrupts again.
    pub fn read(&self) -> impl Iterator<Item = u8> + use<> {
        let (ports, base) = (self.ports, self.base);
        let next = move || {
            let status = ports.in8(base + LINE_STATUS).ok()?;
            (status & DATA_READY != 0 && status != NOTHING).then(|| ports.in8(base + DATA).ok())?
        };
        core::iter::from_fn(next).take(MAX_BYTES)
    }

    /// Sends bytes as they are. Errors of single bytes are not reported: there is nowhere to print them.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.sent >= self.burst {
                self.wait_until_empty();
            }
            let _ = self.ports.out8(self.base + DATA, *byte);
            self.sent += 1;
        }
    }

    fn wait_until_empty(&mut self) {
        for _ in 0..MAX_POLLS {
            match self.ports.in8(self.base + LINE_STATUS) {
                Ok(status) if status & TRANSMIT_EMPTY == 0 => {}
                _ => break,
            }
        }
        self.sent = 0;
    }
}

impl Output for Serial {
    fn write(&mut self, bytes: &[u8]) {
        Serial::write(self, bytes);
    }
}
