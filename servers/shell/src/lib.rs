//! The shell: commands that look into the system and act on it.
//!
//! ```text
//!   a line ─► words ─► the command of that name ─► System ─► root task, file system, console
//!                         │
//!                         └─► text of at most 80 columns
//! ```
//!
//! * [`system`]: what the commands need of the machine, as a trait: all of their output is tested on the host with a
//!   machine that is made up
//! * [`commands`]: the table of commands, by topic
//! * [`complete`]: what a Tab adds
//! * [`trace`]: sums over the kernel's ring of events
//! * [`words`], [`similar`], [`show`]: lines into words, names that are nearly right, sizes and bars
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod commands;
pub mod complete;
pub mod show;
pub mod similar;
pub mod system;
pub mod trace;
pub mod words;

#[cfg(test)]
mod tests;

use core::fmt::Write;

use commands::{COMMANDS, Context, Memory};
use system::System;

/// The shell's prompt.
pub const PROMPT: &str = "selkie> ";

/// What the shell remembers from one command to the next.
#[derive(Default)]
pub struct Shell {
    memory: Memory,
}

impl Shell {
    /// Runs a line. Whatever goes wrong is written like everything else.
    pub fn run(&mut self, line: &str, system: &mut dyn System, out: &mut dyn Write) {
        // What cannot be written is lost: there is no other place for it.
        let _ = self.try_run(line, system, out);
    }

    fn try_run(&mut self, line: &str, system: &mut dyn System, out: &mut dyn Write) -> core::fmt::Result {
        let words = match words::split(line) {
            Ok(words) => words,
            Err(problem) => return writeln!(out, "{problem}"),
        };
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
            write!(out, "there is no command `{name}`")?;
            let near = similar::nearest(name, COMMANDS.iter().map(|command| command.name));
            return match near {
                Some(near) => writeln!(out, "; did you mean `{near}`?"),
                None => writeln!(out, "; `help` lists them"),
            };
        };
        let mut context = Context { system, out, memory: &mut self.memory };
        match (command.run)(&mut context, arguments) {
            Ok(()) => Ok(()),
            Err(failure) => writeln!(out, "{name}: {failure}"),
        }
    }
}
