//! Reply objects and the stack of calls (abi.md 9.4).
use sel_abi::{Label, Syscall};

use super::machine::{Machine, msg};
use super::objects::Thread;
use crate::object::tcb::ThreadState;

/// Root calls the first, which calls the second, which calls the third; all of them passive. Each has an endpoint and a
/// reply object.
struct Chain {
    m: Machine,
    servers: Vec<Thread>,
    endpoints: Vec<u64>,
    replies: Vec<u64>,
}

fn chain() -> Chain {
    let mut m = Machine::new();
    let endpoints: Vec<u64> = (0..3).map(|_| m.endpoint()).collect();
    let replies: Vec<u64> = (0..3).map(|_| m.reply()).collect();
    let servers: Vec<Thread> =
        endpoints.iter().zip(&replies).map(|(ep, reply)| m.passive_server(10, *ep, *reply)).collect();
    // Somebody who can run when all of them are stuck.
    m.started(1);
    for (endpoint, server) in endpoints.iter().zip(&servers) {
        m.call_ipc(*endpoint, msg(1, &[]));
        assert_eq!(m.current(), server.tcb);
    }
    Chain { m, servers, endpoints, replies }
}

#[test]
fn a_nested_call_unwinds() {
    let mut c = chain();
    let context = c.m.current().sched_context.get();
    for index in (0..3).rev() {
        c.m.reply_recv(c.endpoints[index], c.replies[index], msg(index as u64, &[]));
        let next = if index > 0 { c.servers[index - 1].tcb } else { c.m.root };
        assert_eq!((c.m.current(), next.sched_context.get()), (next, context));
        assert!(c.servers[index].tcb.sched_context.get().is_none());
    }
}

/// An answer out of order: the caller gets the message, but no time, and the chain is cut in both directions.
#[test]
fn a_reply_out_of_order() {
    let mut c = chain();
    c.m.send(c.replies[1], msg(5, &[6]));
    // The first server was answered in the middle of the chain.
    let middle = c.servers[0].tcb;
    assert_eq!((middle.state.get(), middle.sched_context.get()), (ThreadState::Running, None));
    assert_eq!(c.m.reply_of(middle).words, [6]);
    // The newest still gives the context back.
    c.m.reply_recv(c.endpoints[2], c.replies[2], msg(0, &[]));
    assert_eq!(c.m.current(), c.servers[1].tcb);
    // The oldest is cut off: answering the root task returns no time.
    c.m.send(c.replies[0], msg(0, &[]));
    assert_eq!((c.m.root.state.get(), c.m.root.sched_context.get()), (ThreadState::Running, None));
    assert_eq!(c.m.current(), c.servers[1].tcb);
}

/// A deleted reply object returns the context to the caller, who stops.
#[test]
fn a_deleted_reply_object() {
    let mut c = chain();
    let context = c.m.current().sched_context.get();
    c.m.sys(Syscall::Send, super::objects::ROOT, 0, 0, delete(&[c.replies[2], 64]));
    let caller = c.servers[1].tcb;
    assert_eq!((caller.state.get(), caller.sched_context.get()), (ThreadState::Inactive, context));
    assert_ne!(c.m.current(), c.servers[2].tcb, "the callee has no time left");
}

fn delete(words: &[u64]) -> super::machine::Msg<'_> {
    msg(Label::CNodeDelete.raw(), words)
}

/// A caller that is suspended leaves the chain; the context stays with the callee.
#[test]
fn a_suspended_caller() {
    let mut c = chain();
    let context = c.m.current().sched_context.get();
    c.m.call(c.servers[1].cap, Label::TcbSuspend, &[], &[]);
    assert_eq!((c.m.current(), c.m.current().sched_context.get()), (c.servers[2].tcb, context));
    c.m.send(c.replies[2], msg(0, &[]));
    assert_eq!((c.m.current(), c.m.current().sched_context.get()), (c.servers[2].tcb, context));
    assert_eq!(c.servers[1].tcb.state.get(), ThreadState::Inactive);
}

