//! What threads, system calls, faults and interrupts are called in the picture.
use std::collections::BTreeMap;

use libsel::abi::trace::{Left, NAME_BYTES, Record, ThreadId};
use libsel::abi::{FaultType, Label, MessageInfo, Syscall};

/// Vector of the kernel's timer.
const TIMER_VECTOR: u16 = 157;
/// Vector of the first interrupt that users can have.
const FIRST_IRQ_VECTOR: u16 = libsel::abi::IRQ_OFFSET as u16;

/// The names of threads. A thread has a name from when it was given to it; its memory may become another thread.
#[derive(Default)]
pub struct Names {
    /// By thread: time and name, in order of time.
    names: BTreeMap<ThreadId, Vec<(u64, String)>>,
}

impl Names {
    /// Reads the records of a ring's names: two each, one after the other.
    pub fn read(records: impl Iterator<Item = Record>) -> Self {
        let mut names = Self::default();
        let mut first: Option<Record> = None;
        for record in records {
            match first.take() {
                Some(begin) if record.detail == 1 && record.thread == begin.thread => {
                    names.add(begin, record)
                }
                _ => first = (record.detail == 0).then_some(record),
            }
        }
        names
    }

    fn add(&mut self, first: Record, second: Record) {
        let bytes: Vec<u8> =
            [first.words, second.words].concat().into_iter().flat_map(u64::to_le_bytes).collect();
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        let name = String::from_utf8_lossy(&bytes[..length]).into_owned();
        self.names.entry(first.thread).or_default().push((first.time, name));
    }

    /// What a thread is called in the whole picture: its last name, or its number.
    pub fn of(&self, thread: ThreadId) -> String {
        let last = self.names.get(&thread).and_then(|names| names.last());
        last.map_or_else(|| format!("thread {thread:#x}"), |(_, name)| name.clone())
    }

    /// The name that a thread had at a time, if it had one.
    pub fn at(&self, thread: ThreadId, time: u64) -> Option<&str> {
        let names = self.names.get(&thread)?;
        names.iter().rev().find(|(since, _)| *since <= time).map(|(_, name)| name.as_str())
    }
}

/// A system call, by its number as it stands in a record.
pub fn syscall(detail: u16) -> String {
    let number = i64::from(detail.cast_signed());
    Syscall::from_raw(number).map_or_else(|| format!("system call {number}"), |call| format!("{call:?}"))
}

/// The operation that a Call asks a capability of the kernel for, in the plain configuration.
pub fn operation(info: u64) -> Option<String> {
    let label = Label::from_raw(MessageInfo(info).label())?;
    (label != Label::InvalidInvocation).then(|| format!("{label:?}"))
}

/// A fault.
pub fn fault(detail: u16) -> String {
    FaultType::from_raw(detail.into()).map_or_else(|| format!("fault {detail}"), |kind| format!("{kind:?}"))
}

/// An interrupt.
pub fn interrupt(vector: u16) -> String {
    match vector {
        TIMER_VECTOR => "timer".into(),
        FIRST_IRQ_VECTOR..TIMER_VECTOR => format!("IRQ {}", vector - FIRST_IRQ_VECTOR),
        _ => format!("vector {vector}"),
    }
}

/// A processor exception.
pub fn exception(vector: u16) -> String {
    match vector {
        0 => "divide error".into(),
        1 => "debug exception".into(),
        3 => "breakpoint".into(),
        6 => "invalid opcode".into(),
        7 => "device not available".into(),
        13 => "general protection".into(),
        14 => "page fault".into(),
        _ => format!("exception {vector}"),
    }
}

/// Why a thread stopped to run.
pub fn left(detail: u16) -> &'static str {
    match Left::from_raw(detail) {
        Some(Left::Inactive) => "stopped",
        Some(Left::Running | Left::Restart) => "preempted",
        Some(Left::Receive) => "waits for a message",
        Some(Left::Send) => "waits for a receiver",
        Some(Left::Reply) => "waits for a reply",
        Some(Left::Notification) => "waits for a signal",
        Some(Left::Nobody) | None => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn names_belong_to_a_time() {
        let mut records = sample::name(5, 10, "child of: 'rootserver'").to_vec();
        records.extend(sample::name(6, 11, "a name that needs both its halves"));
        // The beginning of a name whose end is missing.
        records.push(sample::name(7, 12, "lost")[0]);
        records.extend(sample::name(5, 20, "hello"));
        let names = Names::read(records.into_iter());
        assert_eq!((names.of(5), names.of(7)), ("hello".into(), "thread 0x7".into()));
        assert_eq!(names.of(6), "a name that needs both its halve");
        assert_eq!(
            [9, 10, 19, 20].map(|time| names.at(5, time).map(str::len)),
            [None, Some(22), Some(22), Some(5)]
        );
    }

    #[test]
    fn numbers_have_words() {
        assert_eq!((syscall(0xffff), syscall(0xfffe)), ("Call".into(), "ReplyRecv".into()));
        assert_eq!(syscall(3), "system call 3");
        assert_eq!(operation(MessageInfo::new(1, 0, 0, 0).0).as_deref(), Some("UntypedRetype"));
        assert_eq!(operation(MessageInfo::new(0, 0, 0, 0).0), None);
        assert_eq!([157, 52, 200].map(interrupt), ["timer", "IRQ 4", "vector 200"]);
    }
}
