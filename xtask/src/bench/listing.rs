//! What the instructions of one row are spent on: the kernel's path through one sample, counted by function.
//!
//! QEMU executes one instruction at a time and writes the address of each of the kernel's, and of the benchmark's readings
//! of the clock, to a pipe. Debug information tells which function, inlined or not, an address belongs to.
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::events::{self, Mark};
use super::intervals::Pattern;
use crate::locate::Lines;

/// Where an instruction comes from.
#[derive(Clone, PartialEq, Eq)]
struct Origin {
    /// The innermost function and those that it was inlined into.
    functions: Vec<String>,
    /// File and line.
    place: String,
}

/// The addresses of the kernel's instructions in the last whole sample of the row `id`. `log` is of a run of that row only.
///
/// # Errors
/// The log cannot be read, or has no sample.
pub fn path(log: impl BufRead, marks: &HashMap<u64, Mark>, id: &str) -> Result<Vec<u64>> {
    let pattern = Pattern::of(id);
    let mut samples: Vec<Vec<u64>> = Vec::new();
    let mut open: Option<Vec<u64>> = None;
    let mut newest = Vec::new();
    for line in log.lines() {
        let line = line.context("the log of QEMU cannot be read")?;
        let Some(address) = events::executed(&line) else { continue };
        match marks.get(&address) {
            Some(Mark::Begin) => open = Some(Vec::new()),
            // Measuring what a reading costs is no sample.
            Some(Mark::End) => samples.extend(open.take().filter(|path| !path.is_empty())),
            Some(Mark::Row) if newest.is_empty() => newest = pattern.last(&samples).unwrap_or_default(),
            Some(Mark::Row) => {}
            Some(Mark::Kernel(_)) | None => {
                if let Some(path) = open.as_mut() {
                    path.push(address);
                }
            }
        }
    }
    ensure!(!newest.is_empty(), "the log of QEMU has no sample of `{id}`");
    Ok(newest)
}

/// The path in words: first a count for each function, then every stretch of instructions of one line.
///
/// # Errors
/// The kernel's debug information cannot be read.
pub fn text(kernel: &Path, path: &[u64]) -> Result<String> {
    let lines = Lines::open(kernel)?;
    let origins = path.iter().map(|address| origin(&lines, *address)).collect::<Result<Vec<_>>>()?;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for origin in &origins {
        *counts.entry(origin.functions.first().map_or("?", String::as_str)).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (usize::MAX - count, *name));
    let mut text = format!("{} instructions in the kernel\n\n", path.len());
    for (name, count) in counts {
        writeln!(text, "{count:6}  {name}")?;
    }
    text.push('\n');
    let mut rest = path.iter().zip(&origins).peekable();
    while let Some((address, origin)) = rest.next() {
        let mut count = 1;
        while rest.next_if(|(_, next)| *next == origin).is_some() {
            count += 1;
        }
        let names = origin.functions.join(" < ");
        writeln!(text, "{address:#x} {count:4}  {}  {names}", origin.place)?;
    }
    Ok(text)
}

fn origin(lines: &Lines, address: u64) -> Result<Origin> {
    let frames = lines.frames(address)?;
    let place = frames.first().map_or_else(
        || "?".into(),
        |frame| {
            let file = frame.file.rsplit_once("/src/").map_or(frame.file.as_str(), |(_, file)| file);
            format!("{file}:{}", frame.line)
        },
    );
    let mut functions: Vec<String> = frames.iter().map(|frame| short(&frame.function)).collect();
    if functions.iter().all(|name| name == "?") {
        functions = lines.symbol(address).iter().map(|name| short(name)).collect();
    }
    Ok(Origin { functions, place })
}

/// The last two parts of a path, without types in angle brackets.
fn short(name: &str) -> String {
    let mut depth = 0usize;
    let plain: String = name
        .chars()
        .filter(|character| {
            let inside = depth > 0;
            match character {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
            !inside && *character != '<'
        })
        .collect();
    let mut parts: Vec<&str> = plain.rsplit("::").filter(|part| !part.is_empty()).take(2).collect();
    parts.reverse();
    parts.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sample_of_the_row_is_the_path() {
        let marks = HashMap::from([(1, Mark::Begin), (2, Mark::End), (3, Mark::Row)]);
        let log: String = [9, 1, 7, 8, 2, 9, 1, 5, 6, 2, 1, 2, 3, 1, 4, 2, 3]
            .map(|at| format!("Trace 0: 0x0 [0/{at:x}/0/0]\n"))
            .concat();
        assert_eq!(path(log.as_bytes(), &marks, "null").unwrap(), [5, 6]);
        assert!(path(&b""[..], &marks, "null").is_err());
    }

    #[test]
    fn names_are_short() {
        assert_eq!(short("kernel::sched::Kernel::finish"), "Kernel::finish");
        assert_eq!(
            short(
                "core::option::Option<kernel::addr::KernelPtr<kernel::object::tcb::Tcb>>::is_some_and::<kernel::X>"
            ),
            "Option::is_some_and"
        );
        assert_eq!(short("main"), "main");
    }
}
