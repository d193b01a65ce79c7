//! A kernel in miniature: untyped capabilities with watermarks, the derivation tree, and the rules of abi.md 7.2.

use std::collections::BTreeMap;

use crate::phys::kernel::{KernelError, Slot, UntypedKernel};

#[derive(Clone, Debug)]
struct Untyped {
    paddr: u64,
    size_bits: u8,
    parent: Slot,
    children: Vec<Slot>,
    /// Objects that a user made from it; they hold the watermark as untyped children do.
    objects: u32,
    watermark: u64,
}

/// The simulated kernel.
#[derive(Debug, Default)]
pub struct SimKernel {
    slots: BTreeMap<Slot, Untyped>,
    /// The slot given out last; slots are never used again, so that a stale one is noticed.
    next_slot: Slot,
    /// Slots handed to the allocator and not yet released.
    pub slots_lent: u64,
    /// Calls still allowed; None: no limit.
    pub calls_left: Option<u32>,
}

impl SimKernel {
    /// A boot untyped.
    pub fn boot(&mut self, paddr: u64, size_bits: u8) -> Slot {
        self.next_slot += 1;
        let untyped =
            Untyped { paddr, size_bits, parent: 0, children: vec![], objects: 0, watermark: 1 << size_bits };
        self.slots.insert(self.next_slot, untyped);
        self.next_slot
    }

    fn call(&mut self) -> Result<(), KernelError> {
        match &mut self.calls_left {
            Some(0) => Err(KernelError(10)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What the user of a block does: makes an object that fills it. Fails the test if the block is not clean.
    pub fn make_object(&mut self, slot: Slot, paddr: u64, size_bits: u8) {
        let untyped = self.slots.get_mut(&slot).expect("the block's slot holds a capability");
        assert_eq!((untyped.paddr, untyped.size_bits), (paddr, size_bits), "capability of another block");
        assert!(untyped.children.is_empty() && untyped.objects == 0, "block handed out with children");
        untyped.objects = 1;
        untyped.watermark = 1 << size_bits;
    }

    /// What the user does before `free_empty`.
    pub fn delete_object(&mut self, slot: Slot) {
        self.slots.get_mut(&slot).unwrap().objects = 0;
    }

    fn delete(&mut self, slot: Slot) {
        let untyped = self.slots.remove(&slot).expect("capability to delete");
        assert_eq!(untyped.objects, 0, "a capability was revoked from under a user");
        for child in untyped.children {
            self.delete(child);
        }
    }
}

impl UntypedKernel for SimKernel {
    fn split(&mut self, parent: Slot, child_bits: u8, count: u16) -> Result<Slot, KernelError> {
        self.call()?;
        assert!((1..=256).contains(&count));
        let first = self.next_slot + 1;
        let untyped = self.slots.get_mut(&parent).expect("parent capability");
        if untyped.children.is_empty() && untyped.objects == 0 {
            untyped.watermark = 0;
        }
        let start = untyped.watermark.next_multiple_of(1 << child_bits);
        let size = 1u64 << untyped.size_bits;
        assert!(
            start + (u64::from(count) << child_bits) <= size,
            "NotEnoughMemory: the watermark was ignored"
        );
        untyped.watermark = start + (u64::from(count) << child_bits);
        let paddr = untyped.paddr + start;
        for number in 0..u32::from(count) {
            untyped.children.push(first + number);
        }
        for number in 0..u32::from(count) {
            let paddr = paddr + (u64::from(number) << child_bits);
            let child =
                Untyped { paddr, size_bits: child_bits, parent, children: vec![], objects: 0, watermark: 0 };
            assert!(self.slots.insert(first + number, child).is_none());
        }
        self.next_slot += u32::from(count);
        self.slots_lent += u64::from(count);
        Ok(first)
    }

    fn revoke(&mut self, parent: Slot) -> Result<(), KernelError> {
        self.call()?;
        let untyped = self.slots.get_mut(&parent).expect("capability to revoke");
        untyped.objects = 0;
        for child in core::mem::take(&mut untyped.children) {
            assert_eq!(self.slots[&child].parent, parent);
            self.delete(child);
        }
        Ok(())
    }

    fn release_slots(&mut self, first: Slot, count: u16) {
        for slot in first..first + u32::from(count) {
            assert!(!self.slots.contains_key(&slot), "slot {slot} was released with a capability in it");
        }
        self.slots_lent -= u64::from(count);
    }
}
