//! The checks of SchedControl_ConfigureFlags and of the scheduling contexts' own invocations (abi.md 7.7).

use libsel::abi::{CPtr, Label, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Kind, SchedContext};
use libsel::invoke;
use libsel::{Cap, Error};

use super::fixture::{Fixture, log, log_is};
use super::harness::{Outcome, Test, fails, range, reply_is, test};
use super::peer;
use super::thread::{Options, Thread};

/// Greatest budget and period, in microseconds (abi.md 3.1).
fn max_us(t: &Fixture<'_>) -> Word {
    u64::MAX / t.machine.ticks_per_us / 8
}

/// ConfigureFlags with words and capabilities as they are.
fn configure(t: &Fixture<'_>, words: &[Word], caps: &[CPtr]) -> libsel::Result<()> {
    let control = t.machine.sched_control.cptr();
    invoke::raw(control, Label::SchedControlConfigureFlags.raw(), words, caps).result().map(|_| ())
}

fn send<K: Kind>(context: Cap<K>, label: Label, caps: &[CPtr]) -> libsel::Result<()> {
    invoke::raw(context.cptr(), label.raw(), &[], caps).result().map(|_| ())
}

#[track_caller]
fn illegal(result: libsel::Result<()>) -> Outcome {
    fails(result, Error::IllegalOperation)
}

/// A context that is not configured: never ready.
fn blank(t: &mut Fixture<'_>) -> libsel::Result<Cap<SchedContext>> {
    t.make(8)
}

/// A thread that waits on an endpoint and has no context any more.
fn blocked(t: &mut Fixture<'_>) -> libsel::Result<Thread> {
    t.peers()?;
    let thread = t.spawn(Options::default(), peer::receive, 0)?;
    t.settle()?;
    thread.sched_context.unbind_thread(thread.tcb)?;
    Ok(thread)
}

