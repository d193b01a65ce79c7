//! Scheduling contexts: errors (abi.md 7.7, A.1), and what configuring and binding does.
use sel_abi::Error::*;
use sel_abi::{Label, ObjectType, SCHED_CONTEXT_SPORADIC};

use super::machine::{Machine, TICKS_PER_US};
use super::objects::{OWN_SC, OWN_TCB, SCHED_CONTROL};
use super::rows::run;
use crate::arch;
use crate::cap::Cap;
use crate::object::tcb::Queued;

const CONFIGURE: Label = Label::SchedControlConfigureFlags;
/// floor((2^64 - 1) / MHz) / 8 at the host port's 1000 MHz.
const MAX: u64 = u64::MAX / TICKS_PER_US / 8;

#[test]
#[rustfmt::skip]
fn errors() {
    let mut m = Machine::new();
    let (small, sc, ep) = (m.sized(ObjectType::SchedContext, 7), m.sized(ObjectType::SchedContext, 8), m.endpoint());
    let (tcb, ntfn, control) = (m.object(ObjectType::Tcb), m.notification(), SCHED_CONTROL);
    let (other, unbound) = (m.thread(200), m.context());
    let (bind, unbind) = (Label::SchedContextBind, Label::SchedContextUnbind);
    let (unbind_object, yield_to) = (Label::SchedContextUnbindObject, Label::SchedContextYieldTo);
    run(&mut m, &[
        ("SCHED0001", "budget 19", control, CONFIGURE, &[19, 100, 0, 0, 0], &[sc], RangeError, &[20, MAX]),
        ("SCHED0002", "period 19", control, CONFIGURE, &[20, 19, 0, 0, 0], &[sc], RangeError, &[20, MAX]),
        ("SCHED0003", "20/20", control, CONFIGURE, &[20, 20, 0, 0, 0], &[sc], NoError, &[]),
        ("SCHED0004", "100/50", control, CONFIGURE, &[100, 50, 0, 0, 0], &[sc], RangeError, &[20, 50]),
        ("SCHED0005", "9 extra in 2^8", control, CONFIGURE, &[20, 50, 9, 0, 0], &[sc], RangeError, &[0, 8]),
        ("SCHED0006", "8 extra in 2^8", control, CONFIGURE, &[20, 50, 8, 0, 0], &[sc], NoError, &[]),
        ("SCHED0007", "1 extra in 2^7", control, CONFIGURE, &[20, 50, 1, 0, 0], &[small], RangeError, &[0, 0]),
        ("SCHED0008", "too much", control, CONFIGURE, &[MAX + 1, MAX + 1, 0, 0, 0], &[sc], RangeError, &[20, MAX]),
        ("SCHED0009", "period too long", control, CONFIGURE, &[20, !0, 0, 0, 0], &[sc], RangeError, &[20, MAX]),
        ("SCHED0010", "the most", control, CONFIGURE, &[MAX, MAX, 0, 0, 0], &[sc], NoError, &[]),
        ("SCHED0011", "endpoint", control, CONFIGURE, &[20, 20, 0, 0, 0], &[ep], InvalidCapability, &[1]),
        ("SCHED0012", "range before type", control, CONFIGURE, &[19, 20, 0, 0, 0], &[ep], RangeError, &[20, MAX]),
        ("SCHED0013", "wrong label", control, bind, &[], &[], IllegalOperation, &[]),
        ("SCHED0014", "no capability", control, CONFIGURE, &[20, 20, 0, 0, 0], &[], TruncatedMessage, &[]),
        ("SCHED0015", "four words", control, CONFIGURE, &[20, 20, 0, 0], &[sc], TruncatedMessage, &[]),
        ("SCHED0016", "bind endpoint", sc, bind, &[], &[ep], InvalidCapability, &[1]),
        ("SCHED0017", "bind nothing", sc, bind, &[], &[], TruncatedMessage, &[]),
        ("SCHED0018", "unbind a TCB not bound", sc, unbind_object, &[], &[tcb], IllegalOperation, &[]),
        ("SCHED0019", "unbind a notification not bound", sc, unbind_object, &[], &[ntfn], IllegalOperation, &[]),
        ("SCHED0020", "unbind endpoint", sc, unbind_object, &[], &[ep], InvalidCapability, &[1]),
        ("SCHED0021", "unbind nothing", sc, unbind_object, &[], &[], TruncatedMessage, &[]),
        ("SCHED0022", "bind", sc, bind, &[], &[tcb], NoError, &[]),
        ("SCHED0023", "bind again", sc, bind, &[], &[tcb], IllegalOperation, &[]),
        ("SCHED0024", "bind a second context", unbound, bind, &[], &[tcb], IllegalOperation, &[]),
        ("SCHED0025", "bind a notification, too", sc, bind, &[], &[ntfn], NoError, &[]),
        ("SCHED0026", "notification again", sc, bind, &[], &[ntfn], IllegalOperation, &[]),
        ("SCHED0027", "notification elsewhere", unbound, bind, &[], &[ntfn], IllegalOperation, &[]),
        ("SCHED0028", "own context", OWN_SC, unbind, &[], &[], IllegalOperation, &[]),
        ("SCHED0029", "own context and thread", OWN_SC, unbind_object, &[], &[OWN_TCB], IllegalOperation, &[]),
        ("SCHED0030", "yield to oneself", OWN_SC, yield_to, &[], &[], IllegalOperation, &[]),
        ("SCHED0031", "yield to nobody", unbound, yield_to, &[], &[], IllegalOperation, &[]),
        ("SCHED0032", "yield to an inactive one", sc, yield_to, &[], &[], NoError, &[0]),
        ("SCHED0033", "less MCP", OWN_TCB, Label::TcbSetMcPriority, &[100], &[OWN_TCB], NoError, &[]),
        ("SCHED0034", "yield above the MCP", other.context, yield_to, &[], &[], IllegalOperation, &[]),
        ("SCHED0035", "consumed", sc, Label::SchedContextConsumed, &[], &[], NoError, &[0]),
        ("SCHED0036", "unbind", sc, unbind, &[], &[], NoError, &[]),
        ("SCHED0037", "bind the notification anew", unbound, bind, &[], &[ntfn], NoError, &[]),
        ("SCHED0038", "wrong label", sc, CONFIGURE, &[], &[], IllegalOperation, &[]),
    ]);
}

