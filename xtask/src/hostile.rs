//! `hostile`: boots the root task whose threads attack the kernel with random system calls, and judges its output.
use anyhow::{Result, bail};
use clap::Args;

use crate::build::{self, BuildArgs};
use crate::context::Context;
use crate::failure::timed_out;
use crate::guest::{End, PANIC_CODE, Streams};
use crate::qemu::{self, QemuArgs};

/// Operations of the run that is part of `test`.
pub const SHORT_OPERATIONS: u64 = 200_000;
/// What the attack needs of the kernel: few slots, so that looking at all of them is quick, and domains.
const KERNEL_WORDS: &str = "root_cnode_bits=12 domains=4";
/// Operations that even a slow host emulates in a second.
const OPERATIONS_PER_SECOND: u64 = 2000;
/// Time for boot and checks.
const EXTRA_SECONDS: u64 = 120;

/// Options of `hostile`.
#[derive(Args, Clone)]
#[command(
    after_help = "A run of ten million operations takes about six minutes. With --icount the\nsame seed gives the \
same run, three times slower.\n\nExample:\n  cargo xtask hostile --ops 10000000 --seed 7"
)]
pub struct HostileArgs {
    /// Operations to make
    #[arg(long, value_name = "N", default_value_t = SHORT_OPERATIONS)]
    pub ops: u64,
    /// What the random numbers start from
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// Count instructions instead of time, so that the run repeats exactly
    #[arg(long)]
    pub icount: bool,
}

/// Attacks the kernel.
///
/// # Errors
/// The kernel panicked or leaked, the guest did not end in time, or it could not be run at all.
pub fn run(context: &Context, args: &HostileArgs) -> Result<()> {
    let limit_s = EXTRA_SECONDS + args.ops / OPERATIONS_PER_SECOND;
    let mut qemu_args = QemuArgs::with_time_limit(limit_s);
    qemu_args.image.root_task = Some(build::folder(context, &BuildArgs::default()).join("hostile"));
    qemu_args.image.cmdline = vec![format!("{KERNEL_WORDS} ops={} seed={}", args.ops, args.seed)];
    qemu_args.machine.icount = args.icount;
    let (end, output) = qemu::boot(context, &qemu_args, Streams::CapturedButFaults)?;
    let Err(problem) = judge(&output, end) else { return Ok(()) };
    let again = format!("cargo xtask hostile --ops {} --seed {} --icount", args.ops, args.seed);
    let text = format!("hostile user space: {problem}; to see it again: `{again}`");
    if end == End::TimedOut { Err(timed_out(text)) } else { bail!(text) }
}

/// Reads a run: exit code 0 and the closing line.
fn judge(output: &str, end: End) -> Result<(), String> {
    let failed = output.lines().find(|line| line.starts_with("FAILED: "));
    let closed = output.lines().any(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        matches!(words[..], [_, "operations,", _, "rounds,", "nothing", "leaked"])
    });
    match (end, failed) {
        (End::Code(PANIC_CODE), _) => Err(panic_text(output)),
        (End::TimedOut, _) => Err("it hung until the time limit".into()),
        (End::NoCode, _) => Err("the machine reset or powered off".into()),
        (End::Code(_), Some(line)) => Err(line.into()),
        (End::Code(0), None) if closed => Ok(()),
        (End::Code(code), None) => Err(format!("it ended with exit code {code} without its closing line")),
    }
}

/// The first line of a kernel panic.
fn panic_text(output: &str) -> String {
    let line = output.lines().rev().find(|line| line.contains("PANIC: ")).unwrap_or("kernel panic");
    line.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSING: &str = "round 1: …\n200000 operations, 4 rounds, nothing leaked\n";

    #[test]
    fn only_a_closed_run_passes() {
        assert_eq!(judge(CLOSING, End::Code(0)), Ok(()));
        assert!(judge("round 1\n", End::Code(0)).unwrap_err().contains("closing line"));
        assert!(judge(CLOSING, End::Code(1)).is_err());
        assert!(judge(CLOSING, End::TimedOut).unwrap_err().contains("hung"));
        assert!(judge(CLOSING, End::NoCode).unwrap_err().contains("reset"));
    }

    #[test]
    fn the_reason_is_told() {
        let output = "round 1\nFAILED: memory has leaked\n";
        assert_eq!(judge(output, End::Code(1)).unwrap_err(), "FAILED: memory has leaked");
        let output = "[kernel] PANIC: index out of bounds\n  at main\n";
        assert!(judge(output, End::Code(PANIC_CODE)).unwrap_err().contains("index out of bounds"));
    }
}
