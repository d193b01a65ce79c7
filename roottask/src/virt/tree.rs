//! An AVL tree of chunks by address: all free ones, which are found by length, and some used ones as milestones.
//!
//! A node keeps, for each child, the child's height and the largest free chunk below it. So a search touches only the
//! nodes on its path and repair climbs without looking at siblings, stopping where nothing changes. Nodes are
//! relinked, never copied: an index stays the name of its chunk.
//!
//! Of two nodes that are neighbours in tree order, one lacks the child that faces the other. When two free chunks
//! are joined, that one is unlinked, which never is the hard case with two children.

use super::nodes::{NIL, Node, NodeId, NodePool, State};

/// The root of a tree; the pool is passed to every operation.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    pub(super) root: NodeId,
}

/// Index of the left child, the lower addresses.
const LEFT: usize = 0;
/// Index of the right child.
const RIGHT: usize = 1;

impl Node {
    /// Length if free, otherwise 0.
    fn free_len(&self) -> u64 {
        if self.state == State::Free { self.len } else { 0 }
    }

    /// Largest free chunk of the subtree.
    pub(super) fn subtree_max(&self) -> u64 {
        self.free_len().max(self.max[LEFT]).max(self.max[RIGHT])
    }

    /// Levels of the subtree.
    pub(super) fn height(&self) -> u8 {
        self.depth[LEFT].max(self.depth[RIGHT]) + 1
    }
}

impl Tree {
    /// A tree of one node.
    pub(super) const fn new(root: NodeId) -> Tree {
        Tree { root }
    }

    /// Links a node by its address.
    pub(super) fn insert(&mut self, pool: &mut NodePool, id: NodeId) {
        let start = pool.at(id).start;
        let (mut parent, mut side) = (self.root, LEFT);
        let mut at = self.root;
        while at != NIL {
            let node = pool.at(at);
            parent = at;
            side = usize::from(node.start < start);
            at = node.child[side];
        }
        pool.at_mut(parent).child[side] = id;
        let node = pool.at_mut(id);
        node.child = [NIL; 2];
        node.max = [0; 2];
        node.depth = [0; 2];
        node.parent = parent;
        node.rank = 0;
        self.climb(pool, id);
    }

    /// Unlinks a node with at most one child.
    pub(super) fn remove(&mut self, pool: &mut NodePool, id: NodeId) {
        let node = pool.at(id);
        let side = usize::from(node.child[LEFT] == NIL);
        let (child, parent, max, depth) = (node.child[side], node.parent, node.max[side], node.depth[side]);
        debug_assert!(node.child[1 - side] == NIL);
        if let Some(side) = self.replace(pool, parent, id, child) {
            let above = pool.at_mut(parent);
            above.max[side] = max;
            above.depth[side] = depth;
            self.climb(pool, parent);
        }
    }

    /// Puts `new` (or nothing) where `old` hangs below `parent`; returns the side, None at the root.
    fn replace(&mut self, pool: &mut NodePool, parent: NodeId, old: NodeId, new: NodeId) -> Option<usize> {
        if new != NIL {
            pool.at_mut(new).parent = parent;
        }
        if parent == NIL {
            self.root = new;
            return None;
        }
        let above = pool.at_mut(parent);
        let side = usize::from(above.child[LEFT] != old);
        above.child[side] = new;
        Some(side)
    }

    /// Brings heights, balance and largest chunks up to date from a changed node upwards.
    #[inline]
    pub(super) fn climb(&mut self, pool: &mut NodePool, mut id: NodeId) {
        loop {
            let depth = pool.at(id).depth;
            if depth[LEFT].abs_diff(depth[RIGHT]) > 1 {
                id = self.rebalance(pool, id, usize::from(depth[RIGHT] > depth[LEFT]));
            }
            let node = pool.at(id);
            let (parent, max, height) = (node.parent, node.subtree_max(), node.height());
            if parent == NIL {
                return;
            }
            let above = pool.at_mut(parent);
            let side = usize::from(above.child[LEFT] != id);
            if above.max[side] == max && above.depth[side] == height {
                return;
            }
            above.max[side] = max;
            above.depth[side] = height;
            id = parent;
        }
    }

    /// One or two rotations at a node whose child on `side` is two levels higher; returns the new top.
    fn rebalance(&mut self, pool: &mut NodePool, id: NodeId, side: usize) -> NodeId {
        let child = pool.at(id).child[side];
        let depth = pool.at(child).depth;
        if depth[1 - side] > depth[side] {
            self.rotate(pool, child, 1 - side);
        }
        self.rotate(pool, id, side)
    }

    /// Brings the child on `side` up; returns it. The cached values of the parent above stay for the caller to set.
    fn rotate(&mut self, pool: &mut NodePool, id: NodeId, side: usize) -> NodeId {
        let (parent, top) = (pool.at(id).parent, pool.at(id).child[side]);
        let upper = pool.at(top);
        let (inner, max, depth) = (upper.child[1 - side], upper.max[1 - side], upper.depth[1 - side]);
        self.replace(pool, parent, id, top);
        let lower = pool.at_mut(id);
        lower.child[side] = inner;
        lower.max[side] = max;
        lower.depth[side] = depth;
        lower.parent = top;
        let (max, depth) = (lower.subtree_max(), lower.height());
        let upper = pool.at_mut(top);
        upper.child[1 - side] = id;
        upper.max[1 - side] = max;
        upper.depth[1 - side] = depth;
        if inner != NIL {
            pool.at_mut(inner).parent = id;
        }
        top
    }

    /// The node with the greatest start at or below `addr`.
    pub(super) fn floor(&self, pool: &NodePool, addr: u64) -> Option<NodeId> {
        let (mut best, mut at) = (NIL, self.root);
        while at != NIL {
            let node = pool.at(at);
            let below = node.start <= addr;
            if below {
                best = at;
            }
            at = node.child[usize::from(below)];
        }
        (best != NIL).then_some(best)
    }

    /// The lowest free chunk of at least `len`.
    #[inline]
    pub(super) fn first_fit(&self, pool: &NodePool, len: u64) -> Option<NodeId> {
        (pool.at(self.root).subtree_max() >= len).then(|| descend(pool, self.root, len))
    }

    /// The next free chunk above `id` of at least `len`.
    pub(super) fn next_fit(&self, pool: &NodePool, mut id: NodeId, len: u64) -> Option<NodeId> {
        let mut node = pool.at(id);
        if node.max[RIGHT] >= len {
            return Some(descend(pool, node.child[RIGHT], len));
        }
        while node.parent != NIL {
            let above = pool.at(node.parent);
            let from_left = above.child[LEFT] == id;
            (id, node) = (node.parent, above);
            if from_left && node.free_len() >= len {
                return Some(id);
            }
            if from_left && node.max[RIGHT] >= len {
                return Some(descend(pool, node.child[RIGHT], len));
            }
        }
        None
    }
}

/// The lowest free chunk of at least `len` in a subtree that has one.
#[inline]
fn descend(pool: &NodePool, mut id: NodeId, len: u64) -> NodeId {
    loop {
        let node = pool.at(id);
        if node.max[LEFT] >= len {
            id = node.child[LEFT];
        } else if node.free_len() >= len {
            return id;
        } else {
            id = node.child[RIGHT];
        }
    }
}
