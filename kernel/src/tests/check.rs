//! What must hold after every kernel entry: walks all capabilities and all objects.
//!
//! [`collect`] finds every slot and object; [`check_tree`](super::check_tree) looks at the derivation lists and the
//! memory of objects, [`check_threads`](super::check_threads) at queues, threads and scheduling contexts.
use std::collections::{HashMap, HashSet};

use super::machine::Machine;
use super::{check_threads, check_tree};
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch::pte::{Entry, PageTable};
use crate::cap::{Cap, EvictionCap, FrameCap, Pml4Cap, Slot, ZombieKind};
use crate::object::asid::Asid;
use crate::object::endpoint::Endpoint;
use crate::object::notification::Notification;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::TcbPtr;

/// Asserts every invariant.
pub fn check(m: &Machine) {
    let found = collect(m);
    check_tree::check(m, &found);
    check_threads::check(m, &found);
    check_spaces(m, &found);
}

/// A filled slot.
pub struct Place {
    pub slot: KernelPtr<Slot>,
    pub cap: Cap,
}

/// Everything that exists.
#[derive(Default)]
pub struct Found {
    /// The filled slots, list by list, in tree order.
    pub lists: Vec<Vec<Place>>,
    pub threads: Vec<TcbPtr>,
    pub endpoints: Vec<KernelPtr<Endpoint>>,
    pub notifications: Vec<KernelPtr<Notification>>,
    pub replies: Vec<KernelPtr<Reply>>,
    pub contexts: Vec<KernelPtr<SchedContext>>,
}

impl Found {
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.lists.iter().flatten()
    }
}

/// Memory with slots in it: first address and bytes.
type Container = (u64, u64);

fn container(cap: &Cap) -> Option<Container> {
    let slots = |first: KernelPtr<Slot>, count: u64| Some((first.addr(), count * 32));
    match cap {
        Cap::CNode(cnode) => slots(cnode.slots, 1 << cnode.radix),
        Cap::Tcb(tcb) => slots(tcb.first_slot(), sel_abi::TCB_SLOTS as u64),
        Cap::Zombie(zombie) => match zombie.kind {
            ZombieKind::Tcb => slots(zombie.slots, sel_abi::TCB_SLOTS as u64),
            ZombieKind::CNode { radix } => slots(zombie.slots, 1 << radix),
        },
        _ => None,
    }
}

/// Follows slots into CNodes and threads, and links to slots, until nothing new is found.
fn collect(m: &Machine) -> Found {
    let mut containers: HashSet<Container> = HashSet::new();
    let mut seen: HashMap<u64, KernelPtr<Slot>> = HashMap::new();
    let mut work: Vec<KernelPtr<Slot>> = m.k.irqs.handler_slots().collect();
    containers.extend(m.k.irqs.handler_slots().map(|slot| (slot.addr(), 32)));
    work.extend(m.k.orphans);
    work.extend((0..1 << m.root_cnode.radix).filter_map(|index| m.root_cnode.slot(index)));
    work.extend((0..sel_abi::TCB_SLOTS).map(|index| tcb_slot(m.current(), index)));
    while let Some(slot) = work.pop() {
        if slot.is_empty() || seen.insert(slot.addr(), slot).is_some() {
            continue;
        }
        work.extend(slot.previous());
        work.extend(slot.next());
        if let Some((first, bytes)) = container(&slot.cap())
            && containers.insert((first, bytes))
        {
            let slots = match slot.cap() {
                Cap::CNode(cnode) => cnode.slots,
                Cap::Zombie(zombie) => zombie.slots,
                Cap::Tcb(tcb) => tcb.first_slot(),
                _ => continue,
            };
            // SAFETY: the object has this many slots.
            work.extend((0..bytes as usize / 32).map(|index| unsafe { slots.element(index) }));
        }
    }
    for address in seen.keys() {
        let inside = containers.iter().any(|(first, bytes)| address.wrapping_sub(*first) < *bytes);
        assert!(inside, "slot {address:#x} is in no object");
    }
    build(m, &seen)
}

fn tcb_slot(tcb: TcbPtr, index: usize) -> KernelPtr<Slot> {
    // SAFETY: a thread has five slots.
    unsafe { tcb.first_slot().element(index) }
}

