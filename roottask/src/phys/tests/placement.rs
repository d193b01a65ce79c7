//! Where blocks are: runs for devices below 4 GiB, and what the caches keep.

use super::*;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 4 << 30;

/// 64 MiB at 64 MiB, and 64 MiB at 4 GiB.
fn low_and_high() -> TestPhys {
    let mut phys = empty(LIMIT + (64 << 20));
    add(&mut phys, 64 * MIB, 26, false).unwrap();
    add(&mut phys, LIMIT, 26, false).unwrap();
    phys
}

#[test]
fn runs_for_devices_lie_below_4_gib_and_others_leave_that_memory_alone() {
    let mut phys = low_and_high();
    let run = phys.alloc_below(LIMIT, 25).unwrap();
    assert_eq!((run.paddr, run.bytes()), (64 * MIB, 32 * MIB));
    fill(&mut phys, run);
    for _ in 0..32 {
        assert!(phys.alloc(21).unwrap().paddr >= LIMIT);
    }
    // Only low memory is left: half of it.
    assert!(phys.alloc(21).unwrap().end() <= LIMIT);
    let mut pieces = Vec::new();
    while let Ok(piece) = phys.alloc_below(LIMIT, 14) {
        assert!(piece.end() <= LIMIT);
        pieces.push(piece);
    }
    assert_eq!(pieces.len() as u64, (30 * MIB) >> 14);
    phys.free(run).unwrap();
    for piece in pieces {
        phys.free_empty(piece).unwrap();
    }
    // The run is whole again, although its neighbours are kept in caches.
    assert_eq!(phys.alloc_below(LIMIT, 25), Ok(run));
    check(&phys);
}

#[test]
fn a_run_that_only_cached_blocks_can_make_is_made_of_them() {
    let mut phys = low_and_high();
    let halves = [phys.alloc_below(LIMIT, 25).unwrap(), phys.alloc_below(LIMIT, 25).unwrap()];
    let pages = [phys.alloc(12).unwrap(), phys.alloc(12).unwrap()];
    for block in halves.into_iter().chain(pages) {
        phys.free_empty(block).unwrap();
    }
    assert!(phys.stats().cached > 0);
    assert_eq!(phys.alloc_below(LIMIT, 26).map(|block| block.paddr), Ok(64 * MIB));
    assert_eq!(phys.alloc(26).map(|block| block.paddr), Ok(LIMIT));
    assert_eq!(phys.stats().free, 0);
}

#[test]
fn each_order_has_a_cache_that_counts_as_free_and_can_be_switched_off() {
    let mut phys = low_and_high();
    let total = phys.stats().total;
    for size_bits in PAGE_BITS..PAGE_BITS + FRONTS as u8 {
        let block = phys.alloc(size_bits).unwrap();
        let other = phys.alloc(size_bits).unwrap();
        phys.free_empty(block).unwrap();
        let stats = phys.stats();
        assert!(stats.cached >= block.bytes() && stats.free_blocks[usize::from(size_bits)] > 0);
        assert_eq!(stats.free, total - other.bytes());
        assert_eq!(phys.alloc(size_bits), Ok(block), "the last one freed comes first");
        assert_eq!(phys.stats().calls, stats.calls);
        phys.free_empty(block).unwrap();
        phys.free_empty(other).unwrap();
        phys.trim();
    }
    phys.set_caching(false);
    let block = phys.alloc(20).unwrap();
    phys.free_empty(block).unwrap();
    assert_eq!(phys.stats().cached, 0);
    assert_eq!(phys.stats().free_blocks[26], 2);
    check(&phys);
}

