//! Which slots of the hostile root are probably full: learned from what operations answer.
//!
//! It only steers chance towards operations that succeed. Much goes on that it does not see: revocations, threads that
//! hostile threads made, capabilities that messages carry.

use libsel::abi::{Error, Label, Word};

use super::classes::{Class, SLOTS};

/// Slots of the root that an operation concerns; 0 = none.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Concerned {
    /// Holds the invoked capability.
    pub invoked: u8,
    /// Is filled.
    pub filled: u8,
    /// Is read.
    pub source: u8,
    /// Is emptied.
    pub emptied: u8,
}

/// A guess for each slot.
pub struct Occupancy {
    full: [bool; SLOTS as usize],
}

impl Occupancy {
    /// Of a new world.
    pub fn new() -> Self {
        let mut occupancy = Occupancy { full: [false; SLOTS as usize] };
        for (class, count) in [
            (Class::Tcb, 6),
            (Class::CNode, 6),
            (Class::Handler, 6),
            (Class::Endpoint, 4),
            (Class::Notification, 4),
            (Class::SchedContext, 6),
            (Class::Reply, 4),
            (Class::Untyped, 17),
            (Class::VSpace, 2),
            (Class::Pdpt, 2),
            (Class::PageDirectory, 2),
            (Class::PageTable, 2),
            (Class::Frame, 6),
            (Class::AsidPool, 3),
            (Class::AsidControl, 2),
            (Class::SchedControl, 2),
        ] {
            let start = class.slots().start;
            (start..start + count).for_each(|slot| occupancy.set(slot, true));
        }
        occupancy
    }

    /// The slot is probably full.
    pub fn is_full(&self, slot: Word) -> bool {
        self.full.get(slot as usize).copied().unwrap_or(false)
    }

    /// Says what a slot is.
    pub fn set(&mut self, slot: Word, full: bool) {
        if let Some(guess) = self.full.get_mut(slot as usize) {
            *guess = full;
        }
    }

    /// Learns from the answer to an invocation.
    pub fn learn(&mut self, label: Label, concerned: Concerned, answer: Word) {
        match Error::from_raw(answer) {
            Some(Error::NoError) => {
                self.set(concerned.invoked.into(), true);
                self.set(concerned.filled.into(), true);
                self.set(concerned.source.into(), true);
                self.set(concerned.emptied.into(), false);
            }
            Some(Error::InvalidCapability) => self.set(concerned.invoked.into(), false),
            Some(Error::DeleteFirst) => self.set(concerned.filled.into(), true),
            Some(Error::FailedLookup) if label != Label::UntypedRetype => {
                self.set(concerned.source.into(), false);
            }
            _ => {}
        }
    }
}