/// Sorts the slots into their lists, and the objects by kind.
fn build(m: &Machine, seen: &HashMap<u64, KernelPtr<Slot>>) -> Found {
    let mut found = Found::default();
    let mut listed = 0;
    let mut firsts: Vec<_> = seen.values().filter(|slot| slot.previous().is_none()).collect();
    firsts.sort_by_key(|slot| slot.addr());
    for first in firsts {
        let mut list = Vec::new();
        let mut next = Some(*first);
        while let Some(slot) = next {
            assert!(!slot.is_empty(), "an empty slot is linked");
            assert!(list.len() <= seen.len(), "a derivation list without end");
            if let Some(after) = slot.next() {
                assert_eq!(after.previous(), Some(slot), "back link of {after:?}");
            }
            list.push(Place { slot, cap: slot.cap() });
            next = slot.next();
        }
        listed += list.len();
        found.lists.push(list);
    }
    assert_eq!(listed, seen.len(), "every filled slot is in one derivation list");

    let mut objects = HashSet::new();
    let caps: Vec<Cap> = found.places().map(|place| place.cap).collect();
    for cap in caps {
        let Some((base, _)) = cap.memory() else { continue };
        if matches!(cap, Cap::Untyped(_)) || !objects.insert(base.0) {
            continue;
        }
        match cap {
            Cap::Tcb(tcb) => found.threads.push(tcb),
            Cap::Endpoint(endpoint) => found.endpoints.push(endpoint.object),
            Cap::Eviction(EvictionCap::Endpoint(object)) => found.endpoints.push(object),
            Cap::Eviction(EvictionCap::Notification(object)) => found.notifications.push(object),
            Cap::Notification(notification) => found.notifications.push(notification.object),
            Cap::Reply(reply) => found.replies.push(reply.object),
            Cap::SchedContext(context) => found.contexts.push(context.object),
            _ => {}
        }
    }
    assert!(found.threads.contains(&m.current()), "the current thread exists");
    found
}

// ---- address spaces ----

/// Every entry of every address space with a number leads to an object that exists.
fn check_spaces(m: &Machine, found: &Found) {
    let mut tables = HashMap::new();
    let mut frames: HashMap<(u64, u64), Vec<FrameCap>> = HashMap::new();
    let mut roots: HashMap<u64, Asid> = HashMap::new();
    for place in found.places() {
        match place.cap {
            Cap::Table(table) => {
                tables.insert((table.object.phys().0, table.level.span_bits()), table.object);
            }
            Cap::Frame(frame) if frame.mapping.is_some() => {
                frames.entry((frame.base.0, frame.size.bits())).or_default().push(frame);
            }
            Cap::Pml4(Pml4Cap { object, asid: Some(asid) }) if m.k.asids.find(asid) == Some(object) => {
                roots.insert(object.phys().0, asid);
            }
            _ => {}
        }
    }
    for (root, asid) in roots {
        // SAFETY: a capability to this PML4 exists.
        let root = unsafe { KernelPtr::from_phys(PhysAddr(root)) };
        check_table(root, 39, 0, asid, &Owners { tables: &tables, frames: &frames });
    }
}

struct Owners<'a> {
    tables: &'a HashMap<(u64, u64), KernelPtr<PageTable>>,
    frames: &'a HashMap<(u64, u64), Vec<FrameCap>>,
}

fn check_table(table: KernelPtr<PageTable>, bits: u64, base: u64, asid: Asid, owners: &Owners) {
    let used = if bits == 39 { 256 } else { 512 };
    for (index, entry) in table.get().entries.iter().take(used).enumerate() {
        let entry: Entry = entry.get();
        if !entry.is_present() {
            continue;
        }
        let vaddr = base + ((index as u64) << bits);
        if bits == 12 || (bits < 39 && entry.is_large()) {
            let owned = owners.frames.get(&(entry.page_address(bits).0, bits)).is_some_and(|frames| {
                frames
                    .iter()
                    .filter_map(|frame| frame.mapping)
                    .any(|at| at.asid == asid && at.vaddr.0 == vaddr)
            });
            assert!(owned, "a page at {vaddr:#x} that no frame capability mapped");
        } else {
            let next = owners.tables.get(&(entry.address().0, bits));
            let next = next.unwrap_or_else(|| panic!("a table at {vaddr:#x} without a capability"));
            check_table(*next, bits - 9, vaddr, asid, owners);
        }
    }
}
