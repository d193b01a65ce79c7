//! The command line.

use std::env;
use std::fs;
use std::path::Path;

use crate::candidate::Kind;
use crate::synthetic;

/// The part of a measurement that runs in a process of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// Replay, touch everything, print how much memory was in use.
    Footprint,
    /// Replay once, for callgrind to count.
    Replay,
}

/// What is measured.
#[derive(Default)]
pub struct Options {
    /// Fewer repetitions, and only the figures that goals are about.
    pub quick: bool,
    /// Set in a process that another one of this program started.
    pub child: Option<Child>,
    candidates: Vec<Kind>,
    names: Vec<String>,
    traces: Vec<String>,
}

impl Options {
    /// Reads the process's arguments.
    pub fn parse() -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--trace" => options.traces.push(value()?),
                "--workload" => options.names.push(value()?),
                "--candidate" => options.candidates.push(Kind::from_name(&value()?)?),
                "--child" => options.child = Some(Child::from_name(&value()?)?),
                // What cargo itself adds.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "unknown argument {arg}; there are --quick, --trace FILE, --workload NAME, --candidate NAME"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// The candidates asked for, or all.
    pub fn candidates(&self) -> Vec<Kind> {
        if self.candidates.is_empty() { Kind::ALL.to_vec() } else { self.candidates.clone() }
    }

    /// Names of synthetic workloads and paths of traces: those asked for, or all of the tree and the traces given.
    pub fn workloads(&self) -> Vec<String> {
        let mut names = self.names.clone();
        if names.is_empty() {
            names = stored_traces();
            names.extend(synthetic::NAMES.iter().map(ToString::to_string));
        }
        for name in &mut names {
            let stored = format!("{TRACES}/{name}.at1.gz");
            if Path::new(&stored).exists() {
                *name = stored;
            }
        }
        names.extend(self.traces.iter().cloned());
        names
    }
}

impl Child {
    fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "footprint" => Ok(Self::Footprint),
            "replay" => Ok(Self::Replay),
            _ => Err(format!("unknown child {name}")),
        }
    }
}

/// Where the traces of the tree are.
const TRACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/traces");

fn stored_traces() -> Vec<String> {
    let entries = fs::read_dir(TRACES).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".at1.gz")?.to_string());
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}
