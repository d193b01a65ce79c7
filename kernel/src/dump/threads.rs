//! DebugDumpScheduler: every thread with its state, and how long interrupts were off.
use core::fmt;

use super::NAME_BYTES;
use crate::object::tcb::{Queued, Tcb, TcbPtr, ThreadState};
use crate::print;
use crate::state::Kernel;

impl Kernel {
    /// Puts a new thread on the list that debug output walks.
    pub fn list_thread(&mut self, thread: TcbPtr) {
        if cfg!(feature = "debug") {
            thread.listed_before.set(self.threads);
            thread.listed_behind.set(None);
            if let Some(first) = self.threads {
                first.listed_behind.set(Some(thread));
            }
            self.threads = Some(thread);
        }
    }

    /// Takes a thread that is destroyed off the list.
    pub fn unlist_thread(&mut self, thread: TcbPtr) {
        if cfg!(feature = "debug") {
            let (before, behind) = (thread.listed_before.take(), thread.listed_behind.take());
            match behind {
                Some(behind) => behind.listed_before.set(before),
                None => self.threads = before,
            }
            if let Some(before) = before {
                before.listed_behind.set(behind);
            }
        }
    }

    /// All threads, the newest first.
    pub fn all_threads(&self) -> impl Iterator<Item = TcbPtr> {
        core::iter::successors(self.threads, |thread| thread.listed_before.get())
    }

    /// Prints every thread, and the longest time with interrupts off.
    pub fn dump(&self) {
        print::line(format_args!("domain {}; threads, newest first:", self.sched.domain()));
        print::line(format_args!(
            "{:<32} {:<12} {:>18} {:>4} {:>3} {:>4}",
            "name", "state", "ip", "prio", "dom", "core"
        ));
        for thread in self.all_threads() {
            let mut buffer = [0; NAME_BYTES];
            print::line(format_args!(
                "{:<32} {:<12} {:>#18x} {:>4} {:>3} {:>4}",
                thread.name.text(&mut buffer),
                State { thread: &thread, current: self.current == Some(thread) },
                thread.context.restart_ip(),
                thread.priority.get(),
                thread.domain.get(),
                0,
            ));
        }
        self.latency.show();
    }
}

/// What a thread is doing, in a word or two.
struct State<'a> {
    thread: &'a Tcb,
    current: bool,
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.thread.state.get() {
            ThreadState::Inactive => "stopped",
            ThreadState::BlockedOnReceive { .. } => "receives",
            ThreadState::BlockedOnSend { .. } => "sends",
            ThreadState::BlockedOnReply { .. } => "awaits reply",
            ThreadState::BlockedOnNotification { .. } => "awaits ntfn",
            ThreadState::Running | ThreadState::Restart => match self.thread.queued.get() {
                _ if self.current => "running",
                Queued::Ready => "ready",
                Queued::Release => "no budget",
                Queued::No => "no context",
            },
        })
    }
}
