//! What the root task starts with (abi.md 8), as a safe view of the pages that the kernel wrote.
//!
//! The boot information page is a plain structure. The extra blocks behind it are bytes: a chain of blocks, each with
//! an identity and a length, unaligned. They are walked with every length checked.

mod extra;
#[cfg(test)]
pub(crate) mod tests;

pub use extra::{Block, Blocks, FrameBuffer, MemoryMap, MemoryRegion, Module, Modules};

use crate::abi::bootinfo::extra as id;
use crate::abi::bootinfo::{BootReport, UntypedDesc};
use crate::abi::{BootInfo, SlotRegion, Word};
use crate::cap::{Cap, SchedControl, Untyped};

/// The initial capabilities of the root task, typed (abi.md 8.1).
pub mod initial {
    use crate::abi::bootinfo::slot;
    use crate::cap::{
        AsidControl, AsidPool, CNode, Cap, Domain, IoPortControl, IrqControl, Page, SchedContext, Tcb, VSpace,
    };

    /// The root task's thread.
    pub const TCB: Cap<Tcb> = Cap::new(slot::INIT_THREAD_TCB);
    /// The root CNode.
    pub const CNODE: Cap<CNode> = Cap::new(slot::INIT_THREAD_CNODE);
    /// The root task's address space.
    pub const VSPACE: Cap<VSpace> = Cap::new(slot::INIT_THREAD_VSPACE);
    /// Interrupt control.
    pub const IRQ_CONTROL: Cap<IrqControl> = Cap::new(slot::IRQ_CONTROL);
    /// ASID control.
    pub const ASID_CONTROL: Cap<AsidControl> = Cap::new(slot::ASID_CONTROL);
    /// The first ASID pool.
    pub const ASID_POOL: Cap<AsidPool> = Cap::new(slot::INIT_THREAD_ASID_POOL);
    /// I/O port control.
    pub const IO_PORT_CONTROL: Cap<IoPortControl> = Cap::new(slot::IO_PORT_CONTROL);
    /// The frame of the boot information.
    pub const BOOT_INFO_FRAME: Cap<Page> = Cap::new(slot::BOOT_INFO_FRAME);
    /// The frame of the root task's IPC buffer.
    pub const IPC_BUFFER: Cap<Page> = Cap::new(slot::INIT_THREAD_IPC_BUFFER);
    /// Domain control.
    pub const DOMAIN: Cap<Domain> = Cap::new(slot::DOMAIN);
    /// The root task's scheduling context.
    pub const SCHED_CONTEXT: Cap<SchedContext> = Cap::new(slot::INIT_THREAD_SC);
}

/// Bytes from the boot information to the first extra block.
const EXTRA_OFFSET: usize = 4096;

/// The boot information and the extra blocks behind it.
#[derive(Clone, Copy)]
pub struct BootInfoView<'a> {
    info: &'a BootInfo,
    extra: &'a [u8],
}

impl<'a> BootInfoView<'a> {
    /// A view of boot information that lies elsewhere than where the kernel puts it.
    pub const fn from_parts(info: &'a BootInfo, extra: &'a [u8]) -> Self {
        BootInfoView { info, extra }
    }

    /// A view of what the kernel left at `info`, the value of `rdi` at the root task's entry.
    ///
    /// # Safety
    /// `info` is that address, and the pages stay mapped and unchanged for `'a`.
    pub(crate) unsafe fn from_kernel(info: *const BootInfo) -> Self {
        // SAFETY: the caller's promise; the kernel wrote a whole structure.
        let info = unsafe { &*info };
        let extra = core::ptr::from_ref(info).cast::<u8>().wrapping_add(EXTRA_OFFSET);
        // SAFETY: the extra blocks start one page later, with `extra_len` bytes mapped (abi.md 8.3).
        let extra = unsafe { core::slice::from_raw_parts(extra, info.extra_len as usize) };
        BootInfoView { info, extra }
    }

    /// The structure itself.
    pub const fn raw(&self) -> &'a BootInfo {
        self.info
    }

    /// The slots that are still empty.
    pub const fn empty(&self) -> SlotRegion {
        self.info.empty
    }

    /// Every untyped capability with what it covers.
    pub fn untypeds(&self) -> impl Iterator<Item = (Cap<Untyped>, UntypedDesc)> + use<'a> {
        let SlotRegion { start, end } = self.info.untyped;
        (start..end).zip(&self.info.untyped_list).map(|(slot, desc)| (Cap::new(slot), *desc))
    }

    /// The scheduling control capability of a core.
    pub fn sched_control(&self, core: Word) -> Option<Cap<SchedControl>> {
        let SlotRegion { start, end } = self.info.sched_control;
        let slot = start.checked_add(core)?;
        (slot < end).then(|| Cap::new(slot))
    }

    /// The extra blocks.
    pub fn blocks(&self) -> Blocks<'a> {
        Blocks::new(self.extra)
    }

    /// The contents of the first extra block with this identity ([`crate::abi::bootinfo::extra`]).
    pub fn block(&self, id: Word) -> Option<&'a [u8]> {
        self.blocks().find(|block| block.id == id).map(|block| block.content)
    }

    /// The boot modules beside the root task; none on a kernel that does not tell.
    pub fn modules(&self) -> Modules<'a> {
        Modules::new(self.block(id::SELKIE_MODULES).unwrap_or_default())
    }

    /// The kernel's command line, if it tells and is UTF-8.
    pub fn command_line(&self) -> Option<&'a str> {
        core::str::from_utf8(self.block(id::SELKIE_COMMAND_LINE)?).ok()
    }

    /// The kernel's figures of the boot, if it tells.
    pub fn boot_report(&self) -> Option<BootReport> {
        extra::boot_report(self.block(id::SELKIE_BOOT_REPORT)?)
    }

    /// The untyped capability to the kernel's ring of events ([`crate::trace`]), if the kernel traces.
    pub fn trace_ring(&self) -> Option<(Cap<Untyped>, UntypedDesc)> {
        let report = self.boot_report().filter(|report| report.trace_bytes != 0)?;
        self.untypeds().find(|(_, desc)| desc.is_device != 0 && desc.paddr == report.trace_paddr)
    }

    /// TSC ticks per microsecond.
    pub fn tsc_mhz(&self) -> Option<u32> {
        extra::word32(self.block(id::X86_TSC_FREQ)?, 0)
    }

    /// The firmware's memory map.
    pub fn memory_map(&self) -> MemoryMap<'a> {
        MemoryMap::new(self.block(id::X86_MBMMAP).unwrap_or_default())
    }

    /// The ACPI root pointer, a copy of its 36 bytes.
    pub fn rsdp(&self) -> Option<&'a [u8]> {
        self.block(id::X86_ACPI_RSDP)?.get(..36)
    }

    /// The framebuffer, if the boot loader set one up.
    pub fn framebuffer(&self) -> Option<FrameBuffer> {
        FrameBuffer::decode(self.block(id::X86_FRAMEBUFFER)?)
    }
}
