//! The manifest, `servers.ini`: which servers are started, in which order, and what each may do.
//!
//! * [`lines`]: lines with their numbers, taken apart by the crate `ini_core`
//! * [`keys`]: the one list of keys
//! * [`values`]: what may stand behind them
//! * [`entry`]: a section, read
//! * [`read`]: the sections of a file, one after the other
//! * [`mistake`]: what is wrong with a line, in words
//!
//! Nothing here needs a heap, and no mistake hides another section: the root task starts every server whose section is
//! good. `cargo xtask` reads the manifest with the same code before a boot. docs/manifest.md is for its writers.

pub mod entry;
pub mod keys;
pub mod lines;
pub mod mistake;
pub mod read;
pub mod values;

#[cfg(test)]
mod tests;

pub use entry::{Entry, MAX_THREADS};
pub use mistake::{Mistake, Problem};
pub use read::read;
pub use values::{Irq, Uses};

/// The manifest's name in the boot archive's folder, and in messages.
pub const FILE_NAME: &str = "servers.ini";
/// The string of the boot module that is the manifest.
pub const MODULE: &str = "manifest";
/// Servers at most.
pub const MOST_SERVERS: usize = 31;

/// The name of a file among the boot modules, from the module's string: what follows `file`, or else its first word.
pub fn file_name(string: &str) -> &str {
    let mut words = string.split_whitespace();
    match words.next() {
        Some("file") => words.next().unwrap_or_default(),
        first => first.unwrap_or_default(),
    }
}

/// Whether a boot module's string is `file NAME`.
pub fn is_file(string: &str, name: &str) -> bool {
    let mut words = string.split_whitespace();
    (words.next(), words.next()) == (Some("file"), Some(name))
}
