//! `test`: host tests of every pure part, and in QEMU: the self-test root task, a short attack, and the boot script.
use std::ffi::OsString;
use std::io;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::abi_table;
use crate::build::{self, BuildArgs};
use crate::context::Context;
use crate::gdb;
use crate::guest::{self, Streams};
use crate::hostile::{self, HostileArgs};
use crate::mistakes;
use crate::needs::{Need, missing_of};
use crate::qemu::{self, QemuArgs};
use crate::report::{self, Counts};
use crate::screen;
use crate::setup;
use crate::shell;
use crate::symbols;
use crate::trace;
use crate::tutorial;

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
    /// Only the conversation with the shell, in QEMU
    #[arg(long, conflicts_with_all = ["host", "guest"])]
    pub shell: bool,
    /// Only the servers outside of the tree, in QEMU
    #[arg(long, conflicts_with_all = ["host", "guest"])]
    pub outside: bool,
}

/// Runs the tests.
///
/// # Errors
/// A test failed, or a part could not run at all.
pub fn run(context: &Context, args: &TestArgs) -> Result<()> {
    if args.outside {
        return finish(outside(context));
    }
    let mut sum = Counts::default();
    if !args.guest && !args.shell {
        sum += host(context)?;
        sum += feature_build(context, &BENCHMARK_FEATURE)?;
        sum += feature_build(context, &TRACE_FEATURE)?;
    }
    if args.shell {
        sum += conversation(context);
    } else if !args.host {
        // Before the tests, so that a program that does not compile is an error of its own.
        setup::ensure(context, &[Need::RustTarget, Need::Qemu])?;
        build::run(context, &BuildArgs::default())?;
        sum += no_allocator(context);
        for case in &SELF_TEST_CASES {
            sum += self_test(context, case)?;
        }
        sum += attack(context);
        sum += boot_script(context)?;
        for case in &report::FAULT_CASES {
            sum += fault(context, case)?;
        }
        sum += drivers(context)?;
        sum += manifest(context);
        sum += restart(context)?;
        for case in &report::SUPERVISION_CASES {
            sum += supervision(context, case)?;
        }
        sum += conversation(context);
        sum += debugger(context);
        sum += tracing(context);
        sum += outside(context);
    }
    finish(sum)
}

fn finish(sum: Counts) -> Result<()> {
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

/// A feature of the kernel that the ordinary host tests do not turn on: its name, how it is built, and the tests' name.
struct Feature {
    name: &'static str,
    arguments: &'static [&'static str],
}

const BENCHMARK_FEATURE: Feature =
    Feature { name: "benchmark", arguments: &["--no-default-features", "--features", "benchmark"] };
const TRACE_FEATURE: Feature = Feature { name: "trace", arguments: &["--features", "trace"] };

