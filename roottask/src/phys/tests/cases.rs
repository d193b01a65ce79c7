//! Single cases: boot lists, fixed addresses, devices, hostile input, kernel errors, numbers of kernel calls.

use super::*;

const MIB: u64 = 1 << 20;

fn ram(size_bits: u8) -> TestPhys {
    let mut phys = empty(2 << size_bits);
    add(&mut phys, 1 << size_bits, size_bits, false).unwrap();
    phys
}

#[test]
fn fills_with_pages_and_flows_back_to_one_block() {
    let mut phys = ram(24);
    let before = phys.stats().free_blocks;
    let mut blocks = Vec::new();
    while let Ok(block) = phys.alloc(12) {
        blocks.push(fill(&mut phys, block));
    }
    assert_eq!(blocks.len(), 4096);
    assert_eq!(phys.alloc(12), Err(Error::OutOfMemory));
    let stats = phys.stats();
    // 64 groups: 63 halvings and one cut each.
    assert_eq!((stats.free, stats.calls.retypes, stats.calls.revokes), (0, 127, 0));
    for block in blocks {
        phys.free(block).unwrap();
        assert_eq!(phys.free(block), Err(Error::NotAllocated));
    }
    phys.trim();
    assert_eq!(phys.stats().free_blocks, before);
    let whole = phys.alloc(24).unwrap();
    fill(&mut phys, whole);
    assert_eq!(phys.kernel().slots_lent, 0);
}

#[test]
fn the_same_size_again_costs_no_kernel_call() {
    let mut phys = ram(26);
    for bits in [12, 14, 18, 21, 26] {
        let block = phys.alloc(bits).unwrap();
        phys.free_empty(block).unwrap();
        let before = phys.stats().calls;
        for _ in 0..10 {
            let again = phys.alloc(bits).unwrap();
            assert_eq!(again, block);
            phys.free_empty(again).unwrap();
        }
        assert_eq!(phys.stats().calls, before, "{bits}");
    }
}

#[test]
fn takes_high_memory_first_and_low_memory_on_demand() {
    let mut phys = ram(26);
    assert!(phys.alloc(12).unwrap().paddr >= 127 * MIB);
    assert!(phys.alloc(20).unwrap().paddr >= 126 * MIB);
    assert_eq!(phys.alloc_below(65 * MIB, 12).unwrap().paddr, 64 * MIB);
    assert_eq!(phys.alloc_below(65 * MIB, 12).unwrap().paddr, 64 * MIB + 4096);
    assert_eq!(phys.alloc_below(66 * MIB, 20).unwrap().paddr, 65 * MIB);
    assert_eq!(phys.alloc_below(64 * MIB, 12), Err(Error::OutOfMemory));
    assert_eq!(phys.alloc_below(0, 30), Err(Error::OutOfMemory));
    assert!(phys.alloc_below(u64::MAX, 16).is_ok());
    assert!(phys.alloc_below(u64::MAX, 22).is_ok());
    check(&phys);
}

#[test]
fn fixed_addresses_in_ram() {
    let mut phys = ram(24);
    let page = phys.alloc_at(17 * MIB + 0x5000, 12).unwrap();
    assert_eq!(page.paddr, 17 * MIB + 0x5000);
    fill(&mut phys, page);
    assert_eq!(phys.alloc_at(17 * MIB + 0x5000, 12), Err(Error::Busy));
    assert_eq!(phys.alloc_at(17 * MIB, 20), Err(Error::Busy));
    assert_eq!(phys.alloc_at(17 * MIB, 13), Err(Error::Busy));
    assert_eq!(phys.alloc_at(17 * MIB, 25), Err(Error::BadBlock));
    assert_eq!(phys.alloc_at(16 * MIB + 1, 12), Err(Error::BadBlock));
    assert_eq!(phys.alloc_at(0, 12), Err(Error::OutOfRange));
    assert_eq!(phys.alloc_at(1 << 46, 12), Err(Error::OutOfRange));
    let block = phys.alloc_at(20 * MIB, 22).unwrap();
    fill(&mut phys, block);
    assert_eq!(phys.alloc_at(21 * MIB, 20), Err(Error::Busy));
    assert_eq!(phys.alloc_at(21 * MIB, 12), Err(Error::Busy));
    check(&phys);
    phys.free(page).unwrap();
    phys.free(block).unwrap();
    phys.trim();
    assert_eq!(phys.stats().largest_bits, 24);
}

