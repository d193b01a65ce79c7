//! What the root task starts with: slots, boot information, untyped list, extra blocks (abi.md 8, A.3).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::bootinfo::{extra, slot};
use libsel::abi::{CapRights, CapTag, SlotRegion, VmAttributes};
use libsel::bootinfo::initial;
use libsel::cap::{Page, Untyped};
use libsel::{Cap, Error};

use super::fixture::{Fixture, MAP_AREA, peek, shared, tag};
use super::harness::{Failure, Outcome, Test, check, equal, fails, test, within};

/// Every slot of a region has to hold capabilities of this kind.
#[track_caller]
fn region_is(region: SlotRegion, kind: CapTag) -> Outcome {
    (region.start..region.end).try_for_each(|slot| equal((slot, tag(slot)), (slot, kind.raw())))
}

fn count(region: SlotRegion) -> u64 {
    region.end - region.start
}

/// Physical address of a frame.
fn paddr(slot: u64) -> libsel::Result<u64> {
    Cap::<Page>::new(slot).get_address()
}

/// Maps a copy of the page that holds `address` elsewhere and reads the word at `address` through it.
fn read_through_frame(t: &mut Fixture<'_>, frame: Cap<Page>, address: u64) -> libsel::Result<u64> {
    t.tables(initial::VSPACE, MAP_AREA)?;
    let copy = t.copy(frame, CapRights::READ)?;
    copy.map(initial::VSPACE, MAP_AREA, CapRights::READ, VmAttributes::WRITE_BACK)?;
    Ok(peek(MAP_AREA + address % 4096))
}

