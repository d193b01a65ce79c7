//! `gdb`: boots in QEMU under gdb, with the symbols of the kernel and of the programs that run on it.
//!
//! gdb starts QEMU itself and talks to it through a pipe, so that no port is taken and QEMU ends with gdb. All programs
//! are linked to the same address, each in an address space of its own: gdb has the symbols of one at a time, and a
//! breakpoint in a program looks at the code where it hits, to tell the program from the others.
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::archive;
use crate::build;
use crate::context::Context;
use crate::elf_file::ElfFile;
use crate::failure::timed_out;
use crate::firmware::QEMU;
use crate::guest::{self, End, Limits, Streams};
use crate::image::ImageArgs;
use crate::machine::{Kvm, MachineArgs, Serial};
use crate::manifest;
use crate::needs::Need;
use crate::qemu;
use crate::setup;

/// The debugger.
const GDB: &str = "gdb";
/// The file with QEMU's process number, which is there for as long as QEMU runs.
const MACHINE_ID: &str = "gdb-machine.pid";
/// Time limit of a run that asks nothing.
const BATCH_LIMIT: Duration = Duration::from_secs(120);

/// Commands of every script.
const COMMANDS: &str = "\
define selkie-break
  break $arg0
  info breakpoints $bpnum
  set language c
  set $selkie_at = (unsigned long) $_
  # The code as it stands in the file, not in whatever address space is in use.
  set trust-readonly-sections on
  set $selkie_code = *(unsigned long *) $selkie_at
  set trust-readonly-sections off
  if !($selkie_at >> 63)
    eval \"condition %d *(unsigned long *) $pc == %#lx\", $bpnum, $selkie_code
  end
  set language auto
end
document selkie-break
Breakpoint at a function, FILE:LINE or *ADDRESS of the kernel or of the program whose symbols are loaded.
In a program it stops only where the program's code is.
end
";

/// Options of `gdb`.
#[derive(Args, Clone)]
#[command(
    after_help = "In gdb: `selkie-break LOCATION` sets a breakpoint in the kernel or in one\nprogram, `use-NAME` loads \
the symbols of another program, `continue` starts\nthe machine.\n\nExamples:\n  cargo xtask gdb\n  cargo xtask gdb \
--program hello --break selkie_main\n  cargo xtask gdb --batch --break selkie_call"
)]
pub struct GdbArgs {
    /// The program whose symbols are loaded first
    #[arg(long, value_name = "NAME", default_value = "roottask")]
    pub program: String,
    /// Breakpoint: a function, FILE:LINE or *ADDRESS; may be repeated
    #[arg(long = "break", value_name = "LOCATION")]
    pub breakpoints: Vec<String>,
    /// Run to each breakpoint in turn, print the backtraces, and end
    #[arg(long, requires = "breakpoints")]
    pub batch: bool,
    /// Print the command and the script instead of running them
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
    #[command(flatten)]
    pub image: ImageArgs,
}

/// A program that can run on the kernel.
struct Program {
    name: String,
    file: PathBuf,
    /// Address of its code.
    text: u64,
}

/// Builds, and runs gdb.
///
/// # Errors
/// gdb or QEMU is missing, the build fails, there is no such program, or a breakpoint of a batch was not reached.
pub fn run(context: &Context, args: &GdbArgs) -> Result<()> {
    if !args.print {
        setup::ensure(context, &[Need::Gdb, Need::Qemu])?;
    }
    manifest::check(context, &args.image)?;
    build::run(context, &args.image.build)?;
    let folder = context.output_dir()?;
    let serial = folder.join("gdb-serial.log");
    let text = script(context, args, &serial)?;
    let path = folder.join("gdb-script");
    fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    if args.print {
        println!("{GDB} -q -x {}\n\n{text}", path.display());
        return Ok(());
    }
    if args.batch {
        return batch(context, args, &path).map(drop);
    }
    eprintln!("xtask: the machine prints into {}", serial.display());
    let command = context.shell.cmd(GDB).args(["-q", "-x"]).arg(&path);
    let status = context.prepare(command).status().context("cannot start gdb")?;
    ensure!(status.success(), "gdb ended with {status}");
    Ok(())
}

/// Runs gdb without a terminal; what it printed.
///
/// # Errors
/// It did not come to its end, or a breakpoint was not reached.
fn batch(context: &Context, args: &GdbArgs, script: &Path) -> Result<String> {
    let command = context.shell.cmd(GDB).args(["-q", "-batch", "-nx", "-x"]).arg(script);
    let mut command = context.prepare(command);
    // What gdb says of its own commands is part of the story.
    command.stderr(Stdio::inherit());
    let limits = Limits { time: Some(BATCH_LIMIT), text: None };
    let (end, output) = guest::run(command, Streams::Captured, limits)?;
    if end == End::TimedOut {
        end_machine(context)?;
        return Err(timed_out(format!("no breakpoint was reached in {} s", BATCH_LIMIT.as_secs())));
    }
    let reached = output.lines().filter(|line| line.starts_with("#0 ")).count();
    if reached < args.breakpoints.len() {
        bail!("{reached} of {} breakpoints were reached", args.breakpoints.len());
    }
    Ok(output)
}

