//! A stream of allocations as a file of the boot archive: [`Writer`] makes it on the host, [`Stream`] reads it in the
//! server.
//!
//! A header of 16 bytes ([`MAGIC`], the number of operations, the number of slots), then 8 bytes for each operation, all
//! little endian: a word with the action in bits 0 and 1, log2 of the alignment in bits 2 to 7 and the slot above, and a
//! word with the size.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

use alloc::vec::Vec;

/// How a file begins.
pub const MAGIC: [u8; 8] = *b"HEAPOPS1";
/// The file's name in the boot archive.
pub const FILE: &str = "heapbench.ops";

const HEADER_BYTES: usize = 16;
const OP_BYTES: usize = 8;
/// log2 of an alignment, at most.
const MAX_ALIGN_LOG2: u8 = 12;
/// Slots, at most.
const MAX_SLOTS: u32 = 1 << 24;

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Allocate `size` bytes into a slot.
    Alloc,
    /// Free the block in a slot.
    Free,
    /// Resize the block in a slot to `size` bytes.
    Realloc,
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op {
    /// What it does.
    pub action: Action,
    /// log2 of the alignment, for [`Action::Alloc`].
    pub align_log2: u8,
    /// Where the block is kept.
    pub slot: u32,
    /// Bytes; not 0 but for [`Action::Free`].
    pub size: u32,
}

impl Op {
    fn to_bytes(self) -> [u8; OP_BYTES] {
        let word = self.action as u32 | u32::from(self.align_log2) << 2 | self.slot << 8;
        (u64::from(word) | u64::from(self.size) << 32).to_le_bytes()
    }

    #[inline(always)]
    fn from_bytes(bytes: [u8; OP_BYTES]) -> Self {
        let both = u64::from_le_bytes(bytes);
        let word = both as u32;
        let action = match word & 3 {
            0 => Action::Alloc,
            1 => Action::Free,
            _ => Action::Realloc,
        };
        Self { action, align_log2: (word >> 2 & 0x3f) as u8, slot: word >> 8, size: (both >> 32) as u32 }
    }

    fn is_valid(self, slots: u32) -> bool {
        self.slot < slots
            && self.align_log2 <= MAX_ALIGN_LOG2
            && (self.action == Action::Free || self.size != 0)
    }
}

/// Makes a file.
#[derive(Default)]
pub struct Writer {
    ops: Vec<u8>,
    count: u32,
    slots: u32,
}

impl Writer {
    /// Adds an operation; false if no file can hold it.
    pub fn add(&mut self, op: Op) -> bool {
        if !op.is_valid(MAX_SLOTS) {
            return false;
        }
        self.ops.extend(op.to_bytes());
        self.count += 1;
        self.slots = self.slots.max(op.slot + 1);
        true
    }

    /// The file's content.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.slots.to_le_bytes());
        bytes.extend(self.ops);
        bytes
    }
}

/// A file that was read.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    ops: &'a [[u8; OP_BYTES]],
    slots: u32,
}

impl<'a> Stream<'a> {
    /// Reads a file, and checks every operation. `None` if it is no such file; what follows the operations is ignored.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let number = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let (count, slots) = (number(8)?, number(12)?);
        let ops = rest.as_chunks().0.get(..count as usize)?;
        let stream = Self { ops, slots };
        let good =
            header.starts_with(&MAGIC) && slots <= MAX_SLOTS && stream.ops().all(|op| op.is_valid(slots));
        good.then_some(stream)
    }

    /// The operations. Each is valid: its slot is one of [`Stream::slots`], its size not 0 where it has one.
    #[inline(always)]
    pub fn ops(&self) -> impl Iterator<Item = Op> + use<'a> {
        self.ops.iter().map(|bytes| Op::from_bytes(*bytes))
    }

    /// How many operations.
    pub fn count(&self) -> usize {
        self.ops.len()
    }

    /// How many slots.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPS: [Op; 3] = [
        Op { action: Action::Alloc, align_log2: 12, slot: 0xff_fffe, size: u32::MAX },
        Op { action: Action::Realloc, align_log2: 0, slot: 1, size: 1 },
        Op { action: Action::Free, align_log2: 0, slot: 0xff_fffe, size: 0 },
    ];

    fn file(ops: &[Op]) -> Vec<u8> {
        let mut writer = Writer::default();
        assert!(ops.iter().all(|op| writer.add(*op)));
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut file = file(&OPS);
        file.extend([0; 100]);
        let stream = Stream::read(&file).unwrap();
        assert_eq!((stream.count(), stream.slots()), (3, 0xff_ffff));
        assert!(stream.ops().eq(OPS));
    }

    #[test]
    fn other_files_are_refused() {
        let good = file(&OPS);
        for length in 0..good.len() {
            assert!(Stream::read(&good[..length]).is_none(), "{length} bytes");
        }
        // A wrong magic; a slot too few; an action without a size.
        for (at, byte) in [(0, b'X'), (12, 0xfe), (28, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(Stream::read(&bad).is_none(), "byte {at}");
        }
    }

    #[test]
    fn what_no_file_holds_is_not_written() {
        let mut writer = Writer::default();
        assert!(!writer.add(Op { slot: MAX_SLOTS, ..OPS[0] }));
        assert!(!writer.add(Op { align_log2: 13, ..OPS[0] }));
        assert!(!writer.add(Op { size: 0, ..OPS[1] }));
    }
}
