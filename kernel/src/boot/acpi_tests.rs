use super::*;
use proptest::prelude::*;

/// Physical memory from address 0x1000 on.
struct Memory(Vec<u8>);
const BASE: u64 = 0x1000;

impl PhysMemory for Memory {
    fn read(&mut self, paddr: u64, to: &mut [u8]) -> bool {
        let Some(start) = paddr.checked_sub(BASE) else { return false };
        let Some(end) = start.checked_add(to.len() as u64) else { return false };
        let Some(bytes) = self.0.get(start as usize..end as usize) else { return false };
        to.copy_from_slice(bytes);
        true
    }
}

impl Memory {
    fn append(&mut self, bytes: &[u8]) -> u64 {
        let at = BASE + self.0.len() as u64;
        self.0.extend_from_slice(bytes);
        at
    }

    fn table(&mut self, name: &[u8; 4], body: &[u8]) -> u64 {
        let mut table = vec![0; HEADER_BYTES as usize];
        table[..4].copy_from_slice(name);
        table.extend_from_slice(body);
        let length = table.len() as u32;
        table[4..8].copy_from_slice(&length.to_le_bytes());
        table[9] = 0u8.wrapping_sub(checksum(&table));
        self.append(&table)
    }
}

fn rsdp(revision: u8, rsdt: u64, xsdt: u64) -> [u8; RSDP_BYTES] {
    let mut rsdp = [0; RSDP_BYTES];
    rsdp[..8].copy_from_slice(b"RSD PTR ");
    rsdp[15] = revision;
    rsdp[16..20].copy_from_slice(&(rsdt as u32).to_le_bytes());
    rsdp[8] = 0u8.wrapping_sub(checksum(&rsdp[..20]));
    rsdp[20] = 36;
    rsdp[24..32].copy_from_slice(&xsdt.to_le_bytes());
    rsdp[32] = 0u8.wrapping_sub(checksum(&rsdp));
    rsdp
}

const LOCAL_APIC: [u8; 8] = [0, 8, 0, 0, 1, 0, 0, 0];
const DISABLED_APIC: [u8; 8] = [0, 8, 1, 1, 0, 0, 0, 0];
const IO_APIC: [u8; 12] = [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0];
const SECOND_IO_APIC: [u8; 12] = [1, 12, 1, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0];

fn madt(entries: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0; 8];
    entries.iter().for_each(|entry| body.extend_from_slice(entry));
    body
}

/// A machine with all tables; returns the address of its XSDT, too.
fn machine() -> (Memory, u64) {
    let mut memory = Memory(Vec::new());
    let unknown = memory.table(b"SSDT", &[1, 2, 3]);
    let madt = memory.table(b"APIC", &madt(&[&LOCAL_APIC, &IO_APIC, &DISABLED_APIC, &SECOND_IO_APIC]));
    let mut hpet = vec![0; 20];
    hpet[8..16].copy_from_slice(&0xfed0_0000u64.to_le_bytes());
    let hpet = memory.table(b"HPET", &hpet);
    let mut fadt = vec![0; 80];
    fadt[40..42].copy_from_slice(&0x608u16.to_le_bytes());
    let fadt = memory.table(b"FACP", &fadt);
    let body: Vec<_> =
        [unknown, madt, 0, hpet, u64::MAX, fadt].iter().flat_map(|at| at.to_le_bytes()).collect();
    let xsdt = memory.table(b"XSDT", &body);
    (memory, xsdt)
}

#[test]
fn a_machine_with_everything() {
    let (mut memory, xsdt) = machine();
    let at = memory.append(&rsdp(2, 0, xsdt));
    let rsdp = read_rsdp(&mut memory, at).unwrap();
    let platform = read_platform(&mut memory, &rsdp).unwrap();
    assert_eq!(platform.ioapics(), [0xfec0_0000, 0xfec0_1000]);
    assert_eq!(platform.processors, 1);
    assert_eq!(platform.hpet, Some(0xfed0_0000));
    assert_eq!(platform.pm_timer, Some(PmTimer { port: 0x608, bits: 24 }));
}

#[test]
fn an_acpi_1_root_pointer_uses_the_rsdt() {
    let mut memory = Memory(Vec::new());
    let madt = memory.table(b"APIC", &madt(&[&LOCAL_APIC, &IO_APIC]));
    let rsdt = memory.table(b"RSDT", &(madt as u32).to_le_bytes());
    // The bytes behind the pointer belong to somebody else.
    let at = memory.append(&rsdp(0, rsdt, 0)[..RSDP_BYTES_1_0]);
    let rsdp = read_rsdp(&mut memory, at).unwrap();
    assert_eq!(rsdp[20..], [0; 16]);
    assert_eq!(read_platform(&mut memory, &rsdp).unwrap().ioapics().len(), 1);
}

#[test]
fn damaged_roots_are_refused() {
    let (mut memory, xsdt) = machine();
    let mut damaged = rsdp(2, 0, xsdt);
    damaged[33] ^= 1;
    let at = memory.append(&damaged);
    assert_eq!(read_rsdp(&mut memory, at), Err(AcpiError::BadRoot));
    assert_eq!(read_rsdp(&mut memory, BASE), Err(AcpiError::BadRoot));
    assert_eq!(read_rsdp(&mut memory, 0), Err(AcpiError::Unreadable(0)));
    let nowhere = rsdp(2, 0, 1 << 40);
    assert_eq!(read_platform(&mut memory, &nowhere), Err(AcpiError::Unreadable(1 << 40)));
    let no_root_table = memory.table(b"JUNK", &[0; 64]);
    let misled = rsdp(2, 0, no_root_table);
    assert_eq!(read_platform(&mut memory, &misled), Err(AcpiError::BadTable(*b"JUNK")));
}

#[test]
fn a_madt_entry_of_length_0_ends_in_an_error() {
    for entry in [[1, 0, 0, 0], [1, 1, 0, 0], [1, 200, 0, 0], [0x7f, 0, 0, 0]] {
        let mut memory = Memory(Vec::new());
        let madt = memory.table(b"APIC", &madt(&[&entry]));
        let xsdt = memory.table(b"XSDT", &madt.to_le_bytes());
        let platform = read_platform(&mut memory, &rsdp(2, 0, xsdt));
        assert_eq!(platform, Err(AcpiError::BadTable(*b"APIC")), "{entry:?}");
    }
}

#[test]
fn a_table_of_impossible_length_is_refused() {
    for length in [0u32, 35, 1 << 20, u32::MAX] {
        let (mut memory, xsdt) = machine();
        let at = (xsdt - BASE) as usize;
        memory.0[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
        let platform = read_platform(&mut memory, &rsdp(2, 0, xsdt));
        assert_eq!(platform, Err(AcpiError::BadTable(*b"XSDT")));
    }
}

proptest! {
    /// Whatever is damaged, reading ends without a panic.
    #[test]
    fn damage_is_survived(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12)) {
        let (mut memory, xsdt) = machine();
        for (index, value) in damage {
            let at = index.index(memory.0.len());
            memory.0[at] = value;
        }
        if let Ok(platform) = read_platform(&mut memory, &rsdp(2, 0, xsdt)) {
            prop_assert!(platform.ioapics().len() <= MAX_IOAPICS);
        }
    }
}
