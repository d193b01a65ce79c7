//! What the root task starts with (abi.md 8).
use crate::Word;

/// Slots of the initial CSpace (abi.md 8.1).
pub mod slot {
    /// Always empty.
    pub const NULL: u64 = 0;
    /// The root task's thread.
    pub const INIT_THREAD_TCB: u64 = 1;
    /// The root CNode itself.
    pub const INIT_THREAD_CNODE: u64 = 2;
    /// The root task's address space, ASID 1.
    pub const INIT_THREAD_VSPACE: u64 = 3;
    /// Interrupt control.
    pub const IRQ_CONTROL: u64 = 4;
    /// ASID control.
    pub const ASID_CONTROL: u64 = 5;
    /// ASID pool 0.
    pub const INIT_THREAD_ASID_POOL: u64 = 6;
    /// I/O port control.
    pub const IO_PORT_CONTROL: u64 = 7;
    /// IOMMU master capability; empty without one.
    pub const IO_SPACE: u64 = 8;
    /// The frame of [`super::BootInfo`].
    pub const BOOT_INFO_FRAME: u64 = 9;
    /// The frame of the root task's IPC buffer.
    pub const INIT_THREAD_IPC_BUFFER: u64 = 10;
    /// Domain control.
    pub const DOMAIN: u64 = 11;
    /// The root task's scheduling context.
    pub const INIT_THREAD_SC: u64 = 14;
    /// First slot that depends on the machine.
    pub const FIRST_DYNAMIC: u64 = 16;
}

/// Length of the untyped list.
pub const MAX_BOOTINFO_UNTYPEDS: usize = 230;

/// A range of slots, `end` exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SlotRegion {
    /// First slot.
    pub start: Word,
    /// One past the last slot.
    pub end: Word,
}

/// One untyped capability: entry i describes slot `untyped.start + i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UntypedDesc {
    /// Physical address.
    pub paddr: Word,
    /// log2 of the size in bytes.
    pub size_bits: u8,
    /// 1 for device memory.
    pub is_device: u8,
    /// Zero.
    pub padding: [u8; 6],
}

/// The boot information page; its address is in `rdi` when the root task starts (abi.md 8.2).
#[derive(Clone, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// Total bytes of the extra blocks, which start 4096 bytes after this structure.
    pub extra_len: Word,
    /// Boot core.
    pub node_id: Word,
    /// Cores that run.
    pub num_nodes: Word,
    /// IOMMU levels, -1 without one.
    pub num_iopt_levels: i64,
    /// Virtual address of the IPC buffer.
    pub ipc_buffer: Word,
    /// Empty slots of the root CNode.
    pub empty: SlotRegion,
    /// Always empty.
    pub shared_frames: SlotRegion,
    /// Frames of the root task's image, ascending.
    pub user_image_frames: SlotRegion,
    /// Paging structures of the root task: PDPTs, page directories, page tables.
    pub user_image_paging: SlotRegion,
    /// Always empty.
    pub io_space_caps: SlotRegion,
    /// Frames of the extra blocks.
    pub extra_bi_pages: SlotRegion,
    /// log2 of the slots of the root CNode.
    pub init_thread_cnode_size_bits: Word,
    /// Domain of the root task.
    pub init_thread_domain: Word,
    /// SchedControl capabilities, one per core.
    pub sched_control: SlotRegion,
    /// Untyped capabilities.
    pub untyped: SlotRegion,
    /// What each of them covers.
    pub untyped_list: [UntypedDesc; MAX_BOOTINFO_UNTYPEDS],
}

const _: () = assert!(size_of::<UntypedDesc>() == 16);
const _: () = assert!(core::mem::offset_of!(BootInfo, untyped_list) == 184);
const _: () = assert!(size_of::<BootInfo>() == 184 + 16 * MAX_BOOTINFO_UNTYPEDS);

/// Header of an extra block (abi.md 8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ExtraHeader {
    /// What the block is.
    pub id: Word,
    /// Bytes of the block, header included.
    pub len: Word,
}

/// Ids of the extra blocks (abi.md 8.3, and two of our own that other clients skip).
pub mod extra {
    /// To be skipped.
    pub const PADDING: u64 = 0;
    /// VBE information.
    pub const X86_VBE: u64 = 1;
    /// Memory map in the multiboot format.
    pub const X86_MBMMAP: u64 = 2;
    /// ACPI root pointer.
    pub const X86_ACPI_RSDP: u64 = 3;
    /// Framebuffer.
    pub const X86_FRAMEBUFFER: u64 = 4;
    /// TSC frequency in MHz.
    pub const X86_TSC_FREQ: u64 = 5;
    /// Selkie's own: boot modules, an array of [`super::BootModule`] after the header.
    pub const SELKIE_MODULES: u64 = 0x5e1c_1e01;
    /// Selkie's own: the kernel command line, UTF-8, after the header, without a NUL.
    pub const SELKIE_COMMAND_LINE: u64 = 0x5e1c_1e02;
    /// Selkie's own: [`super::BootReport`] after the header.
    pub const SELKIE_BOOT_REPORT: u64 = 0x5e1c_1e03;
}

/// Bytes of a module's string, NUL-padded.
pub const MODULE_STRING_BYTES: usize = 112;

/// A further boot module. Its pages, `paddr .. paddr + round_up(size, 4096)`, lie in device untypeds, which may cover more
/// than one module.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootModule {
    /// Physical address, page aligned.
    pub paddr: Word,
    /// Bytes.
    pub size: Word,
    /// The module's string from `limine.conf`, NUL-padded.
    pub string: [u8; MODULE_STRING_BYTES],
}

const _: () = assert!(size_of::<BootModule>() == 128);

/// Figures of the boot that only the kernel knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BootReport {
    /// RAM of the machine in bytes.
    pub ram_bytes: Word,
    /// RAM handed out as untypeds, in bytes.
    pub untyped_bytes: Word,
    /// Bytes that the kernel keeps: image, page tables, symbols.
    pub kernel_bytes: Word,
    /// Bytes of the root task's image and objects.
    pub root_task_bytes: Word,
    /// TSC ticks from kernel entry to the root task's first instruction.
    pub boot_ticks: Word,
    /// TSC frequency in Hz.
    pub tsc_hz: Word,
    /// 1 if the kernel has debug calls (abi.md 2.4), else 0.
    pub debug_calls: Word,
    /// Physical address of the boot core's ring of events ([`crate::trace`]), which has a device untyped of its own; 0
    /// if the kernel does not trace.
    pub trace_paddr: Word,
    /// Bytes of that ring.
    pub trace_bytes: Word,
}
