//! Deleting CNodes and threads that hold each other, and themselves; with a preemption at every possible point
//! (abi.md 9.5). At the end all memory must be free again.
use sel_abi::{CNodeCapData, CapRights, CapTag, Label, ObjectType, Syscall};

use super::machine::{Machine, Msg};
use super::objects::{ROOT, VSPACE};
use crate::cap::{Cap, derivation};

/// Depth that names the slots of a CNode of radix 4 without guard.
const DEPTH: u64 = 4;

/// A machine with an untyped of 1 MiB for what is going to be deleted.
fn machine(preempt_every: u32) -> (Machine, u64) {
    let mut m = Machine::new();
    let pool = m.pool;
    let arena = m.retype(pool, ObjectType::Untyped, 19, 1);
    m.preempt_every = preempt_every;
    (m, arena)
}

/// All of the untyped can be handed out again, as one piece.
#[track_caller]
fn all_free(m: &mut Machine, arena: u64) {
    m.preempt_every = 0;
    m.preempted = false;
    assert!(!derivation::has_children(m.slot(arena)), "something is left");
    let whole = m.retype(arena, ObjectType::Untyped, 19, 1);
    m.delete(whole);
    super::check::check(m);
}

fn node(m: &mut Machine, arena: u64) -> u64 {
    m.retype(arena, ObjectType::CapTable, DEPTH, 1)
}

/// Runs a scene with the preemption points interrupted more and more rarely.
fn at_every_point(scene: impl Fn(u32)) {
    for preempt_every in [0, 1, 2, 3, 4, 5, 7, 11, 16, 17, 18, 23, 40] {
        scene(preempt_every);
    }
}

#[test]
fn a_full_cnode() {
    at_every_point(|every| {
        let (mut m, arena) = machine(every);
        let cnode = node(&mut m, arena);
        for index in 0..16 {
            let ep = m.retype(arena, ObjectType::Endpoint, 0, 1);
            m.move_into(cnode, index, DEPTH, ep);
        }
        m.delete(cnode);
        all_free(&mut m, arena);
        assert_eq!(m.restarts > 0, every != 0 && every <= 16);
    });
}

/// The CNode's only capability lies in the CNode itself: revoking its memory is the only way to it.
#[test]
fn a_cnode_that_contains_its_only_capability() {
    for index in [0, 7, 15] {
        at_every_point(|every| {
            let (mut m, arena) = machine(every);
            let cnode = node(&mut m, arena);
            m.move_into(cnode, index, DEPTH, cnode);
            m.revoke(arena);
            all_free(&mut m, arena);
        });
    }
}

/// A copy of its capability lies in the CNode.
#[test]
fn a_cnode_that_contains_itself() {
    for index in [0, 7, 15] {
        at_every_point(|every| {
            let (mut m, arena) = machine(every);
            let cnode = node(&mut m, arena);
            let copy = m.copy(cnode);
            m.move_into(cnode, index, DEPTH, copy);
            m.delete(cnode);
            assert!(m.cap(cnode).is_null());
            // The CNode holds itself now.
            assert!(derivation::has_children(m.slot(arena)));
            m.revoke(arena);
            all_free(&mut m, arena);
        });
    }
}

/// The deletion is asked for through the CNode: of the slot in which it holds itself.
#[test]
fn a_cnode_that_is_deleted_through_itself() {
    at_every_point(|every| {
        let (mut m, arena) = machine(every);
        let cnode = node(&mut m, arena);
        let ep = m.retype(arena, ObjectType::Endpoint, 0, 1);
        m.move_into(cnode, 2, DEPTH, ep);
        let copy = m.copy(cnode);
        m.move_into(cnode, 9, DEPTH, copy);
        m.ok(cnode, Label::CNodeDelete, &[9, DEPTH], &[]);
        m.delete(cnode);
        all_free(&mut m, arena);
    });
}

#[test]
fn two_cnodes_that_contain_each_other() {
    for (in_first, in_second) in [(0, 0), (0, 15), (15, 0), (7, 8), (15, 15)] {
        at_every_point(|every| {
            let (mut m, arena) = machine(every);
            let (first, second) = (node(&mut m, arena), node(&mut m, arena));
            for index in [3, 5] {
                let ep = m.retype(arena, ObjectType::Endpoint, 0, 1);
                m.move_into(if index == 3 { first } else { second }, index, DEPTH, ep);
            }
            let copy = m.copy(second);
            m.move_into(first, in_first, DEPTH, copy);
            let copy = m.copy(first);
            m.move_into(second, in_second, DEPTH, copy);
            m.delete(second);
            m.delete(first);
            m.revoke(arena);
            all_free(&mut m, arena);
        });
    }
}

