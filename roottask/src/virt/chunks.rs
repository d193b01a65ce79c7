//! Cutting chunks and joining them: the operations that change tree and list together.
//!
//! Used chunks are in the list but only some are in the tree: those that were whole free chunks before, and in a long
//! row every [`MAX_RANK`]th. So most requests change nothing in the tree but one length, and still every chunk is
//! found by a descent and a bounded walk.

use super::nodes::{NIL, Node, NodeId, NodePool, State};
use super::{AddressSpace, PAGE_BYTES};

/// Longest walk in the list from a node of the tree to a chunk.
pub(super) const MAX_RANK: u8 = 24;

impl AddressSpace {
    /// Makes `addr..addr + len`, which lies in the free chunk, a used one; takes up to two nodes.
    pub(super) fn carve(&mut self, pool: &mut NodePool, chunk: NodeId, addr: u64, len: u64) -> NodeId {
        let node = pool.at_mut(chunk);
        let (before, after) = (addr - node.start, node.end() - (addr + len));
        self.free_bytes -= len;
        self.ranges += 1;
        if before == 0 && after == 0 {
            node.state = State::Used;
            node.tag = 0;
            self.tree.climb(pool, chunk);
            return chunk;
        }
        if before == 0 {
            node.start += len;
            node.len = after;
            let prev = node.prev;
            self.tree.climb(pool, chunk);
            return self.add_after(pool, prev, State::Used, addr, len);
        }
        node.len = before;
        self.tree.climb(pool, chunk);
        let used = self.add_after(pool, chunk, State::Used, addr, len);
        if after != 0 {
            self.add_after(pool, used, State::Free, addr + len, after);
        } else {
            self.make_milestone(pool, used);
        }
        used
    }

    /// Cuts a used chunk in two at `addr`; returns the upper one. Takes a node.
    pub(super) fn cut(&mut self, pool: &mut NodePool, id: NodeId, addr: u64) -> NodeId {
        let lower = pool.at_mut(id);
        let (end, guards, tag) = (lower.end(), lower.guards, lower.tag);
        lower.len = addr - lower.start;
        lower.guards = guards & 1;
        let upper = self.add_after(pool, id, State::Used, addr, end - addr);
        let new = pool.at_mut(upper);
        new.guards = guards & 2;
        new.tag = tag;
        self.make_milestone(pool, upper);
        self.ranges += 1;
        upper
    }

    /// Puts a new chunk into the tree: used chunks may follow, which else had one more to pass on their way back.
    fn make_milestone(&mut self, pool: &mut NodePool, id: NodeId) {
        if pool.at(id).rank != 0 {
            self.tree.insert(pool, id);
        }
    }

    /// Ends a range: keeps it for a request of the same length, and really frees the oldest one kept.
    #[inline]
    pub(super) fn retire(&mut self, pool: &mut NodePool, id: NodeId) {
        self.ranges -= 1;
        if let Some(oldest) = self.recent.overflow() {
            self.join(pool, oldest);
        }
        let node = pool.at_mut(id);
        node.state = State::Recent;
        self.recent.push(id, node.start, node.len);
    }

    /// Really frees the ranges kept for reuse. Whether there was any.
    pub fn trim(&mut self, pool: &mut NodePool) -> bool {
        let mut any = false;
        while let Some(id) = self.recent.pop() {
            self.join(pool, id);
            any = true;
        }
        any
    }

    /// Makes a used chunk a free one, joined with its free neighbours.
    fn join(&mut self, pool: &mut NodePool, id: NodeId) {
        let node = pool.at_mut(id);
        node.state = State::Free;
        node.guards = 0;
        let (start, len, prev, next) = (node.start, node.len, node.prev, node.next);
        let in_tree = node.rank == 0;
        self.free_bytes += len;
        let is_free = |id: NodeId| id != NIL && pool.at(id).state == State::Free;
        let (low, high) = (is_free(prev), is_free(next));
        let mut whole = id;
        if in_tree {
            if low {
                whole = self.join_pair(pool, prev, whole);
            }
            if high {
                whole = self.join_pair(pool, whole, next);
            }
        } else if low {
            pool.at_mut(prev).len += len;
            self.drop_node(pool, id);
            whole = if high { self.join_pair(pool, prev, next) } else { prev };
        } else if high {
            let upper = pool.at_mut(next);
            upper.start = start;
            upper.len += len;
            self.drop_node(pool, id);
            whole = next;
        } else {
            return self.tree.insert(pool, id);
        }
        self.tree.climb(pool, whole);
    }

    /// Joins two free neighbours of the tree into the node that is the harder one to unlink; the other goes back to the pool. The
    /// caller brings the tree above the remaining node up to date.
    fn join_pair(&mut self, pool: &mut NodePool, lower: NodeId, upper: NodeId) -> NodeId {
        let (low, high) = (pool.at(lower), pool.at(upper));
        let (start, len) = (low.start, low.len + high.len);
        let (stays, goes) = if low.child[1] == NIL { (upper, lower) } else { (lower, upper) };
        let node = pool.at_mut(stays);
        node.start = start;
        node.len = len;
        self.tree.remove(pool, goes);
        self.drop_node(pool, goes);
        stays
    }

    /// Takes a node out of the list and gives it back to the pool.
    fn drop_node(&mut self, pool: &mut NodePool, id: NodeId) {
        let (prev, next) = (pool.at(id).prev, pool.at(id).next);
        match prev {
            NIL => self.first = next,
            prev => pool.at_mut(prev).next = next,
        }
        if next != NIL {
            pool.at_mut(next).prev = prev;
        }
        pool.give(id);
        self.nodes -= 1;
    }

    /// A new chunk behind `prev` in the list ([`NIL`]: at the front), in the tree if it must be.
    fn add_after(&mut self, pool: &mut NodePool, prev: NodeId, state: State, start: u64, len: u64) -> NodeId {
        debug_assert!(start.is_multiple_of(PAGE_BYTES) && len.is_multiple_of(PAGE_BYTES) && len != 0);
        self.nodes += 1;
        let (next, rank) = match prev {
            NIL => (self.first, 0),
            prev => (pool.at(prev).next, (pool.at(prev).rank + 1) % (MAX_RANK + 1)),
        };
        let id = pool.take(Node { start, len, prev, next, state, rank, space: self.number, ..Node::UNUSED });
        match prev {
            NIL => self.first = id,
            prev => pool.at_mut(prev).next = id,
        }
        if next != NIL {
            pool.at_mut(next).prev = id;
        }
        if rank == 0 || state == State::Free {
            self.tree.insert(pool, id);
        }
        id
    }
}