/// A callee that is deleted: its reply object returns the context when that is deleted, too.
#[test]
fn a_deleted_callee() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(10, ep, reply);
    let client = m.started(9);
    let helper = m.started(1);
    m.root_priority(0);
    assert_eq!(m.current(), client.tcb);
    m.call_ipc(ep, msg(0, &[]));
    assert_eq!(m.current(), server.tcb);
    let context = server.tcb.sched_context.get();
    assert!(context.is_some());
    m.sys(Syscall::Send, super::objects::ROOT, 0, 0, delete(&[server.cap, 64]));
    assert_eq!(m.current(), helper.tcb);
    assert!(client.tcb.sched_context.get().is_none());
    m.delete(reply);
    assert_eq!(client.tcb.sched_context.get(), context);
    assert_eq!(client.tcb.state.get(), ThreadState::Inactive);
}

/// A reply object in use that is named in another receive: its caller is given up.
#[test]
fn a_reply_object_that_is_used_again() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = m.server(10, ep, reply);
    let client = m.started(5);
    m.root_priority(0);
    assert_eq!(m.current(), client.tcb);
    m.call_ipc(ep, msg(0, &[]));
    assert_eq!(m.current(), server.tcb);
    m.sys(Syscall::NbRecv, ep, reply, 0, msg(0, &[]));
    assert_eq!(client.tcb.state.get(), ThreadState::Inactive);
}

/// Deleting the reply object of a server that waits stops the server; a reply to nobody does nothing.
#[test]
fn a_waiting_server_loses_its_reply_object() {
    let mut m = Machine::new();
    let (ep, reply, unused) = (m.endpoint(), m.reply(), m.reply());
    let server = m.server(10, ep, reply);
    m.send(unused, msg(0, &[]));
    m.send(reply, msg(0, &[]));
    assert!(server.tcb.is_blocked());
    m.delete(reply);
    assert_eq!(server.tcb.state.get(), ThreadState::Inactive);
}

/// The context stays with the callee if the caller was given another one meanwhile.
#[test]
fn a_caller_with_another_context() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(10, ep, reply);
    let client = m.started(5);
    let other = m.context();
    m.root_priority(1);
    assert_eq!(m.current(), client.tcb);
    m.call_ipc(ep, msg(0, &[]));
    assert_eq!(m.current(), server.tcb);
    let lent = server.tcb.sched_context.get();
    m.call(other, Label::SchedContextBind, &[], &[client.cap]);
    m.reply_recv(ep, reply, msg(3, &[]));
    assert_eq!(m.current(), client.tcb);
    assert_eq!(server.tcb.sched_context.get(), lent);
    assert_ne!(client.tcb.sched_context.get(), lent);
}

/// NBSendRecv and NBSendWait give the context away for good.
#[test]
fn a_send_before_a_receive_donates() {
    let mut m = Machine::new();
    let (ep, reply, own) = (m.endpoint(), m.reply(), m.endpoint());
    let server = m.passive_server(10, ep, reply);
    let client = m.started(5);
    m.root_priority(1);
    assert_eq!(m.current(), client.tcb);
    let context = client.tcb.sched_context.get();
    m.sys(Syscall::NbSendWait, own, ep, 0, msg(1, &[2]));
    assert_eq!((m.current(), server.tcb.sched_context.get()), (server.tcb, context));
    assert_eq!(m.reply_of(server.tcb).words, [2]);
    assert!(client.tcb.is_blocked() && client.tcb.sched_context.get().is_none());
    // And back, with NBSendRecv.
    m.sys(Syscall::NbSendRecv, ep, reply, own, msg(1, &[3]));
    assert_eq!((m.current(), client.tcb.sched_context.get()), (client.tcb, context));
    // A plain send gives no time.
    m.send(ep, msg(0, &[]));
    assert_eq!((m.current(), server.tcb.state.get()), (client.tcb, ThreadState::Running));
}
