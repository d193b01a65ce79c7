//! Failures that have an exit code of their own; any other error ends with 1.
use std::fmt;

/// A failure with its own exit code.
#[derive(Debug)]
pub enum Failure {
    /// A tool or an input file is missing. The text says what to do next.
    Missing(String),
    /// A time limit ran out.
    TimedOut(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::TimedOut(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

/// A [`Failure::Missing`] as an error.
pub fn missing(text: impl Into<String>) -> anyhow::Error {
    Failure::Missing(text.into()).into()
}

/// A [`Failure::TimedOut`] as an error.
pub fn timed_out(text: impl Into<String>) -> anyhow::Error {
    Failure::TimedOut(text.into()).into()
}

/// The process exit code for `error`, also when context was added to it.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Missing(_)) => 2,
        Some(Failure::TimedOut(_)) => 124,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_survive_added_context() {
        assert_eq!(exit_code(&missing("no QEMU").context("while booting")), 2);
        assert_eq!(exit_code(&timed_out("5 s")), 124);
        assert_eq!(exit_code(&anyhow::anyhow!("broken")), 1);
    }
}
