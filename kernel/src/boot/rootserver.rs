//! The root task: its objects, its first capabilities, its boot information (abi.md 8).
use core::cell::Cell;
use core::fmt;

use sel_abi::bootinfo::{BootInfo, BootReport, MAX_BOOTINFO_UNTYPEDS, SlotRegion, UntypedDesc, slot};
use sel_abi::{CapRights, LabelTable, ObjectType, PAGE_BITS, Register, VmAttributes};

use super::memory_pool::{self, OutOfMemory};
use super::region::{Region, RegionList};
use super::{BootEnv, extra, image, untypeds};
use crate::addr::{self, KernelPtr, PhysAddr, VirtAddr};
use crate::arch::{self, pte, pte::Entry, pte::EntryFlags, pte::PageTable};
use crate::cap::{
    AsidPoolCap, CNodeCap, Cap, FrameCap, FrameSize, Mapping, Pml4Cap, SchedContextCap, Slot, TableCap,
    TableLevel, UntypedCap, derivation, derive,
};
use crate::object::asid::{Asid, AsidPool};
use crate::object::sched_context::{self, Budget, SchedContext};
use crate::object::tcb::{self, TcbPtr, TcbSlot, ThreadState};
use crate::object::{irq, vspace, vspace_invoke};
use crate::state::Kernel;
use crate::trace;

const PAGE: u64 = 1 << PAGE_BITS;
/// Budget of the root task in microseconds (abi.md 1.2).
const ROOT_BUDGET_US: u64 = 5_000;
/// The last bytes below 4 GiB, which seL4 hands to nobody (abi.md 8.5).
const RESERVED_TOP: Region = Region { start: 0xffff_fff0, end: 0x1_0000_0000 };

/// Why there is no root task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// What is wrong with the ELF file.
    Image(&'static str),
    /// Too little RAM.
    Memory(OutOfMemory),
    /// The root CNode has too few slots.
    Slots,
    /// The image's addresses cannot be mapped.
    Paging,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::Image(what) => write!(f, "the root task's image cannot be loaded: {what}"),
            BootError::Memory(OutOfMemory { bytes }) => {
                write!(f, "too little memory: no {bytes} bytes left for the root task; give the machine more")
            }
            BootError::Slots => write!(f, "the root CNode is too small: raise root_cnode_bits"),
            BootError::Paging => write!(f, "the root task's addresses cannot be mapped"),
        }
    }
}

impl From<OutOfMemory> for BootError {
    fn from(error: OutOfMemory) -> Self {
        BootError::Memory(error)
    }
}

/// Hands out the slots of the root CNode in order.
struct Slots {
    cnode: CNodeCap,
    next: u64,
}

impl Slots {
    fn at(&self, index: u64) -> Result<KernelPtr<Slot>, BootError> {
        self.cnode.slot(index).ok_or(BootError::Slots)
    }

    fn put(&self, index: u64, cap: Cap) -> Result<(), BootError> {
        derivation::insert_root(self.at(index)?, cap);
        Ok(())
    }

    fn push(&mut self, cap: Cap) -> Result<(), BootError> {
        self.put(self.next, cap)?;
        self.next += 1;
        Ok(())
    }
}

/// What is being built.
struct Builder<'a> {
    ram: &'a mut RegionList,
    slots: Slots,
    root: KernelPtr<PageTable>,
    /// Bytes taken from RAM so far.
    taken: u64,
}

