//! What has to be done to load a server's ELF file: pure planning, no memory is touched.
use core::fmt;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, PT_LOAD};
use elf::endian::LittleEndian;

/// The unit of mappings.
pub const PAGE: u64 = 4096;
/// Lowest address of an image: the first pages stay unmapped, so that null pointers fault.
const LOWEST: u64 = 0x1_0000;
/// Images end below this address, where the root task's own choices begin.
pub const IMAGE_END: u64 = 0x8000_0000;
/// Segments at most.
pub const MAX_SEGMENTS: usize = 16;

/// Why an ELF file cannot be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Cut off, or not ELF at all.
    NotElf,
    /// For another machine, or not an executable at fixed addresses.
    WrongKind,
    /// No segment, or more than [`MAX_SEGMENTS`].
    Segments,
    /// A segment lies outside of the file or of the addresses for images, or wraps around.
    Range,
    /// Two segments share a page.
    Overlap,
    /// A segment that can be written and executed.
    WriteExecute,
    /// The entry point is not in a segment that can be executed.
    Entry,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NotElf => "it is not a complete ELF file",
            Error::WrongKind => "it is not an executable for x86_64 at fixed addresses",
            Error::Segments => "it has no segments to load, or too many",
            Error::Range => "a segment lies outside of the file or of the user's addresses",
            Error::Overlap => "two segments share a page",
            Error::WriteExecute => "a segment is both writable and executable",
            Error::Entry => "the entry point is not code",
        })
    }
}

/// One segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// First page.
    pub start: u64,
    /// End of the last page.
    pub end: u64,
    /// Where the bytes of the file go.
    pub data_address: u64,
    /// Where they are in the file.
    pub data_offset: usize,
    /// How many; the rest of the pages is zero.
    pub data_bytes: usize,
    /// It can be written.
    pub write: bool,
    /// It can be executed.
    pub execute: bool,
}

impl Segment {
    /// The bytes of the file that belong into the page at `page`: their place in the page, and in the file.
    pub fn part(&self, page: u64) -> Option<(usize, core::ops::Range<usize>)> {
        let start = self.data_address.max(page);
        let end = (self.data_address + self.data_bytes as u64).min(page + PAGE);
        if start >= end {
            return None;
        }
        let from = self.data_offset + (start - self.data_address) as usize;
        Some(((start - page) as usize, from..from + (end - start) as usize))
    }
}

/// What to load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    segments: [Segment; MAX_SEGMENTS],
    count: usize,
    /// First instruction.
    pub entry: u64,
}

impl Plan {
    /// The segments, in the order of the file.
    pub fn segments(&self) -> &[Segment] {
        self.segments.get(..self.count).unwrap_or(&self.segments)
    }

    /// Bytes of memory that the image takes.
    pub fn bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.end - segment.start).sum()
    }
}