#[test]
fn device_memory_is_cut_to_the_page_and_joined_again() {
    let mut phys = empty(16 * MIB);
    add(&mut phys, 1 << 46, 46, true).unwrap();
    add(&mut phys, 0xe000_0000, 28, true).unwrap();
    let hpet = phys.alloc_at(0xe123_4000, 12).unwrap();
    assert_eq!((hpet.paddr, hpet.size_bits), (0xe123_4000, 12));
    fill(&mut phys, hpet);
    assert_eq!(phys.stats().calls.retypes, 16);
    let neighbour = phys.alloc_at(0xe123_5000, 12).unwrap();
    fill(&mut phys, neighbour);
    assert_eq!(phys.stats().calls.retypes, 16);
    assert_eq!(phys.alloc_at(0xe123_4000, 12), Err(Error::Busy));
    assert_eq!(phys.alloc_at(0xe120_0000, 20), Err(Error::Busy));
    assert_eq!(phys.alloc_at(0xe000_0000, 29), Err(Error::OutOfRange));
    let far = phys.alloc_at((1 << 46) + (1 << 40), 12).unwrap();
    assert_eq!(phys.alloc(12), Err(Error::OutOfMemory));
    assert_eq!(phys.stats().device_used, 3 * 4096);
    for block in [hpet, far, neighbour] {
        phys.free(block).unwrap();
        assert_eq!(phys.free(block), Err(Error::NotAllocated));
    }
    assert_eq!(phys.kernel().slots_lent, 0);
    assert!(phys.alloc_at(0xe000_0000, 28).is_ok());
}

#[test]
fn device_nodes_run_out_cleanly() {
    let mut phys = empty(16 * MIB);
    add(&mut phys, 1 << 46, 46, true).unwrap();
    let mut blocks = Vec::new();
    let error = loop {
        match phys.alloc_at((1 << 46) + ((blocks.len() as u64) << 40), 12) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::TableFull);
    let lent = phys.kernel().slots_lent;
    assert_eq!(phys.alloc_at((1 << 46) + ((blocks.len() as u64) << 40), 12), Err(Error::TableFull));
    assert_eq!(phys.kernel().slots_lent, lent);
    for block in blocks {
        phys.free(block).unwrap();
    }
    assert_eq!(phys.kernel().slots_lent, 0);
}

