//! Derivation lists, zombies and orphans.
use sel_abi::ObjectType;
use sel_abi::bootinfo::slot;

use super::{Scene, complaints, word};
use crate::addr::{KernelPtr, PhysAddr};
use crate::cap::{CNodeCap, Cap, EndpointCap, Slot, UntypedCap, ZombieCap, ZombieKind, derivation};
use crate::tests::objects::OWN_TCB;

complaints! {
    a_new_list: "a derivation list that boot did not make", |s| {
        let slot = s.slot(s.free_endpoint);
        slot.previous().expect("what stands before").set_next(None);
        slot.set_previous(None);
    };
    a_wrong_back_link: "back link", |s| {
        s.slot(s.free_endpoint).set_previous(Some(s.slot(s.endpoint)));
    };
    an_empty_slot_with_links: "an empty slot that is not clear", |s| {
        s.slot(s.free_endpoint).set_cap(Cap::Null);
    };
    a_link_to_free_memory: "an empty slot is linked", |s| {
        s.slot(OWN_TCB).set_next(Some(s.nowhere()));
    };
    a_link_to_no_slot: "is in no object", |s| {
        let stray: KernelPtr<Slot> = s.nowhere();
        stray.set_cap(Cap::Domain);
        s.slot(slot::DOMAIN).set_next(Some(stray));
        stray.set_previous(Some(s.slot(slot::DOMAIN)));
    };
    a_link_out_of_memory: "where no slot can be", |s| {
        // SAFETY: the pointer is only compared.
        s.slot(OWN_TCB).set_next(Some(unsafe { KernelPtr::from_phys(PhysAddr(0x40)) }));
    };
    two_lists_that_meet: "back link", |s| {
        s.slot(OWN_TCB).set_next(Some(s.slot(s.endpoint)));
    };
    shared_slots: "two objects share the slot", |s| {
        let node = s.m.sized(ObjectType::CapTable, 4);
        let Cap::CNode(cnode) = s.m.cap(node) else { panic!("no CNode") };
        let second = cnode.slot(1).expect("a second slot");
        // In a slot that is visited before that of the whole CNode.
        let to = s.m.free_slot();
        let inner = Cap::CNode(CNodeCap { slots: second, radix: 2, ..cnode });
        derivation::insert(s.slot(to), inner, s.slot(node), false);
    };
    scattered_copies: "do not stand together", |s| {
        let copy = s.m.copy(s.free_endpoint);
        let cap = s.m.cap(copy);
        derivation::remove(s.slot(copy));
        derivation::insert(s.slot(copy), cap, s.slot(s.ready.cap), false);
    };
    scattered_copies_without_memory: "do not stand together", |s| {
        let empty = s.m.free_slot();
        derivation::insert(s.slot(empty), Cap::Domain, s.slot(OWN_TCB), false);
    };
    two_kinds_at_one_place: "two objects at one place", |s| {
        let Cap::Notification(notification) = s.m.cap(s.free_notification) else { panic!("no notification") };
        // SAFETY: only its address is looked at.
        let object = unsafe { notification.object.cast() };
        s.slot(s.free_endpoint).set_cap(Cap::Endpoint(EndpointCap {
            object,
            badge: 0,
            rights: sel_abi::CapRights::ALL,
        }));
    };
    a_low_watermark: "above the watermark", |s| {
        change_pool(s, |pool| pool.watermark = 64);
    };
    a_high_watermark: "a watermark above the end", |s| {
        change_pool(s, |pool| pool.watermark = pool.size() + 1);
    };
    an_untyped_that_is_no_parent: "an untyped that cannot be revoked", |s| {
        s.slot(s.m.pool).set_flags(false, false);
    };
    a_handler_of_nobody: "is not derived from what issued it", |s| {
        let to = s.m.free_slot();
        let words = [to, 64, 0, 0, 0, 0, 3];
        let root = crate::tests::objects::ROOT;
        s.m.ok(slot::IRQ_CONTROL, sel_abi::Label::X86IrqIssueIrqHandlerMsi, &words, &[root]);
        s.slot(slot::IRQ_CONTROL).set_flags(false, false);
    };
    an_orphan_that_lives: "an orphan that is no zombie", |s| {
        s.m.k.orphans = Some(s.slot(s.free_endpoint));
    };
    a_forgotten_zombie: "a zombie without a preemption", |s| {
        let (at, zombie) = zombie(s);
        at.set_cap(Cap::Zombie(zombie));
    };
    an_unlisted_orphan: "is an orphan, and no other", |s| {
        s.m.preempted = true;
        let (_, zombie) = zombie(s);
        let at = move_into_itself(s);
        at.set_cap(Cap::Zombie(zombie));
    };
    a_listed_zombie_in_a_slot: "an orphan that stands elsewhere", |s| {
        s.m.preempted = true;
        let (at, zombie) = zombie(s);
        at.set_cap(Cap::Zombie(zombie));
        s.m.k.orphans = Some(at);
    };
    an_endless_list_of_orphans: "the list of orphans has no end", |s| {
        s.m.preempted = true;
        let (_, zombie) = zombie(s);
        let at = move_into_itself(s);
        at.set_cap(Cap::Zombie(ZombieCap { next_orphan: Some(at), ..zombie }));
        s.m.k.orphans = Some(at);
    };
    two_zombies: "two capabilities to an object that is being deleted", |s| {
        s.m.preempted = true;
        let (at, zombie) = zombie(s);
        let copy = s.m.copy(s.m.next_slot - 1);
        at.set_cap(Cap::Zombie(zombie));
        s.slot(copy).set_cap(Cap::Zombie(zombie));
    };
    a_back_link_to_an_empty_slot: "an empty slot is linked", |s| {
        word(s.slot(OWN_TCB), 2).set(s.nowhere::<Slot>().addr());
    };
}

fn change_pool(s: &mut Scene, change: fn(&mut UntypedCap)) {
    let slot = s.slot(s.m.pool);
    let Cap::Untyped(mut pool) = slot.cap() else { panic!("no untyped") };
    change(&mut pool);
    slot.set_cap(Cap::Untyped(pool));
}

/// A new CNode in the last slot that was taken: the slot, and what it would be as a zombie.
fn zombie(s: &mut Scene) -> (KernelPtr<Slot>, ZombieCap) {
    let node = s.m.sized(ObjectType::CapTable, 2);
    let Cap::CNode(cnode) = s.m.cap(node) else { panic!("no CNode") };
    let kind = ZombieKind::CNode { radix: cnode.radix };
    (s.slot(node), ZombieCap { slots: cnode.slots, kind, remaining: 4, next_orphan: None })
}

/// Moves that CNode's capability into its own first slot.
fn move_into_itself(s: &mut Scene) -> KernelPtr<Slot> {
    let node = s.m.next_slot - 1;
    let Cap::CNode(cnode) = s.m.cap(node) else { panic!("no CNode") };
    s.m.checking = false;
    s.m.move_into(node, 0, 2, node);
    cnode.slots
}
