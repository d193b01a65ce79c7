//! What a program sees: reuse, alignment, resizing, exhaustion, give-back.

use super::std::vec::Vec;

use super::check::check;
use super::source::{Arena, Placement};
use super::{TestHeap, alloc, free, layout};
use crate::heap::chunk::chunk_bytes;

const MIB: usize = 1024 * 1024;

fn heap(bytes: usize) -> TestHeap {
    TestHeap::new(Arena::new(bytes, Placement::Contiguous))
}

#[test]
fn a_new_heap_asks_for_nothing() {
    let mut heap = heap(MIB);
    heap.trim();
    assert_eq!(heap.stats().area_bytes, 0);
    assert_eq!(heap.stats().calls.grow, 0);
    check(&heap);
}

#[test]
fn neighbours_of_cached_blocks_are_merged_around_them() {
    let mut heap = heap(MIB);
    let blocks: Vec<_> = [2000, 100, 2000, 2000].map(|size| (alloc(&mut heap, size).unwrap(), size)).into();
    let _wall = alloc(&mut heap, 2000).unwrap();
    for &(block, size) in &blocks {
        free(&mut heap, block, size);
    }
    assert_eq!(check(&heap).free, 2);
    heap.trim();
    assert_eq!(check(&heap).free, 1);
}

#[test]
fn a_free_chunk_is_split_and_merged_again() {
    let mut heap = heap(MIB);
    let hole = alloc(&mut heap, 10_000).unwrap();
    let _wall = alloc(&mut heap, 2000).unwrap();
    free(&mut heap, hole, 10_000);
    let parts: Vec<_> = (0..4).map(|_| alloc(&mut heap, 2000).unwrap()).collect();
    assert_eq!(parts[0], hole);
    assert!(parts.iter().all(|part| part.addr() < _wall.addr()));
    for index in [1, 3, 0, 2] {
        free(&mut heap, parts[index], 2000);
        check(&heap);
    }
    assert_eq!(check(&heap).free, 1);
    assert_eq!(alloc(&mut heap, 10_000), Some(hole));
}

#[test]
fn the_best_of_the_first_chunks_of_a_bin_is_taken() {
    let mut heap = heap(MIB);
    // 2064, 2112 and 2160 bytes share a bin.
    let blocks: Vec<_> = [2040, 2136, 2088]
        .into_iter()
        .map(|size| (alloc(&mut heap, size).unwrap(), alloc(&mut heap, 2000).unwrap(), size))
        .collect();
    for &(block, _, size) in &blocks {
        free(&mut heap, block, size);
    }
    assert_eq!(alloc(&mut heap, 2088), Some(blocks[2].0));
    assert_eq!(alloc(&mut heap, 2088), Some(blocks[1].0));
    check(&heap);
}

#[test]
fn every_alignment_is_kept() {
    let mut heap = heap(8 * MIB);
    let mut blocks = Vec::new();
    for shift in (0..=16).step_by(if cfg!(miri) { 4 } else { 1 }) {
        for size in [1, 24, 100, 1000, 5000, 200_000] {
            let layout = layout(size, 1 << shift);
            let block = heap.alloc(layout).unwrap();
            assert!(block.addr().get().is_multiple_of(layout.align()));
            // SAFETY: the block has `size` bytes.
            unsafe { block.write_bytes(1, size) };
            blocks.push((block, layout));
        }
        check(&heap);
    }
    for (block, layout) in blocks {
        // SAFETY: allocated above with this layout.
        unsafe { heap.dealloc(block, layout) };
    }
    heap.trim();
    assert_eq!(check(&heap), Default::default());
}

#[test]
fn an_aligned_block_wastes_nothing_for_good() {
    let mut heap = heap(MIB);
    let _first = alloc(&mut heap, 40).unwrap();
    let before = heap.stats();
    let block = heap.alloc(layout(4096, 4096)).unwrap();
    let after = heap.stats();
    assert_eq!(after.live_bytes - before.live_bytes, chunk_bytes(4096));
    // SAFETY: allocated above with this layout.
    unsafe { heap.dealloc(block, layout(4096, 4096)) };
    assert_eq!(heap.stats().top_bytes, before.top_bytes);
}

#[test]
fn a_block_grows_in_place_into_a_free_neighbour() {
    let mut heap = heap(MIB);
    let block = alloc(&mut heap, 2000).unwrap();
    let neighbour = alloc(&mut heap, 3000).unwrap();
    let _wall = alloc(&mut heap, 3000).unwrap();
    free(&mut heap, neighbour, 3000);
    // SAFETY: a live block of this layout.
    let grown = unsafe { heap.realloc(block, layout(2000, 8), 4000) };
    assert_eq!(grown, Some(block));
    assert_eq!(check(&heap).free, 1);
    // SAFETY: as above.
    let whole = unsafe { heap.realloc(block, layout(4000, 8), 5000) };
    assert_eq!(whole, Some(block));
    assert_eq!(check(&heap).free, 0);
    // SAFETY: as above.
    let shrunk = unsafe { heap.realloc(block, layout(5000, 8), 100) };
    assert_eq!(shrunk, Some(block));
    assert_eq!(check(&heap).free, 1);
}

