//! The root of the page tables, the TLB, and the FS and GS bases: what changes from thread to thread besides registers.
use core::arch::asm;

use sel_abi::Register;
use x86_64::registers::segmentation::{FS, GS, Segment64};

use super::cpu::{self, Features};
use super::percpu;
use super::{msr, paging};
use crate::addr::PhysAddr;
use crate::arch::Context;

/// Switches to other page tables, if they are not those in use.
#[inline]
pub fn set_root(pml4: PhysAddr) {
    if percpu::this().root.replace(pml4.0) != pml4.0 {
        load_root(pml4.0);
    }
}

/// If these page tables are in use, the kernel's own take their place.
pub fn leave_root(pml4: PhysAddr) {
    if percpu::this().root.get() == pml4.0 {
        set_root(paging::kernel_root());
    }
}

/// Forgets the translation of one address.
#[inline]
pub fn flush_page(vaddr: u64) {
    // SAFETY: forgetting a translation only costs time.
    unsafe { asm!("invlpg [{}]", in(reg) vaddr, options(nostack, preserves_flags)) }
}

/// Forgets all translations but the kernel's own.
pub fn flush_all() {
    load_root(percpu::this().root.get());
}

#[inline]
fn load_root(root: u64) {
    // SAFETY: every root has the kernel's half, by `fill_kernel_half`.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) }
}

/// Saves the FS and GS bases of the thread that ran. Without FSGSBASE the kernel wrote them itself: the registers of the
/// thread are up to date.
#[inline]
pub fn save_bases(context: &Context) {
    if !cpu::has(Features::FSGSBASE) {
        return;
    }
    context.set(Register::FsBase, FS::read_base().as_u64());
    // SAFETY: interrupts are off and no code between the swaps uses GS; an NMI does not use it either.
    let user_gs = unsafe {
        GS::swap();
        let base = GS::read_base();
        GS::swap();
        base
    };
    context.set(Register::GsBase, user_gs.as_u64());
}

/// Loads the FS and GS bases of the thread that runs next.
#[inline]
pub fn load_bases(context: &Context) {
    let (fs, gs) = (context.get(Register::FsBase), context.get(Register::GsBase));
    if cpu::has(Features::FSGSBASE) {
        let [fs, gs] = [fs, gs].map(x86_64::VirtAddr::new_truncate);
        // SAFETY: the kernel does not use FS; GS as for `save_bases`.
        unsafe {
            FS::write_base(fs);
            GS::swap();
            GS::write_base(gs);
            GS::swap();
        }
    } else {
        // SAFETY: every processor with long mode has the registers, and the values are canonical, see `Context::replace`.
        unsafe {
            msr::write(msr::FS_BASE, fs);
            msr::write(msr::KERNEL_GS_BASE, gs);
        }
    }
}
