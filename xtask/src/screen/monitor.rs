//! QEMU's monitor behind a socket: keys and pictures.
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// A connection by QEMU's machine protocol (QMP).
pub struct Monitor {
    stream: BufReader<UnixStream>,
    picture: PathBuf,
}

/// QEMU's arguments for a monitor behind this socket. One that an earlier machine left is removed.
///
/// # Errors
/// It cannot be removed.
pub fn arguments(socket: &Path) -> Result<[OsString; 2]> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", socket.display()));
        }
        _ => {}
    }
    let path = socket.to_string_lossy().replace(',', ",,");
    Ok(["-qmp".into(), format!("unix:{path},server=on,wait=off").into()])
}

impl Monitor {
    /// Connects to a machine that was just started. Pictures go to the file `picture` on their way.
    ///
    /// # Errors
    /// It does not answer in time.
    pub fn connect(socket: &Path, picture: PathBuf, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| format!("no QEMU behind {}", socket.display()));
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(patience))?;
        let mut monitor = Monitor { stream: BufReader::new(stream), picture };
        monitor.execute(&json!({ "execute": "qmp_capabilities" }))?;
        Ok(monitor)
    }

    /// Presses keys (names of QEMU's `sendkey`), one after the other.
    ///
    /// # Errors
    /// The machine has ended, or has no such key.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        keys.iter().try_for_each(|key| self.command(&format!("sendkey {key} 20")))
    }

    /// The screen as a portable pixmap.
    ///
    /// # Errors
    /// The machine has ended, or the file cannot be read.
    pub fn picture(&mut self) -> Result<Vec<u8>> {
        let arguments = json!({ "filename": self.picture });
        self.execute(&json!({ "execute": "screendump", "arguments": arguments }))?;
        fs::read(&self.picture).with_context(|| format!("cannot read {}", self.picture.display()))
    }

    /// Writes the screen to a PNG file.
    ///
    /// # Errors
    /// The machine has ended, or the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let arguments = json!({ "filename": path, "format": "png" });
        self.execute(&json!({ "execute": "screendump", "arguments": arguments })).map(drop)
    }

    /// A command for people; what it prints is a complaint.
    fn command(&mut self, line: &str) -> Result<()> {
        let arguments = json!({ "command-line": line });
        let answer = self.execute(&json!({ "execute": "human-monitor-command", "arguments": arguments }))?;
        match answer.as_str() {
            Some("") => Ok(()),
            _ => bail!("QEMU's answer to `{line}`: {answer}"),
        }
    }

    /// Sends a command; gives what it returns. Greeting and events are passed over.
    fn execute(&mut self, command: &Value) -> Result<Value> {
        writeln!(self.stream.get_mut(), "{command}").context("QEMU has ended")?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).context("QEMU's monitor does not answer")? == 0 {
                bail!("QEMU has ended");
            }
            let mut answer: Value = serde_json::from_str(&line).context("QEMU's monitor says no JSON")?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }
}
