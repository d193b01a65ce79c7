//! `miri`: the host tests under Miri, which finds undefined behaviour: bad pointers, aliasing, uninitialised memory.
//!
//! Miri interprets, thousands of times slower than the processor, so of the kernel's tests those run that are about
//! pointers and memory, and the tests themselves do fewer rounds under it. Not run, and why:
//!
//! * the fuzzer and the tests of the checker: hours, for code paths that the chosen tests take, too;
//! * tests of pure arithmetic without unsafe code (refills, regions, ELF and ACPI parsing): nothing that Miri could find;
//! * the kernel's port to the machine, libsel's system calls, the root task's and servers' programs: inline assembly.
use std::time::Instant;

use anyhow::{Result, bail};

use crate::context::Context;
use crate::needs::Need;
use crate::setup;

/// Tests of one package.
struct Run {
    package: &'static str,
    /// Names that contain one of these; all if empty.
    filters: &'static [&'static str],
    /// What Miri is told beyond its defaults.
    flags: &'static str,
    /// Why it cannot be stricter.
    reason: &'static str,
}

const RUNS: [Run; 4] = [
    Run { package: "sel-abi", filters: &[], flags: "-Zmiri-strict-provenance", reason: "strict" },
    Run {
        package: "libsel",
        filters: &["heap::"],
        flags: "-Zmiri-permissive-provenance",
        reason: "permissive: chunk headers hold addresses",
    },
    Run {
        package: "roottask",
        filters: &["phys::", "virt::"],
        flags: "-Zmiri-strict-provenance",
        reason: "strict",
    },
    Run {
        package: "kernel",
        filters: &["queue::", "addr::", "tests::smoke", "tests::replies"],
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
