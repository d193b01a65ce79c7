//! Tests of the physical allocator over a simulated kernel.

mod cases;
mod model;
mod placement;
mod sim;

use super::*;
use sim::SimKernel;

pub type TestPhys = Phys<'static, SimKernel>;

/// An allocator for RAM below `ram_end`, with 512 device nodes; its tables are leaked.
pub fn empty(ram_end: u64) -> TestPhys {
    let count = group_records(ram_end);
    let metadata = Metadata {
        groups: vec![Group::ABSENT; count].leak(),
        backs: vec![Back::EMPTY; count].leak(),
        words: vec![0; bitmap_words(count)].leak(),
        devices: vec![DeviceNode::EMPTY; 512].leak(),
        slabs: vec![Slab::EMPTY; small::MAX_SLABS].leak(),
    };
    Phys::new(metadata, SimKernel::default()).unwrap()
}

/// Adds a boot untyped.
pub fn add(phys: &mut TestPhys, paddr: u64, size_bits: u8, device: bool) -> Result<(), Error> {
    let slot = phys.kernel().boot(paddr, size_bits);
    phys.add_untyped(slot, paddr, size_bits, device)
}

/// Makes an object in the block, which fails unless the capability is exactly the block's and clean.
pub fn fill(phys: &mut TestPhys, block: Block) -> Block {
    phys.kernel().make_object(block.slot, block.paddr, block.size_bits);
    block
}

/// Checks what must hold between the records and the bitmaps.
pub fn check(phys: &TestPhys) {
    let stats = phys.stats();
    let mut free_groups = 0;
    for order in 0..ORDERS {
        for index in 0..(phys.groups.len() >> order) as u32 {
            if phys.buddy.is_free(phys.words, order, index) {
                free_groups += 1u64 << order;
                let first = (index as usize) << order;
                let root = usize::from(phys.groups[first].root);
                assert!(order <= root);
                assert!(
                    order == root || !phys.buddy.is_free(phys.words, order, index ^ 1),
                    "buddies not merged"
                );
                for group in &phys.groups[first..first + (1 << order)] {
                    assert_eq!(group.kind(), Kind::Idle);
                }
            }
        }
    }
    let mut free_pages = 0u64;
    for (number, (group, back)) in phys.groups.iter().zip(phys.backs.iter()).enumerate() {
        let Kind::Pages(class) = group.kind() else { continue };
        let class = usize::from(class);
        let front = &phys.fronts[class];
        let current = front.current == number as u32;
        let all = group::all_free(class);
        assert_eq!(usize::from(group.split), class + 1);
        assert_eq!(back.free & group.used, 0, "free, but handed out");
        assert_eq!(group.used & !all, 0);
        assert_eq!(phys.partial[class].contains(phys.words, number as u32), back.free != 0);
        assert!(back.free != all, "free group was not merged");
        let mut free = all & !group.used;
        if current {
            assert!(back.free == 0 && front.open & !group.used == 0);
            free |= front.open;
        }
        free_pages += u64::from(free.count_ones()) << (usize::from(PAGE_BITS) + class);
    }
    let mut cached_blocks = 0;
    for (class, front) in (0..).zip(&phys.fronts) {
        let mut front = *front;
        while let Some(page) = front.pop() {
            let group = phys.groups[(page / 64) as usize];
            assert!(!group.has_marked(PAGE_BITS + class, page));
            if PAGE_BITS + class >= GROUP_BITS {
                cached_blocks += 1 << (PAGE_BITS + class);
            }
        }
    }
    if let Some(page) = phys.hands[0].page() {
        assert!(
            phys.groups[(page / 64) as usize].has_marked(PAGE_BITS, page) && !phys.fronts[0].has_open(page)
        );
        cached_blocks += 1 << PAGE_BITS;
    }
    let small: u64 = (SMALL_MIN_BITS..PAGE_BITS).map(|bits| u64::from(phys.small.count(bits)) << bits).sum();
    let loose: u64 = (LOOSE_MIN_BITS..GROUP_BITS).map(|bits| u64::from(phys.loose.count(bits)) << bits).sum();
    assert_eq!(stats.free, (free_groups << GROUP_BITS) + free_pages + cached_blocks + loose + small);
}
