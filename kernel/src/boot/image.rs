//! The root task's ELF image (abi.md 8.4).
use elf::ElfBytes;
use elf::abi::{EM_X86_64, PT_LOAD};
use elf::endian::LittleEndian;

use crate::addr::{self, PhysAddr};

const PAGE: u64 = 1 << sel_abi::PAGE_BITS;

/// An image that can be loaded.
pub struct Image<'a> {
    elf: ElfBytes<'a, LittleEndian>,
    /// Lowest address, page aligned.
    pub start: u64,
    /// End of the highest page.
    pub end: u64,
    /// First instruction.
    pub entry: u64,
}

/// Checks an ELF file; the error says what is wrong with it.
pub fn parse(file: &[u8]) -> Result<Image<'_>, &'static str> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| "not a complete ELF file")?;
    if elf.ehdr.e_machine != EM_X86_64 {
        return Err("not a program for x86_64");
    }
    let headers = elf.segments().ok_or("no program headers")?;
    let (mut start, mut end) = (u64::MAX, 0);
    for header in headers.iter().filter(|header| header.p_memsz > 0) {
        let last = header.p_vaddr.checked_add(header.p_memsz).ok_or("a segment wraps around")?;
        if header.p_type == PT_LOAD {
            let data = elf.segment_data(&header).map_err(|_| "a segment lies outside of the file")?;
            if data.len() as u64 > header.p_memsz {
                return Err("a segment has more bytes in the file than in memory");
            }
        } else if header.p_vaddr == 0 {
            // Headers that describe no memory, such as the stack's.
            continue;
        }
        start = start.min(header.p_vaddr);
        end = end.max(last);
    }
    if end == 0 {
        return Err("nothing to load");
    }
    if start % PAGE != 0 {
        return Err("the lowest address is not page aligned");
    }
    if end > sel_abi::USER_TOP - 64 * PAGE {
        return Err("the image lies above the user's address space");
    }
    let entry = elf.ehdr.e_entry;
    if !(start..end).contains(&entry) {
        return Err("the entry point lies outside of the image");
    }
    Ok(Image { elf, start, end: end.next_multiple_of(PAGE), entry })
}

impl Image<'_> {
    /// Bytes of memory that the image takes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// Copies the segments to zeroed memory of [`Image::size`] bytes.
    ///
    /// # Safety
    /// The memory at `to` is RAM of that size that nothing else uses.
    pub unsafe fn copy_to(&self, to: PhysAddr) {
        for header in self.elf.segments().iter().flat_map(|headers| headers.iter()) {
            if header.p_type != PT_LOAD {
                continue;
            }
            let Ok(data) = self.elf.segment_data(&header) else { continue };
            let at = PhysAddr(to.0 + (header.p_vaddr - self.start));
            if data.is_empty() {
                continue;
            }
            // SAFETY: the segment lies inside the image, whose memory the caller vouches for.
            let bytes = unsafe { addr::cells::<u8>(at, data.len()) };
            for (to, from) in bytes.iter().zip(data) {
                to.set(*from);
            }
        }
    }
}