#[test]
fn boot_list_with_crumbs() {
    let mut phys = empty(16 * MIB);
    for (paddr, bits) in [(MIB, 20), (0x20_1000, 12), (0x20_2000, 13), (0x20_0800, 11), (0x40_0000, 18)] {
        add(&mut phys, paddr, bits, false).unwrap();
    }
    for (paddr, bits) in [(MIB, 20), (MIB + 0x4000, 14), (0x20_1000, 12), (0, 22), (0x20_0000, 18)] {
        assert_eq!(add(&mut phys, paddr, bits, false), Err(Error::Overlap), "{paddr:#x}");
        assert_eq!(add(&mut phys, paddr, bits, true), Err(Error::Overlap), "{paddr:#x}");
    }
    assert_eq!(add(&mut phys, 0x1000, 13, false), Err(Error::BadBlock));
    assert_eq!(add(&mut phys, 0x1004, 2, false), Err(Error::BadBlock));
    assert_eq!(add(&mut phys, 1 << 47, 47, true), Ok(()));
    assert_eq!(add(&mut phys, 1 << 48, 20, true), Err(Error::BadBlock));
    assert_eq!(add(&mut phys, 0, 63, true), Err(Error::BadBlock));
    assert_eq!(add(&mut phys, 16 * MIB, 20, false), Err(Error::OutOfRange));
    assert_eq!(phys.add_untyped(0, 0, 12, false), Err(Error::BadBlock));
    // The crumb first, then a page of a group.
    assert_eq!(phys.alloc(12).unwrap().paddr, 0x20_1000);
    assert_eq!(phys.alloc(11).unwrap().paddr, 0x20_0800);
    // There was one crumb of this size; the next is a part of a page.
    assert_eq!(phys.alloc(11).unwrap().paddr, 0x40_0000);
    assert_eq!(phys.alloc(3), Err(Error::BadBlock));
    assert_eq!(phys.alloc(47), Err(Error::BadBlock));
    assert_eq!(phys.alloc_at(0x20_2000, 12), Err(Error::Busy));
    let crumb = phys.alloc_at(0x20_2000, 13).unwrap();
    phys.free(crumb).unwrap();
    assert_eq!(phys.free(crumb), Err(Error::NotAllocated));
    assert_eq!(phys.alloc(12).unwrap().size_bits, 12);
    check(&phys);
}

#[test]
fn under_pressure_a_larger_block_serves() {
    let mut phys = ram(18);
    let large = phys.alloc(17).unwrap();
    let page = phys.alloc(12).unwrap();
    assert_eq!(page.size_bits, 17);
    assert_eq!(phys.alloc(12), Err(Error::OutOfMemory));
    phys.free(page).unwrap();
    phys.free(large).unwrap();
    // The group stays cut in halves, one of them cached, and gets another shape when it must.
    assert_eq!((phys.stats().free, phys.stats().cached), (1 << 18, 1 << 17));
    let page = phys.alloc(12).unwrap();
    assert_eq!(page.size_bits, 12);
    fill(&mut phys, page);
    check(&phys);
}

#[test]
fn forged_blocks_are_refused() {
    let mut phys = ram(24);
    let (page, block) = (phys.alloc(12).unwrap(), phys.alloc(20).unwrap());
    let before = phys.stats();
    for good in [page, block] {
        for bad in [
            Block { slot: good.slot + 1, ..good },
            Block { size_bits: good.size_bits + 1, ..good },
            Block { size_bits: 200, ..good },
            Block { size_bits: 0, ..good },
            Block { paddr: good.paddr + 4096, ..good },
            Block { paddr: good.paddr + 1, ..good },
            Block { paddr: u64::MAX, ..good },
            Block { paddr: 0, ..good },
        ] {
            assert_eq!(phys.free(bad), Err(Error::NotAllocated), "{bad:x?}");
        }
    }
    assert_eq!(phys.stats(), before);
}

#[test]
fn a_failing_kernel_call_changes_nothing() {
    for bits in [12, 16, 18, 20] {
        for limit in 0..8 {
            let mut phys = ram(24);
            let before = phys.stats().free_blocks;
            phys.kernel().calls_left = Some(limit);
            match phys.alloc(bits) {
                Ok(_) => assert!(limit > 0),
                Err(error) => {
                    assert_eq!(error, Error::Kernel(KernelError(10)));
                    assert_eq!(phys.stats().free_blocks, before);
                }
            }
            phys.kernel().calls_left = None;
            let block = phys.alloc(bits).unwrap();
            fill(&mut phys, block);
            phys.kernel().calls_left = Some(0);
            assert_eq!(phys.free(block), Err(Error::Kernel(KernelError(10))));
            phys.kernel().calls_left = None;
            assert_eq!(phys.free(block), Ok(()));
            check(&phys);
        }
    }
}

