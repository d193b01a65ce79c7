//! What the benchmarks of the page and address allocators share: options, clocks, random numbers, output.
//!
//! A benchmark replays streams of operations that are made before any time is taken. All candidates take turns in
//! one process, in another order each time; what counts is the median of the thread's processor time, less that of a
//! candidate that does nothing. Latencies are taken for each operation by itself, several times from the same start;
//! the least counts, so that what else the machine does falls out and what the algorithm does stays.

pub mod clock;
pub mod options;
pub mod output;
pub mod random;
