//! `fuzz`: random sequences of kernel entries, or of requests to an allocator, on the host, at length, with every invariant
//! checked after each of them.
//!
//! A package's own tests hold its fuzzer. Here it is compiled once, started in several processes, and watched: what they
//! print with a prefix is counted; a failure, a crash and a hang each name the case that can be run again.
mod target;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::context::Context;
use target::Target;

/// Begins each line that is meant for us.
const PREFIX: &str = "fuzz: ";
/// Time between two progress lines.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// A case takes milliseconds; without a sign of life for so long it hangs.
const HANG: Duration = Duration::from_secs(60);

/// Options of `fuzz`.
#[derive(Args, Clone)]
#[command(after_help = "An operation is one kernel entry (system call, fault, interrupt) or one request,\n\
followed by a check of every invariant.")]
pub struct FuzzArgs {
    /// What is run: kernel, phys, virt, heap
    #[arg(long, value_enum, default_value_t = Target::Kernel, hide_possible_values = true)]
    pub target: Target,
    /// Operations in all
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub ops: u64,
    /// Seed of the run [default: from the clock]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Processes [default: one a processor]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub jobs: Option<u64>,
    /// Run only this case of the seed, cut it down and tell what happens
    #[arg(long, requires = "seed")]
    pub case: Option<u64>,
}

/// What a process said.
enum Event {
    /// It begins a case.
    Case(u64),
    /// Operations, those that succeeded, and cases so far.
    Done([u64; 3]),
    /// A row of the table: name and counts.
    Row(String, Vec<u64>),
    /// Names of the counts in rows.
    Head(Vec<String>),
    /// A situation and how often it was seen.
    Seen(u64, String),
    /// A case failed.
    Failed(u64),
    /// Says how.
    Tell(String),
    /// It did all that it had to.
    End,
}

/// Reads a line of a process; None if it is not meant for us.
fn parse(line: &str) -> Option<Event> {
    let (verb, rest) = line.strip_prefix(PREFIX)?.split_once(' ').unwrap_or((line.strip_prefix(PREFIX)?, ""));
    let mut words = rest.split(' ');
    Some(match verb {
        "case" => Event::Case(rest.parse().ok()?),
        "done" => {
            let mut number = || words.next()?.parse().ok();
            Event::Done([number()?, number()?, number()?])
        }
        "row" => {
            let name = words.next()?.to_string();
            Event::Row(name, words.map(str::parse).collect::<Result<_, _>>().ok()?)
        }
        "head" => Event::Head(words.map(String::from).collect()),
        "seen" => {
            let (count, name) = rest.split_once(' ')?;
            Event::Seen(count.parse().ok()?, name.to_string())
        }
        "failed" => Event::Failed(rest.parse().ok()?),
        "tell" => Event::Tell(rest.to_string()),
        "end" => Event::End,
        _ => return None,
    })
}

/// One process.
struct Job {
    child: Child,
    case: u64,
    done: [u64; 3],
    alive: Instant,
    ended: bool,
}

/// What is known of the whole run.
#[derive(Default)]
struct Report {
    head: Vec<String>,
    rows: BTreeMap<String, Vec<u64>>,
    seen: BTreeMap<String, u64>,
}

/// Runs the fuzzer until all operations are done.
///
/// # Errors
/// A case fails, crashes or hangs; its number was printed with what leads to it. Or the fuzzer does not compile.
pub fn run(context: &Context, args: &FuzzArgs) -> Result<()> {
    let (package, worker) = args.target.worker();
    let program = build(context, package)?;
    let seed = args.seed.unwrap_or_else(seed_from_clock);
    let processors = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let jobs = if args.case.is_some() { 1 } else { args.jobs.unwrap_or(processors) };
    println!("seed {seed}, {} operations, {jobs} processes", args.ops);
    let (sender, receiver) = mpsc::channel();
    let mut running = Vec::new();
    for index in 0..jobs {
        let mut command = context.prepare(context.shell.cmd(&program).args([
            worker,
            "--exact",
            "--ignored",
            "--nocapture",
        ]));
        command.env("SELKIE_FUZZ_SEED", seed.to_string());
        command.env("SELKIE_FUZZ_OPS", args.ops.div_ceil(jobs).to_string());
        command.env("SELKIE_FUZZ_FIRST", index.to_string()).env("SELKIE_FUZZ_STRIDE", jobs.to_string());
        match args.case {
            Some(case) => command.env("SELKIE_FUZZ_CASE", case.to_string()),
            None => command.env_remove("SELKIE_FUZZ_CASE"),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the fuzzer")?;
        listen(&mut child, index as usize, &sender);
        running.push(Job { child, case: 0, done: [0; 3], alive: Instant::now(), ended: false });
    }
    drop(sender);
    let started = Instant::now();
    let result = watch(&mut running, &receiver, started, args.ops);
    for job in &mut running {
        // Already ended, unless another failed.
        let _ = job.child.kill();
        let _ = job.child.wait();
    }
    match result {
        Ok(report) => {
            progress(&running, started, args.ops);
            report.print();
            Ok(())
        }
        Err((case, problem)) => {
            println!("\nagain: cargo xtask fuzz --target {} --seed {seed} --case {case}", args.target.word());
            bail!("case {case} of seed {seed}: {problem}");
        }
    }
}

/// Compiles a package's tests as profile `fuzz` says; the file to start.
fn build(context: &Context, package: &str) -> Result<PathBuf> {
    let args = [
        "test",
        "--profile",
        "fuzz",
        "-p",
        package,
        "--lib",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ];
    let mut command = context.prepare(context.cargo().args(args));
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the fuzzer does not compile; cargo's message is above");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().rev().find_map(executable).context("cargo named no program")
}

/// The program in one of cargo's messages.
fn executable(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once("\"executable\":\"")?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path))
}

