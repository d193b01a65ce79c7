//! The `log` crate's backend: lines of the form `[kernel] …` on the console.
use core::fmt::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::boot::command_line;
use crate::print::Console;

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            log::Level::Error => "error: ",
            log::Level::Warn => "warning: ",
            _ => "",
        };
        // The console cannot fail.
        let _ = writeln!(Console, "[kernel] {level}{}", record.args());
    }

    fn flush(&self) {}
}

/// Installs the backend.
pub fn init() {
    // It can only fail if it was installed before.
    let _ = log::set_logger(&Lines);
    log::set_max_level(LevelFilter::Info);
}

/// Follows `loglevel=off|error|warn|info|debug|trace` of the command line.
pub fn set_level(line: &str) {
    let Some(word) = command_line::value(line, "loglevel") else { return };
    match word.parse() {
        Ok(level) => log::set_max_level(level),
        Err(_) => log::warn!("loglevel={word} is none of off, error, warn, info, debug, trace"),
    }
}
