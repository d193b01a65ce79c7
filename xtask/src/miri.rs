//! `miri`: the host tests under Miri, which finds undefined behaviour: bad pointers, aliasing, uninitialised memory.
//!
//! Miri interprets, thousands of times slower than the processor, so those tests run that are about pointers and memory
//! and end in minutes, and the tests themselves do fewer rounds under it. Not run, and why:
//!
//! * most tests of the kernel, and the fuzzer: a boot in the host's arena takes Miri half a minute. Those that run take
//!   the paths through capabilities, slots, threads, messages and reply objects on which unsafe code lies;
//! * the root task's buddy but for its parts: its tests look at all tables after each step, which takes Miri minutes;
//! * random models of pure code (the kernel's queue and refills, the root task's tree): safe code that forbids unsafe;
//! * `sel-abi`: it has no tests of its own; `heapbench`'s file format: safe code;
//! * the long runs of models: they are `cargo xtask fuzz`'s, and ignored by every other run of the tests;
//! * the kernel's port to the machine, libsel's system calls, the programs of root task and servers: inline assembly.
use std::time::Instant;

use anyhow::{Result, bail};

use crate::context::Context;
use crate::needs::Need;
use crate::setup;

/// Tests of one package.
struct Run {
    package: &'static str,
    /// Names that contain one of these.
    filters: &'static [&'static str],
    /// What Miri is told beyond its defaults.
    flags: &'static str,
    /// Why it cannot be stricter.
    reason: &'static str,
}

const RUNS: [Run; 4] = [
    Run {
        package: "libsel",
        filters: &["heap::"],
        flags: "-Zmiri-permissive-provenance",
        reason: "permissive: chunk headers hold addresses",
    },
    Run {
        package: "libsel",
        filters: &["trace::", "rt::lock", "rt::bounded", "rt::slots"],
        // A thread of the host has its block for ever.
        flags: "-Zmiri-strict-provenance -Zmiri-ignore-leaks",
        reason: "strict",
    },
    Run {
        package: "roottask",
        filters: &["phys::bitset", "phys::front", "virt::bins", "virt::split", "virt::tests::cases"],
        // The tables of the tests live for ever, as those of the root task do.
        flags: "-Zmiri-strict-provenance -Zmiri-ignore-leaks",
        reason: "strict",
    },
    Run {
        package: "kernel",
        filters: &["tests::smoke"],
        // Its pointers are of few allocations, in which looking for dead tags finds none.
        flags: "-Zmiri-permissive-provenance -Zmiri-provenance-gc=0",
        reason: "permissive: capabilities hold physical addresses",
    },
];

/// Runs the tests of every package, also after one has failed.
///
/// # Errors
/// Miri is missing and cannot be installed, or found something.
pub fn run(context: &Context) -> Result<()> {
    setup::ensure(context, &[Need::Miri])?;
    let mut failed = Vec::new();
    for Run { package, filters, flags, reason } in RUNS {
        println!("── {package} ({reason})");
        let started = Instant::now();
        // Proptest wants the current folder for its files, which isolation denies.
        let flags = format!("{flags} -Zmiri-disable-isolation");
        let command =
            context.shell.cmd("cargo").args(["+nightly", "miri", "test", "--lib", "-p", package, "--"]);
        let command =
            command.args(filters).env("MIRIFLAGS", flags).env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
        match context.run(command) {
            Ok(()) => println!("ok      {package} in {} s", started.elapsed().as_secs()),
            Err(error) => {
                println!("FAILED  {package}: {error}");
                failed.push(package);
            }
        }
    }
    if !failed.is_empty() {
        bail!("Miri complains about {}; what it says is above", failed.join(", "));
    }
    Ok(())
}
