//! Deleting capabilities, and with the last one the object (abi.md 9.5).
//!
//! A CNode or thread that loses its last capability still holds capabilities of its own. The slot then holds a
//! [`Cap::Zombie`], and the slots of the object are emptied from the end, one at a time, with a preemption point after
//! each. What is found there may be the last capability to a further CNode, and so on without end, and the kernel has
//! no memory for a stack. So the further object is set aside: its zombie moves into the last of its *own* slots, in
//! exchange for what stood there, and joins the list of orphans. Nobody can name an orphan; every delete operation ends
//! by emptying all of them. Each step takes constant time, and whatever a preempted operation leaves behind is
//! consistent.
//!
//! An endpoint or notification that loses its last capability may have any number of threads waiting. The slot then
//! holds a [`Cap::Eviction`] until they are woken, one a step.
use super::{Cap, EvictionCap, Slot, ZombieCap, ZombieKind, derivation};
use crate::addr::KernelPtr;
use crate::error::Preempted;
use crate::object::{self, endpoint, irq, notification, vspace};
use crate::state::Kernel;

type SlotPtr = KernelPtr<Slot>;

/// Empties a slot; destroys the object if this was the last capability to it.
#[inline]
pub fn delete(k: &mut Kernel, slot: SlotPtr) -> Result<(), Preempted> {
    if k.orphans.is_none() && delete_alone(k, slot) { Ok(()) } else { delete_all(k, slot) }
}

#[inline(never)]
fn delete_all(k: &mut Kernel, slot: SlotPtr) -> Result<(), Preempted> {
    empty(k, slot)?;
    drain_orphans(k)
}

/// Empties a slot, if nothing goes with the capability but where it has a frame mapped: there are other capabilities to
/// the object, or it is memory. False: nothing was done.
#[inline(always)]
pub fn delete_alone(k: &Kernel, slot: SlotPtr) -> bool {
    let cap = slot.raw();
    if let Some(frame) = cap.frame() {
        vspace::forget_frame(k, &frame);
    } else if cap.untyped().is_none() && derivation::is_final(slot) {
        return false;
    }
    derivation::remove(slot);
    true
}

/// Deletes everything that was derived from the capability in `slot`, but not the capability.
pub fn revoke(k: &mut Kernel, slot: SlotPtr) -> Result<(), Preempted> {
    while let Some(next) = slot.next() {
        if !derivation::is_parent(slot, next) {
            break;
        }
        delete(k, next)?;
        k.preemption_point()?;
    }
    Ok(())
}

/// Empties a slot whose capability is known not to be the last one to a CNode, a thread, or an object to wait for.
pub fn delete_short(k: &mut Kernel, slot: SlotPtr) {
    let cap = slot.cap();
    if !cap.is_null() {
        debug_assert!(!is_long(slot) && !matches!(cap, Cap::Eviction(_) | Cap::IrqHandler { .. }));
        let is_final = derivation::is_final(slot);
        object::finalise(k, cap, is_final);
        derivation::remove(slot);
    }
}

/// Deleting the capability in `slot` would be a long operation.
pub fn is_long(slot: SlotPtr) -> bool {
    slot.cap().holds_slots() && derivation::is_final(slot)
}

fn empty(k: &mut Kernel, slot: SlotPtr) -> Result<(), Preempted> {
    loop {
        match slot.cap() {
            Cap::Null => return Ok(()),
            // On the list of orphans; who reaches it by the derivation tree empties the list.
            Cap::Zombie(zombie) if zombie.owns(slot) => return drain_orphans(k),
            Cap::Zombie(zombie) if zombie.remaining == 0 => {
                derivation::remove(slot);
                return Ok(());
            }
            Cap::Zombie(zombie) => {
                step(k, slot, zombie);
                k.preemption_point()?;
            }
            cap => {
                if !advance(k, slot, cap) {
                    return Ok(());
                }
                if matches!(cap, Cap::Eviction(_) | Cap::IrqHandler { .. }) {
                    k.preemption_point()?;
                }
            }
        }
    }
}

/// Empties every orphan.
fn drain_orphans(k: &mut Kernel) -> Result<(), Preempted> {
    while let Some(slot) = k.orphans {
        let Cap::Zombie(zombie) = slot.cap() else {
            k.orphans = None;
            debug_assert!(false, "an orphan is a zombie");
            break;
        };
        if zombie.remaining == 0 {
            k.orphans = zombie.next_orphan;
            derivation::remove(slot);
        } else {
            step(k, slot, zombie);
        }
        k.preemption_point()?;
    }
    Ok(())
}

