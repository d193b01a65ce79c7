//! Message-signalled interrupts of PCI functions: instead of pulling a line, a function writes a word to an address of the
//! local APIC (PCI Local Bus Specification 3.0, section 6.8; SDM volume 3, section 11.11).
use crate::pci::{self, COMMAND, Config, Function};

/// Where in configuration space the list of capabilities begins, if bit 20 of [`COMMAND`]'s word says that there is one.
const LIST: u8 = 0x34;
const HAS_LIST: u32 = 1 << 20;
/// Capabilities that fit into configuration space: a list that is longer goes in circles.
const MOST_CAPABILITIES: usize = 48;
/// Numbers of the capabilities.
const MSI: u8 = 0x05;
const MSI_X: u8 = 0x11;
/// Bits of the upper half of the first word of MSI: on, number of messages, a 64-bit address.
const MSI_ON: u32 = 1 << 16;
const MSI_COUNT: u32 = 7 << 20;
const MSI_WIDE: u32 = 1 << 23;
/// Bits of the upper half of the first word of MSI-X: on, all entries masked.
const MSI_X_ON: u32 = 1 << 31;
const MSI_X_MASKED: u32 = 1 << 30;
/// Bit of [`COMMAND`]: the function pulls no line.
const NO_LINE: u32 = 1 << 10;

/// What a function writes, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// The local APIC's address for messages to one core; below 4 GiB.
    pub address: u32,
    /// The vector: fixed delivery, edge triggered.
    pub data: u32,
}

impl Message {
    /// A message that interrupts the core with this APIC number at this vector.
    pub const fn new(apic: u8, vector: u8) -> Self {
        Message { address: 0xfee0_0000 | (apic as u32) << 12, data: vector as u32 }
    }
}

/// How a function is told its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Capability {
    /// In configuration space, from this offset on.
    Plain { at: u8 },
    /// In a table in one of its memories.
    Table { at: u8 },
}

/// Lets a function send this message as its only interrupt. With MSI-X that is entry 0 of a table: `write` writes four words
/// of 32 bits to a physical address. False: it can send none, or `write` says no.
pub fn set(
    config: &mut impl Config,
    function: Function,
    message: Message,
    write: impl FnOnce(u64, [u32; 4]) -> bool,
) -> bool {
    let is_set = match find(config, function) {
        None => false,
        Some(Capability::Plain { at }) => {
            let control = config.read(function, at) & !(MSI_ON | MSI_COUNT);
            config.write(function, at, control);
            config.write(function, at + 4, message.address);
            let behind = if control & MSI_WIDE != 0 {
                config.write(function, at + 8, 0);
                at + 12
            } else {
                at + 8
            };
            // The upper half belongs to others.
            let other = config.read(function, behind) & !0xffff;
            config.write(function, behind, other | message.data);
            config.write(function, at, control | MSI_ON);
            true
        }
        Some(Capability::Table { at }) => table(config, function, at).is_some_and(|paddr| {
            let control = config.read(function, at);
            config.write(function, at, control | MSI_X_ON | MSI_X_MASKED);
            let is_written = write(paddr, [message.address, 0, message.data, 0]);
            let control = control & !MSI_X_MASKED;
            config.write(function, at, if is_written { control | MSI_X_ON } else { control & !MSI_X_ON });
            is_written
        }),
    };
    if is_set {
        let command = config.read(function, COMMAND) & 0xffff;
        config.write(function, COMMAND, command | NO_LINE);
    }
    is_set
}

/// Ends a function's messages.
pub fn clear(config: &mut impl Config, function: Function) {
    match find(config, function) {
        Some(Capability::Plain { at }) => {
            let control = config.read(function, at);
            config.write(function, at, control & !MSI_ON);
        }
        Some(Capability::Table { at }) => {
            let control = config.read(function, at);
            config.write(function, at, control & !MSI_X_ON);
        }
        None => {}
    }
}

/// The one that needs no table, if there are both.
fn find(config: &mut impl Config, function: Function) -> Option<Capability> {
    if config.read(function, COMMAND) & HAS_LIST == 0 {
        return None;
    }
    let mut found = None;
    let mut at = config.read(function, LIST) as u8 & !3;
    for _ in 0..MOST_CAPABILITIES {
        if at == 0 {
            break;
        }
        let word = config.read(function, at);
        match word as u8 {
            // Its last word must lie in configuration space.
            MSI if at <= 0xf0 => return Some(Capability::Plain { at }),
            MSI_X if at <= 0xf4 => found = Some(Capability::Table { at }),
            _ => {}
        }
        at = (word >> 8) as u8 & !3;
    }
    found
}

/// Where entry 0 of the table of MSI-X is. The function answers there from now on.
fn table(config: &mut impl Config, function: Function, at: u8) -> Option<u64> {
    const ENTRY_BYTES: u64 = 16;
    let place = config.read(function, at + 4);
    let bar = pci::bar(config, function, (place & 7) as u8)?;
    let offset = u64::from(place & !7);
    pci::answer(config, function);
    let is_inside = offset.is_multiple_of(ENTRY_BYTES) && offset + ENTRY_BYTES <= bar.bytes;
    is_inside.then(|| bar.paddr + offset)
}

#[cfg(test)]
#[path = "msi_tests.rs"]
mod tests;
