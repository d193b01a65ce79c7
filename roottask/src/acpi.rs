//! ACPI tables, as far as devices are found by them: the root pointer, the list of tables, the HPET's address.

/// Bytes of a table's header.
pub const HEADER_BYTES: u64 = 36;
/// Tables that are looked at.
pub const MAX_TABLES: usize = 64;

pub(crate) fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Where the list of tables is: physical address, and whether its entries have 64 bits.
pub fn table_list(rsdp: &[u8]) -> Option<(u64, bool)> {
    const XSDT: usize = 24;
    const RSDT: usize = 16;
    if !rsdp.starts_with(b"RSD PTR ") {
        return None;
    }
    let is_new = rsdp.get(15).is_some_and(|revision| *revision >= 2);
    match word64(rsdp, XSDT).filter(|address| is_new && *address != 0) {
        Some(address) => Some((address, true)),
        None => word32(rsdp, RSDT).filter(|address| *address != 0).map(|address| (address.into(), false)),
    }
}

/// Bytes of the table that begins with this header.
pub fn table_bytes(header: &[u8]) -> Option<u64> {
    word32(header, 4).map(u64::from).filter(|bytes| (HEADER_BYTES..=1 << 20).contains(bytes))
}

/// The addresses in a list of tables.
pub fn tables(list: &[u8], is_wide: bool) -> impl Iterator<Item = u64> {
    let entries = if is_sound(list) { list.get(HEADER_BYTES as usize..).unwrap_or_default() } else { &[] };
    let bytes = if is_wide { 8 } else { 4 };
    entries
        .chunks_exact(bytes)
        .take(MAX_TABLES)
        .map(|entry| entry.iter().rev().fold(0, |address, byte| address << 8 | u64::from(*byte)))
}

/// Physical address of the HPET, if this is its table.
pub fn hpet(table: &[u8]) -> Option<u64> {
    const SPACE: usize = 40;
    const ADDRESS: usize = 44;
    let in_memory = table.get(SPACE) == Some(&0);
    (table.starts_with(b"HPET") && in_memory && is_sound(table)).then(|| word64(table, ADDRESS)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut table = name.to_vec();
        table.extend((HEADER_BYTES as u32 + content.len() as u32).to_le_bytes());
        table.resize(HEADER_BYTES as usize, 0);
        table.extend(content);
        let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        table[9] = 0u8.wrapping_sub(sum);
        table
    }

    #[test]
    fn from_the_root_pointer_to_the_timer() {
        let mut rsdp = [0; 36];
        rsdp[..8].copy_from_slice(b"RSD PTR ");
        rsdp[16..20].copy_from_slice(&0x7fe0_1000u32.to_le_bytes());
        assert_eq!(table_list(&rsdp), Some((0x7fe0_1000, false)));
        rsdp[15] = 2;
        rsdp[24..32].copy_from_slice(&0x1_0000_0000u64.to_le_bytes());
        assert_eq!(table_list(&rsdp), Some((0x1_0000_0000, true)));
        assert_eq!(table_list(b"RSD PTR "), None);
        assert_eq!(table_list(&[0; 36]), None);

        let entries: Vec<u8> =
            [0x1000u32, 0xffff_f000].iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let mut list = table(b"RSDT", &entries);
        assert_eq!(table_bytes(&list), Some(44));
        assert_eq!(tables(&list, false).collect::<Vec<_>>(), [0x1000, 0xffff_f000]);
        assert_eq!(tables(&list, true).collect::<Vec<_>>(), [0xffff_f000_0000_1000]);
        list[40] ^= 1;
        assert_eq!(tables(&list, false).count(), 0, "a damaged list is not believed");
        assert_eq!(table_bytes(b"RSDT"), None);

        let mut content = vec![1, 2, 3, 4, 0, 64, 0, 0];
        content.extend(0xfed0_0000u64.to_le_bytes());
        assert_eq!(hpet(&table(b"HPET", &content)), Some(0xfed0_0000));
        assert_eq!(hpet(&table(b"HPTE", &content)), None);
        content[4] = 1;
        assert_eq!(hpet(&table(b"HPET", &content)), None, "it is in I/O ports");
        assert_eq!(hpet(b"HPET"), None);
    }
}
