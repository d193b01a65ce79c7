//! Physical memory, which directboot reaches at the same virtual address: `entry` maps the first 4 GiB so.
use directboot::error::Error;
use directboot::memory_map::{Kind, MemoryMap, PAGE_BYTES, Shortage};
use directboot::paging::{Table, TableMemory};

const REACH: u64 = 1 << 32;

/// Reads `bytes` bytes at the physical address `address`; `what` is for the error that it lies beyond 4 GiB.
///
/// # Safety
/// Nothing may write to that memory from now on: it is not part of directboot's image, and no block that contains it is
/// taken from the memory map.
pub unsafe fn read(what: &'static str, address: u64, bytes: u64) -> Result<&'static [u8], Error<'static>> {
    let end = address.checked_add(bytes).filter(|&end| end <= REACH);
    if address == 0 || end.is_none() {
        return Err(Error::OutOfReach { what, address });
    }
    // SAFETY: the range is mapped, does not begin at 0, and by the caller's promise does not change.
    Ok(unsafe { core::slice::from_raw_parts(address as *const u8, bytes as usize) })
}

/// Memory that was taken from the map.
pub struct Block {
    /// Its physical address.
    pub address: u64,
    /// Its bytes, in whole pages.
    pub bytes: &'static mut [u8],
}

/// Takes `bytes` bytes of usable memory; `what` is for the error that there is none left. Their content is undefined.
pub fn take(
    memory: &mut MemoryMap,
    bytes: u64,
    alignment: u64,
    kind: Kind,
    what: &'static str,
) -> Result<Block, Error<'static>> {
    let address = memory.allocate(bytes, alignment, kind).map_err(|shortage| match shortage {
        Shortage::NoMemory => Error::NoMemory { what, bytes },
        Shortage::Full => Error::MemoryMapFull,
    })?;
    let len = (bytes.max(1) as usize).next_multiple_of(PAGE_BYTES as usize);
    // SAFETY: (1) the map gives out usable RAM above 1 MiB and below 4 GiB, which is mapped, and each page once only;
    // (2) the directboot image and all that is read are not usable in it; (3) any bytes are a valid `[u8]`.
    let bytes = unsafe { core::slice::from_raw_parts_mut(address as *mut u8, len) };
    Ok(Block { address, bytes })
}

/// Page tables in pages of bootloader-reclaimable memory.
pub struct Tables<'a>(pub &'a mut MemoryMap);

impl TableMemory for Tables<'_> {
    fn allocate_table(&mut self) -> Option<u64> {
        self.0.allocate(PAGE_BYTES, PAGE_BYTES, Kind::BootloaderReclaimable).ok()
    }

    fn table(&mut self, address: u64) -> &mut Table {
        // SAFETY: `address` came from `allocate_table`, thus is a mapped page of its own; it is reached only through
        // here, one table at a time, because the borrow is that of `self`.
        unsafe { &mut *(address as *mut Table) }
    }
}
