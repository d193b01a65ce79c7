//! Tests of the walk over extra blocks, on good blocks and on hostile ones.

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn block(id: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend((16 + content.len() as u64).to_le_bytes());
    bytes.extend(content);
    bytes
}

fn module(paddr: u64, size: u64, string: &str) -> Vec<u8> {
    let mut bytes = paddr.to_le_bytes().to_vec();
    bytes.extend(size.to_le_bytes());
    bytes.extend(string.as_bytes());
    bytes.resize(128, 0);
    bytes
}

/// Boot information without pages.
pub fn info() -> BootInfo {
    BootInfo {
        extra_len: 0,
        node_id: 0,
        num_nodes: 1,
        num_iopt_levels: -1,
        ipc_buffer: 0,
        empty: SlotRegion { start: 40, end: 4096 },
        shared_frames: SlotRegion::default(),
        user_image_frames: SlotRegion::default(),
        user_image_paging: SlotRegion::default(),
        io_space_caps: SlotRegion::default(),
        extra_bi_pages: SlotRegion::default(),
        init_thread_cnode_size_bits: 12,
        init_thread_domain: 0,
        sched_control: SlotRegion { start: 16, end: 17 },
        untyped: SlotRegion { start: 30, end: 32 },
        untyped_list: [UntypedDesc::default(); crate::abi::bootinfo::MAX_BOOTINFO_UNTYPEDS],
    }
}

#[test]
fn every_block_is_found_and_decoded() {
    let mut map = 48u32.to_le_bytes().to_vec();
    for (base, length, kind) in [(0u64, 0x9fc00u64, 1u32), (0x10_0000, 0x1000_0000, 2)] {
        map.extend(20u32.to_le_bytes());
        map.extend(base.to_le_bytes());
        map.extend(length.to_le_bytes());
        map.extend(kind.to_le_bytes());
    }
    map.resize(1204, 0);
    let modules =
        [module(0x20_0000, 5000, "server console ports=3f8-3ff"), module(0x30_0000, 1, "server hello")];
    let report: Vec<u8> = (1..=9u64).flat_map(u64::to_le_bytes).collect();
    let mut screen = 0xe000_0000u64.to_le_bytes().to_vec();
    for word in [4096u32, 1024, 768] {
        screen.extend(word.to_le_bytes());
    }
    screen.extend([32, 1]);
    let extra = [
        block(id::X86_ACPI_RSDP, &[7; 36]),
        block(id::PADDING, &[0; 3]),
        block(id::X86_MBMMAP, &map),
        block(id::X86_TSC_FREQ, &2600u32.to_le_bytes()),
        block(id::SELKIE_MODULES, &modules.concat()),
        block(id::SELKIE_COMMAND_LINE, b"domains=2"),
        block(id::SELKIE_BOOT_REPORT, &report),
        block(id::X86_FRAMEBUFFER, &screen),
    ]
    .concat();
    let info = info();
    let view = BootInfoView::from_parts(&info, &extra);
    assert_eq!(view.blocks().count(), 7, "padding is skipped");
    assert_eq!(view.rsdp(), Some(&[7; 36][..]));
    assert_eq!(view.tsc_mhz(), Some(2600));
    assert_eq!(view.command_line(), Some("domains=2"));
    let regions: Vec<_> = view.memory_map().collect();
    assert_eq!(regions.len(), 2);
    assert_eq!(regions[1], MemoryRegion { base: 0x10_0000, length: 0x1000_0000, kind: 2 });
    let modules: Vec<_> = view.modules().collect();
    assert_eq!(modules[0], Module { paddr: 0x20_0000, size: 5000, string: "server console ports=3f8-3ff" });
    assert_eq!(modules[1].string, "server hello");
    assert_eq!(modules.len(), 2);
    let report = view.boot_report().unwrap();
    assert_eq!((report.ram_bytes, report.kernel_bytes, report.tsc_hz), (1, 3, 6));
    assert_eq!((report.debug_calls, report.trace_paddr, report.trace_bytes), (7, 8, 9));
    assert!(view.trace_ring().is_none(), "nothing is at this address");
    let expected =
        FrameBuffer { paddr: 0xe000_0000, pitch: 4096, width: 1024, height: 768, bits_per_pixel: 32 };
    assert_eq!(view.framebuffer(), Some(expected));
}

