//! What the root task finds (abi.md 8).
use sel_abi::bootinfo::{extra, slot};
use sel_abi::{CapTag, Label, Register, SlotRegion, Syscall};

use super::machine::{IMAGE_BASE, IMAGE_BYTES, Machine, msg, page_words};
use super::objects::ROOT;
use crate::arch::{ARENA_BASE, ARENA_BYTES};
use crate::cap::{Cap, FrameSize};
use crate::object::tcb::ThreadState;
use crate::state::Config;

#[test]
fn initial_capabilities_have_their_tags() {
    let mut m = Machine::new();
    let expected = [0, 12, 10, 9, 14, 11, 13, 31, 0, 1, 1, 20, 0, 0, 22, 0, 24];
    for (cptr, tag) in (0..).zip(expected) {
        assert_eq!(m.cap(cptr).tag().raw(), tag, "slot {cptr}");
        m.sys(Syscall::DebugCapIdentify, cptr, 0, 0, msg(0, &[]));
        assert_eq!(m.reply_of(m.root).badge, tag);
    }
    m.sys(Syscall::DebugCapIdentify, 1 << 40, 0, 0, msg(0, &[]));
    assert_eq!(m.reply_of(m.root).badge, 0, "a lookup that fails");
    for cptr in 1..m.info.empty.start {
        assert!(m.cap(cptr).is_null() || m.slot(cptr).is_original());
    }
}

#[test]
fn fields() {
    let m = Machine::new();
    let info = &m.info;
    assert_eq!((info.node_id, info.num_nodes, info.num_iopt_levels), (0, 1, -1));
    let labels = sel_abi::LabelProfile { iommu: true, ..sel_abi::LabelProfile::PLAIN };
    let with_option = Machine::with_config(Config { labels, ..Config::default() });
    assert_eq!(with_option.info.num_iopt_levels, 0);
    let m = Machine::new();
    let info = &m.info;
    assert_eq!((info.init_thread_cnode_size_bits, info.init_thread_domain), (12, 0));
    assert_eq!(info.ipc_buffer, IMAGE_BASE + IMAGE_BYTES);
    let none = SlotRegion::default();
    assert_eq!((info.shared_frames, info.io_space_caps), (none, none));
    // In this order: SchedControl, paging, extra pages, image frames, untypeds, empty slots.
    let regions = [
        info.sched_control,
        info.user_image_paging,
        info.extra_bi_pages,
        info.user_image_frames,
        info.untyped,
        info.empty,
    ];
    assert_eq!(regions[0].start, slot::FIRST_DYNAMIC);
    for pair in regions.windows(2) {
        assert_eq!(pair[0].end, pair[1].start);
    }
    assert_eq!(info.empty.end, 4096);
    let tags: Vec<CapTag> =
        (info.user_image_paging.start..info.user_image_paging.end).map(|c| m.cap(c).tag()).collect();
    assert_eq!(tags, [CapTag::Pdpt, CapTag::PageDirectory, CapTag::PageTable]);
    assert!((info.empty.start..info.empty.end).all(|cptr| m.cap(cptr).is_null()));
}

#[test]
fn image_frames() {
    let m = Machine::new();
    let frames = m.info.user_image_frames;
    assert_eq!((frames.end - frames.start) * 4096, IMAGE_BYTES);
    let mut before = None;
    for (index, cptr) in (frames.start..frames.end).enumerate() {
        let Cap::Frame(frame) = m.cap(cptr) else { panic!("a frame") };
        assert_eq!((frame.size, frame.device), (FrameSize::Small, false));
        assert_eq!(frame.mapping.map(|at| at.vaddr.0), Some(IMAGE_BASE + index as u64 * 4096));
        assert!(before.is_none_or(|base| base + 4096 == frame.base.0), "one run of memory");
        before = Some(frame.base.0);
        // The first 128 bytes are the file's, the rest is zero.
        let words = page_words(frame.base);
        assert_eq!(words[0].get() != 0, index == 0);
        assert!(words[16..].iter().all(|word| word.get() == 0));
    }
}

