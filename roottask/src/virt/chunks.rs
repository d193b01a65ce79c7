//! Cutting chunks and joining them: the operations that change list and bins together.

use super::nodes::{NIL, Node, NodeId, NodePool, State};
use super::{AddressSpace, PAGE_BYTES};

impl AddressSpace {
    /// Makes `addr..addr + len`, which lies in the free chunk, a used one; takes up to four nodes.
    pub(super) fn carve(&mut self, pool: &mut NodePool, chunk: NodeId, addr: u64, len: u64) -> NodeId {
        self.unbin(pool, chunk);
        let node = pool.at_mut(chunk);
        let (before, after) = (addr - node.start, node.end() - (addr + len));
        self.free_bytes -= len;
        self.ranges += 1;
        let mut used = chunk;
        if before == 0 {
            node.len = len;
            node.state = State::Used;
            node.tag = 0;
        } else {
            node.len = before;
            self.bin(pool, chunk);
            used = self.add_after(pool, chunk, State::Used, addr, len);
        }
        if after != 0 {
            let rest = self.add_after(pool, used, State::Free, addr + len, after);
            self.bin(pool, rest);
        }
        used
    }

    /// Puts a free chunk into the bins.
    #[inline]
    pub(super) fn bin(&mut self, pool: &mut NodePool, id: NodeId) {
        let node = pool.at(id);
        let (len, large) = (node.len, node.large_len());
        self.bins.push(pool, id, len);
        if large != 0 {
            self.large_bins.push(pool, id, large);
        }
    }

    /// Takes a free chunk out of the bins, before it changes.
    #[inline]
    fn unbin(&mut self, pool: &mut NodePool, id: NodeId) {
        let node = pool.at(id);
        let (len, links) = (node.len, node.bin);
        let (large, large_links) = (node.large_len(), node.child);
        self.bins.remove(pool, id, len, links);
        if large != 0 {
            self.large_bins.remove(pool, id, large, large_links);
        }
    }

    /// Cuts a used chunk in two at `addr`; returns the upper one. Takes up to two nodes.
    pub(super) fn cut(&mut self, pool: &mut NodePool, id: NodeId, addr: u64) -> NodeId {
        debug_assert!(addr.is_multiple_of(PAGE_BYTES));
        let lower = pool.at_mut(id);
        let (end, guards, tag) = (lower.end(), lower.guards, lower.tag);
        lower.len = addr - lower.start;
        lower.guards = guards & 1;
        let upper = self.add_after(pool, id, State::Used, addr, end - addr);
        let new = pool.at_mut(upper);
        new.guards = guards & 2;
        new.tag = tag;
        self.ranges += 1;
        upper
    }

    /// Ends a range: keeps it for a request of the same length, and really frees the oldest one kept.
    #[inline]
    pub(super) fn retire(&mut self, pool: &mut NodePool, id: NodeId) {
        self.ranges -= 1;
        let node = pool.at_mut(id);
        node.state = State::Recent;
        if let Some(oldest) = self.recent.push(id, node.start, node.len) {
            self.join(pool, oldest);
        }
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
        let Node { len, prev, next, .. } = *pool.at(id);
        self.free_bytes += len;
        let mut whole = id;
        if prev != NIL && pool.at(prev).state == State::Free {
            self.unbin(pool, prev);
            pool.at_mut(prev).len += len;
            self.drop_chunk(pool, id);
            whole = prev;
        } else {
            let node = pool.at_mut(id);
            node.state = State::Free;
            node.guards = 0;
        }
        if next != NIL && pool.at(next).state == State::Free {
            self.unbin(pool, next);
            let more = pool.at(next).len;
            pool.at_mut(whole).len += more;
            self.drop_chunk(pool, next);
        }
        self.bin(pool, whole);
    }
}
