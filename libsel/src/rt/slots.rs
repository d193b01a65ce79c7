//! Slots of a server's own CSpace for capabilities that come with messages.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::CPtr;
use crate::cap::AbsoluteSlot;
use crate::proto::start::slot;

const WORDS: usize = slot::END.div_ceil(64) as usize;

/// Which slots are taken: bit n of the whole is slot n.
pub struct Slots([AtomicU64; WORDS]);

impl Slots {
    /// Everything from [`slot::FIRST_FREE`] on is free.
    const fn new() -> Self {
        let mut words = [const { AtomicU64::new(0) }; WORDS];
        words[0] = AtomicU64::new((1 << slot::FIRST_FREE) - 1);
        Slots(words)
    }

    /// Takes the lowest free slot.
    pub fn take(&self) -> Option<CPtr> {
        for (index, word) in self.0.iter().enumerate() {
            let lowest = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
            if let Ok(before) = word.try_update(Ordering::Relaxed, Ordering::Relaxed, lowest) {
                return Some(index as CPtr * 64 + CPtr::from(before.trailing_ones()));
            }
        }
        None
    }

    /// Gives back a slot that [`Slots::take`] returned and that is empty again; others are ignored.
    pub fn give_back(&self, cptr: CPtr) {
        if cptr >= slot::FIRST_FREE
            && let Some(word) = self.0.get((cptr / 64) as usize)
        {
            word.fetch_and(!(1 << (cptr % 64)), Ordering::Relaxed);
        }
    }
}

/// A set of slots.
pub(crate) struct Marks([AtomicU64; WORDS]);

impl Marks {
    /// None.
    pub const fn new() -> Self {
        Marks([const { AtomicU64::new(0) }; WORDS])
    }

    /// Adds a slot; numbers beyond the CSpace are ignored.
    pub fn mark(&self, cptr: CPtr) {
        if let Some(word) = self.0.get((cptr / 64) as usize) {
            word.fetch_or(1 << (cptr % 64), Ordering::Relaxed);
        }
    }

    /// Takes the lowest slot out of the set.
    pub fn take_marked(&self) -> Option<CPtr> {
        for (index, word) in self.0.iter().enumerate() {
            let lowest = |marked: u64| (marked != 0).then(|| marked & (marked - 1));
            if let Ok(before) = word.try_update(Ordering::Relaxed, Ordering::Relaxed, lowest) {
                return Some(index as CPtr * 64 + CPtr::from(before.trailing_zeros()));
            }
        }
        None
    }
}

static SLOTS: Slots = Slots::new();

/// Takes a free slot of the server's CSpace.
pub fn take() -> Option<CPtr> {
    SLOTS.take()
}

/// Gives back a slot that is empty again.
pub fn give_back(cptr: CPtr) {
    SLOTS.give_back(cptr);
}

/// A slot of the server's CSpace as CNode operations and receive slots name it.
pub const fn absolute(cptr: CPtr) -> AbsoluteSlot {
    AbsoluteSlot::in_cspace(slot::CNODE, cptr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_handed_out_once() {
        let slots = Slots::new();
        for expected in slot::FIRST_FREE..slot::END {
            assert_eq!(slots.take(), Some(expected));
        }
        assert_eq!(slots.take(), None);
        slots.give_back(200);
        slots.give_back(37);
        slots.give_back(3);
        slots.give_back(u64::MAX);
        assert_eq!((slots.take(), slots.take(), slots.take()), (Some(37), Some(200), None));
    }
}
