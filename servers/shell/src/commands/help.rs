//! What the commands are for.

use alloc::string::String;

use super::{Argument, COMMANDS, Command, Context, usage};
use crate::similar::nearest;
use crate::system::{Failure, Result};

pub const HELP: Command = Command {
    name: "help",
    usage: "[COMMAND]",
    summary: "list the commands, or explain one",
    help: "Keys: cursor keys, Home, End and Ctrl-A E B F move; Ctrl-K U W cut and Ctrl-Y\n\
           brings back; Up and Down go through the lines typed before; Tab completes;\n\
           Ctrl-L clears the screen; Ctrl-C gives a line up. Text with blanks stands in\n\
           quotes.",
    arguments: &[Argument::Command],
    run: help,
};

fn help(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            for command in COMMANDS {
                let call = alloc::format!("{} {}", command.name, command.usage);
                writeln!(context.out, "  {call:<20} {}", command.summary)?;
            }
            Ok(writeln!(context.out, "`help COMMAND` tells more; `help help` lists the keys.")?)
        }
        [name] => {
            let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
                let near = nearest(name, COMMANDS.iter().map(|command| command.name)).unwrap_or("help");
                return Err(Failure::text(alloc::format!(
                    "there is no command `{name}`; did you mean `{near}`?"
                )));
            };
            writeln!(context.out, "{} {}", command.name, command.usage)?;
            writeln!(context.out, "  {}", command.summary)?;
            Ok(writeln!(context.out, "{}", command.help)?)
        }
        _ => Err(usage(&HELP)),
    }
}
