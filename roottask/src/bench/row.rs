//! A row: one operation in one setting, and how it is run.

use core::ops::{Deref, DerefMut};

use libsel::println;
use roottask::samples::{SAMPLES, Samples};

use super::clock::{self, Overheads};
use super::report;
use crate::bare::failure::Outcome;
use crate::bare::fixture::Fixture;
use crate::bare::machine::Machine;

/// Rounds before the first sample.
const WARM_UP: usize = 16;
/// The same for rows that take long.
const SHORT_WARM_UP: usize = 2;

/// One operation in one setting.
pub struct Row {
    /// Its name: words from general to particular, separated by slashes; a number at the end is a number of objects.
    pub id: &'static str,
    /// Belongs to the short set.
    pub short: bool,
    /// Measures it.
    pub run: fn(&mut Bench<'_>) -> Outcome,
}

/// Builds a [`Row`] of the short set.
pub const fn row(id: &'static str, run: fn(&mut Bench<'_>) -> Outcome) -> Row {
    Row { id, short: true, run }
}

/// Builds a [`Row`] that only the full set has.
pub const fn long_row(id: &'static str, run: fn(&mut Bench<'_>) -> Outcome) -> Row {
    Row { id, short: false, run }
}

impl Row {
    /// The command line asks for it.
    pub fn is_chosen(&self, command_line: &str) -> bool {
        let words = || command_line.split_ascii_whitespace();
        let mut wanted = words().filter_map(|word| word.strip_prefix("bench_row=")).peekable();
        if wanted.peek().is_some() {
            return wanted.any(|prefix| self.id.starts_with(prefix));
        }
        self.short || words().all(|word| word != "bench_short")
    }
}

/// The fresh objects of a row, and where its samples go.
pub struct Bench<'a> {
    fixture: Fixture<'a>,
    samples: Samples,
    /// The cost of measuring.
    pub overheads: Overheads,
    /// The kernel command line.
    pub words: &'a str,
}

impl<'a> Deref for Bench<'a> {
    type Target = Fixture<'a>;

    fn deref(&self) -> &Fixture<'a> {
        &self.fixture
    }
}

impl<'a> DerefMut for Bench<'a> {
    fn deref_mut(&mut self) -> &mut Fixture<'a> {
        &mut self.fixture
    }
}

impl<'a> Bench<'a> {
    /// For the first row.
    pub fn new(machine: &'a Machine<'a>, words: &'a str) -> Self {
        Bench {
            fixture: Fixture::new(machine),
            samples: Samples::new(),
            overheads: clock::overheads(),
            words,
        }
    }

    /// Measures `row`, takes its objects back, and prints what was seen; true if nothing went wrong.
    pub fn run(&mut self, row: &Row) -> bool {
        self.samples = Samples::new();
        let measured = (row.run)(self);
        let fresh = Fixture::new(self.fixture.machine);
        let fixture = core::mem::replace(&mut self.fixture, fresh);
        let result = measured.and(fixture.finish());
        if let Err(failure) = &result {
            failure.describe(|text, place| {
                println!("bench: failed {}: {text} ({}:{})", row.id, place.file(), place.line());
            });
            return false;
        }
        report::row(row.id, &self.samples, report::TICKS)
    }

    /// Adds a measured value, from which `overhead` is subtracted.
    pub fn sample(&mut self, ticks: u64, overhead: u64) {
        self.samples.push(ticks.saturating_sub(overhead));
    }

    /// Lets `round` measure again and again and keeps what it gives, without the cost of reading the clock.
    pub fn rounds(&mut self, round: impl FnMut(&mut Fixture<'a>) -> Outcome<u64>) -> Outcome {
        self.rounds_after(WARM_UP, round)
    }

    /// [`Bench::rounds`] for what takes long.
    pub fn long_rounds(&mut self, round: impl FnMut(&mut Fixture<'a>) -> Outcome<u64>) -> Outcome {
        self.rounds_after(SHORT_WARM_UP, round)
    }

    fn rounds_after(
        &mut self,
        warm_up: usize,
        mut round: impl FnMut(&mut Fixture<'a>) -> Outcome<u64>,
    ) -> Outcome {
        for index in 0..warm_up + SAMPLES {
            let ticks = round(&mut self.fixture)?;
            if index >= warm_up {
                self.sample(ticks, self.overheads.clock);
            }
        }
        Ok(())
    }
}
