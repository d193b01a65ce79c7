//! The local APIC, through memory (xAPIC) or model-specific registers (x2APIC) (SDM vol. 3, 11).
use core::sync::atomic::{AtomicU64, Ordering};

use super::cpu::{self, Features};
use super::idt;
use super::msr;
use super::paging::{self, PagingError};
use crate::arch::TIMER_VECTOR;

/// A register, as its offset in the page of xAPIC mode.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Register {
    /// Number of this APIC.
    Id = 0x20,
    /// Version and number of local vectors.
    Version = 0x30,
    /// Priority below which no interrupt is delivered.
    TaskPriority = 0x80,
    /// End of interrupt.
    EndOfInterrupt = 0xb0,
    /// Spurious vector, and the switch that enables the APIC.
    Spurious = 0xf0,
    /// Local vector: thermal sensor.
    Thermal = 0x330,
    /// Local vector: performance counters.
    Performance = 0x340,
    /// Local vector: timer.
    Timer = 0x320,
    /// Local vector: pin 0.
    Pin0 = 0x350,
    /// Local vector: pin 1.
    Pin1 = 0x360,
    /// Local vector: errors.
    Error = 0x370,
    /// Timer: where it starts; writing starts it.
    InitialCount = 0x380,
    /// Timer: where it is.
    CurrentCount = 0x390,
    /// Timer: divider of its clock.
    Divide = 0x3e0,
}

const MASKED: u32 = 1 << 16;
const DELIVER_NMI: u32 = 4 << 8;
const TIMER_TSC_DEADLINE: u32 = 2 << 17;
const DIVIDE_BY_1: u32 = 0b1011;
const ENABLE: u32 = 1 << 8;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_X2APIC: u64 = 1 << 10;
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Virtual address of the registers; 0 in x2APIC mode.
static REGISTERS: AtomicU64 = AtomicU64::new(0);

/// Reads a register.
#[inline]
pub fn read(register: Register) -> u32 {
    let base = REGISTERS.load(Ordering::Relaxed);
    if base == 0 {
        // SAFETY: in x2APIC mode, each of these registers has an MSR.
        return unsafe { msr::read(msr::X2APIC + (register as u32 >> 4)) } as u32;
    }
    let address = base + u64::from(register as u32);
    // SAFETY: `init` mapped the page of registers; they may only be accessed by volatile 32-bit reads and writes.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

/// Writes a register.
#[inline]
pub fn write(register: Register, value: u32) {
    let base = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: as for `read`; interrupts that the APIC raises are what the kernel is prepared for.
    unsafe {
        if base == 0 {
            msr::write(msr::X2APIC + (register as u32 >> 4), u64::from(value));
        } else {
            let address = base + u64::from(register as u32);
            core::ptr::with_exposed_provenance_mut::<u32>(address as usize).write_volatile(value);
        }
    }
}

/// Where the registers are in physical memory.
pub fn paddr() -> u64 {
    // SAFETY: every processor with long mode has an APIC and this register.
    unsafe { msr::read(msr::APIC_BASE) & BASE_ADDRESS }
}

/// True in x2APIC mode.
pub fn is_x2apic() -> bool {
    REGISTERS.load(Ordering::Relaxed) == 0
}

/// Number of this core's APIC.
pub fn id() -> u32 {
    let id = read(Register::Id);
    if is_x2apic() { id } else { id >> 24 }
}

/// Enables the APIC with all of its own interrupts masked, but for NMI at pin 1.
pub fn init() -> Result<(), PagingError> {
    let x2apic = cpu::has(Features::X2APIC);
    if !x2apic {
        REGISTERS.store(paging::map_device(paddr())?, Ordering::Relaxed);
    }
    // SAFETY: the register exists; the mode is one that the processor has and can be switched to from the others: x2APIC
    // is only ever switched on.
    unsafe {
        let base = msr::read(msr::APIC_BASE) | BASE_ENABLE;
        msr::write(msr::APIC_BASE, base);
        if x2apic {
            msr::write(msr::APIC_BASE, base | BASE_X2APIC);
        }
    }
    write(Register::TaskPriority, 0);
    write(Register::Spurious, ENABLE | idt::SPURIOUS as u32);
    let local_vectors = (read(Register::Version) >> 16 & 0xff) + 1;
    write(Register::Timer, MASKED | u32::from(TIMER_VECTOR));
    write(Register::Pin0, MASKED);
    write(Register::Pin1, DELIVER_NMI);
    write(Register::Error, MASKED);
    if local_vectors > 4 {
        write(Register::Performance, MASKED);
    }
    if local_vectors > 5 {
        write(Register::Thermal, MASKED);
    }
    write(Register::Divide, DIVIDE_BY_1);
    Ok(())
}

/// Lets the timer raise its vector: at a TSC deadline, or when it has counted down once.
pub fn enable_timer(tsc_deadline: bool) {
    let mode = if tsc_deadline { TIMER_TSC_DEADLINE } else { 0 };
    write(Register::Timer, mode | u32::from(TIMER_VECTOR));
}

/// Ends the interrupt with the highest vector of those that were delivered.
#[inline]
pub fn end_of_interrupt() {
    write(Register::EndOfInterrupt, 0);
}
