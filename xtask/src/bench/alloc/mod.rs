//! `bench alloc`: the three allocators against their peers, on the host.
//!
//! The benchmarks are `libsel`'s `heap` and `roottask`'s `phys` and `virt`. Each prints one line of JSON
//! for each figure; here they become tables, pictures, and a verdict on each goal of `goals.toml`. `guest` is apart: the
//! streams of `heap` in a server in QEMU.
mod bars;
mod figures;
mod goals;
mod guest;
mod kept;
mod streams;
mod tables;

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::store;
use crate::context::Context;
use figures::Figures;
use goals::Goals;

/// Package, benchmark, and the word of it in figures.
const BENCHMARKS: [(&str, &str, &str); 3] =
    [("libsel", "heap", "malloc"), ("roottask", "phys", "phys"), ("roottask", "virt", "virt")];

/// Options of `bench alloc`.
#[derive(Args, Clone)]
#[command(
    after_help = "Runs on this machine, all candidates in turn; only ratios within one run mean\nanything. The \
figures are kept in target/bench-alloc.json.\n\nExamples:\n  cargo xtask bench alloc --quick\n  cargo xtask bench alloc \
--only heap --trace redis.at1.gz\n  cargo xtask bench alloc --only heap --workload cc1 --workload syn-larson\n  cargo xtask bench alloc --guest"
)]
pub struct AllocArgs {
    /// Fewer repetitions, instruction counts of ours alone
    #[arg(long)]
    pub quick: bool,
    /// Another recorded trace for malloc, measured as well (.at1.gz)
    #[arg(long, value_name = "FILE")]
    pub trace: Vec<PathBuf>,
    /// Only these benchmarks: heap, phys, virt
    #[arg(long, value_name = "NAME", value_parser = ["heap", "phys", "virt"], hide_possible_values = true)]
    pub only: Vec<String>,
    /// Only these workloads
    #[arg(long, value_name = "NAME")]
    pub workload: Vec<String>,
    /// Only these candidates; ratios need the one compared with
    #[arg(long, value_name = "NAME")]
    pub candidate: Vec<String>,
    /// Malloc in a server in QEMU: instructions, requests to the root task
    #[arg(long, conflicts_with_all = ["quick", "only", "candidate"])]
    pub guest: bool,
    /// Make this run the one in docs/, each benchmark by itself
    #[arg(long, conflicts_with_all = ["quick", "workload", "candidate", "trace"])]
    pub save: bool,
}

/// Measures, shows, judges.
///
/// # Errors
/// A benchmark does not build, or does not come to its end.
pub fn run(context: &Context, args: &AllocArgs) -> Result<()> {
    if args.guest {
        return guest::run(context, args);
    }
    let goals = Goals::read()?;
    let mut figures = Figures::default();
    for (package, benchmark, word) in BENCHMARKS {
        let wanted = args.only.is_empty() || args.only.iter().any(|name| name == benchmark);
        if wanted && exists(context, package, benchmark)? {
            println!("── {word} ({package}, {benchmark})");
            figures.add(&measure(context, args, package, benchmark)?)?;
        }
    }
    print!("{}", tables::text(&figures, &goals));
    let verdicts = goals.judge(&figures);
    print!("{}", goals::text(&verdicts));
    let path = context.output_dir()?.join("bench-alloc.json");
    store::write(&path, &figures.to_json(&verdicts))?;
    println!("kept in {}", path.display());
    if args.save {
        kept::save(context, &figures, &goals)?;
    }
    Ok(())
}

/// Whether a package has such a benchmark.
fn exists(context: &Context, package: &str, benchmark: &str) -> Result<bool> {
    let manifest = context.root.join(package).join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is malformed", manifest.display()))?;
    let targets = table.get("bench").and_then(toml::Value::as_array);
    let named = |target: &toml::Value| target.get("name").and_then(toml::Value::as_str) == Some(benchmark);
    Ok(targets.is_some_and(|targets| targets.iter().any(named)))
}

/// What a benchmark prints; its remarks go to the terminal as they come.
fn measure(context: &Context, args: &AllocArgs, package: &str, benchmark: &str) -> Result<String> {
    let mut command = context.cargo().args(["bench", "--quiet", "-p", package, "--bench", benchmark, "--"]);
    if args.quick {
        command = command.arg("--quick");
    }
    for (option, values) in [("--workload", &args.workload), ("--candidate", &args.candidate)] {
        for value in values {
            command = command.args([option, value]);
        }
    }
    if benchmark == "heap" {
        for trace in &args.trace {
            // Cargo runs a benchmark in its package's folder.
            let path = trace.canonicalize().with_context(|| format!("no trace {}", trace.display()))?;
            command = command.arg("--trace").arg(path);
        }
    }
    let output =
        context.prepare(command).stderr(Stdio::inherit()).output().context("cannot run cargo bench")?;
    if !output.status.success() {
        bail!("the benchmark {benchmark} of {package} failed; what it says is above");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
