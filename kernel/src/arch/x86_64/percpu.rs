//! What each core has for itself: found through GS in the kernel, by one accessor.
use core::arch::asm;
use core::cell::Cell;
use core::mem::offset_of;

use super::gdt::Segments;
use super::msr;
use super::stack::STACKS;
use crate::arch::tags::Tags;
#[cfg(feature = "trace")]
use crate::trace::Ring;

/// Cores that the kernel has room for.
pub const MAX_CORES: usize = 1;

/// A core's own block. Entry code uses its fields by their offsets.
#[repr(C)]
pub struct PerCpu {
    /// Address of the block itself.
    this: Cell<u64>,
    /// Address of the FS base in the registers of the running thread: entry code pushes the others below it.
    pub(super) context: Cell<u64>,
    /// Where the kernel's stack starts: it is empty at every entry.
    pub(super) stack_top: Cell<u64>,
    /// The user's stack pointer, for a moment during entry.
    pub(super) user_rsp: Cell<u64>,
    /// Vectors that were raised while the core was in the kernel, one bit each.
    pub(super) pending: [Cell<u64>; 4],
    /// The address space in use, and what the TLB may hold.
    pub(super) tags: Tags,
    /// The FPU may be used: CR0.TS is clear.
    pub(super) fpu_on: Cell<bool>,
    /// TSC ticks that the timer's interrupt came late when the core slept.
    pub(super) lateness: Cell<u64>,
    segments: Segments,
    #[cfg(feature = "trace")]
    trace: Ring,
}

// SAFETY: a core reaches only its own block, and does so with interrupts off; an interrupt that hits in one of the
// short windows where they are on only sets bits of `pending`, which is read after the window is closed.
unsafe impl Sync for PerCpu {}

impl PerCpu {
    const fn new() -> Self {
        PerCpu {
            this: Cell::new(0),
            context: Cell::new(0),
            stack_top: Cell::new(0),
            user_rsp: Cell::new(0),
            pending: [const { Cell::new(0) }; 4],
            tags: Tags::new(),
            fpu_on: Cell::new(true),
            lateness: Cell::new(0),
            segments: Segments::new(),
            #[cfg(feature = "trace")]
            trace: Ring::new(),
        }
    }
}

static CORES: [PerCpu; MAX_CORES] = [const { PerCpu::new() }; MAX_CORES];

/// The block of this core.
#[inline(always)]
pub fn this() -> &'static PerCpu {
    let block: u64;
    // SAFETY: `init` ran before anything that asks for the block, and entry code swaps GS back on each way in; so GS
    // is the base of a block that starts with its own address, which never changes, and blocks are statics.
    unsafe {
        asm!(
            "mov {}, gs:[{}]", out(reg) block, const offset_of!(PerCpu, this),
            options(pure, nomem, nostack, preserves_flags),
        );
        &*core::ptr::with_exposed_provenance(block as usize)
    }
}

/// Passes this core's ring of events.
#[cfg(feature = "trace")]
#[inline(always)]
pub fn with_trace_ring<R>(f: impl FnOnce(&Ring) -> R) -> R {
    f(&this().trace)
}

/// Gives the boot core its block, segments and exception stacks.
pub fn init() {
    let ([core], [stacks]) = (&CORES, &STACKS);
    let stack_tops = stacks.ranges().map(|range| range.end);
    core.this.set(core::ptr::from_ref(core).expose_provenance() as u64);
    core.stack_top.set(stack_tops[0]);
    core.segments.load(stack_tops);
    // SAFETY: every processor with long mode has both registers; from here on GS names this core's block.
    unsafe {
        msr::write(msr::GS_BASE, core.this.get());
        msr::write(msr::KERNEL_GS_BASE, 0);
    }
}
