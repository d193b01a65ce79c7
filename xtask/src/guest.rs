//! Runs QEMU: streams its output, watches the clock, and reads the guest's exit code from QEMU's exit status.
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Exit code of a guest whose kernel panicked.
pub const PANIC_CODE: u8 = 101;
/// How long QEMU may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a guest may go on printing after the text that was waited for.
const REST: Duration = Duration::from_millis(300);
/// Time between two looks at whether QEMU has ended.
const POLL: Duration = Duration::from_millis(20);

/// How a run of the guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The guest wrote this exit code to the debug-exit port; 0 also if it printed the text that was waited for.
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

/// What ends a run, but the guest itself.
#[derive(Clone, Copy, Default)]
pub struct Limits<'a> {
    /// The longest time.
    pub time: Option<Duration>,
    /// The guest printed this text.
    pub text: Option<&'a str>,
}

/// Runs `command` (QEMU) within its limits. Gives the end and, with streams that keep it, the output.
///
/// # Errors
/// QEMU cannot be started, or it fails by itself.
pub fn run(command: Command, streams: Streams, limits: Limits<'_>) -> Result<(End, String)> {
    match streams {
        Streams::CapturedButFaults => run_with(command, streams, limits, WithoutFaults::new(io::stdout())),
        Streams::Silent => run_with(command, streams, limits, io::sink()),
        _ => run_with(command, streams, limits, io::stdout()),
    }
}

/// [`run`], with `echo` as the place where output that is not QEMU's own to write is shown.
fn run_with(
    mut command: Command,
    streams: Streams,
    limits: Limits<'_>,
    echo: impl Write + Send + 'static,
) -> Result<(End, String)> {
    if streams != Streams::Interactive {
        command.stdin(Stdio::null());
    }
    if limits.text.is_some() || !matches!(streams, Streams::Interactive | Streams::Output) {
        command.stdout(Stdio::piped());
    }
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let seen = Arc::new(AtomicBool::new(false));
    let echo = Watch::new(echo, limits.text.unwrap_or_default(), &seen);
    let copier = child.stdout.take().map(|stdout| thread::spawn(move || copy(stdout, echo)));
    let stop = wait(&mut child, limits.time.map(|time| start + time), &seen)?;
    let output = match copier {
        Some(copier) => copier.join().ok().context("the thread that reads QEMU's output panicked")??,
        None => String::new(),
    };
    Ok((end_of(stop)?, output))
}

/// Why waiting for QEMU ended.
enum Stop {
    /// It ended by itself.
    Exit(ExitStatus),
    /// It was ended: the text was seen.
    Text,
    /// It was ended: the time is over.
    Time,
}

/// Waits for `child`; ends it at `deadline`, and when the text was seen.
fn wait(child: &mut Child, deadline: Option<Instant>, seen: &AtomicBool) -> Result<Stop> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Stop::Exit(status));
        }
        if seen.load(Ordering::Relaxed) {
            // The rest of what it prints at once.
            thread::sleep(REST);
            end(child)?;
            return Ok(Stop::Text);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            end(child)?;
            return Ok(Stop::Time);
        }
        thread::sleep(POLL);
    }
}

/// Ends `child`. SIGTERM comes first, because QEMU then gives the terminal its settings back; SIGKILL would not let it.
///
/// # Errors
/// It cannot be asked whether it has ended.
pub fn end(child: &mut Child) -> Result<()> {
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

/// Passes everything on, and tells when a text came by. No text never comes.
struct Watch<W> {
    to: W,
    text: Vec<u8>,
    /// The last bytes, one fewer than the text has.
    tail: Vec<u8>,
    seen: Arc<AtomicBool>,
}

impl<W: Write> Watch<W> {
    fn new(to: W, text: &str, seen: &Arc<AtomicBool>) -> Self {
        Self { to, text: text.into(), tail: Vec::new(), seen: Arc::clone(seen) }
    }
}

impl<W: Write> Write for Watch<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.text.is_empty() {
            self.tail.extend_from_slice(bytes);
            if self.tail.windows(self.text.len()).any(|window| window == self.text) {
                self.seen.store(true, Ordering::Relaxed);
            }
            let kept = self.tail.len().min(self.text.len() - 1);
            self.tail.drain(..self.tail.len() - kept);
        }
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
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

fn end_of(stop: Stop) -> Result<End> {
    let status = match stop {
        Stop::Exit(status) => status,
        Stop::Text => return Ok(End::Code(0)),
        Stop::Time => return Ok(End::TimedOut),
    };
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
        let limits = Limits { time: limit_ms.map(Duration::from_millis), text: None };
        run_with(command, Streams::Captured, limits, io::sink())
    }

    #[test]
    fn output_and_exit_code_come_back() {
        assert_eq!(shell("printf 'a\\r\\nb'; exit 35", None).unwrap(), (End::Code(1), "a\nb".to_string()));
        assert_eq!(shell("exit 0", Some(5000)).unwrap().0, End::NoCode);
        assert!(shell("exit 1", None).unwrap_err().to_string().contains("QEMU failed by itself"));
    }

    #[test]
    fn a_text_ends_the_run() {
        let mut command = Command::new("sh");
        command.args(["-c", "printf 'one\\nAll is '; sleep 0.1; printf 'well here\\n'; exec sleep 30"]);
        let limits = Limits { time: Some(Duration::from_secs(20)), text: Some("is well") };
        let (end, output) = run_with(command, Streams::Output, limits, io::sink()).unwrap();
        assert_eq!((end, output.as_str()), (End::Code(0), "one\nAll is well here\n"));
    }

    #[test]
    fn a_text_is_found_across_pieces() {
        let seen = Arc::new(AtomicBool::new(false));
        let mut shown = Vec::new();
        let mut watch = Watch::new(&mut shown, "abc", &seen);
        for piece in ["xa", "", "ba", "b"] {
            watch.write_all(piece.as_bytes()).unwrap();
            assert!(!seen.load(Ordering::Relaxed), "{piece}");
        }
        watch.write_all(b"cd").unwrap();
        assert!(seen.load(Ordering::Relaxed));
        assert_eq!(shown, b"xababcd");
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
