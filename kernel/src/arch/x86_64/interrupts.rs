//! Interrupts that arrive while the core is in the kernel: entry code only remembers them (see [`super::traps`]).
use core::arch::asm;

use super::{apic, percpu, timer};
use crate::arch::TIMER_VECTOR;

/// Part of a second that a core waits awake at most: 1 ms.
const LONGEST_AWAKE_PER_SECOND: u64 = 1_000;

/// Lets the processor deliver what waits.
#[inline]
fn open_window() {
    // SAFETY: an interrupt that hits here only sets a bit in the core's own block, which the missing `nomem` announces.
    // The `nop` is needed: `sti` takes effect after the instruction behind it.
    unsafe { asm!("sti", "nop", "cli", options(nostack, preserves_flags)) }
}

fn is_recorded() -> bool {
    percpu::this().pending.iter().any(|word| word.get() != 0)
}

/// True if an interrupt was remembered, or waits now.
#[inline]
pub fn interrupt_pending() -> bool {
    if !is_recorded() {
        open_window();
    }
    is_recorded()
}

/// Takes an interrupt that was remembered: the highest vector, which is also the one that [`super::end_of_interrupt`]
/// ends. No more are let in, so that a device that never stops raising interrupts does not keep the core here.
#[inline]
pub fn take_interrupt() -> Option<u8> {
    let pending = &percpu::this().pending;
    let (index, word) = pending.iter().enumerate().rfind(|(_, word)| word.get() != 0)?;
    let bit = word.get().ilog2();
    word.set(word.get() & !(1 << bit));
    Some(index as u8 * 64 + bit as u8)
}

/// Sleeps until an interrupt was remembered.
fn sleep() {
    while !is_recorded() {
        // SAFETY: as for `open_window`. Nothing is delivered between `sti` and `hlt`, so that none is slept through.
        unsafe { asm!("sti", "hlt", "cli", options(nostack, preserves_flags)) }
    }
}

/// Sleeps until an interrupt was remembered, or `deadline` has come, which is a time of the TSC; `u64::MAX` never comes.
/// It may return for no reason.
///
/// A processor takes its time to wake up, an emulated one very much: the alarm is set earlier by what the last ones came
/// late, and the rest of the time is waited out awake.
pub fn wait_for_interrupt(deadline: u64) {
    if deadline == u64::MAX {
        return sleep();
    }
    let lateness = &percpu::this().lateness;
    let longest = timer::tsc_hz() / LONGEST_AWAKE_PER_SECOND;
    let alarm = deadline.saturating_sub(lateness.get());
    let start = timer::now();
    if start < alarm {
        timer::set_timer(start, alarm - start);
        sleep();
        if !take_timer() {
            return;
        }
        let late = timer::now().saturating_sub(alarm);
        lateness.set(late.max(lateness.get() - lateness.get() / 8).min(longest));
    }
    // The alarm comes early where it is far away.
    let awake = deadline.saturating_sub(longest)..deadline;
    while awake.contains(&timer::now()) && !is_recorded() {
        core::hint::spin_loop();
        open_window();
    }
}

/// Takes the timer's interrupt, if it was remembered, and ends it: others would have to wait for that.
fn take_timer() -> bool {
    let Some(word) = percpu::this().pending.get(usize::from(TIMER_VECTOR) / 64) else { return false };
    let bit = 1 << (TIMER_VECTOR % 64);
    if word.get() & bit == 0 {
        return false;
    }
    word.set(word.get() & !bit);
    apic::end_of_interrupt();
    true
}
