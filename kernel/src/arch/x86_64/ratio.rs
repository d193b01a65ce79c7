//! Converting between clocks without a division.
#![forbid(unsafe_code)]

/// A ratio of two frequencies as a fixed-point number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    factor: u64,
    shift: u32,
}

impl Ratio {
    /// Counts of one clock for each count of another: `to / from`. None if either is 0.
    pub fn new(to: u64, from: u64) -> Option<Ratio> {
        /// More would be lost when the product is shifted.
        const MAX_SHIFT: u32 = 64;
        if to == 0 || from == 0 {
            return None;
        }
        // With this shift the factor has 63 or 64 significant bits.
        let shift = (63 + from.ilog2() - to.ilog2()).min(MAX_SHIFT);
        let factor = (u128::from(to) << shift) / u128::from(from);
        Some(Ratio { factor: u64::try_from(factor).unwrap_or(u64::MAX), shift })
    }

    /// The same ratio for alarms.
    pub fn for_alarms(&self) -> AlarmRatio {
        let factor = u128::from(self.factor) << (64 - self.shift);
        let (whole, part) = ((factor >> 64) as u64, factor as u64);
        // The greatest count with count * factor / 2^64 < 2^32 - 1.
        let longest = ((u128::from(u32::MAX) << 64) - 1) / factor;
        AlarmRatio { whole, part, longest: u64::try_from(longest).unwrap_or(u64::MAX) }
    }

    /// The counts that cover `count` counts of the other clock: never more than exactly, and one fewer only where they
    /// miss less than the ratio's own rounding error, which is no part of a count that matters. Exact for results below
    /// 2^62; limited to `u64::MAX`.
    #[inline]
    pub fn convert_up(&self, count: u64) -> u64 {
        let product = u128::from(count) * u128::from(self.factor);
        let rounded = product.saturating_add((1 << self.shift) - 1) >> self.shift;
        u64::try_from(rounded).unwrap_or(u64::MAX)
    }
}

/// A ratio for alarms: one multiplication or two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlarmRatio {
    whole: u64,
    /// In units of 2^-64.
    part: u64,
    /// Counts of the other clock for which the result fits into 32 bits.
    longest: u64,
}

impl AlarmRatio {
    /// The counts after which `count` counts of the other clock are over: from 1 to `u32::MAX`, which stands for all that
    /// would be more; never less than exactly, and one more at most.
    #[inline(always)]
    pub fn alarm(&self, count: u64) -> u32 {
        let count = count.min(self.longest);
        let part = ((u128::from(count) * u128::from(self.part)) >> 64) as u64;
        // Not more than 32 bits, see `longest`.
        (count.wrapping_mul(self.whole) + part) as u32 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exact_ratios() {
        let same = Ratio::new(7, 7).unwrap();
        let third = Ratio::new(1_000_000_000, 3_000_000_000).unwrap();
        let thousand = Ratio::new(1000, 1).unwrap();
        for count in [0, 1, 2, 3, 1_000_000, 3_000_000_001, 1 << 40] {
            assert_eq!(same.convert_up(count), count);
            assert_eq!(third.convert_up(count), count.div_ceil(3));
            assert_eq!(thousand.convert_up(count), count * 1000);
        }
        assert_eq!(thousand.convert_up(u64::MAX), u64::MAX);
        assert_eq!(Ratio::new(0, 1), None);
        assert_eq!(Ratio::new(1, 0), None);
        assert_eq!(Ratio::new(u64::MAX, 1).unwrap().convert_up(1), u64::MAX);
        assert_eq!(Ratio::new(1, u64::MAX).unwrap().convert_up(u64::MAX), 1);
    }

    #[test]
    fn alarms_are_never_early_and_late_by_one_count_at_most() {
        let same = Ratio::new(7, 7).unwrap().for_alarms();
        assert_eq!([0, 1, 1000, 1 << 40].map(|count| same.alarm(count)), [1, 2, 1001, u32::MAX]);
        let thousand = Ratio::new(1000, 1).unwrap().for_alarms();
        assert_eq!([0, 1, 7, u64::MAX].map(|count| thousand.alarm(count)), [1, 1001, 7001, 4_294_967_001]);
    }

    proptest! {
        #[test]
        fn an_alarm_covers_its_time(
            to_bits in 0..64u32, from_bits in 0..64u32, count_bits in 0..64u32,
            to in any::<u64>(), from in any::<u64>(), count in any::<u64>(),
        ) {
            let (to, from, count) = (to >> to_bits, from >> from_bits, count >> count_bits);
            prop_assume!(to > 0 && from > 0);
            // No clock of an APIC is this much faster or slower than the TSC.
            prop_assume!(u128::from(to) < u128::from(from) << 31 && u128::from(from) < u128::from(to) << 31);
            let ratio = Ratio::new(to, from).unwrap();
            let alarm = u64::from(ratio.for_alarms().alarm(count));
            let exact = ratio.convert_up(count);
            if exact < u64::from(u32::MAX) - (1 << 31) {
                prop_assert!(alarm >= exact && alarm <= exact + 1, "{alarm} for {exact}");
            } else {
                prop_assert!(alarm >= u64::from(u32::MAX) - (1 << 31) - 1);
            }
        }

        /// Never late, and early by less than the ratio's error.
        #[test]
        fn it_rounds_up(
            to_bits in 0..64u32, from_bits in 0..64u32, count_bits in 0..64u32,
            to in any::<u64>(), from in any::<u64>(), count in any::<u64>(),
        ) {
            let (to, from, count) = (to >> to_bits, from >> from_bits, count >> count_bits);
            prop_assume!(to > 0 && from > 0);
            let product = u128::from(count) * u128::from(to);
            let exact = product.div_ceil(u128::from(from));
            let converted = u128::from(Ratio::new(to, from).unwrap().convert_up(count));
            if exact < 1 << 62 {
                prop_assert!(converted <= exact);
                // What is missing is below 2^-62 of the whole, or below 2^-64 of a count for each count.
                let missing = product.saturating_sub(converted * u128::from(from));
                prop_assert!(missing <= (product >> 62) + ((u128::from(count) * u128::from(from)) >> 64) + 1);
            } else {
                prop_assert!(converted >= (1 << 62) - 1);
            }
        }
    }
}
