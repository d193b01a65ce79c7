//! What a Tab adds: the rest of a command or of its argument, as far as it is clear.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crashy::Way;

use crate::commands::{Argument, COMMANDS};
use crate::similar::common_start;
use crate::system::{System, each, each_file};

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Completion {
    /// This follows what was typed.
    pub insert: String,
    /// What it could become, if that is not clear.
    pub candidates: Vec<String>,
}

/// What a Tab does behind this text.
pub fn complete(before: &str, system: &mut dyn System) -> Completion {
    let start = before.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
    let (earlier, typed) = before.split_at_checked(start).unwrap_or_default();
    let mut earlier = earlier.split_whitespace();
    let names: Vec<String> = match (earlier.next(), earlier.count()) {
        (None, _) => commands(),
        (Some(command), place) => {
            let command = COMMANDS.iter().find(|known| known.name == command);
            match command.and_then(|command| command.arguments.get(place)) {
                Some(argument) => possible(*argument, system),
                None => return Completion::default(),
            }
        }
    };
    choose(typed, &names)
}

fn commands() -> Vec<String> {
    COMMANDS.iter().map(|command| command.name.to_string()).collect()
}

fn possible(argument: Argument, system: &mut dyn System) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: String| {
        names.push(name);
        Ok(())
    };
    // A list that cannot be read to its end completes what was read.
    let _ = match argument {
        Argument::Command => return commands(),
        Argument::Fault => return Way::ALL.map(|way| way.name().into()).into(),
        Argument::Server => each(|index| system.server(index), |server| add(server.name.to_string())),
        Argument::Image => each(|index| system.image(index), |file| add(file.name.to_string())),
        Argument::File => each_file(system, |file| add(file.name.to_string())),
    };
    names
}

fn choose(typed: &str, names: &[String]) -> Completion {
    let fitting: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| name.starts_with(typed)).collect();
    let rest = common_start(&fitting).strip_prefix(typed).unwrap_or_default();
    match fitting.len() {
        0 => Completion::default(),
        // One name is whole, and the next word may follow.
        1 => Completion { insert: alloc::format!("{rest} "), candidates: Vec::new() },
        _ if !rest.is_empty() => Completion { insert: rest.into(), candidates: Vec::new() },
        _ => {
            let candidates = fitting.into_iter().map(String::from).collect();
            Completion { insert: String::new(), candidates }
        }
    }
}

/// Names side by side in 80 columns.
pub fn in_columns(names: &[String]) -> String {
    const WIDTH: usize = 79;
    let column = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for row in names.chunks((WIDTH / column).max(1)) {
        let line: String = row.iter().map(|name| alloc::format!("{name:column$}")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
