//! The ACPI table of interrupt controllers (MADT): which pin of which IOAPIC a line of the ISA bus is (ACPI 6.5, 5.2.12).
use crate::acpi::{HEADER_BYTES, is_sound, word32};

/// Bytes before the first entry: the header, the address of the local APICs, flags.
const ENTRIES: usize = HEADER_BYTES as usize + 8;

/// Type of the entry of an IOAPIC, and its bytes.
const IO_APIC: (u8, usize) = (1, 12);
/// Type of the entry of a line of the ISA bus that is not what it usually is, and its bytes.
const OVERRIDE: (u8, usize) = (2, 10);

/// How a line of the ISA bus reaches the processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Which IOAPIC, by its place in the table.
    pub io_apic: u64,
    /// Its pin.
    pub pin: u64,
    /// Level triggered, not edge triggered.
    pub level: bool,
    /// Active low, not active high.
    pub low: bool,
}

/// The line of the ISA bus on a machine without this table, or without an entry for it: edge triggered, active high, the
/// pin of its number.
pub const fn usual(irq: u8) -> Line {
    Line { io_apic: 0, pin: irq as u64, level: false, low: false }
}

/// What the table says about a line of the ISA bus; `None` if this is not the table, or a damaged one.
pub fn isa_line(table: &[u8], irq: u8) -> Option<Line> {
    const BUS_ISA: u8 = 0;
    if !table.starts_with(b"APIC") || !is_sound(table) {
        return None;
    }
    let mut line = usual(irq);
    let mut number = u32::from(irq);
    for entry in entries(table, OVERRIDE) {
        if let [_, _, BUS_ISA, source, gsi @ .., flags, _] = entry
            && *source == irq
        {
            number = word32(gsi, 0)?;
            // 0 stands for what is usual on the bus.
            (line.low, line.level) = (flags & 0b11 == 0b11, flags >> 2 & 0b11 == 0b11);
        }
    }
    let bases = entries(table, IO_APIC).filter_map(|entry| word32(entry, 8)).enumerate();
    let (io_apic, base) = bases.filter(|(_, base)| *base <= number).max_by_key(|(_, base)| *base)?;
    (line.io_apic, line.pin) = (io_apic as u64, u64::from(number - base));
    Some(line)
}

/// The entries of a type that are long enough for it.
fn entries(table: &[u8], (kind, bytes): (u8, usize)) -> impl Iterator<Item = &[u8]> {
    let mut rest = table.get(ENTRIES..).unwrap_or_default();
    let all = core::iter::from_fn(move || {
        // An entry of no length would be the last one for ever.
        let length = rest.get(1).map(|length| usize::from(*length)).filter(|length| *length >= 2)?;
        let (entry, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(entry)
    });
    all.filter(move |entry| entry.first() == Some(&kind)).filter_map(move |entry| entry.get(..bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(entries: &[&[u8]]) -> Vec<u8> {
        let mut table = b"APIC".to_vec();
        table.resize(ENTRIES, 0);
        table.extend(entries.concat());
        let bytes = table.len() as u32;
        table[4..8].copy_from_slice(&bytes.to_le_bytes());
        seal(&mut table);
        table
    }

    fn seal(table: &mut [u8]) {
        table[9] = 0;
        let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        table[9] = 0u8.wrapping_sub(sum);
    }

    fn io_apic(id: u8, base: u8) -> [u8; 12] {
        [1, 12, id, 0, 0, 0, 0xc0, 0xfe, base, 0, 0, 0]
    }

    const PROCESSOR: [u8; 8] = [0, 8, 0, 0, 1, 0, 0, 0];

    #[test]
    fn lines_that_are_not_what_they_usually_are() {
        let timer = [2, 10, 0, 0, 2, 0, 0, 0, 0, 0];
        let acpi = [2, 10, 0, 9, 9, 0, 0, 0, 0b1111, 0];
        let far = [2, 10, 0, 12, 30, 0, 0, 0, 0b0101, 0];
        let other_bus = [2, 10, 1, 4, 7, 0, 0, 0, 0, 0];
        let table = table(&[&PROCESSOR, &io_apic(0, 0), &timer, &acpi, &far, &other_bus, &io_apic(1, 24)]);
        assert_eq!(isa_line(&table, 0), Some(Line { pin: 2, ..usual(0) }));
        assert_eq!(isa_line(&table, 9), Some(Line { level: true, low: true, ..usual(9) }));
        assert_eq!(isa_line(&table, 12), Some(Line { io_apic: 1, pin: 6, ..usual(12) }));
        assert_eq!(isa_line(&table, 4), Some(usual(4)));
    }

    #[test]
    fn tables_that_lie() {
        let good = table(&[&io_apic(0, 0)]);
        assert_eq!(isa_line(&good, 4), Some(usual(4)));
        let mut damaged = good.clone();
        damaged[12] ^= 1;
        assert_eq!(isa_line(&damaged, 4), None);
        assert_eq!(isa_line(b"APIC", 4), None);
        assert_eq!(isa_line(&table(&[]), 4), None, "no IOAPIC");
        assert_eq!(isa_line(&table(&[&io_apic(0, 8)]), 4), None, "none for this line");
        assert_eq!(isa_line(&table(&[&io_apic(0, 0), &[2, 0]]), 4), Some(usual(4)), "an entry of no length");
        let short = [2, 4, 0, 4];
        assert_eq!(
            isa_line(&table(&[&io_apic(0, 0), &short]), 4),
            Some(usual(4)),
            "too short to say anything"
        );
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_to_an_end(content in proptest::collection::vec(any::<u8>(), 0..200), irq: u8) {
            let mut table = table(&[&content]);
            seal(&mut table);
            if let Some(line) = isa_line(&table, irq) {
                prop_assert!(line.pin <= u64::from(u32::MAX));
            }
        }
    }
}
