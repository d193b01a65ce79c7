//! The allocators of address ranges that are measured.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use roottask::virt::{self, AddressSpace, Node, NodePool, PAGE_BYTES, SLAB_NODES, Slab};

use crate::replay::Ranges;

/// Does nothing: what the harness costs.
pub struct Null(u64);

impl Ranges for Null {
    type Handle = (u64, u64);

    fn new(_pages: u64, _live: usize) -> Self {
        Null(0)
    }

    fn take(&mut self, pages: u64, _align: u64) -> Option<(u64, u64)> {
        self.0 += pages;
        Some((self.0, pages))
    }

    fn give(&mut self, range: (u64, u64)) {
        self.0 ^= range.0;
    }

    fn end(range: &(u64, u64)) -> u64 {
        range.0 + range.1
    }
}

/// The crate `range-alloc`: a list of free ranges. It knows no alignment, so an aligned request takes more than it
/// needs and gives the rest back.
pub struct FirstFit(range_alloc::RangeAllocator<u64>);

impl Ranges for FirstFit {
    type Handle = (u64, u64);

    fn new(pages: u64, _live: usize) -> Self {
        FirstFit(range_alloc::RangeAllocator::new(0..pages))
    }

    #[inline]
    fn take(&mut self, pages: u64, align: u64) -> Option<(u64, u64)> {
        let Range { start, end } = self.0.allocate_range(pages + align - 1).ok()?;
        let first = start.next_multiple_of(align);
        if first > start {
            self.0.free_range(start..first);
        }
        if first + pages < end {
            self.0.free_range(first + pages..end);
        }
        Some((first, pages))
    }

    #[inline]
    fn give(&mut self, (first, pages): (u64, u64)) {
        self.0.free_range(first..first + pages);
    }

    fn end(range: &(u64, u64)) -> u64 {
        range.0 + range.1
    }
}

/// Free ranges by address and by length, best fit: the shape of Redox's kernel.
#[derive(Default)]
pub struct TwoTrees {
    by_start: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
}

impl TwoTrees {
    fn insert(&mut self, start: u64, length: u64) {
        if length != 0 {
            self.by_start.insert(start, length);
            self.by_length.insert((length, start));
        }
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

impl Ranges for TwoTrees {
    type Handle = (u64, u64);

    fn new(pages: u64, _live: usize) -> Self {
        let mut trees = Self::default();
        trees.insert(0, pages);
        trees
    }

    #[inline]
    fn take(&mut self, pages: u64, align: u64) -> Option<(u64, u64)> {
        let fits = |&&(length, start): &&(u64, u64)| start.next_multiple_of(align) + pages <= start + length;
        let &(length, start) = self.by_length.range((pages, 0)..).find(fits)?;
        let first = start.next_multiple_of(align);
        self.remove(start, length);
        self.insert(start, first - start);
        self.insert(first + pages, start + length - first - pages);
        Some((first, pages))
    }

    #[inline]
    fn give(&mut self, (mut start, mut length): (u64, u64)) {
        if let Some((&below, &bytes)) = self.by_start.range(..start).next_back()
            && below + bytes == start
        {
            self.remove(below, bytes);
            (start, length) = (below, length + bytes);
        }
        if let Some(&bytes) = self.by_start.get(&(start + length)) {
            self.remove(start + length, bytes);
            length += bytes;
        }
        self.insert(start, length);
    }

    fn end(range: &(u64, u64)) -> u64 {
        range.0 + range.1
    }
}

/// The root task's allocator; ranges are freed by their handles, or by their addresses with a search.
pub struct Selkie<const BY_ADDRESS: bool> {
    pool: NodePool<'static>,
    space: AddressSpace,
}

/// The first address: not zero, so that a mistake would show.
const START: u64 = 1 << 30;

impl<const BY_ADDRESS: bool> Ranges for Selkie<BY_ADDRESS> {
    type Handle = virt::Range;

    fn new(pages: u64, live: usize) -> Self {
        // For each range a used chunk and a free one, and sections for them.
        let slabs = live * 5 / 2 / SLAB_NODES + 2;
        let table = Vec::leak((0..slabs).map(|_| None).collect());
        let mut pool = NodePool::new(table);
        let memory: &'static mut [Slab] = vec![[Node::UNUSED; SLAB_NODES]; slabs].leak();
        for slab in memory {
            assert!(pool.add_slab(slab).is_ok(), "a place for each slab");
        }
        let space =
            AddressSpace::new(&mut pool, START, START + pages * PAGE_BYTES).expect("an address space");
        Selkie { pool, space }
    }

    #[inline]
    fn take(&mut self, pages: u64, align: u64) -> Option<virt::Range> {
        self.space.alloc(&mut self.pool, pages * PAGE_BYTES, align * PAGE_BYTES).ok()
    }

    #[inline]
    fn give(&mut self, range: virt::Range) {
        let freed = match BY_ADDRESS {
            false => self.space.release(&mut self.pool, range),
            true => self.space.free(&mut self.pool, range.start, range.len),
        };
        assert!(freed.is_ok(), "a range that was handed out");
    }

    fn end(range: &virt::Range) -> u64 {
        (range.start + range.len - START) / PAGE_BYTES
    }
}
