//! What every verb works with: the workspace's folders, a shell that stands in its root, and how commands are shown.
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xshell::{Cmd, Shell};

/// The target triple of the kernel and of user space.
pub const TARGET: &str = "x86_64-unknown-none";

/// The surroundings of one run.
pub struct Context {
    /// Stands in the workspace's root.
    pub shell: Shell,
    /// The workspace's root folder.
    pub root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the root.
    pub target_dir: PathBuf,
    /// Print each command before it runs.
    pub verbose: bool,
}

impl Context {
    /// Finds the workspace and makes a shell that stands in its root.
    ///
    /// # Errors
    /// The workspace folder is gone, or the current folder cannot be read.
    pub fn new(verbose: bool) -> Result<Self> {
        // `cargo run` names the checkout it runs in. The folder at compile time may be another one: two checkouts that
        // share a target folder also share this program.
        let manifest_dir =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest_dir).parent().context("xtask has no parent folder")?;
        let shell = Shell::new()?;
        let target_dir = match env::var_os("CARGO_TARGET_DIR") {
            // Cargo takes a relative folder from where it is called; the commands below run elsewhere.
            Some(folder) => std::path::absolute(folder)?,
            None => root.join("target"),
        };
        shell.set_var("CARGO_TARGET_DIR", &target_dir);
        shell.change_dir(root);
        Ok(Self { shell, root: root.to_path_buf(), target_dir, verbose })
    }

    /// Where files go that are no build products of cargo: boot archives, ISO images, downloads.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn output_dir(&self) -> Result<PathBuf> {
        let folder = self.target_dir.join("selkie");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// A cargo command.
    pub fn cargo(&self) -> Cmd<'_> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // `cargo run` set this one from .cargo/config.toml; the inner cargo sets it again.
        self.shell.cmd(cargo).env_remove("RUSTC_BOOTSTRAP")
    }

    /// Runs `command` to its end, with the terminal as its output.
    ///
    /// # Errors
    /// It cannot be started, or it ends with a status other than 0.
    pub fn run(&self, command: Cmd<'_>) -> Result<()> {
        self.show(&command);
        Ok(command.quiet().run()?)
    }

    /// Runs `command` without showing its output, unless it fails or commands are to be shown.
    ///
    /// # Errors
    /// It cannot be started, or it ends with a status other than 0; its output was printed then.
    pub fn run_silently(&self, command: Cmd<'_>) -> Result<()> {
        if self.verbose {
            return self.run(command);
        }
        let text = command.to_string();
        let output = command.quiet().ignore_status().output()?;
        if output.status.success() {
            return Ok(());
        }
        eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        anyhow::bail!("`{text}` failed ({}); its output is above", output.status)
    }

    /// The output of `command`; its messages go to the terminal.
    ///
    /// # Errors
    /// It cannot be started, or it ends with a status other than 0.
    pub fn read(&self, command: Cmd<'_>) -> Result<String> {
        self.show(&command);
        Ok(command.quiet().read()?)
    }

    /// The output of `command`, if it can be started and ends with status 0; its messages are not shown.
    pub fn ask(&self, command: Cmd<'_>) -> Option<String> {
        self.show(&command);
        command.quiet().ignore_stderr().read().ok()
    }

    /// Turns `command` into one of the standard library, for those whose streams are handled here, and shows it.
    pub fn prepare(&self, command: Cmd<'_>) -> Command {
        self.show(&command);
        command.into()
    }

    fn show(&self, command: &Cmd<'_>) {
        if self.verbose {
            eprintln!("$ {command}");
        }
    }
}

/// Where `program` is in `PATH`.
pub fn find_program(program: &str) -> Option<PathBuf> {
    find_in(program, &env::var_os("PATH")?)
}

fn find_in(program: &str, search_path: &OsStr) -> Option<PathBuf> {
    env::split_paths(search_path).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_search_path_only() {
        assert_eq!(find_in("sh", OsStr::new("/nonexistent:/bin")), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find_in("sh", OsStr::new("/nonexistent")), None);
    }
}
