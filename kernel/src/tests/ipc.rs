//! Messages, replies, donation, notifications (abi.md 2.3, 2.8, 9.3 to 9.6, A.5).
use sel_abi::Error::*;
use sel_abi::message::{IPC_BUFFER_CAPS_WORD, IPC_BUFFER_RECEIVE_WORD};
use sel_abi::registers::INFO_REGISTER;
use sel_abi::{CapRights, Label, MessageInfo, Register, Syscall};

use super::machine::{Machine, Msg, msg};
use super::objects::{OWN_TCB, ROOT, Thread};
use crate::cap::Cap;
use crate::object::tcb::ThreadState;

/// Endpoint, reply object, and a server of priority 10 that waits.
fn with_server(passive: bool) -> (Machine, u64, u64, Thread) {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = if passive { m.passive_server(10, ep, reply) } else { m.server(10, ep, reply) };
    (m, ep, reply, server)
}

#[test]
fn calls_of_active_and_passive_servers() {
    for passive in [false, true] {
        let (mut m, ep, reply, server) = with_server(passive);
        let badged = m.mint(ep, CapRights::ALL, 0xbad9e);
        let context = m.root.sched_context.get();
        for length in [0, 1, 4, 5, 120] {
            let words: Vec<u64> = (100..100 + length).collect();
            m.call_ipc(badged, msg(7, &words));
            assert_eq!(m.current(), server.tcb);
            let got = m.reply_of(server.tcb);
            assert_eq!((got.badge, got.label, got.words), (0xbad9e, 7, words.clone()));
            assert_eq!(server.tcb.sched_context.get() == context, passive, "the context is lent");
            assert_eq!(m.root.sched_context.get().is_none(), passive);
            m.reply_recv(ep, reply, msg(7, &words));
            assert_eq!(m.current(), m.root);
            let got = m.reply_of(m.root);
            assert_eq!((got.badge, got.label, got.words), (0, 7, words));
            assert_eq!(m.root.sched_context.get(), context);
            assert_eq!(server.tcb.sched_context.get().is_none(), passive);
        }
    }
}

#[test]
fn messages_are_cut_without_a_buffer() {
    let (mut m, ep, reply, server) = with_server(false);
    let none = m.free_slot();
    m.ok(server.cap, Label::TcbSetIpcBuffer, &[0], &[none]);
    m.call_ipc(ep, msg(1, &[1, 2, 3, 4, 5, 6]));
    assert_eq!(m.reply_of(server.tcb).words, [1, 2, 3, 4]);
    m.reply_recv(ep, reply, msg(2, &[9, 8, 7, 6, 5]));
    assert_eq!(m.reply_of(m.root).words, [9, 8, 7, 6]);
    // A length above 120 counts as 120.
    m.root.context.set(INFO_REGISTER, 127);
    assert_eq!(MessageInfo(127).length(), 120);
}

#[test]
fn rights_of_the_sender() {
    let (mut m, ep, _, server) = with_server(false);
    let read_only = m.mint(ep, CapRights::READ, 0);
    m.fails(read_only, Label::InvalidInvocation, &[], &[], InvalidCapability, &[0]);
    // By Send the error is dropped.
    m.load(m.root, msg(3, &[77]));
    let before = [Register::Rdi, Register::Rsi, Register::R10].map(|r| m.root.context.get(r));
    m.send(read_only, msg(3, &[77]));
    assert_eq!([Register::Rsi, Register::R10].map(|r| m.root.context.get(r)), before[1..]);
    assert_eq!(m.root.context.get(Register::Rdi), read_only);
    assert!(matches!(server.tcb.state.get(), ThreadState::BlockedOnReceive { .. }));
}

