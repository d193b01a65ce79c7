//! Parts by themselves: sizes, bins, cache.

use crate::heap::bins::{BINS, CHUNK_LIMIT, LARGE_MIN, bin_floor, bin_of};
use crate::heap::cache::CACHED_MAX;
use crate::heap::chunk::{GRANULE, MIN_CHUNK, chunk_bytes};

#[test]
fn a_chunk_holds_the_request_and_a_tag() {
    assert_eq!(chunk_bytes(0), MIN_CHUNK);
    assert_eq!(chunk_bytes(24), 32);
    assert_eq!(chunk_bytes(25), 48);
    assert_eq!(chunk_bytes(40), 48);
    for size in 0..5000 {
        let bytes = chunk_bytes(size);
        assert!(
            bytes >= size + 8 && bytes < size + 8 + GRANULE.max(MIN_CHUNK) && bytes.is_multiple_of(GRANULE)
        );
    }
}

#[test]
fn small_bins_hold_one_size() {
    for bytes in (MIN_CHUNK..LARGE_MIN).step_by(GRANULE) {
        assert_eq!(bin_floor(bin_of(bytes)), bytes);
    }
}

#[test]
fn large_bins_are_sixteenths_of_a_doubling() {
    let mut bytes = LARGE_MIN;
    while bytes < 1 << 37 {
        let bin = bin_of(bytes);
        let (floor, next) = (bin_floor(bin), bin_floor(bin + 1));
        assert!(floor <= bytes && bytes < next, "{bytes}");
        assert!((next - floor) * 16 <= floor);
        assert_eq!(bin_of(next), bin + 1);
        bytes += GRANULE.max(bytes / 37) & !(GRANULE - 1);
    }
}

#[test]
fn there_is_a_bin_for_every_chunk() {
    assert_eq!(bin_of(CHUNK_LIMIT - GRANULE), BINS - 1);
    assert_eq!(bin_of(bin_floor(BINS - 1)), BINS - 1);
    assert_eq!(bin_of(bin_floor(BINS - 1) - GRANULE), BINS - 2);
}

#[test]
fn cached_sizes_are_chunk_sizes() {
    assert!(CACHED_MAX.is_multiple_of(GRANULE));
}
