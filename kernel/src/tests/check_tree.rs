//! Invariants of the derivation lists and of the memory that objects lie in.
use std::collections::HashMap;

use super::check::{Found, Place};
use super::machine::Machine;
use crate::addr::KernelPtr;
use crate::cap::{Cap, UntypedCap, derivation};
use crate::object::tcb::TCB_BYTES;

pub fn check(m: &Machine, found: &Found) {
    for list in &found.lists {
        check_neighbours(list);
        check_parents(list);
    }
    check_overlap(found);
    check_orphans(m, found);
}

/// Identity of what a capability stands for, where copies of it must stand together.
fn identity(cap: &Cap) -> Option<(u64, u64, u64)> {
    let tag = cap.tag().raw();
    match *cap {
        Cap::Null | Cap::Untyped(_) => None,
        Cap::Frame(frame) => Some((tag, frame.base.0, frame.size.bits())),
        Cap::IrqHandler { irq } => Some((tag, u64::from(irq), 0)),
        Cap::IoPort { first, last } => Some((tag, u64::from(first), u64::from(last))),
        Cap::SchedControl { core } => Some((tag, u64::from(core), 0)),
        _ => Some((tag, cap.memory().map_or(0, |(base, _)| base.0), 0)),
    }
}

/// Copies of one object stand together, and there is one list for them; there is one zombie of an object.
fn check_neighbours(list: &[Place]) {
    let mut last: HashMap<(u64, u64, u64), usize> = HashMap::new();
    for (index, place) in list.iter().enumerate() {
        let Some(key) = identity(&place.cap) else { continue };
        if let Some(before) = last.insert(key, index) {
            assert_eq!(before + 1, index, "copies of {:x?} do not stand together", place.cap);
            assert!(!matches!(place.cap, Cap::Zombie(_)), "two zombies of one object");
            assert!(derivation::same_object(&list[before].cap, &place.cap));
        }
    }
}

/// Bytes that an object takes, and where. Objects smaller than their retype size count with the latter.
fn extent(cap: &Cap) -> Option<(u64, u64)> {
    let (base, bytes) = cap.memory()?;
    let bytes = match cap {
        Cap::Notification(_) => 64,
        Cap::Tcb(_) => TCB_BYTES,
        _ => bytes,
    };
    Some((base.0, bytes))
}

fn encloses(untyped: &UntypedCap, (base, bytes): (u64, u64)) -> bool {
    base >= untyped.base.0 && base + bytes <= untyped.base.0 + untyped.size()
}

/// Every object lies below the watermark of the untyped that it was made from, and is its descendant.
fn check_parents(list: &[Place]) {
    let mut ancestors: Vec<(usize, UntypedCap)> = Vec::new();
    for (index, place) in list.iter().enumerate() {
        let Some(extent) = extent(&place.cap) else { continue };
        while ancestors.last().is_some_and(|(_, untyped)| !encloses(untyped, extent)) {
            ancestors.pop();
        }
        if let Some((at, untyped)) = ancestors.last() {
            let used = untyped.base.0 + untyped.watermark;
            assert!(extent.0 + extent.1 <= used, "{:x?} above the watermark of {untyped:x?}", place.cap);
            assert!(derivation::is_parent(list[*at].slot, place.slot), "not a child: {:x?}", place.cap);
        }
        if let Cap::Untyped(untyped) = place.cap {
            assert!(untyped.watermark <= untyped.size());
            assert!(place.slot.is_original(), "an untyped that cannot be revoked");
            ancestors.push((index, untyped));
        }
    }
}

/// No two objects share memory, and no object lies where an untyped is free or has lost track of it.
fn check_overlap(found: &Found) {
    let mut extents: HashMap<(u64, u64), (Cap, KernelPtr<_>)> = HashMap::new();
    let mut untypeds: Vec<(UntypedCap, usize, usize)> = Vec::new();
    let mut at: HashMap<(u64, u64), (usize, usize)> = HashMap::new();
    for (number, list) in found.lists.iter().enumerate() {
        for (index, place) in list.iter().enumerate() {
            match place.cap {
                Cap::Untyped(untyped) => untypeds.push((untyped, number, index)),
                _ => {
                    if let Some(extent) = extent(&place.cap) {
                        extents.insert(extent, (place.cap, place.slot));
                        at.insert(extent, (number, index));
                    }
                }
            }
        }
    }
    let mut sorted: Vec<_> = extents.iter().collect();
    sorted.sort_by_key(|(extent, _)| **extent);
    for pair in sorted.windows(2) {
        let (((a, bytes), (cap, _)), ((b, _), (other, _))) = (pair[0], pair[1]);
        assert!(a + bytes <= *b, "{cap:x?} and {other:x?} overlap");
    }
    for (untyped, number, index) in untypeds {
        let end = untyped.base.0 + untyped.size();
        let start = sorted.partition_point(|((base, bytes), _)| base + bytes <= untyped.base.0);
        for (extent, (cap, _)) in sorted[start..].iter().take_while(|((base, _), _)| *base < end) {
            assert!(encloses(&untyped, **extent), "{cap:x?} lies across the end of {untyped:x?}");
            let (list, place) = at[extent];
            let below = list == number && is_below(&found.lists[list], index, place);
            assert!(below, "{cap:x?} lies in {untyped:x?}, but is not derived from it");
        }
    }
}

/// True if the slot at `place` is a descendant of the untyped at `index`.
fn is_below(list: &[Place], index: usize, place: usize) -> bool {
    place > index
        && list[index + 1..=place].iter().all(|between| derivation::is_parent(list[index].slot, between.slot))
}

/// The list of orphans holds just the zombies that stand in their own slots, and is empty unless one was preempted.
fn check_orphans(m: &Machine, found: &Found) {
    let mut orphans = Vec::new();
    let mut next = m.k.orphans;
    while let Some(slot) = next {
        let Cap::Zombie(zombie) = slot.cap() else { panic!("an orphan is a zombie") };
        assert!(zombie.owns(slot), "an orphan that stands elsewhere");
        assert!(!orphans.contains(&slot), "the list of orphans has no end");
        orphans.push(slot);
        next = zombie.next_orphan;
    }
    for place in found.places() {
        if let Cap::Zombie(zombie) = place.cap {
            assert!(m.preempt_every > 0 || m.preempted, "a zombie without a preemption");
            assert_eq!(zombie.owns(place.slot), orphans.contains(&place.slot), "list of orphans");
        }
    }
    assert!(m.preempt_every > 0 || m.preempted || orphans.is_empty(), "an orphan without a preemption");
}
