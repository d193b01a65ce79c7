//! The PVH start info: what QEMU's `-kernel` hands over (Xen's public header `arch-x86/hvm/start_info.h`).
use crate::bytes::{u32_at, u64_at};
use crate::memory_map::{Kind, Region};

const MAGIC: u32 = 0x336e_c578;
/// Size of the start info of version 1 in bytes.
pub const START_INFO_BYTES: usize = 56;
/// Size of an entry of the module list in bytes.
pub const MODULE_BYTES: usize = 32;
/// Size of an entry of the memory map in bytes.
pub const MEMORY_MAP_ENTRY_BYTES: usize = 24;

/// The start info. Addresses are physical; 0 means absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartInfo {
    /// How many modules the module list has.
    pub module_count: u32,
    /// Address of the module list.
    pub modules: u64,
    /// Address of the command line, which ends with a zero byte.
    pub command_line: u64,
    /// Address of the ACPI root pointer (RSDP).
    pub rsdp: u64,
    /// Address of the memory map.
    pub memory_map: u64,
    /// How many entries the memory map has; 0 before version 1.
    pub memory_map_entries: u32,
}

impl StartInfo {
    /// Reads the start info from its bytes; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if u32_at(bytes, 0)? != MAGIC {
            return None;
        }
        let version = u32_at(bytes, 4)?;
        let (memory_map, memory_map_entries) =
            if version >= 1 { (u64_at(bytes, 40)?, u32_at(bytes, 48)?) } else { (0, 0) };
        Some(Self {
            module_count: u32_at(bytes, 12)?,
            modules: u64_at(bytes, 16)?,
            command_line: u64_at(bytes, 24)?,
            rsdp: u64_at(bytes, 32)?,
            memory_map,
            memory_map_entries,
        })
    }
}

/// Address and size in bytes of the module that an entry of the module list describes.
pub fn module(entry: &[u8]) -> Option<(u64, u64)> {
    Some((u64_at(entry, 0)?, u64_at(entry, 8)?))
}

/// The regions of a PVH memory map.
pub fn memory_regions(map: &[u8]) -> impl Iterator<Item = Region> + Clone + '_ {
    map.chunks_exact(MEMORY_MAP_ENTRY_BYTES).filter_map(|entry| {
        let start = u64_at(entry, 0)?;
        let end = start.checked_add(u64_at(entry, 8)?)?;
        Some(Region { start, end, kind: Kind::from_e820(u32_at(entry, 16)?) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn start_info(version: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [MAGIC, version, 0, 1] {
            bytes.extend(word.to_le_bytes());
        }
        for word in [0x5000u64, 0x6000, 0xf_5000, 0x7000, 9] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn reads_the_start_info() {
        let info = StartInfo::parse(&start_info(1)).unwrap();
        assert_eq!((info.module_count, info.modules, info.command_line), (1, 0x5000, 0x6000));
        assert_eq!((info.rsdp, info.memory_map, info.memory_map_entries), (0xf_5000, 0x7000, 9));
        assert_eq!(StartInfo::parse(&start_info(0)).unwrap().memory_map_entries, 0);
        assert_eq!(StartInfo::parse(&start_info(1)[..40]), None);
        assert_eq!(StartInfo::parse(&[0; START_INFO_BYTES]), None);
    }

    #[test]
    fn reads_memory_regions() {
        let mut map = Vec::new();
        for (start, bytes, kind) in [(0x1000u64, 0x2000u64, 1u64), (u64::MAX, 2, 1), (0x8000, 0x1000, 4)] {
            map.extend(start.to_le_bytes().into_iter().chain(bytes.to_le_bytes()).chain(kind.to_le_bytes()));
        }
        let regions: Vec<_> = memory_regions(&map).collect();
        assert_eq!(
            regions,
            [
                Region { start: 0x1000, end: 0x3000, kind: Kind::Usable },
                Region { start: 0x8000, end: 0x9000, kind: Kind::AcpiNvs },
            ],
            "an entry beyond the address space is passed over"
        );
    }
}
