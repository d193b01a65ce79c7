//! What the kernel says to people: log lines, panics, backtraces.
pub mod backtrace;
pub mod log;
pub mod panic;
