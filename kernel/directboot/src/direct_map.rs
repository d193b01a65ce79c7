//! The higher half direct map: where physical memory shows in the kernel's address space.
use crate::bytes::{round_down, round_up};
use crate::memory_map::{Kind, MemoryMap, Region};
use crate::paging::{AddressSpace, MapError, Rights, TableMemory};

/// Where physical address 0 is mapped.
pub const OFFSET: u64 = 0xffff_8000_0000_0000;

const LOW_BYTES: u64 = 1 << 32;
const LARGE_PAGE_BYTES: u64 = 1 << 21;
/// The protocol says that these mappings can be read, written and executed.
const RIGHTS: Rights = Rights { write: true, execute: true };

/// Maps the first 4 GiB and all memory above that `revision` asks for, at [`OFFSET`]; for base revision 0 also at the
/// same address as physically, without the first page.
///
/// Reserved and faulty memory above 4 GiB belongs to base revision 0 only.
pub fn map<M: TableMemory>(
    space: &mut AddressSpace<M>,
    map: &MemoryMap,
    revision: u64,
) -> Result<(), MapError> {
    space.map(OFFSET, 0, LOW_BYTES, RIGHTS)?;
    if revision == 0 {
        space.map(0x1000, 0x1000, LOW_BYTES - 0x1000, RIGHTS)?;
    }
    let wanted = |region: &&Region| revision == 0 || !matches!(region.kind, Kind::Reserved | Kind::Bad);
    let mut mapped_end = LOW_BYTES;
    for region in map.regions().iter().filter(wanted) {
        let start = round_down(region.start, LARGE_PAGE_BYTES).max(mapped_end);
        let end = round_up(region.end, LARGE_PAGE_BYTES).ok_or(MapError::BadRange)?;
        if start < end {
            let high_start = start.checked_add(OFFSET).ok_or(MapError::BadRange)?;
            space.map(high_start, start, end - start, RIGHTS)?;
            if revision == 0 {
                space.map(start, start, end - start, RIGHTS)?;
            }
            mapped_end = end;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::tests::{FEATURES, space, walk};

    const GIB: u64 = 1 << 30;

    /// Which of these physical addresses the direct map, and which the identity map, holds for `revision`.
    fn mapped<const N: usize>(revision: u64, addresses: [u64; N]) -> ([bool; N], [bool; N]) {
        let entries = [
            Region { start: 0x10_0000, end: GIB, kind: Kind::Usable },
            Region { start: 4 * GIB, end: 6 * GIB + 0x1000, kind: Kind::Usable },
            Region { start: 6 * GIB + 0x2000, end: 6 * GIB + 0x3000, kind: Kind::AcpiNvs },
            Region { start: 8 * GIB, end: 9 * GIB, kind: Kind::Reserved },
        ];
        let memory_map = MemoryMap::from_firmware(entries.into_iter()).unwrap();
        let mut space = space(64, FEATURES);
        map(&mut space, &memory_map, revision).unwrap();
        let mut at = |offset: u64, address: u64| {
            let found = walk(&mut space, offset + address);
            found.inspect(|&(physical, _)| assert_eq!(physical, address)).is_some()
        };
        (addresses.map(|address| at(OFFSET, address)), addresses.map(|address| at(0, address)))
    }

    #[test]
    fn low_memory_and_ram_are_mapped() {
        let addresses = [0, 0xfee0_0000, 6 * GIB, 6 * GIB + 0x2000, 7 * GIB, 8 * GIB];
        for revision in 1..=4 {
            let (direct, identity) = mapped(revision, addresses);
            assert_eq!(direct, [true, true, true, true, false, false], "revision {revision}");
            assert_eq!(identity, [false; 6], "revision {revision}");
        }
    }

    #[test]
    fn revision_0_has_everything_twice() {
        let (direct, identity) = mapped(0, [0, 0x1000, 6 * GIB, 7 * GIB, 8 * GIB]);
        assert_eq!(direct, [true, true, true, false, true]);
        assert_eq!(identity, [false, true, true, false, true]);
    }
}
