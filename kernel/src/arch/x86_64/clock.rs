//! Clocks of a known frequency, against which the TSC and the local APIC's timer are measured.
use super::paging::{self, PagingError};
use super::port::{port_read, port_write};
use super::timer::now;
use crate::boot::acpi::{Platform, PmTimer};

/// A clock that counts up.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The TSC itself, whose frequency was told.
    Tsc {
        /// Ticks of a second.
        hz: u64,
    },
    /// High precision event timer (IA-PC HPET specification 1.0a).
    Hpet {
        /// Address of its registers.
        registers: u64,
        /// Femtoseconds of a count.
        period_fs: u64,
        /// Bits of its counter.
        bits: u32,
    },
    /// ACPI power management timer.
    PmTimer(PmTimer),
    /// Channel 2 of the interval timer (8254).
    Pit,
}

const HPET_CAPABILITIES: u64 = 0x00;
const HPET_CONFIGURATION: u64 = 0x10;
const HPET_COUNTER: u64 = 0xf0;
const HPET_ENABLE: u64 = 1;
/// Longest period that the specification allows: 100 ns.
const HPET_MAX_PERIOD_FS: u64 = 100_000_000;

const PM_TIMER_HZ: u64 = 3_579_545;
const PIT_HZ: u64 = 1_193_182;
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
/// Channel 2, both bytes, mode 2 (counts down and starts again), binary.
const PIT_FREE_RUNNING: u32 = 0b1011_0100;
const PIT_LATCH_CHANNEL_2: u32 = 0b1000_0000;
const SPEAKER: u16 = 0x61;
const SPEAKER_GATE: u32 = 1;
const SPEAKER_SOUND: u32 = 2;

impl Clock {
    /// The clocks of this machine, best first. `tsc_hz`: the frequency of the TSC, if it was told.
    pub fn all(platform: &Platform, tsc_hz: Option<u64>) -> impl Iterator<Item = Clock> {
        let tsc = tsc_hz.map(|hz| Clock::Tsc { hz });
        let hpet = platform.hpet.and_then(|paddr| Self::hpet(paddr).ok().flatten());
        let pm_timer = platform.pm_timer.map(Clock::PmTimer);
        [tsc, hpet, pm_timer, Some(Clock::Pit)].into_iter().flatten()
    }

    fn hpet(paddr: u64) -> Result<Option<Clock>, PagingError> {
        const PERIOD_SHIFT: u32 = 32;
        const COUNTER_IS_64_BITS: u64 = 1 << 13;
        let registers = paging::map_device(paddr)?;
        let capabilities = read_hpet(registers, HPET_CAPABILITIES);
        let period_fs = capabilities >> PERIOD_SHIFT;
        let bits = if capabilities & COUNTER_IS_64_BITS != 0 { 64 } else { 32 };
        Ok((1..=HPET_MAX_PERIOD_FS).contains(&period_fs).then_some(Clock::Hpet {
            registers,
            period_fs,
            bits,
        }))
    }

    /// Name for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Clock::Tsc { .. } => "by CPUID",
            Clock::Hpet { .. } => "HPET",
            Clock::PmTimer(_) => "ACPI timer",
            Clock::Pit => "PIT",
        }
    }

    /// Counts of a second: numerator and denominator.
    pub fn frequency(&self) -> (u64, u64) {
        match self {
            Clock::Tsc { hz } => (*hz, 1),
            Clock::Hpet { period_fs, .. } => (1_000_000_000_000_000, *period_fs),
            Clock::PmTimer(_) => (PM_TIMER_HZ, 1),
            Clock::Pit => (PIT_HZ, 1),
        }
    }

    /// Counts from `start` to `end`; the clock may have wrapped around once.
    pub fn elapsed(&self, start: u64, end: u64) -> u64 {
        let bits = match self {
            Clock::Tsc { .. } => 64,
            Clock::Hpet { bits, .. } => *bits,
            Clock::PmTimer(timer) => timer.bits,
            Clock::Pit => 16,
        };
        end.wrapping_sub(start) & (u64::MAX >> (64 - bits))
    }

    /// Where the clock is.
    pub fn read(&self) -> u64 {
        match self {
            Clock::Tsc { .. } => now(),
            Clock::Hpet { registers, .. } => read_hpet(*registers, HPET_COUNTER),
            Clock::PmTimer(timer) => u64::from(port_read(timer.port, 4)),
            Clock::Pit => {
                port_write(PIT_COMMAND, 1, PIT_LATCH_CHANNEL_2);
                let low = port_read(PIT_CHANNEL_2, 1);
                let high = port_read(PIT_CHANNEL_2, 1);
                u64::from(0u32.wrapping_sub(high << 8 | low))
            }
        }
    }

    /// Runs `work` while the clock counts, and leaves it as it was found.
    pub fn while_running<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Clock::Hpet { registers, .. } => {
                let before = read_hpet(*registers, HPET_CONFIGURATION);
                write_hpet(*registers, HPET_CONFIGURATION, before | HPET_ENABLE);
                let result = work();
                write_hpet(*registers, HPET_CONFIGURATION, before);
                result
            }
            Clock::Tsc { .. } | Clock::PmTimer(_) => work(),
            Clock::Pit => {
                let before = port_read(SPEAKER, 1);
                port_write(SPEAKER, 1, (before & !SPEAKER_SOUND) | SPEAKER_GATE);
                port_write(PIT_COMMAND, 1, PIT_FREE_RUNNING);
                // 0 counts as 65536.
                port_write(PIT_CHANNEL_2, 1, 0);
                port_write(PIT_CHANNEL_2, 1, 0);
                let result = work();
                port_write(SPEAKER, 1, before);
                result
            }
        }
    }
}

fn read_hpet(registers: u64, offset: u64) -> u64 {
    let register = core::ptr::with_exposed_provenance::<u64>((registers + offset) as usize);
    // SAFETY: `Clock::hpet` mapped the page of registers.
    unsafe { register.read_volatile() }
}

fn write_hpet(registers: u64, offset: u64, value: u64) {
    let register = core::ptr::with_exposed_provenance_mut::<u64>((registers + offset) as usize);
    // SAFETY: as for `read_hpet`; starting and stopping the counter affects nothing but itself.
    unsafe { register.write_volatile(value) }
}
