//! Notifications: words, waiters, binding, lent time (abi.md 9.6, A.5).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, Word};
use libsel::bootinfo::initial;
use libsel::cap::Notification;
use libsel::{Cap, sys};

use super::code;
use super::faulter::registers;
use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Test, check, equal, test};
use super::peer;
use super::thread::Options;

/// A notification and capabilities to it with badges 1, 2, 4.
fn badged(t: &mut Fixture<'_>) -> libsel::Result<(Cap<Notification>, [Cap<Notification>; 3])> {
    let notification = t.notification()?;
    let mut caps = [Cap::NULL; 3];
    for (index, cap) in caps.iter_mut().enumerate() {
        *cap = t.mint(notification, CapRights::ALL, 1 << index)?;
    }
    Ok((notification, caps))
}

/// Waits for the notification in shared word 0 and logs `argument` and the word.
extern "C" fn wait_and_log(argument: Word) {
    let word = Cap::<Notification>::new(shared(0).load(Relaxed)).wait();
    log(argument);
    log(word);
}

/// Waits for the notification in shared word 0 three times and logs the word each time.
extern "C" fn wait_three_times(_: Word) {
    for _ in 0..3 {
        log(Cap::<Notification>::new(shared(0).load(Relaxed)).wait());
    }
}

/// Notifications.
pub const TESTS: &[Test] = &[
    test("NTFN0001", "signals are ored until somebody takes the word", |t| {
        let (notification, [one, two, four]) = badged(t)?;
        one.signal();
        four.signal();
        one.signal();
        equal(notification.poll(), 5)?;
        equal(notification.poll(), 0)?;
        two.signal();
        equal(notification.wait(), 2)
    }),
    test("NTFN0002", "a signal without badge wakes with 0", |t| {
        let notification = t.notification()?;
        notification.signal();
        equal(notification.wait(), 0)
    }),
    test("NTFN0003", "a waiter gets the signaller's badge alone", |t| {
        let (notification, [one, two, _]) = badged(t)?;
        shared(0).store(notification.cptr(), Relaxed);
        t.spawn(Options::default(), wait_and_log, 9)?;
        t.settle()?;
        two.signal();
        one.signal();
        t.settle()?;
        log_is(&[9, 2])?;
        equal(notification.poll(), 1)
    }),
    test("NTFN0004", "the waiter of the highest priority is woken first", |t| {
        let (notification, [one, two, four]) = badged(t)?;
        shared(0).store(notification.cptr(), Relaxed);
        for priority in [10, 30, 20] {
            t.spawn(Options::at_priority(priority), wait_and_log, priority)?;
        }
        t.settle()?;
        [one, two, four].into_iter().for_each(|cap| cap.signal());
        t.settle()?;
        log_is(&[30, 1, 20, 2, 10, 4])
    }),
    test("NTFN0005", "a bound notification is received through an endpoint", |t| {
        let (peers, notification) = (t.peers()?, t.notification()?);
        initial::TCB.bind_notification(notification)?;
        t.mint(notification, CapRights::ALL, 0x30)?.signal();
        let seen = peers.endpoint.recv(peers.reply);
        initial::TCB.unbind_notification()?;
        equal((seen.badge, seen.info.0, seen.mrs), (0x30, 0, [0; 4]))
    }),
    test("NTFN0006", "a bound notification interrupts a receive", |t| {
        let (peers, notification) = (t.peers()?, t.notification()?);
        let receiver = t.spawn(Options::default(), peer::receive, 0)?;
        receiver.tcb.bind_notification(notification)?;
        t.settle()?;
        t.mint(notification, CapRights::ALL, 0x30)?.signal();
        receiver.join();
        equal(shared(2).load(Relaxed), 0x30)?;
        // Nobody waits at the endpoint any more.
        peers.endpoint.nb_send(1, &[], &[]);
        equal(shared(3).load(Relaxed), 0)
    }),
    test("NTFN0007", "a bound signal comes before a queued sender", |t| {
        let (peers, notification) = (t.peers()?, t.notification()?);
        t.spawn(Options::default(), peer::send, 6)?;
        t.settle()?;
        initial::TCB.bind_notification(notification)?;
        t.mint(notification, CapRights::ALL, 0x30)?.signal();
        let first = peers.endpoint.recv(peers.reply);
        initial::TCB.unbind_notification()?;
        equal(first.badge, 0x30)?;
        equal(peers.endpoint.recv(peers.reply).label(), 6)
    }),
    test("NTFN0008", "a bound notification can be polled through the endpoint", |t| {
        let (peers, notification) = (t.peers()?, t.notification()?);
        initial::TCB.bind_notification(notification)?;
        let signal = t.mint(notification, CapRights::ALL, 0x30)?;
        signal.signal();
        signal.signal();
        let seen = (peers.endpoint.nb_recv(peers.reply).badge, notification.poll());
        initial::TCB.unbind_notification()?;
        equal(seen, (0x30, 0))
    }),
    test("NTFN0009", "deleting a bound notification unbinds it", |t| {
        let (tcb, notification) = (t.tcb()?, t.notification()?);
        tcb.bind_notification(notification)?;
        at(notification).delete()?;
        let other = t.notification()?;
        Ok(tcb.bind_notification(other)?)
    }),
    test("NTFN0010", "deleting a bound TCB frees the notification", |t| {
        let (tcb, other, notification) = (t.tcb()?, t.tcb()?, t.notification()?);
        tcb.bind_notification(notification)?;
        at(tcb).delete()?;
        Ok(other.bind_notification(notification)?)
    }),
    test("NTFN0011", "a waiter whose notification is deleted waits again, and faults", |t| {
        let faulter = t.faulter(Options::default())?;
        let notification = t.notification()?;
        let mut context = registers(&faulter.thread, code::syscall());
        context
            .set(libsel::abi::Register::Rdx, libsel::abi::Syscall::Wait.raw() as Word)
            .set(libsel::abi::Register::Rdi, notification.cptr());
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        t.settle()?;
        at(notification).delete()?;
        faulter.fault().is(1, &[code::syscall(), notification.cptr(), 1, 2, 0])
    }),
    test("NTFN0012", "a waiter is suspended and waits again when resumed", |t| {
        let (notification, [one, ..]) = badged(t)?;
        shared(0).store(notification.cptr(), Relaxed);
        let thread = t.spawn(Options::default(), wait_and_log, 9)?;
        t.settle()?;
        thread.tcb.suspend()?;
        one.signal();
        t.settle()?;
        log_is(&[])?;
        thread.tcb.resume()?;
        t.settle()?;
        log_is(&[9, 1])
    }),
    test("NTFN0013", "a notification lends its time to the thread that it wakes", |t| {
        let (notification, [one, two, four]) = badged(t)?;
        shared(0).store(notification.cptr(), Relaxed);
        let thread = t.spawn(Options::default(), wait_three_times, 0)?;
        t.settle()?;
        // The thread waits; its context goes to the notification alone.
        thread.sched_context.unbind_thread(thread.tcb)?;
        one.signal();
        t.settle()?;
        log_is(&[])?;
        thread.sched_context.bind(thread.tcb)?;
        t.settle()?;
        log_is(&[1])?;
        thread.sched_context.unbind_thread(thread.tcb)?;
        thread.sched_context.bind_notification(notification)?;
        two.signal();
        t.settle()?;
        four.signal();
        t.settle()?;
        log_is(&[1, 2, 4])
    }),
    test("NTFN0014", "time may be bound to a thread and to its notification at once", |t| {
        let (notification, [one, two, four]) = badged(t)?;
        shared(0).store(notification.cptr(), Relaxed);
        let thread = t.spawn(Options::default(), wait_three_times, 0)?;
        thread.sched_context.bind_notification(notification)?;
        thread.tcb.bind_notification(notification)?;
        t.settle()?;
        for signal in [one, two, four] {
            signal.signal();
            t.settle()?;
        }
        log_is(&[1, 2, 4])?;
        check(thread.is_done(), "the thread has ended on the notification's time")
    }),
    test("NTFN0015", "polling an idle notification changes nothing but the badge", |t| {
        let notification = t.notification()?;
        let seen = sys::nb_wait(notification.cptr());
        equal((seen.badge, seen.info.0, seen.mrs), (0, 0, [0; 4]))
    }),
    test("NTFN0016", "interleaved waits and signals lose nothing", |t| {
        let (notification, [one, two, four]) = badged(t)?;
        shared(0).store(notification.cptr(), Relaxed);
        t.spawn(Options::default(), wait_three_times, 0)?;
        for signal in [one, two, four] {
            signal.signal();
            t.settle()?;
        }
        log_is(&[1, 2, 4])
    }),
];
