//! What the kernel wants to know from the ACPI tables: the IOAPICs and two clocks (ACPI 6.5, chapter 5).
//!
//! Tables are read through a narrow window and nothing in them is believed: every length is bounded, every address may
//! be refused. (The `acpi` crate maps whatever address a table names, and never ends on a MADT entry of length 0.)
#![forbid(unsafe_code)]

use core::fmt;

/// IOAPICs that the kernel handles, at most.
pub const MAX_IOAPICS: usize = 16;
/// Bytes of an ACPI 2.0 root pointer.
pub const RSDP_BYTES: usize = 36;

const RSDP_BYTES_1_0: usize = 20;
const HEADER_BYTES: u64 = 36;
/// No table that is read here is larger on any machine.
const MAX_TABLE_BYTES: u64 = 64 << 10;

/// Access to physical memory.
pub trait PhysMemory {
    /// Copies `to.len()` bytes at `paddr`. False if there can be no memory.
    fn read(&mut self, paddr: u64, to: &mut [u8]) -> bool;
}

/// The ACPI power management timer: 3.579545 MHz, read from a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmTimer {
    /// I/O port.
    pub port: u16,
    /// 24 or 32.
    pub bits: u32,
}

/// What the tables say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Platform {
    ioapics: [u64; MAX_IOAPICS],
    ioapic_count: usize,
    /// Processors that can be used.
    pub processors: usize,
    /// Physical address of the high precision event timer.
    pub hpet: Option<u64>,
    /// The power management timer.
    pub pm_timer: Option<PmTimer>,
}

impl Platform {
    /// Physical addresses of the IOAPICs, in the order of the MADT.
    pub fn ioapics(&self) -> &[u64] {
        self.ioapics.get(..self.ioapic_count).unwrap_or_default()
    }
}

/// Why the tables are of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcpiError {
    /// There is no memory where a table should be.
    Unreadable(u64),
    /// The root pointer has the wrong signature or checksum.
    BadRoot,
    /// A table has an impossible length or a wrong checksum.
    BadTable([u8; 4]),
    /// There is no MADT.
    NoMadt,
}

impl fmt::Display for AcpiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcpiError::Unreadable(paddr) => write!(f, "a table would be at {paddr:#x}, where no memory is"),
            AcpiError::BadRoot => write!(f, "the root pointer is damaged"),
            AcpiError::BadTable(name) => write!(f, "the table `{}` is damaged", name.escape_ascii()),
            AcpiError::NoMadt => write!(f, "there is no table of interrupt controllers"),
        }
    }
}

/// Reads the root pointer. An ACPI 1.0 pointer is followed by zeros.
pub fn read_rsdp(memory: &mut impl PhysMemory, paddr: u64) -> Result<[u8; RSDP_BYTES], AcpiError> {
    let mut rsdp = [0; RSDP_BYTES];
    let (old, extension) = rsdp.split_at_mut(RSDP_BYTES_1_0);
    if !memory.read(paddr, old) {
        return Err(AcpiError::Unreadable(paddr));
    }
    if !old.starts_with(b"RSD PTR ") || checksum(old) != 0 {
        return Err(AcpiError::BadRoot);
    }
    const REVISION: usize = 15;
    if old.get(REVISION).is_some_and(|revision| *revision >= 2) {
        if !memory.read(paddr.wrapping_add(RSDP_BYTES_1_0 as u64), extension) {
            return Err(AcpiError::Unreadable(paddr));
        }
        if checksum(&rsdp) != 0 {
            return Err(AcpiError::BadRoot);
        }
    }
    Ok(rsdp)
}

/// Reads the tables that a root pointer leads to. A damaged table other than the MADT counts as absent.
pub fn read_platform(memory: &mut impl PhysMemory, rsdp: &[u8; RSDP_BYTES]) -> Result<Platform, AcpiError> {
    const RSDT: usize = 16;
    const XSDT: usize = 24;
    let xsdt = field_u64(rsdp, XSDT);
    let (root, entry_bytes) = if xsdt != 0 { (xsdt, 8) } else { (u64::from(field_u32(rsdp, RSDT)), 4) };
    let root = Table::open(memory, root)?;
    if ![b"RSDT", b"XSDT"].contains(&&root.signature) {
        return Err(AcpiError::BadTable(root.signature));
    }
    let mut platform = Platform::default();
    let mut madt = Err(AcpiError::NoMadt);
    let mut at = HEADER_BYTES;
    while at + entry_bytes <= root.bytes {
        let mut entry = [0; 8];
        root.read(memory, at, entry.get_mut(..entry_bytes as usize).unwrap_or_default())?;
        at += entry_bytes;
        let table = match Table::open(memory, u64::from_le_bytes(entry)) {
            Ok(table) => table,
            Err(error @ AcpiError::BadTable([b'A', b'P', b'I', b'C'])) => return Err(error),
            Err(_) => continue,
        };
        match &table.signature {
            b"APIC" if madt.is_err() => madt = platform.read_madt(memory, &table),
            b"HPET" if platform.hpet.is_none() => platform.hpet = read_hpet(memory, &table),
            b"FACP" if platform.pm_timer.is_none() => platform.pm_timer = read_pm_timer(memory, &table),
            _ => {}
        }
    }
    madt.map(|()| platform)
}

