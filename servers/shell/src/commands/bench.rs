//! A short measurement from inside: what calls and malloc cost a server.

use alloc::string::String;
use alloc::vec::Vec;
use core::hint::black_box;

use super::{Command, Context, none};
use crate::system::{Result, System};

pub const BENCH: Command = Command {
    name: "bench",
    usage: "",
    summary: "measure calls and malloc in ticks of the clock",
    help: "The least, the median and the 99th of 100 of a thousand runs; what it costs to\n\
           read the clock is taken off. A call goes to the other server and back.\n\
           `cargo xtask bench` measures much more, in instructions.",
    arguments: &[],
    run: bench,
};

/// Runs of each.
const RUNS: usize = 1000;

fn bench(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    none(&BENCH, arguments)?;
    let mut times = Vec::with_capacity(RUNS);
    let clock = measure(context.system, &mut times, 0, |_| Ok(()))?.0;
    writeln!(context.out, "{:<32} {:>9} {:>9} {:>9}", "ticks", "least", "median", "99 %")?;
    let mut show = |what: &str, run: &mut dyn FnMut(&mut dyn System) -> Result<()>| -> Result<()> {
        let (least, median, most) = measure(context.system, &mut times, clock, run)?;
        Ok(writeln!(context.out, "{what:<32} {least:>9} {median:>9} {most:>9}")?)
    };
    show("call of the console", &mut |system| system.call_console())?;
    show("call of the root task", &mut |system| system.call_root())?;
    for bytes in [16_usize, 256, 4096, 65536] {
        show(&alloc::format!("malloc and free of {bytes} bytes"), &mut |_| {
            black_box(Vec::<u8>::with_capacity(black_box(bytes)));
            Ok(())
        })?;
    }
    Ok(())
}

/// Least, median and 99th of 100 of the times that something takes, but for `clock` ticks.
fn measure(
    system: &mut dyn System,
    times: &mut Vec<u64>,
    clock: u64,
    mut run: impl FnMut(&mut dyn System) -> Result<()>,
) -> Result<(u64, u64, u64)> {
    times.clear();
    for _ in 0..RUNS {
        let start = system.ticks();
        run(system)?;
        times.push(system.ticks().saturating_sub(start).saturating_sub(clock));
    }
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok((at(0), at(RUNS / 2), at(RUNS * 99 / 100)))
}