/// Boot information.
pub const TESTS: &[Test] = &[
    test("BOOT0001", "the initial capabilities are where they belong", |_| {
        const TAGS: [(u64, u64); 17] = [
            (slot::NULL, 0),
            (slot::INIT_THREAD_TCB, 12),
            (slot::INIT_THREAD_CNODE, 10),
            (slot::INIT_THREAD_VSPACE, 9),
            (slot::IRQ_CONTROL, 14),
            (slot::ASID_CONTROL, 11),
            (slot::INIT_THREAD_ASID_POOL, 13),
            (slot::IO_PORT_CONTROL, 31),
            (slot::IO_SPACE, 0),
            (slot::BOOT_INFO_FRAME, 1),
            (slot::INIT_THREAD_IPC_BUFFER, 1),
            (slot::DOMAIN, 20),
            (12, 0),
            (13, 0),
            (slot::INIT_THREAD_SC, 22),
            (15, 0),
            (slot::FIRST_DYNAMIC, 24),
        ];
        TAGS.into_iter().try_for_each(|(slot, expected)| equal((slot, tag(slot)), (slot, expected)))
    }),
    test("BOOT0002", "one node, no IOMMU, domain 0", |t| {
        let info = t.machine.bootinfo.raw();
        let seen = (info.node_id, info.num_nodes, info.num_iopt_levels, info.init_thread_domain);
        equal(seen, (0, 1, -1, 0))?;
        equal((count(info.shared_frames), count(info.io_space_caps)), (0, 0))
    }),
    test("BOOT0003", "the slot regions follow each other", |t| {
        let info = t.machine.bootinfo.raw();
        equal(info.sched_control, SlotRegion { start: 16, end: 17 })?;
        equal(info.user_image_paging.start, info.sched_control.end)?;
        equal(info.extra_bi_pages.start, info.user_image_paging.end)?;
        equal(info.user_image_frames.start, info.extra_bi_pages.end)?;
        equal(info.untyped.start, info.user_image_frames.end)?;
        equal(info.empty.start, info.untyped.end)?;
        equal(info.empty.end, 1 << info.init_thread_cnode_size_bits)
    }),
    test("BOOT0004", "the regions hold what they say", |t| {
        let info = t.machine.bootinfo.raw();
        region_is(info.sched_control, CapTag::SchedControl)?;
        region_is(info.extra_bi_pages, CapTag::Frame)?;
        region_is(info.user_image_frames, CapTag::Frame)?;
        region_is(info.untyped, CapTag::Untyped)?;
        // What the tests have taken is at the start; all of them would take too long.
        (t.machine.test_slots..info.empty.end)
            .step_by(16)
            .try_for_each(|slot| equal((slot, tag(slot)), (slot, 0)))
    }),
    test("BOOT0005", "paging structures come as PDPTs, directories, tables", |t| {
        let info = t.machine.bootinfo.raw();
        let order = [CapTag::Pdpt.raw(), CapTag::PageDirectory.raw(), CapTag::PageTable.raw()];
        let mut level = 0;
        for slot in info.user_image_paging.start..info.user_image_paging.end {
            let found = order.iter().position(|&expected| expected == tag(slot));
            let Some(found) = found else { return check(false, "only paging structures") };
            check(found == level || found == level + 1, "PDPTs, then directories, then tables")?;
            level = found;
        }
        equal(level, 2)
    }),
    test("BOOT0006", "IPC buffer, boot information and extra pages follow the image", |t| {
        let info = t.machine.bootinfo.raw();
        let address = core::ptr::from_ref(info).addr() as u64;
        equal(address, info.ipc_buffer + 4096)?;
        equal((info.ipc_buffer % 4096, t.machine.image_start() % 4096), (0, 0))?;
        check(count(info.extra_bi_pages).is_power_of_two(), "a power of two of extra pages")?;
        within(info.extra_len, 1..=count(info.extra_bi_pages) * 4096, "bytes of extra blocks")
    }),
    test("BOOT0007", "image frames are ascending and contiguous in memory", |t| {
        let frames = t.machine.bootinfo.raw().user_image_frames;
        let first = paddr(frames.start)?;
        for slot in frames.start..frames.end {
            equal(paddr(slot)?, first + (slot - frames.start) * 4096)?;
        }
        Ok(())
    }),
    test("BOOT0008", "an image frame is the page of the image", |t| {
        shared(5).store(0x1111_2222_3333_4444, Relaxed);
        let address = core::ptr::from_ref(shared(5)).addr() as u64;
        let frame = t.machine.image_frame(address);
        equal(read_through_frame(t, frame, address)?, 0x1111_2222_3333_4444)
    }),
    test("BOOT0009", "the first image frame begins with the ELF header or with code of the image", |t| {
        let address = t.machine.image_start();
        let frame = t.machine.image_frame(address);
        equal(read_through_frame(t, frame, address)?, peek(address))
    }),
    test("BOOT0010", "the frames of IPC buffer and boot information are mapped where they say", |t| {
        let info = t.machine.bootinfo.raw();
        let address = core::ptr::from_ref(info).addr() as u64;
        equal(read_through_frame(t, initial::BOOT_INFO_FRAME, address)?, info.extra_len)?;
        fails(
            initial::IPC_BUFFER.map(
                initial::VSPACE,
                info.ipc_buffer + 4096,
                CapRights::ALL,
                VmAttributes::empty(),
            ),
            Error::InvalidArgument(0),
        )?;
        let frame = initial::IPC_BUFFER;
        Ok(frame.map(initial::VSPACE, info.ipc_buffer, CapRights::READ_WRITE, VmAttributes::empty())?)
    }),
    test("BOOT0011", "an extra page is mapped behind the boot information", |t| {
        let info = t.machine.bootinfo.raw();
        let address = info.ipc_buffer + 0x2000;
        let frame = Cap::new(info.extra_bi_pages.start);
        equal(read_through_frame(t, frame, address)?, peek(address))
    }),
    test("BOOT0012", "untypeds have legal sizes and are aligned to them", |t| {
        for (_, desc) in t.machine.bootinfo.untypeds() {
            within(u64::from(desc.size_bits), 4..=47, "size_bits")?;
            equal(desc.paddr & ((1 << desc.size_bits) - 1), 0)?;
            equal((desc.is_device <= 1, desc.padding), (true, [0; 6]))?;
        }
        Ok(())
    }),
    test("BOOT0013", "untypeds do not overlap", |t| {
        let range = |desc: libsel::abi::UntypedDesc| (desc.paddr, desc.paddr + (1 << desc.size_bits));
        for (one, desc_one) in t.machine.bootinfo.untypeds() {
            for (two, desc_two) in t.machine.bootinfo.untypeds().take_while(|(two, _)| *two != one) {
                let ((start, end), (other_start, other_end)) = (range(desc_one), range(desc_two));
                if start < other_end && other_start < end {
                    return Err(Failure::new(format_args!(
                        "expected {one:?} and {two:?} apart, seen {start:#x} and {other_start:#x}"
                    )));
                }
            }
        }
        Ok(())
    }),
    test("BOOT0014", "device untypeds come first, ascending", |t| {
        let mut last = (1, 0);
        for (_, desc) in t.machine.bootinfo.untypeds() {
            check(desc.is_device <= last.0, "device untypeds before RAM")?;
            if desc.is_device == 1 {
                check(last.1 == 0 || desc.paddr > last.1, "device untypeds ascending")?;
            }
            last = (desc.is_device, desc.paddr);
        }
        equal(last.0, 0)
    }),
    test("BOOT0015", "an untyped's first frame has the address that the list says", |t| {
        for (untyped, desc) in t.machine.bootinfo.untypeds() {
            // RAM below the size that a test would take long to clear; what is in use is left alone.
            if desc.is_device == 1 || !(12..=20).contains(&desc.size_bits) {
                continue;
            }
            let frame: Cap<Page> = untyped.retype_one(0, initial::CNODE, t.slot())?;
            equal(frame.get_address()?, desc.paddr)?;
        }
        Ok(())
    }),
    test("BOOT0016", "local APIC and I/O APIC belong to nobody", |t| {
        for (_, desc) in t.machine.bootinfo.untypeds() {
            for reserved in [0xfee0_0000, 0xfec0_0000] {
                let inside = (desc.paddr..desc.paddr + (1 << desc.size_bits)).contains(&reserved);
                check(!inside, "no untyped with an APIC page")?;
            }
        }
        Ok(())
    }),
    test("BOOT0017", "memory below 1 MiB is one device untyped", |t| {
        let mut low = t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.paddr < 1 << 20);
        let first = low.next().map(|(_, desc)| (desc.paddr, desc.size_bits, desc.is_device));
        equal((first, low.count()), (Some((0, 20, 1)), 0))
    }),
    test("BOOT0018", "the extra blocks add up to their length", |t| {
        let info = t.machine.bootinfo;
        let bytes: u64 = info.blocks().map(|block| 16 + block.content.len() as u64).sum();
        equal(bytes, info.raw().extra_len)
    }),
    test("BOOT0019", "the seL4 blocks come in their order with their lengths", |t| {
        let known = [extra::X86_ACPI_RSDP, extra::X86_FRAMEBUFFER, extra::X86_MBMMAP, extra::X86_TSC_FREQ];
        let mut last = 0;
        for block in t.machine.bootinfo.blocks() {
            let Some(place) = known.iter().position(|id| *id == block.id) else { continue };
            check(place >= last, "RSDP, framebuffer, memory map, TSC")?;
            last = place;
            let expected = [52, 38, 1220, 20][place];
            equal((block.id, 16 + block.content.len()), (block.id, expected))?;
        }
        equal(last, 3)
    }),
    test("BOOT0020", "the RSDP is one", |t| {
        let Some(rsdp) = t.machine.bootinfo.rsdp() else { return check(false, "an RSDP block") };
        equal(&rsdp[..8], b"RSD PTR ")?;
        equal(rsdp[..20].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0)
    }),
    test("BOOT0021", "every RAM untyped lies in usable memory of the map", |t| {
        for (_, desc) in t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device == 0) {
            let end = desc.paddr + (1 << desc.size_bits);
            let mut map = t.machine.bootinfo.memory_map().filter(|region| region.kind == 1);
            let covered = map.any(|region| region.base <= desc.paddr && end <= region.base + region.length);
            equal((desc.paddr, covered), (desc.paddr, true))?;
        }
        Ok(())
    }),
    test("BOOT0022", "the TSC frequency is plausible", |t| {
        within(t.machine.ticks_per_us, 100..=10_000, "ticks per microsecond")?;
        let Some(report) = t.machine.bootinfo.boot_report() else { return check(false, "a boot report") };
        equal(report.tsc_hz / 1_000_000, t.machine.ticks_per_us)
    }),
    test("BOOT0023", "all pages of the modules are device memory", |t| {
        for module in t.machine.bootinfo.modules() {
            equal(module.paddr % 4096, 0)?;
            for page in (module.paddr..module.paddr + module.size).step_by(4096) {
                let mut devices = t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device == 1);
                let covered =
                    devices.any(|(_, desc)| page >= desc.paddr && page - desc.paddr < 1 << desc.size_bits);
                equal((page, covered), (page, true))?;
            }
        }
        Ok(())
    }),
    test("BOOT0024", "the root task has MCP 255 and an FPU in its reset state", |t| {
        let tcb = t.tcb()?;
        fails(tcb.set_priority(initial::TCB, 256), super::harness::range(0, 255))?;
        let fpu = super::fpu::control_words();
        equal(fpu, (0x37f, 0x1f80))
    }),
    test("BOOT0025", "an initial untyped of RAM can be used whole", |t| {
        let small = |desc: &libsel::abi::UntypedDesc| desc.is_device == 0 && desc.size_bits <= 20;
        let Some((untyped, desc)) = t.machine.bootinfo.untypeds().find(|(_, desc)| small(desc)) else {
            return Ok(());
        };
        untyped.retype_one::<Untyped>(u64::from(desc.size_bits), initial::CNODE, t.slot())?;
        Ok(())
    }),
];
