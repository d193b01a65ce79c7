//! Who runs, and for how long (abi.md 9.7, 5.4).
use sel_abi::bootinfo::slot;
use sel_abi::{FaultType, Label, Register};

use super::machine::{Machine, NEXT_IP, SYSCALL_IP, TICKS_PER_US, msg};
use super::objects::{OWN_TCB, ROOT, Thread};
use crate::arch;
use crate::cap::Cap;
use crate::object::tcb::{Queued, ThreadState};
use crate::sched::refill::Refill;

const US: u64 = TICKS_PER_US;

/// Started threads of these priorities; the root task is current and has the highest.
fn threads<const N: usize>(m: &mut Machine, priorities: [u64; N]) -> [Thread; N] {
    priorities.map(|priority| m.started(priority))
}

#[test]
fn the_highest_priority_runs() {
    let mut m = Machine::new();
    let [low, high] = threads(&mut m, [10, 30]);
    m.root_priority(20);
    assert_eq!(m.current(), high.tcb);
    m.ok_switching(high.cap, Label::TcbSetPriority, &[15], &[OWN_TCB]);
    assert_eq!(m.current(), m.root);
    m.ok_switching(low.cap, Label::TcbSetPriority, &[25], &[OWN_TCB]);
    assert_eq!(m.current(), low.tcb);
    m.ok_switching(low.cap, Label::TcbSuspend, &[], &[]);
    assert_eq!(m.current(), m.root);
    // A resumed thread of higher priority takes over at once, one of the same priority does not.
    m.ok_switching(low.cap, Label::TcbResume, &[], &[]);
    assert_eq!(m.current(), low.tcb);
    m.ok_switching(high.cap, Label::TcbSetPriority, &[25], &[OWN_TCB]);
    assert_eq!((m.current(), high.tcb.queued.get()), (low.tcb, Queued::Ready));
}

/// Yield and the end of a slice go round among equals.
#[test]
fn equals_take_turns() {
    let mut m = Machine::new();
    let [a, b, c] = threads(&mut m, [10, 10, 10]);
    m.root_priority(0);
    // Resumed below the root task's priority: each went to the head.
    let order = [c, b, a].map(|thread| thread.tcb);
    for turn in 0..6 {
        assert_eq!(m.current(), order[turn % 3]);
        m.yield_now();
    }
    for turn in 0..6 {
        assert_eq!(m.current(), order[turn % 3]);
        m.tick(2_000 * US);
        assert_eq!(m.current(), order[turn % 3], "the slice is not over");
        m.tick(3_000 * US);
    }
}

/// A thread of 1 ms every 10 ms runs for 100 us; then a device's interrupt wakes another one for so long. Returns the
/// machine, the thread and when it began.
fn interrupted_for(us: u64) -> (Machine, Thread, u64) {
    let mut m = Machine::new();
    let (ntfn, handler) = (m.notification(), m.free_slot());
    m.ok(slot::IRQ_CONTROL, Label::X86IrqIssueIrqHandlerIoApic, &[handler, 64, 0, 5, 1, 0, 9], &[ROOT]);
    m.ok(handler, Label::IrqSetIrqHandler, &[], &[ntfn]);
    let (driver, worker) = (m.thread(200), m.thread(100));
    m.configure_context(driver.context, 100_000, 100_000);
    m.configure_context(worker.context, 1_000, 10_000);
    for thread in [&driver, &worker] {
        m.ok(thread.cap, Label::TcbResume, &[], &[]);
    }
    m.root_priority(50);
    m.wait(ntfn);
    assert_eq!(m.current(), worker.tcb);
    let start = arch::now();
    arch::advance(100 * US);
    m.interrupt(0x30 + 9);
    assert_eq!(m.current(), driver.tcb);
    arch::advance(us * US);
    m.wait(ntfn);
    assert_eq!(m.current(), worker.tcb);
    (m, worker, start)
}

/// What is used before and after an interruption comes back together.
#[test]
fn an_interruption_does_not_split_a_budget() {
    let (mut m, worker, start) = interrupted_for(300);
    arch::advance(50 * US);
    m.yield_now();
    let Cap::SchedContext(context) = m.cap(worker.context) else { panic!() };
    let refills = context.object.refills();
    assert_eq!(refills.count.get(), 1);
    assert_eq!(refills.head(), Refill { time: start + 10_000 * US, amount: 1_000 * US });
}

/// Once the first of it has come back, an interrupted budget starts anew: nobody catches up on periods that are over.
#[test]
fn a_long_interruption_is_a_new_start() {
    let (m, worker, _) = interrupted_for(25_000);
    let Cap::SchedContext(context) = m.cap(worker.context) else { panic!() };
    let refills = context.object.refills();
    assert_eq!(refills.head().time, arch::now());
    assert_eq!(refills.tail().time, arch::now(), "all of it is one again");
}

