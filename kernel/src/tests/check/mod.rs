//! What must hold after every kernel entry: walks all capabilities and all objects.
//!
//! [`collect`] finds every slot and object; the other files look at one part each: [`tree`] at the derivation lists,
//! [`memory`] at the memory of objects and untypeds, [`threads`] at queues and threads, [`contexts`] at scheduling
//! contexts and reply objects, [`spaces`] at page tables and ASIDs, [`devices`] at interrupts, ports, FPU and timer.
//! [`fails`] shows for each invariant that it can fail.
//!
//! The checks run after each of millions of kernel entries, so they use sorted vectors and one table of marks, and no
//! hashing.
mod contexts;
mod devices;
mod fails;
mod memory;
mod spaces;
mod threads;
mod tree;

use std::cell::RefCell;
use std::ops::Range;

use super::machine::Machine;
use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::{Cap, EvictionCap, Slot, ZombieKind};
use crate::object::endpoint::Endpoint;
use crate::object::notification::Notification;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::TcbPtr;

type SlotPtr = KernelPtr<Slot>;

const SLOT_BYTES: u64 = size_of::<Slot>() as u64;

/// Asserts every invariant.
pub fn check(m: &Machine) {
    let found = collect(m);
    tree::check(m, &found);
    memory::check(&found);
    threads::check(m, &found);
    contexts::check(m, &found);
    spaces::check(m, &found);
    devices::check(m, &found);
}

/// Number of derivation lists: every capability that boot made starts one.
pub fn count_lists(m: &Machine) -> usize {
    collect(m).lists.len()
}

/// A filled slot.
pub struct Place {
    pub slot: SlotPtr,
    pub cap: Cap,
}

/// Memory that a capability stands for.
#[derive(Clone, Copy)]
pub struct Extent {
    pub base: u64,
    pub bytes: u64,
    /// Index of the capability in [`Found::places`].
    pub place: usize,
}

/// Everything that exists.
#[derive(Default)]
pub struct Found {
    /// The filled slots in tree order, list by list.
    pub places: Vec<Place>,
    /// The lists, as ranges of `places`.
    pub lists: Vec<Range<usize>>,
    /// Memory of all capabilities that have some, by address, the larger first; copies in tree order.
    pub extents: Vec<Extent>,
    pub threads: Vec<TcbPtr>,
    pub endpoints: Vec<KernelPtr<Endpoint>>,
    pub notifications: Vec<KernelPtr<Notification>>,
    pub replies: Vec<KernelPtr<Reply>>,
    pub contexts: Vec<(KernelPtr<SchedContext>, u8)>,
}

impl Found {
    pub fn caps(&self) -> impl Iterator<Item = &Cap> {
        self.places.iter().map(|place| &place.cap)
    }

    pub fn has_context(&self, context: KernelPtr<SchedContext>) -> bool {
        self.contexts.iter().any(|(known, _)| *known == context)
    }
}

// ---- slots ----

/// A row of slots: the first, and how many.
type Container = (SlotPtr, u64);

fn container(cap: &Cap) -> Option<Container> {
    match cap {
        Cap::CNode(cnode) => Some((cnode.slots, 1 << cnode.radix)),
        Cap::Tcb(tcb) => Some((tcb.first_slot(), sel_abi::TCB_SLOTS as u64)),
        Cap::Zombie(zombie) => match zombie.kind {
            ZombieKind::Tcb => Some((zombie.slots, sel_abi::TCB_SLOTS as u64)),
            ZombieKind::CNode { radix } => Some((zombie.slots, 1 << radix)),
        },
        _ => None,
    }
}

/// Slots that were seen in this walk: for each place where a slot can be, the number of the last walk that saw it.
struct Marks {
    walk: u32,
    seen: Vec<u32>,
}

const ARENA_SLOTS: u64 = arch::ARENA_BYTES / SLOT_BYTES;

thread_local! {
    static MARKS: RefCell<Marks> = const { RefCell::new(Marks { walk: 0, seen: Vec::new() }) };
}

/// Finds slots: in the kernel's table of interrupts, in the arena.
struct Walk<'a> {
    marks: &'a mut Marks,
    handlers: SlotPtr,
    filled: Vec<SlotPtr>,
    work: Vec<Container>,
}

