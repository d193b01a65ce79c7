//! Virtual addresses: which ranges of an address space are free, and which range holds an address.
//!
//! An address space is cut into chunks without gaps, free or used, in a list by address. Three things lead into it:
//!
//! * the **handle** of a range is its chunk, so that freeing a whole range needs no search;
//! * **bins** ([`bins`]) lead to a free chunk of a length in a few steps, whatever the address space holds;
//! * an **AVL tree** ([`tree`]) of sections, runs of up to eight chunks ([`sections`]), leads to the chunk that holds
//!   an address: lookup, fixed addresses, and what is freed by its address. As a section stays while chunks in it come
//!   and go, most requests do not touch the tree.
//!
//! Ranges just freed are kept whole for a while in a few places ([`recent`]) and go out again at once to a request of
//! their length: stacks and buffers come back in one size.
//!
//! Nodes come from a [`NodePool`] that all address spaces share and that grows by slabs. Releasing a whole range
//! never takes a node, so it cannot fail for want of memory.

#![forbid(unsafe_code)]

mod bins;
mod chunks;
mod fit;
mod nodes;
mod recent;
mod sections;
mod split;
#[cfg(test)]
mod tests;
mod tree;

pub use nodes::{NODES_AT_MOST, Node, NodeId, NodePool, SLAB_NODES, Slab};

use bins::Bins;
use nodes::{NIL, State};
use recent::Recent;
use tree::Tree;

/// The unit of all addresses and lengths.
pub const PAGE_BYTES: u64 = 4096;

/// A range handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// First usable address: behind the guard page, if there is one.
    pub start: u64,
    /// Usable bytes.
    pub len: u64,
    /// The word last set by [`AddressSpace::set_tag`].
    pub tag: u32,
    /// The range's node: makes [`AddressSpace::release`] quick.
    pub id: NodeId,
}

/// What lies at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The usable part of a range.
    Range(Range),
    /// A guard page of the range.
    Guard(Range),
}

/// Why a request failed. Nothing was changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// No chunk is large enough (and aligned).
    OutOfSpace,
    /// A length of zero, or a length, address or alignment that is no multiple of a page (no power of two), or a
    /// range that goes beyond the end of addresses.
    BadRange,
    /// Part of the fixed range is in use or outside of the address space.
    Busy,
    /// The addresses given back are not within one range that is in use.
    NotAllocated,
    /// The pool has too few nodes: add a slab and ask again.
    OutOfNodes,
}

/// A snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Bytes of the address space.
    pub total: u64,
    /// Bytes free, those of `recent` included.
    pub free: u64,
    /// Bytes of ranges just freed and kept whole.
    pub recent: u64,
    /// Bytes of the longest free chunk.
    pub largest: u64,
    /// Ranges in use.
    pub ranges: u32,
    /// Nodes this address space takes from the pool.
    pub nodes: u32,
    /// Levels of the tree.
    pub height: u8,
}

/// One address space.
#[derive(Debug)]
pub struct AddressSpace {
    tree: Tree,
    bins: Bins<false>,
    large_bins: Bins<true>,
    /// The chunk with the lowest address.
    first: NodeId,
    recent: Recent,
    number: u16,
    total: u64,
    /// Bytes of free chunks.
    free_bytes: u64,
    ranges: u32,
    nodes: u32,
}

impl AddressSpace {
    /// An address space of the addresses `start..end`, all free.
    ///
    /// # Errors
    /// [`Error::BadRange`], [`Error::OutOfNodes`].
    pub fn new(pool: &mut NodePool, start: u64, end: u64) -> Result<Self, Error> {
        if start >= end || !start.is_multiple_of(PAGE_BYTES) || !end.is_multiple_of(PAGE_BYTES) {
            return Err(Error::BadRange);
        }
        if pool.available() < 2 {
            return Err(Error::OutOfNodes);
        }
        let number = pool.next_space;
        pool.next_space = number.wrapping_add(1);
        let len = end - start;
        let state = State::Free;
        let first = pool.take(Node { start, len, space: number, state, ..Node::UNUSED });
        let state = State::Section;
        let section = pool.take(Node { start, next: first, count: 1, space: number, state, ..Node::UNUSED });
        pool.at_mut(first).section = section;
        let (tree, recent) = (Tree::new(section), Recent::new());
        let (bins, large_bins) = (Bins::new(), Bins::new());
        let mut space = Self {
            tree,
            bins,
            large_bins,
            first,
            recent,
            number,
            total: len,
            free_bytes: len,
            ranges: 0,
            nodes: 2,
        };
        space.bin(pool, first);
        Ok(space)
    }

    /// A range of `len` bytes at a multiple of `align`.
    ///
    /// # Errors
    /// [`Error::BadRange`], [`Error::OutOfSpace`], [`Error::OutOfNodes`].
    #[inline]
    pub fn alloc(&mut self, pool: &mut NodePool, len: u64, align: u64) -> Result<Range, Error> {
        self.alloc_with(pool, len, align, 0)
    }

