//! Selkie's build driver: `cargo xtask VERB`. One file per verb; this one only dispatches.
//!
//! Exit codes: 0 success, 1 failure, 2 a tool or an input is missing, 124 a time limit ran out. `qemu` gives back the
//! guest's own exit code when the guest reports one.
mod abi_table;
mod archive;
mod bench;
mod build;
mod context;
mod cpio;
mod dialogue;
mod doctor;
mod elf_file;
mod failure;
mod firmware;
mod fuzz;
mod gdb;
mod guest;
mod hostile;
mod image;
mod iso;
mod limine;
mod limine_conf;
mod locate;
mod machine;
mod machines;
mod manifest;
mod miri;
mod mistakes;
mod needs;
mod new_server;
mod outside;
mod qemu;
mod report;
mod screen;
mod setup;
mod shell;
mod symbols;
mod test;
mod tidy;
mod trace;
mod tutorial;

use std::panic;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::context::Context;

/// Builds, boots and tests Selkie.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
#[command(after_help = "Exit codes: 0 success, 1 failure, 2 tool or input missing, 124 time limit.\n\
Start with `cargo xtask qemu`; what is missing is installed on the way.")]
struct Cli {
    /// Print each command before it runs
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what is missing: Rust target, QEMU, OVMF, gdb and more
    Setup,
    /// Show each need of the other verbs: found, or missing and its fix
    Doctor,
    /// Make a server: a crate with a protocol, a test and a client
    #[command(next_line_help = true)]
    NewServer(new_server::NewServerArgs),
    /// Compile the kernel, the loader, the root task and the servers
    #[command(next_line_help = true)]
    Build(build::BuildArgs),
    /// Build, and pack the boot archive: QEMU's -initrd for directboot
    #[command(next_line_help = true)]
    Image(image::ImageArgs),
    /// Build, and pack an ISO image with Limine, for BIOS and UEFI
    #[command(next_line_help = true)]
    Iso(iso::IsoArgs),
    /// Build and boot in QEMU, serial console on the terminal
    #[command(next_line_help = true)]
    Qemu(qemu::QemuArgs),
    /// Boot in QEMU under gdb, with the symbols of kernel and programs
    #[command(next_line_help = true)]
    Gdb(gdb::GdbArgs),
    /// Record kernel events, and write them as a file for Perfetto
    #[command(next_line_help = true)]
    Trace(trace::TraceArgs),
    /// Tell which line of a program an address of a fault belongs to
    #[command(next_line_help = true)]
    Locate(locate::LocateArgs),
    /// Run the host tests, and self-test, attack and boot script in QEMU
    Test(test::TestArgs),
    /// Attack the kernel in QEMU with millions of random system calls
    #[command(next_line_help = true)]
    Hostile(hostile::HostileArgs),
    /// Run random sequences of kernel entries on the host, checking each
    #[command(next_line_help = true)]
    Fuzz(fuzz::FuzzArgs),
    /// Boot the ISO image on every kind of machine that QEMU can be
    #[command(next_line_help = true)]
    Machines(machines::MachinesArgs),
    /// Write docs/boot.png, the README's picture of a boot
    #[command(next_line_help = true)]
    Screenshot(screen::ScreenshotArgs),
    /// Write docs/abi.md: what the self-test shows of the interface
    Abi,
    /// Run host tests under Miri, which finds undefined behaviour
    Miri,
    /// Measure what kernel operations cost, in instructions
    #[command(next_line_help = true)]
    Bench(bench::BenchArgs),
    /// Check formatting, lints, that the kernel has no heap, file sizes
    Tidy,
}

fn dispatch(cli: &Cli) -> Result<u8> {
    let context = Context::new(cli.verbose)?;
    match &cli.verb {
        Verb::Setup => setup::run(&context)?,
        Verb::Doctor => doctor::run(&context)?,
        Verb::NewServer(args) => new_server::run(&context, args)?,
        Verb::Build(args) => build::run(&context, args)?,
        Verb::Image(args) => image::run(&context, args)?,
        Verb::Iso(args) => iso::run(&context, args)?,
        Verb::Qemu(args) => return qemu::run(&context, args),
        Verb::Gdb(args) => gdb::run(&context, args)?,
        Verb::Trace(args) => trace::run(&context, args)?,
        Verb::Locate(args) => locate::run(&context, args)?,
        Verb::Test(args) => test::run(&context, args)?,
        Verb::Hostile(args) => hostile::run(&context, args)?,
        Verb::Fuzz(args) => fuzz::run(&context, args)?,
        Verb::Machines(args) => machines::run(&context, args)?,
        Verb::Screenshot(args) => screen::screenshot(&context, args)?,
        Verb::Abi => abi_table::run(&context)?,
        Verb::Miri => miri::run(&context)?,
        Verb::Bench(args) => bench::run(&context, args)?,
        Verb::Tidy => tidy::run(&context)?,
    }
    Ok(0)
}

/// A reader of the output that has enough (`… | head`) is no fault: the process ends as one that a signal ended would.
fn end_quietly_without_reader() {
    const ENDED_BY_SIGPIPE: i32 = 128 + 13;
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(ENDED_BY_SIGPIPE);
        }
        usual(info);
    }));
}

fn main() -> ExitCode {
    end_quietly_without_reader();
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

    #[test]
    fn help_fits_a_terminal_of_80_columns() {
        let mut cli = super::Cli::command();
        cli.build();
        let mut text = String::new();
        for verb in cli.get_subcommands_mut() {
            text += &format!("{}{}", verb.render_help(), verb.render_long_help());
        }
        text += &cli.render_help().to_string();
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(wide, [""; 0]);
    }
}