/// Checks of scheduling contexts.
pub const TESTS: &[Test] = &[
    test("SCCHECK0001", "configure needs five words and a capability", |t| {
        let context = blank(t)?.cptr();
        fails(configure(t, &[100, 100, 0, 0, 0], &[]), Error::TruncatedMessage)?;
        fails(configure(t, &[100, 100, 0, 0], &[context]), Error::TruncatedMessage)
    }),
    test("SCCHECK0002", "budget, then period, have a greatest value", |t| {
        let (context, max) = (blank(t)?.cptr(), max_us(t));
        fails(configure(t, &[max + 1, 1, 0, 0, 0], &[context]), range(20, max))?;
        fails(configure(t, &[1, max + 1, 0, 0, 0], &[context]), range(20, max))?;
        fails(configure(t, &[Word::MAX, Word::MAX, 0, 0, 0], &[context]), range(20, max))?;
        configure(t, &[max, max, 0, 0, 0], &[context])?;
        Ok(configure(t, &[20, max, 0, 0, 0], &[context])?)
    }),
    test("SCCHECK0003", "budget, then period, have a least value", |t| {
        let (context, max) = (blank(t)?.cptr(), max_us(t));
        fails(configure(t, &[19, 100, 0, 0, 0], &[context]), range(20, max))?;
        fails(configure(t, &[100, 19, 0, 0, 0], &[context]), range(20, max))?;
        fails(configure(t, &[0, 0, 0, 0, 0], &[context]), range(20, max))?;
        Ok(configure(t, &[20, 20, 0, 0, 0], &[context])?)
    }),
    test("SCCHECK0004", "a budget is at most its period, before the capability is looked at", |t| {
        fails(configure(t, &[101, 100, 0, 0, 0], &[0]), range(20, 100))
    }),
    test("SCCHECK0005", "only scheduling contexts are configured, before refills are looked at", |t| {
        for other in [t.endpoint()?.cptr(), initial::TCB.cptr(), 0] {
            fails(configure(t, &[100, 100, 1000, 0, 0], &[other]), Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("SCCHECK0006", "extra refills have to fit the object", |t| {
        for (size_bits, most) in [(7, 0), (8, 8), (10, 56), (11, 120)] {
            let context = t.make::<SchedContext>(size_bits)?.cptr();
            fails(configure(t, &[100, 200, most + 1, 0, 0], &[context]), range(0, most))?;
            // Also those that round robin does not use.
            fails(configure(t, &[100, 100, most + 1, 0, 0], &[context]), range(0, most))?;
            configure(t, &[100, 200, most, 0, 0], &[context])?;
        }
        Ok(())
    }),
    test("SCCHECK0007", "bind needs a capability, and a TCB or a notification", |t| {
        let context = t.sched_context(1000, 1000)?;
        fails(send(context, Label::SchedContextBind, &[]), Error::TruncatedMessage)?;
        for other in [t.endpoint()?.cptr(), context.cptr(), 0] {
            fails(send(context, Label::SchedContextBind, &[other]), Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("SCCHECK0008", "a context is bound to one thread", |t| {
        let (context, one, two) = (t.sched_context(1000, 1000)?, t.tcb()?, t.tcb()?);
        context.bind(one)?;
        illegal(context.bind(two))?;
        illegal(context.bind(one))
    }),
    test("SCCHECK0009", "a thread is bound to one context", |t| {
        let (one, two, tcb) = (t.sched_context(1000, 1000)?, t.sched_context(1000, 1000)?, t.tcb()?);
        one.bind(tcb)?;
        illegal(two.bind(tcb))?;
        illegal(two.bind(initial::TCB))
    }),
    test("SCCHECK0010", "a blocked thread is bound only to a context that is ready", |t| {
        let (thread, context) = (blocked(t)?, blank(t)?);
        illegal(context.bind(thread.tcb))?;
        let inactive = t.tcb()?;
        context.bind(inactive)?;
        Ok(thread.sched_context.bind(thread.tcb)?)
    }),
    test("SCCHECK0011", "a context is bound to one notification", |t| {
        let (context, one, two) = (t.sched_context(1000, 1000)?, t.notification()?, t.notification()?);
        context.bind_notification(one)?;
        illegal(context.bind_notification(two))
    }),
    test("SCCHECK0012", "a notification is bound to one context", |t| {
        let (one, two) = (t.sched_context(1000, 1000)?, t.sched_context(1000, 1000)?);
        let notification = t.notification()?;
        one.bind_notification(notification)?;
        illegal(two.bind_notification(notification))
    }),
    test("SCCHECK0013", "unbind refuses the caller's context only", |t| {
        illegal(initial::SCHED_CONTEXT.unbind())?;
        let (context, tcb, notification) = (t.sched_context(1000, 1000)?, t.tcb()?, t.notification()?);
        context.unbind()?;
        context.bind(tcb)?;
        context.bind_notification(notification)?;
        context.unbind()?;
        context.bind(tcb)?;
        Ok(context.bind_notification(notification)?)
    }),
    test("SCCHECK0014", "unbind object needs a capability, and a TCB or a notification", |t| {
        let context = t.sched_context(1000, 1000)?;
        fails(send(context, Label::SchedContextUnbindObject, &[]), Error::TruncatedMessage)?;
        for other in [t.endpoint()?.cptr(), context.cptr(), 0] {
            fails(send(context, Label::SchedContextUnbindObject, &[other]), Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("SCCHECK0015", "unbind object needs the object that is bound", |t| {
        let (context, one, two) = (t.sched_context(1000, 1000)?, t.tcb()?, t.tcb()?);
        illegal(context.unbind_thread(one))?;
        context.bind(one)?;
        illegal(context.unbind_thread(two))?;
        let (bound, other) = (t.notification()?, t.notification()?);
        illegal(context.unbind_notification(bound))?;
        context.bind_notification(bound)?;
        illegal(context.unbind_notification(other))?;
        context.unbind_notification(bound)?;
        Ok(context.unbind_thread(one)?)
    }),
    test("SCCHECK0016", "unbind object refuses the caller", |_| {
        illegal(initial::SCHED_CONTEXT.unbind_thread(initial::TCB))
    }),
    test("SCCHECK0017", "yield-to needs a bound thread", |t| {
        illegal(t.sched_context(1000, 1000)?.yield_to().map(|_| ()))
    }),
    test("SCCHECK0018", "yield-to refuses the caller", |_| {
        illegal(initial::SCHED_CONTEXT.yield_to().map(|_| ()))
    }),
    test("SCCHECK0019", "yield-to refuses a thread whose priority is above the caller's MCP", |t| {
        extern "C" fn yield_to(context: Word) {
            let result = Cap::<SchedContext>::new(context).yield_to();
            log(u64::from(result == Err(Error::IllegalOperation)));
        }
        let (target, context) = (t.tcb()?, t.sched_context(1000, 1000)?);
        target.set_priority(initial::TCB, 120)?;
        context.bind(target)?;
        for mcp in [119, 120] {
            t.spawn(Options { mcp, ..Options::default() }, yield_to, context.cptr())?.join();
        }
        log_is(&[1, 0])
    }),
    test("SCCHECK0020", "consumed and yield-to answer one word", |t| {
        let (target, context) = (t.tcb()?, t.sched_context(1000, 1000)?);
        context.bind(target)?;
        for label in [Label::SchedContextConsumed, Label::SchedContextYieldTo] {
            reply_is(invoke::raw(context.cptr(), label.raw(), &[], &[]), 0, &[0])?;
        }
        Ok(())
    }),
];
