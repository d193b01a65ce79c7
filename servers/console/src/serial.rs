//! A 16550 serial port, written by polling. Speed and frame are as the kernel set them.

use core::fmt::{self, Write};

use libsel::cap::{Cap, IoPort};

use crate::lines::{Client, Output};

/// Offset of the transmit register.
const DATA: u16 = 0;
/// Offset of the interrupt identification register, whose top bits say whether the FIFO is on.
const INTERRUPT_IDENTIFICATION: u16 = 2;
const FIFO_ON: u8 = 0xc0;
/// Offset of the line status register.
const LINE_STATUS: u16 = 5;
/// The transmit FIFO is empty.
const TRANSMIT_EMPTY: u8 = 0x20;
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

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

impl Output for Serial {
    fn line(&mut self, client: Client, line: &[u8]) {
        let _ = match client.name {
            Some(name) => write!(self, "{name}: "),
            None => write!(self, "client {}: ", client.badge),
        };
        self.write(line);
        self.write(b"\r\n");
    }
}
