//! The x87 and SSE registers of threads (SDM vol. 1, 13; abi.md 9.10). The kernel itself uses none of them.
use core::arch::asm;
use core::cell::UnsafeCell;

use super::cpu::{self, Features};
use super::percpu;

/// Bytes of the XSAVE area for x87 and SSE: 512 of FXSAVE, 64 of header.
const STATE_BYTES: usize = 576;
/// Bytes with AVX: 256 more.
pub const LARGEST_STATE: usize = 832;
/// State components x87, SSE and AVX; XCR0 says which of them there are.
const COMPONENTS: u32 = 7;
/// x87 control word after reset of a process: all exceptions masked.
const CONTROL_WORD: u16 = 0x37f;
const CONTROL_WORD_AT: usize = 0;
/// SSE control and status: all exceptions masked.
const MXCSR: u32 = 0x1f80;
const MXCSR_AT: usize = 24;

/// Room for a thread's FPU registers.
#[repr(C, align(64))]
pub struct FpuState(UnsafeCell<[u8; STATE_BYTES]>);

/// Makes zeroed memory the state of a new thread: the header says that all components are in their initial state, and
/// these two are read nevertheless.
pub fn fpu_init(state: &FpuState) {
    let area = state.0.get();
    // SAFETY: 1. Both values lie inside of the area, which is aligned to 64 bytes. 2. No reference to the bytes exists
    // anywhere: they are only reached through this file's functions.
    unsafe {
        area.byte_add(CONTROL_WORD_AT).cast::<u16>().write(CONTROL_WORD);
        area.byte_add(MXCSR_AT).cast::<u32>().write(MXCSR);
    }
}

/// Saves the registers.
pub fn fpu_save(state: &FpuState) {
    let area = state.0.get();
    // SAFETY: 1. The area is large and aligned enough for these components. 2. CR0.TS is clear, see `fpu_enable`.
    unsafe {
        if cpu::has(Features::XSAVE) {
            asm!("xsave64 [{}]", in(reg) area, in("eax") COMPONENTS, in("edx") 0, options(nostack, preserves_flags));
        } else {
            asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags));
        }
    }
}

/// Saves the registers, if they are somebody's, and loads others.
#[inline(always)]
pub fn fpu_switch(from: Option<&FpuState>, to: &FpuState) {
    let (from, to) = (from.map(|state| state.0.get()), to.0.get());
    // SAFETY: as for `fpu_save`; and the area `to` was filled by `fpu_init` or `fpu_save`, so that its contents are legal.
    unsafe {
        if cpu::has(Features::XSAVE) {
            if let Some(from) = from {
                asm!("xsave64 [{}]", in(reg) from, in("eax") COMPONENTS, in("edx") 0, options(nostack, preserves_flags));
            }
            asm!("xrstor64 [{}]", in(reg) to, in("eax") COMPONENTS, in("edx") 0, options(nostack, preserves_flags));
        } else {
            if let Some(from) = from {
                asm!("fxsave64 [{}]", in(reg) from, options(nostack, preserves_flags));
            }
            asm!("fxrstor64 [{}]", in(reg) to, options(nostack, preserves_flags));
        }
    }
}

/// Allows or refuses the use of the FPU: while it is off, a use raises exception 7.
#[inline(always)]
pub fn fpu_enable(on: bool) {
    let is_on = &percpu::this().fpu_on;
    if is_on.get() != on {
        is_on.set(on);
        set_task_switched(!on);
    }
}

#[inline]
fn set_task_switched(set: bool) {
    const TASK_SWITCHED: u64 = 1 << 3;
    // SAFETY: only the availability of the FPU changes, which the kernel does not use.
    unsafe {
        if !set {
            asm!("clts", options(nomem, nostack, preserves_flags));
        } else {
            asm!(
                "mov {0}, cr0",
                "or {0}, {1}",
                "mov cr0, {0}",
                out(reg) _,
                const TASK_SWITCHED,
                options(nomem, nostack),
            );
        }
    }
}