#[test]
fn a_page_in_the_hand_or_open_is_free_and_not_taken_back_again() {
    for caching in [true, false] {
        let mut phys = low_and_high();
        phys.set_caching(caching);
        let pages: Vec<Block> = std::iter::from_fn(|| phys.alloc(12).ok()).collect();
        assert_eq!((pages.len() as u64) << 12, phys.stats().total);
        let calls = phys.stats().calls;
        // The first goes into the hand, or becomes the only open page; two at a time go other ways.
        for some in [&pages[100..101], &pages[700..702], &pages[3000..3001]] {
            for page in some {
                assert_eq!(phys.free_empty_at(page.paddr, 13), Err(Error::NotAllocated));
                phys.free_empty_at(page.paddr, 12).unwrap();
                check(&phys);
            }
            assert_eq!(phys.stats().free_blocks[12] as usize, some.len());
            for page in some {
                assert_eq!(phys.free_empty_at(page.paddr, 12), Err(Error::NotAllocated));
                assert_eq!(phys.free_empty(*page), Err(Error::NotAllocated));
                assert_eq!(phys.free(*page), Err(Error::NotAllocated));
            }
            let mut again: Vec<Block> = some.iter().map(|_| phys.alloc(12).unwrap()).collect();
            again.sort_by_key(|page| page.paddr);
            let mut freed = some.to_vec();
            freed.sort_by_key(|page| page.paddr);
            assert_eq!(again, freed);
            assert_eq!(phys.alloc(12), Err(Error::OutOfMemory));
        }
        assert_eq!(phys.stats().calls, calls);
        // What is kept does not stop a group from becoming one block.
        for page in pages.iter().filter(|page| page.paddr >> GROUP_BITS == pages[0].paddr >> GROUP_BITS) {
            phys.free_empty(*page).unwrap();
        }
        assert_eq!(
            phys.alloc(GROUP_BITS).map(|block| block.paddr),
            Ok(pages[0].paddr >> GROUP_BITS << GROUP_BITS)
        );
        check(&phys);
    }
}

#[test]
fn an_open_page_that_was_never_handed_out_is_not_taken_back() {
    for caching in [true, false] {
        let mut phys = low_and_high();
        phys.set_caching(caching);
        let page = phys.alloc(12).unwrap();
        let group = page.paddr >> GROUP_BITS << GROUP_BITS;
        for paddr in (group..group + (1 << GROUP_BITS)).step_by(1 << 12).filter(|paddr| *paddr != page.paddr)
        {
            assert_eq!(phys.free_empty_at(paddr, 12), Err(Error::NotAllocated));
        }
        phys.free_empty_at(page.paddr, 12).unwrap();
        assert_eq!(phys.free_empty_at(page.paddr, 12), Err(Error::NotAllocated));
        check(&phys);
    }
}

#[test]
fn a_short_request_merges_no_more_than_it_takes() {
    let mut phys = low_and_high();
    let blocks: Vec<Block> = std::iter::from_fn(|| phys.alloc(18).ok()).collect();
    for block in &blocks[..2] {
        phys.free_empty(*block).unwrap();
    }
    assert_eq!(phys.stats().cached, 2 << GROUP_BITS);
    let pages: Vec<Block> = (0..64).map(|_| phys.alloc(12).unwrap()).collect();
    assert!(pages.iter().all(|page| page.paddr >> GROUP_BITS == pages[0].paddr >> GROUP_BITS));
    assert_eq!((phys.stats().free_blocks[18], phys.stats().cached), (1, 1 << GROUP_BITS));
    check(&phys);
}

#[test]
fn fragmentation_grows_with_holes_and_goes_with_them() {
    let mut phys = low_and_high();
    phys.set_caching(false);
    let before = phys.stats().fragmentation_permille();
    // Two blocks of the same size.
    assert_eq!((before, phys.stats().largest_bits), (500, 26));
    let blocks: Vec<Block> = std::iter::from_fn(|| phys.alloc(18).ok()).collect();
    assert_eq!(phys.stats().fragmentation_permille(), 0);
    for block in blocks.iter().filter(|block| block.paddr >> GROUP_BITS & 1 == 0) {
        phys.free_empty(*block).unwrap();
    }
    let stats = phys.stats();
    assert_eq!((stats.largest_bits, stats.free_blocks[18]), (18, 256));
    assert_eq!(stats.fragmentation_permille(), 1000 - 1000 / 256);
    for block in blocks.iter().filter(|block| block.paddr >> GROUP_BITS & 1 != 0) {
        phys.free_empty(*block).unwrap();
    }
    assert_eq!(phys.stats().fragmentation_permille(), before);
}
