//! Tests of the address-space allocator.

mod cases;
mod model;

use super::chunks::MAX_RANK;
use super::nodes::{NIL, NodeId, State};
use super::*;

/// A pool with `slabs` slabs, leaked: the tests end before it matters.
pub fn pool(slabs: usize) -> NodePool<'static> {
    let table = Box::leak((0..slabs).map(|_| None).collect::<Vec<_>>().into_boxed_slice());
    let mut pool = NodePool::new(table);
    for _ in 0..slabs {
        let slab: Box<Slab> = Box::new([Node::UNUSED; SLAB_NODES]);
        assert!(pool.add_slab(Box::leak(slab)).is_ok());
    }
    pool
}

/// Checks the tree: order, parent links, balance, cached heights and lengths. Appends its nodes in address order.
fn check_tree(pool: &NodePool, id: NodeId, parent: NodeId, out: &mut Vec<NodeId>) -> (u8, u64) {
    if id == NIL {
        return (0, 0);
    }
    let node = *pool.at(id);
    assert_eq!(node.parent, parent);
    let left = check_tree(pool, node.child[0], id, out);
    out.push(id);
    let right = check_tree(pool, node.child[1], id, out);
    assert_eq!((node.depth, node.max), ([left.0, right.0], [left.1, right.1]));
    assert!(left.0.abs_diff(right.0) <= 1, "unbalanced");
    (node.height(), node.subtree_max())
}

/// Checks that list, tree and counters agree; returns the live ranges.
pub fn check(space: &AddressSpace, pool: &NodePool, start: u64, end: u64) -> Vec<Range> {
    let mut nodes = Vec::new();
    check_tree(pool, space.tree.root, NIL, &mut nodes);
    let (mut id, mut prev, mut addr, mut was_free) = (space.first, NIL, start, false);
    let (mut listed, mut live) = (Vec::new(), Vec::new());
    let (mut free_bytes, mut recent_bytes, mut chunks, mut steps) = (0, 0, 0, 0u8);
    while id != NIL {
        let node = *pool.at(id);
        assert_eq!((node.start, node.prev), (addr, prev));
        assert!(node.len > 0);
        match node.state {
            State::Free => {
                assert!(!was_free, "free neighbours were not joined");
                free_bytes += node.len;
            }
            State::Used => live.push(range(id, &node)),
            State::Recent => recent_bytes += node.len,
            State::Unused => panic!("unused node in the list"),
        }
        steps = if node.rank == 0 { 0 } else { steps + 1 };
        assert!(steps <= node.rank.min(MAX_RANK), "too far from a node of the tree");
        assert!(node.rank == 0 || node.state != State::Free);
        if node.rank == 0 {
            listed.push(id);
        }
        chunks += 1;
        was_free = node.state == State::Free;
        (prev, addr, id) = (id, node.end(), node.next);
    }
    assert_eq!(addr, end);
    assert_eq!(listed, nodes);
    let stats = space.stats(pool);
    assert_eq!((stats.free, stats.recent), (free_bytes + recent_bytes, recent_bytes));
    assert_eq!((stats.ranges as usize, stats.nodes as usize), (live.len(), chunks));
    live
}