/// A blocked thread only gets a context that is ready.
#[test]
fn a_blocked_thread_needs_a_context_that_is_ready() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(10, ep, reply);
    let raw = m.sized(ObjectType::SchedContext, 8);
    m.fails(raw, Label::SchedContextBind, &[], &[server.cap], IllegalOperation, &[]);
    m.fails(OWN_TCB, Label::TcbUnbindNotification, &[], &[], IllegalOperation, &[]);
    let none = m.free_slot();
    let params = Label::TcbSetSchedParams;
    m.fails(server.cap, params, &[10, 10], &[OWN_TCB, raw, none], IllegalOperation, &[]);
    m.configure_context(raw, 30, 100);
    m.ok(raw, Label::SchedContextBind, &[], &[server.cap]);
    // One that is used up until later.
    let spender = m.thread(20);
    m.configure_context(spender.context, 30, 1_000);
    m.ok(spender.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    assert_eq!(m.current(), spender.tcb);
    m.tick(30 * TICKS_PER_US);
    assert_eq!((m.current(), spender.tcb.queued.get()), (m.root, Queued::Release));
    m.root_priority(255);
    m.ok(spender.context, Label::SchedContextUnbind, &[], &[]);
    m.ok(server.context, Label::SchedContextUnbind, &[], &[]);
    m.ok(raw, Label::SchedContextUnbind, &[], &[]);
    m.fails(spender.context, Label::SchedContextBind, &[], &[server.cap], IllegalOperation, &[]);
    // A running thread takes it, and waits for the replenishment.
    let runner = m.thread_without_context(3);
    m.ok(runner.cap, Label::TcbResume, &[], &[]);
    m.ok(spender.context, Label::SchedContextBind, &[], &[runner.cap]);
    assert_eq!(runner.tcb.queued.get(), Queued::Release);
}

/// A thread that runs without a configured context is scheduled once it is configured.
#[test]
fn configuring_starts_a_thread() {
    let mut m = Machine::new();
    let context = m.sized(ObjectType::SchedContext, 8);
    let thread = m.thread_without_context(254);
    m.ok(context, Label::SchedContextBind, &[], &[thread.cap]);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    assert_eq!(thread.tcb.queued.get(), Queued::No);
    m.configure_context(context, 1_000, 1_000);
    assert_eq!(thread.tcb.queued.get(), Queued::Ready);
    m.root_priority(0);
    assert_eq!(m.current(), thread.tcb);
}

/// Consumed reports what was charged and starts again.
#[test]
fn consumed_time_is_reported_once() {
    let mut m = Machine::new();
    let thread = m.started(20);
    m.root_priority(0);
    assert_eq!(m.current(), thread.tcb);
    arch::advance(777_000);
    m.ok_switching(OWN_TCB, Label::TcbSetPriority, &[255], &[OWN_TCB]);
    assert_eq!(m.current(), m.root);
    assert_eq!(m.ok(thread.context, Label::SchedContextConsumed, &[], &[]), [777]);
    assert_eq!(m.ok(thread.context, Label::SchedContextConsumed, &[], &[]), [0]);
}

/// A new budget keeps what was used of the old one (abi.md 9.7, "update").
#[test]
fn an_update_carries_the_head_over() {
    let mut m = Machine::new();
    let thread = m.thread(20);
    m.configure_full(thread.context, [100, 1_000, 4, 0x77, SCHED_CONTEXT_SPORADIC]);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    arch::advance(40 * TICKS_PER_US);
    m.ok_switching(OWN_TCB, Label::TcbSetPriority, &[255], &[OWN_TCB]);
    assert_eq!(m.current(), m.root);
    let Cap::SchedContext(context) = m.cap(thread.context) else { panic!() };
    assert_eq!(context.object.badge.get(), 0x77);
    assert!(context.object.is_sporadic());
    assert_eq!(context.object.refills().head().amount, 60 * TICKS_PER_US);
    m.configure_context(thread.context, 90, 2_000);
    let (head, tail) = (context.object.refills().head(), context.object.refills().tail());
    assert_eq!((head.amount, tail.amount), (60 * TICKS_PER_US, 30 * TICKS_PER_US));
    assert_eq!(tail.time, head.time + 2_000 * TICKS_PER_US);
    assert!(!context.object.is_sporadic());
}
