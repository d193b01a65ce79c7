//! `bench`: boots the benchmark root task in QEMU with counted instructions, and shows what it measured.
mod alloc;
mod baseline;
mod compare;
mod document;
mod events;
mod intervals;
mod listing;
mod plot;
mod rows;
mod store;
mod table;

use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use xshell::cmd;

use crate::build::{self, BuildArgs, KernelKind};
use crate::context::Context;
use crate::elf_file::ElfFile;
use crate::failure::{missing, timed_out};
use crate::guest::{End, Streams};
use crate::needs::Need;
use crate::qemu::{self, QemuArgs};
use crate::setup;
use baseline::Baseline;
use compare::{FAILS_PERCENT, SHOWN_PERCENT};
use rows::{Output, Row};

/// Time limit of the run in QEMU.
const GUEST_LIMIT_S: u64 = 1200;
/// The run against which CI measures, below the workspace's root.
const REFERENCE: &str = "docs/bench-reference.json";

/// Options of `bench`.
#[derive(Args, Clone)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Figures are instructions (QEMU's -icount shift=0) and repeat exactly. The run is\n\
kept in target/bench.json. The exit code is 1 if a median grew by over 10 %\nagainst docs/bench-reference.json, or a \
row could not be measured.\n\nExamples:\n  cargo xtask bench --short\n  cargo xtask bench call reply_recv fault\n  cargo \
xtask bench --vs before.json")]
pub struct BenchArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// Only rows whose name begins so, such as call/other
    #[arg(value_name = "ROW")]
    pub rows: Vec<String>,
    /// Leave out what takes long
    #[arg(long)]
    pub short: bool,
    /// Show what changed against an earlier run's file
    #[arg(long, value_name = "FILE")]
    pub vs: Option<PathBuf>,
    /// Build of the kernel: debug, release, benchmark
    #[arg(long, value_enum, default_value_t = KernelKind::Benchmark, hide_possible_values = true)]
    pub kernel: KernelKind,
    /// Count CR3 writes, INVLPG and serialising instructions too: minutes
    #[arg(long)]
    pub events: bool,
    /// Show what the kernel's instructions of the one ROW are spent on
    #[arg(long, requires = "rows", conflicts_with_all = ["events", "save_reference", "vs"])]
    pub listing: bool,
    /// Make this run the reference, in docs/
    #[arg(long, conflicts_with_all = ["rows", "short"])]
    pub save_reference: bool,
}

/// What else there is to measure.
#[derive(Subcommand, Clone)]
enum What {
    /// The allocators against their peers, on this machine
    #[command(next_line_help = true)]
    Alloc(alloc::AllocArgs),
}

/// Measures, shows, compares.
///
/// # Errors
/// The build fails, a row could not be measured, or a figure grew by too much.
pub fn run(context: &Context, args: &BenchArgs) -> Result<()> {
    if let Some(What::Alloc(args)) = &args.what {
        return alloc::run(context, args);
    }
    let baseline = Baseline::read(&context.root)?;
    // Before any time goes into a run.
    let earlier = args.vs.as_deref().map(store::read).transpose()?;
    setup::ensure(context, &[Need::RustTarget, Need::Qemu])?;
    if args.listing {
        return list(context, args);
    }
    let mut output = boot(context, args, &[])?;
    if let Some(name) = args.rows.iter().find(|name| !output.has(name)) {
        return Err(missing(format!("no row begins with `{name}`; `cargo xtask bench` shows them all")));
    }
    if args.events {
        count_events(context, args, &mut output.rows)?;
    }
    if args.rows.is_empty() {
        let file = ElfFile::read(&program(context, args, "selkie"))?;
        let (_, code) = file.section(".text")?;
        output.rows.push(Row::single("kernel/text", code.len() as u64, "bytes"));
    }
    print!("{}", table::text(&output.rows, &baseline));
    let (goals, reached) = table::goals(&output.rows, &baseline);
    println!("\n{reached} of {goals} goals reached");
    let kept = store::to_json(args.kernel.word(), &output.rows, &baseline);
    let path = context.target_dir.join("bench.json");
    store::write(&path, &kept)?;
    println!("kept in {}", path.display());
    if let Some(earlier) = earlier {
        show_changes(&output.rows, &earlier);
    }
    if !output.failures.is_empty() {
        bail!("these rows could not be measured:\n  {}", output.failures.join("\n  "));
    }
    if args.save_reference {
        return save_reference(context, &output.rows, &baseline, &kept);
    }
    check_reference(&context.root.join(REFERENCE), args, &output.rows)
}

/// Boots the benchmark root task and reads what it prints.
fn boot(context: &Context, args: &BenchArgs, extra: &[String]) -> Result<Output> {
    let mut qemu_args = QemuArgs::with_time_limit(GUEST_LIMIT_S);
    qemu_args.image.build = build_args(args);
    qemu_args.image.root_task = Some(program(context, args, "bench"));
    qemu_args.image.cmdline = command_line(args);
    qemu_args.machine.icount = true;
    qemu_args.extra = extra.iter().map(Into::into).collect();
    let (end, text) = qemu::boot(context, &qemu_args, Streams::Silent)?;
    let output = rows::parse(&text)?;
    match end {
        End::Code(0 | 1) if output.complete => Ok(output),
        End::TimedOut => {
            Err(timed_out(format!("the benchmark was still running after {GUEST_LIMIT_S} s:\n{text}")))
        }
        _ => bail!("the benchmark did not come to its end; it printed:\n{text}"),
    }
}

