//! Scheduling contexts and their control: errors, binding, consumed time (abi.md 7.7, A.1, A.2).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{Label, MessageInfo, SCHED_CONTEXT_SPORADIC, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Kind, SchedContext};
use libsel::invoke;
use libsel::rt::ticks as now;
use libsel::{Cap, Error, sys};

use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Test, check, equal, eventually, fails, range, reply_is, test, within};
use super::thread::{Options, Thread};

/// Greatest budget and period, in microseconds (abi.md 3.1).
fn max_us(t: &Fixture<'_>) -> Word {
    u64::MAX / t.machine.ticks_per_us / 8
}

/// ConfigureFlags without badge and flags.
fn configure<K: Kind>(
    t: &Fixture<'_>,
    sc: Cap<K>,
    budget: Word,
    period: Word,
    extra: Word,
) -> libsel::Result<()> {
    t.machine.sched_control.configure_flags(sc.cast(), budget, period, extra, 0, 0)
}

/// A scheduling context of 2^`size_bits` bytes that is not configured.
fn blank(t: &mut Fixture<'_>, size_bits: Word) -> libsel::Result<Cap<SchedContext>> {
    t.make(size_bits)
}

/// Looks at the clock until `us` microseconds have passed; ticks in a microsecond are in shared word 0.
extern "C" fn spin_us(us: Word) {
    let end = now() + us * shared(0).load(Relaxed);
    while now() < end {}
}

extern "C" fn log_argument(argument: Word) {
    log(argument);
}

/// Waits for the end of a thread, which is then of no further use; what it consumed.
fn consumed_at_end(t: &mut Fixture<'_>, thread: Thread) -> libsel::Result<Word> {
    thread.join();
    thread.tcb.suspend()?;
    // The next thread gets its stack.
    t.threads -= 1;
    thread.sched_context.consumed()
}