impl Platform {
    fn read_madt(&mut self, memory: &mut impl PhysMemory, table: &Table) -> Result<(), AcpiError> {
        const FIRST_ENTRY: u64 = 44;
        const LOCAL_APIC: u8 = 0;
        const IO_APIC: u8 = 1;
        const LOCAL_X2APIC: u8 = 9;
        let mut at = FIRST_ENTRY;
        while at + 2 <= table.bytes {
            let mut entry = [0; 16];
            let head = entry.get_mut(..2).unwrap_or_default();
            table.read(memory, at, head)?;
            let (kind, length) = (field_u8(head, 0), u64::from(field_u8(head, 1)));
            if length < 2 || at + length > table.bytes {
                return Err(AcpiError::BadTable(table.signature));
            }
            table.read(memory, at, entry.get_mut(..length.min(16) as usize).unwrap_or_default())?;
            at += length;
            // An entry that is too short has zeros for what is missing.
            match kind {
                LOCAL_APIC => self.processors += usize::from(field_u32(&entry, 4) & 1 != 0),
                LOCAL_X2APIC => self.processors += usize::from(field_u32(&entry, 8) & 1 != 0),
                IO_APIC if length >= 12 => {
                    if let Some(slot) = self.ioapics.get_mut(self.ioapic_count) {
                        *slot = u64::from(field_u32(&entry, 4));
                        self.ioapic_count += 1;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Address of the HPET, if it is in memory.
fn read_hpet(memory: &mut impl PhysMemory, table: &Table) -> Option<u64> {
    const ADDRESS_STRUCTURE: u64 = 40;
    const IN_MEMORY: u8 = 0;
    let mut address = [0; 12];
    table.read(memory, ADDRESS_STRUCTURE, &mut address).ok()?;
    let paddr = field_u64(&address, 4);
    (field_u8(&address, 0) == IN_MEMORY && paddr != 0 && paddr.is_multiple_of(8)).then_some(paddr)
}

/// The power management timer of the FADT.
fn read_pm_timer(memory: &mut impl PhysMemory, table: &Table) -> Option<PmTimer> {
    const PM_TIMER_BLOCK: u64 = 76;
    const FLAGS: u64 = 112;
    const TIMER_IS_32_BITS: u32 = 1 << 8;
    let mut word = [0; 4];
    table.read(memory, PM_TIMER_BLOCK, &mut word).ok()?;
    let port = u16::try_from(u32::from_le_bytes(word)).ok().filter(|port| *port != 0)?;
    table.read(memory, FLAGS, &mut word).ok()?;
    let bits = if u32::from_le_bytes(word) & TIMER_IS_32_BITS != 0 { 32 } else { 24 };
    Some(PmTimer { port, bits })
}

/// A table whose header and checksum were found good.
struct Table {
    paddr: u64,
    bytes: u64,
    signature: [u8; 4],
}

impl Table {
    fn open(memory: &mut impl PhysMemory, paddr: u64) -> Result<Table, AcpiError> {
        let mut header = [0; 8];
        if !memory.read(paddr, &mut header) {
            return Err(AcpiError::Unreadable(paddr));
        }
        let bytes = u64::from(field_u32(&header, 4));
        let [a, b, c, d, ..] = header;
        let table = Table { paddr, bytes, signature: [a, b, c, d] };
        if !(HEADER_BYTES..=MAX_TABLE_BYTES).contains(&bytes) && table.is_wanted() {
            return Err(AcpiError::BadTable(table.signature));
        }
        if table.is_wanted() && table.sum(memory)? != 0 {
            return Err(AcpiError::BadTable(table.signature));
        }
        Ok(table)
    }

    /// The other tables are only looked at to see their name: some have megabytes.
    fn is_wanted(&self) -> bool {
        [b"RSDT", b"XSDT", b"APIC", b"HPET", b"FACP"].contains(&&self.signature)
    }

    /// Copies bytes of the table.
    fn read(&self, memory: &mut impl PhysMemory, offset: u64, to: &mut [u8]) -> Result<(), AcpiError> {
        let end = offset.saturating_add(to.len() as u64);
        let paddr = self.paddr.checked_add(offset).filter(|_| end <= self.bytes);
        match paddr {
            Some(paddr) if memory.read(paddr, to) => Ok(()),
            Some(paddr) => Err(AcpiError::Unreadable(paddr)),
            None => Err(AcpiError::BadTable(self.signature)),
        }
    }

    fn sum(&self, memory: &mut impl PhysMemory) -> Result<u8, AcpiError> {
        let mut total = 0u8;
        let mut at = 0;
        while at < self.bytes {
            let mut chunk = [0; 64];
            let chunk = chunk.get_mut(..(self.bytes - at).min(64) as usize).unwrap_or_default();
            self.read(memory, at, chunk)?;
            total = total.wrapping_add(checksum(chunk));
            at += chunk.len() as u64;
        }
        Ok(total)
    }
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn field_u8(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn field_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

fn field_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
#[path = "acpi_tests.rs"]
mod tests;
