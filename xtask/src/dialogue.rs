//! A conversation with a guest over its serial line: what is typed, and what has to be seen before the next is typed.
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::guest;

/// A guest that is talked to. It is ended with the conversation.
pub struct Dialogue {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    /// What the guest printed and nobody waited for yet, as plain text.
    unread: String,
    plain: Plain,
    /// How long a text may take to come.
    patience: Duration,
}

impl Dialogue {
    /// Starts `command` (QEMU with the serial line as its standard input and output). Its output is also shown.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command, patience: Duration) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let input = child.stdin.take().context("QEMU has no standard input")?;
        let mut stdout = child.stdout.take().context("QEMU has no standard output")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                let _ = io::stdout().write_all(&bytes[..count]).and_then(|()| io::stdout().flush());
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, output, unread: String::new(), plain: Plain::default(), patience })
    }

    /// Types text.
    ///
    /// # Errors
    /// The guest has ended.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.input.write_all(text.as_bytes()).and_then(|()| self.input.flush()).context("the guest has ended")
    }

    /// Waits for a text; gives what was printed before it, from behind the one waited for last.
    ///
    /// # Errors
    /// It does not come in time, or the guest ends before.
    pub fn expect(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(place) = self.unread.find(text) {
                let before = self.unread[..place].to_string();
                self.unread.drain(..place + text.len());
                return Ok(before);
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.unread.push_str(&self.plain.text(&bytes)),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("`{text}` did not come within {} s", self.patience.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the guest ended before it printed `{text}`"),
            }
        }
    }

    /// Waits until the guest ends by itself.
    ///
    /// # Errors
    /// It goes on for too long.
    pub fn expect_end(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("the guest did not end"),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // The guest may have ended by itself.
        let _ = guest::end(&mut self.child);
    }
}

/// Takes carriage returns and control sequences out of what a guest prints.
#[derive(Default)]
struct Plain {
    /// Behind an escape.
    in_sequence: bool,
}

impl Plain {
    fn text(&mut self, bytes: &[u8]) -> String {
        let mut kept = Vec::new();
        for byte in bytes {
            match byte {
                _ if self.in_sequence => self.in_sequence = !byte.is_ascii_alphabetic(),
                0x1b => self.in_sequence = true,
                b'\r' => {}
                byte => kept.push(*byte),
            }
        }
        String::from_utf8_lossy(&kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience_ms: u64) -> Dialogue {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Dialogue::start(command, Duration::from_millis(patience_ms)).unwrap()
    }

    #[test]
    fn what_is_typed_is_answered() {
        let script = "printf 'a \\033[Kprom'; sleep 0.1; printf 'pt> '; read line; echo \"<$line>\"";
        let mut guest = shell(script, 10_000);
        assert_eq!(guest.expect("prompt> ").unwrap(), "a ");
        guest.send("hello\n").unwrap();
        assert_eq!(guest.expect("o>").unwrap(), "<hell");
        guest.expect_end().unwrap();
    }

    #[test]
    fn what_does_not_come_is_an_error() {
        let error = |script, patience| shell(script, patience).expect("x").unwrap_err().to_string();
        assert!(error("echo y", 10_000).contains("ended before"));
        assert!(error("exec sleep 30", 100).contains("did not come"));
    }

    #[test]
    fn control_sequences_are_left_out_even_across_pieces() {
        let mut plain = Plain::default();
        let pieces: [&[u8]; 3] = [b"a\r\x1b", b"[12", b"Cb\x1b[K\n"];
        assert_eq!(pieces.map(|piece| plain.text(piece)).concat(), "ab\n");
    }
}
