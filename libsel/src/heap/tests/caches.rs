//! Class caches and recent sizes: reuse, cutting in advance, room that follows the program.

use super::std::vec::Vec;

use core::mem;

use super::check::check;
use super::source::{Arena, Placement};
use super::{TestHeap, alloc, free};
use crate::heap::cache::{FLUSH_BATCH, REFILL_MAX};
use crate::heap::chunk::chunk_bytes;

const MIB: usize = 1024 * 1024;

fn heap(bytes: usize) -> TestHeap {
    TestHeap::new(Arena::new(bytes, Placement::Contiguous))
}

#[test]
fn a_freed_block_is_used_again() {
    let mut heap = heap(MIB);
    let first = alloc(&mut heap, 100).unwrap();
    let _second = alloc(&mut heap, 100).unwrap();
    let before = heap.stats().cached_chunks;
    free(&mut heap, first, 100);
    assert_eq!(heap.stats().cached_chunks, before + 1);
    assert_eq!(alloc(&mut heap, 97), Some(first));
    assert_eq!(heap.stats().cached_chunks, before);
    assert_eq!(heap.stats().live_bytes, 2 * chunk_bytes(100));
}

#[test]
fn blocks_are_cut_in_advance_more_of_them_each_time() {
    let mut heap = heap(MIB);
    let mut most = 0;
    let mut refills = 0;
    let mut last = None;
    for _ in 0..if cfg!(miri) { 60 } else { 200 } {
        let before = heap.stats().cached_chunks;
        let block = alloc(&mut heap, 100).unwrap();
        let after = heap.stats().cached_chunks;
        if before == 0 {
            refills += 1;
            assert!(after >= most, "{after} cut after {most}");
            most = after;
        } else {
            assert_eq!(after, before - 1);
            assert!(last < Some(block), "cut in the order of addresses");
        }
        last = Some(block);
    }
    assert!(refills < 20 && (4..=REFILL_MAX).contains(&most), "{refills} refills of up to {most}");
    check(&heap);
}

#[test]
fn a_full_class_hands_over_a_few_blocks_at_a_time() {
    let mut heap = heap(4 * MIB);
    // Few large blocks under Miri: they reach sooner what a class may hold.
    let (count, size) = if cfg!(miri) { (120, 1000) } else { (4000, 24) };
    let blocks: Vec<_> = (0..count).map(|_| alloc(&mut heap, size).unwrap()).collect();
    let mut most = 0;
    let mut handed_over = 0;
    // Not the heap's figures: they look at all bins, which takes Miri most of a second each time.
    let chunks = |heap: &TestHeap| heap.cache.iter().map(|(_, count)| count).sum();
    let mut cached: usize = chunks(&heap);
    for &block in blocks.iter().step_by(2) {
        free(&mut heap, block, size);
        let before = mem::replace(&mut cached, chunks(&heap));
        let fewer = before.saturating_sub(cached);
        assert!(fewer <= FLUSH_BATCH + 2, "{fewer} at once");
        handed_over += fewer;
        most = most.max(cached);
    }
    assert!((FLUSH_BATCH..1200).contains(&most), "{most} cached");
    assert!(handed_over > count / 8, "{handed_over} handed over");
    check(&heap);
}

#[test]
fn a_class_that_runs_empty_and_full_gets_more_room() {
    let mut heap = heap(8 * MIB);
    let _large: Vec<_> = (0..40).map(|_| alloc(&mut heap, 100_000).unwrap()).collect();
    let mut kept = Vec::new();
    for _ in 0..if cfg!(miri) { 3 } else { 20 } {
        let blocks: Vec<_> = (0..150).map(|_| alloc(&mut heap, 100).unwrap()).collect();
        blocks.into_iter().for_each(|block| free(&mut heap, block, 100));
        kept.push(heap.stats().cached_chunks);
        check(&heap);
    }
    assert!(kept.iter().all(|&kept| kept >= 150), "{kept:?}");
    heap.trim();
    assert_eq!(heap.stats().cached_chunks, 0);
}

#[test]
fn an_idle_class_loses_its_room_to_others() {
    let mut heap = heap(8 * MIB);
    let fill_and_free = |heap: &mut TestHeap, size: usize, count: usize| {
        let blocks: Vec<_> = (0..count).map(|_| alloc(heap, size).unwrap()).collect();
        blocks.into_iter().for_each(|block| free(heap, block, size));
    };
    let count = if cfg!(miri) { 25 } else { 400 };
    (0..10).for_each(|_| fill_and_free(&mut heap, 100, count));
    let cached = |heap: &TestHeap, size: usize| {
        heap.cache.iter().find(|class| class.0 == chunk_bytes(size)).map_or(0, |class| class.1)
    };
    let idle = cached(&heap, 100);
    // Two other classes want all the room that there is.
    for _ in 0..if cfg!(miri) { 3 } else { 100 } {
        fill_and_free(&mut heap, 200, 4 * count);
        fill_and_free(&mut heap, 300, 4 * count);
    }
    assert!(cfg!(miri) || cached(&heap, 100) < idle / 2, "{} of {idle}", cached(&heap, 100));
    check(&heap);
}

#[test]
fn recent_sizes_are_used_again_as_they_are() {
    let mut heap = heap(4 * MIB);
    let _large = alloc(&mut heap, 100_000).unwrap();
    let _more: Vec<_> = (0..20).map(|_| alloc(&mut heap, 100_000).unwrap()).collect();
    let blocks = [5000, 3000].map(|size| (alloc(&mut heap, size).unwrap(), size));
    let _wall = alloc(&mut heap, 5000).unwrap();
    for (block, size) in blocks {
        free(&mut heap, block, size);
    }
    assert_eq!((heap.stats().cached_chunks, heap.stats().free_chunks), (2, 0));
    assert_eq!(alloc(&mut heap, 5000), Some(blocks[0].0));
    assert_eq!(alloc(&mut heap, 3000), Some(blocks[1].0));
    assert_eq!(heap.stats().cached_chunks, 0);
    check(&heap);
}