fn seed_from_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64 % 1_000_000_000
}

/// Sends what a process prints, and None at its end.
fn listen(child: &mut Child, index: usize, sender: &Sender<(usize, Option<Event>)>) {
    let Some(stdout) = child.stdout.take() else { return };
    let sender = sender.clone();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(event) = parse(&line)
                && sender.send((index, Some(event))).is_err()
            {
                return;
            }
        }
        // Nobody listens any more if this fails.
        let _ = sender.send((index, None));
    });
}

/// Follows the processes until all have ended well; else the case that did not, and what went wrong.
fn watch(
    jobs: &mut [Job],
    receiver: &Receiver<(usize, Option<Event>)>,
    started: Instant,
    operations: u64,
) -> Result<Report, (u64, String)> {
    let mut report = Report::default();
    let mut shown = Instant::now();
    let mut told: Option<u64> = None;
    while jobs.iter().any(|job| !job.ended) {
        let message = receiver.recv_timeout(Duration::from_secs(1));
        if shown.elapsed() >= PROGRESS_EVERY && told.is_none() {
            shown = Instant::now();
            progress(jobs, started, operations);
        }
        // Cutting a case down is many cases without a word.
        if let Some(job) = jobs.iter().find(|job| !job.ended && job.alive.elapsed() > HANG)
            && told.is_none()
        {
            return Err((job.case, format!("no end within {} s: it hangs", HANG.as_secs())));
        }
        let (index, event) = match message {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let Some(job) = jobs.get_mut(index) else { continue };
        job.alive = Instant::now();
        match event {
            Some(Event::Case(case)) => job.case = case,
            Some(Event::Done(done)) => job.done = done,
            Some(Event::Failed(case)) => {
                println!("\ncase {case} failed; looking for the shortest sequence that fails …");
                told = Some(case);
            }
            Some(Event::Tell(text)) => println!("  {text}"),
            Some(Event::Head(head)) => report.head = head,
            Some(Event::Row(name, counts)) => report.add(name, &counts),
            Some(Event::Seen(count, name)) => *report.seen.entry(name).or_default() += count,
            Some(Event::End) => job.ended = true,
            None if job.ended => {}
            None => {
                let case = job.case;
                return Err(match told {
                    Some(case) => (case, "an invariant does not hold".to_string()),
                    None => (case, "the process died".to_string()),
                });
            }
        }
    }
    Ok(report)
}

fn progress(jobs: &[Job], started: Instant, operations: u64) {
    let sum = |index: usize| jobs.iter().map(|job| job.done[index]).sum::<u64>();
    let (done, good, cases) = (sum(0), sum(1), sum(2));
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{seconds:6.0} s  {done} of {operations} operations, {:.0} a second, {cases} cases, {:.0}% succeeded",
        done as f64 / seconds.max(0.001),
        100.0 * good as f64 / done.max(1) as f64,
    );
}

impl Report {
    fn add(&mut self, name: String, counts: &[u64]) {
        let row = self.rows.entry(name).or_default();
        row.resize(counts.len().max(row.len()), 0);
        for (sum, count) in row.iter_mut().zip(counts) {
            *sum += count;
        }
    }

    /// The table of outcomes, and the situations that were seen.
    fn print(&self) {
        print!("\n{:<28}", "operation");
        self.head.iter().for_each(|name| print!(" {name:>8}"));
        println!();
        for (name, counts) in &self.rows {
            print!("{name:<28}");
            for count in counts {
                if *count == 0 { print!(" {:>8}", "-") } else { print!(" {count:>8}") }
            }
            println!();
        }
        if self.seen.is_empty() {
            return;
        }
        println!("\nseen in every fourth look:");
        for (name, count) in &self.seen {
            println!("{count:>10}  {name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_fuzzer_are_understood() {
        assert!(matches!(parse("fuzz: case 12"), Some(Event::Case(12))));
        assert!(matches!(parse("fuzz: done 5 4 1"), Some(Event::Done([5, 4, 1]))));
        assert!(matches!(parse("fuzz: failed 7"), Some(Event::Failed(7))));
        assert!(matches!(parse("fuzz: end"), Some(Event::End)));
        let Some(Event::Row(name, counts)) = parse("fuzz: row CNodeCopy 3 0 9") else { panic!("no row") };
        assert_eq!((name.as_str(), counts), ("CNodeCopy", vec![3, 0, 9]));
        let Some(Event::Seen(count, name)) = parse("fuzz: seen 8 a zombie in a slot") else {
            panic!("no situation")
        };
        assert_eq!((count, name.as_str()), (8, "a zombie in a slot"));
        let Some(Event::Tell(text)) = parse("fuzz: tell   a step") else { panic!("no text") };
        assert_eq!(text, "  a step");
        for line in ["test tests::fuzz ... ok", "fuzz: done 5", "fuzz: case x", "fuzz: shout"] {
            assert!(parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn counts_of_all_processes_are_added() {
        let mut report = Report::default();
        report.add("Send".into(), &[1, 2]);
        report.add("Send".into(), &[10, 20]);
        assert_eq!(report.rows["Send"], [11, 22]);
    }

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","executable":"/t/fuzz/deps/kernel-1","fresh":true}"#;
        assert_eq!(executable(line), Some(PathBuf::from("/t/fuzz/deps/kernel-1")));
        assert_eq!(executable(r#"{"executable":null}"#), None);
    }
}
