//! The ranges freed last, kept whole: first in, first out when full, searched by exact length.

use super::nodes::NodeId;

/// Ranges kept.
const PLACES: usize = 4;

/// Lengths, addresses and nodes of the ranges kept.
#[derive(Debug)]
pub struct Recent {
    lens: [u64; PLACES],
    starts: [u64; PLACES],
    ids: [NodeId; PLACES],
    /// Places in use, from the front; the last is the newest.
    count: usize,
    bytes: u64,
}

impl Recent {
    pub const fn new() -> Self {
        Self { lens: [0; PLACES], starts: [0; PLACES], ids: [0; PLACES], count: 0, bytes: 0 }
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes out the newest range of this length and alignment.
    #[inline]
    pub fn take(&mut self, len: u64, align: u64) -> Option<NodeId> {
        let place = (0..PLACES).rev().find(|&place| {
            self.lens[place] == len && place < self.count && self.starts[place] & (align - 1) == 0
        })?;
        Some(self.remove(place))
    }

    /// Takes out the oldest range if all places are in use.
    pub fn overflow(&mut self) -> Option<NodeId> {
        if self.count == PLACES { Some(self.remove(0)) } else { None }
    }

    /// Takes out any range.
    pub fn pop(&mut self) -> Option<NodeId> {
        if self.count == 0 { None } else { Some(self.remove(self.count - 1)) }
    }

    /// Adds a range; there must be a place.
    pub fn push(&mut self, id: NodeId, start: u64, len: u64) {
        self.lens[self.count] = len;
        self.starts[self.count] = start;
        self.ids[self.count] = id;
        self.count += 1;
        self.bytes += len;
    }

    fn remove(&mut self, place: usize) -> NodeId {
        let id = self.ids[place];
        self.bytes -= self.lens[place];
        self.count -= 1;
        for at in place..self.count {
            self.lens[at] = self.lens[at + 1];
            self.starts[at] = self.starts[at + 1];
            self.ids[at] = self.ids[at + 1];
        }
        id
    }
}
