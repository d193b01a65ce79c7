//! The conversation with the shell that `test` has: commands, editing keys, completion, history.
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::build::KernelKind;
use crate::context::Context;
use crate::dialogue::Dialogue;
use crate::qemu::{self, QemuArgs};

/// The servers that are left out where nobody can type.
pub const INTERACTIVE_SERVERS: [&str; 3] = ["shell", "ramfs", "timer"];
/// Time for one answer, on a slow host.
const PATIENCE: Duration = Duration::from_secs(60);
const PROMPT: &str = "selkie> ";

/// What is typed, and what has to be seen then, in this order, before the next prompt.
const SCRIPT: [(&str, &[&str]); 20] = [
    ("help\r", &["list the commands", "restart the machine"]),
    ("ps\r", &["PID NAME", "console", "running", "shell"]),
    ("mem\r", &["RAM", "[#", "free blocks", "used by", "servers"]),
    ("map console\r", &["r-x image", "rw- image"]),
    // Editing: Ctrl-A and delete, then cutting, cursor and backspace.
    ("xps\x01\x1b[3~\r", &["PID NAME"]),
    ("garbage\x15help mxm\x1b[D\x08e\r", &["show the memory"]),
    // Completion: of a command, of what is not clear, of an argument.
    ("hel\tmem\r", &["show the memory"]),
    ("ca\t", &["caps", "cat"]),
    ("ps sh\t\r", &["its thread", "capabilities"]),
    // The last line again.
    ("\x1b[A\r", &["capabilities"]),
    ("hlep\r", &["did you mean `help`?"]),
    ("spawn hello\r", &["hello is started", "hello: the sum of 1 to 1000 is 500500"]),
    ("bench\r", &["call of the console", "malloc and free of 4096 bytes"]),
    ("write note some words\r", &[]),
    ("cat note\r", &["some words"]),
    ("ls\r", &["hello", "note"]),
    ("rm note\r", &[]),
    ("cat note\r", &["there is no file `note`"]),
    ("cat nothing\r", &["there is no file `nothing`"]),
    ("trace\r", &["this kernel keeps no trace ring"]),
];

/// The same with a kernel that keeps a ring of events.
const TRACED_SCRIPT: [(&str, &[&str]); 2] = [
    ("trace\r", &[" events in ", " system calls", " messages", "%  "]),
    // The ring is still there, and has gone on.
    ("trace\r", &[" events in ", "shell"]),
];

/// Boots with the shell and talks to it.
///
/// # Errors
/// The system cannot be booted, or an answer is missing.
pub fn run(context: &Context, args: &QemuArgs) -> Result<()> {
    talk(context, args, &SCRIPT)
}

/// Boots with the shell on a kernel that keeps a trace ring.
///
/// # Errors
/// As of [`run`].
pub fn run_traced(context: &Context, args: &QemuArgs) -> Result<()> {
    let mut args = args.clone();
    args.image.build.kernel = KernelKind::Trace;
    talk(context, &args, &TRACED_SCRIPT)
}

fn talk(context: &Context, args: &QemuArgs, script: &[(&str, &[&str])]) -> Result<()> {
    let mut guest = Dialogue::start(qemu::command(context, args)?, PATIENCE)?;
    guest.expect(PROMPT)?;
    for (typed, answers) in script {
        let what = || format!("after `{}` was typed", typed.escape_debug());
        guest.send(typed).with_context(what)?;
        for answer in *answers {
            guest.expect(answer).with_context(what)?;
        }
        guest.expect(PROMPT).with_context(what)?;
    }
    guest.send("reboot\r")?;
    guest.expect_end().context("after `reboot` was typed")
}
