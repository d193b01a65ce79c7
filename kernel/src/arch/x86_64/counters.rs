//! Which performance counters users may have, where the command line gives them any (SDM vol. 3, 20.2).
//!
//! seL4's calls for MSRs reach every register, and whoever may make them owns the machine. Here they reach the general
//! counters and what these count, with values that the processor accepts; nothing of the kernel depends on either.
#![forbid(unsafe_code)]

/// First counter (IA32_PMC0).
const COUNTER: u32 = 0xc1;
/// First register that says what a counter counts (IA32_PERFEVTSEL0).
const SELECT: u32 = 0x186;
/// Bits of a selection that every version has and that raise no interrupt: event, mask, USR, OS, E, EN, INV, CMASK.
const SELECT_BITS: u64 = 0xffc7_ffff;
/// A counter takes 32 bits.
const COUNTER_BITS: u64 = 0xffff_ffff;

/// The general counters of a processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counters {
    count: u32,
}

impl Counters {
    /// As CPUID leaf 0x0a tells by EAX: the version, 0 for none, and the number of counters.
    pub fn of_leaf(eax: u32) -> Self {
        let count = if eax & 0xff == 0 { 0 } else { eax >> 8 & 0xff };
        // The ranges of both registers have room for as many.
        Counters { count: count.min(8) }
    }

    /// The bits of a register that may be written; None if it is no counter's.
    pub fn writable(self, msr: u32) -> Option<u64> {
        let within = |first: u32| (first..first + self.count).contains(&msr);
        if within(COUNTER) {
            Some(COUNTER_BITS)
        } else if within(SELECT) {
            Some(SELECT_BITS)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_those_of_the_counters_that_are_there() {
        // Version 4, four counters of 48 bits.
        let counters = Counters::of_leaf(0x0730_0404);
        assert_eq!((counters.writable(0xc0), counters.writable(0xc5)), (None, None));
        assert_eq!(
            (counters.writable(0xc1), counters.writable(0xc4)),
            (Some(COUNTER_BITS), Some(COUNTER_BITS))
        );
        assert_eq!((counters.writable(0x185), counters.writable(0x18a)), (None, None));
        assert_eq!(counters.writable(0x189), Some(SELECT_BITS));
        for msr in [0x1b, 0x38f, 0xc000_0080, 0xc000_0082, u32::MAX] {
            assert_eq!(counters.writable(msr), None, "{msr:#x}");
        }
    }

    #[test]
    fn a_processor_may_have_none() {
        for eax in [0, 0x0000_0400] {
            assert_eq!(Counters::of_leaf(eax), Counters { count: 0 });
        }
        assert_eq!(Counters::of_leaf(0).writable(0xc1), None);
        assert_eq!(Counters::of_leaf(0xff01), Counters { count: 8 });
    }

    #[test]
    fn no_selection_raises_an_interrupt() {
        assert_eq!(SELECT_BITS & (1 << 20 | 1 << 19 | 1 << 21), 0);
        assert_ne!(SELECT_BITS & 1 << 22, 0, "the counter can be switched on");
    }
}