/// The last capabilities go around in a circle that starts with the one that is deleted.
#[test]
fn circles_of_final_capabilities() {
    for size in [2, 3, 5] {
        at_every_point(|every| {
            let (mut m, arena) = machine(every);
            let nodes: Vec<u64> = (0..size).map(|_| node(&mut m, arena)).collect();
            // Each holds the next one's last capability; the last one holds a copy of the first one's.
            let copy = m.copy(nodes[0]);
            for pair in nodes.windows(2).rev() {
                m.move_into(pair[0], 9, DEPTH, pair[1]);
            }
            let path: u64 = (1..size).fold(0, |path, _| path << 4 | 9);
            m.ok(nodes[0], Label::CNodeMove, &[path << 4 | 4, DEPTH * size, copy, 64], &[ROOT]);
            m.delete(nodes[0]);
            m.revoke(arena);
            all_free(&mut m, arena);
        });
    }
}

/// A chain of 1000 CNodes, each with the last capability to the next.
#[test]
fn deep_nesting() {
    for (every, revoke) in [(0, false), (0, true), (1, false), (3, true)] {
        let (mut m, arena) = machine(0);
        m.checking = false;
        // From the innermost outwards, two slots a CNode: a spare endpoint, and the CNode before.
        let mut inner = m.retype(arena, ObjectType::CapTable, 1, 1);
        for _ in 0..1000 {
            let outer = m.retype(arena, ObjectType::CapTable, 1, 1);
            let ep = m.retype(arena, ObjectType::Endpoint, 0, 1);
            m.move_into(outer, 0, 1, ep);
            m.move_into(outer, 1, 1, inner);
            inner = outer;
        }
        m.preempt_every = every;
        m.preempted = true;
        super::check::check(&m);
        if revoke {
            m.revoke(arena)
        } else {
            m.delete(inner)
        }
        assert!(every == 0 || m.restarts > 1000);
        all_free(&mut m, arena);
    }
}

/// A thread whose CSpace is the CNode that holds its own last capability.
#[test]
fn a_thread_and_its_cspace() {
    for index in [0, 3, 15] {
        for first in ["delete the thread", "delete the node", "revoke"] {
            at_every_point(|every| {
                let (mut m, arena) = machine(every);
                let cnode = node(&mut m, arena);
                let tcb = m.retype(arena, ObjectType::Tcb, 0, 1);
                let data = CNodeCapData::new(0, 60).0;
                m.ok(tcb, Label::TcbConfigure, &[data, 0, 0], &[cnode, VSPACE, VSPACE]);
                m.move_into(cnode, index, DEPTH, tcb);
                match first {
                    "delete the thread" => {
                        m.ok(cnode, Label::CNodeDelete, &[index, DEPTH], &[]);
                        m.delete(cnode);
                    }
                    "delete the node" => {
                        m.delete(cnode);
                        m.revoke(arena);
                    }
                    _ => m.revoke(arena),
                }
                all_free(&mut m, arena);
            });
        }
    }
}

/// A thread whose CSpace slot is the last capability to a CNode, which holds a thread with the same, and so on.
#[test]
fn a_chain_of_threads_and_cspaces() {
    at_every_point(|every| {
        let (mut m, arena) = machine(every);
        let mut inside: Option<u64> = None;
        let mut outermost = 0;
        for _ in 0..6 {
            let cnode = node(&mut m, arena);
            if let Some(tcb) = inside {
                m.move_into(cnode, 5, DEPTH, tcb);
            }
            let tcb = m.retype(arena, ObjectType::Tcb, 0, 1);
            let data = CNodeCapData::new(0, 60).0;
            m.ok(tcb, Label::TcbConfigure, &[data, 0, 0], &[cnode, VSPACE, VSPACE]);
            m.delete(cnode);
            inside = Some(tcb);
            outermost = tcb;
        }
        m.delete(outermost);
        all_free(&mut m, arena);
    });
}

/// One step of a deletion: the system call is entered once, and preempted.
fn one_step(m: &mut Machine, label: Label, words: &[u64], cap: u64) -> bool {
    let root = m.current();
    m.sys(Syscall::Call, cap, 0, 0, Msg { label: label.raw(), words, caps: &[] });
    m.preempted = true;
    m.must_repeat(root)
}

