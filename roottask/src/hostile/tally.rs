//! What has been done so far and what came of it.

use core::fmt;

use libsel::abi::{Error, FaultType, Label, MessageInfo, Word};

use super::console;
use super::generate::Kind;

/// Errors, and one more for what is none: an answer to a message that was meant to be an invocation.
const OUTCOMES: usize = Error::ALL.len() + 1;
const FAULTS: usize = FaultType::VmFault as usize + 1;

/// Why a world was made anew.
#[derive(Clone, Copy)]
pub enum WorldEnd {
    /// What the supervisor needs of it is gone.
    Broken,
    /// Nothing went on in it.
    Stuck,
    /// Its time had come.
    Old,
}

/// Labels that no capability knows, or that this kind of kernel always refuses (abi.md 7.5).
const IMPOSSIBLE: [Label; 2] = [Label::InvalidInvocation, Label::IrqIssueIrqHandler];

/// Numbers of outcomes.
pub struct Tally {
    /// Operations of all kinds.
    pub operations: u64,
    /// Hostile worlds made.
    pub worlds: u64,
    /// Worlds that came to each [`WorldEnd`].
    pub ended: [u64; 3],
    /// Threads set going again, by how thoroughly.
    pub helped: [u64; 3],
    invocations: [[u64; OUTCOMES]; Label::ALL.len()],
    messages: u64,
    /// Receiving calls that received a message, and those of them that brought capabilities or badges.
    received: [u64; 2],
    silent: u64,
    odd: u64,
    /// Operations that did not come to their end: the thread faulted or was stopped.
    unfinished: u64,
    faults: [u64; FAULTS],
}

impl Tally {
    /// Nothing has happened.
    pub const fn new() -> Self {
        Tally {
            operations: 0,
            worlds: 0,
            ended: [0; 3],
            helped: [0; 3],
            invocations: [[0; OUTCOMES]; Label::ALL.len()],
            messages: 0,
            received: [0; 2],
            silent: 0,
            odd: 0,
            unfinished: 0,
            faults: [0; FAULTS],
        }
    }

    /// An invocation was answered with a message of this label.
    pub fn invocation(&mut self, label: Label, answer: Word) {
        self.operations += 1;
        let outcome = (answer as usize).min(OUTCOMES - 1);
        if let Some(count) =
            self.invocations.get_mut(label.raw() as usize).and_then(|row| row.get_mut(outcome))
        {
            *count += 1;
        }
    }

    /// A record came to its end; `info` is the message info that it left.
    pub fn record(&mut self, kind: Kind, info: MessageInfo) {
        match kind {
            Kind::Invocation(label, _) => return self.invocation(label, info.label()),
            Kind::Receive => {
                self.messages += 1;
                self.received[0] += u64::from(info != MessageInfo::default());
                self.received[1] += u64::from(info.extra_caps() > 0);
            }
            Kind::Silent => self.silent += 1,
            Kind::Message => self.messages += 1,
            Kind::Odd => self.odd += 1,
        }
        self.operations += 1;
    }

    /// A record was begun and did not come to its end.
    pub fn unfinished(&mut self) {
        self.unfinished += 1;
        self.operations += 1;
    }

    /// A fault reached the supervisor.
    pub fn fault(&mut self, label: Word) {
        if let Some(count) = self.faults.get_mut(label as usize) {
            *count += 1;
        }
    }

    fn outcome(&self, outcome: usize) -> u64 {
        self.invocations.iter().map(|row| row[outcome]).sum()
    }

    /// One line about everything so far.
    pub fn print_progress(&self, round: u64) {
        console::line(format_args!("round {round}: {self}"));
    }

    /// A table: for each label the number of successes and of each error.
    pub fn print_table(&self) {
        console::line(format_args!(
            "label: success, then error=count (errors by number, x = answered by a thread)"
        ));
        for label in Label::ALL {
            let row = &self.invocations[label.raw() as usize];
            console::line(format_args!("  {label:?}: {}", Row(row)));
        }
        for label in self.missing() {
            console::line(format_args!("no success: {label:?}"));
        }
    }

    /// Labels that never succeeded though they could.
    pub fn missing(&self) -> impl Iterator<Item = Label> {
        let never = |label: &Label| self.invocations[label.raw() as usize][0] == 0;
        Label::ALL.iter().copied().filter(move |label| never(label) && !IMPOSSIBLE.contains(label))
    }
}

struct Row<'a>(&'a [u64; OUTCOMES]);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0[0])?;
        for (error, count) in self.0.iter().enumerate().skip(1).filter(|(_, count)| **count > 0) {
            if error == OUTCOMES - 1 {
                write!(f, " x={count}")?;
            } else {
                write!(f, " {error}={count}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: u64| count * 1000 / self.operations.max(1);
        write!(
            f,
            "{} operations in {} worlds; per mille: success {}",
            self.operations,
            self.worlds,
            share(self.outcome(0))
        )?;
        for error in Error::ALL.iter().skip(1) {
            write!(f, ", {error:?} {}", share(self.outcome(error.raw() as usize)))?;
        }
        write!(
            f,
            ", answered {}, messages {} (received {}, with capabilities {}), silent {}, odd {}, unfinished {}; faults",
            share(self.outcome(OUTCOMES - 1)),
            share(self.messages),
            share(self.received[0]),
            share(self.received[1]),
            share(self.silent),
            share(self.odd),
            share(self.unfinished)
        )?;
        for fault in FaultType::ALL.iter().skip(1) {
            write!(f, " {fault:?} {}", share(self.faults[fault.raw() as usize]))?;
        }
        write!(f, "; threads helped {:?}, worlds ended {:?}", self.helped, self.ended)
    }
}