impl Builder<'_> {
    /// Zeroed memory for one object of 2^`bits` bytes.
    fn object<T>(&mut self, bits: u64) -> Result<KernelPtr<T>, BootError> {
        let memory = self.memory(1 << bits, 1 << bits)?;
        // SAFETY: fresh, zeroed RAM of the object's size and alignment, never given back.
        Ok(unsafe { KernelPtr::from_phys(memory) })
    }

    fn memory(&mut self, bytes: u64, align: u64) -> Result<PhysAddr, BootError> {
        let memory = memory_pool::take(self.ram, bytes, align)?;
        self.taken += bytes;
        Ok(memory)
    }

    /// Paging structures for a range of addresses: all PDPTs, then all page directories, then all page tables.
    fn map_tables(&mut self, start: u64, end: u64) -> Result<SlotRegion, BootError> {
        let first = self.slots.next;
        for level in [TableLevel::Pdpt, TableLevel::PageDirectory, TableLevel::PageTable] {
            let span = 1 << level.span_bits();
            let mut vaddr = start & !(span - 1);
            while vaddr < end {
                let object: KernelPtr<PageTable> = self.object(PAGE_BITS)?;
                let entry = vspace::find_entry(self.root, VirtAddr(vaddr), level.span_bits())
                    .map_err(|_| BootError::Paging)?;
                let flags = EntryFlags::PRESENT | EntryFlags::WRITABLE | EntryFlags::USER;
                entry.set(Entry::new(object.phys(), flags | pte::table_flags(VmAttributes::empty())));
                let mapping = Some(Mapping { asid: ROOT_ASID, vaddr: VirtAddr(vaddr) });
                self.slots.push(Cap::Table(TableCap { object, level, mapping }))?;
                vaddr += span;
            }
        }
        Ok(SlotRegion { start: first, end: self.slots.next })
    }

    /// Maps one page, readable, writable and executable (abi.md 8.4); returns its capability.
    fn map_page(&self, base: PhysAddr, vaddr: u64) -> Result<Cap, BootError> {
        let frame = FrameCap {
            base,
            size: FrameSize::Small,
            rights: CapRights::READ_WRITE,
            device: false,
            mapping: Some(Mapping { asid: ROOT_ASID, vaddr: VirtAddr(vaddr) }),
        };
        let entry =
            vspace::find_entry(self.root, VirtAddr(vaddr), PAGE_BITS).map_err(|_| BootError::Paging)?;
        entry.set(vspace_invoke::frame_entry(&frame, CapRights::READ_WRITE, VmAttributes::empty()));
        Ok(Cap::Frame(frame))
    }

    /// Maps a run of pages and keeps their capabilities in consecutive slots.
    fn map_run(&mut self, base: PhysAddr, vaddr: u64, pages: u64) -> Result<SlotRegion, BootError> {
        let first = self.slots.next;
        for page in 0..pages {
            let cap = self.map_page(PhysAddr(base.0 + page * PAGE), vaddr + page * PAGE)?;
            self.slots.push(cap)?;
        }
        Ok(SlotRegion { start: first, end: self.slots.next })
    }
}

/// ASID of the root task.
const ROOT_ASID: Asid = Asid(1);