/// While a deletion is preempted, its zombie is seen and used; then the memory is revoked, or the deletion goes on.
#[test]
fn operations_between_the_steps_of_a_deletion() {
    for steps in 1..24 {
        for ending in ["delete", "revoke", "other delete", "move"] {
            let (mut m, arena) = machine(1);
            let (first, second) = (node(&mut m, arena), node(&mut m, arena));
            let ep = m.retype(arena, ObjectType::Endpoint, 0, 1);
            m.move_into(second, 2, DEPTH, ep);
            let copy = m.copy(first);
            m.move_into(second, 11, DEPTH, copy);
            m.move_into(first, 13, DEPTH, second);
            let other = node(&mut m, arena);
            for _ in 0..steps {
                if !one_step(&mut m, Label::CNodeDelete, &[first, 64], ROOT) {
                    break;
                }
            }
            let spare = m.free_slot();
            if matches!(m.cap(first), Cap::Zombie(_)) {
                let zombie = [first, 64];
                assert_eq!(m.call_raw(first, 0, &[], &[]).label, 2, "a zombie cannot be invoked");
                let copy = m.call(ROOT, Label::CNodeCopy, &[spare, 64, first, 64, 15], &[ROOT]);
                assert_eq!(copy.label, 3, "a zombie cannot be copied");
                m.sys(Syscall::DebugCapIdentify, zombie[0], 0, 0, Msg::default());
                assert_eq!(m.reply_of(m.root).badge, CapTag::Zombie.raw());
            }
            match ending {
                "delete" => m.delete(first),
                "other delete" => m.delete(other),
                "move" => {
                    let reply = m.call(ROOT, Label::CNodeMove, &[spare, 64, first, 64], &[ROOT]);
                    m.delete(if reply.label == 0 { spare } else { first });
                }
                _ => {}
            }
            m.revoke(arena);
            all_free(&mut m, arena);
        }
    }
}

/// A revoke of the memory that holds the untyped's own capability.
#[test]
fn an_untyped_whose_capability_lies_in_its_own_memory() {
    at_every_point(|every| {
        let (mut m, arena) = machine(every);
        let inner = m.retype(arena, ObjectType::Untyped, 14, 1);
        let home = m.retype(inner, ObjectType::CapTable, DEPTH, 1);
        let others = [0; 3].map(|_| m.retype(inner, ObjectType::Endpoint, 0, 1));
        m.move_into(home, 6, DEPTH, inner);
        let reply = m.call(home, Label::CNodeRevoke, &[6, DEPTH], &[]);
        assert!(reply.label == 0 || every > 0, "{reply:?}");
        let _ = others;
        m.revoke(arena);
        all_free(&mut m, arena);
    });
}

/// Clearing memory is preempted, too, and goes on where it stopped.
#[test]
fn a_preempted_reset() {
    for every in [1, 3, 16, 64] {
        let (mut m, arena) = machine(0);
        m.checking = false;
        let inner = m.retype(arena, ObjectType::Untyped, 15, 1);
        let ep = m.retype(inner, ObjectType::Untyped, 15, 1);
        m.delete(ep);
        m.preempt_every = every;
        let frame = m.retype(inner, ObjectType::Page, 0, 1);
        assert_eq!(m.restarts, (1 << (15 - 10)) / every as usize);
        assert!(!m.cap(frame).is_null());
        m.revoke(arena);
        all_free(&mut m, arena);
    }
}

/// The thread that deletes is among what it deletes.
#[test]
fn a_thread_that_deletes_itself() {
    at_every_point(|every| {
        let (mut m, arena) = machine(0);
        let cnode = node(&mut m, arena);
        let tcb = m.retype(arena, ObjectType::Tcb, 0, 1);
        let context = m.context();
        m.ok(tcb, Label::TcbConfigure, &[CNodeCapData::new(0, 60).0, 0, 0], &[cnode, VSPACE, VSPACE]);
        m.ok(context, Label::SchedContextBind, &[], &[tcb]);
        let copy = m.copy(cnode);
        m.move_into(cnode, 1, DEPTH, copy);
        m.move_into(cnode, 8, DEPTH, tcb);
        m.ok_switching(cnode, Label::CNodeCopy, &[2, DEPTH, cnode, 64, CapRights::ALL.bits()], &[ROOT]);
        // Resumed through a copy that goes away again.
        let handle = m.free_slot();
        m.ok(ROOT, Label::CNodeCopy, &[handle, 64, 8, DEPTH, 15], &[cnode]);
        m.ok(handle, Label::TcbResume, &[], &[]);
        m.delete(handle);
        m.root_priority(0);
        m.yield_now();
        assert_ne!(m.current(), m.root);
        m.preempt_every = every;
        m.sys(Syscall::Call, 1, 0, 0, Msg { label: Label::CNodeDelete.raw(), words: &[8, DEPTH], caps: &[] });
        assert_eq!(m.current(), m.root, "it is gone");
        m.preempted = true;
        m.revoke(arena);
        all_free(&mut m, arena);
    });
}
