//! The derivation tree: which capability came from which (abi.md 6.4).
//!
//! All slots that hold a capability stand in one doubly linked list in tree order: a capability is followed by its
//! descendants. No depth is stored. Whether a capability is the ancestor of a later one follows from the two
//! capabilities: an original one is the parent of every following capability to the same object, an untyped of every
//! following object inside its memory. So copies of one object always stand together, and "last capability to the
//! object" is a look at the two neighbours.
use super::{Cap, Slot};
use crate::addr::KernelPtr;

type SlotPtr = KernelPtr<Slot>;

/// Puts `cap` into the empty `slot` as a derivation of the capability in `parent`.
pub fn insert(slot: SlotPtr, cap: Cap, parent: SlotPtr, original: bool) {
    slot.set_cap(cap);
    slot.set_flags(original, original);
    link_after(slot, parent);
}

/// Puts a capability without a parent into the empty `slot`: the initial capabilities.
pub fn insert_root(slot: SlotPtr, cap: Cap) {
    slot.set_cap(cap);
    slot.set_flags(true, true);
    slot.set_previous(None);
    slot.set_next(None);
}

fn link_after(slot: SlotPtr, before: SlotPtr) {
    let after = before.next();
    slot.set_previous(Some(before));
    slot.set_next(after);
    before.set_next(Some(slot));
    if let Some(after) = after {
        after.set_previous(Some(slot));
    }
}

/// Empties a slot; its children move up to its parent.
pub fn remove(slot: SlotPtr) {
    let (previous, next) = (slot.previous(), slot.next());
    if let Some(previous) = previous {
        previous.set_next(next);
    }
    if let Some(next) = next {
        next.set_previous(previous);
        if slot.is_boundary() {
            next.set_flags(next.is_original(), true);
        }
    }
    slot.clear();
}

/// Moves the capability of `from` to the empty slot `to` as `cap`, which is the same one, perhaps with other data.
pub fn relocate(from: SlotPtr, to: SlotPtr, cap: Cap) {
    let (previous, next) = (from.previous(), from.next());
    to.set_cap(cap);
    to.set_flags(from.is_original(), from.is_boundary());
    to.set_previous(previous);
    to.set_next(next);
    if let Some(previous) = previous {
        previous.set_next(Some(to));
    }
    if let Some(next) = next {
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
        relocate(a, spare_ptr, cap_of_a);
    }
    if !b.is_empty() {
        relocate(b, a, cap_of_b);
    }
    if !spare.is_empty() {
        relocate(spare_ptr, b, cap_of_a);
    }
}

/// True if the two capabilities name the same object, so that neither is the last one while both exist.
pub fn same_object(a: &Cap, b: &Cap) -> bool {
    match (a, b) {
        (Cap::Endpoint(a), Cap::Endpoint(b)) => a.object == b.object,
        (Cap::Notification(a), Cap::Notification(b)) => a.object == b.object,
        (Cap::Reply(a), Cap::Reply(b)) => a.object == b.object,
        (Cap::CNode(a), Cap::CNode(b)) => a.slots == b.slots,
        (Cap::Tcb(a), Cap::Tcb(b)) => a == b,
        (Cap::SchedContext(a), Cap::SchedContext(b)) => a.object == b.object,
        (Cap::SchedControl { core: a }, Cap::SchedControl { core: b }) => a == b,
        (Cap::Frame(a), Cap::Frame(b)) => a.base == b.base && a.size == b.size && a.device == b.device,
        (Cap::Table(a), Cap::Table(b)) => a.object == b.object && a.level == b.level,
        (Cap::Pml4(a), Cap::Pml4(b)) => a.object == b.object,
        (Cap::AsidPool(a), Cap::AsidPool(b)) => a.object == b.object,
        (Cap::IrqHandler { irq: a }, Cap::IrqHandler { irq: b }) => a == b,
        (Cap::IoPort { first: a, last: z }, Cap::IoPort { first: b, last: y }) => a == b && z == y,
        (Cap::AsidControl, Cap::AsidControl)
        | (Cap::IrqControl, Cap::IrqControl)
        | (Cap::IoPortControl, Cap::IoPortControl)
        | (Cap::Domain, Cap::Domain) => true,
        _ => false,
    }
}

/// True if the capability in `child`, which stands behind `parent`, is derived from it.
pub fn is_parent(parent: SlotPtr, child: SlotPtr) -> bool {
    if !parent.is_original() {
        return false;
    }
    let (above, below) = (parent.cap(), child.cap());
    match (&above, &below) {
        (Cap::Untyped(untyped), _) => below.memory().is_some_and(|(base, size)| {
            let offset = base.0.wrapping_sub(untyped.base.0);
            offset < untyped.size() && size <= untyped.size() - offset
        }),
        (Cap::IrqControl, Cap::IrqHandler { .. }) | (Cap::IoPortControl, Cap::IoPort { .. }) => true,
        (Cap::Endpoint(a), Cap::Endpoint(b)) => {
            a.object == b.object && (a.badge == 0 || (a.badge == b.badge && !child.is_boundary()))
        }
        (Cap::Notification(a), Cap::Notification(b)) => {
            a.object == b.object && (a.badge == 0 || (a.badge == b.badge && !child.is_boundary()))
        }
        _ => same_object(&above, &below),
    }
}

/// True if something is derived from the capability in `slot`.
pub fn has_children(slot: SlotPtr) -> bool {
    slot.next().is_some_and(|next| is_parent(slot, next))
}

/// True if the capability in `slot` is the last one to its object.
pub fn is_final(slot: SlotPtr) -> bool {
    let cap = slot.cap();
    let same = |other: Option<SlotPtr>| other.is_some_and(|other| same_object(&cap, &other.cap()));
    !same(slot.previous()) && !same(slot.next())
}