/// Checks a file and plans how to load it.
pub fn plan(file: &[u8]) -> Result<Plan, Error> {
    const ET_EXEC: u16 = 2;
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| Error::NotElf)?;
    if elf.ehdr.e_machine != EM_X86_64 || elf.ehdr.e_type != ET_EXEC {
        return Err(Error::WrongKind);
    }
    let headers = elf.segments().ok_or(Error::Segments)?;
    let mut plan = Plan { segments: [Segment::default(); MAX_SEGMENTS], count: 0, entry: elf.ehdr.e_entry };
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0) {
        let end = header.p_vaddr.checked_add(header.p_memsz).ok_or(Error::Range)?;
        let file_end = header.p_offset.checked_add(header.p_filesz).ok_or(Error::Range)?;
        if header.p_vaddr < LOWEST
            || end > IMAGE_END
            || file_end > file.len() as u64
            || header.p_filesz > header.p_memsz
        {
            return Err(Error::Range);
        }
        let segment = Segment {
            start: header.p_vaddr & !(PAGE - 1),
            end: end.next_multiple_of(PAGE),
            data_address: header.p_vaddr,
            data_offset: header.p_offset as usize,
            data_bytes: header.p_filesz as usize,
            write: header.p_flags & WRITE != 0,
            execute: header.p_flags & EXECUTE != 0,
        };
        if segment.write && segment.execute {
            return Err(Error::WriteExecute);
        }
        if plan.segments().iter().any(|other| segment.start < other.end && other.start < segment.end) {
            return Err(Error::Overlap);
        }
        *plan.segments.get_mut(plan.count).ok_or(Error::Segments)? = segment;
        plan.count += 1;
    }
    if plan.count == 0 {
        return Err(Error::Segments);
    }
    let code = |segment: &Segment| segment.execute && (segment.start..segment.end).contains(&plan.entry);
    if plan.segments().iter().any(code) { Ok(plan) } else { Err(Error::Entry) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An ELF file with these segments (address, bytes in memory, bytes in the file, flags), data behind the headers.
    fn elf(entry: u64, segments: &[(u64, u64, u64, u32)]) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([2u16, 62].iter().flat_map(|half| half.to_le_bytes()));
        file.extend(1u32.to_le_bytes());
        for word in [entry, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for half in [64u16, 56, segments.len() as u16, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        let mut offset = 64 + 56 * segments.len() as u64;
        for (address, memory, bytes, flags) in segments {
            file.extend(1u32.to_le_bytes());
            file.extend(flags.to_le_bytes());
            for word in [offset, *address, *address, *bytes, *memory, PAGE] {
                file.extend(word.to_le_bytes());
            }
            offset += bytes;
        }
        file.extend((0..offset - file.len() as u64).map(|byte| byte as u8));
        file
    }

    #[test]
    fn a_sound_program() {
        let file = elf(
            0x20_1040,
            &[(0x20_0000, 0x100, 0x100, 4), (0x20_1010, 0x2000, 0x1800, 5), (0x20_4000, 0x3000, 8, 6)],
        );
        let plan = plan(&file).unwrap();
        let [ro, code, data] = plan.segments() else { panic!("{plan:?}") };
        assert!(!ro.write && !ro.execute && code.execute && data.write);
        assert_eq!((code.start, code.end), (0x20_1000, 0x20_4000));
        assert_eq!(plan.bytes(), 0x1000 + 0x3000 + 0x3000);
        let start = code.data_offset;
        assert_eq!(code.part(0x20_1000), Some((0x10, start..start + 0xff0)));
        assert_eq!(code.part(0x20_2000), Some((0, start + 0xff0..start + 0x1800)));
        assert_eq!(code.part(0x20_3000), None);
        assert_eq!(data.part(0x20_4000), Some((0, data.data_offset..data.data_offset + 8)));
    }

    #[test]
    fn mistakes_are_named() {
        let code = (0x20_0000, 0x1000, 0x10, 5);
        let check = |entry, segments: &[_]| plan(&elf(entry, segments)).unwrap_err();
        assert_eq!(plan(b"no"), Err(Error::NotElf));
        assert_eq!(check(0x20_0000, &[]), Error::Segments);
        assert_eq!(check(0x20_0000, &[(0x20_0000, 0x1000, 0x10, 7)]), Error::WriteExecute);
        assert_eq!(check(0x30_0000, &[code]), Error::Entry);
        assert_eq!(check(0x20_0000, &[code, (0x20_0800, 0x10, 0, 6)]), Error::Overlap);
        assert_eq!(check(0x20_0000, &[code, (u64::MAX - 5, 0x10, 0, 6)]), Error::Range);
        assert_eq!(check(0x20_0000, &[code, (0x1000, 0x10, 0, 6)]), Error::Range);
        assert_eq!(check(0x20_0000, &[code, (0x7fff_f000, 0x2000, 0, 6)]), Error::Range);
        assert_eq!(check(0x20_0000, &[code, (0x30_0000, 8, 0x10, 6)]), Error::Range);
        let mut cut = elf(0x20_0000, &[code]);
        cut.truncate(cut.len() - 1);
        assert_eq!(plan(&cut), Err(Error::Range));
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(at in 0usize..200, value in any::<u8>()) {
            let mut file = elf(0x20_0000, &[(0x20_0000, 0x1000, 0x20, 5), (0x20_1000, 0x100, 0x20, 6)]);
            let at = at % file.len();
            file[at] = value;
            if let Ok(plan) = plan(&file) {
                for segment in plan.segments() {
                    let mut page = segment.start;
                    while page < segment.end {
                        if let Some((place, bytes)) = segment.part(page) {
                            prop_assert!(place + bytes.len() <= PAGE as usize && bytes.end <= file.len());
                        }
                        page += PAGE;
                    }
                }
            }
        }
    }
}