/// Ends a QEMU whose gdb was ended from outside.
fn end_machine(context: &Context) -> Result<()> {
    if let Ok(id) = fs::read_to_string(context.output_dir()?.join(MACHINE_ID)) {
        context.run(context.shell.cmd("kill").arg(id.trim()))?;
    }
    Ok(())
}

/// What gdb is to do.
fn script(context: &Context, args: &GdbArgs, serial: &Path) -> Result<String> {
    let mut sources = archive::volume(context, &args.image)?.files.into_iter();
    let (_, kernel) = sources.next().context("limine.conf names no kernel")?;
    let programs = sources.map(|(_, file)| program(file)).collect::<Result<Vec<_>>>()?;
    let Some(first) = programs.iter().find(|program| program.name == args.program) else {
        let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        bail!("--program {}: what is booted is {}; --server adds another", args.program, names.join(", "));
    };
    let mut text = format!("set confirm off\nset pagination off\nset width 0\nfile {}\n", kernel.display());
    writeln!(text, "directory {}\n{COMMANDS}", context.root.display())?;
    for program in &programs {
        let Program { name, file, text: address } = program;
        writeln!(
            text,
            "define use-{name}\n  remove-symbol-file -a $selkie_text\n{}end",
            load(file, *address)
        )?;
    }
    text += &load(&first.file, first.text);
    writeln!(text, "target remote | {}", qemu_command(context, args, serial)?)?;
    for place in &args.breakpoints {
        writeln!(text, "selkie-break {place}")?;
        if args.batch {
            text += "continue\nbacktrace\ndelete\n";
        }
    }
    if args.batch {
        text += "kill\n";
    }
    Ok(text)
}

/// Commands that load the symbols of a program.
fn load(file: &Path, text: u64) -> String {
    format!("  set $selkie_text = {text:#x}\n  add-symbol-file {} {text:#x}\n", file.display())
}

fn program(file: PathBuf) -> Result<Program> {
    let (text, _) = ElfFile::read(&file)?.section(".text")?;
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Program { name, file, text })
}

/// QEMU for gdb's pipe. Nothing ends it but gdb: it stays after a panic.
fn qemu_command(context: &Context, args: &GdbArgs, serial: &Path) -> Result<String> {
    // A breakpoint in emulated code needs no memory at its address yet.
    let kvm = args.machine.kvm == Kvm::On && args.machine.use_kvm()?;
    let medium = qemu::direct_medium(context, &args.image, args.image.words(&[]))?;
    let machine = MachineArgs { gdb: false, ..args.machine.clone() };
    let arguments = machine.qemu_arguments(&medium, kvm, &Serial::File(serial.to_path_buf()));
    let words = arguments.iter().map(|argument| quoted(&argument.to_string_lossy()));
    let id = context.output_dir()?.join(MACHINE_ID);
    let words = words.collect::<Vec<_>>().join(" ");
    Ok(format!("exec {QEMU} {words} -gdb stdio -S -pidfile {}", quoted(&id.to_string_lossy())))
}

/// A word for the shell that gdb starts QEMU with.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_=,./:+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The test: a breakpoint in the kernel and one in a server are reached, and both backtraces have names.
///
/// # Errors
/// What was not seen.
pub fn test(context: &Context) -> Result<()> {
    #[derive(clap::Parser)]
    struct Defaults {
        #[command(flatten)]
        args: GdbArgs,
    }
    let mut args = <Defaults as clap::Parser>::parse_from(["gdb", "--program", "hello"]).args;
    args.batch = true;
    args.breakpoints = TEST_BREAKPOINTS.map(String::from).to_vec();
    let folder = context.output_dir()?;
    let path = folder.join("gdb-script");
    fs::write(&path, script(context, &args, &folder.join("gdb-serial.log"))?)?;
    judge(&batch(context, &args, &path)?).map_err(anyhow::Error::msg)
}

/// The entry of a Call, and what `#[libsel::main]` makes of a main.
const TEST_BREAKPOINTS: [&str; 2] = ["selkie_call", "selkie_main"];

fn judge(output: &str) -> Result<(), String> {
    let frames: Vec<&str> = output.lines().filter(|line| line.starts_with('#')).collect();
    for wanted in ["kernel/src/entry.rs", "servers/hello/src/main.rs"] {
        if !frames.iter().any(|frame| frame.contains(wanted)) {
            return Err(format!("no frame of the backtraces is in {wanted}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("file:/a/b.log"), "file:/a/b.log");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn both_backtraces_are_asked_for() {
        let kernel = "#0  selkie_call (cptr=1) at kernel/src/entry.rs:46\n";
        let server = "#0  0x2 in {closure#0} () at servers/hello/src/main.rs:11\n#1 x\n";
        assert_eq!(judge(&format!("{kernel}{server}")), Ok(()));
        assert!(judge(kernel).unwrap_err().contains("hello"));
        assert!(judge(&format!("kernel/src/entry.rs\n{server}")).unwrap_err().contains("entry.rs"));
    }
}