/// Brings the deletion of a capability that is no zombie one step further; false once the slot is empty.
fn advance(k: &mut Kernel, slot: SlotPtr, cap: Cap) -> bool {
    match cap {
        Cap::Eviction(eviction) => {
            let woken = match eviction {
                EvictionCap::Endpoint(object) => endpoint::evict(k, object),
                EvictionCap::Notification(object) => notification::evict(k, object),
            };
            if !woken {
                derivation::remove(slot);
            }
            woken
        }
        Cap::IrqHandler { irq } if derivation::is_final(slot) => match irq::notification_of(k, irq) {
            // A notification or an eviction, so that this goes no deeper.
            Some(inner) => {
                advance(k, inner, inner.cap());
                true
            }
            None => finalise(k, slot, cap),
        },
        cap => finalise(k, slot, cap),
    }
}

/// Destroys what the capability stands for and empties the slot, unless the object has slots to be emptied or threads to
/// be woken first: then the slot holds a zombie or an eviction, and true is returned.
fn finalise(k: &mut Kernel, slot: SlotPtr, cap: Cap) -> bool {
    let is_final = derivation::is_final(slot);
    object::finalise(k, cap, is_final);
    let zombie = match cap {
        Cap::CNode(cnode) if is_final => ZombieCap {
            slots: cnode.slots,
            kind: ZombieKind::CNode { radix: cnode.radix },
            remaining: cnode.slot_count(),
            next_orphan: None,
        },
        Cap::Tcb(tcb) if is_final => ZombieCap {
            slots: tcb.first_slot(),
            kind: ZombieKind::Tcb,
            remaining: sel_abi::TCB_SLOTS as u64,
            next_orphan: None,
        },
        Cap::Endpoint(cap) if is_final && !cap.object.queue.is_empty() => {
            slot.set_cap(Cap::Eviction(EvictionCap::Endpoint(cap.object)));
            return true;
        }
        Cap::Notification(cap) if is_final && !cap.object.queue.is_empty() => {
            slot.set_cap(Cap::Eviction(EvictionCap::Notification(cap.object)));
            return true;
        }
        _ => {
            derivation::remove(slot);
            return false;
        }
    };
    slot.set_cap(Cap::Zombie(zombie));
    adopt_if_orphaned(k, slot);
    true
}

/// Brings the zombie in `slot` one step further.
fn step(k: &mut Kernel, slot: SlotPtr, zombie: ZombieCap) {
    let index = zombie.remaining - 1;
    // SAFETY: the zombie's object has more than `index` slots.
    let end = unsafe { zombie.slots.element(index as usize) };
    if end != slot {
        match end.cap() {
            Cap::Null => {}
            Cap::Zombie(inner) => return set_aside(k, end, inner),
            cap => {
                if advance(k, end, cap) {
                    // The next step finds what is left.
                    return;
                }
            }
        }
    }
    // The step above may have changed the list of orphans, and with it this zombie.
    if let Cap::Zombie(zombie) = slot.cap() {
        slot.set_cap(Cap::Zombie(ZombieCap { remaining: index, ..zombie }));
    }
}

/// Moves the zombie in `end` into the last of its own slots that remains, in exchange for what stands there.
fn set_aside(k: &mut Kernel, end: SlotPtr, inner: ZombieCap) {
    if inner.remaining == 0 {
        derivation::remove(end);
        return;
    }
    // SAFETY: the object has at least `remaining` slots.
    let own = unsafe { inner.slots.element(inner.remaining as usize - 1) };
    let displaced = own.cap();
    let parked = Cap::Zombie(ZombieCap { remaining: inner.remaining - 1, ..inner });
    derivation::exchange(end, parked, own, displaced);
    adopt_if_orphaned(k, own);
    adopt_if_orphaned(k, end);
}

/// Puts a zombie that stands in one of its own slots on the list of orphans.
fn adopt_if_orphaned(k: &mut Kernel, slot: SlotPtr) {
    if let Cap::Zombie(zombie) = slot.cap()
        && zombie.owns(slot)
    {
        slot.set_cap(Cap::Zombie(ZombieCap { next_orphan: k.orphans, ..zombie }));
        k.orphans = Some(slot);
    }
}
