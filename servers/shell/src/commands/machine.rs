//! The machine as a whole.

use alloc::string::String;

use crashy::Way;
use libsel::proto::ServiceError;

use super::servers::Seconds;
use super::{Argument, Command, Context, none, one};
use crate::similar::nearest;
use crate::system::{Failure, Result};

pub const TRACE: Command = Command {
    name: "trace",
    usage: "",
    summary: "sum up the events in the kernel's trace ring",
    help: "What the kernel did last, and which threads ran. A ring of events is kept\n\
           only by a kernel that was built for it: `cargo xtask trace --interactive`.",
    arguments: &[],
    run: |context, arguments| {
        none(&TRACE, arguments)?;
        let summary = context.system.trace()?;
        Ok(write!(context.out, "{summary}")?)
    },
};

pub const CRASH: Command = Command {
    name: "crash",
    usage: "FAULT",
    summary: "let the server `crashy` go wrong, to see what happens",
    help: "FAULT is null, code, data, instruction, division, stack, panic, privilege or\n\
           thread.\n\
           The root task says what happened; nobody else takes harm. If crashy is a service\n\
           of the manifest it is the one that fails, else one is started for it.",
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

fn crash(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let wanted = one(&CRASH, arguments)?;
    let Some(way) = Way::named(wanted) else {
        let near = nearest(wanted, Way::ALL.into_iter().map(Way::name));
        return Err(Failure::Text(match near {
            Some(near) => alloc::format!("crashy knows no fault `{wanted}`; did you mean `{near}`?"),
            None => alloc::format!("crashy knows no fault `{wanted}`; `help crash` lists them"),
        }));
    };
    context.system.crash(way)?;
    Ok(writeln!(context.out, "crashy was told to {}", way.what())?)
}
