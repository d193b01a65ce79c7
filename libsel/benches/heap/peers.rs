//! The other allocators, each as its own documentation says that it is used in an arena.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{self, NonNull};

use talc::base::Talc as TalcHeap;
use talc::base::binning::DefaultBinning;
use talc::source::Manual;

use crate::candidate::Candidate;
use crate::region::{PAGE_BYTES, Region};

/// Turns a method's answer into what `GlobalAlloc` returns.
fn or_null<E>(block: Result<NonNull<u8>, E>) -> *mut u8 {
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

fn layout_of(layout: Layout, new_size: usize) -> Layout {
    // SAFETY: streams hold sizes below 4 GiB and alignments below 64 KiB.
    unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) }
}

/// dlmalloc-rs over memory that grows at its end and never shrinks.
pub struct DougLea(dlmalloc::Dlmalloc<Break>);

/// How much dlmalloc-rs asks for at once.
const GROWTH_BYTES: usize = 64 * 1024;

/// The end of a process's data, as it were.
struct Break {
    next: Cell<usize>,
    end: usize,
}

// SAFETY: a candidate stays on one thread.
unsafe impl Send for Break {}

// SAFETY: each range is handed out once.
unsafe impl dlmalloc::Allocator for Break {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let (start, bytes) = (self.next.get(), size.next_multiple_of(GROWTH_BYTES));
        if bytes > self.end - start {
            return (ptr::null_mut(), 0, 0);
        }
        self.next.set(start + bytes);
        (ptr::with_exposed_provenance_mut(start), bytes, 0)
    }
    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }
    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }
    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }
    fn can_release_part(&self, _: u32) -> bool {
        false
    }
    fn allocates_zeros(&self) -> bool {
        false
    }
    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}

impl DougLea {
    pub fn new(region: &Region) -> Self {
        let source = Break { next: Cell::new(region.base), end: region.base + region.bytes };
        Self(dlmalloc::Dlmalloc::new_with_allocator(source))
    }
}

// SAFETY: an allocator.
unsafe impl Candidate for DougLea {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, as in all methods below.
        unsafe { self.0.malloc(layout.size(), layout.align()) }
    }
    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.free(block, layout.size(), layout.align()) }
    }
    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.realloc(block, layout.size(), layout.align(), new_size) }
    }
}

/// Talc over the whole region.
pub struct Talc(TalcHeap<Manual, DefaultBinning>);

impl Talc {
    pub fn new(region: &Region) -> Self {
        let mut heap = TalcHeap::new(Manual);
        // SAFETY: the region is this candidate's alone.
        unsafe { heap.claim(region.start(), region.bytes) };
        Self(heap)
    }
}

// SAFETY: an allocator.
unsafe impl Candidate for Talc {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.0.allocate(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.deallocate(block, layout) }
    }
    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above. This is what its own `GlobalAlloc` does.
        unsafe {
            if self.0.try_realloc_in_place(block, layout, new_size) {
                return block;
            }
            let new_block = self.alloc(layout_of(layout, new_size));
            if !new_block.is_null() {
                ptr::copy_nonoverlapping(block, new_block, layout.size().min(new_size));
                self.0.deallocate(block, layout);
            }
            new_block
        }
    }
}

/// rlsf with 32 first-level and 32 second-level lists.
pub struct Rlsf(rlsf::Tlsf<'static, u32, u32, 32, 32>);

impl Rlsf {
    pub fn new(region: &Region) -> Self {
        let mut heap = rlsf::Tlsf::new();
        let block = ptr::slice_from_raw_parts_mut(region.start(), region.bytes);
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the region is this candidate's alone and outlives it.
            unsafe { heap.insert_free_block_ptr(block) };
        }
        Self(heap)
    }
}

// SAFETY: an allocator.
unsafe impl Candidate for Rlsf {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }
    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: a block of this allocator, so not null.
        unsafe { self.0.deallocate(NonNull::new_unchecked(block), layout.align()) }
    }
    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { self.0.reallocate(NonNull::new_unchecked(block), layout_of(layout, new_size)) };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// buddy_system_allocator's heap over the whole region.
pub struct BuddySystem(buddy_system_allocator::Heap<32>);

impl BuddySystem {
    pub fn new(region: &Region) -> Self {
        let mut heap = buddy_system_allocator::Heap::new();
        // SAFETY: the region is this candidate's alone.
        unsafe { heap.init(region.base, region.bytes) };
        Self(heap)
    }
}

// SAFETY: an allocator.
unsafe impl Candidate for BuddySystem {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        or_null(self.0.alloc(layout))
    }
    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: a block of this allocator, so not null.
        unsafe { self.0.dealloc(NonNull::new_unchecked(block), layout) }
    }
}

/// linked_list_allocator's heap over the whole region.
pub struct LinkedList(linked_list_allocator::Heap);

impl LinkedList {
    pub fn new(region: &Region) -> Self {
        // SAFETY: the region is this candidate's alone.
        Self(unsafe { linked_list_allocator::Heap::new(region.start(), region.bytes) })
    }
}

// SAFETY: an allocator.
unsafe impl Candidate for LinkedList {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        or_null(self.0.allocate_first_fit(layout))
    }
    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: a block of this allocator, so not null.
        unsafe { self.0.deallocate(NonNull::new_unchecked(block), layout) }
    }
}

/// mimalloc with memory of its own, warm after the first repetition: a mark to look up to, not a like for like.
pub struct Mimalloc;

// SAFETY: an allocator.
unsafe impl Candidate for Mimalloc {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and any power of two are allowed.
        unsafe { libmimalloc_sys::mi_malloc_aligned(layout.size(), layout.align()).cast() }
    }
    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { libmimalloc_sys::mi_free(block.cast()) }
    }
    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { libmimalloc_sys::mi_realloc_aligned(block.cast(), new_size, layout.align()).cast() }
    }
}
