//! Replaying a stream through a candidate.

use std::alloc::Layout;
use std::ptr;

use crate::candidate::Candidate;
use crate::workload::{Action, Op, Workload};

/// A block, or null: a failed allocation, whose later operations are left out.
#[derive(Clone, Copy)]
pub struct Slot {
    pub block: *mut u8,
    size: u32,
    align: u32,
}

impl Slot {
    /// The layout of the block.
    #[inline(always)]
    pub fn layout(&self) -> Layout {
        // SAFETY: the alignment is a power of two, and sizes are below 4 GiB.
        unsafe { Layout::from_size_align_unchecked(self.size as usize, self.align as usize) }
    }
}

/// The blocks of a stream.
pub struct Slots(Vec<Slot>);

impl Slots {
    pub fn new(workload: &Workload) -> Self {
        Self(vec![Slot { block: ptr::null_mut(), size: 0, align: 1 }; workload.slots])
    }

    /// Forgets all blocks, before a candidate starts from its first state.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(|slot| slot.block = ptr::null_mut());
    }

    /// Frees every block that is left.
    pub fn free_all<C: Candidate>(&mut self, candidate: &mut C) {
        for slot in self.0.iter_mut().filter(|slot| !slot.block.is_null()) {
            // SAFETY: a block of the candidate.
            unsafe { candidate.dealloc(slot.block, slot.layout()) };
            slot.block = ptr::null_mut();
        }
    }

    /// The slot of an operation.
    #[inline(always)]
    pub fn of(&mut self, op: &Op) -> &mut Slot {
        // SAFETY: streams use slots below the number that `new` was given.
        unsafe { self.0.get_unchecked_mut(op.slot as usize) }
    }
}

/// Does one operation and writes the first byte of the block; false if there was no memory.
#[inline(always)]
pub fn step<C: Candidate>(candidate: &mut C, op: &Op, slot: &mut Slot) -> bool {
    match op.action {
        Action::Alloc => {
            slot.size = op.size;
            slot.align = 1 << op.align_log2;
            // SAFETY: sizes are not zero.
            slot.block = unsafe { candidate.alloc(slot.layout()) };
        }
        Action::Free => {
            if !slot.block.is_null() {
                // SAFETY: a block of the candidate.
                unsafe { candidate.dealloc(slot.block, slot.layout()) };
                slot.block = ptr::null_mut();
            }
            return true;
        }
        Action::Realloc => {
            if slot.block.is_null() {
                return true;
            }
            // SAFETY: a block of the candidate.
            let block = unsafe { candidate.realloc(slot.block, slot.layout(), op.size as usize) };
            if block.is_null() {
                return false;
            }
            slot.block = block;
            slot.size = op.size;
        }
    }
    if slot.block.is_null() {
        return false;
    }
    // SAFETY: a block is at least one byte long.
    unsafe { slot.block.write(1) };
    true
}

/// Does all operations; how many failed. Not inlined: callgrind counts what happens inside, by this name.
#[inline(never)]
pub fn replay_counted<C: Candidate>(candidate: &mut C, ops: &[Op], slots: &mut Slots) -> usize {
    let mut failed = 0;
    for op in ops {
        failed += usize::from(!step(candidate, op, slots.of(op)));
    }
    failed
}
