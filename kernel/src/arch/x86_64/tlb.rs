//! The root of the page tables, the TLB, and the FS and GS bases: what changes from thread to thread besides registers.
use core::arch::asm;

use sel_abi::Register;

use super::cpu::{self, Features};
use super::percpu;
use super::{msr, paging};
use crate::arch::Context;
use crate::arch::tags::{AddressSpace, Invalidation};

/// The address space in use.
#[inline]
pub fn address_space() -> AddressSpace {
    percpu::this().tags.loaded()
}

/// Switches to another address space, if it is not the one in use.
#[inline]
pub fn set_address_space(space: AddressSpace) {
    if address_space() != space {
        load_address_space(space);
    }
}

/// Loads the root of an address space that is not in use.
#[inline(always)]
pub fn load_address_space(space: AddressSpace) {
    load_root(percpu::this().tags.switch(space));
}

/// An address space is no longer one: if it is in use, the kernel's own takes its place, and nothing of it stays in the
/// TLB.
pub fn forget_address_space(asid: u16) {
    let tags = &percpu::this().tags;
    if tags.loaded().asid() == asid {
        set_address_space(paging::kernel_space());
    }
    // It is not in use now. Without tags nothing of it was kept when it was left.
    let _ = tags.changed(asid);
}

/// As [`forget_address_space`] for all 512 of a pool, of which `first` is the first number.
pub fn forget_pool(first: u16) {
    let tags = &percpu::this().tags;
    let asid = tags.loaded().asid();
    if asid & !511 == first && asid != 0 {
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
    if cpu::has(Features::FSGSBASE) {
        read_bases(context);
    }
}

/// Loads the FS and GS bases of the thread that runs next.
#[inline]
pub fn load_bases(context: &Context) {
    if cpu::has(Features::FSGSBASE) {
        write_bases(context);
    } else {
        write_bases_slowly(context);
    }
}

/// Saves the FS and GS bases of the thread that ran, and loads those of the one that runs next.
#[inline(always)]
pub fn switch_bases(from: &Context, to: &Context) {
    if cpu::has(Features::FSGSBASE) {
        exchange_bases(from, to);
    } else {
        write_bases_slowly(to);
    }
}

#[inline(always)]
fn exchange_bases(from: &Context, to: &Context) {
    let (old_fs, old_gs): (u64, u64);
    // SAFETY: as for `read_bases` and `write_bases`.
    unsafe {
        asm!(
            "rdfsbase {old_fs}", "wrfsbase {fs}", "swapgs", "rdgsbase {old_gs}", "wrgsbase {gs}", "swapgs",
            old_fs = out(reg) old_fs, old_gs = out(reg) old_gs,
            fs = in(reg) to.get(Register::FsBase), gs = in(reg) to.get(Register::GsBase),
            options(nomem, nostack, preserves_flags),
        );
    }
    from.set(Register::FsBase, old_fs);
    from.set(Register::GsBase, old_gs);
}

#[inline(always)]
fn read_bases(context: &Context) {
    let (fs, gs): (u64, u64);
    // SAFETY: 1. The processor has FSGSBASE, see the callers. 2. Interrupts are off and no code between the swaps uses GS;
    // an NMI does not use it either.
    unsafe {
        asm!(
            "rdfsbase {fs}", "swapgs", "rdgsbase {gs}", "swapgs",
            fs = out(reg) fs, gs = out(reg) gs, options(nomem, nostack, preserves_flags),
        );
    }
    context.set(Register::FsBase, fs);
    context.set(Register::GsBase, gs);
}

#[inline(always)]
fn write_bases(context: &Context) {
    let (fs, gs) = (context.get(Register::FsBase), context.get(Register::GsBase));
    // SAFETY: as for `read_bases`; the kernel does not use FS, and the values are canonical, see `Context::replace`.
    unsafe {
        asm!(
            "wrfsbase {fs}", "swapgs", "wrgsbase {gs}", "swapgs",
            fs = in(reg) fs, gs = in(reg) gs, options(nomem, nostack, preserves_flags),
        );
    }
}

#[inline]
fn write_bases_slowly(context: &Context) {
    // SAFETY: every processor with long mode has the registers; the values are canonical, see `Context::replace`.
    unsafe {
        msr::write(msr::FS_BASE, context.get(Register::FsBase));
        msr::write(msr::KERNEL_GS_BASE, context.get(Register::GsBase));
    }
}
