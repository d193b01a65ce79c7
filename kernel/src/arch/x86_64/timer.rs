//! Time: the TSC as clock, the local APIC's timer as alarm.
use core::arch::x86_64::_rdtsc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;

use super::apic::{self, Register};
use super::clock::Clock;
use super::cpu::{self, Features};
use super::msr;
use super::ratio::{AlarmRatio, Ratio};
use crate::boot::acpi::Platform;

/// Frequencies that a TSC may have; others are measurements or reports gone wrong.
const PLAUSIBLE_HZ: core::ops::RangeInclusive<u64> = 50_000_000..=20_000_000_000;
/// Measurements, of which the best counts.
const ROUNDS: usize = 3;
/// A measurement takes this part of a second: 10 ms.
const PARTS_OF_SECOND: u64 = 100;
/// Looks at two clocks, of which the one with the shortest gap counts.
const LOOKS: usize = 8;
/// TSC ticks until a clock that does not move is given up: a second or more.
const PATIENCE: u64 = 1 << 32;

static TSC_HZ: AtomicU64 = AtomicU64::new(0);
/// Counts of the local APIC's timer for each TSC tick; empty if the timer takes TSC deadlines.
static COUNTS_PER_TICK: Once<AlarmRatio> = Once::new();

/// What was found out, for the boot report.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    tsc_hz: u64,
    source: &'static str,
    /// Frequency of the local APIC's timer; None if it takes TSC deadlines.
    apic_hz: Option<u64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TSC {}.{:03} MHz ({})",
            self.tsc_hz / 1_000_000,
            self.tsc_hz / 1_000 % 1_000,
            self.source
        )?;
        match self.apic_hz {
            Some(hz) => write!(f, ", local APIC counts at {}.{:03} MHz", hz / 1_000_000, hz / 1_000 % 1_000),
            None => write!(f, ", local APIC takes TSC deadlines"),
        }
    }
}

/// There is no way to find out how fast time passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoClock;

impl fmt::Display for NoClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no working clock: neither CPUID, HPET, ACPI timer nor PIT tell how fast the TSC counts")
    }
}

/// TSC ticks since the processor started.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: every processor with long mode has a TSC.
    unsafe { _rdtsc() }
}

/// TSC ticks of a second.
#[inline]
pub fn tsc_hz() -> u64 {
    TSC_HZ.load(Ordering::Relaxed)
}

/// Raises the timer's vector once, `ticks` TSC ticks after `start`, the time of this kernel entry; at once if that has
/// passed. It comes early where it is far away: 2^32 counts of the APIC's timer are the most it can wait.
#[inline(always)]
pub fn set_timer(start: u64, ticks: u64) {
    match COUNTS_PER_TICK.get() {
        None => {
            // SAFETY: the feature was found, hence the register exists. 0 would switch the timer off.
            unsafe { msr::write(msr::TSC_DEADLINE, start.saturating_add(ticks).max(1)) }
        }
        Some(ratio) => {
            apic::write(Register::InitialCount, ratio.alarm(ticks.saturating_sub(now().wrapping_sub(start))));
        }
    }
}

/// Finds out the frequencies and makes the timer ready.
pub fn init(platform: &Platform) -> Result<Report, NoClock> {
    let told = tsc_hz_by_cpuid();
    let deadlines = cpu::has(Features::TSC_DEADLINE);
    let try_clock = |clock: Clock| Some((clock.while_running(|| measure(&clock))?, clock.name()));
    let (measured, source) = Clock::all(platform, told).find_map(try_clock).ok_or(NoClock)?;
    let hz = told.unwrap_or(measured.tsc_hz);
    TSC_HZ.store(hz, Ordering::Relaxed);
    let mut apic_hz = None;
    if !deadlines {
        let ratio = Ratio::new(measured.apic_counts, measured.tsc_ticks).ok_or(NoClock)?;
        COUNTS_PER_TICK.call_once(|| ratio.for_alarms());
        apic_hz = Some(ratio.convert_up(hz));
    }
    apic::enable_timer(deadlines);
    // The change of mode is ordered before a write to the deadline's MSR (SDM vol. 3, 11.5.4.1).
    core::sync::atomic::fence(Ordering::SeqCst);
    Ok(Report { tsc_hz: hz, source, apic_hz })
}

