//! The list of chunks and its sections, which are the nodes of the tree.

use core::hint::select_unpredictable;

use super::AddressSpace;
use super::nodes::{NIL, Node, NodeId, NodePool, State};

/// Chunks in one section at most: the longest walk from a node of the tree.
pub(super) const SECTION_CHUNKS: u8 = 8;

impl AddressSpace {
    /// The chunk that holds `addr`, or the last one if it lies above all.
    pub(super) fn chunk_of(&self, pool: &NodePool, addr: u64) -> Option<NodeId> {
        let mut id = pool.at(self.tree.floor(pool, addr)?).next;
        loop {
            let next = pool.at(id).next;
            if next == NIL || pool.at(next).start > addr {
                return Some(id);
            }
            id = next;
        }
    }

    /// A new chunk behind `prev` in the list. Takes a node, and one more if that fills the section.
    pub(super) fn add_after(
        &mut self,
        pool: &mut NodePool,
        prev: NodeId,
        state: State,
        start: u64,
        len: u64,
    ) -> NodeId {
        let below = pool.at(prev);
        let (next, section) = (below.next, below.section);
        let id =
            pool.take(Node { start, len, prev, next, section, state, space: self.number, ..Node::UNUSED });
        self.nodes += 1;
        pool.at_mut(prev).next = id;
        if next != NIL {
            pool.at_mut(next).prev = id;
        }
        let node = pool.at_mut(section);
        node.count += 1;
        if node.count > SECTION_CHUNKS {
            self.cut_section(pool, section);
        }
        id
    }

    /// Makes the upper half of a full section a new one.
    fn cut_section(&mut self, pool: &mut NodePool, section: NodeId) {
        let whole = pool.at_mut(section);
        let rest = whole.count / 2;
        let moved = whole.count - rest;
        whole.count = rest;
        let mut at = whole.next;
        for _ in 0..rest {
            at = pool.at(at).next;
        }
        let (first, start) = (at, pool.at(at).start);
        let new = pool.take(Node {
            start,
            next: first,
            count: moved,
            state: State::Section,
            space: self.number,
            ..Node::UNUSED
        });
        self.nodes += 1;
        for _ in 0..moved {
            let node = pool.at_mut(at);
            node.section = new;
            at = node.next;
        }
        self.tree.insert_after(pool, section, new);
    }

    /// Takes a chunk that is not the first of all out of the list, and gives its node back; the chunk below it has
    /// its addresses now.
    pub(super) fn drop_chunk(&mut self, pool: &mut NodePool, id: NodeId) {
        let Node { prev, next, section, .. } = *pool.at(id);
        pool.at_mut(prev).next = next;
        let mut next_start = 0;
        if next != NIL {
            let above = pool.at_mut(next);
            above.prev = prev;
            next_start = above.start;
        }
        pool.give(id);
        self.nodes -= 1;
        let node = pool.at_mut(section);
        node.count -= 1;
        if node.count == 0 {
            self.tree.remove(pool, section);
            pool.give(section);
            self.nodes -= 1;
        } else {
            let is_first = node.next == id;
            node.next = select_unpredictable(is_first, next, node.next);
            node.start = select_unpredictable(is_first, next_start, node.start);
        }
    }
}
