//! Text on the first serial port (COM1), 115200 baud, 8 data bits, no parity, 1 stop bit.
use crate::cpu::{read_port, write_port};
use core::fmt::{self, Write};

const DATA: u16 = 0x3f8;
const INTERRUPT_ENABLE: u16 = 0x3f9;
const FIFO_CONTROL: u16 = 0x3fa;
const LINE_CONTROL: u16 = 0x3fb;
const MODEM_CONTROL: u16 = 0x3fc;
const LINE_STATUS: u16 = 0x3fd;

const DIVISOR_LATCH: u8 = 0x80;
const EIGHT_DATA_BITS: u8 = 0x03;
const TRANSMITTER_EMPTY: u8 = 0x20;

/// Sets the port up; without interrupts.
pub fn init() {
    write_port(INTERRUPT_ENABLE, 0);
    write_port(LINE_CONTROL, DIVISOR_LATCH | EIGHT_DATA_BITS);
    // Divisor 1: 115200 baud.
    write_port(DATA, 1);
    write_port(INTERRUPT_ENABLE, 0);
    write_port(LINE_CONTROL, EIGHT_DATA_BITS);
    // FIFO on and empty; data terminal ready and request to send.
    write_port(FIFO_CONTROL, 0x07);
    write_port(MODEM_CONTROL, 0x03);
}

/// Prints a text; a line end becomes carriage return and line feed.
pub fn print(text: fmt::Arguments<'_>) {
    // The port itself has no errors, and a `Display` that fails loses only the rest of its text.
    let _ = Com1.write_fmt(text);
}

struct Com1;

impl Write for Com1 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

fn put(byte: u8) {
    // Without a port this reads 0xff, which is ready too.
    while read_port(LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
        core::hint::spin_loop();
    }
    write_port(DATA, byte);
}