/// A call without Grant and GrantReply is received, but cannot be answered (abi.md A.5).
#[test]
fn a_caller_without_grant_becomes_inactive() {
    for (rights, answered) in [(3, false), (1, false), (7, true), (5, true), (9, true), (15, true)] {
        for waiting in [true, false] {
            let mut m = Machine::new();
            let (ep, reply) = (m.endpoint(), m.reply());
            let weak = m.mint(ep, CapRights::from_bits_truncate(rights), 0);
            let (server, caller) = (m.started(10), m.started(20));
            let scene: [&mut dyn FnMut(&mut Machine); 2] =
                [&mut |m| m.recv(ep, reply), &mut |m| m.call_ipc(weak, msg(0, &[1]))];
            // Who comes first waits in the queue; the caller has the higher priority.
            m.ok(server.cap, Label::TcbSetPriority, &[if waiting { 30 } else { 10 }], &[OWN_TCB]);
            let mut done = [false; 2];
            m.root_priority(0);
            while m.current() != m.root && !(done[0] && done[1]) {
                let which = usize::from(m.current() == caller.tcb);
                done[which] = true;
                scene[which](&mut m);
            }
            assert!(done[0] && done[1]);
            assert_eq!(m.reply_of(server.tcb).words, [1]);
            let state = caller.tcb.state.get();
            assert_eq!(matches!(state, ThreadState::BlockedOnReply { .. }), answered, "{rights}");
            assert_eq!(state == ThreadState::Inactive, !answered);
            assert_eq!(m.current(), server.tcb);
            m.send(reply, msg(0, &[]));
            assert_eq!(caller.tcb.state.get() == ThreadState::Inactive, !answered, "answering does nothing");
        }
    }
}

#[test]
fn a_caller_of_a_server_without_reply_object_becomes_inactive() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let server = m.started(10);
    m.run_until(server.tcb, |m| m.wait(ep));
    let caller = m.started(5);
    m.root_priority(0);
    assert_eq!(m.current(), caller.tcb);
    m.call_ipc(ep, msg(4, &[]));
    assert_eq!((m.current(), caller.tcb.state.get()), (server.tcb, ThreadState::Inactive));
}

/// Senders are received by priority, and in turn among equals; a changed priority counts.
#[test]
fn queues_are_ordered() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let senders: Vec<Thread> = [5, 9, 5, 9, 7].into_iter().map(|priority| m.started(priority)).collect();
    m.root_priority(0);
    while m.current() != m.root {
        let index = senders.iter().position(|sender| sender.tcb == m.current()).expect("a sender");
        m.send(ep, msg(index as u64, &[]));
    }
    m.root_priority(255);
    m.ok(senders[2].cap, Label::TcbSetPriority, &[9], &[OWN_TCB]);
    let order: Vec<u64> = (0..5)
        .map(|_| {
            m.wait(ep);
            m.reply_of(m.root).label
        })
        .collect();
    // Of two threads of one priority, the one that was resumed last ran first.
    assert_eq!(order, [3, 1, 2, 4, 0]);
    m.poll(ep);
    assert_eq!(m.reply_of(m.root).badge, 0);
}

#[test]
fn polling_gives_nothing() {
    let mut m = Machine::new();
    let (ep, ntfn, reply) = (m.endpoint(), m.notification(), m.reply());
    for (call, cap) in
        [(Syscall::NbRecv, ep), (Syscall::NbWait, ep), (Syscall::NbWait, ntfn), (Syscall::NbRecv, ntfn)]
    {
        m.sys(call, cap, reply, 0, msg(0x99, &[1, 2, 3, 4]));
        let got = m.reply_of(m.root);
        assert_eq!((got.badge, got.label, got.words), (0, 0x99, vec![1, 2, 3, 4]));
    }
    // A send that does not block is dropped.
    m.sys(Syscall::NbSend, ep, 0, 0, msg(1, &[]));
    m.poll(ep);
    assert_eq!(m.reply_of(m.root).badge, 0);
}

/// Signals (abi.md 9.6, A.5).
#[test]
fn notifications() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let badged = m.mint(ntfn, CapRights::ALL, 0x30);
    let other = m.mint(ntfn, CapRights::ALL, 0x05);
    m.signal(badged);
    m.signal(badged);
    m.signal(other);
    m.sys(Syscall::NbWait, ntfn, 0, 0, msg(0x99, &[1]));
    let got = m.reply_of(m.root);
    assert_eq!((got.badge, got.label, got.words), (0x35, 0x99, vec![1]));
    m.poll(ntfn);
    assert_eq!(m.reply_of(m.root).badge, 0);
    // A signal of badge 0 wakes as well.
    m.signal(ntfn);
    m.wait(ntfn);
    assert_eq!((m.current(), m.reply_of(m.root).badge), (m.root, 0));
    // The waiter of highest priority takes it.
    let waiters = [m.started(3), m.started(8)];
    for waiter in [waiters[1], waiters[0]] {
        m.root_priority(0);
        assert_eq!(m.current(), waiter.tcb);
        m.wait(ntfn);
        if m.current() != m.root {
            m.wait(ntfn);
        }
        m.root_priority(255);
        if waiters.iter().all(|waiter| waiter.tcb.is_blocked()) {
            break;
        }
    }
    m.signal(other);
    assert_eq!(waiters[1].tcb.state.get(), ThreadState::Running);
    assert_eq!(m.reply_of(waiters[1].tcb).badge, 5);
    assert!(waiters[0].tcb.is_blocked());
}

