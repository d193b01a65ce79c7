//! Time that changes hands: by first phases, by notifications, by faults, and what is charged for it (abi.md 5.4, 9.3,
//! 9.4, 9.6, 10.5).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, MessageInfo, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Endpoint, Notification, SchedContext};
use libsel::{Cap, sys};

use super::code;
use super::crowd::{Deed, roll_entry, roll_is, roll_length};
use super::faulter::{HANDLER_BADGE, registers};
use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Outcome, Test, check, equal, eventually, test, within};
use super::peer;
use super::spans::{self, record};
use super::thread::{Options, Thread};

/// Label of a timeout message.
const TIMEOUT: Word = 5;

fn no_words(label: Word) -> MessageInfo {
    MessageInfo::new(label, 0, 0, 0)
}

/// A protection domain as Microkit has them: waits with NBSendRecv for whatever comes, logs the badge, or for a call the
/// label; runs for as many microseconds as shared word 3 says, and answers. Endpoint and reply object as for all peers.
extern "C" fn protection_domain(_: Word) {
    let (endpoint, reply) = (shared(0).load(Relaxed), shared(1).load(Relaxed));
    let mut seen = sys::recv(endpoint, reply);
    loop {
        let called = seen.badge == 0;
        log(if called { 1000 + seen.info.label() } else { seen.badge });
        record(0).run(shared(3).load(Relaxed), u64::MAX);
        // Where there is nobody to answer, the first phase does nothing.
        let answer = if called { reply } else { 0 };
        seen = sys::nb_send_recv(answer, no_words(7), [0; 4], endpoint, reply);
    }
}

/// A passive protection domain: its time is bound to its thread and its notification, and parked with the latter.
struct Passive {
    thread: Thread,
    signal: Cap<Notification>,
    endpoint: Cap<Endpoint>,
}

fn passive(t: &mut Fixture<'_>) -> Outcome<Passive> {
    spans::reset(t.machine.ticks_per_us);
    let peers = t.peers()?;
    let notification = t.notification()?;
    let signal = t.mint(notification, CapRights::ALL, 0x40)?;
    let thread = t.spawn(Options::default(), protection_domain, 0)?;
    thread.tcb.bind_notification(notification)?;
    t.settle()?;
    thread.sched_context.bind_notification(notification)?;
    // It gives its time up when it blocks the next time.
    signal.signal();
    t.settle()?;
    log_is(&[0x40])?;
    Ok(Passive { thread, signal, endpoint: peers.endpoint })
}

/// A client with a budget that calls a passive server which runs for `us`; the client has the test for its timeout
/// handler. The server logs 1 when it has run, the client logs 2.
fn exhausting(t: &mut Fixture<'_>, us: u64) -> libsel::Result<(Thread, Thread, Cap<Endpoint>)> {
    extern "C" fn serve(us: Word) {
        let (endpoint, reply) = (shared(0).load(Relaxed), shared(1).load(Relaxed));
        sys::recv(endpoint, reply);
        record(0).run(us, u64::MAX);
        log(1);
        sys::reply_recv(endpoint, no_words(0), [0; 4], reply);
    }
    extern "C" fn call(_: Word) {
        sys::call(shared(0).load(Relaxed), no_words(0), [0; 4]);
        log(2);
    }
    spans::reset(t.machine.ticks_per_us);
    t.peers()?;
    let server = t.spawn(Options::at_priority(110), serve, us)?;
    t.settle()?;
    server.sched_context.unbind_thread(server.tcb)?;
    let handler = t.endpoint()?;
    let badged = t.mint(handler, CapRights::ALL, HANDLER_BADGE)?;
    let options = Options { sched_badge: 0x55, ..Options::with_budget(300, 2000) };
    let client = t.prepare(options, call, 0)?;
    client.tcb.set_timeout_endpoint(badged)?;
    client.tcb.resume()?;
    Ok((server, client, handler))
}