/// Creates the root task and makes it the current thread. `env` is used up: what RAM is left is its untyped memory.
pub fn create(k: &mut Kernel, env: &mut BootEnv) -> Result<(), BootError> {
    k.time = crate::state::TimeUnits::new(arch::tsc_hz());
    k.labels = LabelTable::of(k.config.labels);
    k.domain_schedule.init();
    k.update_time();
    k.charged = k.now;
    let image = image::parse(env.root_image).map_err(BootError::Image)?;
    let mut report = BootReport {
        ram_bytes: env.ram_bytes,
        kernel_bytes: env.kernel_bytes,
        tsc_hz: arch::tsc_hz(),
        debug_calls: u64::from(cfg!(feature = "debug")),
        ..BootReport::default()
    };
    let tsc_mhz = k.time.ticks_per_us as u32;
    let mut counter = extra::Writer::new(&[]);
    counter.blocks(env, &report, tsc_mhz);
    let extra_length = counter.length() as u64;
    let extra_pages = extra_length.div_ceil(PAGE).next_power_of_two();

    let mut ram = core::mem::take(&mut env.ram);
    let trace_memory = trace::open(&mut ram)?;
    if let Some(memory) = trace_memory {
        (report.trace_paddr, report.trace_bytes) = (memory.paddr(), sel_abi::trace::RING_BYTES as u64);
    }
    let radix = k.config.root_cnode_bits;
    let cnode_bits = sel_abi::SLOT_BITS + u64::from(radix);
    let cnode_memory = memory_pool::take(&mut ram, 1 << cnode_bits, 1 << cnode_bits)?;
    // SAFETY: fresh, zeroed RAM for exactly these slots.
    let slots = unsafe { KernelPtr::from_phys(cnode_memory) };
    let guard_bits = 64 - radix;
    let cnode = CNodeCap { slots, radix, guard: 0, guard_bits };
    let root_memory = memory_pool::take(&mut ram, PAGE, PAGE)?;
    // SAFETY: a fresh, zeroed page.
    let root = unsafe { KernelPtr::from_phys(root_memory) };
    arch::fill_kernel_half(root);
    let mut build = Builder {
        ram: &mut ram,
        slots: Slots { cnode, next: slot::FIRST_DYNAMIC },
        root,
        taken: (1 << cnode_bits) + PAGE,
    };

    let ipc_buffer = image.end;
    let info_page = ipc_buffer + PAGE;
    let extra_start = info_page + PAGE;
    let end = extra_start + extra_pages * PAGE;

    build.slots.push(Cap::SchedControl { core: 0 })?;
    let sched_control = SlotRegion { start: slot::FIRST_DYNAMIC, end: build.slots.next };
    let user_image_paging = build.map_tables(image.start, end)?;
    let extra_memory = build.memory(extra_pages * PAGE, PAGE)?;
    let extra_bi_pages = build.map_run(extra_memory, extra_start, extra_pages)?;
    let image_memory = build.memory(image.size(), PAGE)?;
    // SAFETY: the memory was just taken for the image.
    unsafe { image.copy_to(image_memory) };
    let user_image_frames = build.map_run(image_memory, image.start, image.size() / PAGE)?;

    let buffer_memory = build.memory(PAGE, PAGE)?;
    let buffer_cap = build.map_page(buffer_memory, ipc_buffer)?;
    let info_memory = build.memory(PAGE, PAGE)?;
    let info_cap = build.map_page(info_memory, info_page)?;

    let handlers = build.memory(irq::HANDLER_BYTES, PAGE)?;
    // SAFETY: the memory was just taken for the slots.
    unsafe { k.irqs.set_handlers(handlers) };
    let pool: KernelPtr<AsidPool> = build.object(PAGE_BITS)?;
    k.asids.set_first_pool(pool);
    let pool_cap = AsidPoolCap { object: pool, index: 0 };
    let asid = k.asids.assign(&pool_cap, root);
    debug_assert_eq!(asid, Some(ROOT_ASID));
    let context: KernelPtr<SchedContext> = build.object(sel_abi::MIN_SCHED_CONTEXT_BITS)?;
    let thread: TcbPtr = build.object(k.config.object_bits(ObjectType::Tcb, 0))?;
    report.root_task_bytes = build.taken;

    for (index, cap) in [
        (slot::INIT_THREAD_TCB, Cap::Tcb(thread)),
        (slot::INIT_THREAD_CNODE, Cap::CNode(cnode)),
        (slot::INIT_THREAD_VSPACE, Cap::Pml4(Pml4Cap { object: root, asid })),
        (slot::IRQ_CONTROL, Cap::IrqControl),
        (slot::ASID_CONTROL, Cap::AsidControl),
        (slot::INIT_THREAD_ASID_POOL, Cap::AsidPool(pool_cap)),
        (slot::IO_PORT_CONTROL, Cap::IoPortControl),
        (slot::BOOT_INFO_FRAME, info_cap),
        (slot::INIT_THREAD_IPC_BUFFER, buffer_cap),
        (slot::DOMAIN, Cap::Domain),
        (
            slot::INIT_THREAD_SC,
            Cap::SchedContext(SchedContextCap {
                object: context,
                size_bits: sel_abi::MIN_SCHED_CONTEXT_BITS as u8,
            }),
        ),
    ] {
        build.slots.put(index, cap)?;
    }

    let mut slots = build.slots;
    ram.add(env.root_image_region);
    env.reserved.add(RESERVED_TOP);
    let mut untyped_list = [UntypedDesc::default(); MAX_BOOTINFO_UNTYPEDS];
    let first_untyped = slots.next;
    let mut list = untyped_list.iter_mut();
    let trace_untyped = trace_memory.map(trace::Memory::untyped);
    for (desc, cap) in list.by_ref().zip(untypeds::untypeds(env, &ram, trace_untyped)) {
        *desc = describe(&cap);
        if !cap.device {
            report.untyped_bytes += cap.size();
        }
        slots.push(Cap::Untyped(cap))?;
    }

    let info = BootInfo {
        extra_len: extra_length,
        node_id: 0,
        num_nodes: 1,
        // With the option on and no unit there: 0.
        num_iopt_levels: if k.config.labels.iommu { 0 } else { -1 },
        ipc_buffer,
        empty: SlotRegion { start: slots.next, end: 1 << radix },
        shared_frames: SlotRegion::default(),
        user_image_frames,
        user_image_paging,
        io_space_caps: SlotRegion::default(),
        extra_bi_pages,
        init_thread_cnode_size_bits: u64::from(radix),
        init_thread_domain: 0,
        sched_control,
        untyped: SlotRegion { start: first_untyped, end: slots.next },
        untyped_list,
    };
    report.boot_ticks = arch::now().wrapping_sub(env.boot_start);
    // SAFETY: the memory was taken for the extra blocks.
    let extra_bytes = unsafe { addr::cells(extra_memory, (extra_pages * PAGE) as usize) };
    extra::Writer::new(extra_bytes).blocks(env, &report, tsc_mhz);
    // SAFETY: the page was taken for it and is larger.
    unsafe { KernelPtr::<Cell<BootInfo>>::from_phys(info_memory) }.set(info);

    start(k, &slots, thread, context, StartState { entry: image.entry, info_page, ipc_buffer })
}