/// A Call of a notification or reply object is done at once, with an empty answer.
#[test]
fn calls_that_nobody_answers() {
    let mut m = Machine::new();
    let (ntfn, reply) = (m.notification(), m.reply());
    for cap in [ntfn, reply] {
        m.call_ipc(cap, msg(9, &[1, 2]));
        let got = m.reply_of(m.root);
        assert_eq!((m.current(), got.badge, got.label, got.words.len()), (m.root, 0, 0, 0));
    }
}

#[test]
fn a_bound_notification_comes_through_any_endpoint() {
    let mut m = Machine::new();
    let (ep, reply, ntfn) = (m.endpoint(), m.reply(), m.notification());
    let badged = m.mint(ntfn, CapRights::ALL, 0x30);
    m.ok(OWN_TCB, Label::TcbBindNotification, &[], &[ntfn]);
    m.fails(OWN_TCB, Label::TcbBindNotification, &[], &[ntfn], IllegalOperation, &[]);
    m.signal(badged);
    m.sys(Syscall::Recv, ep, reply, 0, msg(0x99, &[1, 2]));
    let got = m.reply_of(m.root);
    assert_eq!((got.badge, got.label, got.words), (0x30, 0x99, vec![1, 2]));
    // While it waits on an endpoint, too; another thread may not wait on the notification.
    let thread = m.started(10);
    m.recv(ep, reply);
    assert_eq!(m.current(), thread.tcb);
    m.signal(badged);
    assert_eq!((m.current(), m.reply_of(m.root).badge), (m.root, 0x30));
    m.root_priority(0);
    m.wait(ntfn);
    assert_eq!(thread.tcb.state.get(), ThreadState::Inactive, "a fault without handler");
}

/// Capabilities travel with Grant, to the one receive slot; those to the endpoint itself as badges.
#[test]
fn capabilities_travel() {
    let (mut m, ep, reply, server) = with_server(false);
    let (badged, other) = (m.mint(ep, CapRights::ALL, 0x77), m.endpoint());
    let ungranted = m.mint(ep, CapRights::from_bits_truncate(0b1001), 0);
    let (to, empty) = (m.free_slot(), m.free_slot());
    let receive = |m: &Machine, slot: u64| {
        let buffer = server.tcb.ipc_buffer(true).expect("a buffer");
        for (cell, value) in buffer[IPC_BUFFER_RECEIVE_WORD..].iter().zip([ROOT, slot, 64]) {
            cell.set(value);
        }
        assert!(m.cap(slot).is_null());
    };
    let send = |m: &mut Machine, cap: u64, caps: &[u64]| {
        m.call_ipc(cap, Msg { label: 0, words: &[], caps });
        let got = m.reply_of(server.tcb);
        m.reply_recv(ep, reply, msg(0, &[]));
        (got.extra_caps, got.unwrapped)
    };
    receive(&m, to);
    assert_eq!(send(&mut m, ungranted, &[other]), (0, 0));
    assert_eq!(send(&mut m, ep, &[badged]), (1, 1));
    assert_eq!(server.tcb.ipc_buffer(true).unwrap()[IPC_BUFFER_CAPS_WORD].get(), 0x77);
    assert!(m.cap(to).is_null());
    assert_eq!(send(&mut m, ep, &[badged, other, badged]), (3, 0b101));
    assert!(matches!(m.cap(to), Cap::Endpoint(endpoint) if endpoint.rights == CapRights::ALL));
    // The slot is in use now.
    assert_eq!(send(&mut m, ep, &[badged, other, badged]), (1, 1));
    m.delete(to);
    assert_eq!(send(&mut m, ep, &[other, other]), (1, 0));
    m.delete(to);
    assert_eq!(send(&mut m, ep, &[empty, other]), (0, 0), "a null capability ends the list");
    assert_eq!(
        send(&mut m, ep, &[sel_abi::bootinfo::slot::IRQ_CONTROL]),
        (0, 0),
        "one that cannot be copied, too"
    );
    // The copy is a child: revoking the sender's takes it away.
    assert_eq!(send(&mut m, ep, &[other]), (1, 0));
    m.revoke(other);
    assert!(m.cap(to).is_null());
}

