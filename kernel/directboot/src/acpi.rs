//! Finds where the ACPI tables lie, no more: base revision 4 wants the memory that holds them marked.
//!
//! Table layouts: ACPI specification 6.5, chapter 5.2 (RSDP 5.2.5.3, XSDT 5.2.8, FADT 5.2.9).
use crate::bytes::{u32_at, u64_at};

const RSDP_BYTES: u64 = 36;
const HEADER_BYTES: u64 = 36;
/// A root table longer than this is taken for garbage.
const MAX_ROOT_TABLE_BYTES: u64 = 0x1_0000;
/// The bytes of the FADT up to and with X_DSDT.
const FADT_BYTES: u64 = 148;
/// Offsets in the FADT of FACS, DSDT (32 bits) and X_FACS, X_DSDT (64 bits).
const FADT_32: [usize; 2] = [36, 40];
const FADT_64: [usize; 2] = [132, 140];

/// Calls `visit` with the physical address of each table that is reached from the RSDP at `rsdp`, itself included.
///
/// `read` gives `bytes` bytes at a physical address, or `None`. Stops quietly at what makes no sense: the kernel, not
/// directboot, judges the tables.
pub fn each_table<'a>(
    rsdp: u64,
    read: impl Fn(u64, u64) -> Option<&'a [u8]>,
    mut visit: impl FnMut(u64),
) -> Option<()> {
    visit(rsdp);
    let pointer = read(rsdp, RSDP_BYTES)?;
    if !pointer.starts_with(b"RSD PTR ") {
        return None;
    }
    let version = *pointer.get(15)?;
    let xsdt = if version >= 2 { u64_at(pointer, 24)? } else { 0 };
    let (root, entry_bytes) = if xsdt != 0 { (xsdt, 8) } else { (u64::from(u32_at(pointer, 16)?), 4) };
    visit(root);
    let length = u64::from(u32_at(read(root, HEADER_BYTES)?, 4)?).min(MAX_ROOT_TABLE_BYTES);
    let entries = read(root, length)?.get(HEADER_BYTES as usize..)?;
    for entry in entries.chunks_exact(entry_bytes) {
        let address = u64_at(entry, 0).or_else(|| u32_at(entry, 0).map(u64::from))?;
        visit(address);
        if let Some(fadt) = read(address, HEADER_BYTES).filter(|table| table.starts_with(b"FACP")) {
            let length = u64::from(u32_at(fadt, 4)?).min(FADT_BYTES);
            let fadt = read(address, length)?;
            FADT_32.iter().filter_map(|&at| u32_at(fadt, at)).for_each(|address| visit(address.into()));
            FADT_64.iter().filter_map(|&at| u64_at(fadt, at)).for_each(&mut visit);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn put(memory: &mut [u8], at: usize, bytes: &[u8]) {
        memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn visited(memory: &[u8], rsdp: u64) -> Vec<u64> {
        let mut seen = Vec::new();
        let read = |at: u64, bytes: u64| memory.get(at as usize..(at + bytes) as usize);
        each_table(rsdp, read, |address| seen.push(address));
        seen
    }

    #[test]
    fn walks_rsdt_and_fadt() {
        let mut memory = vec![0; 0x1000];
        put(&mut memory, 0x100, b"RSD PTR ");
        put(&mut memory, 0x100 + 16, &0x200u32.to_le_bytes());
        put(&mut memory, 0x200, b"RSDT");
        put(&mut memory, 0x204, &(36u32 + 8).to_le_bytes());
        put(&mut memory, 0x200 + 36, &0x300u32.to_le_bytes());
        put(&mut memory, 0x200 + 40, &0x500u32.to_le_bytes());
        put(&mut memory, 0x300, b"FACP");
        put(&mut memory, 0x304, &116u32.to_le_bytes());
        put(&mut memory, 0x300 + 36, &0x600u32.to_le_bytes());
        put(&mut memory, 0x300 + 40, &0x700u32.to_le_bytes());
        assert_eq!(visited(&memory, 0x100), [0x100, 0x200, 0x300, 0x600, 0x700, 0x500]);
    }

    #[test]
    fn walks_the_xsdt_of_later_versions() {
        let mut memory = vec![0; 0x1000];
        put(&mut memory, 0x100, b"RSD PTR ");
        memory[0x100 + 15] = 2;
        put(&mut memory, 0x100 + 24, &0x200u64.to_le_bytes());
        put(&mut memory, 0x204, &(36u32 + 8).to_le_bytes());
        put(&mut memory, 0x200 + 36, &0x300u64.to_le_bytes());
        assert_eq!(visited(&memory, 0x100), [0x100, 0x200, 0x300]);
    }

    #[test]
    fn garbage_is_passed_over() {
        assert_eq!(visited(&[0; 0x200], 0x100), [0x100]);
        assert_eq!(visited(&[0; 0x20], 0x100), [0x100]);
    }
}