impl Walk<'_> {
    /// The mark of a slot; links must lead to where slots can be.
    fn mark(&mut self, slot: SlotPtr) -> &mut u32 {
        let in_arena = slot.phys().0.wrapping_sub(arch::ARENA_BASE) / SLOT_BYTES;
        let index = if in_arena < ARENA_SLOTS {
            in_arena
        } else {
            let handler = slot.addr().wrapping_sub(self.handlers.addr()) / SLOT_BYTES;
            assert!(handler <= sel_abi::IRQ_MAX, "a link leads to {slot:?}, where no slot can be");
            ARENA_SLOTS + handler
        };
        &mut self.marks.seen[index as usize]
    }

    fn is_seen(&mut self, slot: SlotPtr) -> bool {
        let walk = self.marks.walk;
        *self.mark(slot) == walk
    }

    /// Visits all slots of the containers that are known, and of those found in them.
    fn visit(&mut self) {
        let walk = self.marks.walk;
        while let Some((first, count)) = self.work.pop() {
            if self.is_seen(first) {
                continue;
            }
            for index in 0..count as usize {
                // SAFETY: the container has this many slots.
                let slot = unsafe { first.element(index) };
                let mark = self.mark(slot);
                assert!(*mark != walk, "two objects share the slot {slot:?}");
                *mark = walk;
                if slot.is_empty() {
                    let clear = slot.raw().0 | slot.raw().1 == 0;
                    let linked = slot.previous().is_some() || slot.next().is_some();
                    assert!(clear && !linked, "an empty slot that is not clear: {slot:?}");
                } else {
                    self.filled.push(slot);
                    self.work.extend(container(&slot.cap()));
                }
            }
        }
    }

    /// Follows links to slots that nothing leads to but the derivation tree, such as those of a CNode whose only
    /// capability stands in itself.
    fn visit_linked(&mut self) {
        let mut strays: Vec<SlotPtr> = Vec::new();
        let (mut next_filled, mut next_stray) = (0, 0);
        loop {
            let slot = if let Some(slot) = self.filled.get(next_filled) {
                next_filled += 1;
                *slot
            } else if let Some(slot) = strays.get(next_stray) {
                next_stray += 1;
                *slot
            } else {
                break;
            };
            for link in [slot.previous(), slot.next()].into_iter().flatten() {
                if self.is_seen(link) || strays.contains(&link) {
                    continue;
                }
                assert!(!link.is_empty(), "an empty slot is linked");
                strays.push(link);
                self.work.extend(container(&link.cap()));
                self.visit();
            }
        }
        for stray in strays {
            assert!(self.is_seen(stray), "slot {stray:?} is in no object");
        }
    }
}

/// The slots on the list of orphans, which may be the only thing that leads to their objects. Ends also if the list does
/// not.
fn orphans(m: &Machine) -> impl Iterator<Item = SlotPtr> {
    let next = |slot: &SlotPtr| match slot.cap() {
        Cap::Zombie(zombie) => zombie.next_orphan,
        _ => None,
    };
    std::iter::successors(m.k.orphans, next).take(ARENA_SLOTS as usize)
}

/// Finds all slots from the root CNode, the running thread, the interrupt handlers and the orphans on.
fn collect(m: &Machine) -> Found {
    let filled = MARKS.with_borrow_mut(|marks| {
        if marks.seen.is_empty() {
            marks.seen = vec![0; (ARENA_SLOTS + sel_abi::IRQ_MAX + 1) as usize];
        }
        if marks.walk == u32::MAX {
            marks.seen.fill(0);
            marks.walk = 0;
        }
        marks.walk += 1;
        // All of them, because Miri wants a reference to each slot that is looked at later.
        let handlers: Vec<SlotPtr> = m.k.irqs.handler_slots().collect();
        let handlers = handlers[0];
        let mut work = vec![
            (handlers, sel_abi::IRQ_MAX + 1),
            (m.root_cnode.slots, m.root_cnode.slot_count()),
            (m.current().first_slot(), sel_abi::TCB_SLOTS as u64),
        ];
        work.extend(orphans(m).filter_map(|slot| container(&slot.cap())));
        let mut walk = Walk { marks, handlers, filled: Vec::with_capacity(256), work };
        walk.visit();
        walk.visit_linked();
        walk.filled
    });
    let mut found = Found::default();
    order(&mut found, &filled);
    sort_objects(&mut found);
    assert!(found.threads.contains(&m.current()), "the current thread exists");
    found
}

/// Puts the slots into their lists.
fn order(found: &mut Found, filled: &[SlotPtr]) {
    found.places.reserve(filled.len());
    let mut firsts: Vec<SlotPtr> = filled.iter().copied().filter(|slot| slot.previous().is_none()).collect();
    firsts.sort_unstable_by_key(|slot| slot.addr());
    for first in firsts {
        let start = found.places.len();
        let mut next = Some(first);
        while let Some(slot) = next {
            assert!(!slot.is_empty(), "an empty slot is linked");
            assert!(found.places.len() < filled.len(), "a derivation list without end");
            next = slot.next();
            if let Some(after) = next {
                assert!(after.previous() == Some(slot), "back link of {after:?}");
            }
            found.places.push(Place { slot, cap: slot.cap() });
        }
        found.lists.push(start..found.places.len());
    }
    assert_eq!(found.places.len(), filled.len(), "every filled slot is in one derivation list");
}

/// Sorts memory by address, and the objects by kind.
fn sort_objects(found: &mut Found) {
    found.extents.reserve(found.places.len());
    for (place, Place { cap, .. }) in found.places.iter().enumerate() {
        if let Some((base, bytes)) = cap.memory() {
            // A notification is smaller than what retype takes for it.
            let bytes = if matches!(cap, Cap::Notification(_)) { 64 } else { bytes };
            found.extents.push(Extent { base: base.0, bytes, place });
        }
    }
    found.extents.sort_unstable_by_key(|extent| (extent.base, u64::MAX - extent.bytes, extent.place));
    let mut last = None;
    for extent in &found.extents {
        let cap = found.places[extent.place].cap;
        if matches!(cap, Cap::Untyped(_)) || last.replace(extent.base) == Some(extent.base) {
            continue;
        }
        match cap {
            Cap::Tcb(tcb) => found.threads.push(tcb),
            Cap::Endpoint(endpoint) => found.endpoints.push(endpoint.object),
            Cap::Notification(notification) => found.notifications.push(notification.object),
            Cap::Reply(reply) => found.replies.push(reply.object),
            Cap::SchedContext(context) => found.contexts.push((context.object, context.size_bits)),
            // Nobody can use it any more, but threads still wait.
            Cap::Eviction(EvictionCap::Endpoint(object)) => found.endpoints.push(object),
            Cap::Eviction(EvictionCap::Notification(object)) => found.notifications.push(object),
            _ => {}
        }
    }
}
