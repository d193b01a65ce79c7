//! The page allocators that are measured.
use buddy_system_allocator::FrameAllocator;
use roottask::phys::device::DeviceNode;
use roottask::phys::group::{Back, GROUP_BITS, Group};
use roottask::phys::kernel::{KernelError, Slot, UntypedKernel};
use roottask::phys::small::Slab;
use roottask::phys::{self, Metadata, Phys};

use crate::replay::{FAILED, Fact, Frames};
use crate::streams::FRAMES;

/// log2 of the bytes of a page.
const PAGE_BITS: u8 = 12;
/// Bytes of the memory; it begins at this address too.
const MEMORY_BYTES: u64 = FRAMES << PAGE_BITS;

/// Does nothing: what the harness costs.
pub struct Null(u32);

impl Frames for Null {
    fn new() -> Self {
        Null(0)
    }

    fn take(&mut self, order: u8) -> u32 {
        self.0 = self.0.wrapping_add(1 << order) >> 1;
        self.0
    }

    fn give(&mut self, block: u32, _order: u8) {
        self.0 ^= block;
    }
}

/// The buddy allocator of the crate `buddy_system_allocator`.
pub struct Peer(FrameAllocator<33>);

impl Frames for Peer {
    fn new() -> Self {
        let mut frames = FrameAllocator::new();
        frames.add_frame(FRAMES as usize, 2 * FRAMES as usize);
        Peer(frames)
    }

    #[inline(always)]
    fn take(&mut self, order: u8) -> u32 {
        self.0.alloc(1 << order).map_or(FAILED, |frame| frame as u32)
    }

    #[inline(always)]
    fn give(&mut self, block: u32, order: u8) {
        self.0.dealloc(block as usize, 1 << order);
    }
}

/// A kernel that does all it is asked for: numbers of slots and no memory behind them.
struct Kernel {
    next_slot: Slot,
}

impl UntypedKernel for Kernel {
    fn split(&mut self, _parent: Slot, _child_bits: u8, count: u16) -> Result<Slot, KernelError> {
        let first = self.next_slot;
        self.next_slot += Slot::from(count);
        Ok(first)
    }

    fn revoke(&mut self, _parent: Slot) -> Result<(), KernelError> {
        Ok(())
    }

    fn release_slots(&mut self, _first: Slot, _count: u16) {}
}

/// The root task's allocator, with or without its caches of blocks just freed.
pub struct Selkie<const CACHED: bool> {
    phys: Phys<'static, Kernel>,
    metadata_bytes: usize,
}

impl<const CACHED: bool> Selkie<CACHED> {
    /// Gives back a block that, as memory was short, is larger than what was asked for.
    #[cold]
    #[inline(never)]
    fn give_larger(&mut self, paddr: u64, size_bits: u8) {
        let found = (size_bits + 1..GROUP_BITS).find(|bits| self.phys.free_empty_at(paddr, *bits).is_ok());
        assert!(found.is_some(), "a block that was handed out");
    }
}

impl<const CACHED: bool> Frames for Selkie<CACHED> {
    fn new() -> Self {
        let count = phys::group_records(2 * MEMORY_BYTES);
        // Written twice: zeroed memory would be touched for the first time while the clock runs.
        let mut words = vec![1; phys::bitmap_words(count)];
        core::hint::black_box(&mut words).fill(0);
        let metadata = Metadata {
            groups: vec![Group::ABSENT; count].leak(),
            backs: vec![Back::EMPTY; count].leak(),
            words: words.leak(),
            devices: vec![DeviceNode::EMPTY; 64].leak(),
            slabs: vec![Slab::EMPTY; 64].leak(),
        };
        let mut phys = Phys::new(metadata, Kernel { next_slot: 10 }).expect("tables of the right size");
        phys.add_untyped(1, MEMORY_BYTES, 31, false).expect("an untyped of 2 GiB");
        phys.set_caching(CACHED);
        // The tables also cover the addresses below the memory, which a machine would not have.
        Selkie { phys, metadata_bytes: phys::metadata_bytes(MEMORY_BYTES) }
    }

    #[inline(always)]
    fn take(&mut self, order: u8) -> u32 {
        self.phys.alloc(PAGE_BITS + order).map_or(FAILED, |block| (block.paddr >> PAGE_BITS) as u32)
    }

    #[inline(always)]
    fn give(&mut self, block: u32, order: u8) {
        let paddr = u64::from(block) << PAGE_BITS;
        if self.phys.free_empty_at(paddr, PAGE_BITS + order).is_err() {
            self.give_larger(paddr, PAGE_BITS + order);
        }
    }

    fn facts(&mut self) -> Vec<Fact> {
        let stats = self.phys.stats();
        self.phys.trim();
        let calls = (stats.calls.retypes + stats.calls.revokes) as f64;
        vec![
            ("kernel_calls_per_alloc", calls / stats.allocations as f64),
            ("retypes_per_alloc", stats.calls.retypes as f64 / stats.allocations as f64),
            ("metadata_per_mib", self.metadata_bytes as f64 / (MEMORY_BYTES >> 20) as f64),
        ]
    }
}