#[test]
fn metadata_is_small_and_must_be_large_enough() {
    let eight_gib = 8 << 30;
    assert!(metadata_bytes(eight_gib) * 5000 < eight_gib as usize, "more than 0.02 %");
    let short = Metadata {
        groups: &mut [Group::ABSENT; 4],
        backs: &mut [Back::EMPTY; 4],
        words: &mut [0; 3],
        devices: &mut [],
        slabs: &mut [],
    };
    assert!(matches!(Phys::new(short, SimKernel::default()), Err(Error::TableFull)));
}

#[test]
fn statistics_read_well() {
    let mut phys = ram(24);
    assert_eq!(phys.stats().fragmentation_permille(), 0);
    let page = phys.alloc(12).unwrap();
    assert!((1..600).contains(&phys.stats().fragmentation_permille()));
    let text = phys.stats().to_string();
    assert!(text.starts_with("RAM 16384 KiB, free 16380 KiB"), "{text}");
    phys.free(page).unwrap();
}

#[test]
fn small_objects_share_a_page_and_use_it_again() {
    let mut phys = ram(20);
    let before = phys.stats();
    let endpoints: Vec<Block> = (0..64).map(|_| phys.alloc(4).unwrap()).collect();
    for block in &endpoints {
        assert_eq!(block.paddr >> 10, endpoints[0].paddr >> 10);
        fill(&mut phys, *block);
    }
    // Two halvings down to a group, then the cuts: into pages, into quarters of a page, into blocks of 16 bytes.
    assert_eq!(phys.stats().calls.retypes, 5);
    let (reply, context) = (phys.alloc(5).unwrap(), phys.alloc(7).unwrap());
    assert_eq!(phys.alloc(4).unwrap().paddr >> 12, endpoints[0].paddr >> 12);
    // One is given back and used again, while its neighbours stay.
    phys.free(endpoints[17]).unwrap();
    assert_eq!(phys.free(endpoints[17]), Err(Error::NotAllocated));
    let calls = phys.stats().calls;
    let again = phys.alloc(4).unwrap();
    assert_eq!((again, phys.stats().calls), (endpoints[17], calls));
    fill(&mut phys, again);
    for bad in [
        Block { size_bits: 5, ..again },
        Block { size_bits: 0, ..again },
        Block { paddr: again.paddr + 8, ..again },
        Block { slot: again.slot + 1, ..again },
        Block { paddr: u64::MAX, ..again },
    ] {
        assert_eq!(phys.free(bad), Err(Error::NotAllocated), "{bad:x?}");
    }
    check(&phys);
    for block in endpoints {
        phys.free(block).unwrap();
    }
    phys.free(reply).unwrap();
    phys.free(context).unwrap();
    let last = phys.stats().free_blocks[4];
    assert_eq!(last, 63);
    check(&phys);
    let small = phys.alloc(4).unwrap();
    phys.free(small).unwrap();
    assert!(phys.stats().cached > 0);
    phys.trim();
    // One block of 16 bytes is still in use, in a quarter of a page, in a page.
    assert_eq!(phys.stats().free, before.free - 16);
}

#[test]
fn without_records_or_calls_small_objects_fail_and_lose_nothing() {
    for limit in 0..8 {
        let mut phys = ram(20);
        phys.kernel().calls_left = Some(limit);
        let first = phys.alloc(4);
        check(&phys);
        assert_eq!(first.is_ok(), limit >= 5, "{limit}");
        if let Ok(block) = first {
            phys.free_empty(block).unwrap();
        }
        phys.kernel().calls_left = None;
        phys.trim();
        assert_eq!(phys.stats().largest_bits, 20, "{limit}");
    }
    let mut phys = ram(22);
    let mut blocks = Vec::new();
    while let Ok(block) = phys.alloc(11) {
        blocks.push(block);
    }
    assert_eq!(blocks.len(), 2 * small::MAX_SLABS);
    assert_eq!(phys.alloc(10), Err(Error::TableFull));
    for block in blocks {
        phys.free_empty(block).unwrap();
    }
    phys.trim();
    assert_eq!(phys.stats().largest_bits, 22);
}
