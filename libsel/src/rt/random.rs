//! Random numbers.

use core::arch::asm;
use core::arch::x86_64::__cpuid;
use core::sync::atomic::{AtomicU64, Ordering};

use super::ticks;

/// What Intel advises: more than so many failures in a row mean that the generator is broken (SDM vol. 1, 7.3.17.1).
const TRIES: usize = 10;

/// A random number by the processor's generator; `None` if it has none, or that gives none.
///
/// ```
/// # use libsel::rt;
/// let lucky = rt::random().map(|number| number % 6 + 1);
/// assert!(lucky.is_none_or(|number| (1..=6).contains(&number)));
/// ```
pub fn random() -> Option<u64> {
    const FEATURES: u32 = 1;
    const RDRAND: u32 = 1 << 30;
    if __cpuid(FEATURES).ecx & RDRAND == 0 {
        return None;
    }
    (0..TRIES).find_map(|_| rdrand())
}

/// Carry says whether there was a number.
fn rdrand() -> Option<u64> {
    let (number, there): (u64, u8);
    // SAFETY: the caller found the instruction, and it touches nothing but the register and flags.
    unsafe { asm!("rdrand {}", "setc {}", out(reg) number, out(reg_byte) there, options(nomem, nostack)) }
    (there != 0).then_some(number)
}

/// A number that is hard to guess: [`random`], or where there is none the clock, which somebody who knows when the program
/// ran can narrow down. It is no key for cryptography.
pub fn secret() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    random().unwrap_or_else(|| mixed(ticks().wrapping_add(call.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
}

/// Every bit of the result depends on every bit of `value`, and no two values give the same: the end of SplitMix64.
fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn secrets_differ() {
        let secrets: HashSet<u64> = (0..1000).map(|_| secret()).collect();
        assert_eq!(secrets.len(), 1000);
        let mixed: HashSet<u64> = (0..1000).map(mixed).collect();
        assert_eq!(mixed.len(), 1000);
        assert!(mixed.iter().fold(0, |seen, value| seen | value) == u64::MAX, "every bit is used");
    }
}