#[test]
fn the_ring_of_events_is_the_untyped_at_its_address() {
    let mut info = info();
    let desc = UntypedDesc { paddr: 0x40_0000, size_bits: 22, is_device: 1, padding: [0; 6] };
    info.untyped_list[1] = desc;
    let found = |info: &BootInfo, bytes: u64| {
        let report: Vec<u8> =
            [0, 0, 0, 0, 0, 0, 0, 0x40_0000, bytes].into_iter().flat_map(u64::to_le_bytes).collect();
        let extra = block(id::SELKIE_BOOT_REPORT, &report);
        BootInfoView::from_parts(info, &extra).trace_ring().map(|(cap, desc)| (cap.cptr(), desc))
    };
    assert_eq!(found(&info, 1 << 22), Some((31, desc)));
    assert_eq!(found(&info, 0), None, "the kernel does not trace");
    info.untyped_list[1].is_device = 0;
    assert_eq!(found(&info, 1 << 22), None);
}

#[test]
fn untypeds_pair_slots_with_descriptions() {
    let mut info = info();
    info.untyped_list[1] = UntypedDesc { paddr: 0x4000, size_bits: 14, is_device: 1, padding: [0; 6] };
    let view = BootInfoView::from_parts(&info, &[]);
    let all: Vec<_> = view.untypeds().collect();
    assert_eq!(all.len(), 2);
    assert_eq!((all[1].0.cptr(), all[1].1.paddr), (31, 0x4000));
    assert_eq!(view.sched_control(0).map(Cap::cptr), Some(16));
    assert_eq!(view.sched_control(1), None);
    assert_eq!(view.sched_control(u64::MAX), None);
    info.untyped = SlotRegion { start: 0, end: u64::MAX };
    assert_eq!(BootInfoView::from_parts(&info, &[]).untypeds().count(), 230, "not more than the list has");
}

#[test]
fn impossible_lengths_end_the_walk() {
    for length in [0u64, 1, 15, 17, 1 << 40, u64::MAX] {
        let mut extra = block(id::SELKIE_COMMAND_LINE, b"ok");
        extra.extend(9u64.to_le_bytes());
        extra.extend(length.to_le_bytes());
        let ids: Vec<_> = Blocks::new(&extra).map(|block| block.id).collect();
        assert_eq!(ids, vec![id::SELKIE_COMMAND_LINE], "length {length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_walked_to_an_end(extra in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let info = info();
        let view = BootInfoView::from_parts(&info, &extra);
        let total: usize = view.blocks().map(|block| block.content.len() + 16).sum();
        prop_assert!(total <= extra.len());
        let (_, _, _) = (view.boot_report(), view.framebuffer(), view.rsdp());
        prop_assert!(view.modules().count() <= extra.len() / 128);
        prop_assert!(view.memory_map().count() <= extra.len() / 24);
    }

    #[test]
    fn any_content_of_a_known_block_is_decoded_or_refused(
        which in 1u64..=5,
        own in 0u64..=3,
        content in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let extra = [block(which, &content), block(id::SELKIE_MODULES - 1 + own, &content)].concat();
        let info = info();
        let view = BootInfoView::from_parts(&info, &extra);
        let (_, _, _) = (view.boot_report(), view.framebuffer(), view.rsdp());
        let (_, _) = (view.tsc_mhz(), view.command_line());
        prop_assert!(view.modules().count() <= content.len() / 128);
        prop_assert!(view.memory_map().count() <= content.len() / 24);
    }
}
