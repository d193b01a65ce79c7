//! What is measured: the interface that Rust's `GlobalAlloc` has, without locks.

use std::alloc::Layout;
use std::ptr;

use crate::peers::{BuddySystem, DougLea, LinkedList, Mimalloc, Rlsf, Talc};
use crate::region::Region;
use crate::selkie::Selkie;

/// An allocator in its first state.
///
/// # Safety
/// As for `GlobalAlloc`: blocks of the layout asked for, in the region or in the candidate's own memory, that do not
/// overlap.
pub unsafe trait Candidate {
    /// Null when out of memory.
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8;

    /// Frees a block of this layout.
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout);

    /// Resizes a block of this layout. By default as `GlobalAlloc` does it: always with a copy.
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            let new_block = self.alloc(new_layout);
            if !new_block.is_null() {
                ptr::copy_nonoverlapping(block, new_block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new_block
        }
    }

    /// The most memory that was in use at once, for a candidate that can tell better than the region's pages.
    fn peak_bytes(&mut self) -> Option<usize> {
        None
    }

    /// Gives back what it can, and says what it still holds and how often it called for memory or gave it back.
    fn trim(&mut self) -> Option<(usize, usize)> {
        None
    }
}

/// All candidates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What the replay itself costs.
    Null,
    Selkie,
    Dlmalloc,
    Talc,
    Rlsf,
    BuddySystem,
    LinkedList,
    Mimalloc,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Null,
        Self::Selkie,
        Self::Dlmalloc,
        Self::Talc,
        Self::Rlsf,
        Self::BuddySystem,
        Self::LinkedList,
        Self::Mimalloc,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Selkie => "selkie",
            Self::Dlmalloc => "dlmalloc",
            Self::Talc => "talc",
            Self::Rlsf => "rlsf",
            Self::BuddySystem => "buddy_system_allocator",
            Self::LinkedList => "linked_list_allocator",
            Self::Mimalloc => "mimalloc",
        }
    }

    pub fn from_name(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or(format!("no candidate {name}; there are {}", Self::ALL.map(Self::name).join(", ")))
    }

    /// Runs `visitor` with a way to make this candidate over `region`. `tracked`: pages given back are discarded, so
    /// that peak memory can be told.
    pub fn visit<V: Visitor>(self, region: &Region, tracked: bool, visitor: V) -> V::Output {
        match self {
            Self::Null => visitor.visit(|| Null(region.start())),
            Self::Selkie => visitor.visit(|| Selkie::new(region, tracked)),
            Self::Dlmalloc => visitor.visit(|| DougLea::new(region)),
            Self::Talc => visitor.visit(|| Talc::new(region)),
            Self::Rlsf => visitor.visit(|| Rlsf::new(region)),
            Self::BuddySystem => visitor.visit(|| BuddySystem::new(region)),
            Self::LinkedList => visitor.visit(|| LinkedList::new(region)),
            Self::Mimalloc => visitor.visit(|| Mimalloc),
        }
    }
}

/// Code that is compiled once for each candidate.
pub trait Visitor {
    type Output;

    /// `make` makes the candidate in its first state; only the last one made is in use.
    fn visit<C: Candidate>(self, make: impl Fn() -> C) -> Self::Output;
}

/// Every block is the start of the region.
struct Null(*mut u8);

// SAFETY: blocks overlap, and are longer than the region perhaps; the replay writes the first byte only.
unsafe impl Candidate for Null {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        std::hint::black_box(layout.size());
        self.0
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        std::hint::black_box((block, layout.size()));
    }

    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        std::hint::black_box((block, layout.size(), new_size));
        block
    }
}
