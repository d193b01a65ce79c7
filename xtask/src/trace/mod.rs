//! `trace`: records what the kernel does, and makes of it a file that Perfetto opens.
//!
//! The machine's memory is a file on the host: the kernel's ring is found in it after the machine ended, no matter how
//! it ended.
mod check;
mod json;
mod names;
mod recording;
#[cfg(test)]
mod sample;
mod test;
mod timeline;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::build::KernelKind;
use crate::context::Context;
use crate::guest::{End, Streams};
use crate::qemu::{self, QemuArgs};
use names::Names;
use recording::Recording;
use timeline::Timeline;

pub use test::{test_boot, test_long_run};

/// Ends a run that does not end by itself.
const DEFAULT_SECONDS: u64 = 60;

/// Options of `trace`.
#[derive(Args, Clone)]
#[command(
    after_help = "Boots with the trace kernel until the boot script is done, --until or --timeout\n(60 s), and \
keeps the newest 129,000 events. Open trace.json in\nhttps://ui.perfetto.dev (it is read in the browser, and sent \
nowhere).\n\nExamples:\n  cargo xtask trace --icount\n  cargo xtask trace --server \"crashy -- fault=panic\"\n  \
cargo xtask trace --from old.ring --output old.json"
)]
pub struct TraceArgs {
    /// Convert this recording, a .ring file, and boot nothing
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The file to write; the recording goes beside it
    #[arg(long, value_name = "FILE", default_value = "trace.json")]
    pub output: PathBuf,
    /// The terminal is the machine's console; Ctrl-A x ends the recording
    #[arg(short, long)]
    pub interactive: bool,
    #[command(flatten)]
    pub qemu: QemuArgs,
}

/// Records, or takes a recording, and converts it.
///
/// # Errors
/// The system cannot be built or booted, there is no recording, or the file cannot be written.
pub fn run(context: &Context, args: &TraceArgs) -> Result<()> {
    let recordings = match &args.from {
        Some(path) => recording::find(path)?,
        None => {
            let streams = if args.interactive { Streams::Interactive } else { Streams::Output };
            let (end, _, recordings) = record(context, &args.qemu, streams)?;
            let path = args.output.with_extension("ring");
            recording::save(&path, &recordings)?;
            println!("\n{}; the recording is {}", end_in_words(end), path.display());
            recordings
        }
    };
    let text = convert(&recordings)?;
    fs::write(&args.output, &text).with_context(|| format!("cannot write {}", args.output.display()))?;
    for recording in &recordings {
        let ring = recording.ring()?;
        let mut events = ring.events();
        let count = events.by_ref().count();
        println!("core {}: {count} events, {} older ones are lost", ring.core(), events.lost());
    }
    println!("open {} in https://ui.perfetto.dev", args.output.display());
    Ok(())
}

fn end_in_words(end: End) -> String {
    match end {
        End::Code(code) => format!("the machine ended with exit code {code}"),
        End::NoCode => "the machine ended".into(),
        End::TimedOut => "the time is over".into(),
    }
}

/// Boots with the trace kernel; the end, what was printed as far as `streams` keep it, and the recordings, one of each
/// core.
///
/// # Errors
/// The system cannot be built or booted, or its kernel recorded nothing.
fn record(context: &Context, args: &QemuArgs, streams: Streams) -> Result<(End, String, Vec<Recording>)> {
    let memory = context.output_dir()?.join("trace-memory");
    // What an earlier machine left there must not be taken for this one's.
    let remove = || match fs::remove_file(&memory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove()?;
    let mut args = args.clone();
    args.image.build.kernel = KernelKind::Trace;
    if streams != Streams::Interactive {
        args.timeout.get_or_insert(DEFAULT_SECONDS);
    }
    args.extra.extend(memory_in_file(&memory, &args.machine.mem));
    let (end, output) = qemu::boot(context, &args, streams)?;
    let recordings = recording::find(&memory);
    remove()?;
    Ok((end, output, recordings.context("the kernel recorded nothing; did it boot?")?))
}

/// QEMU's arguments that put the machine's memory into a file.
fn memory_in_file(path: &Path, size: &str) -> [OsString; 4] {
    let path = path.to_string_lossy().replace(',', ",,");
    let object = format!("memory-backend-file,id=ram,share=on,size={size},mem-path={path}");
    ["-object".into(), object.into(), "-machine".into(), "memory-backend=ram".into()]
}

/// The file for Perfetto.
///
/// # Errors
/// A recording is damaged.
fn convert(recordings: &[Recording]) -> Result<String> {
    let rings = recordings.iter().map(Recording::ring).collect::<Result<Vec<_>>>()?;
    let names = Names::read(rings.iter().flat_map(|ring| ring.names()));
    let timelines: Vec<Timeline> =
        rings.iter().map(|ring| Timeline::read(ring.core(), ring.events(), &names)).collect();
    let hz = rings.first().map_or(0, |ring| ring.tsc_hz());
    Ok(json::document(&timelines, &names, hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_becomes_a_file_of_one_line_an_event() {
        let text = convert(&[sample::recording()]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["traceEvents"].as_array().unwrap().len() + 2, text.lines().count());
        assert!(convert(&[Recording::new([0])]).is_err());
    }

    #[test]
    fn the_memory_is_a_file_that_others_can_read() {
        let words = memory_in_file(Path::new("/a,b"), "1G").map(|word| word.to_string_lossy().into_owned());
        assert_eq!(
            words.join(" "),
            "-object memory-backend-file,id=ram,share=on,size=1G,mem-path=/a,,b -machine memory-backend=ram"
        );
    }
}
