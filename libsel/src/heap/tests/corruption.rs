//! Damage that a program does to its heap is found and named.

use core::ptr::NonNull;

use super::source::{Arena, Placement};
use super::{TestHeap, alloc, free};

fn heap() -> TestHeap {
    TestHeap::new(Arena::new(1024 * 1024, Placement::Contiguous))
}

fn write_word(block: NonNull<u8>, offset: isize, word: usize) {
    // SAFETY: tests stay inside the arena; that they damage the heap is the point.
    unsafe { block.byte_offset(offset).cast::<usize>().write(word) }
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_of_a_cached_block() {
    let mut heap = heap();
    let block = alloc(&mut heap, 100).unwrap();
    free(&mut heap, block, 100);
    free(&mut heap, block, 100);
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_of_a_binned_block() {
    let mut heap = heap();
    let block = alloc(&mut heap, 5000).unwrap();
    let _wall = alloc(&mut heap, 5000).unwrap();
    free(&mut heap, block, 5000);
    free(&mut heap, block, 5000);
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_of_a_block_merged_with_the_one_before() {
    let mut heap = heap();
    let first = alloc(&mut heap, 5000).unwrap();
    let second = alloc(&mut heap, 5000).unwrap();
    let _wall = alloc(&mut heap, 5000).unwrap();
    free(&mut heap, first, 5000);
    free(&mut heap, second, 5000);
    free(&mut heap, second, 5000);
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_of_a_block_merged_into_the_top() {
    let mut heap = heap();
    let block = alloc(&mut heap, 5000).unwrap();
    free(&mut heap, block, 5000);
    free(&mut heap, block, 5000);
}

#[test]
#[should_panic(expected = "heap: free of a pointer that is no block of this size: 0x")]
fn a_pointer_into_a_block() {
    let mut heap = heap();
    let block = alloc(&mut heap, 5000).unwrap();
    // SAFETY: inside the block.
    free(&mut heap, unsafe { block.add(1000) }, 5000);
}

#[test]
#[should_panic(expected = "heap: free of a pointer that is no block of this size: 0x")]
fn a_pointer_that_is_not_aligned() {
    let mut heap = heap();
    let block = alloc(&mut heap, 5000).unwrap();
    // SAFETY: inside the block.
    free(&mut heap, unsafe { block.add(3) }, 5000);
}

#[test]
#[should_panic(expected = "heap: free of a pointer that is no block of this size: 0x")]
fn the_wrong_size() {
    let mut heap = heap();
    let block = alloc(&mut heap, 5000).unwrap();
    free(&mut heap, block, 4000);
}

#[test]
#[should_panic(expected = "heap: overwritten boundary tag of the block at 0x")]
fn a_write_past_the_end_of_a_block() {
    let mut heap = heap();
    let block = alloc(&mut heap, 5000).unwrap();
    let _next = alloc(&mut heap, 5000).unwrap();
    write_word(block, 5000, 0);
    free(&mut heap, block, 5000);
}

#[test]
#[should_panic(expected = "heap: overwritten boundary tag of the block at 0x")]
fn a_write_past_the_end_into_a_cached_block() {
    let mut heap = heap();
    let block = alloc(&mut heap, 104).unwrap();
    let next = alloc(&mut heap, 100).unwrap();
    free(&mut heap, next, 100);
    write_word(block, 104, usize::MAX);
    alloc(&mut heap, 100);
}

#[test]
#[should_panic(expected = "heap: overwritten boundary tag of the block at 0x")]
fn a_write_to_the_size_of_a_free_block() {
    let mut heap = heap();
    let hole = alloc(&mut heap, 5000).unwrap();
    let block = alloc(&mut heap, 5000).unwrap();
    free(&mut heap, hole, 5000);
    write_word(block, -16, 4096);
    free(&mut heap, block, 5000);
}

#[test]
#[should_panic(expected = "heap: write to freed memory at 0x")]
fn a_write_to_the_links_of_a_free_block() {
    let mut heap = heap();
    let hole = alloc(&mut heap, 5000).unwrap();
    let wall = alloc(&mut heap, 5000).unwrap();
    let other = alloc(&mut heap, 5000).unwrap();
    let _wall = alloc(&mut heap, 5000).unwrap();
    free(&mut heap, hole, 5000);
    free(&mut heap, other, 5000);
    // The second link of the first hole named the second hole; now it names a block that is no part of the list.
    write_word(hole, 8, (wall.addr().get() - 8) ^ 0x9e37_79b9_7f4a_7c15);
    alloc(&mut heap, 5000);
}

#[test]
fn links_in_freed_memory_are_masked() {
    let mut heap = heap();
    let first = alloc(&mut heap, 100).unwrap();
    let second = alloc(&mut heap, 100).unwrap();
    free(&mut heap, first, 100);
    free(&mut heap, second, 100);
    // SAFETY: still the arena's memory.
    let link = unsafe { second.cast::<usize>().read() };
    assert!(link.abs_diff(first.addr().get()) > 1 << 40);
}
