//! Reader of cpio archives in the "newc" format (`cpio -o -H newc`): the boot archive.
//!
//! A member is a header of 110 ASCII characters (6 of magic, 13 fields of 8 hexadecimal digits), the name with its
//! final zero, padding to 4 bytes, the data, padding to 4 bytes. A member named `TRAILER!!!` ends the archive.
use core::fmt;

const HEADER_BYTES: usize = 110;
const FILE_SIZE_FIELD: usize = 6;
const NAME_SIZE_FIELD: usize = 11;
const MODE_FIELD: usize = 1;
/// Bits of the mode that hold the file type, and the type of a regular file.
const MODE_TYPE: u32 = 0o170000;
const MODE_REGULAR: u32 = 0o100000;

/// What is wrong with an archive, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No header where one must be; at byte 0 the file is no cpio archive at all.
    NotAHeader {
        /// Byte offset in the archive.
        offset: usize,
    },
    /// The archive ends inside a member, or without its trailer.
    CutShort {
        /// Byte offset of the member's header.
        offset: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHeader { offset: 0 } => {
                write!(f, "is not a cpio newc archive; make it with `cpio -o -H newc`, not compressed")
            }
            Self::NotAHeader { offset } => write!(f, "has no cpio header at byte {offset}; make it anew"),
            Self::CutShort { offset } => {
                write!(f, "is cut short in the member at byte {offset}; make it anew")
            }
        }
    }
}

/// A boot archive.
#[derive(Clone, Copy)]
pub struct Archive<'a> {
    bytes: &'a [u8],
}

struct Member<'a> {
    name: &'a [u8],
    data: &'a [u8],
    regular: bool,
    next: usize,
}

impl<'a> Archive<'a> {
    /// An archive over `bytes`; nothing is read yet.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The data of the regular file `path` (without leading slash; `./` and `/` before names in the archive are
    /// ignored). `Ok(None)`: the archive is sound but has no such file.
    pub fn find(&self, path: &str) -> Result<Option<&'a [u8]>, Fault> {
        let mut offset = 0;
        loop {
            let member = self.member(offset)?;
            if member.name == b"TRAILER!!!" {
                return Ok(None);
            }
            if member.regular && plain(member.name) == path.as_bytes() {
                return Ok(Some(member.data));
            }
            offset = member.next;
        }
    }

    fn member(&self, offset: usize) -> Result<Member<'a>, Fault> {
        let cut_short = Fault::CutShort { offset };
        let rest = self.bytes.get(offset..).ok_or(cut_short)?;
        if rest.is_empty() && offset > 0 {
            return Err(cut_short);
        }
        // 070702 is the same format with check sums, which are not looked at.
        if !rest.starts_with(b"070701") && !rest.starts_with(b"070702") {
            return Err(Fault::NotAHeader { offset });
        }
        let header = rest.get(..HEADER_BYTES).ok_or(cut_short)?;
        let number = |index: usize| field(header, index).ok_or(Fault::NotAHeader { offset });
        let mode = number(MODE_FIELD)?;
        let file_size = number(FILE_SIZE_FIELD)? as usize;
        let name_size = number(NAME_SIZE_FIELD)? as usize;

        let (name, after_name) = self.take(offset + HEADER_BYTES, name_size).ok_or(cut_short)?;
        let (data, next) = self.take(after_name, file_size).ok_or(cut_short)?;
        let name = name.strip_suffix(b"\0").unwrap_or(name);
        Ok(Member { name, data, regular: mode & MODE_TYPE == MODE_REGULAR, next })
    }

    /// `len` bytes at `start`, and the offset after them, rounded up to 4.
    fn take(&self, start: usize, len: usize) -> Option<(&'a [u8], usize)> {
        let end = start.checked_add(len)?;
        Some((self.bytes.get(start..end)?, end.checked_next_multiple_of(4)?))
    }
}

fn field(header: &[u8], index: usize) -> Option<u32> {
    let start = 6 + 8 * index;
    let digits = header.get(start..start + 8)?;
    // from_str_radix takes a sign, which the format does not have.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

fn plain(name: &[u8]) -> &[u8] {
    let name = name.strip_prefix(b".").filter(|rest| rest.starts_with(b"/")).unwrap_or(name);
    name.strip_prefix(b"/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    fn add(archive: &mut Vec<u8>, name: &str, mode: u32, data: &[u8]) {
        let size = data.len();
        let name_size = name.len() + 1;
        archive.extend(
            format!("070701{:08x}{mode:08x}{:032}{size:08x}{:032}{name_size:08x}{:08x}", 1, 0, 0, 0).bytes(),
        );
        archive.extend(name.bytes().chain([0]));
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }

    fn sample() -> Vec<u8> {
        let mut archive = Vec::new();
        add(&mut archive, "boot", 0o040755, b"");
        add(&mut archive, "./limine.conf", 0o100644, b"timeout: 0\n");
        add(&mut archive, "boot/selkie", 0o100755, b"ELF");
        add(&mut archive, "TRAILER!!!", 0, b"");
        archive
    }

    #[test]
    fn finds_files_by_name() {
        let bytes = sample();
        let archive = Archive::new(&bytes);
        assert_eq!(archive.find("limine.conf"), Ok(Some(&b"timeout: 0\n"[..])));
        assert_eq!(archive.find("boot/selkie"), Ok(Some(&b"ELF"[..])));
        assert_eq!(archive.find("boot/hello"), Ok(None));
        assert_eq!(archive.find("boot"), Ok(None), "a folder is no file");
    }

    #[test]
    fn every_truncation_is_an_error_and_no_panic() {
        let bytes = sample();
        let header_of_trailer = bytes.len() - 124;
        for len in 0..bytes.len() {
            let result = Archive::new(&bytes[..len]).find("boot/hello");
            if len < header_of_trailer + HEADER_BYTES + 11 {
                assert!(result.is_err(), "cut at {len}: {result:?}");
            }
        }
        assert_eq!(Archive::new(b"").find("x"), Err(Fault::NotAHeader { offset: 0 }));
        assert_eq!(Archive::new(b"\x1f\x8b").find("x"), Err(Fault::NotAHeader { offset: 0 }));
    }

    #[test]
    fn wild_sizes_are_errors() {
        let mut bytes = sample();
        bytes[6 + 8 * FILE_SIZE_FIELD..][..8].copy_from_slice(b"ffffffff");
        assert_eq!(Archive::new(&bytes).find("x"), Err(Fault::CutShort { offset: 0 }));
        bytes[6 + 8 * FILE_SIZE_FIELD..][..8].copy_from_slice(b"+fffffff");
        assert_eq!(Archive::new(&bytes).find("x"), Err(Fault::NotAHeader { offset: 0 }));
    }
}
