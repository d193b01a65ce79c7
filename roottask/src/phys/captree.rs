//! Which blocks have an untyped capability of their own: a binary tree over the groups, made on demand.
//!
//! The bitmaps decide which memory is free; this tree follows only when a block is handed out. A node is a block of
//! 2^n groups. Making a node's capability retypes its parent into both halves with one kernel call; a node that is
//! handed out while its halves still have capabilities is revoked first, with one call for the whole subtree.
//! Merging in the bitmaps therefore costs no kernel call, and memory that is used again in the same pieces costs
//! none either. Filling a region with n blocks takes n - 1 retypes.
//!
//! Storage is dense: a group's own capability is in its record; the node of order n >= 1 and index i is kept in the
//! record of group (2i + 1) << (n - 1), the in-order position, which is unique.

use super::group::{Back, GROUP_BITS, Group, PAGE_BITS, blocks_per_group};
use super::kernel::{KernelError, Slot, UntypedKernel};

/// Kernel calls made so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    /// `Untyped_Retype` invocations.
    pub retypes: u64,
    /// `CNode_Revoke` invocations.
    pub revokes: u64,
}

/// The tree's operations on the records, with the kernel to call.
pub(super) struct CapTree<'a, K> {
    pub groups: &'a mut [Group],
    pub backs: &'a mut [Back],
    pub kernel: &'a mut K,
    pub calls: &'a mut Calls,
}

impl<K: UntypedKernel> CapTree<'_, K> {
    fn node(&mut self, order: usize, index: u32) -> &mut Slot {
        match order {
            0 => &mut self.backs[index as usize].cap,
            _ => &mut self.backs[(2 * index as usize + 1) << (order - 1)].node,
        }
    }

    /// Makes the boot untyped `slot` the root of its part of the tree.
    pub fn plant(&mut self, order: usize, index: u32, slot: Slot) {
        *self.node(order, index) = slot;
    }

    /// The capability of exactly this block, without children. The block must be free in the bitmaps' sense.
    ///
    /// # Errors
    /// The kernel's; retypes made before it stay and are used later.
    pub fn claim(&mut self, order: usize, index: u32) -> Result<Slot, KernelError> {
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
        let mut slot = *self.node(order, index);
        let root = usize::from(self.groups[(index as usize) << order].root);
        while slot == 0 && level < root {
            level += 1;
            slot = *self.node(level, index >> (level - order));
        }
        while level > order {
            level -= 1;
            let first = self.split(slot, GROUP_BITS + level as u8, 2)?;
            let child = index >> (level - order);
            *self.node(level, child & !1) = first;
            *self.node(level, child | 1) = first + 1;
            slot = first + (child & 1);
        }
        Ok(slot)
    }

    /// Revokes a node if anything below it has a capability, and forgets those.
    fn clear(&mut self, order: usize, index: u32, slot: Slot) -> Result<(), KernelError> {
        let split = match order {
            0 => self.groups[index as usize].split != 0,
            _ => *self.node(order - 1, 2 * index) != 0,
        };
        if split {
            self.revoke(slot)?;
            self.forget(order, index);
        }
        Ok(())
    }

    /// Empties the records below a node, level by level, until a level has nothing.
    fn forget(&mut self, order: usize, index: u32) {
        for level in (1..=order).rev() {
            let first = index << (order - level);
            let mut any = false;
            for node in first..first + (1 << (order - level)) {
                let kids = core::mem::take(self.node(level - 1, 2 * node));
                if kids != 0 {
                    *self.node(level - 1, 2 * node + 1) = 0;
                    self.kernel.release_slots(kids, 2);
                    any = true;
                }
            }
            if !any {
                return;
            }
        }
        let first = (index as usize) << order;
        for record in &mut self.groups[first..first + (1 << order)] {
            if record.split != 0 {
                self.kernel.release_slots(record.first, blocks_per_group(record.split - 1));
                record.split = 0;
            }
        }
    }
}
