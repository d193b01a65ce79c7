//! Model-specific registers (SDM vol. 4).
use core::arch::asm;

/// Base and mode of the local APIC.
pub const APIC_BASE: u32 = 0x1b;
/// Deadline of the local APIC's timer in TSC ticks.
pub const TSC_DEADLINE: u32 = 0x6e0;
/// Memory types of the eight PAT indices.
pub const PAT: u32 = 0x277;
/// First register of an APIC in x2APIC mode.
pub const X2APIC: u32 = 0x800;
/// Extended features.
pub const EFER: u32 = 0xc000_0080;
/// Segments of SYSCALL and SYSRET.
pub const STAR: u32 = 0xc000_0081;
/// Entry point of SYSCALL.
pub const LSTAR: u32 = 0xc000_0082;
/// RFLAGS bits that SYSCALL clears.
pub const FMASK: u32 = 0xc000_0084;
/// FS base.
pub const FS_BASE: u32 = 0xc000_0100;
/// GS base.
pub const GS_BASE: u32 = 0xc000_0101;
/// What SWAPGS exchanges with the GS base: in the kernel, the user's.
pub const KERNEL_GS_BASE: u32 = 0xc000_0102;

/// Reads a register.
///
/// # Safety
/// The processor has the register.
#[inline]
pub unsafe fn read(msr: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise; reading has no other effect.
    unsafe {
        asm!("rdmsr", in("ecx") msr, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a register.
///
/// # Safety
/// The processor has the register, the value is legal, and what it changes keeps the kernel's assumptions.
#[inline]
pub unsafe fn write(msr: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: the caller's promise.
    unsafe { asm!("wrmsr", in("ecx") msr, in("eax") low, in("edx") high, options(nostack, preserves_flags)) }
}