/// The right to pass capabilities in a reply is the reply capability's.
#[test]
fn capabilities_in_replies() {
    for grant in [true, false] {
        let (mut m, ep, reply, _) = with_server(false);
        let used = m.copy_with(reply, if grant { CapRights::ALL } else { CapRights::READ_WRITE });
        let to = m.free_slot();
        let buffer = m.root.ipc_buffer(true).expect("a buffer");
        for (cell, value) in buffer[IPC_BUFFER_RECEIVE_WORD..].iter().zip([ROOT, to, 64]) {
            cell.set(value);
        }
        m.call_ipc(ep, msg(0, &[]));
        m.sys(Syscall::ReplyRecv, ep, used, 0, Msg { label: 0, words: &[], caps: &[ep] });
        assert_eq!(m.current(), m.root);
        assert_eq!((m.reply_of(m.root).extra_caps, m.cap(to).is_null()), (usize::from(grant), !grant));
        assert_eq!(m.reply_of(m.root).unwrapped, 0, "no endpoint, nothing is unwrapped");
    }
}

/// A notification's scheduling context is lent to a passive thread that takes a signal, and taken back when it waits.
#[test]
fn the_scheduling_context_of_a_notification() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let thread = m.started(10);
    m.run_until(thread.tcb, |m| m.wait(ntfn));
    m.ok(thread.context, Label::SchedContextUnbindObject, &[], &[thread.cap]);
    m.ok(thread.context, Label::SchedContextBind, &[], &[ntfn]);
    let Cap::SchedContext(context) = m.cap(thread.context) else { panic!() };
    for _ in 0..2 {
        m.signal(ntfn);
        assert_eq!(thread.tcb.sched_context.get(), Some(context.object));
        m.run_until(thread.tcb, |m| m.wait(ntfn));
        assert!(thread.tcb.sched_context.get().is_none() && context.object.thread.get().is_none());
    }
    // Deleted: it is not lent any more.
    m.delete(thread.context);
    m.signal(ntfn);
    assert!(thread.tcb.sched_context.get().is_none());
    assert_eq!(thread.tcb.state.get(), ThreadState::Running);
}

/// Senders with one badge are restarted, the others wait on.
#[test]
fn badged_sends_are_cancelled() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let badges = [7, 8, 7];
    let caps = badges.map(|badge| m.mint(ep, CapRights::ALL, badge));
    let senders = caps.map(|_| m.started(10));
    m.root_priority(0);
    for (sender, cap) in senders.iter().zip(caps).rev() {
        assert_eq!(m.current(), sender.tcb);
        m.send(cap, msg(0, &[]));
    }
    m.root_priority(255);
    m.ok(ROOT, Label::CNodeCancelBadgedSends, &[caps[0], 64], &[]);
    let restarted = senders.map(|sender| sender.tcb.state.get() == ThreadState::Restart);
    assert_eq!(restarted, [true, false, true]);
    m.root_priority(0);
    assert!(m.must_repeat(m.current()));
}

#[test]
fn deleted_endpoints_and_notifications_restart_who_waits() {
    let mut m = Machine::new();
    let (ep, ntfn, reply) = (m.endpoint(), m.notification(), m.reply());
    let server = m.server(10, ep, reply);
    let waiter = m.started(11);
    m.run_until(waiter.tcb, |m| m.wait(ntfn));
    m.delete(ep);
    m.delete(ntfn);
    for thread in [server, waiter] {
        assert_eq!(thread.tcb.state.get(), ThreadState::Restart);
    }
    // They execute the call again and fault on the missing capability.
    m.root_priority(0);
    assert!(m.must_repeat(waiter.tcb));
    m.enter_syscall(Syscall::Wait.raw().cast_unsigned());
    assert_eq!(waiter.tcb.state.get(), ThreadState::Inactive);
}
