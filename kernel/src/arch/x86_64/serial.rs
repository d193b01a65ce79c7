//! The console: a 16550 serial port at COM1, 115200 baud, 8 data bits, no parity, 1 stop bit.
use super::port::{port_read, port_write};

const COM1: u16 = 0x3f8;
const DATA: u16 = COM1;
const INTERRUPT_ENABLE: u16 = COM1 + 1;
const FIFO_CONTROL: u16 = COM1 + 2;
const LINE_CONTROL: u16 = COM1 + 3;
const MODEM_CONTROL: u16 = COM1 + 4;
const LINE_STATUS: u16 = COM1 + 5;
const SCRATCH: u16 = COM1 + 7;

/// Divisor of the 1.8432 MHz clock for 115200 baud.
const DIVISOR: u32 = 1;
const DIVISOR_LATCH: u32 = 0x80;
const EIGHT_BITS: u32 = 0x03;
const FIFO_ENABLE_AND_CLEAR: u32 = 0x07;
const READY_TO_SEND: u32 = 0x03;
const TRANSMITTER_EMPTY: u32 = 1 << 5;
/// Polls until a port that takes nothing is given up: much more than the 1.4 ms that its 16 bytes need.
const PATIENCE: u32 = 200_000;

/// Prepares the port. Without one, everything that is printed is lost and nothing else happens.
pub fn init() {
    for (port, value) in [
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, DIVISOR_LATCH),
        (DATA, DIVISOR),
        (INTERRUPT_ENABLE, DIVISOR >> 8),
        (LINE_CONTROL, EIGHT_BITS),
        (FIFO_CONTROL, FIFO_ENABLE_AND_CLEAR),
        (MODEM_CONTROL, READY_TO_SEND),
    ] {
        port_write(port, 1, value);
    }
}

/// Whether there is a port: one keeps what is written to its scratch register.
pub fn is_present() -> bool {
    const PATTERN: u32 = 0x5a;
    port_write(SCRATCH, 1, PATTERN);
    port_read(SCRATCH, 1) == PATTERN
}

/// Sends one byte, after those before it.
pub fn put_char(byte: u8) {
    for _ in 0..PATIENCE {
        if port_read(LINE_STATUS, 1) & TRANSMITTER_EMPTY != 0 {
            break;
        }
        core::hint::spin_loop();
    }
    port_write(DATA, 1, u32::from(byte));
}
