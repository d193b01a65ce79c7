//! The processor's clock.

/// Ticks of the time stamp counter since the processor was reset;
/// [`tsc_hz`](crate::proto::start::StartInfo::tsc_hz) of them are a second.
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has the instruction, user mode may use it (abi.md 8.6), and it touches nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}
