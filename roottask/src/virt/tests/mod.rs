//! Tests of the address-space allocator.

mod cases;
mod model;

use std::collections::BTreeSet;

use super::nodes::{NIL, NodeId, State};
use super::sections::SECTION_CHUNKS;
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

/// Checks the tree: order, parent links, balance, heights. Appends its nodes in address order.
fn check_tree(pool: &NodePool, id: NodeId, parent: NodeId, out: &mut Vec<NodeId>) -> u8 {
    if id == NIL {
        return 0;
    }
    let node = *pool.at(id);
    assert_eq!((node.parent, node.state), (parent, State::Section));
    let left = check_tree(pool, node.child[0], id, out);
    out.push(id);
    let right = check_tree(pool, node.child[1], id, out);
    assert_eq!(node.depth, [left, right]);
    assert!(left.abs_diff(right) <= 1, "unbalanced");
    node.height()
}

/// All chunks in bins; checks that each is in the list for its length and linked both ways.
fn check_bins<const LARGE: bool>(bins: &Bins<LARGE>, pool: &NodePool) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    let mut list = 0;
    while let Some(filled) = bins.next_filled(list) {
        let (mut prev, mut id) = (NIL, bins.head(filled));
        assert_ne!(id, NIL, "an empty list is marked as filled");
        while id != NIL {
            let node = pool.at(id);
            let [below, above] = Bins::<LARGE>::links(node);
            assert_eq!((node.state, below), (State::Free, prev));
            assert_eq!(bins::bin(Bins::<LARGE>::length(node)), filled);
            assert!(found.insert(id));
            (prev, id) = (id, above);
        }
        list = filled + 1;
    }
    found
}

/// Checks that list, bins, tree and counters agree; returns the live ranges.
pub fn check(space: &AddressSpace, pool: &NodePool, start: u64, end: u64) -> Vec<Range> {
    let mut sections = Vec::new();
    check_tree(pool, space.tree.root, NIL, &mut sections);
    let mut binned = check_bins(&space.bins, pool);
    let mut large = check_bins(&space.large_bins, pool);
    let (mut id, mut prev, mut addr, mut was_free) = (space.first, NIL, start, false);
    let (mut free_bytes, mut recent_bytes, mut nodes, mut live) = (0, 0, sections.len(), Vec::new());
    for section in sections {
        let section_node = *pool.at(section);
        assert_eq!((section_node.next, section_node.start), (id, addr), "a section begins elsewhere");
        assert!((1..=SECTION_CHUNKS).contains(&section_node.count));
        for _ in 0..section_node.count {
            let node = *pool.at(id);
            assert_eq!((node.start, node.prev, node.section), (addr, prev, section));
            assert!(node.len > 0);
            match node.state {
                State::Free => {
                    assert!(!was_free, "free neighbours were not joined");
                    assert!(binned.remove(&id), "a free chunk is in no bin");
                    assert_eq!(large.remove(&id), node.large_len() != 0);
                    free_bytes += node.len;
                }
                State::Used => live.push(range(id, &node)),
                State::Recent => recent_bytes += node.len,
                State::Unused | State::Section => panic!("no chunk, but in the list"),
            }
            nodes += 1;
            was_free = node.state == State::Free;
            (prev, addr, id) = (id, node.end(), node.next);
        }
    }
    assert_eq!((addr, id), (end, NIL));
    assert!(binned.is_empty() && large.is_empty(), "bins hold what the list does not");
    let stats = space.stats(pool);
    assert_eq!((stats.free, stats.recent), (free_bytes + recent_bytes, recent_bytes));
    assert_eq!((stats.ranges as usize, stats.nodes as usize), (live.len(), nodes));
    live
}