/// A thread that waits and is woken is no interrupted one: what is left starts anew, what was used comes back before.
#[test]
fn a_wait_splits_a_budget() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let worker = m.started(100);
    m.configure_context(worker.context, 1_000, 10_000);
    m.root_priority(50);
    assert_eq!(m.current(), worker.tcb);
    let start = arch::now();
    arch::advance(100 * US);
    m.wait(ntfn);
    arch::advance(300 * US);
    m.signal(ntfn);
    assert_eq!(m.current(), worker.tcb);
    let Cap::SchedContext(context) = m.cap(worker.context) else { panic!() };
    let refills = context.object.refills();
    assert_eq!(refills.head(), Refill { time: arch::now(), amount: 900 * US });
    assert_eq!(refills.tail(), Refill { time: start + 10_000 * US, amount: 100 * US });
}

/// A woken thread of the same priority waits behind the current one.
#[test]
fn a_woken_equal_waits() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let [a, b] = threads(&mut m, [10, 10]);
    m.root_priority(0);
    assert_eq!(m.current(), b.tcb);
    m.wait(ntfn);
    assert_eq!(m.current(), a.tcb);
    m.signal(ntfn);
    assert_eq!((m.current(), b.tcb.queued.get()), (a.tcb, Queued::Ready));
}

/// A used-up budget comes back one period after it was used.
#[test]
fn budgets_run_out_and_come_back() {
    let mut m = Machine::new();
    let thread = m.thread(20);
    m.configure_context(thread.context, 100, 1_000);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    assert_eq!(m.current(), thread.tcb);
    let start = arch::now();
    m.tick(50 * US);
    assert_eq!(m.current(), thread.tcb);
    assert!(arch::timer() <= start + 100 * US && arch::timer() >= start + 98 * US);
    m.tick(50 * US);
    assert_eq!((m.current(), thread.tcb.queued.get()), (m.root, Queued::Release));
    assert!(arch::timer() <= start + 1_000 * US && arch::timer() >= start + 998 * US, "woken by the timer");
    m.tick(899 * US);
    assert_eq!(m.current(), m.root);
    m.tick(US);
    assert_eq!(m.current(), thread.tcb);
}

/// The system call of a thread whose budget is used up is not done, but done again later.
#[test]
fn a_system_call_without_budget_waits() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let thread = m.thread(20);
    m.configure_context(thread.context, 100, 1_000);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    // Less than the least budget of 20 us is left.
    arch::advance(81 * US);
    m.signal(ntfn);
    assert_eq!((m.current(), thread.tcb.state.get()), (m.root, ThreadState::Restart));
    m.poll(ntfn);
    m.tick(1_000 * US);
    assert_eq!((m.current(), thread.tcb.context.get(Register::Rip)), (thread.tcb, SYSCALL_IP));
    m.signal(ntfn);
    assert_eq!(thread.tcb.context.get(Register::Rip), NEXT_IP);
}

/// Yield gives up the budget of the period, and reports only what was used.
#[test]
fn yield_gives_up_the_budget() {
    let mut m = Machine::new();
    let thread = m.thread(20);
    m.configure_context(thread.context, 100, 1_000);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    arch::advance(30 * US);
    m.yield_now();
    assert_eq!((m.current(), thread.tcb.queued.get()), (m.root, Queued::Release));
    assert_eq!(m.ok(thread.context, Label::SchedContextConsumed, &[], &[]), [30]);
    m.tick(1_000 * US);
    assert_eq!((m.current(), thread.tcb.context.get(Register::Rip)), (thread.tcb, NEXT_IP));
}

/// The end of a budget as a fault (abi.md 5.4, A.4).
#[test]
fn timeout_faults() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let handler = m.server(10, ep, reply);
    let thread = m.thread(20);
    m.configure_full(thread.context, [100, 1_000, 0, 0x77, 0]);
    m.ok(thread.cap, Label::TcbSetTimeoutEndpoint, &[], &[ep]);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    m.tick(60 * US);
    m.tick(40 * US);
    assert_eq!(m.current(), handler.tcb);
    let got = m.reply_of(handler.tcb);
    assert_eq!((got.label, got.words), (FaultType::Timeout.raw(), vec![0x77, 100]));
    assert_eq!(
        m.ok(thread.context, Label::SchedContextConsumed, &[], &[]),
        [0],
        "the message was the report"
    );
    // Answered without a new budget it waits for its own; registers of the reply are taken.
    m.reply_recv(ep, reply, msg(0, &[0x50_0000, 0x7000, 0x202]));
    assert_eq!((m.current(), thread.tcb.queued.get()), (m.root, Queued::Release));
    m.tick(1_000 * US);
    assert_eq!((m.current(), thread.tcb.context.get(Register::Rip)), (thread.tcb, 0x50_0000));
    // Yield is no timeout.
    m.yield_now();
    assert_eq!((m.current(), thread.tcb.queued.get()), (m.root, Queued::Release));
    // With another label it stops.
    m.tick(1_000 * US);
    m.tick(100 * US);
    assert_eq!(m.current(), handler.tcb);
    m.reply_recv(ep, reply, msg(1, &[]));
    assert_eq!(thread.tcb.state.get(), ThreadState::Inactive);
}

