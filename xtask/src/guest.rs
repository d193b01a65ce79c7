//! Runs QEMU: streams its output, watches the clock, and reads the guest's exit code from QEMU's exit status.
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Exit code of a guest whose kernel panicked.
pub const PANIC_CODE: u8 = 101;
/// How long QEMU may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks at whether QEMU has ended.
const POLL: Duration = Duration::from_millis(20);

/// How a run of the guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The guest wrote this exit code to the debug-exit port.
    Code(u8),
    /// QEMU ended without one: the guest reset (a triple fault does that) or powered off, or the user ended QEMU.
    NoCode,
    /// The time limit ran out and QEMU was ended.
    TimedOut,
}

/// Standard input and output of the guest's serial line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// The terminal for both.
    Interactive,
    /// No input; output goes where ours goes.
    Output,
    /// No input; output goes where ours goes and is kept.
    Captured,
    /// The same, but what the kernel says of threads that nobody looks after is not shown.
    CapturedButFaults,
    /// No input; output is kept and not shown.
    Silent,
}

/// Runs `command` (QEMU) for at most `limit`. Gives the end and, with streams that keep it, the output.
///
/// # Errors
/// QEMU cannot be started, or it fails by itself.
pub fn run(command: Command, streams: Streams, limit: Option<Duration>) -> Result<(End, String)> {
    match streams {
        Streams::CapturedButFaults => run_with(command, streams, limit, WithoutFaults::new(io::stdout())),
        Streams::Silent => run_with(command, streams, limit, io::sink()),
        _ => run_with(command, streams, limit, io::stdout()),
    }
}

/// [`run`], with `echo` as the place where captured output is shown.
fn run_with(
    mut command: Command,
    streams: Streams,
    limit: Option<Duration>,
    echo: impl Write + Send + 'static,
) -> Result<(End, String)> {
    if streams != Streams::Interactive {
        command.stdin(Stdio::null());
    }
    if matches!(streams, Streams::Captured | Streams::CapturedButFaults | Streams::Silent) {
        command.stdout(Stdio::piped());
    }
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let copier = child.stdout.take().map(|stdout| thread::spawn(move || copy(stdout, echo)));
    let status = wait(&mut child, limit.map(|limit| start + limit))?;
    let output = match copier {
        Some(copier) => copier.join().ok().context("the thread that reads QEMU's output panicked")??,
        None => String::new(),
    };
    Ok((end_of(status)?, output))
}

/// Waits for `child`; ends it at `deadline` and then gives none.
fn wait(child: &mut Child, deadline: Option<Instant>) -> Result<Option<ExitStatus>> {
    let Some(deadline) = deadline else { return Ok(Some(child.wait()?)) };
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            end(child)?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Ends `child`. SIGTERM comes first, because QEMU then gives the terminal its settings back; SIGKILL would not let it.
fn end(child: &mut Child) -> Result<()> {
    let kill = Command::new("kill").arg(child.id().to_string()).stderr(Stdio::null()).status();
    let patience = Instant::now() + PATIENCE;
    while kill.is_ok() && Instant::now() < patience {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Copies `input` to `echo` as it comes, and keeps it as text without carriage returns.
///
/// # Errors
/// Reading or writing fails.
pub fn copy(input: impl Read, mut echo: impl Write) -> io::Result<String> {
    let mut input = BufReader::new(input);
    let mut kept = Vec::new();
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(String::from_utf8_lossy(&kept).replace('\r', ""));
        }
        echo.write_all(bytes)?;
        echo.flush()?;
        kept.extend_from_slice(bytes);
        let count = bytes.len();
        input.consume(count);
    }
}

/// Passes lines on, but for the kernel's reports of faults without a handler: `thread …` and indented addresses.
struct WithoutFaults<W> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> WithoutFaults<W> {
    fn new(to: W) -> Self {
        Self { to, line: Vec::new() }
    }
}

impl<W: Write> Write for WithoutFaults<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                if !self.line.starts_with(b"thread \"") && !self.line.starts_with(b"  0x") {
                    self.to.write_all(&self.line)?;
                }
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn end_of(status: Option<ExitStatus>) -> Result<End> {
    let Some(status) = status else { return Ok(End::TimedOut) };
    match status.code() {
        Some(0) => Ok(End::NoCode),
        Some(code) => match guest_code(code) {
            Some(code) => Ok(End::Code(code)),
            None => bail!("QEMU failed by itself (exit status {code}); its own message is above"),
        },
        None => bail!("QEMU was ended from outside ({status})"),
    }
}

/// The guest's exit code in QEMU's exit status. The guest writes 0x10 + code to the debug-exit port, and QEMU ends with
/// (value << 1) | 1; the offset keeps it apart from QEMU's own status 1.
fn guest_code(status: i32) -> Option<u8> {
    let value = (status & 1 == 1).then_some(status >> 1)?;
    u8::try_from(value - 0x10).ok().filter(|code| *code <= 111)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_codes_are_told_from_qemus_own() {
        for code in 0..=111_u8 {
            assert_eq!(guest_code(((0x10 + i32::from(code)) << 1) | 1), Some(code));
        }
        for status in [0, 1, 2, 31, 32, 34, 256] {
            assert_eq!(guest_code(status), None, "{status}");
        }
    }

    fn shell(script: &str, limit_ms: Option<u64>) -> Result<(End, String)> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run_with(command, Streams::Captured, limit_ms.map(Duration::from_millis), io::sink())
    }

    #[test]
    fn output_and_exit_code_come_back() {
        assert_eq!(shell("printf 'a\\r\\nb'; exit 35", None).unwrap(), (End::Code(1), "a\nb".to_string()));
        assert_eq!(shell("exit 0", Some(5000)).unwrap().0, End::NoCode);
        assert!(shell("exit 1", None).unwrap_err().to_string().contains("QEMU failed by itself"));
    }

    #[test]
    fn reports_of_faults_are_left_out() {
        let mut shown = Vec::new();
        let mut filter = WithoutFaults::new(&mut shown);
        for piece in ["round 1\r\nthr", "ead \"a\" stopped\n  0x5 is empty\n  Label: 3\n", "ro", "und 2\n"] {
            filter.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(shown, b"round 1\r\n  Label: 3\nround 2\n");
    }

    #[test]
    fn a_hang_ends_at_the_limit() {
        let start = Instant::now();
        assert_eq!(
            shell("echo begun; exec sleep 30", Some(200)).unwrap(),
            (End::TimedOut, "begun\n".to_string())
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let start = Instant::now();
        assert_eq!(shell("trap '' TERM; exec sleep 30", Some(100)).unwrap().0, End::TimedOut);
        assert!(start.elapsed() >= PATIENCE && start.elapsed() < Duration::from_secs(10));
    }
}
