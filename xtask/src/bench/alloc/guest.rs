//! `bench alloc --guest`: the streams of malloc in a server in QEMU, with counted instructions.
//!
//! Each stream has a boot of its own, so that each begins with a heap in its first state. The server `heapbench` finds the
//! stream in the boot archive.
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};

use super::super::document::{self, Section};
use super::super::store;
use super::AllocArgs;
use super::figures::{Figure, Figures};
use super::streams;
use crate::build::KernelKind;
use crate::context::Context;
use crate::failure::missing;
use crate::guest::{End, Streams};
use crate::qemu::{self, QemuArgs};

/// Time limit of one boot.
const LIMIT_S: u64 = 300;
/// The benchmark's word in figures.
const BENCH: &str = "guest";
/// How the server's lines begin.
const PREFIX: &str = "heapbench: ";
/// Figures of the run that the documentation shows.
const FILE: &str = "docs/bench-alloc-guest.json";
/// Where its table is.
const SECTION: Section = Section {
    begin: "<!-- bench alloc guest: begin (written by `cargo xtask bench alloc --guest --save`) -->\n",
    end: "<!-- bench alloc guest: end -->\n",
};
/// Columns of the table: title, candidate, metric.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("operations", "-", "operations"),
    ("first", "first", "instructions"),
    ("again", "again", "instructions"),
    ("thread", "thread", "instructions"),
    ("requests", "first", "requests"),
    ("again", "again", "requests"),
];

/// Boots once for each stream; shows and keeps what the server counted.
///
/// # Errors
/// There is no such stream, the build fails, or a boot does not come to its end.
pub fn run(context: &Context, args: &AllocArgs) -> Result<()> {
    let mut sources = streams::sources(&context.root)?;
    if let Some(name) =
        args.workload.iter().find(|name| !sources.iter().any(|source| streams::name(source) == *name))
    {
        return Err(missing(format!("there is no workload {name}")));
    }
    sources.retain(|source| {
        args.workload.is_empty() || args.workload.iter().any(|name| name == streams::name(source))
    });
    sources.extend(args.trace.iter().map(|path| path.to_string_lossy().into_owned()));
    let mut figures = Figures::default();
    for source in &sources {
        let name = streams::name(source);
        println!("── {name}");
        let output = boot(context, &streams::file(source)?)?;
        read(&mut figures, name, &output).with_context(|| format!("{name}: the guest printed:\n{output}"))?;
    }
    print!("{}", text(&figures));
    let json = figures.to_json(&[]);
    let path = context.output_dir()?.join("bench-alloc-guest.json");
    store::write(&path, &json)?;
    println!("kept in {}", path.display());
    if args.save {
        document::update(&context.root, &SECTION, &markdown(&figures))?;
        store::write(&context.root.join(FILE), &json)?;
        println!("wrote {FILE}, {}", document::FILE);
    }
    Ok(())
}

/// What the guest prints with a stream in its archive.
fn boot(context: &Context, stream: &[u8]) -> Result<String> {
    let file = context.output_dir()?.join(heapbench::FILE);
    std::fs::write(&file, stream).with_context(|| format!("cannot write {}", file.display()))?;
    let mut args = QemuArgs::with_time_limit(LIMIT_S);
    args.image.build.kernel = KernelKind::Release;
    args.image.server.push("heapbench".into());
    args.image.no_server.push("hello".into());
    args.image.file.push(file);
    args.machine.icount = true;
    let (end, output) = qemu::boot(context, &args, Streams::Silent)?;
    match end {
        End::Code(0) => Ok(output),
        _ => bail!("the benchmark did not come to its end; it printed:\n{output}"),
    }
}

/// Takes the server's lines.
fn read(figures: &mut Figures, workload: &str, output: &str) -> Result<()> {
    let mut passes = 0;
    for line in output.lines().filter_map(|line| line.strip_prefix(PREFIX)) {
        let (pass, numbers) = line.split_once(' ').context("a line without numbers")?;
        let numbers: Vec<f64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [operations, ticks, nothing, requests, failed] = numbers[..] else {
            bail!("not five numbers: {line}")
        };
        let mut add = |candidate: &str, metric: &str, value: f64| {
            let [bench, workload, candidate, metric] = [BENCH, workload, candidate, metric].map(String::from);
            figures.push(Figure { bench, workload, candidate, metric, value });
        };
        if passes == 0 {
            add("-", "operations", operations);
        }
        add(pass, "instructions", (ticks - nothing) / operations);
        add(pass, "requests", requests * 1000.0 / operations);
        add(pass, "failed", failed);
        if failed != 0.0 {
            bail!("{failed} operations failed");
        }
        passes += 1;
    }
    if passes != 3 {
        bail!("{passes} replays, not 3");
    }
    Ok(())
}

fn cells(figures: &Figures, workload: &str) -> [String; COLUMNS.len()] {
    COLUMNS.map(|(_, candidate, metric)| {
        let value = figures.get(BENCH, workload, candidate, metric).unwrap_or_default();
        match metric {
            "operations" => format!("{value:.0}"),
            "instructions" => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    })
}

/// The table for the terminal.
fn text(figures: &Figures) -> String {
    let mut text = String::from(
        "\ninstructions per operation from the first state, again when all blocks were\nfreed, once more by a second \
         thread;\nrequests to the root task per 1,000 operations\n",
    );
    let _ = write!(text, "{:<14}", "");
    COLUMNS.iter().for_each(|(title, ..)| text += &format!(" {title:>10}"));
    for workload in figures.workloads(BENCH) {
        let _ = write!(text, "\n{workload:<14.14}");
        cells(figures, workload).iter().for_each(|cell| text += &format!(" {cell:>10}"));
    }
    text + "\n"
}

/// The table in Markdown.
fn markdown(figures: &Figures) -> String {
    let titles = COLUMNS.map(|(title, ..)| title).join(" | ");
    let mut text = format!("| | {titles} |\n|---|{}\n", "--:|".repeat(COLUMNS.len()));
    for workload in figures.workloads(BENCH) {
        let _ = writeln!(text, "| {workload} | {} |", cells(figures, workload).join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "root: heapbench runs\nheapbench: first 1000 60000 10000 5 0\nheapbench: again 1000 40000 10000 1 0\nheapbench: thread 1000 45000 10000 1 0\n";

    #[test]
    fn the_servers_lines_become_a_table() {
        let mut figures = Figures::default();
        read(&mut figures, "cc1", OUTPUT).unwrap();
        let line = "| cc1 | 1000 | 50.0 | 30.0 | 35.0 | 5.00 | 1.00 |\n";
        assert!(markdown(&figures).ends_with(line), "{}", markdown(&figures));
        let text = text(&figures);
        assert!(text.contains("cc1") && text.lines().all(|line| line.len() <= 80), "{text}");
    }

    #[test]
    fn other_output_is_refused() {
        for output in [
            "",
            &OUTPUT.replace(" 5 0", " 5 2"),
            &OUTPUT.replace("again 1000", "again"),
            &OUTPUT.replace("heapbench: again", "hello: again"),
        ] {
            assert!(read(&mut Figures::default(), "cc1", output).is_err(), "{output}");
        }
    }
}
