//! The ranges freed last, kept whole in a ring: first in, first out, searched by exact length.

use super::nodes::NodeId;

/// Ranges kept.
const PLACES: usize = 4;

/// Lengths, addresses and nodes of the ranges kept.
#[derive(Debug)]
pub struct Recent {
    /// 0: the place is empty.
    lens: [u64; PLACES],
    starts: [u64; PLACES],
    ids: [NodeId; PLACES],
    /// Where the next one goes: the place of the oldest.
    next: usize,
}

impl Recent {
    pub const fn new() -> Self {
        Self { lens: [0; PLACES], starts: [0; PLACES], ids: [0; PLACES], next: 0 }
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.lens.iter().sum()
    }

    /// Takes out a range of this length, not zero, and alignment.
    #[inline]
    pub fn take(&mut self, len: u64, align: u64) -> Option<NodeId> {
        let fits = |place: &usize| self.lens[*place] == len && self.starts[*place] & (align - 1) == 0;
        let place = (0..PLACES).find(fits)?;
        self.lens[place] = 0;
        Some(self.ids[place])
    }

    /// Takes out any range.
    pub fn pop(&mut self) -> Option<NodeId> {
        let place = self.lens.iter().position(|len| *len != 0)?;
        self.lens[place] = 0;
        Some(self.ids[place])
    }

    /// Adds a range; returns the one whose place it takes.
    #[inline]
    pub fn push(&mut self, id: NodeId, start: u64, len: u64) -> Option<NodeId> {
        let place = self.next % PLACES;
        self.next = (place + 1) % PLACES;
        let old = (self.lens[place] != 0).then_some(self.ids[place]);
        self.lens[place] = len;
        self.starts[place] = start;
        self.ids[place] = id;
        old
    }
}
