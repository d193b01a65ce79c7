//! What a `main` may return.

use core::fmt::Display;

/// A value that a server's or root task's `main` ends with.
pub trait Outcome {
    /// Says what went wrong, if anything did; returns the exit code.
    fn report(self) -> u64;
}

impl Outcome for () {
    fn report(self) -> u64 {
        0
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn report(self) -> u64 {
        match self {
            Ok(()) => 0,
            Err(error) => {
                crate::println!("failed: {error}");
                1
            }
        }
    }
}
