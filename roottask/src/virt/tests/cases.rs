//! Single cases: limits, hostile input, guards, partial release, exhaustion.

use super::*;

const P: u64 = PAGE_BYTES;

#[test]
fn takes_the_lowest_fit_and_reuses_exact_lengths() {
    let mut pool = pool(1);
    let mut space = AddressSpace::new(&mut pool, P, 101 * P).unwrap();
    let a = space.alloc(&mut pool, 2 * P, P).unwrap();
    let b = space.alloc(&mut pool, 3 * P, P).unwrap();
    assert_eq!((a.start, b.start), (P, 3 * P));
    space.release(&mut pool, a).unwrap();
    assert_eq!(space.find(&pool, a.start), None);
    assert_eq!(space.alloc(&mut pool, 2 * P, P).unwrap().start, a.start);
}

#[test]
fn aligned_requests_find_the_only_place() {
    let mut pool = pool(1);
    let mut space = AddressSpace::new(&mut pool, P, 64 * P).unwrap();
    let aligned = space.alloc(&mut pool, 32 * P, 32 * P).unwrap();
    assert_eq!(aligned.start, 32 * P);
    assert_eq!(space.alloc(&mut pool, 32 * P, 32 * P), Err(Error::OutOfSpace));
    check(&space, &pool, P, 64 * P);
}

#[test]
fn reserve_refuses_what_is_taken_or_outside() {
    let mut pool = pool(1);
    let mut space = AddressSpace::new(&mut pool, P, 64 * P).unwrap();
    space.reserve(&mut pool, 10 * P, 5 * P).unwrap();
    for (addr, len) in [(9, 2), (14, 1), (10, 5), (0, 1), (63, 2), (64, 1), (1 << 40, 1)] {
        assert_eq!(space.reserve(&mut pool, addr * P, len * P), Err(Error::Busy), "{addr}+{len}");
    }
    assert!(space.reserve(&mut pool, 15 * P, 49 * P).is_ok());
    assert!(space.reserve(&mut pool, P, 9 * P).is_ok());
    assert_eq!(check(&space, &pool, P, 64 * P).len(), 3);
    assert_eq!(space.alloc(&mut pool, P, P), Err(Error::OutOfSpace));
}

#[test]
fn reserve_may_take_what_was_freed_a_moment_ago() {
    let mut pool = pool(1);
    let mut space = AddressSpace::new(&mut pool, 0, 8 * P).unwrap();
    let all = space.alloc(&mut pool, 8 * P, P).unwrap();
    space.release(&mut pool, all).unwrap();
    assert_eq!(space.reserve(&mut pool, 3 * P, P).unwrap().start, 3 * P);
}

#[test]
fn hostile_requests_are_refused_and_lose_nothing() {
    let mut pool = pool(1);
    let top = u64::MAX - (P - 1);
    let mut space = AddressSpace::new(&mut pool, top - 16 * P, top).unwrap();
    let range = space.alloc(&mut pool, 4 * P, P).unwrap();
    let before = space.stats(&pool);
    for (len, align) in [(0, P), (1, P), (P, 0), (P, 3 * P), (P, 1), (u64::MAX, P)] {
        assert_eq!(space.alloc(&mut pool, len, align), Err(Error::BadRange), "{len} {align}");
    }
    assert_eq!(space.alloc(&mut pool, P, 1 << 63), Err(Error::OutOfSpace));
    assert_eq!(space.alloc(&mut pool, top, 1 << 63), Err(Error::OutOfSpace));
    assert_eq!(space.alloc_guarded(&mut pool, 0), Err(Error::BadRange));
    assert_eq!(space.alloc_guarded(&mut pool, top), Err(Error::BadRange));
    assert_eq!(space.reserve(&mut pool, top, 2 * P), Err(Error::BadRange));
    assert_eq!(space.free(&mut pool, top, 2 * P), Err(Error::BadRange));
    assert_eq!(space.free(&mut pool, range.start + 1, P), Err(Error::BadRange));
    assert_eq!(space.free(&mut pool, range.start, 5 * P), Err(Error::NotAllocated));
    assert_eq!(space.free(&mut pool, range.start + 4 * P, P), Err(Error::NotAllocated));
    for id in [NIL, 255, 1_000_000, range.id ^ 1] {
        assert_eq!(space.release(&mut pool, Range { id, ..range }), Err(Error::NotAllocated));
    }
    assert_eq!(space.stats(&pool), before);
    space.release(&mut pool, range).unwrap();
    assert_eq!(space.release(&mut pool, range), Err(Error::NotAllocated));
    assert_eq!(space.free(&mut pool, range.start, P), Err(Error::NotAllocated));
    space.trim(&mut pool);
    assert_eq!(space.release(&mut pool, range), Err(Error::NotAllocated));
    assert_eq!(space.stats(&pool).largest, 16 * P);
}

#[test]
fn a_range_of_another_space_is_refused() {
    let mut pool = pool(1);
    let mut one = AddressSpace::new(&mut pool, 0, 8 * P).unwrap();
    let mut two = AddressSpace::new(&mut pool, 0, 8 * P).unwrap();
    let range = one.alloc(&mut pool, P, P).unwrap();
    assert_eq!(two.release(&mut pool, range), Err(Error::NotAllocated));
    let before = pool.available();
    one.destroy(&mut pool);
    two.destroy(&mut pool);
    assert_eq!(pool.available() as usize, pool.capacity());
    assert!(before < pool.available());
}

