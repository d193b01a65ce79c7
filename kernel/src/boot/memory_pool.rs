//! Boot-time memory: the objects of the root task are taken from the top of RAM (abi.md 8.5).
use super::region::{Region, RegionList};
use crate::addr::{self, KERNEL_WINDOW_BITS, PhysAddr};

/// The machine has too little memory for the root task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// Bytes that were asked for.
    pub bytes: u64,
}

/// Takes `bytes` of zeroed memory, a multiple of 8, aligned to `align` (a power of two), from as high as possible below the end of the direct map.
pub fn take(ram: &mut RegionList, bytes: u64, align: u64) -> Result<PhysAddr, OutOfMemory> {
    let window = 1 << KERNEL_WINDOW_BITS;
    let place = |region: Region| {
        let start = region.end.min(window).checked_sub(bytes)? & !(align - 1);
        (start >= region.start).then_some(start)
    };
    let start = ram.iter().filter_map(place).max().ok_or(OutOfMemory { bytes })?;
    ram.remove(Region { start, end: start + bytes });
    // SAFETY: the memory was free RAM inside the direct map until the line above.
    unsafe { addr::zero(PhysAddr(start), bytes) };
    Ok(PhysAddr(start))
}
