//! Which blocks have an untyped capability of their own: a binary tree over the groups, made on demand.
//!
//! The bitmaps decide which memory is free; this tree follows only when a block is handed out. A node is a block of
//! 2^n groups. Making a node's capability retypes its parent into both halves with one kernel call; a node that is
//! handed out while its halves still have capabilities is revoked first, with one call for the whole subtree.
//! Merging in the bitmaps therefore costs no kernel call, and memory that is used again in the same pieces costs
//! none either. Filling a region with n blocks takes n - 1 retypes.
//!
//! Storage is dense: two nodes in the record of each group. The node of order n and index i has the number
//! (2i + 1) << n, its in-order position, which is unique. A node is a slot, and a bit that says whether anything was
//! made from it: so one look tells that a block can be handed out as it is.

use super::group::{Back, GROUP_BITS, Group, PAGE_BITS, blocks_per_group};
use super::kernel::{KernelError, Slot, UntypedKernel};

/// Bit of a node: its capability has children. Slots are below it.
pub(super) const CUT: Slot = 1 << 31;

/// Kernel calls made so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    /// `Untyped_Retype` invocations.
    pub retypes: u64,
    /// `CNode_Revoke` invocations.
    pub revokes: u64,
}

/// log2 of the groups whose records are emptied in one go.
const RUN_ORDER: usize = 6;

/// The tree's operations on the records, with the kernel to call.
pub(super) struct CapTree<'a, K> {
    pub groups: &'a mut [Group],
    pub backs: &'a mut [Back],
    pub kernel: &'a mut K,
    pub calls: &'a mut Calls,
}

impl<K: UntypedKernel> CapTree<'_, K> {
    fn node(&mut self, order: usize, index: u32) -> &mut Slot {
        let number = (2 * index as usize + 1) << order;
        &mut self.backs[number / 2].nodes[number % 2]
    }

    /// Makes the boot untyped `slot` the root of its part of the tree.
    pub fn plant(&mut self, order: usize, index: u32, slot: Slot) {
        *self.node(order, index) = slot;
    }

    /// The capability of exactly this block, without children. The block must be free in the bitmaps' sense.
    ///
    /// # Errors
    /// The kernel's; retypes made before it stay and are used later.
    #[inline]
    pub fn claim(&mut self, order: usize, index: u32) -> Result<Slot, KernelError> {
        match *self.node(order, index) {
            slot @ 1..CUT => Ok(slot),
            _ => self.claim_slow(order, index),
        }
    }

    #[cold]
    fn claim_slow(&mut self, order: usize, index: u32) -> Result<Slot, KernelError> {
        let slot = self.make(order, index)?;
        self.clear(order, index, slot)?;
        Ok(slot)
    }

    /// First slot of the group's blocks of `class`, which all are without children.
    ///
    /// # Errors
    /// The kernel's.
    pub fn claim_pages(&mut self, group: u32, class: u8) -> Result<Slot, KernelError> {
        let slot = self.make(0, group)?;
        if self.groups[group as usize].split != class + 1 {
            self.clear(0, group, slot)?;
            let kids = self.split(slot, PAGE_BITS + class, blocks_per_group(class))?;
            *self.node(0, group) |= CUT;
            let record = &mut self.groups[group as usize];
            record.first = kids;
            record.split = class + 1;
        }
        Ok(self.groups[group as usize].first)
    }

    /// Cuts a block that was handed out into `count` blocks; returns the first slot.
    ///
    /// # Errors
    /// The kernel's.
    pub fn cut(&mut self, whole: Slot, size_bits: u8, count: u16) -> Result<Slot, KernelError> {
        self.split(whole, size_bits, count)
    }

    /// Revokes a block's capability: everything retyped from it is gone.
    ///
    /// # Errors
    /// The kernel's.
    pub fn revoke(&mut self, slot: Slot) -> Result<(), KernelError> {
        self.calls.revokes += 1;
        self.kernel.revoke(slot)
    }

    fn split(&mut self, parent: Slot, child_bits: u8, count: u16) -> Result<Slot, KernelError> {
        self.calls.retypes += 1;
        self.kernel.split(parent, child_bits, count)
    }

    /// The capability of a node, with the missing ones on the way from its nearest ancestor.
    fn make(&mut self, order: usize, index: u32) -> Result<Slot, KernelError> {
        let mut level = order;
        let mut slot = *self.node(order, index) & !CUT;
        let root = usize::from(self.groups[(index as usize) << order].root);
        while slot == 0 && level < root {
            level += 1;
            slot = *self.node(level, index >> (level - order)) & !CUT;
        }
        while level > order {
            level -= 1;
            let first = self.split(slot, GROUP_BITS + level as u8, 2)?;
            let child = index >> (level - order);
            *self.node(level + 1, child / 2) |= CUT;
            *self.node(level, child & !1) = first;
            *self.node(level, child | 1) = first + 1;
            slot = first + (child & 1);
        }
        Ok(slot)
    }

    /// Revokes a node if anything below it has a capability, and forgets those.
    fn clear(&mut self, order: usize, index: u32, slot: Slot) -> Result<(), KernelError> {
        if *self.node(order, index) & CUT != 0 {
            self.revoke(slot)?;
            *self.node(order, index) = slot;
            self.forget(order, index);
        }
        Ok(())
    }

    /// Empties the records below a node: level by level, until a level has nothing, and what is below the last level
    /// in one go through the records.
    fn forget(&mut self, order: usize, index: u32) {
        for level in (RUN_ORDER + 1..=order).rev() {
            let first = index << (order - level);
            let mut any = false;
            for child in 2 * first..2 * (first + (1 << (order - level))) {
                any |= self.forget_node(level - 1, child);
            }
            if !any {
                return;
            }
        }
        let first = (index as usize) << order;
        let run = 1 << order.min(RUN_ORDER);
        for start in (first..first + (1 << order)).step_by(run) {
            // All numbers in this part of the tree but that of its root.
            for number in (2 * start + 1..2 * (start + run)).filter(|number| *number != 2 * start + run) {
                let level = number.trailing_zeros() as usize;
                self.forget_node(level, (number >> (level + 1)) as u32);
            }
            for record in &mut self.groups[start..start + run] {
                if record.split != 0 {
                    self.kernel.release_slots(record.first, blocks_per_group(record.split - 1));
                    record.split = 0;
                }
            }
        }
    }

    /// Empties one record; the slots of both halves of a whole go with the lower one. Whether it had a capability.
    fn forget_node(&mut self, order: usize, index: u32) -> bool {
        let slot = core::mem::take(self.node(order, index)) & !CUT;
        if slot != 0 && index.is_multiple_of(2) {
            self.kernel.release_slots(slot, 2);
        }
        slot != 0
    }
}
