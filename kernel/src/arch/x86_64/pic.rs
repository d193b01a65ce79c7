//! The two legacy interrupt controllers (8259): masked for good.
use super::port::port_write;

const MASTER_COMMAND: u16 = 0x20;
const MASTER_DATA: u16 = 0x21;
const SLAVE_COMMAND: u16 = 0xa0;
const SLAVE_DATA: u16 = 0xa1;
/// Initialise, in cascade, with a fourth word.
const ICW1: u32 = 0x11;
/// The vectors of what a masked controller still raises, spuriously; entry code ignores them.
const MASTER_VECTORS: u32 = 32;
const SLAVE_VECTORS: u32 = 40;
const SLAVE_ON_PIN_2: u32 = 1 << 2;
const SLAVE_IDENTITY: u32 = 2;
const MODE_8086: u32 = 1;
const ALL: u32 = 0xff;

/// Moves the controllers' vectors away from the exceptions and masks all of their inputs.
pub fn init() {
    for (port, value) in [
        (MASTER_COMMAND, ICW1),
        (SLAVE_COMMAND, ICW1),
        (MASTER_DATA, MASTER_VECTORS),
        (SLAVE_DATA, SLAVE_VECTORS),
        (MASTER_DATA, SLAVE_ON_PIN_2),
        (SLAVE_DATA, SLAVE_IDENTITY),
        (MASTER_DATA, MODE_8086),
        (SLAVE_DATA, MODE_8086),
        (MASTER_DATA, ALL),
        (SLAVE_DATA, ALL),
    ] {
        port_write(port, 1, value);
    }
}
