//! The streams of libsel's benchmark `heap`, written for the server that replays them.
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use heapbench::{Op, Writer};

#[path = "../../../../libsel/benches/heap/synthetic.rs"]
mod synthetic;
#[path = "../../../../libsel/benches/heap/trace.rs"]
mod trace;
#[path = "../../../../libsel/benches/heap/workload.rs"]
#[allow(dead_code, reason = "the benchmark needs more of it")]
mod workload;

use workload::{Action, Workload};

/// Recorded traces, below the workspace's root.
const TRACES: &str = "libsel/benches/traces";
/// Operations of a stream, at most: what is behind is cut off.
const LONGEST: usize = 500_000;

/// What makes each stream: a recorded trace's file, or the name of a computed one.
///
/// # Errors
/// The folder of traces cannot be read.
pub fn sources(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(TRACES);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut sources: Vec<String> =
        entries.flatten().map(|entry| entry.path().to_string_lossy().into_owned()).collect();
    sources.retain(|path| path.ends_with(".at1.gz"));
    sources.sort();
    sources.extend(synthetic::NAMES.map(String::from));
    Ok(sources)
}

/// The name of a stream, without reading it.
pub fn name(source: &str) -> &str {
    let file = source.rsplit('/').next().unwrap_or(source);
    file.trim_end_matches(".gz").trim_end_matches(".at1")
}

/// The file for the server.
///
/// # Errors
/// There is no such stream, or it has something in it that the file cannot hold.
pub fn file(source: &str) -> Result<Vec<u8>> {
    let workload = Workload::load(source).map_err(anyhow::Error::msg)?;
    let mut writer = Writer::default();
    for op in workload.ops.iter().take(LONGEST) {
        let action = match op.action {
            Action::Alloc => heapbench::Action::Alloc,
            Action::Free => heapbench::Action::Free,
            Action::Realloc => heapbench::Action::Realloc,
        };
        let op = Op { action, align_log2: op.align_log2, slot: op.slot, size: op.size };
        if !writer.add(op) {
            bail!("{source} has an operation that no file holds: {op:?}");
        }
    }
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_of_the_benchmark_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sources = sources(root).unwrap();
        let names: Vec<&str> = sources.iter().map(|source| name(source)).collect();
        for expected in ["cc1", "git", "python", "sqlite", "syn-random", "syn-larson"] {
            assert!(names.contains(&expected), "{expected} is missing in {names:?}");
        }
        let git = sources.iter().find(|source| name(source) == "git").unwrap();
        let (traced, computed) = (file(git).unwrap(), file("syn-larson").unwrap());
        let count = |file: &[u8]| heapbench::Stream::read(file).unwrap().count();
        assert_eq!((count(&traced), count(&computed)), (197_586, LONGEST));
        assert!(file("none").is_err());
    }
}