#[test]
fn start_state() {
    let m = Machine::new();
    let context = &m.root.get().context;
    for register in Register::ALL {
        let expected = match register {
            Register::Rip => IMAGE_BASE,
            Register::Rdi => m.info.ipc_buffer + 4096,
            Register::Rflags => 0x202,
            _ => 0,
        };
        assert_eq!(context.get(*register), expected, "{register:?}");
    }
    assert_eq!((m.root.priority.get(), m.root.mcp.get(), m.root.domain.get()), (255, 255, 0));
    assert_eq!(m.root.state.get(), ThreadState::Running);
    assert!(m.root.fault_handler().is_empty() && m.root.timeout_handler().is_empty());
    let context = m.root.sched_context.get().expect("a scheduling context");
    assert!(context.is_round_robin());
    assert_eq!(context.refills().head().amount, 5_000_000);
}

/// Power-of-two pieces, aligned, ascending in each class, devices first; RAM and devices cover what they must.
#[test]
fn untypeds() {
    let m = Machine::new();
    let region = m.info.untyped;
    let list = &m.info.untyped_list[..(region.end - region.start) as usize];
    let mut seen = 0;
    for (cptr, desc) in (region.start..).zip(list) {
        let Cap::Untyped(untyped) = m.cap(cptr) else { panic!("an untyped") };
        assert_eq!((untyped.base.0, untyped.size_bits), (desc.paddr, desc.size_bits));
        assert_eq!((untyped.device, desc.padding), (desc.is_device == 1, [0; 6]));
        assert!((4..=47).contains(&desc.size_bits) && desc.paddr % (1 << desc.size_bits) == 0);
        let inside =
            desc.paddr >= ARENA_BASE && desc.paddr + (1 << desc.size_bits) <= ARENA_BASE + ARENA_BYTES;
        assert_eq!(inside, desc.is_device == 0);
        seen += 1;
    }
    assert_eq!(seen, list.len());
    for pair in list.windows(2) {
        assert!(pair[0].is_device >= pair[1].is_device, "devices come first");
        if pair[0].is_device == pair[1].is_device {
            assert!(pair[0].paddr + (1 << pair[0].size_bits) <= pair[1].paddr);
        }
    }
    let devices: u64 = list.iter().filter(|desc| desc.is_device == 1).map(|desc| 1 << desc.size_bits).sum();
    // The block with the 8 reserved bytes at 0xFFFFFFF8 is missing.
    assert_eq!(devices, (1 << 47) - ARENA_BYTES - 16);
    assert!(list.iter().all(|unused| unused.size_bits > 0));
}

/// The extra blocks follow each other as the headers say, in seL4's order, then our own.
#[test]
fn extra_blocks() {
    let m = Machine::new();
    let mut words = Vec::new();
    for cptr in m.info.extra_bi_pages.start..m.info.extra_bi_pages.end {
        let Cap::Frame(frame) = m.cap(cptr) else { panic!("a frame") };
        words.extend(page_words(frame.base).iter().flat_map(|word| word.get().to_le_bytes()));
    }
    let word = |at: usize| u64::from_le_bytes(words[at..at + 8].try_into().expect("8 bytes"));
    let (mut at, mut ids) = (0, Vec::new());
    while at < m.info.extra_len as usize {
        ids.push((word(at), word(at + 8)));
        at += word(at + 8) as usize;
    }
    assert_eq!(at as u64, m.info.extra_len);
    assert_eq!(ids[..3], [(extra::X86_ACPI_RSDP, 52), (extra::X86_MBMMAP, 1220), (extra::X86_TSC_FREQ, 20)]);
    let tsc = 52 + 1220;
    assert_eq!(words[tsc + 16..tsc + 20], 1_000u32.to_le_bytes());
    assert_eq!(words[52 + 16..52 + 20], 24u32.to_le_bytes(), "one entry of the memory map");
}

/// All of the root task's memory can be used.
#[test]
fn every_ram_untyped_can_be_used() {
    let mut m = Machine::new();
    m.checking = false;
    let to = m.free_slot();
    for cptr in m.info.untyped.start..m.info.untyped.end {
        let Cap::Untyped(untyped) = m.cap(cptr) else { panic!("an untyped") };
        if !untyped.device {
            m.ok(cptr, Label::UntypedRetype, &[0, u64::from(untyped.size_bits), 0, 0, to, 1], &[ROOT]);
            m.delete(to);
        }
    }
    super::check::check(&m);
}
