//! Selkie's heap against other allocators: the same streams of operations through each, in one run.
//!
//! `cargo xtask bench alloc` runs this and shows what it prints: one line of JSON for each figure on standard output,
//! `{"bench":"malloc","workload":…,"candidate":…,"metric":…,"value":…}`; remarks go to standard error.
//!
//! * `workload`: what is replayed; `trace`, `synthetic`: recorded and computed streams
//! * `candidate`, `peers`, `selkie`: the allocators; `region`: the memory that they work in
//! * `speed`, `latency`: thread CPU time of a whole stream, time of each operation
//! * `child`: what needs a fresh process: peak memory, instruction counts

mod candidate;
mod child;
mod latency;
mod options;
mod peers;
mod region;
mod replay;
mod selkie;
mod speed;
mod synthetic;
mod trace;
mod workload;

use std::process::ExitCode;

use candidate::Kind;
use options::{Child, Options};
use region::Region;
use replay::Slots;
use workload::Workload;

fn main() -> ExitCode {
    match Options::parse().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("heap: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    for name in options.workloads() {
        let workload = Workload::load(&name)?;
        match options.child {
            Some(Child::Footprint) => child::footprint(&workload, &options.candidates()),
            Some(Child::Replay) => child::replay_once(&workload, &options.candidates()),
            None => measure(&workload, options),
        }
    }
    Ok(())
}

/// All figures of one workload.
fn measure(workload: &Workload, options: &Options) {
    eprintln!("{}: {} operations", workload.name, workload.ops.len());
    report(workload, None, "operations", workload.ops.len() as f64);
    report(workload, None, "peak_live_bytes", workload.peak_live_bytes as f64);
    let candidates = options.candidates();
    let region = Region::new(workload.region_bytes()).touched();
    let mut slots = Slots::new(workload);
    let cut = speed::measure(workload, &candidates, &region, &mut slots, options.quick);
    let whole: Vec<Kind> = candidates.into_iter().filter(|kind| !cut.contains(kind)).collect();
    latency::measure(workload, &whole, &region, &mut slots, options.quick);
    drop(region);
    child::measure(workload, &whole, options.quick);
}

/// Prints one figure; a candidate of `None` says that it is of the workload itself.
fn report(workload: &Workload, candidate: Option<Kind>, metric: &str, value: f64) {
    let candidate = candidate.map_or("-", Kind::name);
    println!(
        "{{\"bench\":\"malloc\",\"workload\":\"{}\",\"candidate\":\"{candidate}\",\"metric\":\"{metric}\",\"value\":{value}}}",
        workload.name
    );
}