#[test]
fn a_lone_buffer_grows_without_being_copied() {
    let mut heap = heap(8 * MIB);
    let mut size = 4096;
    let block = alloc(&mut heap, size).unwrap();
    let steps = if cfg!(miri) { 64 } else { 1000 };
    for _ in 0..steps {
        // SAFETY: a live block of this layout.
        let grown = unsafe { heap.realloc(block, layout(size, 8), size + 4096) };
        assert_eq!(grown, Some(block));
        size += 4096;
    }
    assert!(heap.area.source.area_peak <= size + 64 * 1024 + 4096);
    check(&heap);
}

#[test]
fn a_buffer_behind_a_wall_moves_once() {
    let mut heap = heap(16 * MIB);
    let mut size = 4096;
    let mut block = alloc(&mut heap, size).unwrap();
    let _wall = alloc(&mut heap, 2000).unwrap();
    let mut moves = 0;
    for _ in 0..if cfg!(miri) { 64 } else { 1000 } {
        // SAFETY: a live block of this layout.
        let grown = unsafe { heap.realloc(block, layout(size, 8), size + 4096) }.unwrap();
        moves += usize::from(grown != block);
        block = grown;
        size += 4096;
    }
    assert_eq!(moves, 1);
}

#[test]
fn a_mapped_buffer_that_grows_moves_once() {
    let mut heap = heap(16 * MIB);
    let mut size = 200_000;
    let mut block = alloc(&mut heap, size).unwrap();
    assert_eq!(heap.stats().mapped_blocks, 1);
    let mut moves = 0;
    for _ in 0..if cfg!(miri) { 16 } else { 1000 } {
        // SAFETY: a live block of this layout.
        let grown = unsafe { heap.realloc(block, layout(size, 8), size + 4096) }.unwrap();
        moves += usize::from(grown != block);
        block = grown;
        size += 4096;
    }
    assert_eq!((moves, heap.stats().mapped_blocks), (1, 0));
    assert!(heap.area.source.area_peak <= size + 64 * 1024 + 4096);
}

#[test]
fn a_large_request_takes_a_free_chunk_if_there_is_one() {
    let mut heap = heap(4 * MIB);
    let parts: Vec<_> = (0..4).map(|_| alloc(&mut heap, 60_000).unwrap()).collect();
    let _wall = alloc(&mut heap, 60_000).unwrap();
    parts.iter().for_each(|&part| free(&mut heap, part, 60_000));
    assert_eq!(alloc(&mut heap, 200_000), Some(parts[0]));
    assert_eq!(heap.stats().calls.map, 0);
    alloc(&mut heap, 200_000).unwrap();
    assert_eq!(heap.stats().calls.map, 1);
    check(&heap);
}

#[test]
fn large_blocks_are_mapped_and_come_back() {
    let mut heap = heap(8 * MIB);
    let block = alloc(&mut heap, 300_000).unwrap();
    assert_eq!(heap.stats().area_bytes, 0);
    assert_eq!(heap.stats().mapped_blocks, 1);
    assert!(heap.stats().mapped_bytes < 300_000 + 8192);
    // SAFETY: a live block of this layout.
    let shrunk = unsafe { heap.realloc(block, layout(300_000, 8), 150_000) };
    assert_eq!(shrunk, Some(block));
    assert!(heap.stats().mapped_bytes < 150_000 + 8192);
    // SAFETY: as above.
    let moved = unsafe { heap.realloc(block, layout(150_000, 8), 1000) }.unwrap();
    assert_eq!(heap.stats().mapped_bytes, 0);
    // SAFETY: the block has 1000 bytes.
    assert!(unsafe { core::slice::from_raw_parts(moved.as_ptr(), 1000) }.iter().all(|&byte| byte == 0x5a));
    check(&heap);
}

#[test]
fn the_mapping_threshold_adapts() {
    let mut heap = heap(8 * MIB);
    for round in 0..10 {
        let block = alloc(&mut heap, 400_000).unwrap();
        assert_eq!(heap.stats().mapped_blocks, usize::from(round == 0));
        free(&mut heap, block, 400_000);
    }
    let stats = heap.stats();
    assert_eq!((stats.calls.map, stats.calls.unmap, stats.calls.grow, stats.calls.shrink), (1, 1, 1, 0));
}

#[test]
fn small_steps_keep_the_peak_near_the_live_bytes() {
    let mut heap = heap(8 * MIB);
    let count = if cfg!(miri) { 300 } else { 20_000 };
    let mut live = 0;
    for index in 0..count {
        let size = 16 + index % 300;
        alloc(&mut heap, size).unwrap();
        live += chunk_bytes(size);
    }
    assert_eq!(heap.stats().live_bytes, live);
    assert!(heap.area.source.area_peak <= live + 64 * 1024 + 4096);
}

