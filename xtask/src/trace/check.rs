//! Whether a recording can be true: what the tests ask of the kernel's hooks.
use std::collections::BTreeSet;

use libsel::abi::trace::{Kind, Record, ThreadId};

/// Checks the events of a core, and that there is one of each of `kinds`.
///
/// # Errors
/// The first thing that cannot be.
pub fn check(events: impl Iterator<Item = Record>, kinds: &[Kind]) -> Result<(), String> {
    let mut state = State::default();
    let mut missing: BTreeSet<Kind> = kinds.iter().copied().collect();
    for (number, record) in events.enumerate() {
        let Some(kind) = Kind::from_raw(record.kind) else {
            return Err(format!("event {number} is of the unknown kind {}", record.kind));
        };
        state.step(kind, &record).map_err(|problem| format!("event {number}, {record:x?}: {problem}"))?;
        missing.remove(&kind);
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("nothing was recorded of the kinds {missing:?}")) }
}

/// What is known of the core: None where the recording has not told yet.
#[derive(Default)]
struct State {
    time: u64,
    /// The thread that runs, 0 for none.
    running: Option<ThreadId>,
    in_kernel: Option<bool>,
    idle: bool,
}

impl State {
    fn step(&mut self, kind: Kind, record: &Record) -> Result<(), &'static str> {
        let ensure = |true_so_far: bool, problem| if true_so_far { Ok(()) } else { Err(problem) };
        ensure(record.time >= self.time, "time goes back")?;
        self.time = record.time;
        ensure(!self.idle || kind == Kind::Awake, "the core idles")?;
        let is_running = |thread: ThreadId| self.running.is_none_or(|running| running == thread);
        match kind {
            Kind::Syscall | Kind::Exception | Kind::Interrupt | Kind::SoftwareInterrupt => {
                ensure(self.in_kernel != Some(true), "the kernel is entered in the kernel")?;
                ensure(record.thread != 0 && is_running(record.thread), "another thread runs")?;
                (self.running, self.in_kernel) = (Some(record.thread), Some(true));
            }
            Kind::Exit => {
                ensure(self.in_kernel != Some(false), "the kernel is left in user mode")?;
                ensure(record.thread != 0 && is_running(record.thread), "another thread runs")?;
                (self.running, self.in_kernel) = (Some(record.thread), Some(false));
            }
            Kind::Switch => {
                let from = record.words[0] as ThreadId;
                ensure(self.in_kernel != Some(false), "a switch in user mode")?;
                ensure(is_running(from), "the thread that is left did not run")?;
                ensure(from != record.thread, "a switch to the same thread")?;
                self.running = Some(record.thread);
            }
            Kind::Idle => {
                ensure(is_running(0), "a thread runs")?;
                self.idle = true;
            }
            Kind::Awake => {
                ensure(self.idle || self.running.is_none(), "the core did not idle")?;
                (self.running, self.in_kernel, self.idle) = (Some(0), Some(true), false);
            }
            Kind::Message | Kind::Fault | Kind::Irq | Kind::Signal => {
                ensure(self.in_kernel != Some(false), "it happens in user mode")?;
            }
            Kind::Name => return Err("a name is no event"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::EVENTS;
    use super::*;

    #[test]
    fn the_sample_is_consistent_wherever_it_begins() {
        for skipped in 0..EVENTS.len() {
            assert_eq!(check(EVENTS.iter().skip(skipped).copied(), &[]), Ok(()), "{skipped}");
        }
        assert_eq!(check(EVENTS.iter().copied(), &[Kind::Fault, Kind::Idle, Kind::Irq]), Ok(()));
        let problem = check(EVENTS.iter().copied(), &[Kind::Signal, Kind::Fault]).unwrap_err();
        assert!(problem.contains("{Signal}"), "{problem}");
    }

    #[test]
    fn every_event_that_is_left_out_or_doubled_is_seen() {
        // Messages, faults and interrupts come and go without changing the state of the core.
        let changes = |record: &Record| {
            use Kind::{Fault, Irq, Message};
            ![Message, Fault, Irq].contains(&Kind::from_raw(record.kind).unwrap())
        };
        for index in (1..EVENTS.len() - 1).filter(|index| changes(&EVENTS[*index])) {
            let without = EVENTS.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, record)| *record);
            assert!(check(without, &[]).is_err(), "without {index}");
            let doubled = EVENTS[..=index].iter().chain(&EVENTS[index..]).copied();
            assert!(check(doubled, &[]).is_err(), "{index} twice");
        }
        let mut backwards = EVENTS;
        backwards[4].time = 1;
        assert!(check(backwards.into_iter(), &[]).unwrap_err().contains("time goes back"));
        backwards = EVENTS;
        backwards[4].kind = 99;
        assert!(check(backwards.into_iter(), &[]).unwrap_err().contains("unknown kind 99"));
    }
}
