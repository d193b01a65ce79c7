//! The servers that run: list, start, end.

use alloc::string::String;
use alloc::vec::Vec;

use libsel::proto::admin::ServerInfo;
use libsel::proto::{Name, ServiceError};

use super::{Argument, Command, Context, none, one, usage};
use crate::show::{Percent, Size};
use crate::similar::nearest;
use crate::system::{Failure, Result, System, each};

pub const PS: Command = Command {
    name: "ps",
    usage: "",
    summary: "list the servers with priority, time and memory",
    help: "PID is the server's number, by which its clients know it. It may run for BUDGET\n\
           in each PERIOD (milliseconds); where both are the same it takes turns with the\n\
           others of its priority (PRIO, 255 is the highest). CPU% is its share of the time\n\
           since the last `ps`, or since the start; TIME is all of its processor time.\n\
           RESTARTS counts how often it was started again.",
    arguments: &[],
    run: ps,
};

pub const SPAWN: Command = Command {
    name: "spawn",
    usage: "IMAGE [WORDS]",
    summary: "start a server from the boot archive",
    help: "WORDS are handed to the server, usually as key=value; `images` lists the files.",
    arguments: &[Argument::Image],
    run: spawn,
};

pub const KILL: Command = Command {
    name: "kill",
    usage: "PID|NAME",
    summary: "end a server",
    help: "Its memory and capabilities go back to the root task at once, and clients that\n\
           wait for it get an error. Whether it is started again its restart policy says.",
    arguments: &[Argument::Server],
    run: kill,
};

fn ps(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    none(&PS, arguments)?;
    let servers = all(context.system)?;
    let now = context.system.ticks();
    let ticks_per_us = (context.system.ticks_per_second() / 1_000_000).max(1);
    let (since, used) = context.memory.last_ps.take().unwrap_or_default();
    let elapsed_us = now.saturating_sub(since) / ticks_per_us;
    writeln!(context.out, "PID NAME         STATE    PRIO  BUDGET/PERIOD  CPU%    TIME   MEMORY RESTARTS")?;
    let mut busy_us = 0;
    for server in &servers {
        let before = used.iter().find(|(id, _)| *id == server.id).map_or(0, |(_, used)| *used);
        // A server with less than before is another one, under the same number.
        let share_us = server.cpu_us.checked_sub(before).unwrap_or(server.cpu_us);
        busy_us += share_us;
        let budget = alloc::format!("{}/{} ms", Tenths(server.budget_us), Tenths(server.period_us));
        writeln!(
            context.out,
            "{:>3} {:<12.12} {:<8} {:>4} {:>14} {:>5} {:>7} {:>8} {:>8}",
            server.id,
            server.name.as_str(),
            server.state,
            server.priority,
            budget,
            Percent::of(share_us, elapsed_us),
            Seconds(server.cpu_us),
            Size(server.mapped_bytes),
            server.restarts,
        )?;
    }
    let over = alloc::format!("{}", Seconds(elapsed_us));
    writeln!(context.out, "servers used {} % of the last {over}", Percent::of(busy_us, elapsed_us))?;
    context.memory.last_ps = Some((now, servers.iter().map(|server| (server.id, server.cpu_us)).collect()));
    Ok(())
}

/// Microseconds as milliseconds, with a tenth if there is one.
struct Tenths(u64);

impl core::fmt::Display for Tenths {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 % 1000 / 100 {
            0 => write!(f, "{}", self.0 / 1000),
            tenth => write!(f, "{}.{tenth}", self.0 / 1000),
        }
    }
}

/// Microseconds as seconds.
pub(super) struct Seconds(pub u64);

impl core::fmt::Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = match self.0 {
            0..100_000_000 => alloc::format!("{}.{:02} s", self.0 / 1_000_000, self.0 % 1_000_000 / 10_000),
            us => alloc::format!("{} s", us / 1_000_000),
        };
        f.pad_integral(true, "", &text)
    }
}

/// All servers.
pub(super) fn all(system: &mut dyn System) -> Result<Vec<ServerInfo>> {
    let mut servers = Vec::new();
    each(
        |index| system.server(index),
        |server| {
            servers.push(server);
            Ok(())
        },
    )?;
    Ok(servers)
}

/// The server of a number or name.
pub(super) fn find(system: &mut dyn System, wanted: &str) -> Result<ServerInfo> {
    let servers = all(system)?;
    let number = wanted.parse::<u8>().ok();
    let fits = |server: &&ServerInfo| number == Some(server.id) || server.name.as_str() == wanted;
    servers.iter().find(fits).copied().ok_or_else(|| {
        let near = nearest(wanted, servers.iter().map(|server| server.name.as_str()));
        Failure::Text(match near {
            Some(near) => alloc::format!("no server `{wanted}` runs; did you mean `{near}`?"),
            None => alloc::format!("no server `{wanted}` runs; `ps` lists those that do"),
        })
    })
}

fn spawn(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let Some((image, words)) = arguments.split_first() else { return Err(usage(&SPAWN)) };
    let name = Name::new(image).ok_or_else(|| usage(&SPAWN))?;
    context.system.spawn(name, &words.join(" ")).map_err(|failure| {
        failure
            .explain(ServiceError::NotFound, || {
                alloc::format!("servers.ini lists no server `{image}`; `images` lists the files")
            })
            .explain(ServiceError::InUse, || {
                alloc::format!("a server `{image}` runs already; `kill {image}` ends it")
            })
            .explain(ServiceError::OutOfMemory, || "there is not enough memory; see `mem`".into())
    })?;
    Ok(writeln!(context.out, "{image} is started")?)
}

fn kill(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let server = find(context.system, one(&KILL, arguments)?)?;
    context.system.kill(server.name)?;
    Ok(writeln!(context.out, "{} is ended", server.name)?)
}
