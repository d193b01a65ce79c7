//! One block of physical memory that was given to an address space, and the frames made from it.
use libsel::abi::VmAttributes;
use libsel::cap::{AnyFrame, Cap, Page};
use libsel::proto::admin::MemoryKind;
use roottask::phys::Block;

use super::space::Access;

/// log2 of the bytes of a page.
pub const PAGE_BITS: u8 = 12;
/// log2 of the bytes of a large page.
pub const LARGE_BITS: u8 = 21;
/// Pages of one piece at most, if it is to be divisible: a bit each in [`Piece::live`].
pub const MAX_PAGES: u64 = 64;

/// Number of a piece.
pub type PieceId = u32;

/// What a piece is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// The server's own objects, and paging structures but the lowest.
    Objects,
    /// A page table, at the start of the addresses that it covers.
    Table,
    /// The image, the IPC buffer, the start page.
    Image,
    /// The stack and the IPC buffer of a further thread.
    Stack,
    /// What the server asked for.
    Heap,
    /// The same, but others may attach it.
    Shared,
    /// Memory of a region: other capabilities to somebody else's frames.
    Attached,
    /// A buffer for devices.
    Dma,
    /// Registers of a device.
    Device,
    /// Memory of a screen.
    Screen,
    /// The kernel's ring of events.
    Trace,
    /// A file of the boot archive: other capabilities to the root task's frames.
    File,
}

impl Use {
    /// How its frames are cached.
    pub fn caching(self) -> VmAttributes {
        match self {
            Use::Device => VmAttributes::UNCACHEABLE,
            Use::Screen => VmAttributes::WRITE_COMBINING,
            _ => VmAttributes::WRITE_BACK,
        }
    }

    /// The same, for who asks what memory is used for.
    pub fn kind(self) -> MemoryKind {
        match self {
            Use::Objects | Use::Table => MemoryKind::Objects,
            Use::Image => MemoryKind::Image,
            Use::Heap | Use::Stack => MemoryKind::Heap,
            Use::Shared => MemoryKind::Shared,
            Use::Attached => MemoryKind::Attached,
            Use::Dma => MemoryKind::Dma,
            Use::Device | Use::Screen | Use::Trace => MemoryKind::Device,
            Use::File => MemoryKind::File,
        }
    }
}

/// What is wanted of a new piece.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Who gets it.
    pub owner: u8,
    /// What for.
    pub purpose: Use,
    /// Where it will be mapped.
    pub vaddr: u64,
    /// How.
    pub access: Access,
}

/// One block and its frames; or other capabilities to the frames of another piece, without a block.
#[derive(Clone, Copy)]
pub struct Piece {
    /// Which server has it.
    pub owner: u8,
    /// What it is for.
    pub purpose: Use,
    /// Where its frames are.
    pub(super) block: Option<Block>,
    /// Where their capabilities are.
    pub(super) first_slot: u32,
    /// How many.
    pub(super) slots: u32,
    /// log2 of the bytes of a frame.
    pub(super) frame_bits: u8,
    /// Address of the first frame, where the piece is mapped.
    pub vaddr: u64,
    /// Frames that are left, of the first [`MAX_PAGES`]: a piece with more of them goes as a whole.
    pub(super) live: u64,
    /// How it is mapped.
    pub access: Access,
    /// The next one of the same region.
    pub next: Option<PieceId>,
}

impl Piece {
    /// A piece that is mapped nowhere yet.
    pub(super) fn new(
        wanted: Wanted,
        block: Option<Block>,
        first_slot: u32,
        slots: u32,
        frame_bits: u8,
    ) -> Self {
        let Wanted { owner, purpose, vaddr, access } = wanted;
        let live = u64::MAX >> (MAX_PAGES - u64::from(slots).clamp(1, MAX_PAGES));
        Piece { owner, purpose, block, first_slot, slots, frame_bits, vaddr, live, access, next: None }
    }

    /// Frames at the start.
    pub fn frames(&self) -> u64 {
        u64::from(self.slots)
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> u64 {
        1 << self.frame_bits
    }

    /// Bytes that it covers, or did at the start.
    pub fn bytes(&self) -> u64 {
        self.frames() << self.frame_bits
    }

    /// It can be given back page by page.
    pub fn is_divisible(&self) -> bool {
        self.purpose == Use::Heap && self.frame_bits == PAGE_BITS && self.frames() <= MAX_PAGES
    }

    /// No page of it was given back.
    pub fn is_whole(&self) -> bool {
        u64::from(self.live.count_ones()) == self.frames().min(MAX_PAGES)
    }

    /// A frame that is left, of whatever size.
    pub fn any_frame(&self, index: u64) -> Option<Cap<AnyFrame>> {
        let left = index < self.frames() && (index >= MAX_PAGES || self.live >> index & 1 != 0);
        left.then(|| Cap::new(u64::from(self.first_slot) + index))
    }

    /// The frame that is left at an address where the piece is mapped.
    pub fn frame_at(&self, address: u64) -> Option<Cap<AnyFrame>> {
        self.any_frame(address.checked_sub(self.vaddr)? / self.frame_bytes())
    }

    /// The frame of a page that is left.
    pub fn frame(&self, page: u64) -> Option<Cap<Page>> {
        self.any_frame(page).filter(|_| self.frame_bits == PAGE_BITS).map(Cap::cast)
    }

    /// Bytes of the owner's quota that it takes.
    pub(super) fn charged(&self) -> u64 {
        match self.purpose {
            Use::Device | Use::Screen | Use::Trace => 0,
            _ => self.block.map_or(0, |block| block.bytes()),
        }
    }
}
