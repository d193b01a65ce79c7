//! Invariants of memory: objects do not overlap, an untyped keeps track of what lies in it, and what is free is clear.
use super::{Extent, Found};
use crate::addr::{self, PhysAddr};
use crate::cap::{Cap, UntypedCap};

/// Words of free memory between two that are looked at; Miri is too slow to look at all.
const STRIDE: usize = if cfg!(miri) { 257 } else { 1 };

pub fn check(found: &Found) {
    check_overlap(found);
    for cap in found.caps() {
        if let Cap::Untyped(untyped) = cap {
            check_free(untyped);
        }
    }
}

/// End of the descendants of the untyped at `place`: what follows it and lies inside its memory.
fn descendants_end(found: &Found, place: usize, untyped: &UntypedCap) -> usize {
    let list = found.lists.partition_point(|list| list.end <= place);
    let end = found.lists[list].end;
    let inside = |cap: &Cap| {
        cap.memory().is_some_and(|(base, bytes)| {
            base.0 >= untyped.base.0 && base.0 + bytes <= untyped.base.0 + untyped.size()
        })
    };
    let count = found.places[place + 1..end].iter().take_while(|place| inside(&place.cap)).count();
    place + 1 + count
}

/// No two objects share memory, and nothing lies in an untyped's memory but its descendants.
fn check_overlap(found: &Found) {
    // What encloses the memory looked at: untypeds with the end of their descendants, and at the end perhaps an object.
    let mut around: Vec<(Extent, Option<usize>)> = Vec::new();
    for extent in &found.extents {
        let cap = &found.places[extent.place].cap;
        while around.last().is_some_and(|(outer, _)| outer.base + outer.bytes <= extent.base) {
            around.pop();
        }
        if let Some((outer, below)) = around.last() {
            let other = &found.places[outer.place].cap;
            let inside = extent.base + extent.bytes <= outer.base + outer.bytes;
            match below {
                Some(end) => {
                    assert!(inside, "{cap:x?} lies across the end of {other:x?}");
                    let derived = (outer.place + 1..*end).contains(&extent.place);
                    assert!(derived, "{cap:x?} lies in {other:x?}, but is not derived from it");
                }
                // A copy of the same object; others were told apart where copies are looked at.
                None => {
                    let copy = (outer.base, outer.bytes) == (extent.base, extent.bytes);
                    assert!(copy, "{cap:x?} and {other:x?} overlap");
                    continue;
                }
            }
        }
        let below = match cap {
            Cap::Untyped(untyped) => Some(descendants_end(found, extent.place, untyped)),
            _ => None,
        };
        around.push((*extent, below));
    }
}

/// RAM above the watermark is zero, so that objects can be made there.
fn check_free(untyped: &UntypedCap) {
    let free = untyped.size() - untyped.watermark;
    if untyped.device || free == 0 {
        return;
    }
    let start = PhysAddr(untyped.base.0 + untyped.watermark);
    // SAFETY: RAM of the arena. Watermarks are multiples of the least object's size.
    let words = unsafe { addr::cells::<u64>(start, free as usize / 8) };
    let used = words.iter().step_by(STRIDE).fold(0, |sum, word| sum | word.get());
    assert!(used == 0, "free memory of {untyped:x?} is not clear");
}