fn feature_build(context: &Context, feature: &Feature) -> Result<Counts> {
    heading(&format!("host tests of the kernel's {} build", feature.name));
    let command = context.cargo().args(["test", "-p", "kernel"]).args(feature.arguments);
    let command = command.args(["--lib", feature.name]);
    let output = context.prepare(command).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    let counts = report::host_counts(&String::from_utf8_lossy(&output.stdout));
    println!("{} passed, {} failed", counts.passed, counts.failed);
    // A build that does not compile, or has no such test, must not count as passed.
    Ok(if counts.passed == 0 { Counts { failed: counts.failed.max(1), ..counts } } else { counts })
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

/// A processor and a configuration that the self-test runs on.
struct SelfTestCase {
    name: &'static str,
    cpu: &'static str,
    words: &'static str,
    memory: &'static str,
    /// On this machine every test can show all that it is for: docs/abi.md is compared with the run.
    complete: bool,
}

/// All that QEMU emulates; and a processor without XSAVE and FSGSBASE, with room for a frame of 1 GiB.
const SELF_TEST_CASES: [SelfTestCase; 2] = [
    SelfTestCase {
        name: "self-test root task in QEMU",
        cpu: "max",
        words: "root_cnode_bits=12 domains=16",
        memory: "512M",
        complete: true,
    },
    SelfTestCase {
        name: "self-test root task in QEMU on an older processor, 3 GiB",
        cpu: "Nehalem,+pdpe1gb,-xsave,-fsgsbase,-invpcid",
        words: "root_cnode_bits=13 domains=16 fsgsbase=msr pmc=on",
        memory: "3G",
        complete: false,
    },
];

/// The command line's word for: no test may leave out what the machine cannot do.
const COMPLETE_WORD: &str = "complete";

/// How the self-test is booted where every test can show all that it is for, with one more word.
pub fn self_test_args(context: &Context, word: &str) -> QemuArgs {
    case_args(context, &SELF_TEST_CASES[0], word)
}

fn case_args(context: &Context, case: &SelfTestCase, word: &str) -> QemuArgs {
    let mut args = non_interactive();
    args.image.root_task = Some(build::folder(context, &args.image.build).join("selftest"));
    args.image.cmdline = vec![case.words.into(), word.into()];
    args.machine.cpu = case.cpu.into();
    args.machine.mem = case.memory.into();
    // Time is counted in instructions, so that a busy host changes nothing.
    args.machine.icount = true;
    args
}

fn self_test(context: &Context, case: &SelfTestCase) -> Result<Counts> {
    heading(case.name);
    let args = case_args(context, case, if case.complete { COMPLETE_WORD } else { "" });
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    let judged = report::judge_self_test(&output, end).and_then(|counts| {
        let failed = Counts { failed: counts.failed + 1, ..counts };
        let table = if case.complete { abi_table::check(context, &output) } else { Ok(()) };
        table
            .and_then(|()| report::judge_latency(&output))
            .map(|()| counts)
            .map_err(|problem| (failed, problem))
    });
    Ok(judged.unwrap_or_else(|(counts, problem)| {
        println!("FAILED: the self-test: {problem}");
        counts
    }))
}

/// A short attack, repeatable, so that a failure can be looked at again.
fn attack(context: &Context) -> Counts {
    heading("hostile user space in QEMU");
    let args = HostileArgs { ops: hostile::SHORT_OPERATIONS, seed: 1, icount: true };
    let result = hostile::run(context, &args);
    match &result {
        Ok(()) => println!("ok"),
        Err(error) => println!("FAILED: {error:#}"),
    }
    result.is_ok().into()
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

/// A conversation with the shell.
fn conversation(context: &Context) -> Counts {
    heading("a conversation with the shell in QEMU");
    let mut counts = told(shell::run(context, &non_interactive()));
    heading("the shell sums up the kernel's events");
    counts += told(shell::run_traced(context, &non_interactive()));
    heading("a conversation by keyboard and screen");
    counts += told(screen::run(context, &non_interactive()));
    heading("the kernel's report on the screen");
    counts += told(screen::run_report(context, &non_interactive()));
    counts
}

/// Boots with a server that goes wrong; the system must say what happened and go on.
fn fault(context: &Context, case: &report::FaultCase) -> Result<Counts> {
    heading(case.name);
    let result = fault_run(context, non_interactive(), case)?;
    match &result {
        Ok(()) => println!("ok"),
        Err(problem) => println!("FAILED: {}: {problem}", case.name),
    }
    Ok(result.is_ok().into())
}

fn fault_run(context: &Context, mut args: QemuArgs, case: &report::FaultCase) -> Result<Result<(), String>> {
    args.image.server = case.servers.iter().map(|server| server.to_string()).collect();
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    Ok(report::judge_fault(case, &output, end))
}

/// Boots with servers that end and start again while others work with them.
fn supervision(context: &Context, case: &report::SupervisionCase) -> Result<Counts> {
    heading(case.name);
    let mut args = non_interactive();
    args.image.server = case.servers.iter().map(|server| (*server).to_string()).collect();
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    let result = report::judge_supervision(case, &output, end);
    match &result {
        Ok(()) => println!("ok"),
        Err(problem) => println!("FAILED: {}: {problem}", case.name),
    }
    Ok(result.is_ok().into())
}

/// Boots with devices that a server drives.
fn drivers(context: &Context) -> Result<Counts> {
    heading("a server drives PCI devices in QEMU");
    let mut args = non_interactive();
    args.extra = report::DRIVER_DEVICES.map(OsString::from).into();
    let result = fault_run(context, args, &report::DRIVER_CASE)?;
    Ok(told(result.map_err(anyhow::Error::msg)))
}

/// Boots by a manifest with mistakes.
fn manifest(context: &Context) -> Counts {
    heading("a manifest with mistakes");
    told(mistakes::run(context, non_interactive()))
}

/// Boots with a server that asks for a restart: QEMU ends then, without an exit code.
fn restart(context: &Context) -> Result<Counts> {
    heading("a server restarts the machine");
    let mut args = non_interactive();
    args.image.server = vec!["crashy admin -- fault=reboot".into()];
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    let result = report::judge_restart(&output, end);
    match &result {
        Ok(()) => println!("ok"),
        Err(problem) => println!("FAILED: the restart: {problem}"),
    }
    Ok(result.is_ok().into())
}

/// A breakpoint in the kernel and one in a server, where there is a debugger.
fn debugger(context: &Context) -> Counts {
    heading("breakpoints in kernel and server");
    if !missing_of(context, &[Need::Gdb]).is_empty() {
        println!("left out: gdb is not installed (`cargo xtask setup` does it)");
        return Counts::default();
    }
    told(gdb::test(context))
}

/// Recordings of the boot script with a server that faults, and of the self-test's last part.
fn tracing(context: &Context) -> Counts {
    heading("recordings of kernel events in QEMU");
    let mut boot = non_interactive();
    boot.image.server = report::FAULT_CASES[0].servers.iter().map(|server| (*server).to_string()).collect();
    boot.machine.icount = true;
    let mut counts = told(trace::test_boot(context, &boot));
    counts += told(trace::test_long_run(context, &self_test_args(context, "")));
    counts
}

fn told(result: Result<()>) -> Counts {
    match &result {
        Ok(()) => println!("ok"),
        Err(error) => println!("FAILED: {error:#}"),
    }
    result.is_ok().into()
}

/// Makes servers outside of the tree, tests them on the host, and runs each with a client.
fn outside(context: &Context) -> Counts {
    let mut sum = Counts::default();
    for case in &tutorial::CASES {
        heading(case.name);
        let result = tutorial::run(context, case, non_interactive());
        match &result {
            Ok(()) => println!("ok"),
            Err(error) => println!("FAILED: {}: {error:#}", case.name),
        }
        sum += result.is_ok().into();
    }
    sum
}

/// The options of a plain `qemu` with the tests' time limit.
fn non_interactive() -> QemuArgs {
    QemuArgs::with_time_limit(GUEST_LIMIT_S)
}

fn heading(text: &str) {
    println!("\n── {text}");
}