/// Where the root task starts.
struct StartState {
    entry: u64,
    info_page: u64,
    ipc_buffer: u64,
}

/// Configures the root thread and makes it the current one (abi.md 8.4).
fn start(
    k: &mut Kernel,
    slots: &Slots,
    thread: TcbPtr,
    context: KernelPtr<SchedContext>,
    state: StartState,
) -> Result<(), BootError> {
    tcb::init(k, thread);
    thread.name.set(b"rootserver");
    trace::name(thread);
    for (which, index) in [
        (TcbSlot::CSpace, slot::INIT_THREAD_CNODE),
        (TcbSlot::VSpace, slot::INIT_THREAD_VSPACE),
        (TcbSlot::Buffer, slot::INIT_THREAD_IPC_BUFFER),
    ] {
        let source = slots.at(index)?;
        let cap = derive::derive(source, source.cap()).map_err(|_| BootError::Slots)?;
        derive::insert_derived(thread.slot_ptr(which), cap, source);
    }
    thread.ipc_buffer_address.set(state.ipc_buffer);
    thread.context.replace(Register::Rip, state.entry);
    thread.context.set(Register::Rdi, state.info_page);
    thread.priority.set(sel_abi::MAX_PRIO);
    thread.mcp.set(sel_abi::MAX_PRIO);
    let ticks = k.time.ticks(ROOT_BUDGET_US);
    let budget = Budget { budget: ticks, period: ticks, extra_refills: 0, badge: 0, sporadic: false };
    sched_context::configure(k, context, &budget);
    context.thread.set(Some(thread));
    thread.sched_context.set(Some(context));
    thread.state.set(ThreadState::Running);
    k.enqueue_head(thread);
    k.reschedule();
    Ok(())
}

fn describe(cap: &UntypedCap) -> UntypedDesc {
    UntypedDesc {
        paddr: cap.base.0,
        size_bits: cap.size_bits,
        is_device: u8::from(cap.device),
        padding: [0; 6],
    }
}
