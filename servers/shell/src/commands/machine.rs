//! The machine as a whole.

use alloc::string::String;

use libsel::proto::ServiceError;

use super::servers::Seconds;
use super::{Argument, Command, Context, none, one};
use crate::similar::nearest;
use crate::system::{Failure, Result};

pub const TRACE: Command = Command {
    name: "trace",
    usage: "",
    summary: "tell how many events the kernel's trace ring holds",
    help: "A ring of kernel entries is kept only by a kernel that was built for it.",
    arguments: &[],
    run: |context, arguments| {
        none(&TRACE, arguments)?;
        let events = context.system.trace()?;
        Ok(writeln!(context.out, "the kernel's trace ring holds {events} events")?)
    },
};

pub const CRASH: Command = Command {
    name: "crash",
    usage: "FAULT",
    summary: "let the server `crashy` go wrong, to see what happens",
    help: "FAULT is one of\n  write   writes where nothing is mapped\n  panic   panics\n  memory  uses \
           memory until there is none left for it\nThe root task says what happened; nobody else takes harm.",
    arguments: &[Argument::Fault],
    run: crash,
};

pub const UPTIME: Command = Command {
    name: "uptime",
    usage: "",
    summary: "tell how long the machine runs",
    help: "By the processor's clock, which starts with the machine.",
    arguments: &[],
    run: |context, arguments| {
        none(&UPTIME, arguments)?;
        let ticks_per_us = (context.system.ticks_per_second() / 1_000_000).max(1);
        let us = context.system.ticks() / ticks_per_us;
        Ok(writeln!(context.out, "{}", Seconds(us))?)
    },
};

pub const REBOOT: Command = Command {
    name: "reboot",
    usage: "",
    summary: "restart the machine",
    help: "At once; nobody is asked, and nothing is saved.",
    arguments: &[],
    run: |context, arguments| {
        none(&REBOOT, arguments)?;
        context.system.reboot().map_err(|failure| {
            failure.explain(ServiceError::Refused, || {
                "the machine has none of the usual ways to restart it; switch it off".into()
            })
        })
    },
};

/// Ways to go wrong, and what they are.
pub const FAULTS: [(&str, &str); 3] = [
    ("write", "write where nothing is mapped"),
    ("panic", "panic"),
    ("memory", "use memory until there is none left"),
];

fn crash(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let wanted = one(&CRASH, arguments)?;
    let Some((fault, what)) = FAULTS.into_iter().find(|(name, _)| *name == wanted) else {
        let near = nearest(wanted, FAULTS.into_iter().map(|(name, _)| name));
        return Err(Failure::Text(match near {
            Some(near) => alloc::format!("crashy knows no fault `{wanted}`; did you mean `{near}`?"),
            None => alloc::format!("crashy knows no fault `{wanted}`; `help crash` lists them"),
        }));
    };
    context.system.crash(fault)?;
    Ok(writeln!(context.out, "crashy was told to {what}")?)
}
