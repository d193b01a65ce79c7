//! Keyboard and screen: the conversation with the shell that `test` has by them, where keys are pressed and pictures are
//! read; and `screenshot`.
mod monitor;
mod picture;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::context::Context;
use crate::dialogue::Dialogue;
use crate::machine::RESOLUTION_WORD;
use crate::qemu::{self, QemuArgs};
use crate::shell::INTERACTIVE_SERVERS;
use monitor::Monitor;
use picture::{Font, Picture};

/// Time for one answer, on a slow host.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the screen.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys as QEMU calls them, and what has to be on the screen then.
const SCRIPT: [(&[&str], &[&str]); 4] = [
    (&["h", "e", "l", "p", "ret"], &["selkie> help", "list the commands", "restart the machine"]),
    // Shift, and backspace.
    (&["shift-p", "backspace", "p", "s", "x", "ret"], &["selkie> psx", "did you mean `ps`?"]),
    // A word that Tab completes.
    (&["u", "p", "t", "tab", "ret"], &["selkie> uptime"]),
    // The history, and the cursor.
    (&["up", "up", "left", "delete", "ret"], &["PID NAME", "console"]),
];

/// Keys for the picture, and what has to be on the screen before it is taken.
const SHOWN: [(&[&str], &[&str]); 1] = [(&["p", "s", "ret"], &["selkie> ps", "selkie>"])];

/// Options of `screenshot`.
#[derive(Args, Clone)]
pub struct ScreenshotArgs {
    /// The picture to write
    #[arg(long, value_name = "FILE", default_value = "docs/boot.png")]
    pub output: PathBuf,
    #[command(flatten)]
    pub qemu: QemuArgs,
}

/// Boots, has the shell show something, and keeps a picture of the screen.
///
/// # Errors
/// The system cannot be booted, or the picture cannot be written.
pub fn screenshot(context: &Context, args: &ScreenshotArgs) -> Result<()> {
    let mut machine = Watched::start(context, &args.qemu)?;
    machine.converse(&SHOWN)?;
    let output = context.root.join(&args.output);
    machine.monitor.save(&output)?;
    println!("\n{} is written", output.display());
    Ok(())
}

/// A machine with a screen that is looked at.
struct Watched {
    /// Its serial line; it is ended with this.
    guest: Dialogue,
    monitor: Monitor,
}

impl Watched {
    fn start(context: &Context, args: &QemuArgs) -> Result<Self> {
        let mut args = args.clone();
        args.image.cmdline.push(RESOLUTION_WORD.into());
        let socket = context.output_dir()?.join("screen.monitor");
        args.extra.extend(monitor::arguments(&socket)?);
        let guest = Dialogue::start(qemu::command(context, &args)?, PATIENCE)?;
        let picture = context.output_dir()?.join("screen.ppm");
        Ok(Watched { guest, monitor: Monitor::connect(&socket, picture, PATIENCE)? })
    }

    /// Presses keys when the shell is ready, and reads the console's screen.
    fn converse(&mut self, script: &[(&[&str], &[&str])]) -> Result<()> {
        // The serial line says when somebody listens.
        self.guest.expect("selkie> ")?;
        let font = Font::of_console();
        self.see(&font, &["root: console runs", "shell: `help` lists the commands", "selkie>"])?;
        for (keys, texts) in script {
            self.monitor.press(keys)?;
            self.see(&font, texts).with_context(|| format!("after {} were pressed", keys.join(" ")))?;
        }
        Ok(())
    }

    /// Waits until all texts are on the screen, each below or right of the one before.
    fn see(&mut self, font: &Font, texts: &[&str]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = font.read(&Picture::parse(&self.monitor.picture()?)?);
            let mut rest = seen.as_str();
            let missing = texts.iter().find(|text| match rest.split_once(**text) {
                Some((_, behind)) => {
                    rest = behind;
                    false
                }
                None => true,
            });
            let Some(missing) = missing else { return Ok(()) };
            if Instant::now() > deadline {
                bail!("`{missing}` is not on the screen; this is:\n{seen}");
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Boots with the shell, presses keys and reads the screen.
///
/// # Errors
/// The system cannot be booted, or an answer is missing.
pub fn run(context: &Context, args: &QemuArgs) -> Result<()> {
    Watched::start(context, args)?.converse(&SCRIPT)
}

/// Boots without a server that takes the screen: the kernel's report stays there.
///
/// # Errors
/// The system cannot be booted, or the report is not on the screen.
pub fn run_report(context: &Context, args: &QemuArgs) -> Result<()> {
    let mut args = args.clone();
    // Nor anything else that would print.
    args.image
        .no_server
        .extend(INTERACTIVE_SERVERS.into_iter().chain(["console", "hello"]).map(String::from));
    let lines = ["Selkie", "cpu:", "memory:", "interrupts:", "time:", "console:", "framebuffer", "modules:"];
    Watched::start(context, &args)?.see(&Font::of_kernel(), &lines)
}
