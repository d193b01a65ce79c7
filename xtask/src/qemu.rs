//! `qemu`: builds and boots, with the serial console on the terminal.
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Parser};

use crate::archive;
use crate::build;
use crate::context::Context;
use crate::failure::{missing, timed_out};
use crate::firmware::{self, QEMU};
use crate::guest::{self, End, Limits, Streams};
use crate::image::{self, ImageArgs};
use crate::iso;
use crate::machine::{EXIT_PORT_WORD, EXIT_WORD, MachineArgs, Medium, RESOLUTION_WORD, Serial};
use crate::manifest;
use crate::needs::Need;
use crate::setup;
use crate::shell::INTERACTIVE_SERVERS;

/// Options of `qemu`.
#[derive(Args, Clone)]
#[command(
    after_help = "Without a terminal on standard input the machine runs the boot script, without\nthe shell, and powers off; \
the exit code is then the guest's.\nWith a terminal: Ctrl-A x ends QEMU, Ctrl-A c reaches its monitor.\n\nExamples:\n  cargo \
xtask qemu --mem 2G --smp 4\n  cargo xtask qemu --root-task my.elf --timeout 60 --until \"all is well\"\n  cargo xtask qemu --uefi -- \
-d int -D qemu.log"
)]
pub struct QemuArgs {
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Boot the ISO image instead of having QEMU load the kernel
    #[arg(long)]
    pub iso: bool,
    /// Boot the ISO image by UEFI firmware (OVMF) instead of SeaBIOS
    #[arg(long)]
    pub uefi: bool,
    /// End QEMU after this many seconds, with exit code 124
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// End QEMU, with exit code 0, when the guest has printed this text
    #[arg(long, value_name = "TEXT")]
    pub until: Option<String>,
    #[command(flatten)]
    pub image: ImageArgs,
    /// Further arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    pub extra: Vec<OsString>,
}

impl QemuArgs {
    /// The options of a plain `qemu`, with a time limit in seconds.
    pub fn with_time_limit(seconds: u64) -> Self {
        #[derive(Parser)]
        struct Defaults {
            #[command(flatten)]
            args: QemuArgs,
        }
        Self { timeout: Some(seconds), ..Defaults::parse_from(["qemu"]).args }
    }
}

/// Builds, boots, and gives the exit code for the process: the guest's.
///
/// # Errors
/// The build fails, something is missing, QEMU fails by itself, the time limit runs out, or the guest resets.
pub fn run(context: &Context, args: &QemuArgs) -> Result<u8> {
    let interactive = io::stdin().is_terminal();
    let streams = if interactive { Streams::Interactive } else { Streams::Output };
    let (end, _) = boot(context, args, streams)?;
    match end {
        End::Code(0) => Ok(0),
        End::Code(code) => {
            let meaning = if code == guest::PANIC_CODE { " (kernel panic)" } else { "" };
            eprintln!("xtask: the guest ended with exit code {code}{meaning}");
            Ok(code)
        }
        End::NoCode if interactive => Ok(0),
        End::NoCode => bail!(
            "the guest reset or powered off without an exit code; a triple fault does that: look for it with `cargo \
             xtask qemu --kvm off -- -d int,cpu_reset -D qemu.log`"
        ),
        End::TimedOut => Err(timed_out(format!(
            "the guest was still running after {} s and was ended",
            args.timeout.unwrap_or_default()
        ))),
    }
}

/// Builds, packs and boots; the end of the guest and, with streams that keep it, its output. Where nobody can type, the
/// shell is left out.
///
/// # Errors
/// The build fails, something is missing, or QEMU fails by itself.
pub fn boot(context: &Context, args: &QemuArgs, streams: Streams) -> Result<(End, String)> {
    let interactive = streams == Streams::Interactive;
    let mut args = args.clone();
    if !interactive {
        args.image.no_server.extend(INTERACTIVE_SERVERS.map(String::from));
    }
    let more: &[&str] = if interactive { &[EXIT_PORT_WORD] } else { &[EXIT_PORT_WORD, EXIT_WORD] };
    let command = prepare(context, &args, more, interactive)?;
    let limits = Limits { time: args.timeout.map(Duration::from_secs), text: args.until.as_deref() };
    guest::run(command, streams, limits)
}

/// Builds and packs; the command that boots, for a conversation over its standard input and output.
///
/// # Errors
/// The build fails, or something is missing.
pub fn command(context: &Context, args: &QemuArgs) -> Result<Command> {
    prepare(context, args, &[EXIT_PORT_WORD], false)
}

fn prepare(context: &Context, args: &QemuArgs, more: &[&str], terminal: bool) -> Result<Command> {
    setup::ensure(context, &[Need::Qemu])?;
    let kvm = args.machine.use_kvm()?;
    // Everything that can be missing is looked for before any time goes into a build.
    let iso = if args.iso || args.uefi { Some(iso::tools(context)?) } else { None };
    let firmware = if args.uefi { Some(uefi_firmware(context)?) } else { None };
    manifest::check(context, &args.image)?;
    build::run(context, &args.image.build)?;
    let mut words = args.image.words(more);
    if iso.is_none() && args.machine.has_screen() && !words.contains("resolution=") {
        words = format!("{words} {RESOLUTION_WORD}");
    }
    let medium = match iso {
        Some(limine) => {
            let path = context.output_dir()?.join("qemu.iso");
            iso::pack(context, &limine, &args.image, &words, &path)?;
            Medium::Iso { path, firmware }
        }
        None => direct_medium(context, &args.image, words)?,
    };
    let serial = if terminal { Serial::Terminal } else { Serial::Output };
    let arguments = args.machine.qemu_arguments(&medium, kvm, &serial);
    if args.machine.gdb {
        let kernel = build::folder(context, &args.image.build).join("selkie");
        eprintln!(
            "xtask: QEMU waits for: gdb {} -ex 'target remote :1234' (`cargo xtask gdb` does both)",
            kernel.display()
        );
    }
    Ok(context.prepare(context.shell.cmd(QEMU).args(arguments).args(&args.extra)))
}

/// The loader and the boot archive. The words go to QEMU's `-append`: the loader adds them to limine.conf's.
///
/// # Errors
/// A file is missing, or the archive cannot be written.
pub fn direct_medium(context: &Context, args: &ImageArgs, words: String) -> Result<Medium> {
    let files = archive::collect(context, args, "")?;
    let loader = build::folder(context, &args.build).join("directboot");
    Ok(Medium::Direct { loader, archive: image::pack(context, &files)?, words })
}

fn uefi_firmware(context: &Context) -> Result<firmware::Firmware> {
    setup::ensure(context, &[Need::Ovmf])?;
    let Some(found) = firmware::find() else {
        return Err(missing("--uefi: no OVMF firmware was found; `cargo xtask doctor` shows how to get it"));
    };
    found.with_own_variables(context)
}
