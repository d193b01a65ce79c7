//! The allocator of address ranges against others: `cargo bench -p roottask --bench virt`.
#[path = "virt_parts/candidates.rs"]
mod candidates;
mod common;
#[path = "virt_parts/replay.rs"]
mod replay;
#[path = "virt_parts/streams.rs"]
mod streams;

use candidates::{FirstFit, Null, Selkie, TwoTrees};
use common::clock;
use common::options::Options;
use common::output::Output;
use replay::{Candidate, Runner};
use streams::{Stream, streams};

/// All that can be measured; the first is what the harness itself costs.
fn candidates(options: &Options) -> Vec<Box<dyn Candidate>> {
    let all: [Box<dyn Candidate>; 5] = [
        Box::new(Runner::<Null>::new("null")),
        Box::new(Runner::<FirstFit>::new("range-alloc")),
        Box::new(Runner::<TwoTrees>::new("2xBTree")),
        Box::new(Runner::<Selkie<false>>::new("selkie")),
        Box::new(Runner::<Selkie<true>>::new("selkie-by-address")),
    ];
    all.into_iter().filter(|one| one.name() == "null" || options.has_candidate(one.name())).collect()
}

fn main() {
    let options = Options::read();
    let tick_ns = clock::tick_ns();
    for stream in streams(options.quick).iter().filter(|stream| options.has_workload(stream.name)) {
        measure(&options, stream, tick_ns);
    }
}

fn measure(options: &Options, stream: &Stream, tick_ns: f64) {
    let output = Output::new("virt", stream.name);
    let mut all = candidates(options);
    let mut times = vec![Vec::new(); all.len()];
    for repetition in 0..=options.repetitions() {
        for turn in 0..all.len() {
            let which = (turn + repetition) % all.len();
            // A candidate that takes seconds is measured once.
            if all[which].is_slow() && !times[which].is_empty() {
                continue;
            }
            let time = all[which].time(stream);
            if repetition > 0 || all[which].is_slow() {
                times[which].push(time);
            }
        }
    }
    let least = |times: &Vec<f64>| times.iter().copied().fold(f64::INFINITY, f64::min);
    let least: Vec<f64> = times.iter().map(least).collect();
    let medians: Vec<f64> = times.iter_mut().map(|times| clock::median(times)).collect();
    for (which, candidate) in all.iter_mut().enumerate().skip(1) {
        let name = candidate.name();
        let mut facts =
            vec![("net_ns", medians[which] - medians[0]), ("net_min_ns", least[which] - least[0])];
        let (p999, max) = candidate.latencies(stream, options.passes()).tail(tick_ns);
        facts.extend([("p999_ns", p999), ("max_ns", max)]);
        facts.extend(candidate.facts(stream));
        let text: String = facts.iter().map(|(metric, value)| format!(" {metric} {value:.3}")).collect();
        output.row(name, &text);
        for (metric, value) in facts {
            output.figure(name, metric, value);
        }
    }
}
