//! The measured values of one row of the benchmark, and what is said of them.

/// Samples kept of a row.
pub const SAMPLES: usize = 16;

/// Up to [`SAMPLES`] measured values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples {
    values: [u64; SAMPLES],
    count: usize,
}

/// What is said of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// The lowest value.
    pub min: u64,
    /// The value that half of the samples do not exceed (of two in the middle, the lower one).
    pub median: u64,
    /// The value that 99 of 100 samples do not exceed.
    pub p99: u64,
    /// The highest value.
    pub max: u64,
    /// Number of samples.
    pub count: usize,
}

impl Samples {
    /// None yet.
    pub const fn new() -> Self {
        Samples { values: [0; SAMPLES], count: 0 }
    }

    /// Adds a value; one that is too many is dropped.
    pub fn push(&mut self, value: u64) {
        if let Some(place) = self.values.get_mut(self.count) {
            *place = value;
            self.count += 1;
        }
    }

    /// The summary; None if there is no sample.
    pub fn summary(&self) -> Option<Summary> {
        let mut sorted = self.values;
        let sorted = sorted.get_mut(..self.count)?;
        sorted.sort_unstable();
        Some(Summary {
            min: *sorted.first()?,
            median: rank(sorted, 50)?,
            p99: rank(sorted, 99)?,
            max: *sorted.last()?,
            count: sorted.len(),
        })
    }
}

/// The value of `sorted` that `percent` of the values do not exceed (nearest rank).
fn rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(values: &[u64]) -> Option<Summary> {
        let mut samples = Samples::new();
        values.iter().for_each(|value| samples.push(*value));
        samples.summary()
    }

    #[test]
    fn nothing_is_said_of_no_samples() {
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn one_sample_is_everything() {
        assert_eq!(summary(&[7]), Some(Summary { min: 7, median: 7, p99: 7, max: 7, count: 1 }));
    }

    #[test]
    fn the_order_of_samples_does_not_matter() {
        let sorted: [u64; 16] = core::array::from_fn(|index| index as u64 + 1);
        let mut reversed = sorted;
        reversed.reverse();
        let expected = Summary { min: 1, median: 8, p99: 16, max: 16, count: 16 };
        assert_eq!(summary(&sorted), Some(expected));
        assert_eq!(summary(&reversed), Some(expected));
    }

    #[test]
    fn samples_beyond_the_room_are_dropped() {
        let seen = summary(&[5; SAMPLES + 1]).unwrap();
        assert_eq!((seen.count, seen.max), (SAMPLES, 5));
    }

    #[test]
    fn ranks_are_nearest_ranks() {
        assert_eq!(rank(&[1, 2, 3], 50), Some(2));
        assert_eq!(rank(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(rank(&[1, 2, 3, 4], 0), Some(1));
        assert_eq!(rank(&[1, 2, 3, 4], 100), Some(4));
        assert_eq!(rank(&[], 50), None);
    }
}
