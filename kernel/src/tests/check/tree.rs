//! Invariants of the derivation lists, and of zombies.
use super::super::machine::Machine;
use super::Found;
use crate::cap::{Cap, RawCap, UntypedCap, derivation};

pub fn check(m: &Machine, found: &Found) {
    assert!(found.lists.len() <= m.initial_lists, "a derivation list that boot did not make");
    check_copies(found);
    check_others(found);
    check_parents(found);
    check_orphans(m, found);
}

/// Copies of one object stand together, and a zombie is alone.
fn check_copies(found: &Found) {
    for pair in found.extents.windows(2) {
        let [before, after] = [pair[0], pair[1]];
        let [a, b] = [found.places[before.place].cap, found.places[after.place].cap];
        let untyped = matches!(a, Cap::Untyped(_)) || matches!(b, Cap::Untyped(_));
        if before.base != after.base || untyped {
            continue;
        }
        let half_deleted = |cap| matches!(cap, Cap::Zombie(_) | Cap::Eviction(_));
        assert!(!half_deleted(a) && !half_deleted(b), "two capabilities to an object that is being deleted");
        assert!(RawCap::from(a).same_object(b.into()), "two objects at one place: {a:x?} and {b:x?}");
        let together = before.place + 1 == after.place && !is_list_start(found, after.place);
        assert!(together, "copies of {b:x?} do not stand together");
    }
}

fn is_list_start(found: &Found, place: usize) -> bool {
    found.lists.binary_search_by_key(&place, |list| list.start).is_ok()
}

/// The same for capabilities without memory.
fn check_others(found: &Found) {
    let mut others: Vec<(u64, u64, usize)> = Vec::new();
    for (place, cap) in found.caps().enumerate() {
        let detail = match *cap {
            Cap::IrqHandler { irq } => u64::from(irq),
            Cap::IoPort { first, last } => u64::from(first) << 16 | u64::from(last),
            Cap::SchedControl { core } => u64::from(core),
            Cap::AsidControl | Cap::IrqControl | Cap::IoPortControl | Cap::Domain => 0,
            _ => continue,
        };
        others.push((cap.tag().raw(), detail, place));
    }
    others.sort_unstable();
    for pair in others.windows(2) {
        let [(tag, detail, before), (next_tag, next_detail, after)] = [pair[0], pair[1]];
        if (tag, detail) == (next_tag, next_detail) {
            let cap = &found.places[after].cap;
            assert!(before + 1 == after, "copies of {cap:x?} do not stand together");
        }
    }
}

fn encloses(untyped: &UntypedCap, base: u64, bytes: u64) -> bool {
    let offset = base.wrapping_sub(untyped.base.0);
    offset < untyped.size() && bytes <= untyped.size() - offset
}

/// Every object lies below the watermark of the untyped that it was made from, and is its descendant; handlers and port
/// ranges are descendants of what issued them.
fn check_parents(found: &Found) {
    for list in &found.lists {
        let mut ancestors: Vec<(usize, UntypedCap)> = Vec::new();
        let mut issuer: Option<usize> = None;
        for index in list.clone() {
            let place = &found.places[index];
            match place.cap {
                Cap::IrqControl | Cap::IoPortControl => issuer = Some(index),
                Cap::IrqHandler { .. } | Cap::IoPort { .. } => {
                    if let Some(issuer) = issuer {
                        let child = derivation::is_parent(found.places[issuer].slot, place.slot);
                        assert!(child, "{:x?} is not derived from what issued it", place.cap);
                    }
                }
                _ => {}
            }
            let Some((base, bytes)) = place.cap.memory() else { continue };
            while ancestors.last().is_some_and(|(_, untyped)| !encloses(untyped, base.0, bytes)) {
                ancestors.pop();
            }
            if let Some((at, untyped)) = ancestors.last() {
                let used = untyped.base.0 + untyped.watermark;
                assert!(base.0 + bytes <= used, "{:x?} above the watermark of {untyped:x?}", place.cap);
                let child = derivation::is_parent(found.places[*at].slot, place.slot);
                assert!(child, "not a child: {:x?}", place.cap);
            }
            if let Cap::Untyped(untyped) = place.cap {
                assert!(untyped.watermark <= untyped.size(), "a watermark above the end of {untyped:x?}");
                assert!(place.slot.is_original(), "an untyped that cannot be revoked");
                ancestors.push((index, untyped));
            }
        }
    }
}

/// The list of orphans holds just the zombies that stand in their own slots, and is empty unless one was preempted.
fn check_orphans(m: &Machine, found: &Found) {
    let mut orphans = Vec::new();
    let mut next = m.k.orphans;
    while let Some(slot) = next {
        let Cap::Zombie(zombie) = slot.cap() else { panic!("an orphan that is no zombie") };
        assert!(zombie.owns(slot), "an orphan that stands elsewhere");
        assert!(!orphans.contains(&slot), "the list of orphans has no end");
        orphans.push(slot);
        next = zombie.next_orphan;
    }
    let preempted = m.preempt_every > 0 || m.preempted;
    for place in &found.places {
        if matches!(place.cap, Cap::Zombie(_) | Cap::Eviction(_)) {
            assert!(preempted, "a zombie without a preemption");
        }
        if let Cap::Zombie(zombie) = place.cap {
            assert!(
                zombie.owns(place.slot) == orphans.contains(&place.slot),
                "a zombie in its own slot is an orphan, and no other"
            );
        }
    }
}
