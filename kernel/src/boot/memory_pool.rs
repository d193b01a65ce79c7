//! Boot-time memory: the objects of the root task are taken from the end of a region of RAM (abi.md 8.5).
use core::cmp::Reverse;

use super::region::{Region, RegionList};
use crate::addr::{self, KERNEL_WINDOW_BITS, PhysAddr};

/// The machine has too little memory for the root task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// Bytes that were asked for.
    pub bytes: u64,
}

/// Takes `bytes` of zeroed memory, a multiple of 8, aligned to `align` (a power of two), from the end of a region and below
/// the end of the direct map.
pub fn take(ram: &mut RegionList, bytes: u64, align: u64) -> Result<PhysAddr, OutOfMemory> {
    let start = place(ram, bytes, align).ok_or(OutOfMemory { bytes })?;
    ram.remove(Region { start, end: start + bytes });
    // SAFETY: the memory was free RAM inside the direct map until the line above.
    unsafe { addr::zero(PhysAddr(start), bytes) };
    Ok(PhysAddr(start))
}

/// Of the ends of all regions, the one that costs the users least: where the untyped that would be there is smallest. So a
/// region of whole gibibytes stays whole as long as there is another. Among equals, the highest.
fn place(ram: &RegionList, bytes: u64, align: u64) -> Option<u64> {
    let window = 1 << KERNEL_WINDOW_BITS;
    let candidate = |region: Region| {
        let start = region.end.min(window).checked_sub(bytes)? & !(align - 1);
        (start >= region.start).then(|| (block_bits(region, start), Reverse(start)))
    };
    ram.iter().filter_map(candidate).min().map(|(_, Reverse(start))| start)
}

/// log2 of the largest block that holds an address of the region, is aligned to its own size and lies inside.
fn block_bits(region: Region, address: u64) -> u32 {
    let inside = |bits: &u32| {
        let start = address >> bits << bits;
        region.contains(Region { start, end: start.saturating_add(1 << bits) })
    };
    (0..u64::BITS).take_while(inside).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn list(regions: &[(u64, u64)]) -> RegionList {
        let mut list = RegionList::new();
        for &(start, end) in regions {
            assert!(list.add(Region { start, end }));
        }
        list
    }

    #[test]
    fn a_whole_gibibyte_stays_whole() {
        let below_the_hole = (0x10_0000, 2 * GIB - 0x2_1000);
        let mut ram = list(&[below_the_hole, (4 * GIB, 5 * GIB)]);
        for (bytes, align) in [(1 << 18, 1 << 18), (0x1000, 0x1000), (0x40_0000, 0x1000), (128, 128)] {
            let start = place(&ram, bytes, align).expect("room");
            assert!(start < 2 * GIB && start.is_multiple_of(align), "{start:#x}");
            ram.remove(Region { start, end: start + bytes });
        }
        assert_eq!(place(&ram, 3 * GIB, 0x1000), None);
        // Where nothing else has room, it is used.
        assert_eq!(
            place(&list(&[(0x1000, 0x3000), (4 * GIB, 5 * GIB)]), 0x4000, 0x1000),
            Some(5 * GIB - 0x4000)
        );
    }

    #[test]
    fn the_end_of_a_region_is_used_and_the_highest_of_equals() {
        assert_eq!(place(&list(&[(0x1000, 0x9000)]), 0x1000, 0x1000), Some(0x8000));
        assert_eq!(place(&list(&[(0x1000, 0x9800)]), 0x1000, 0x1000), Some(0x8000), "alignment");
        assert_eq!(place(&list(&[(0x1000, 0x2000), (0x5000, 0x6000)]), 0x1000, 0x1000), Some(0x5000));
        let window = 1 << KERNEL_WINDOW_BITS;
        assert_eq!(
            place(&list(&[(window - 0x2000, window + 0x2000)]), 0x1000, 0x1000),
            Some(window - 0x1000)
        );
        assert_eq!(place(&list(&[(window, window + 0x2000)]), 0x1000, 0x1000), None);
    }

    #[test]
    fn blocks_are_aligned_to_their_size() {
        let region = Region { start: 0x1000, end: 0x9000 };
        assert_eq!(
            [0x1000, 0x2000, 0x4000, 0x8000].map(|address| block_bits(region, address)),
            [12, 13, 14, 12]
        );
        assert_eq!(block_bits(Region { start: 0, end: u64::MAX }, 0), 63);
    }
}
