//! Random operations against the set of blocks in use.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Alloc { bits: u8 },
    Below { bits: u8, limit: u64 },
    At { bits: u8, page: u64 },
    Free { pick: usize, empty: bool },
    Trim,
    Calls { left: Option<u32> },
}

fn bits() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(12u8), 3 => 4u8..12, 4 => 12u8..18, 3 => 18u8..22, 1 => 4u8..24]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => bits().prop_map(|bits| Op::Alloc { bits }),
        1 => (bits(), 0u64..6 << 20).prop_map(|(bits, limit)| Op::Below { bits, limit }),
        2 => (bits(), 0u64..1600).prop_map(|(bits, page)| Op::At { bits, page }),
        7 => (any::<usize>(), any::<bool>()).prop_map(|(pick, empty)| Op::Free { pick, empty }),
        1 => Just(Op::Trim),
        1 => proptest::option::of(0u32..4).prop_map(|left| Op::Calls { left }),
    ]
}

/// 1 MiB to 6 MiB in the pieces of a boot list, with crumbs at the front; 4 MiB take the place of 4 GiB.
fn machine() -> TestPhys {
    let mut phys = empty(8 << 20);
    phys.buddy.high_from = (4 << 20) >> GROUP_BITS;
    for (paddr, bits) in
        [(0xff000, 12), (0xff800 - 0x1000, 11), (1 << 20, 20), (2 << 20, 21), (4 << 20, 20), (5 << 20, 19)]
    {
        add(&mut phys, paddr, bits, false).unwrap();
    }
    phys
}

/// Runs a sequence, first of all with `pages` single pages handed out; returns how many requests succeeded.
fn run(ops: Vec<Op>, pages: usize) -> u64 {
    let mut succeeded = 0;
    let mut phys = machine();
    let initial = phys.stats();
    let mut live: Vec<Block> = std::iter::from_fn(|| phys.alloc(12).ok()).take(pages).collect();
    for page in &live {
        fill(&mut phys, *page);
    }
    for op in ops {
        let free = phys.stats().free;
        let mut limit = u64::MAX;
        let got = match op {
            Op::Alloc { bits } => phys.alloc(bits),
            Op::Below { bits, limit: end } => {
                limit = end;
                phys.alloc_below(end, bits)
            }
            Op::At { bits, page } => {
                let paddr = (page << 12) >> bits << bits;
                let got = phys.alloc_at(paddr, bits);
                let wanted = Block { paddr, slot: 0, size_bits: bits };
                match got {
                    Ok(block) => assert_eq!(Block { slot: 0, ..block }, wanted),
                    Err(Error::Busy) if bits >= GROUP_BITS => {
                        let first = paddr >> GROUP_BITS << GROUP_BITS;
                        let around = Block { paddr: first, slot: 0, size_bits: bits.max(GROUP_BITS) };
                        let refused = phys.kernel().calls_left == Some(0) && phys.small.spare_bytes() > 0;
                        let in_the_way = live.iter().any(|block| block.overlaps(&around));
                        assert!(in_the_way || refused, "nothing was in the way");
                    }
                    Err(_) => {}
                }
                got
            }
            Op::Free { pick, empty } => {
                if !live.is_empty() {
                    let at = pick % live.len();
                    let block = live[at];
                    let result = if empty {
                        phys.kernel().delete_object(block.slot);
                        phys.free_empty(block)
                    } else {
                        phys.free(block)
                    };
                    match result {
                        Ok(()) => {
                            succeeded += 1;
                            live.swap_remove(at);
                            assert_eq!(phys.free(block), Err(Error::NotAllocated));
                        }
                        Err(error) => assert_eq!(error, Error::Kernel(KernelError(10))),
                    }
                }
                Err(Error::OutOfMemory)
            }
            Op::Trim => {
                phys.trim();
                // Slabs cannot go without the kernel.
                let refused = phys.kernel().calls_left == Some(0);
                assert_eq!(phys.stats().cached, if refused { phys.small.spare_bytes() } else { 0 });
                Err(Error::OutOfMemory)
            }
            Op::Calls { left } => {
                phys.kernel().calls_left = left;
                Err(Error::OutOfMemory)
            }
        };
        if let Ok(block) = got {
            succeeded += 1;
            assert!(block.end() <= limit);
            assert!(live.iter().all(|other| !other.overlaps(&block)), "overlap");
            fill(&mut phys, block);
            live.push(block);
            assert_eq!(phys.stats().free, free - block.bytes());
        }
        check(&phys);
        let used: u64 = live.iter().map(Block::bytes).sum();
        assert_eq!(phys.stats().free + used, initial.total);
    }
    phys.kernel().calls_left = None;
    for block in live {
        phys.free(block).unwrap();
    }
    phys.trim();
    assert_eq!(phys.stats().free_blocks, initial.free_blocks);
    succeeded
}

/// One process of `cargo xtask fuzz --target phys`.
#[test]
#[ignore = "run by cargo xtask fuzz"]
fn long_run() {
    crate::fuzzing::work(op(), 400, |ops| {
        // Some begin with nearly all memory handed out in pages.
        let pages = if ops.len() % 8 == 0 { 1100 + ops.len() % 256 } else { 0 };
        run(ops, pages)
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_the_set_of_blocks(ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 20 } else { 250 })) {
        run(ops, 0);
    }

    #[test]
    fn agrees_with_the_set_of_blocks_where_most_are_pages(
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 20 } else { 60 }),
        pages in 1000usize..1300,
    ) {
        run(ops, if cfg!(miri) { 130 } else { pages });
    }
}
