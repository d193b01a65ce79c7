//! What the kernel's ring of events tells, in a few lines.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use libsel::abi::trace::{Kind, NAME_BYTES, Record, ThreadId};

/// Kinds that are counted, and what they are called.
const KINDS: [(Kind, &str); 9] = [
    (Kind::Syscall, "system calls"),
    (Kind::Exception, "exceptions"),
    (Kind::Interrupt, "interrupts"),
    (Kind::Switch, "switches"),
    (Kind::Message, "messages"),
    (Kind::Signal, "signals"),
    (Kind::Fault, "faults"),
    (Kind::Irq, "device interrupts and ticks"),
    (Kind::Idle, "times idle"),
];
/// Threads that are shown, those that ran longest.
const THREADS: usize = 10;

/// Sums over the events of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    counts: [u64; KINDS.len()],
    events: u64,
    /// TSC of the first and the last event.
    span: Option<(u64, u64)>,
    /// Who runs since when; `None` at first, 0 for nobody.
    runs: Option<(ThreadId, u64)>,
    /// TSC ticks that each thread ran.
    ran: BTreeMap<ThreadId, u64>,
    names: BTreeMap<ThreadId, [u8; NAME_BYTES]>,
    ticks_per_us: u64,
}

impl Summary {
    /// No events, of a clock with so many ticks a second.
    pub fn new(tsc_hz: u64) -> Self {
        Summary { ticks_per_us: (tsc_hz / 1_000_000).max(1), ..Summary::default() }
    }

    /// Takes in the next record: an event, or a part of a thread's name.
    pub fn add(&mut self, record: &Record) {
        if record.kind == Kind::Name as u16 {
            let name = self.names.entry(record.thread).or_default();
            let part = usize::from(record.detail % 2) * (NAME_BYTES / 2);
            let bytes = record.words.iter().flat_map(|word| word.to_le_bytes());
            for (to, from) in name.iter_mut().skip(part).zip(bytes) {
                *to = from;
            }
            return;
        }
        self.events += 1;
        for (count, (kind, _)) in self.counts.iter_mut().zip(KINDS) {
            *count += u64::from(kind as u16 == record.kind);
        }
        self.span = Some((self.span.map_or(record.time, |(first, _)| first), record.time));
        if record.kind == Kind::Switch as u16 {
            self.stop(record.time);
            self.runs = Some((record.thread, record.time));
        }
    }

    /// Whoever runs did so until now.
    fn stop(&mut self, time: u64) {
        if let Some((thread, since)) = self.runs {
            *self.ran.entry(thread).or_default() += time.saturating_sub(since);
        }
    }

    fn name(&self, thread: ThreadId) -> String {
        match self.names.get(&thread) {
            _ if thread == 0 => "(idle)".into(),
            Some(name) => {
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
                String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
            }
            None => alloc::format!("{thread:#x}"),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.span.unwrap_or_default();
        let us = last.saturating_sub(first) / self.ticks_per_us;
        writeln!(f, "{} events in {}.{:06} s", self.events, us / 1_000_000, us % 1_000_000)?;
        for (count, (_, what)) in self.counts.iter().zip(KINDS) {
            writeln!(f, "{count:>10}  {what}")?;
        }
        let mut ended = self.clone();
        ended.stop(last);
        let mut ran: Vec<(u64, ThreadId)> =
            ended.ran.iter().map(|(thread, ticks)| (*ticks, *thread)).collect();
        ran.sort_unstable_by(|a, b| b.cmp(a));
        for (ticks, thread) in ran.into_iter().take(THREADS) {
            let share = (ticks / self.ticks_per_us).saturating_mul(1000).checked_div(us).unwrap_or_default();
            let (whole, tenth) = (share / 10, share % 10);
            writeln!(f, "{:>10} us {whole:>3}.{tenth} %  {}", ticks / self.ticks_per_us, self.name(thread))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn event(time: u64, kind: Kind, thread: ThreadId) -> Record {
        Record { time, kind: kind as u16, detail: 0, thread, words: [0; 2] }
    }

    #[test]
    fn events_are_counted_and_times_add_up() {
        let mut summary = Summary::new(1_000_000);
        let name = [u64::from_le_bytes(*b"console\0"), 0];
        summary.add(&Record { words: name, ..event(0, Kind::Name, 5) });
        for (time, kind, thread) in [
            (100, Kind::Syscall, 9),
            (110, Kind::Switch, 5),
            (150, Kind::Syscall, 5),
            (160, Kind::Switch, 0),
            (161, Kind::Idle, 0),
            (290, Kind::Awake, 0),
            (300, Kind::Switch, 5),
            (350, Kind::Signal, 5),
        ] {
            summary.add(&event(time, kind, thread));
        }
        let text = summary.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "8 events in 0.000250 s");
        assert!(lines.contains(&"         2  system calls") && lines.contains(&"         3  switches"));
        assert_eq!(lines[10..], ["       140 us  56.0 %  (idle)", "       100 us  40.0 %  console"]);
        assert!(lines.iter().all(|line| line.len() <= 80));
    }

    #[test]
    fn no_events_are_an_answer_and_an_unknown_thread_has_a_number() {
        assert!(Summary::new(0).to_string().starts_with("0 events in 0.000000 s\n"));
        let mut summary = Summary::new(1_000_000);
        summary.add(&event(0, Kind::Switch, 0x1234));
        summary.add(&event(10, Kind::Switch, 0));
        assert!(summary.to_string().contains("0x1234"));
    }
}