/// The frequency that the processor or a hypervisor tells.
fn tsc_hz_by_cpuid() -> Option<u64> {
    const TSC_AND_CRYSTAL: u32 = 0x15;
    const HYPERVISOR_TIMING: u32 = 0x4000_0010;
    let clock = cpu::leaf(TSC_AND_CRYSTAL, 0);
    let crystal = u64::from(clock.ecx);
    let by_crystal = (crystal * u64::from(clock.ebx)).checked_div(u64::from(clock.eax));
    let by_hypervisor = if cpu::has(Features::HYPERVISOR) {
        Some(u64::from(cpu::leaf(HYPERVISOR_TIMING, 0).eax) * 1_000)
    } else {
        None
    };
    [by_crystal, by_hypervisor].into_iter().flatten().find(|hz| PLAUSIBLE_HZ.contains(hz))
}

/// A measurement.
#[derive(Clone, Copy)]
struct Measured {
    tsc_hz: u64,
    tsc_ticks: u64,
    apic_counts: u64,
    /// Ticks by which the measurement may be wrong.
    uncertainty: u64,
}

/// A look at a clock: where the TSC was then, and how long the look took.
struct Look {
    tsc: u64,
    value: u64,
    width: u64,
}

/// Looks at a clock a few times and keeps the look that was quickest: an emulator may stop us in between.
fn look(read: impl Fn() -> u64) -> Look {
    let mut best = Look { tsc: 0, value: 0, width: u64::MAX };
    for _ in 0..LOOKS {
        let before = now();
        let value = read();
        let width = now().wrapping_sub(before);
        if width < best.width {
            best = Look { tsc: before.wrapping_add(width / 2), value, width };
        }
    }
    best
}

/// Measures the TSC and the APIC's timer against a clock, a few times; None if that clock is of no use.
fn measure(clock: &Clock) -> Option<Measured> {
    let round = |_| measure_once(clock).filter(|found| PLAUSIBLE_HZ.contains(&found.tsc_hz));
    (0..ROUNDS).filter_map(round).min_by_key(|found| found.uncertainty)
}

fn measure_once(clock: &Clock) -> Option<Measured> {
    let apic_count = || u64::from(u32::MAX - apic::read(Register::CurrentCount));
    let (numerator, denominator) = clock.frequency();
    let wanted = numerator / denominator / PARTS_OF_SECOND;
    apic::write(Register::InitialCount, u32::MAX);
    let (clock_start, apic_start) = (look(|| clock.read()), look(apic_count));
    while clock.elapsed(clock_start.value, clock.read()) < wanted {
        if now().wrapping_sub(clock_start.tsc) > PATIENCE {
            return None;
        }
    }
    let (clock_end, apic_end) = (look(|| clock.read()), look(apic_count));
    apic::write(Register::InitialCount, 0);
    let counts = clock.elapsed(clock_start.value, clock_end.value);
    let ticks = clock_end.tsc.wrapping_sub(clock_start.tsc);
    let tsc_hz = (u128::from(ticks) * u128::from(numerator))
        .checked_div(u128::from(counts) * u128::from(denominator))
        .and_then(|hz| u64::try_from(hz).ok())?;
    Some(Measured {
        tsc_hz,
        tsc_ticks: apic_end.tsc.wrapping_sub(apic_start.tsc),
        apic_counts: apic_end.value.wrapping_sub(apic_start.value),
        uncertainty: clock_start.width + clock_end.width + apic_start.width + apic_end.width,
    })
}
