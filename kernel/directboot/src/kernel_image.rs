//! The kernel file: checks of the ELF file, and its loading into memory.
use crate::bytes::{round_down, round_up};
use crate::memory_map::PAGE_BYTES;
use core::fmt;
use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;
use elf::{ElfBytes, ParseError};

/// Kernels live at or above this address.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
const MAX_SEGMENTS: usize = 16;
/// The physical address is aligned like the segments ask for, but not beyond a large page.
const MAX_ALIGNMENT: u64 = 1 << 21;

/// Why a file is no kernel that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin as an ELF file.
    NotElf,
    /// The file ends before what its headers speak of.
    CutShort,
    /// Its headers contradict themselves.
    Damaged,
    /// It is not a 64-bit x86-64 file.
    WrongMachine,
    /// It is not a static executable.
    NotStatic,
    /// Nothing in it is to be loaded, or too many segments are.
    SegmentCount(usize),
    /// A segment lies below [`KERNEL_BASE`] or leaves the address space.
    Address(u64),
    /// Two segments share the page at this address.
    SharedPage(u64),
    /// The entry point is not in an executable segment.
    Entry(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "is not an ELF file; build the kernel and the archive anew"),
            Self::CutShort => write!(f, "is cut short; build the kernel and the archive anew"),
            Self::Damaged => write!(f, "has damaged ELF headers; build the kernel and the archive anew"),
            Self::WrongMachine => write!(f, "is not a 64-bit x86-64 file; build for x86_64-unknown-none"),
            Self::NotStatic => {
                write!(f, "is not a static executable; build with relocation-model=static")
            }
            Self::SegmentCount(count) => {
                write!(f, "has {count} segments to load; correct its linker script to 1..{MAX_SEGMENTS}")
            }
            Self::Address(address) => {
                write!(f, "has a segment at {address:#x}; link it at or above {KERNEL_BASE:#x}")
            }
            Self::SharedPage(address) => {
                write!(f, "has two segments in the page at {address:#x}; align them to 4096 when linking")
            }
            Self::Entry(address) => {
                write!(f, "has entry point {address:#x} outside its code; correct ENTRY in its linker script")
            }
        }
    }
}

/// A part of the kernel's memory with its own rights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    /// First virtual address.
    pub start: u64,
    /// First virtual address after the segment.
    pub end: u64,
    /// The kernel may write here.
    pub write: bool,
    /// The kernel may execute code here.
    pub execute: bool,
    data: &'a [u8],
}

impl Segment<'_> {
    /// Its first page's address.
    pub fn first_page(&self) -> u64 {
        round_down(self.start, PAGE_BYTES)
    }

    /// The address after its last page.
    pub fn page_end(&self) -> u64 {
        round_up(self.end, PAGE_BYTES).unwrap_or(u64::MAX)
    }
}

/// A checked kernel file.
#[derive(Debug)]
pub struct KernelImage<'a> {
    segments: [Segment<'a>; MAX_SEGMENTS],
    segment_count: usize,
    /// Virtual address of the first instruction.
    pub entry: u64,
    /// Page-aligned virtual address where the image begins.
    pub start: u64,
    /// Its size in bytes, in whole pages.
    pub bytes: u64,
    /// What the physical address must be a multiple of.
    pub alignment: u64,
}

impl<'a> KernelImage<'a> {
    /// Checks the ELF file `file`.
    pub fn parse(file: &'a [u8]) -> Result<Self, Fault> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(Fault::from)?;
        if elf.ehdr.class != Class::ELF64 || elf.ehdr.e_machine != EM_X86_64 {
            return Err(Fault::WrongMachine);
        }
        if elf.ehdr.e_type != ET_EXEC {
            return Err(Fault::NotStatic);
        }
        let mut image = Self {
            segments: [Segment::default(); MAX_SEGMENTS],
            segment_count: 0,
            entry: elf.ehdr.e_entry,
            start: u64::MAX,
            bytes: 0,
            alignment: PAGE_BYTES,
        };
        let headers = elf.segments().ok_or(Fault::SegmentCount(0))?;
        for header in headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0) {
            image.add(&header, file)?;
        }
        image.finish()
    }

    /// The segments by rising address.
    pub fn segments(&self) -> &[Segment<'a>] {
        self.segments.get(..self.segment_count).unwrap_or_default()
    }

    /// Fills `memory`, which is [`KernelImage::bytes`] long, with the image.
    pub fn load(&self, memory: &mut [u8]) {
        memory.fill(0);
        for segment in self.segments() {
            let offset = (segment.start - self.start) as usize;
            if let Some(place) = memory.get_mut(offset..).and_then(|rest| rest.get_mut(..segment.data.len()))
            {
                place.copy_from_slice(segment.data);
            }
        }
    }

    fn add(&mut self, header: &ProgramHeader, file: &'a [u8]) -> Result<(), Fault> {
        let start = header.p_vaddr;
        let end = start.checked_add(header.p_memsz).ok_or(Fault::Address(start))?;
        // The last page of the address space is left out, so that page ends can be rounded up.
        if start < KERNEL_BASE || end > 0u64.wrapping_sub(PAGE_BYTES) {
            return Err(Fault::Address(start));
        }
        if header.p_filesz > header.p_memsz {
            return Err(Fault::Damaged);
        }
        let file_end = header.p_offset.checked_add(header.p_filesz).ok_or(Fault::CutShort)?;
        let data = file.get(header.p_offset as usize..file_end as usize).ok_or(Fault::CutShort)?;
        let count = self.segment_count;
        let slot = self.segments.get_mut(count).ok_or(Fault::SegmentCount(count + 1))?;
        let flag = |bit: u32| header.p_flags & bit != 0;
        *slot = Segment { start, end, write: flag(PF_W), execute: flag(PF_X), data };
        self.segment_count = count + 1;
        if header.p_align.is_power_of_two() {
            self.alignment = self.alignment.max(header.p_align.min(MAX_ALIGNMENT));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Self, Fault> {
        let count = self.segment_count;
        self.segments.get_mut(..count).unwrap_or_default().sort_unstable_by_key(|segment| segment.start);
        let (Some(first), Some(last)) = (self.segments().first(), self.segments().last()) else {
            return Err(Fault::SegmentCount(0));
        };
        let (start, end) = (first.first_page(), last.page_end());
        for (one, next) in self.segments().iter().zip(self.segments().iter().skip(1)) {
            if one.page_end() > next.first_page() {
                return Err(Fault::SharedPage(next.first_page()));
            }
        }
        let holds_entry =
            |segment: &Segment<'_>| segment.execute && (segment.start..segment.end).contains(&self.entry);
        if !self.segments().iter().any(holds_entry) {
            return Err(Fault::Entry(self.entry));
        }
        self.start = start;
        self.bytes = end - start;
        Ok(self)
    }
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::BadMagic(_) => Self::NotElf,
            ParseError::SliceReadError(_) => Self::CutShort,
            ParseError::UnsupportedElfEndianness(_) => Self::WrongMachine,
            _ => Self::Damaged,
        }
    }
}

#[cfg(test)]
#[path = "kernel_image_tests.rs"]
mod tests;
