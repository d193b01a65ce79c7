//! A workload: a stream of operations, decoded before anything is timed.

use super::{synthetic, trace};

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Action {
    /// Allocate `size` bytes into an empty slot.
    Alloc,
    /// Free the block in a slot.
    Free,
    /// Resize the block in a slot to `size` bytes.
    Realloc,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub action: Action,
    /// Log2 of the alignment, for [`Action::Alloc`].
    pub align_log2: u8,
    pub slot: u32,
    pub size: u32,
}

/// A stream with its name.
pub struct Workload {
    pub name: String,
    /// What [`Workload::load`] takes to make it again, in another process.
    pub source: String,
    pub ops: Vec<Op>,
    pub slots: usize,
    pub peak_live_bytes: usize,
}

impl Workload {
    /// The synthetic workload of that name, or the trace in that file.
    pub fn load(source: &str) -> Result<Self, String> {
        let (name, builder) = match synthetic::build(source) {
            Some(builder) => (source.to_string(), builder),
            None => trace::read(source)?,
        };
        let Builder { ops, slots, peak_live_bytes, .. } = builder;
        Ok(Self { name, source: source.to_string(), ops, slots: slots as usize, peak_live_bytes })
    }

    /// Recorded from a program.
    pub fn is_trace(&self) -> bool {
        !self.name.starts_with("syn-")
    }

    /// Room for every candidate: some round sizes up to powers of two, or never merge.
    pub fn region_bytes(&self) -> usize {
        (6 * self.peak_live_bytes).next_power_of_two().max(64 << 20)
    }
}

/// Makes a stream: hands out slots and follows how much is live.
#[derive(Default)]
pub struct Builder {
    ops: Vec<Op>,
    slots: u32,
    empty: Vec<u32>,
    sizes: Vec<u32>,
    live_bytes: usize,
    peak_live_bytes: usize,
}

impl Builder {
    /// Allocates; the slot of the block.
    pub fn alloc(&mut self, size: u32, align_log2: u8) -> u32 {
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.sizes.push(0);
            self.slots - 1
        });
        self.push(Action::Alloc, slot, size.max(1), align_log2);
        slot
    }

    /// Frees the block in `slot`.
    pub fn free(&mut self, slot: u32) {
        self.push(Action::Free, slot, 0, 0);
        self.empty.push(slot);
    }

    /// Resizes the block in `slot`.
    pub fn realloc(&mut self, slot: u32, size: u32) {
        self.push(Action::Realloc, slot, size.max(1), 0);
    }

    /// The number of operations so far.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    fn push(&mut self, action: Action, slot: u32, size: u32, align_log2: u8) {
        let held = &mut self.sizes[slot as usize];
        self.live_bytes = self.live_bytes + size as usize - *held as usize;
        self.peak_live_bytes = self.peak_live_bytes.max(self.live_bytes);
        *held = size;
        self.ops.push(Op { action, align_log2, slot, size });
    }
}