/// Scheduling contexts.
pub const TESTS: &[Test] = &[
    test("SC0001", "budgets below 20 us are out of range", |t| {
        let sc = blank(t, 8)?;
        fails(configure(t, sc, 19, 100, 0), range(20, max_us(t)))?;
        fails(configure(t, sc, 19, 19, 0), range(20, max_us(t)))?;
        Ok(configure(t, sc, 20, 20, 0)?)
    }),
    test("SC0002", "a budget is at most its period", |t| {
        let sc = blank(t, 8)?;
        fails(configure(t, sc, 100, 50, 0), range(20, 50))
    }),
    test("SC0003", "budget and period have a greatest value", |t| {
        let (sc, max) = (blank(t, 8)?, max_us(t));
        fails(configure(t, sc, max + 1, max + 1, 0), range(20, max))?;
        fails(configure(t, sc, 20, max + 1, 0), range(20, max))?;
        Ok(configure(t, sc, max, max, 0)?)
    }),
    test("SC0004", "extra refills are limited by the object's size", |t| {
        for (size_bits, most) in [(7, 0), (8, 8), (9, 24), (12, 248)] {
            let sc = blank(t, size_bits)?;
            fails(configure(t, sc, 100, 200, most + 1), range(0, most))?;
            configure(t, sc, 100, 200, most)?;
        }
        Ok(())
    }),
    test("SC0005", "only scheduling contexts are configured", |t| {
        let endpoint = t.endpoint()?;
        fails(configure(t, endpoint, 100, 100, 0), Error::InvalidCapability(1))
    }),
    test("SC0006", "sched control checks label, capability, words", |t| {
        let (control, sc) = (t.machine.sched_control.cptr(), blank(t, 8)?.cptr());
        let label = Label::SchedControlConfigureFlags.raw();
        let wrong = invoke::raw(control, Label::SchedContextBind.raw(), &[], &[]);
        fails(wrong.result(), Error::IllegalOperation)?;
        fails(invoke::raw(control, label, &[100; 5], &[]).result(), Error::TruncatedMessage)?;
        fails(invoke::raw(control, label, &[100; 4], &[sc]).result(), Error::TruncatedMessage)
    }),
    test("SC0007", "binding takes a TCB or a notification", |t| {
        let (sc, endpoint) = (t.sched_context(1000, 1000)?, t.endpoint()?);
        fails(sc.bind(endpoint.cast()), Error::InvalidCapability(1))?;
        let reply = invoke::raw(sc.cptr(), Label::SchedContextBind.raw(), &[], &[]);
        fails(reply.result(), Error::TruncatedMessage)
    }),
    test("SC0008", "a thread and a context are bound once", |t| {
        let (sc, other_sc) = (t.sched_context(1000, 1000)?, t.sched_context(1000, 1000)?);
        let (tcb, other_tcb) = (t.tcb()?, t.tcb()?);
        fails(sc.unbind_thread(tcb), Error::IllegalOperation)?;
        sc.bind(tcb)?;
        fails(sc.bind(tcb), Error::IllegalOperation)?;
        fails(sc.bind(other_tcb), Error::IllegalOperation)?;
        fails(other_sc.bind(tcb), Error::IllegalOperation)?;
        sc.unbind_thread(tcb)?;
        other_sc.bind(tcb)?;
        other_sc.unbind()?;
        Ok(sc.bind(tcb)?)
    }),
    test("SC0009", "a notification and a context are bound once", |t| {
        let (sc, other_sc) = (t.sched_context(1000, 1000)?, t.sched_context(1000, 1000)?);
        let (one, two) = (t.notification()?, t.notification()?);
        sc.bind_notification(one)?;
        fails(sc.bind_notification(two), Error::IllegalOperation)?;
        fails(other_sc.bind_notification(one), Error::IllegalOperation)?;
        fails(sc.unbind_notification(two), Error::IllegalOperation)?;
        sc.unbind_notification(one)?;
        Ok(other_sc.bind_notification(one)?)
    }),
    test("SC0010", "unbinding an object takes a TCB or a notification", |t| {
        let (sc, endpoint) = (t.sched_context(1000, 1000)?, t.endpoint()?);
        fails(sc.unbind_thread(endpoint.cast()), Error::InvalidCapability(1))?;
        let reply = invoke::raw(sc.cptr(), Label::SchedContextUnbindObject.raw(), &[], &[]);
        fails(reply.result(), Error::TruncatedMessage)
    }),
    test("SC0011", "a thread does not unbind its own context", |_| {
        fails(initial::SCHED_CONTEXT.unbind(), Error::IllegalOperation)?;
        fails(initial::SCHED_CONTEXT.unbind_thread(initial::TCB), Error::IllegalOperation)
    }),
    test("SC0012", "yielding to the own or an unbound context is illegal", |t| {
        let sc = t.sched_context(1000, 1000)?;
        fails(initial::SCHED_CONTEXT.yield_to(), Error::IllegalOperation)?;
        fails(sc.yield_to(), Error::IllegalOperation)
    }),
    test("SC0013", "yielding to an inactive thread returns at once", |t| {
        let (sc, tcb) = (t.sched_context(1000, 1000)?, t.tcb()?);
        sc.bind(tcb)?;
        reply_is(invoke::raw(sc.cptr(), Label::SchedContextYieldTo.raw(), &[], &[]), 0, &[0])
    }),
    test("SC0014", "yielding to a thread above the caller's MCP is illegal", |t| {
        extern "C" fn yield_to(sc: Word) {
            let result = Cap::<SchedContext>::new(sc).yield_to();
            log(u64::from(result == Err(Error::IllegalOperation)));
        }
        let target = t.prepare(Options::at_priority(120), log_argument, 7)?;
        let caller = Options { mcp: 119, ..Options::default() };
        t.spawn(caller, yield_to, target.sched_context.cptr())?.join();
        log_is(&[1])
    }),
    test("SC0015", "yielding to a thread of the same priority runs it first", |t| {
        extern "C" fn yield_to(sc: Word) {
            log(1);
            let consumed = Cap::<SchedContext>::new(sc).yield_to();
            log(if consumed.is_ok() { 3 } else { 99 });
        }
        let caller = Options { mcp: 100, ..Options::default() };
        let first = t.spawn(Options::default(), log_argument, 2)?;
        // The thread resumed last runs first.
        let caller = t.spawn(caller, yield_to, first.sched_context.cptr())?;
        caller.join();
        log_is(&[1, 2, 3])
    }),
    test("SC0016", "consumed time is what the thread ran, and is reported once", |t| {
        shared(0).store(t.machine.ticks_per_us, Relaxed);
        let thread = t.spawn(Options::default(), spin_us, 3000)?;
        thread.join();
        t.settle()?;
        within(thread.sched_context.consumed()?, 2800..=1_000_000, "microseconds consumed")?;
        equal(thread.sched_context.consumed()?, 0)
    }),
    test("SC0017", "the own consumed time is one word", |_| {
        let reply = invoke::raw(initial::SCHED_CONTEXT.cptr(), Label::SchedContextConsumed.raw(), &[], &[]);
        equal((reply.label(), reply.length()), (0, 1))
    }),
    test("SC0018", "a label of another object is an illegal operation", |t| {
        let sc = t.sched_context(1000, 1000)?;
        fails(invoke::raw(sc.cptr(), Label::TcbResume.raw(), &[], &[]).result(), Error::IllegalOperation)
    }),
    test("SC0019", "a thread without a context runs when it gets one", |t| {
        let none = Options { budget_us: 0, ..Options::default() };
        let thread = t.spawn(none, log_argument, 5)?;
        t.settle()?;
        log_is(&[])?;
        let sc = t.sched_context(1000, 1000)?;
        sc.bind(thread.tcb)?;
        thread.join();
        log_is(&[5])
    }),
    test("SC0020", "a thread stops when its context is deleted", |t| {
        let thread = t.prepare(Options::default(), log_argument, 5)?;
        thread.tcb.resume()?;
        at(thread.sched_context).delete()?;
        t.settle()?;
        log_is(&[])?;
        let sc = t.sched_context(1000, 1000)?;
        sc.bind(thread.tcb)?;
        t.settle()?;
        log_is(&[5])
    }),
    test("SC0021", "an unconfigured context gives no time until it is configured", |t| {
        let none = Options { budget_us: 0, ..Options::default() };
        let thread = t.spawn(none, log_argument, 5)?;
        let sc = blank(t, 8)?;
        sc.bind(thread.tcb)?;
        t.settle()?;
        check(!thread.is_done(), "the thread does not run")?;
        configure(t, sc, 1000, 1000, 0)?;
        thread.join();
        log_is(&[5])
    }),
    test("SC0022", "a passive server's time is its caller's", |t| {
        extern "C" fn serve_slowly(endpoint: Word) {
            let reply = shared(1).load(Relaxed);
            sys::recv(endpoint, reply);
            spin_us(2000);
            sys::reply_recv(endpoint, MessageInfo::default(), [0; 4], reply);
        }
        extern "C" fn call(endpoint: Word) {
            sys::call(endpoint, MessageInfo::default(), [0; 4]);
        }
        shared(0).store(t.machine.ticks_per_us, Relaxed);
        let (endpoint, reply) = (t.endpoint()?, t.reply()?);
        shared(1).store(reply.cptr(), Relaxed);
        let server = t.spawn(Options::default(), serve_slowly, endpoint.cptr())?;
        t.settle()?;
        server.sched_context.unbind_thread(server.tcb)?;
        server.sched_context.consumed()?;
        let caller = t.spawn(Options::default(), call, endpoint.cptr())?;
        caller.join();
        t.settle()?;
        equal(server.sched_context.consumed()?, 0)?;
        within(caller.sched_context.consumed()?, 1900..=1_000_000, "microseconds of the caller")
    }),
    test("SC0023", "a sporadic context keeps its budget and its period", |t| {
        let sporadic = Options { sched_flags: SCHED_CONTEXT_SPORADIC, ..Options::with_budget(500, 4000) };
        let sporadic = Options { extra_refills: 4, ..sporadic };
        shared(0).store(t.machine.ticks_per_us, Relaxed);
        eventually(|| {
            let before = now();
            let thread = t.spawn(sporadic, spin_us, 10_000)?;
            let consumed = consumed_at_end(t, thread)?;
            let us = (now() - before) / t.machine.ticks_per_us;
            // One period more may have begun.
            within(consumed, 900..=us / 8 + 750, "microseconds consumed")
        })
    }),
    test("SC0024", "a smaller budget counts at once", |t| {
        shared(0).store(t.machine.ticks_per_us, Relaxed);
        eventually(|| {
            let thread = t.spawn(Options::with_budget(4000, 4000), spin_us, 8000)?;
            configure(t, thread.sched_context, 200, 4000, 0)?;
            // 8 ms are two periods, and one more may have begun.
            within(consumed_at_end(t, thread)?, 200..=800, "microseconds consumed in 8 ms")
        })
    }),
];
