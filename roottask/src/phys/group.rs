//! The record kept for each 256 KiB of physical memory, and the sizes that follow from it.

use super::kernel::Slot;

/// log2 of the bytes of a page.
pub const PAGE_BITS: u8 = 12;
/// log2 of the bytes of a group: 64 pages, one word of a bitmap.
pub const GROUP_BITS: u8 = 18;
/// Page classes: blocks of 2^12 to 2^17 bytes come out of a group that holds only blocks of that size.
pub const CLASSES: usize = (GROUP_BITS - PAGE_BITS) as usize;
/// Marks the absence of a group number.
pub const NO_GROUP: u32 = u32::MAX;

/// What a group is at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No RAM that the allocator owns.
    Absent,
    /// Part of a free block, or of a used one that begins in an earlier group.
    Idle,
    /// First group of a block of 2^(18 + n) bytes that is used or cached.
    Block(u8),
    /// Cut into blocks of class n, that is of 2^(12 + n) bytes.
    Pages(u8),
}

/// Values of [`Group::size`] below all block sizes.
const ABSENT: u8 = 0;
const IDLE: u8 = 1;

/// What is known of one group, as far as blocks go out and come back: four records in a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Group {
    /// Bit n: the block that begins with page n of the group is handed out, or marked as if it were
    /// ([`super::front`]). So an address where no block of the group begins never counts as one.
    pub(super) used: u64,
    /// First slot of the blocks that the group is cut into, if `split` says there are any. While it begins a block of
    /// a group or more: that block's slot.
    pub(super) first: Slot,
    /// log2 of the bytes of the blocks in the group, or [`ABSENT`] or [`IDLE`].
    size: u8,
    /// 0: the group's capability has no children; n + 1: it was cut into blocks of class n. Outlives `Pages`.
    pub(super) split: u8,
    /// log2 of the groups in the boot untyped that this group belongs to.
    pub(super) root: u8,
}

/// What else is known of it: for merging, and its capabilities.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Back {
    /// While cut: bit n = the block that begins with page n is not marked in `used` and in no ring.
    pub(super) free: u64,
    /// Two nodes of the tree of capabilities (see [`super::captree`]): an inner one and the group's own.
    pub(super) nodes: [Slot; 2],
}

/// 32 bytes for 256 KiB: 0.012 % of the memory.
const _: () = assert!(size_of::<Group>() + size_of::<Back>() == 32);

impl Back {
    /// Initial value of all records.
    pub const EMPTY: Back = Back { free: 0, nodes: [0; 2] };
}

impl Group {
    /// A group that is no RAM: the initial value of all records.
    pub const ABSENT: Group = Group { used: 0, first: 0, size: ABSENT, split: 0, root: 0 };

    /// A free group of a boot untyped of 2^`root` groups.
    pub(super) const fn idle(root: u8) -> Group {
        Group { size: IDLE, root, ..Group::ABSENT }
    }

    /// What the group is.
    pub(super) fn kind(&self) -> Kind {
        match self.size {
            ABSENT => Kind::Absent,
            PAGE_BITS..GROUP_BITS => Kind::Pages(self.size - PAGE_BITS),
            GROUP_BITS.. => Kind::Block(self.size - GROUP_BITS),
            _ => Kind::Idle,
        }
    }

    /// Makes it another kind.
    pub(super) fn set_kind(&mut self, kind: Kind) {
        self.size = match kind {
            Kind::Absent => ABSENT,
            Kind::Idle => IDLE,
            Kind::Block(order) => GROUP_BITS + order,
            Kind::Pages(class) => PAGE_BITS + class,
        };
    }

    /// Whether its blocks have 2^`size_bits` bytes, and the one that begins with page `page` is marked in `used`.
    #[inline(always)]
    pub(super) fn has_marked(&self, size_bits: u8, page: u32) -> bool {
        // Groups without blocks have no bit set.
        self.size == size_bits && self.used >> (page % 64) & 1 != 0
    }

    /// Slot of the block that begins with page `page`, of 2^(12 + `class`) bytes.
    #[inline(always)]
    pub(super) fn slot(&self, page: u32, class: usize) -> Slot {
        self.first + ((page % 64) >> class)
    }
}

/// Blocks of `class` in a group.
pub const fn blocks_per_group(class: u8) -> u16 {
    64 >> class
}

/// The `free` word of a group of `class` whose blocks are all free: the bit of each block's first page. 0 for what is no
/// class.
#[inline(always)]
pub const fn all_free(class: usize) -> u64 {
    const ALL_FREE: [u64; 16] = {
        let mut words = [0; 16];
        let mut class = 0;
        while class < CLASSES {
            words[class] = u64::MAX / (u64::MAX >> (64 - (1 << class)));
            class += 1;
        }
        words
    };
    ALL_FREE[class % 16]
}