#[test]
fn everything_freed_is_one_top_chunk_and_trim_returns_it() {
    let mut heap = heap(8 * MIB);
    let count = if cfg!(miri) { 200 } else { 5000 };
    let blocks: Vec<_> =
        (0..count).map(|i| (i * 37) % 1900).map(|size| (alloc(&mut heap, size).unwrap(), size)).collect();
    for offset in [1, 0, 2] {
        for &(block, size) in blocks.iter().skip(offset).step_by(3) {
            free(&mut heap, block, size);
        }
        check(&heap);
    }
    heap.trim();
    let stats = heap.stats();
    assert_eq!((stats.live_bytes, stats.cached_bytes, stats.free_bytes), (0, 0, 0));
    assert_eq!(stats.area_bytes, 4096);
    assert_eq!(check(&heap), Default::default());
    assert!(alloc(&mut heap, 1000).is_some());
}

#[test]
fn a_large_top_is_trimmed_without_being_asked() {
    let mut heap = heap(16 * MIB);
    let blocks: Vec<_> = (0..100).map(|_| alloc(&mut heap, 50_000).unwrap()).collect();
    for block in blocks {
        free(&mut heap, block, 50_000);
    }
    let stats = heap.stats();
    assert!(stats.area_bytes <= 1024 * 1024 + 4096, "{stats:?}");
    assert!(stats.calls.shrink <= 8, "{stats:?}");
}

#[test]
fn scattered_memory_is_used_and_given_back() {
    let mut heap = TestHeap::new(Arena::new(8 * MIB, Placement::Scattered));
    let blocks: Vec<_> = (0..40).map(|_| alloc(&mut heap, 60_000).unwrap()).collect();
    assert!(heap.area.segments().count() > 10);
    check(&heap);
    for block in blocks {
        free(&mut heap, block, 60_000);
        check(&heap);
    }
    heap.trim();
    assert_eq!(heap.area.segments().count(), 1);
    assert_eq!(heap.stats().area_bytes, 4096);
    check(&heap);
}

#[test]
fn a_segment_whose_end_is_too_small_for_a_chunk_is_given_back() {
    let mut heap = TestHeap::new(Arena::new(8 * MIB, Placement::Scattered));
    // The first growth of 64 KiB, less the segment's own 32 bytes, leaves 16 bytes behind this block.
    let size = 64 * 1024 - 32 - 16 - 8;
    let first = alloc(&mut heap, size).unwrap();
    assert_eq!(heap.stats().top_bytes, 16);
    let second = alloc(&mut heap, size).unwrap();
    check(&heap);
    free(&mut heap, first, size);
    free(&mut heap, second, size);
    heap.trim();
    assert_eq!(heap.stats().area_bytes, 4096);
    assert_eq!(check(&heap), Default::default());
}

#[test]
fn exhaustion_is_an_answer_and_memory_comes_back() {
    for placement in [Placement::Contiguous, Placement::Scattered] {
        let mut heap = TestHeap::new(Arena::new(MIB / 2, placement));
        assert_eq!(alloc(&mut heap, 2 * MIB), None);
        for size in if cfg!(miri) { [7000, 700, 3000] } else { [40, 700, 3000] } {
            let mut blocks = Vec::new();
            while let Some(block) = alloc(&mut heap, size) {
                blocks.push(block);
            }
            check(&heap);
            assert!(blocks.len() * chunk_bytes(size) > MIB / 3);
            // SAFETY: a live block of this layout.
            assert_eq!(unsafe { heap.realloc(blocks[0], layout(size, 8), 2 * MIB) }, None);
            assert_eq!(alloc(&mut heap, size + 1000), None);
            for block in blocks {
                free(&mut heap, block, size);
            }
            check(&heap);
        }
        // Cached blocks do not stand in the way of a larger one.
        assert!(alloc(&mut heap, 40_000).is_some());
        heap.trim();
        check(&heap);
    }
}

#[test]
fn absurd_sizes_are_refused() {
    let mut heap = heap(MIB);
    assert_eq!(heap.alloc(layout(isize::MAX as usize - 4096, 8)), None);
    assert_eq!(heap.alloc(layout(isize::MAX as usize - (1 << 20), 1 << 20)), None);
    assert_eq!(heap.alloc(layout(64, 1 << 40)), None);
    check(&heap);
}

#[test]
fn figures_of_bins() {
    let mut heap = heap(MIB);
    let blocks: Vec<_> =
        [2000, 100, 2000, 200, 5000, 300].map(|size| (alloc(&mut heap, size).unwrap(), size)).into();
    for &(block, size) in blocks.iter().step_by(2) {
        free(&mut heap, block, size);
    }
    // The chunk that was freed last is in no bin.
    heap.area.bin_spare();
    let mut bins = Vec::new();
    heap.visit_bins(|bin| bins.push((bin.floor_bytes, bin.chunks, bin.bytes)));
    assert_eq!(bins, [(2016, 2, 4032), (4992, 1, 5008)]);
    assert_eq!(heap.stats().free_bytes, 4032 + 5008);
}
