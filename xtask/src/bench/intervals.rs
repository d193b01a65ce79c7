//! Which pairs of clock readings of a row are the measured ones: where two threads read the clock, other pairs lie between.
use super::events::Counts;

/// Samples from the end that are looked at: the first ones are warm-up.
const LOOKED_AT: usize = 16;

/// A sample in each `period` pairs of readings: the pairs `phases` together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    period: usize,
    phases: &'static [usize],
}

impl Pattern {
    /// The pattern of the row `id`, as the threads of the benchmark take turns.
    pub fn of(id: &str) -> Self {
        let begins = |prefix: &&(&str, usize, &'static [usize])| id.starts_with(prefix.0);
        let (period, phases) =
            PATTERNS.iter().find(begins).map_or((1, &[0][..]), |(_, period, phases)| (*period, *phases));
        Self { period, phases }
    }

    /// The last of `samples` (of the pairs, in order), put together.
    pub fn last(self, samples: &[Vec<u64>]) -> Option<Vec<u64>> {
        let end = self.phases.last()? + 1;
        let last = samples.chunks(self.period).rfind(|chunk| chunk.len() >= end)?;
        Some(self.phases.iter().flat_map(|phase| last[*phase].iter().copied()).collect())
    }

    /// What one of `samples` (of the pairs, in order) usually counts; None without any.
    pub fn typical(self, samples: &[Counts]) -> Option<Counts> {
        let sum = |chunk: &[Counts]| {
            let of =
                |kind: usize| self.phases.iter().filter_map(|phase| Some(chunk.get(*phase)?[kind])).sum();
            std::array::from_fn(of)
        };
        let (last, sums) = (self.phases.last()? + 1, samples.chunks(self.period));
        let sums: Vec<Counts> = sums.filter(|chunk| chunk.len() >= last).map(sum).collect();
        let sums = &sums[sums.len().saturating_sub(LOOKED_AT)..];
        let median = |kind: usize| {
            let mut counts: Vec<u64> = sums.iter().map(|sum: &Counts| sum[kind]).collect();
            counts.sort_unstable();
            counts.get(counts.len().saturating_sub(1) / 2).copied()
        };
        let mut typical = Counts::default();
        for (kind, count) in typical.iter_mut().enumerate() {
            *count = median(kind)?;
        }
        Some(typical)
    }
}

/// Beginning of a row's name, period, phases; the first that fits counts.
const PATTERNS: &[(&str, usize, &[usize])] = &[
    ("call/", 2, &[0]),
    ("reply_recv/", 2, &[1]),
    ("send/", 2, &[0]),
    // Signal to the waiter, its signal back, its wait until the signaller goes on, the signaller's wait for the signal.
    ("signal/higher", 4, &[0]),
    ("signal/equal", 4, &[3]),
    ("signal/lower", 4, &[3]),
    ("wait/blocks", 4, &[0, 1]),
    ("fault/to_faulter", 2, &[0]),
    ("fault/to_handler", 2, &[1]),
    ("fault/round_trip", 2, &[0, 1]),
    ("yield/same", 2, &[0]),
    ("yield/other", 2, &[0]),
    ("map/", 4, &[0]),
    ("protect/", 4, &[1]),
    ("unprotect/", 4, &[2]),
    ("unmap/", 4, &[3]),
    ("schedule/", 2, &[1]),
    ("release/", 2, &[1]),
    ("enqueue/", 2, &[1]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(first: u64) -> Counts {
        let mut counts = Counts::default();
        counts[0] = first;
        counts
    }

    #[test]
    fn only_the_phases_of_a_row_count() {
        let samples: Vec<Counts> = [1, 5, 1, 5, 1].map(counts).to_vec();
        assert_eq!(Pattern::of("call/same/0").typical(&samples), Some(counts(1)));
        assert_eq!(Pattern::of("reply_recv/same/0").typical(&samples), Some(counts(5)));
        assert_eq!(Pattern::of("fault/round_trip").typical(&samples), Some(counts(6)));
        assert_eq!(Pattern::of("poll").typical(&samples), Some(counts(1)));
        assert_eq!(Pattern::of("poll").typical(&[]), None);
    }

    #[test]
    fn warm_up_is_left_out() {
        let samples: Vec<Counts> = (0..40).map(|index| counts(if index < 24 { 9 } else { 2 })).collect();
        assert_eq!(Pattern::of("null").typical(&samples), Some(counts(2)));
    }
}
