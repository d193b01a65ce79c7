//! What a server has: addresses and capabilities.

use alloc::string::String;

use super::servers::find;
use super::{Argument, Command, Context, one};
use crate::show::Size;
use crate::system::{Result, each};

pub const MAP: Command = Command {
    name: "map",
    usage: "PID|NAME",
    summary: "show a server's address space",
    help: "Each line is a run of addresses of one kind: r it can be read, w written, x\n\
           executed. `promised` memory comes when it is first touched.",
    arguments: &[Argument::Server],
    run: map,
};

pub const CAPS: Command = Command {
    name: "caps",
    usage: "PID|NAME",
    summary: "show a server's capabilities",
    help: "Slot and kind of each capability in the server's CSpace. What a capability is\n\
           the kernel tells only if it has debug calls.",
    arguments: &[Argument::Server],
    run: caps,
};

fn map(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let server = find(context.system, one(&MAP, arguments)?)?;
    writeln!(context.out, "{:>16}   {:<16} {:>8}", "first", "last", "size")?;
    let (system, out) = (&mut *context.system, &mut *context.out);
    let mut bytes = 0;
    let runs = each(
        |index| system.range(server.id, index),
        |run| {
            let (write, execute) = (run.protection.write, run.protection.execute);
            let access = (if write { "w" } else { "-" }, if execute { "x" } else { "-" });
            let last = run.start.saturating_add(run.bytes.saturating_sub(1));
            bytes += run.bytes;
            writeln!(
                out,
                "{:16x} - {last:<16x} {:>8} r{}{} {}",
                run.start,
                Size(run.bytes),
                access.0,
                access.1,
                run.kind
            )?;
            Ok(())
        },
    )?;
    Ok(writeln!(context.out, "{} in {runs} runs", Size(bytes))?)
}

fn caps(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let server = find(context.system, one(&CAPS, arguments)?)?;
    writeln!(context.out, "slot  capability")?;
    let (system, out) = (&mut *context.system, &mut *context.out);
    let count = each(
        |index| system.capability(server.id, index),
        |capability| {
            let text = String::from_utf8_lossy(capability.kind.as_bytes());
            writeln!(out, "{:>4}  {text:.73}", capability.slot)?;
            Ok(())
        },
    )?;
    Ok(writeln!(context.out, "{count} capabilities")?)
}