    /// A page-aligned range of `len` bytes with an unusable page on each side.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn alloc_guarded(&mut self, pool: &mut NodePool, len: u64) -> Result<Range, Error> {
        if len == 0 {
            return Err(Error::BadRange);
        }
        let len = len.checked_add(2 * PAGE_BYTES).ok_or(Error::BadRange)?;
        self.alloc_with(pool, len, PAGE_BYTES, 3)
    }

    fn alloc_with(&mut self, pool: &mut NodePool, len: u64, align: u64, guards: u8) -> Result<Range, Error> {
        if len == 0 || !len.is_multiple_of(PAGE_BYTES) || !align.is_power_of_two() || align < PAGE_BYTES {
            return Err(Error::BadRange);
        }
        if let Some(id) = self.recent.take(len, align) {
            let node = pool.at_mut(id);
            node.state = State::Used;
            node.tag = 0;
            node.guards = guards;
            self.ranges += 1;
            return Ok(range(id, node));
        }
        if pool.available() < NODES_AT_MOST {
            return Err(Error::OutOfNodes);
        }
        let found = match self.find_fit(pool, len, align) {
            Some(found) => found,
            None if self.trim(pool) => self.find_fit(pool, len, align).ok_or(Error::OutOfSpace)?,
            None => return Err(Error::OutOfSpace),
        };
        let id = self.carve(pool, found.0, found.1, len);
        let node = pool.at_mut(id);
        node.guards = guards;
        Ok(range(id, node))
    }

    /// The range of exactly these addresses.
    ///
    /// # Errors
    /// [`Error::BadRange`], [`Error::Busy`], [`Error::OutOfNodes`].
    pub fn reserve(&mut self, pool: &mut NodePool, addr: u64, len: u64) -> Result<Range, Error> {
        let end = checked_end(addr, len)?;
        if pool.available() < NODES_AT_MOST {
            return Err(Error::OutOfNodes);
        }
        let fits = |space: &Self, pool: &NodePool| {
            let chunk = space.chunk_of(pool, addr)?;
            let node = pool.at(chunk);
            (node.state == State::Free && end <= node.end()).then_some(chunk)
        };
        let chunk = match fits(self, pool) {
            Some(chunk) => chunk,
            None if self.trim(pool) => fits(self, pool).ok_or(Error::Busy)?,
            None => return Err(Error::Busy),
        };
        let id = self.carve(pool, chunk, addr, len);
        Ok(range(id, pool.at(id)))
    }

    /// What lies at `addr`; None: it is free or outside of the address space.
    pub fn find(&self, pool: &NodePool, addr: u64) -> Option<Found> {
        let id = self.chunk_of(pool, addr)?;
        let node = pool.at(id);
        if addr >= node.end() || node.state != State::Used {
            return None;
        }
        let range = range(id, node);
        let usable = addr >= range.start && addr - range.start < range.len;
        Some(if usable { Found::Range(range) } else { Found::Guard(range) })
    }

    /// Frees a whole range, without a search.
    ///
    /// # Errors
    /// [`Error::NotAllocated`]: the range is not (any more) one of this address space.
    #[inline]
    pub fn release(&mut self, pool: &mut NodePool, freed: Range) -> Result<(), Error> {
        let node = pool.get(freed.id).ok_or(Error::NotAllocated)?;
        let now = range(freed.id, node);
        if node.state != State::Used
            || node.space != self.number
            || (now.start, now.len) != (freed.start, freed.len)
        {
            return Err(Error::NotAllocated);
        }
        self.retire(pool, freed.id);
        Ok(())
    }

    /// Frees the addresses `addr..addr + len`, which lie within one range: all of it or a part. A guard page goes with
    /// the first or last usable byte next to it.
    ///
    /// # Errors
    /// [`Error::BadRange`], [`Error::NotAllocated`], [`Error::OutOfNodes`] (for a part only).
    pub fn free(&mut self, pool: &mut NodePool, addr: u64, len: u64) -> Result<(), Error> {
        let part = self.split(pool, addr, len)?;
        self.retire(pool, part.id);
        Ok(())
    }

    /// Stores a word of the caller's with a range.
    ///
    /// # Errors
    /// [`Error::NotAllocated`].
    pub fn set_tag(&mut self, pool: &mut NodePool, addr: u64, tag: u32) -> Result<(), Error> {
        match self.find(pool, addr) {
            Some(Found::Range(found) | Found::Guard(found)) => {
                pool.at_mut(found.id).tag = tag;
                Ok(())
            }
            None => Err(Error::NotAllocated),
        }
    }

    /// The lowest range that starts at or above `addr`.
    pub fn next_range(&self, pool: &NodePool, addr: u64) -> Option<Range> {
        let mut id = self.chunk_of(pool, addr).unwrap_or(self.first);
        while id != NIL {
            let node = pool.at(id);
            if node.state == State::Used && range(id, node).start >= addr {
                return Some(range(id, node));
            }
            id = node.next;
        }
        None
    }

    /// Gives all nodes back to the pool: the end of the address space and of its ranges.
    pub fn destroy(self, pool: &mut NodePool) {
        let mut id = self.first;
        let mut section = NIL;
        while id != NIL {
            let node = pool.at(id);
            let (next, new) = (node.next, node.section);
            if new != section {
                pool.give(new);
                section = new;
            }
            pool.give(id);
            id = next;
        }
    }

    /// Nodes that this address space takes from the pool.
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// Numbers for reports and tests.
    pub fn stats(&self, pool: &NodePool) -> Stats {
        Stats {
            total: self.total,
            free: self.free_bytes + self.recent.bytes(),
            recent: self.recent.bytes(),
            largest: self.longest(pool),
            ranges: self.ranges,
            nodes: self.nodes,
            height: pool.at(self.tree.root).height(),
        }
    }
}

/// The usable part of a node's chunk.
#[inline]
fn range(id: NodeId, node: &Node) -> Range {
    let (low, high) = (u64::from(node.guards & 1), u64::from(node.guards >> 1));
    Range {
        start: node.start + low * PAGE_BYTES,
        len: node.len - (low + high) * PAGE_BYTES,
        tag: node.tag,
        id,
    }
}

fn checked_end(addr: u64, len: u64) -> Result<u64, Error> {
    if len == 0 || !addr.is_multiple_of(PAGE_BYTES) || !len.is_multiple_of(PAGE_BYTES) {
        return Err(Error::BadRange);
    }
    addr.checked_add(len).ok_or(Error::BadRange)
}
