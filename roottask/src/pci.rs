//! PCI configuration space: which functions there are, and where their registers are in memory.

/// 32-bit access to configuration space.
pub trait Config {
    /// The word at a multiple of 4.
    fn read(&mut self, function: Function, offset: u8) -> u32;
    /// Writes the word at a multiple of 4.
    fn write(&mut self, function: Function, offset: u8, value: u32);
}

/// A function by its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Bus.
    pub bus: u8,
    /// Device on the bus, below 32.
    pub device: u8,
    /// Function of the device, below 8.
    pub function: u8,
}

impl Function {
    /// The word for the address port of configuration mechanism 1.
    pub const fn address(self, offset: u8) -> u32 {
        let place = (self.bus as u32) << 16 | (self.device as u32) << 11 | (self.function as u32) << 8;
        1 << 31 | place | offset as u32 & 0xfc
    }
}

/// A run of physical addresses that a function answers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// Where it begins.
    pub paddr: u64,
    /// Bytes, a power of two.
    pub bytes: u64,
}

const IDENTITY: u8 = 0;
/// Command in the lower half, status in the upper one.
pub(crate) const COMMAND: u8 = 4;
const CLASS: u8 = 8;
const HEADER_TYPE: u8 = 0xc;
const BARS: u8 = 0x10;
const BUS_NUMBERS: u8 = 0x18;
/// The function answers to I/O ports (bit 0) and memory (bit 1).
const DECODE: u32 = 3;
const DECODE_MEMORY: u32 = 2;
/// The function may access memory by itself.
const MASTER: u32 = 4;
const NOT_THERE: u32 = u32::MAX;
/// Class and subclass of a bridge to another PCI bus.
const PCI_BRIDGE: u32 = 0x0604;
/// Base address registers of an ordinary function.
const MAX_BARS: u8 = 6;

/// The first function of a vendor and device number, on bus 0 and the buses behind bridges that the firmware numbered.
pub fn find(config: &mut impl Config, vendor: u16, device: u16) -> Option<Function> {
    let wanted = u32::from(vendor) | u32::from(device) << 16;
    // Buses to look at, one bit each; those looked at are never added again.
    let (mut todo, mut seen) = ([1u64, 0, 0, 0], [1u64, 0, 0, 0]);
    while let Some(word) = todo.iter().position(|word| *word != 0) {
        let bit = todo[word].trailing_zeros();
        todo[word] &= todo[word] - 1;
        let bus = (word as u32 * 64 + bit) as u8;
        for device in 0..32 {
            for function in 0..functions(config, bus, device) {
                let function = Function { bus, device, function };
                let identity = config.read(function, IDENTITY);
                if identity == wanted {
                    return Some(function);
                }
                if identity != NOT_THERE && config.read(function, CLASS) >> 16 == PCI_BRIDGE {
                    let behind = (config.read(function, BUS_NUMBERS) >> 8) as u8;
                    let (word, bit) = (usize::from(behind / 64), 1 << (behind % 64));
                    todo[word] |= bit & !seen[word];
                    seen[word] |= bit;
                }
            }
        }
    }
    None
}

/// How many functions to look at in a device.
fn functions(config: &mut impl Config, bus: u8, device: u8) -> u8 {
    let first = Function { bus, device, function: 0 };
    if config.read(first, IDENTITY) == NOT_THERE {
        return 0;
    }
    if config.read(first, HEADER_TYPE) >> 23 & 1 != 0 { 8 } else { 1 }
}

/// The memory that base address register `index` of a function asks for; None: it has none there, or it is I/O ports, or
/// the firmware gave it no address.
pub fn bar(config: &mut impl Config, function: Function, index: u8) -> Option<Bar> {
    if index >= MAX_BARS {
        return None;
    }
    let offset = BARS + 4 * index;
    // While its size is found out the register holds no address: the function must not answer.
    let command = config.read(function, COMMAND) & 0xffff;
    config.write(function, COMMAND, command & !DECODE);
    let low = probe(config, function, offset);
    let is_wide = low.0 >> 1 & 3 == 2 && index + 1 < MAX_BARS;
    let high = if is_wide { probe(config, function, offset + 4) } else { (0, 0) };
    config.write(function, COMMAND, command);
    let is_ports = low.0 & 1 != 0;
    let mask = u64::from(low.1 & !0xf) | u64::from(if is_wide { high.1 } else { u32::MAX }) << 32;
    let paddr = u64::from(low.0 & !0xf) | u64::from(high.0) << 32;
    if is_ports || low.1 & !0xf == 0 && high.1 == 0 || paddr == 0 {
        return None;
    }
    Some(Bar { paddr, bytes: mask & mask.wrapping_neg() })
}

