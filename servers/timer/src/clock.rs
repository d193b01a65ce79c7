//! Ticks of the processor's time stamp counter as nanoseconds, and back.

const NANOSECONDS: u128 = 1_000_000_000;

/// A counter's frequency.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    hz: u64,
}

impl Clock {
    /// A counter with so many ticks a second; without any there is no time.
    pub const fn new(hz: u64) -> Option<Self> {
        if hz == 0 { None } else { Some(Clock { hz }) }
    }

    /// The nanoseconds that have passed after so many ticks.
    pub fn nanoseconds(self, ticks: u64) -> u64 {
        u64::try_from(u128::from(ticks) * NANOSECONDS / u128::from(self.hz)).unwrap_or(u64::MAX)
    }

    /// The first tick at which so many nanoseconds have passed.
    pub fn ticks(self, nanoseconds: u64) -> u64 {
        let ticks = (u128::from(nanoseconds) * u128::from(self.hz)).div_ceil(NANOSECONDS);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_deadline_is_over_at_its_tick_and_not_before(
            hz in 1_000_000_u64..10_000_000_000,
            nanoseconds in 1..u64::MAX / 20,
        ) {
            let clock = Clock::new(hz).unwrap();
            let ticks = clock.ticks(nanoseconds);
            prop_assert!(clock.nanoseconds(ticks) >= nanoseconds);
            prop_assert!(clock.nanoseconds(ticks - 1) < nanoseconds);
        }
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        assert!(Clock::new(0).is_none());
        let (slow, fast) = (Clock::new(1).unwrap(), Clock::new(u64::MAX).unwrap());
        assert_eq!((slow.nanoseconds(u64::MAX), fast.ticks(u64::MAX)), (u64::MAX, u64::MAX));
        assert_eq!((slow.ticks(0), fast.nanoseconds(0)), (0, 0));
    }
}
