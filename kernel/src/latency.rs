//! How long interrupts stay off: measured at every kernel entry of a debug build, shown by DebugDumpScheduler.
//!
//! The kernel runs with interrupts off, so an interrupt waits for the end of the kernel entry, or for the next real check
//! at a preemption point. Both are the ends of a stretch; the longest stretch of each kind of entry is kept. Entries that
//! print are left out: no other build prints. Not measured are the instructions of entry and exit themselves, which are
//! the same few dozen each time.
#![forbid(unsafe_code)]

use sel_abi::registers::{INFO_REGISTER, SYSCALL_REGISTER};
use sel_abi::{Label, MessageInfo, Syscall};

use crate::arch;
use crate::object::tcb::TcbPtr;
use crate::print;

/// Stretches shorter than this many ticks are not worth a line.
const SHOWN_TICKS: u64 = 5_000;

/// Why the kernel was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A system call of the thread.
    Syscall(Option<TcbPtr>),
    /// An exception or `int N`.
    Exception,
    /// An interrupt.
    Interrupt,
}

const LABELS: usize = Label::ALL.len();
const OTHER_SYSCALL: usize = LABELS;
const EXCEPTION: usize = LABELS + 1;
const INTERRUPT: usize = LABELS + 2;
const KINDS: usize = LABELS + 3;

/// The longest stretches.
pub struct Latency {
    since: u64,
    kind: usize,
    longest: [u64; KINDS],
}

impl Latency {
    /// Nothing was measured.
    pub const fn new() -> Self {
        Latency { since: 0, kind: 0, longest: [0; KINDS] }
    }

    /// A kernel entry begins.
    #[inline]
    pub fn begin(&mut self, cause: Cause) {
        if !cfg!(feature = "debug") {
            return;
        }
        self.since = arch::now();
        self.kind = match cause {
            Cause::Syscall(thread) => thread.map_or(OTHER_SYSCALL, kind_of_call),
            Cause::Exception => EXCEPTION,
            Cause::Interrupt => INTERRUPT,
        };
    }

    /// An interrupt that waits is seen now, or the kernel entry ends.
    #[inline]
    pub fn end_of_stretch(&mut self) {
        if !cfg!(feature = "debug") {
            return;
        }
        let now = arch::now();
        let passed = now.saturating_sub(self.since);
        self.since = now;
        let printed = print::take_printed();
        if let Some(longest) = self.longest.get_mut(self.kind)
            && !printed
        {
            *longest = passed.max(*longest);
        }
    }

    /// Prints the longest stretch, and those of each kind of entry that are long.
    pub fn show(&self) {
        let all = self.longest.iter().copied().enumerate();
        let Some((kind, ticks)) = all.clone().max_by_key(|(_, ticks)| *ticks) else { return };
        print::line(format_args!("interrupts off for {ticks} ticks at most, in {}", Name(kind)));
        for (kind, ticks) in all.filter(|(_, ticks)| *ticks >= SHOWN_TICKS) {
            print::line(format_args!("  {ticks} ticks in {}", Name(kind)));
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

/// The label of a Call, which is that of an invocation as a rule.
fn kind_of_call(thread: TcbPtr) -> usize {
    let call = Syscall::from_raw(thread.context.get(SYSCALL_REGISTER) as i64);
    let label = MessageInfo(thread.context.get(INFO_REGISTER)).label();
    match call {
        Some(Syscall::Call) if label != 0 => usize::try_from(label).unwrap_or(KINDS).min(OTHER_SYSCALL),
        _ => OTHER_SYSCALL,
    }
}

struct Name(usize);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            EXCEPTION => f.write_str("an exception"),
            INTERRUPT => f.write_str("an interrupt"),
            OTHER_SYSCALL => f.write_str("a system call"),
            label => match Label::ALL.get(label) {
                Some(label) => write!(f, "a call with label {label:?}"),
                None => f.write_str("a system call"),
            },
        }
    }
}