/// Donation.
pub const TESTS: &[Test] = &[
    test("DONATE0001", "a message of the first phase gives the sender's time away for good", |t| {
        for call in [Syscall::NbSendRecv, Syscall::NbSendWait] {
            let (endpoint, own, crowd) = (t.endpoint()?, t.endpoint()?, t.crowd(2)?);
            let reply = t.reply()?.cptr();
            crowd.start(0, 20, Deed::new(Syscall::Wait, endpoint.cptr()))?;
            crowd.settle();
            crowd.sched_context(0).unbind_thread(crowd.tcb(0))?;
            // NBSendRecv sends to r13, NBSendWait to r12.
            let deed = Deed { reply, ..Deed::new(call, own.cptr()) };
            let deed =
                if call == Syscall::NbSendWait { Deed { reply: endpoint.cptr(), ..deed } } else { deed };
            crowd.start_with_r13(1, 10, deed, endpoint.cptr())?;
            crowd.settle();
            roll_is([0].into_iter())?;
            // The sender waits without time: a message is received, but it does not go on.
            own.send(1, &[], &[]);
            crowd.settle();
            roll_is([0].into_iter())?;
            crowd.sched_context(0).bind(crowd.tcb(1))?;
            crowd.settle();
            roll_is([0, 1].into_iter())?;
            // What it gave away is bound to the receiver.
            crowd.sched_context(1).unbind_thread(crowd.tcb(0))?;
            t.threads = 0;
        }
        Ok(())
    }),
    test("DONATE0002", "send and non-blocking send give no time away", |t| {
        for call in [Syscall::Send, Syscall::NbSend] {
            let (endpoint, crowd) = (t.endpoint()?, t.crowd(2)?);
            crowd.start(0, 20, Deed::new(Syscall::Wait, endpoint.cptr()))?;
            crowd.settle();
            crowd.sched_context(0).unbind_thread(crowd.tcb(0))?;
            crowd.start(1, 10, Deed::new(call, endpoint.cptr()))?;
            crowd.settle();
            roll_is([1].into_iter())?;
            crowd.sched_context(0).bind(crowd.tcb(0))?;
            crowd.settle();
            roll_is([1, 0].into_iter())?;
            t.threads = 0;
        }
        Ok(())
    }),
    test("DONATE0003", "a first phase does not give time to a receiver that has some", |t| {
        let (endpoint, own, crowd) = (t.endpoint()?, t.endpoint()?, t.crowd(2)?);
        let reply = t.reply()?.cptr();
        crowd.start(0, 20, Deed::new(Syscall::Wait, endpoint.cptr()))?;
        let deed = Deed { reply, ..Deed::new(Syscall::NbSendRecv, own.cptr()) };
        crowd.start_with_r13(1, 10, deed, endpoint.cptr())?;
        crowd.settle();
        own.send(1, &[], &[]);
        crowd.settle();
        roll_is([0, 1].into_iter())
    }),
    test("DONATE0004", "a queued call is received by a thread with time, and keeps its own", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(2)?);
        let reply = t.reply()?;
        crowd.start(1, 10, Deed::new(Syscall::Call, endpoint.cptr()))?;
        crowd.settle();
        crowd.start(0, 20, Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, endpoint.cptr()) })?;
        crowd.settle();
        roll_is([0].into_iter())?;
        reply.reply(0, &[], &[]);
        crowd.settle();
        roll_is([0, 1].into_iter())
    }),
    test("DONATE0005", "a passive domain runs on its parked time when it is signalled", |t| {
        let passive = passive(t)?;
        for round in 2..5 {
            passive.signal.signal();
            t.settle()?;
            equal(shared(31).load(Relaxed), round)?;
        }
        log_is(&[0x40; 4])
    }),
    test("DONATE0006", "a passive domain runs on its caller's time when it is called", |t| {
        let passive = passive(t)?;
        shared(3).store(400, Relaxed);
        passive.thread.sched_context.consumed()?;
        let caller = t.spawn(Options::default(), peer::call, 5)?;
        caller.join();
        t.settle()?;
        log_is(&[0x40, 1005, 5])?;
        within(passive.thread.sched_context.consumed()?, 0..=20, "microseconds of the domain")?;
        within(caller.sched_context.consumed()?, 390..=100_000, "microseconds of the caller")
    }),
    test("DONATE0007", "signals during a call are taken on the domain's own time afterwards", |t| {
        let passive = passive(t)?;
        shared(3).store(300, Relaxed);
        t.spawn(Options::default(), peer::call, 5)?;
        t.sleep_us(100)?;
        log_is(&[0x40, 1005])?;
        passive.signal.signal();
        t.settle()?;
        // The answer wakes the caller, an equal, which goes behind the domain.
        log_is(&[0x40, 1005, 0x40, 5])?;
        passive.signal.signal();
        t.settle()?;
        log_is(&[0x40, 1005, 0x40, 5, 0x40])
    }),
    test("DONATE0008", "a call during a signal waits until the domain blocks, and brings its time", |t| {
        let passive = passive(t)?;
        shared(3).store(300, Relaxed);
        passive.signal.signal();
        t.sleep_us(100)?;
        let answer = passive.endpoint.call(6, &[], &[]);
        equal(answer.label(), 7)?;
        log_is(&[0x40, 0x40, 1006])
    }),
    test("DONATE0009", "parked time that is unbound from the notification is the thread's no more", |t| {
        let passive = passive(t)?;
        passive.thread.sched_context.unbind()?;
        passive.signal.signal();
        t.settle()?;
        log_is(&[0x40])?;
        passive.thread.sched_context.bind(passive.thread.tcb)?;
        t.settle()?;
        log_is(&[0x40, 0x40])
    }),
    test("DONATE0010", "a notification that is deleted with parked time leaves the time to nobody", |t| {
        let passive = passive(t)?;
        at(passive.signal).delete()?;
        let answer = passive.endpoint.call(6, &[], &[]);
        equal(answer.label(), 7)?;
        // Free: it can be bound again.
        Ok(passive.thread.sched_context.bind(passive.thread.tcb)?)
    }),
    test("DONATE0011", "the waiter of a notification with time keeps it until it waits there again", |t| {
        let (notification, other, crowd) = (t.notification()?, t.notification()?, t.crowd(2)?);
        crowd.start(0, 20, Deed::new(Syscall::Wait, notification.cptr()))?;
        crowd.start(1, 20, Deed::new(Syscall::Wait, notification.cptr()))?;
        crowd.settle();
        for index in 0..2 {
            crowd.sched_context(index).unbind_thread(crowd.tcb(index))?;
        }
        crowd.sched_context(0).bind_notification(notification)?;
        notification.signal();
        crowd.settle();
        // One of them has run, has ended by suspending itself, and still has the time.
        equal(roll_length(), 1)?;
        notification.signal();
        other.signal();
        crowd.settle();
        equal(roll_length(), 1)?;
        let first = roll_entry(0).0;
        crowd.sched_context(0).unbind_thread(crowd.tcb(first))?;
        crowd.sched_context(0).bind(crowd.tcb(1 - first))?;
        crowd.settle();
        equal(roll_length(), 2)
    }),
    test("DONATE0012", "a server that uses up its client's budget waits for the client's period", |t| {
        eventually(|| {
            let before = t.threads;
            shared(31).store(0, Relaxed);
            let (_, client, _) = exhausting(t, 500)?;
            client.tcb.set_timeout_endpoint(Cap::NULL)?;
            client.join();
            t.threads = before;
            log_is(&[1, 2])?;
            record(0).has(2)?;
            let ticks_per_us = t.machine.ticks_per_us;
            within(record(0).span(0).us(ticks_per_us), 250..=300, "microseconds of the first budget")?;
            let pause = (record(0).span(1).start - record(0).span(0).end) / ticks_per_us;
            within(pause, 1600..=1800, "microseconds until the next")
        })
    }),
    test(
        "DONATE0013",
        "a timeout in the middle of a call has the client's badge and stops the server",
        |t| {
            let (server, client, handler) = exhausting(t, 500)?;
            // The server has no timeout handler, the client's does not count: the server waits for the next period.
            client.join();
            equal(handler.nb_wait().label(), 0)?;
            check(!server.is_done(), "the server waits for the next call")
        },
    ),
    test("DONATE0014", "the timeout handler of a passive server is told the client's badge", |t| {
        let (server, _, handler) = exhausting(t, 500)?;
        let reply = t.reply()?;
        let badged = t.mint(handler, CapRights::ALL, 0x99)?;
        server.tcb.set_timeout_endpoint(badged)?;
        let message = handler.recv(reply);
        equal((message.badge, message.label(), message.length(), message.word(0)), (0x99, TIMEOUT, 2, 0x55))?;
        within(message.word(1), 270..=320, "microseconds consumed")?;
        // The handler can end the call for the server: the client gets its time back, and a timeout of its own, for
        // what it has is used up.
        Cap::<libsel::cap::Reply>::new(shared(1).load(Relaxed)).reply(0, &[], &[]);
        let message = handler.recv(t.reply()?);
        equal((message.badge, message.label(), message.word(0)), (HANDLER_BADGE, TIMEOUT, 0x55))
    }),
    test(
        "DONATE0015",
        "a client without timeout handler waits for its period when its time comes back",
        |t| {
            let (server, client, handler) = exhausting(t, 500)?;
            let badged = t.mint(handler, CapRights::ALL, 0x99)?;
            server.tcb.set_timeout_endpoint(badged)?;
            client.tcb.set_timeout_endpoint(Cap::NULL)?;
            equal(handler.recv(t.reply()?).badge, 0x99)?;
            Cap::<libsel::cap::Reply>::new(shared(1).load(Relaxed)).reply(0, &[], &[]);
            t.settle()?;
            log_is(&[])?;
            client.join();
            log_is(&[2])
        },
    ),
    test("DONATE0016", "an answered timeout gives no second one although no time is there", |t| {
        let (endpoint, options) = (t.endpoint()?, Options::with_budget(300, 3000));
        let thread = t.bare_thread(options)?;
        thread.tcb.set_timeout_endpoint(endpoint)?;
        thread.tcb.write_registers(true, 20, &registers(&thread, code::spin()))?;
        let reply = t.reply()?;
        equal(endpoint.recv(reply).label(), TIMEOUT)?;
        reply.reply(0, &[], &[]);
        t.sleep_us(500)?;
        equal(endpoint.nb_recv(reply).label(), 0)?;
        t.sleep_us(4000)?;
        equal(endpoint.nb_recv(reply).label(), TIMEOUT)
    }),
    test("DONATE0017", "a fault gives its time to a passive handler, until it is answered", |t| {
        extern "C" fn handle(_: Word) {
            let (endpoint, reply) = (shared(0).load(Relaxed), shared(1).load(Relaxed));
            let seen = sys::recv(endpoint, reply);
            log(seen.info.label());
            let words = [code::ud2(), seen.mrs[1], 0x202, 0];
            let seen = sys::reply_recv(endpoint, MessageInfo::new(0, 0, 0, 3), words, reply);
            log(seen.mrs[0]);
            sys::reply_recv(endpoint, no_words(1), [0; 4], reply);
        }
        let peers = t.peers()?;
        let handler = t.spawn(Options::at_priority(120), handle, 0)?;
        t.settle()?;
        handler.sched_context.unbind_thread(handler.tcb)?;
        let thread = t.bare_thread(Options { fault_endpoint: peers.endpoint, ..Options::default() })?;
        thread.tcb.write_registers(true, 20, &registers(&thread, code::int3()))?;
        t.settle()?;
        log_is(&[3, code::ud2()])
    }),
    test("DONATE0018", "a timeout gives no time to a passive handler", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(1)?);
        let reply = t.reply()?.cptr();
        crowd.start(0, 200, Deed { reply, ..Deed::new(Syscall::Recv, endpoint.cptr()) })?;
        crowd.settle();
        crowd.sched_context(0).unbind_thread(crowd.tcb(0))?;
        let thread = t.bare_thread(Options::with_budget(200, 1000))?;
        thread.tcb.set_timeout_endpoint(endpoint)?;
        thread.tcb.write_registers(true, 20, &registers(&thread, code::spin()))?;
        t.sleep_us(3000)?;
        equal(roll_length(), 0)?;
        crowd.sched_context(0).bind(crowd.tcb(0))?;
        crowd.settle();
        roll_is([0].into_iter())
    }),
    test("DONATE0019", "time that is bound away from a server does not come back with the answer", |t| {
        let peers = t.peers()?;
        let caller = t.spawn(Options::default(), peer::call, 5)?;
        equal(peers.endpoint.recv(peers.reply).label(), 5)?;
        // The test has its own time, so the caller kept its: give it to somebody else.
        caller.sched_context.unbind_thread(caller.tcb)?;
        let other = t.tcb()?;
        caller.sched_context.bind(other)?;
        peers.reply.reply(0, &[9], &[]);
        t.settle()?;
        log_is(&[])?;
        caller.sched_context.unbind_thread(other)?;
        caller.sched_context.bind(caller.tcb)?;
        t.settle()?;
        log_is(&[9])
    }),
    test("DONATE0020", "a blocked thread takes only time that is there now", |t| {
        extern "C" fn yield_and_log(_: Word) {
            sys::yield_();
            log(1);
        }
        let spent = t.spawn(Options::with_budget(100, 50_000), yield_and_log, 0)?;
        t.settle()?;
        spent.sched_context.unbind_thread(spent.tcb)?;
        let peers = t.peers()?;
        let waiter = t.spawn(Options::default(), peer::wait, 2)?;
        t.settle()?;
        waiter.sched_context.unbind_thread(waiter.tcb)?;
        let bind = |sc: Cap<SchedContext>| sc.bind(waiter.tcb);
        equal(bind(spent.sched_context), Err(libsel::Error::IllegalOperation))?;
        let blank: Cap<SchedContext> = t.make(8)?;
        equal(bind(blank), Err(libsel::Error::IllegalOperation))?;
        let params = waiter.tcb.set_sched_params(initial::TCB, 0, 100, spent.sched_context, Cap::NULL);
        equal(params, Err(libsel::Error::IllegalOperation))?;
        // An inactive thread takes any.
        waiter.tcb.suspend()?;
        bind(spent.sched_context)?;
        equal(peers.endpoint.nb_wait().label(), 0)
    }),
];
