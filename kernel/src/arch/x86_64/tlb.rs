//! The root of the page tables, the TLB, and the FS and GS bases: what changes from thread to thread besides registers.
use core::arch::asm;

use sel_abi::Register;
use x86_64::registers::segmentation::{FS, GS, Segment64};

use super::cpu::{self, Features};
use super::percpu;
use super::{msr, paging};
use crate::arch::Context;
use crate::arch::tags::{AddressSpace, Invalidation};

/// Switches to another address space, if it is not the one in use.
#[inline]
pub fn set_address_space(space: AddressSpace) {
    if let Some(value) = percpu::this().tags.switch(space) {
        load_root(value);
    }
}

/// An address space is no longer one: if it is in use, the kernel's own takes its place, and nothing of it stays in the
/// TLB.
pub fn forget_address_space(asid: u16) {
    let tags = &percpu::this().tags;
    if tags.asid() == asid {
        set_address_space(paging::kernel_space());
    }
    // It is not in use now. Without tags nothing of it was kept when it was left.
    let _ = tags.changed(asid);
}

/// As [`forget_address_space`] for all 512 of a pool, of which `first` is the first number.
pub fn forget_pool(first: u16) {
    let tags = &percpu::this().tags;
    if tags.asid() & !511 == first && tags.asid() != 0 {
        set_address_space(paging::kernel_space());
    }
    tags.forget_pool(first);
}

/// Something was unmapped at an address of an address space, or its rights were changed.
#[inline]
pub fn flush_page(asid: u16, vaddr: u64) {
    if percpu::this().tags.changed(asid) == Invalidation::Now {
        forget_page(vaddr);
    }
}

/// A table was unmapped in an address space.
pub fn flush_all(asid: u16) {
    let tags = &percpu::this().tags;
    if tags.changed(asid) == Invalidation::Now {
        load_root(tags.reload());
    }
}

/// Forgets what is known of one address under the current tag, and of the kernel's.
#[inline]
pub(super) fn forget_page(vaddr: u64) {
    // SAFETY: forgetting a translation only costs time.
    unsafe { asm!("invlpg [{}]", in(reg) vaddr, options(nostack, preserves_flags)) }
}

/// Writes all caches back and empties them.
pub fn flush_caches() {
    // SAFETY: only time is lost.
    unsafe { asm!("wbinvd", options(nostack, preserves_flags)) }
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
