//! The derivation tree: which capability came from which (abi.md 6.4).
//!
//! All slots that hold a capability stand in one doubly linked list in tree order: a capability is followed by its
//! descendants. No depth is stored. Whether a capability is the ancestor of a later one follows from the two
//! capabilities: an original one is the parent of every following capability to the same object, an untyped of every
//! following object inside its memory. So copies of one object always stand together, and "last capability to the
//! object" is a look at the two neighbours.
use sel_abi::CapTag;

use super::{Cap, RawCap, Slot};
use crate::addr::KernelPtr;

type SlotPtr = KernelPtr<Slot>;

/// Puts `cap` into the empty `slot` as a derivation of the capability in `parent`.
#[inline]
pub fn insert(slot: SlotPtr, cap: Cap, parent: SlotPtr, original: bool) {
    let after = parent.next();
    slot.fill(cap.into(), Some(parent), after, original);
    parent.set_next(Some(slot));
    if let Some(after) = after {
        after.set_previous(Some(slot));
    }
}

/// Puts the first capabilities to `count` new objects, which lie one after the other `bytes` apart, into empty slots of
/// one CNode from `first` on. The last one stands next to `parent`, as if they had been [inserted](insert) one by one.
///
/// # Safety
/// 1. `cap` is to an object of this kind at the first place, and there is one at each of the others.
/// 2. From `first` on there are `count` slots.
#[inline(always)]
pub unsafe fn insert_row(first: SlotPtr, cap: RawCap, (bytes, count): (u64, u64), parent: SlotPtr) {
    let after = parent.next();
    let (mut slot, mut cap, mut behind) = (first, cap, after);
    for left in (0..count).rev() {
        // SAFETY: the caller's promise: this is not the last one.
        let before = if left == 0 { parent } else { unsafe { slot.element(1) } };
        slot.fill(cap, Some(before), behind, true);
        behind = Some(slot);
        cap = cap.further_on(bytes);
        slot = before;
    }
    parent.set_next(behind);
    if let Some(after) = after {
        after.set_previous(Some(first));
    }
}

/// Puts a capability without a parent into the empty `slot`: the initial capabilities.
pub fn insert_root(slot: SlotPtr, cap: Cap) {
    slot.set_cap(cap);
    slot.set_flags(true, true);
    slot.set_previous(None);
    slot.set_next(None);
}

/// Empties a slot; its children move up to its parent.
#[inline]
pub fn remove(slot: SlotPtr) {
    let (previous, next) = (slot.previous(), slot.next());
    if let Some(previous) = previous {
        previous.set_next(next);
    }
    if let Some(next) = next {
        next.set_previous(previous);
        if slot.is_boundary() {
            next.set_boundary();
        }
    }
    slot.clear();
}

/// Moves the capability of `from` to the empty slot `to` as `cap`, which is the same one, perhaps with other data.
#[inline]
pub fn relocate(from: SlotPtr, to: SlotPtr, cap: RawCap) {
    to.take_over(&from, cap);
    if let Some(previous) = from.previous() {
        previous.set_next(Some(to));
    }
    if let Some(next) = from.next() {
        next.set_previous(Some(to));
    }
    from.clear();
}

/// Exchanges the capabilities of two slots, with their places in the tree: `a` gets `cap_of_b` and the other way round.
/// Either slot may be empty.
pub fn exchange(a: SlotPtr, cap_of_a: Cap, b: SlotPtr, cap_of_b: Cap) {
    let spare = Slot::empty();
    // SAFETY: the spare slot is empty, so off the tree, again when this function returns.
    let spare_ptr = unsafe { KernelPtr::from_local(&spare) };
    if !a.is_empty() {
        relocate(a, spare_ptr, cap_of_a.into());
    }
    if !b.is_empty() {
        relocate(b, a, cap_of_b.into());
    }
    if !spare.is_empty() {
        relocate(spare_ptr, b, cap_of_a.into());
    }
}

/// True if the capability in `child`, which stands behind `parent`, is derived from it.
#[inline]
pub fn is_parent(parent: SlotPtr, child: SlotPtr) -> bool {
    if !parent.is_original() {
        return false;
    }
    let (above, below) = (parent.raw(), child.raw());
    if let Some(untyped) = above.untyped() {
        return child.memory().is_some_and(|(base, size)| {
            let offset = base.0.wrapping_sub(untyped.base.0);
            offset < untyped.size() && size <= untyped.size() - offset
        });
    }
    match (above.tag(), below.tag()) {
        (Some(CapTag::IrqControl), Some(CapTag::IrqHandler))
        | (Some(CapTag::IoPortControl), Some(CapTag::IoPort)) => true,
        (Some(CapTag::Endpoint | CapTag::Notification), _) => {
            above.same_object(below)
                && (above.badge() == 0 || (above.badge() == below.badge() && !child.is_boundary()))
        }
        _ => above.same_object(below),
    }
}

/// True if something is derived from the capability in `slot`.
#[inline]
pub fn has_children(slot: SlotPtr) -> bool {
    slot.next().is_some_and(|next| is_parent(slot, next))
}

/// True if the capability in `slot` is the last one to its object.
#[inline]
pub fn is_final(slot: SlotPtr) -> bool {
    let cap = slot.raw();
    let same = |other: Option<SlotPtr>| other.is_some_and(|other| cap.same_object(other.raw()));
    !same(slot.previous()) && !same(slot.next())
}
