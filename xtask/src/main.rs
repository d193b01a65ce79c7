//! Selkie's build driver: `cargo xtask VERB`. One file per verb; this one only dispatches.
//!
//! Exit codes: 0 success, 1 failure, 2 a tool or an input is missing, 124 a time limit ran out. `qemu` gives back the
//! guest's own exit code when the guest reports one.
mod archive;
mod build;
mod context;
mod cpio;
mod doctor;
mod failure;
mod firmware;
mod guest;
mod image;
mod iso;
mod limine;
mod limine_conf;
mod machine;
mod needs;
mod qemu;
mod report;
mod setup;
mod symbols;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::context::Context;

/// Builds, boots and tests Selkie.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 failure, 2 a tool or an input is missing, 124 a time limit ran \
out.\nStart with `cargo xtask qemu`; missing tools are installed on the way (see `cargo xtask doctor`)."
)]
struct Cli {
    /// Print each command before it runs
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what is missing: Rust target and components, QEMU, OVMF, xorriso, mtools
    Setup,
    /// Show each thing that the other verbs need: found, or missing and how to get it
    Doctor,
    /// Compile the kernel, the loader, the root task and the servers
    Build(build::BuildArgs),
    /// Build, and pack the boot archive that `qemu -kernel directboot -initrd` takes
    Image(image::ImageArgs),
    /// Build, and pack a hybrid BIOS + UEFI ISO image with the Limine boot loader
    Iso(iso::IsoArgs),
    /// Build and boot in QEMU, serial console on the terminal
    Qemu(qemu::QemuArgs),
    /// Run the host tests, the self-test in QEMU and the boot script in QEMU
    Test(test::TestArgs),
    /// Check formatting, lints, that the kernel links no allocator, and file sizes
    Tidy,
}

fn dispatch(cli: &Cli) -> Result<u8> {
    let context = Context::new(cli.verbose)?;
    match &cli.verb {
        Verb::Setup => setup::run(&context)?,
        Verb::Doctor => doctor::run(&context)?,
        Verb::Build(args) => build::run(&context, args)?,
        Verb::Image(args) => image::run(&context, args)?,
        Verb::Iso(args) => iso::run(&context, args)?,
        Verb::Qemu(args) => return qemu::run(&context, args),
        Verb::Test(args) => test::run(&context, args)?,
        Verb::Tidy => tidy::run(&context)?,
    }
    Ok(0)
}

fn main() -> ExitCode {
    match dispatch(&Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_definition_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