/// Lets a function answer in memory.
pub fn answer(config: &mut impl Config, function: Function) {
    let command = config.read(function, COMMAND) & 0xffff;
    config.write(function, COMMAND, command | DECODE_MEMORY);
}

/// Lets a function answer in memory and access memory by itself.
pub fn start(config: &mut impl Config, function: Function) {
    let command = config.read(function, COMMAND) & 0xffff;
    config.write(function, COMMAND, command | DECODE_MEMORY | MASTER);
}

/// Ends a function's access to memory.
pub fn stop(config: &mut impl Config, function: Function) {
    let command = config.read(function, COMMAND) & 0xffff;
    config.write(function, COMMAND, command & !MASTER);
}

/// A register's value, and what of it can be written.
fn probe(config: &mut impl Config, function: Function, offset: u8) -> (u32, u32) {
    let value = config.read(function, offset);
    config.write(function, offset, u32::MAX);
    let writable = config.read(function, offset);
    config.write(function, offset, value);
    (value, writable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Functions with words; a word's second value says which of its bits can be written.
    #[derive(Default)]
    struct Machine(HashMap<u32, (u32, u32)>);

    impl Machine {
        fn set(&mut self, place: (u8, u8, u8), offset: u8, value: u32, writable: u32) {
            let (bus, device, function) = place;
            self.0.insert(Function { bus, device, function }.address(offset), (value, writable));
        }
    }

    impl Config for Machine {
        fn read(&mut self, function: Function, offset: u8) -> u32 {
            let identity = function.address(IDENTITY);
            let missing = if self.0.contains_key(&identity) { 0 } else { NOT_THERE };
            self.0.get(&function.address(offset)).map_or(missing, |word| word.0)
        }

        fn write(&mut self, function: Function, offset: u8, value: u32) {
            if let Some((word, writable)) = self.0.get_mut(&function.address(offset)) {
                *word = *word & !*writable | value & *writable;
            }
        }
    }

    /// A bridge to bus 70 on bus 0, which also leads back to itself, and a card with three registers behind it.
    fn machine() -> Machine {
        let mut machine = Machine::default();
        machine.set((0, 0, 0), IDENTITY, 0x29c0_8086, 0);
        machine.set((0, 0, 0), HEADER_TYPE, 1 << 23, 0);
        for (function, behind) in [(3, 0), (5, 70)] {
            machine.set((0, 0, function), IDENTITY, 0x2448_8086, 0);
            machine.set((0, 0, function), CLASS, PCI_BRIDGE << 16, 0);
            machine.set((0, 0, function), BUS_NUMBERS, behind << 8, 0);
        }
        let card = (70, 31, 0);
        machine.set(card, IDENTITY, 0x100e_8086, 0);
        machine.set(card, COMMAND, 0x0010_0007, 0xffff);
        machine.set(card, BARS, 0xfebc_0000, 0xfffe_0000);
        machine.set(card, BARS + 4, 0xc001, 0xffc0);
        machine.set(card, BARS + 8, 0x0000_000c, 0xfff0_0000);
        machine.set(card, BARS + 12, 0x80, u32::MAX);
        machine
    }

    #[test]
    fn a_card_behind_a_bridge_and_its_registers() {
        let mut machine = machine();
        let card = find(&mut machine, 0x8086, 0x100e).unwrap();
        assert_eq!(card, Function { bus: 70, device: 31, function: 0 });
        assert_eq!(find(&mut machine, 0x8086, 0x100f), None);
        let before = machine.0.clone();
        assert_eq!(bar(&mut machine, card, 0), Some(Bar { paddr: 0xfebc_0000, bytes: 0x2_0000 }));
        assert_eq!(bar(&mut machine, card, 2), Some(Bar { paddr: 0x80_0000_0000, bytes: 0x10_0000 }));
        for ports_or_nothing in [1, 4, 5, 6, 255] {
            assert_eq!(bar(&mut machine, card, ports_or_nothing), None);
        }
        assert_eq!(machine.0, before, "registers are as they were");
        let command = |machine: &mut Machine| machine.read(card, COMMAND) & 0xffff;
        machine.write(card, COMMAND, 0x400);
        start(&mut machine, card);
        assert_eq!(command(&mut machine), 0x406);
        stop(&mut machine, card);
        assert_eq!(command(&mut machine), 0x402);
    }
}
