//! The table of commands. Each file has those of one topic.

mod bench;
mod files;
mod help;
mod machine;
mod memory;
mod servers;
mod spaces;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::system::{Failure, Result, System};

/// What a command works with.
pub struct Context<'a> {
    /// The machine.
    pub system: &'a mut dyn System,
    /// Where its text goes: lines of at most 80 columns.
    pub out: &'a mut dyn Write,
    /// What is kept for the next command.
    pub memory: &'a mut Memory,
}

/// What commands keep for the next time.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    /// When `ps` looked last, in ticks, and the microseconds that each server had used then, by its number.
    pub last_ps: Option<(u64, Vec<(u8, u64)>)>,
}

/// What an argument names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// A command.
    Command,
    /// A server that runs.
    Server,
    /// A file of the boot archive.
    Image,
    /// A file.
    File,
    /// A way to go wrong.
    Fault,
}

/// A command.
pub struct Command {
    /// The word that calls it.
    pub name: &'static str,
    /// The words behind it.
    pub usage: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else there is to know.
    pub help: &'static str,
    /// What its arguments name.
    pub arguments: &'static [Argument],
    /// Does it.
    pub run: fn(&mut Context<'_>, &[String]) -> Result<()>,
}

/// All of them, in the order of `help`.
pub const COMMANDS: [&Command; 17] = [
    &help::HELP,
    &servers::PS,
    &memory::MEM,
    &spaces::MAP,
    &spaces::CAPS,
    &servers::SPAWN,
    &servers::KILL,
    &files::IMAGES,
    &files::LS,
    &files::CAT,
    &files::WRITE,
    &files::RM,
    &bench::BENCH,
    &machine::TRACE,
    &machine::CRASH,
    &machine::UPTIME,
    &machine::REBOOT,
];

/// Says how a command is called, when it was called otherwise.
fn usage(command: &Command) -> Failure {
    Failure::text(alloc::format!(
        "the command is `{} {}`; see `help {}`",
        command.name,
        command.usage,
        command.name
    ))
}

/// The only argument.
fn one<'a>(command: &Command, arguments: &'a [String]) -> Result<&'a str> {
    match arguments {
        [only] => Ok(only),
        _ => Err(usage(command)),
    }
}

/// No argument.
fn none(command: &Command, arguments: &[String]) -> Result<()> {
    if arguments.is_empty() { Ok(()) } else { Err(usage(command)) }
}
