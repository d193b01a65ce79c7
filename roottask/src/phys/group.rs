//! The record kept for each 256 KiB of physical memory, and the sizes that follow from it.

use super::kernel::Slot;

/// log2 of the bytes of a page, the smallest block handed out by [`super::Phys::alloc`].
pub const PAGE_BITS: u8 = 12;
/// log2 of the bytes of a group: 64 pages, one word of a bitmap.
pub const GROUP_BITS: u8 = 18;
/// Page classes: blocks of 2^12 to 2^17 bytes come out of a group that holds only blocks of that size.
pub const CLASSES: usize = (GROUP_BITS - PAGE_BITS) as usize;
/// Marks the absence of a group number.
pub const NO_GROUP: u32 = u32::MAX;

/// What a group is at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// No RAM that the allocator owns.
    #[default]
    Absent,
    /// Part of a free block, or of a used one that begins in an earlier group.
    Idle,
    /// First group of a used block of 2^(18 + n) bytes.
    Block(u8),
    /// Cut into blocks of class n, that is of 2^(12 + n) bytes.
    Pages(u8),
}

/// The record of one group. Zeroed memory is not a valid array of these: use [`Group::ABSENT`].
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// While `Pages(class)`: bit n = block n is free. Otherwise unused.
    pub(super) free: u64,
    /// First slot of the group's blocks, if `split` says there are any.
    pub(super) kids: Slot,
    /// The group's own untyped capability; 0: not made yet.
    pub(super) cap: Slot,
    /// The capability of the inner tree node that this group stands for (see [`super::captree`]); 0: not made yet.
    pub(super) node: Slot,
    /// What the group is.
    pub(super) kind: Kind,
    /// 0: the group's capability has no children; n + 1: it was cut into blocks of class n. Outlives `Pages`.
    pub(super) split: u8,
    /// log2 of the groups in the boot untyped that this group belongs to.
    pub(super) root: u8,
}

/// 24 bytes for 256 KiB: 0.009 % of the memory.
const _: () = assert!(size_of::<Group>() == 24);

impl Group {
    /// A group that is no RAM: the initial value of all records.
    pub const ABSENT: Group =
        Group { free: 0, kids: 0, cap: 0, node: 0, kind: Kind::Absent, split: 0, root: 0 };
}

/// Blocks of `class` in a group.
pub const fn blocks_per_group(class: u8) -> u16 {
    64 >> class
}

/// The `free` word of a group of `class` whose blocks are all free.
pub const fn all_free(class: u8) -> u64 {
    u64::MAX >> (64 - blocks_per_group(class))
}
