//! Tests in QEMU: what the kernel records can be true, and becomes a file that can be read.
use anyhow::{Context as _, Result, ensure};
use libsel::abi::trace::Kind;
use serde_json::Value;

use super::check::check;
use super::recording::Recording;
use super::{convert, record};
use crate::context::Context;
use crate::guest::Streams;
use crate::qemu::QemuArgs;

/// What happens while a server starts, and faults.
const BOOT_KINDS: [Kind; 6] =
    [Kind::Syscall, Kind::Exception, Kind::Exit, Kind::Switch, Kind::Message, Kind::Fault];
/// What happens besides in the self-test's last part, which reads clocks and waits for timers.
const LONG_RUN_KINDS: [Kind; 5] = [Kind::Interrupt, Kind::Irq, Kind::Signal, Kind::Idle, Kind::Awake];

/// The recording of a boot is whole, and knows the servers by name.
///
/// # Errors
/// What is not so.
pub fn test_boot(context: &Context, args: &QemuArgs) -> Result<()> {
    let (_, _, recordings) = record(context, args, Streams::Captured)?;
    let lost = judge(&recordings, &BOOT_KINDS)?;
    ensure!(lost == 0, "{lost} events of the boot are lost");
    let value: Value = serde_json::from_str(&convert(&recordings)?).context("the file is no JSON")?;
    let events = value["traceEvents"].as_array().context("the file has no events")?;
    for thread in ["rootserver", "console", "hello", "crashy"] {
        let named = |event: &Value| event["name"] == "thread_name" && event["args"]["name"] == thread;
        ensure!(events.iter().any(named), "the file has no thread {thread}");
    }
    Ok(())
}

/// The recording of a long run has its end.
///
/// # Errors
/// What is not so.
pub fn test_long_run(context: &Context, args: &QemuArgs) -> Result<()> {
    let (_, output, recordings) = record(context, args, Streams::Silent)?;
    ensure!(output.contains(", 0 failed"), "the self-test failed in the trace kernel");
    let lost = judge(&recordings, &LONG_RUN_KINDS)?;
    ensure!(lost > 0, "the run was too short to go round");
    serde_json::from_str::<Value>(&convert(&recordings)?).context("the file is no JSON")?;
    Ok(())
}

/// Checks recordings; how many events are lost.
fn judge(recordings: &[Recording], kinds: &[Kind]) -> Result<u64> {
    let mut lost = 0;
    for recording in recordings {
        let mut events = recording.ring()?.events();
        check(events.by_ref(), kinds).map_err(anyhow::Error::msg)?;
        lost += events.lost();
    }
    Ok(lost)
}
