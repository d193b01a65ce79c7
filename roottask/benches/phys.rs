//! The buddy allocator over a simulated kernel, against other page allocators: `cargo bench -p roottask --bench phys`.
#[path = "phys_parts/candidates.rs"]
mod candidates;
mod common;
#[path = "phys_parts/replay.rs"]
mod replay;
#[path = "phys_parts/streams.rs"]
mod streams;

use candidates::{Null, Peer, Selkie};
use common::clock;
use common::options::Options;
use common::output::Output;
use replay::{Candidate, Runner};
use streams::{Stream, streams};

/// All that can be measured; the first is what the harness itself costs.
fn candidates(options: &Options) -> Vec<Box<dyn Candidate>> {
    let all: [Box<dyn Candidate>; 4] = [
        Box::new(Runner::<Null>::new("null")),
        Box::new(Runner::<Peer>::new("frame-allocator")),
        Box::new(Runner::<Selkie<true>>::new("selkie")),
        Box::new(Runner::<Selkie<false>>::new("selkie-uncached")),
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
    let output = Output::new("phys", stream.name);
    let mut all = candidates(options);
    let mut times = vec![Vec::new(); all.len()];
    for repetition in 0..=options.repetitions() {
        for turn in 0..all.len() {
            let which = (turn + repetition) % all.len();
            let time = all[which].time(stream);
            if repetition > 0 {
                times[which].push(time);
            }
        }
    }
    let least = |times: &Vec<f64>| times.iter().copied().fold(f64::INFINITY, f64::min);
    let least: Vec<f64> = times.iter().map(least).collect();
    let medians: Vec<f64> = times.iter_mut().map(|times| clock::median(times)).collect();
    for (which, candidate) in all.iter_mut().enumerate().skip(1) {
        let name = candidate.name();
        let (net, net_min) = (medians[which] - medians[0], least[which] - least[0]);
        let (p999, max) = candidate.latencies(stream, options.passes()).tail(tick_ns);
        let mut facts = vec![("net_ns", net), ("net_min_ns", net_min), ("p999_ns", p999), ("max_ns", max)];
        facts.extend(candidate.facts(stream));
        let text: String = facts.iter().map(|(metric, value)| format!(" {metric} {value:.4}")).collect();
        output.row(name, &text);
        for (metric, value) in facts {
            output.figure(name, metric, value);
        }
    }
}