/// Round robin never raises a timeout fault.
#[test]
fn round_robin_has_no_timeout() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let thread = m.thread(20);
    m.ok(thread.cap, Label::TcbSetTimeoutEndpoint, &[], &[ep]);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    for _ in 0..3 {
        m.tick(5_000 * US);
        assert_eq!(m.current(), thread.tcb);
    }
}

/// A server on lent time: the caller's budget ends, and the server waits with it.
#[test]
fn a_passive_server_spends_the_callers_budget() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(30, ep, reply);
    let client = m.thread(20);
    m.configure_context(client.context, 100, 1_000);
    m.ok(client.cap, Label::TcbResume, &[], &[]);
    m.root_priority(0);
    m.call_ipc(ep, msg(0, &[]));
    assert_eq!(m.current(), server.tcb);
    m.tick(100 * US);
    assert_eq!((m.current(), server.tcb.queued.get()), (m.root, Queued::Release));
    m.tick(1_000 * US);
    assert_eq!(m.current(), server.tcb);
    m.reply_recv(ep, reply, msg(0, &[]));
    assert_eq!(m.current(), client.tcb);
}

/// YieldTo (abi.md 9.7): the target runs, and the caller is told its time when it runs again.
#[test]
fn yielding_to_another_thread() {
    let mut m = Machine::new();
    let [lower, equal] = threads(&mut m, [10, 50]);
    m.ok_switching(OWN_TCB, Label::TcbSetPriority, &[50], &[OWN_TCB]);
    if m.current() != m.root {
        m.yield_now();
    }
    assert_eq!(m.current(), m.root);
    assert_eq!(m.ok(lower.context, Label::SchedContextYieldTo, &[], &[]), [0]);
    m.call_ipc(equal.context, msg(Label::SchedContextYieldTo.raw(), &[]));
    assert_eq!(m.current(), equal.tcb);
    arch::advance(300 * US);
    m.yield_now();
    assert_eq!(m.current(), m.root);
    let got = m.reply_of(m.root);
    assert_eq!((got.badge, got.label, got.words), (0, 0, vec![300]));
}

/// A core without a thread waits for the next replenishment.
#[test]
fn an_idle_core_wakes_up() {
    let mut m = Machine::new();
    let thread = m.thread(20);
    m.configure_context(thread.context, 100, 1_000);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.ok_switching(OWN_TCB, Label::TcbSuspend, &[], &[]);
    assert_eq!(m.current(), thread.tcb);
    let before = arch::now();
    m.tick(100 * US);
    assert_eq!(m.current(), thread.tcb, "nobody else was there meanwhile");
    assert!(arch::now() >= before + 1_000 * US);
}

/// An interrupted thread goes on where it was; a device's interrupt wakes who waits for it.
#[test]
fn an_interrupt_wakes_a_driver() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let handler = m.free_slot();
    let words = [handler, 64, 0, 5, 1, 0, 9];
    m.ok(
        sel_abi::bootinfo::slot::IRQ_CONTROL,
        Label::X86IrqIssueIrqHandlerIoApic,
        &words,
        &[super::objects::ROOT],
    );
    m.ok(handler, Label::IrqSetIrqHandler, &[], &[ntfn]);
    let driver = m.started(30);
    m.run_until(driver.tcb, |m| m.wait(ntfn));
    let worker = m.started(20);
    m.root_priority(0);
    assert_eq!(m.current(), worker.tcb);
    worker.tcb.context.set(Register::Rip, 0x40_1234);
    m.interrupt(0x30 + 9);
    assert_eq!(m.current(), driver.tcb);
    m.wait(ntfn);
    assert_eq!((m.current(), worker.tcb.context.get(Register::Rip)), (worker.tcb, 0x40_1234));
}

/// A waiting interrupt preempts a long operation; who it wakes runs before the operation goes on.
#[test]
fn a_long_operation_lets_others_run() {
    let mut m = Machine::new();
    let thread = m.thread(20);
    m.configure_context(thread.context, 100, 1_000);
    m.ok(thread.cap, Label::TcbResume, &[], &[]);
    m.root_priority(10);
    m.tick(100 * US);
    assert_eq!((m.current(), thread.tcb.queued.get()), (m.root, Queued::Release));
    let pool = m.pool;
    m.preempt_every = 1;
    m.preempted = true;
    arch::advance(1_000 * US);
    m.call_ipc(super::objects::ROOT, msg(Label::CNodeRevoke.raw(), &[pool, 64]));
    assert_eq!(m.current(), thread.tcb, "its budget is back");
    assert_eq!((m.root.state.get(), m.root.context.restart_ip()), (ThreadState::Restart, SYSCALL_IP));
}