#[test]
fn guards_are_found_and_go_with_their_side() {
    let mut pool = pool(1);
    let mut space = AddressSpace::new(&mut pool, 0, 64 * P).unwrap();
    let stack = space.alloc_guarded(&mut pool, 4 * P).unwrap();
    assert_eq!((stack.start, stack.len), (P, 4 * P));
    assert_eq!(space.find(&pool, 0), Some(Found::Guard(stack)));
    assert_eq!(space.find(&pool, P + 7), Some(Found::Range(stack)));
    assert_eq!(space.find(&pool, 5 * P), Some(Found::Guard(stack)));
    assert_eq!(space.find(&pool, 6 * P), None);
    assert_eq!(space.free(&mut pool, 0, P), Err(Error::NotAllocated));
    space.free(&mut pool, P, 2 * P).unwrap();
    assert_eq!(space.find(&pool, 0), None);
    assert!(
        matches!(space.find(&pool, 5 * P), Some(Found::Guard(rest)) if (rest.start, rest.len) == (3 * P, 2 * P))
    );
    space.free(&mut pool, 3 * P, 2 * P).unwrap();
    space.trim(&mut pool);
    assert_eq!(space.stats(&pool).largest, 64 * P);
}

#[test]
fn a_hole_in_the_middle_makes_two_ranges_with_the_same_tag() {
    let mut pool = pool(1);
    let mut space = AddressSpace::new(&mut pool, 0, 64 * P).unwrap();
    let range = space.alloc(&mut pool, 9 * P, P).unwrap();
    space.set_tag(&mut pool, range.start + P, 42).unwrap();
    space.free(&mut pool, 3 * P, 2 * P).unwrap();
    let low = space.next_range(&pool, 0).unwrap();
    let high = space.next_range(&pool, low.start + P).unwrap();
    assert_eq!((low.start, low.len, low.tag), (0, 3 * P, 42));
    assert_eq!((high.start, high.len, high.tag), (5 * P, 4 * P, 42));
    assert_eq!(space.next_range(&pool, 6 * P), None);
    assert_eq!(check(&space, &pool, 0, 64 * P).len(), 2);
}

#[test]
fn without_nodes_requests_fail_and_work_again_with_a_new_slab() {
    let table: &mut [Option<&mut Slab>] = Box::leak(Box::new([None, None]));
    let mut pool = NodePool::new(table);
    assert_eq!(AddressSpace::new(&mut pool, 0, P).unwrap_err(), Error::OutOfNodes);
    assert!(pool.add_slab(Box::leak(Box::new([Node::UNUSED; SLAB_NODES]))).is_ok());
    let mut space = AddressSpace::new(&mut pool, 0, 1 << 30).unwrap();
    let mut ranges = Vec::new();
    while let Ok(range) = space.alloc(&mut pool, P, P) {
        ranges.push(range);
    }
    assert_eq!(space.alloc(&mut pool, P, P), Err(Error::OutOfNodes));
    assert!(pool.add_slab(Box::leak(Box::new([Node::UNUSED; SLAB_NODES]))).is_ok());
    assert!(pool.add_slab(Box::leak(Box::new([Node::UNUSED; SLAB_NODES]))).is_err());
    ranges.push(space.alloc(&mut pool, P, P).unwrap());
    check(&space, &pool, 0, 1 << 30);
    for range in ranges {
        space.release(&mut pool, range).unwrap();
    }
    space.trim(&mut pool);
    assert_eq!(space.stats(&pool).largest, 1 << 30);
    assert_eq!(pool.available() as usize, 2 * SLAB_NODES - 2);
}

#[test]
fn many_ranges_come_and_go_and_the_tree_stays_flat() {
    const ROUNDS: u64 = if cfg!(miri) { 300 } else { 20_000 };
    let mut pool = pool(32);
    let end = 1 << 30;
    let mut space = AddressSpace::new(&mut pool, 0, end).unwrap();
    let mut live: Vec<Range> = Vec::new();
    let mut random = 88_172_645_463_325_252u64;
    for round in 0..ROUNDS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Grows for one half of the time, shrinks for the other.
        let grow = random % 8 < if round < ROUNDS / 2 { 6 } else { 2 };
        if grow && live.len() < 3000 {
            live.push(space.alloc(&mut pool, (1 + random / 8 % 20) * P, P << (random / 256 % 3)).unwrap());
        } else if !live.is_empty() {
            let range = live.swap_remove((random / 8) as usize % live.len());
            assert_eq!(space.find(&pool, range.start + range.len - 1), Some(Found::Range(range)));
            match random / 4096 % 2 {
                0 => space.release(&mut pool, range).unwrap(),
                _ => space.free(&mut pool, range.start, range.len).unwrap(),
            }
        }
        if round % 1000 == 0 {
            assert_eq!(check(&space, &pool, 0, end).len(), live.len());
            let stats = space.stats(&pool);
            assert!(f64::from(stats.height) <= 1.45 * f64::from(stats.nodes).log2() + 1.0);
        }
    }
    for range in live {
        space.release(&mut pool, range).unwrap();
    }
    space.trim(&mut pool);
    check(&space, &pool, 0, end);
    assert_eq!((space.stats(&pool).largest, space.stats(&pool).nodes), (end, 2));
    space.destroy(&mut pool);
    assert_eq!(pool.available() as usize, pool.capacity());
}
