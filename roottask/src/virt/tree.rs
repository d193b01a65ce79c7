//! An AVL tree of sections by address.
//!
//! A section is a short run of chunks that follow each other in the list. The tree knows where each run begins: so
//! the chunk that holds an address is found by one descent and a bounded walk, while most changes of chunks change
//! nothing in the tree. A new section comes from cutting one in two and is linked next to it, without a search.
//!
//! A node keeps the heights of both children, so repair climbs without looking at siblings and stops where nothing
//! changes. Nodes are relinked, never copied: an index stays the name of its section.

use super::nodes::{NIL, Node, NodeId, NodePool};

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

    /// Links a node as the next above `at`.
    pub(super) fn insert_after(&mut self, pool: &mut NodePool, at: NodeId, new: NodeId) {
        let (mut parent, mut side) = (at, RIGHT);
        let mut below = pool.at(at).child[RIGHT];
        while below != NIL {
            (parent, side) = (below, LEFT);
            below = pool.at(below).child[LEFT];
        }
        let node = pool.at_mut(new);
        node.child = [NIL; 2];
        node.depth = [0; 2];
        node.parent = parent;
        let above = pool.at_mut(parent);
        above.child[side] = new;
        above.depth[side] = 1;
        self.climb(pool, parent);
    }

    /// Unlinks a node.
    pub(super) fn remove(&mut self, pool: &mut NodePool, id: NodeId) {
        let Node { parent, child, depth, .. } = *pool.at(id);
        if child[LEFT] == NIL || child[RIGHT] == NIL {
            let side = usize::from(child[LEFT] == NIL);
            self.replace(pool, parent, id, child[side], depth[side]);
            return self.climb(pool, parent);
        }
        // The next node above takes its place.
        let mut next = child[RIGHT];
        while pool.at(next).child[LEFT] != NIL {
            next = pool.at(next).child[LEFT];
        }
        let Node { parent: next_parent, child: next_child, depth: next_depth, .. } = *pool.at(next);
        let mut lowest = next;
        let mut right = child[RIGHT];
        if next_parent != id {
            self.replace(pool, next_parent, next, next_child[RIGHT], next_depth[RIGHT]);
            lowest = next_parent;
        } else {
            right = next_child[RIGHT];
        }
        let node = pool.at_mut(next);
        node.child = [child[LEFT], right];
        // If the right subtree lost a level, the climb from its lowest changed node says so.
        node.depth = if next_parent == id { [depth[LEFT], next_depth[RIGHT]] } else { depth };
        let height = node.height();
        for below in [child[LEFT], right] {
            if below != NIL {
                pool.at_mut(below).parent = next;
            }
        }
        self.replace(pool, parent, id, next, height);
        self.climb(pool, lowest);
        self.climb(pool, parent);
    }

    /// Puts `new` (or nothing) of height `height` where `old` hangs below `parent`.
    fn replace(&mut self, pool: &mut NodePool, parent: NodeId, old: NodeId, new: NodeId, height: u8) {
        if new != NIL {
            pool.at_mut(new).parent = parent;
        }
        if parent == NIL {
            self.root = new;
            return;
        }
        let above = pool.at_mut(parent);
        let side = usize::from(above.child[LEFT] != old);
        above.child[side] = new;
        above.depth[side] = height;
    }

    /// Brings heights and balance up to date from a node upwards, whose own record of its children is right.
    fn climb(&mut self, pool: &mut NodePool, mut id: NodeId) {
        while id != NIL {
            let depth = pool.at(id).depth;
            if depth[LEFT].abs_diff(depth[RIGHT]) > 1 {
                id = self.rebalance(pool, id, usize::from(depth[RIGHT] > depth[LEFT]));
            }
            let node = pool.at(id);
            let (parent, height) = (node.parent, node.height());
            if parent == NIL {
                return;
            }
            let above = pool.at_mut(parent);
            let side = usize::from(above.child[LEFT] != id);
            if above.depth[side] == height {
                return;
            }
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

    /// Brings the child on `side` up; returns it. The height that the parent above has noted stays for
    /// [`climb`](Self::climb) to set.
    fn rotate(&mut self, pool: &mut NodePool, id: NodeId, side: usize) -> NodeId {
        let (parent, top) = (pool.at(id).parent, pool.at(id).child[side]);
        let upper = pool.at(top);
        let (inner, depth) = (upper.child[1 - side], upper.depth[1 - side]);
        let lower = pool.at_mut(id);
        lower.child[side] = inner;
        lower.depth[side] = depth;
        lower.parent = top;
        let height = lower.height();
        let upper = pool.at_mut(top);
        upper.child[1 - side] = id;
        upper.depth[1 - side] = height;
        upper.parent = parent;
        if inner != NIL {
            pool.at_mut(inner).parent = id;
        }
        match parent {
            NIL => self.root = top,
            parent => {
                let above = pool.at_mut(parent);
                let side = usize::from(above.child[LEFT] != id);
                above.child[side] = top;
            }
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
}
