//! The invariant checker: walks every chunk of a heap and compares with bins and cache.

use super::std::collections::{BTreeMap, BTreeSet};

use super::TestHeap;
use crate::heap::bins::{BINS, bin_floor, bin_of};
use crate::heap::chunk::{CACHED, Chunk, FLAGS, IN_USE, PREVIOUS_IN_USE};

/// What the walk found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Chunks that the program holds.
    pub live: usize,
    /// Bytes in them.
    pub live_bytes: usize,
    /// Chunks in bins.
    pub free: usize,
}

/// Checks all invariants of the area and counts.
pub fn check(heap: &TestHeap) -> Walk {
    let area = &heap.area;
    let mut binned = BTreeSet::new();
    let mut marked = BTreeSet::new();
    for (bin, chunk) in area.bins.iter() {
        assert_eq!(bin_of(chunk.size()), bin, "chunk in the wrong bin");
        assert!(binned.insert(chunk.address()), "chunk twice in bins");
        marked.insert(bin);
    }
    if let Some(spare) = area.spare {
        assert_eq!(spare.size(), area.spare_bytes);
        assert!(binned.insert(spare.address()), "the spare chunk is in a bin");
    }
    for bin in 0..BINS {
        assert_eq!(
            area.bins.is_marked(bin),
            marked.contains(&bin),
            "bit of bin {bin} ({} bytes)",
            bin_floor(bin)
        );
    }
    let mut walk = Walk::default();
    let mut cached: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, segment) in area.segments().enumerate() {
        let (end, closing) =
            if index == 0 { (area.top, area.top_end) } else { (segment.end(), segment.end()) };
        let mut chunk = segment.first_chunk();
        let mut previous_in_use = true;
        while chunk.address() < end {
            let tag = chunk.tag();
            let size = tag & !FLAGS;
            assert_eq!(tag & PREVIOUS_IN_USE != 0, previous_in_use, "flag of {:#x}", chunk.address());
            if tag & IN_USE == 0 {
                assert!(previous_in_use, "free neighbours at {:#x}", chunk.address());
                assert_eq!(chunk.after(size).size_before(), size);
                assert!(binned.remove(&chunk.address()), "free chunk in no bin");
                walk.free += 1;
            } else if tag & CACHED != 0 {
                *cached.entry(size).or_default() += 1;
            } else {
                walk.live += 1;
                walk.live_bytes += size;
            }
            previous_in_use = tag & IN_USE != 0;
            chunk = chunk.after(size);
        }
        assert_eq!(chunk.address(), end, "chunks do not end where the segment ends");
        // SAFETY: the closing tag is the last word of a segment.
        let closing_tag = unsafe { Chunk::at(closing) }.tag();
        assert_eq!(closing_tag & !PREVIOUS_IN_USE, IN_USE);
        if index == 0 {
            assert!(previous_in_use, "free chunk before the top chunk");
        } else {
            assert_eq!(closing_tag & PREVIOUS_IN_USE != 0, previous_in_use);
        }
    }
    assert!(binned.is_empty(), "binned chunks that are not in the area: {binned:x?}");
    assert_eq!(cached, heap.cache.iter().chain(heap.recent.iter()).collect());
    assert_eq!(area.area_bytes, area.source.area_held);
    assert_eq!(heap.large.mapped_bytes, area.source.maps.values().sum::<usize>());
    walk
}