/// Measures once more, one instruction at a time, and adds to `rows` what only such a run shows. Rows that take long
/// are left out: what they repeat is counted by the shorter ones.
fn count_events(context: &Context, args: &BenchArgs, rows: &mut [Row]) -> Result<()> {
    let marks = events::marks(&program(context, args, "selkie"), &program(context, args, "bench"))?;
    let log = context.output_dir()?.join("bench-events.log");
    println!("counting events, one instruction at a time; this takes minutes");
    let args = BenchArgs { short: true, ..args.clone() };
    let output = boot(context, &args, &events::qemu_arguments(&marks, None, &log))?;
    let ids: Vec<&str> = output.rows.iter().map(|row| row.id.as_str()).collect();
    let file = File::open(&log).with_context(|| format!("QEMU wrote no log {}", log.display()))?;
    let counted = events::read(BufReader::new(file), &marks, &ids)?;
    fs::remove_file(&log)?;
    for row in rows {
        let index = ids.iter().position(|id| *id == row.id);
        row.events = index.and_then(|index| counted[index]).filter(|_| row.count > 1);
    }
    Ok(())
}

/// Shows the path of a row through the kernel, by function; instruction by instruction in a file.
fn list(context: &Context, args: &BenchArgs) -> Result<()> {
    let [row] = args.rows.as_slice() else {
        bail!("--listing shows one row; {} were named", args.rows.len())
    };
    build::run(context, &build_args(args))?;
    let kernel = program(context, args, "selkie");
    let (start, code_bytes) = {
        let file = ElfFile::read(&kernel)?;
        let (start, code) = file.section(".text")?;
        (start, code.len() as u64)
    };
    let marks = events::readings(&program(context, args, "bench"))?;
    let folder = context.output_dir()?;
    // The kernel's boot is in the log too: gigabytes, so they go through a pipe.
    let pipe = folder.join("bench-listing.pipe");
    let _ = fs::remove_file(&pipe);
    cmd!(context.shell, "mkfifo {pipe}").quiet().run()?;
    let arguments = events::qemu_arguments(&marks, Some((start, code_bytes)), &pipe);
    let reader = {
        let (pipe, row) = (pipe.clone(), row.clone());
        thread::spawn(move || listing::path(BufReader::new(File::open(pipe)?), &marks, &row))
    };
    let booted = boot(context, args, &arguments);
    // Opens the pipe's other end, should QEMU never have done so: the reader comes to its end.
    drop(fs::OpenOptions::new().read(true).write(true).open(&pipe));
    let path = reader.join().map_err(|_| anyhow!("the reader of QEMU's log panicked"))?;
    fs::remove_file(&pipe)?;
    booted?;
    let text = listing::text(&kernel, &path?)?;
    let file = folder.join("bench-listing.txt");
    fs::write(&file, &text)?;
    let summary = text.split("\n0x").next().unwrap_or_default();
    println!("{row}: {summary}\nline by line in {}", file.display());
    Ok(())
}

/// How what is measured is built.
fn build_args(args: &BenchArgs) -> BuildArgs {
    BuildArgs { kernel: args.kernel, ..BuildArgs::default() }
}

/// ELF file of a program that [`boot`] builds.
fn program(context: &Context, args: &BenchArgs, name: &str) -> PathBuf {
    build::folder(context, &build_args(args)).join(name)
}

/// What the benchmark root task is told.
fn command_line(args: &BenchArgs) -> Vec<String> {
    let mut words = vec![format!("bench_kernel={}", args.kernel.word())];
    words.extend(args.short.then(|| "bench_short".to_string()));
    words.extend(args.rows.iter().map(|row| format!("bench_row={row}")));
    words
}

/// Prints what changed; what is worse in red, on a terminal.
fn show_changes(rows: &[Row], earlier: &store::Kept) {
    let (red, plain) = if io::stdout().is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    let changes = compare::changes(rows, earlier);
    println!("\nagainst the earlier run (kernel {}): {} rows changed", earlier.kernel, changes.len());
    for change in changes {
        if change.is_worse_by(SHOWN_PERCENT) {
            println!("{red}{}  worse{plain}", change.line());
        } else {
            println!("{}", change.line());
        }
    }
}

fn check_reference(path: &Path, args: &BenchArgs, rows: &[Row]) -> Result<()> {
    if !path.is_file() {
        println!("no {REFERENCE} to compare with; `cargo xtask bench --save-reference` writes it");
        return Ok(());
    }
    let reference = store::read(path)?;
    if reference.kernel != args.kernel.word() {
        println!("{REFERENCE} is of the {} kernel: not compared", reference.kernel);
        return Ok(());
    }
    let changes = compare::changes(rows, &reference);
    let worse: Vec<String> = changes
        .iter()
        .filter(|change| change.is_worse_by(FAILS_PERCENT))
        .map(compare::Change::line)
        .collect();
    if !worse.is_empty() {
        bail!(
            "grew by over {FAILS_PERCENT} % against {REFERENCE} (make them cheaper, or run `cargo xtask bench \
             --save-reference` and say why in the commit):\n  {}",
            worse.join("\n  ")
        );
    }
    println!("no figure grew by over {FAILS_PERCENT} % against {REFERENCE}");
    Ok(())
}

/// Writes the reference, and the table and the picture of the documentation.
fn save_reference(context: &Context, rows: &[Row], baseline: &Baseline, kept: &str) -> Result<()> {
    let families = plot::families(rows, &baseline.plot);
    let content = format!("{}\n{}", table::markdown(rows, baseline), document::growth(&families));
    document::update(&context.root, &document::KERNEL, &content)?;
    store::write(&context.root.join(document::PICTURE), &plot::svg(&families))?;
    store::write(&context.root.join(REFERENCE), kept)?;
    println!("wrote {REFERENCE}, {}, {}", document::FILE, document::PICTURE);
    Ok(())
}
