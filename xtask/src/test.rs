//! `test`: host tests of every pure part, the self-test root task in QEMU, and the boot script in QEMU.
use std::io;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser};

use crate::build::{self, BuildArgs};
use crate::context::Context;
use crate::guest::{self, Streams};
use crate::needs::Need;
use crate::qemu::{self, QemuArgs};
use crate::report::{self, Counts};
use crate::setup;
use crate::symbols;

/// Time limit of one run in QEMU.
const GUEST_LIMIT_S: u64 = 120;

/// Options of `test`.
#[derive(Args, Clone)]
#[command(after_help = "Without --host and --guest both halves run. The last line is\n`N passed, N failed`.")]
pub struct TestArgs {
    /// Only the tests that run on the host
    #[arg(long, conflicts_with = "guest")]
    pub host: bool,
    /// Only the tests in QEMU, and the check of the kernel's symbols
    #[arg(long)]
    pub guest: bool,
}

/// Runs the tests.
///
/// # Errors
/// A test failed, or a part could not run at all.
pub fn run(context: &Context, args: &TestArgs) -> Result<()> {
    let mut sum = Counts::default();
    if !args.guest {
        sum += host(context)?;
    }
    if !args.host {
        // Before the tests, so that a program that does not compile is an error of its own.
        setup::ensure(context, &[Need::RustTarget, Need::Qemu])?;
        build::run(context, &BuildArgs::default())?;
        sum += no_allocator(context);
        sum += self_test(context)?;
        sum += boot_script(context)?;
        for case in &report::FAULT_CASES {
            sum += fault(context, case)?;
        }
    }
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed > 0 {
        bail!("tests failed");
    }
    Ok(())
}

fn host(context: &Context) -> Result<Counts> {
    heading("host tests");
    let mut command = context.cargo().args(["test", "--no-fail-fast", "-p", "xtask"]);
    for package in build::host_libraries(&context.root)? {
        command = command.args(["-p", &package]);
    }
    let mut child = context.prepare(command).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = match child.stdout.take() {
        Some(stdout) => guest::copy(stdout, io::stdout())?,
        None => String::new(),
    };
    let success = child.wait()?.success();
    let mut counts = report::host_counts(&output);
    if !success && counts.failed == 0 {
        eprintln!("xtask: the host tests did not all compile and run; cargo's message is above");
        counts.failed = 1;
    }
    Ok(counts)
}

fn no_allocator(context: &Context) -> Counts {
    heading("no allocator in the kernel");
    let kernel = build::folder(context, &BuildArgs::default()).join("selkie");
    let result = symbols::check_no_allocator(&kernel);
    match &result {
        Ok(()) => println!("ok"),
        Err(error) => println!("FAILED: {error:#}"),
    }
    result.is_ok().into()
}

fn self_test(context: &Context) -> Result<Counts> {
    heading("self-test root task in QEMU");
    let mut args = non_interactive();
    args.image.root_task = Some(build::folder(context, &args.image.build).join("selftest"));
    // Time is counted in instructions, so that a busy host changes nothing.
    args.machine.icount = true;
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    Ok(report::judge_self_test(&output, end).unwrap_or_else(|(counts, problem)| {
        println!("FAILED: the self-test: {problem}");
        counts
    }))
}

fn boot_script(context: &Context) -> Result<Counts> {
    heading("boot script in QEMU");
    let (end, output) = qemu::boot(context, &non_interactive(), Streams::Captured)?;
    let result = report::judge_boot(&output, end);
    match &result {
        Ok(()) => println!("ok"),
        Err(problem) => println!("FAILED: the boot script: {problem}"),
    }
    Ok(result.is_ok().into())
}

/// Boots with a server that goes wrong; the system must say what happened and go on.
fn fault(context: &Context, case: &report::FaultCase) -> Result<Counts> {
    heading(case.name);
    let mut args = non_interactive();
    args.image.server = vec![case.server.to_string()];
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    let result = report::judge_fault(case, &output, end);
    match &result {
        Ok(()) => println!("ok"),
        Err(problem) => println!("FAILED: {}: {problem}", case.name),
    }
    Ok(result.is_ok().into())
}

/// The options of a plain `qemu` with the tests' time limit.
fn non_interactive() -> QemuArgs {
    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        args: QemuArgs,
    }
    let mut args = Defaults::parse_from(["qemu"]).args;
    args.timeout = Some(GUEST_LIMIT_S);
    args
}

fn heading(text: &str) {
    println!("\n── {text}");
}
