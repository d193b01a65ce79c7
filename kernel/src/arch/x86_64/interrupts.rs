//! Interrupts that arrive while the core is in the kernel: entry code only remembers them (see [`super::traps`]).
use core::arch::asm;

use super::percpu;

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
pub fn wait_for_interrupt() {
    while !is_recorded() {
        // SAFETY: as for `open_window`. Nothing is delivered between `sti` and `hlt`, so that none is slept through.
        unsafe { asm!("sti", "hlt", "cli", options(nostack, preserves_flags)) }
    }
}
