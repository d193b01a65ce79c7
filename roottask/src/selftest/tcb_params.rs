//! What the other TCB invocations check: registers, priorities, scheduling parameters, handlers, notifications, flags
//! (abi.md 7.3).

use libsel::abi::{CPtr, CapRights, Label, Register, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Endpoint, SchedContext, Tcb};
use libsel::invoke;
use libsel::ipc::Message;
use libsel::{Cap, Error};

use super::fixture::Fixture;
use super::harness::{Outcome, Test, equal, fails, range, test};
use super::peer;
use super::thread::{Options, Thread};

fn send(tcb: Cap<Tcb>, label: Label, words: &[Word], caps: &[CPtr]) -> libsel::Result<Message> {
    invoke::raw(tcb.cptr(), label.raw(), words, caps).result()
}

#[track_caller]
fn truncated(tcb: Cap<Tcb>, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(send(tcb, label, words, caps), Error::TruncatedMessage)
}

/// The arguments of SetSchedParams, as they would be accepted.
#[derive(Clone, Copy)]
struct Params {
    tcb: Cap<Tcb>,
    authority: CPtr,
    mcp: Word,
    priority: Word,
    context: CPtr,
    handler: CPtr,
}

impl Params {
    fn new(t: &mut Fixture<'_>) -> libsel::Result<Self> {
        let authority = t.tcb()?;
        authority.set_mc_priority(initial::TCB, 100)?;
        Ok(Params {
            tcb: t.tcb()?,
            authority: authority.cptr(),
            mcp: 100,
            priority: 100,
            context: t.sched_context(1000, 1000)?.cptr(),
            handler: t.endpoint()?.cptr(),
        })
    }

    fn set(&self) -> libsel::Result<Message> {
        let caps = [self.authority, self.context, self.handler];
        send(self.tcb, Label::TcbSetSchedParams, &[self.mcp, self.priority], &caps)
    }
}

/// A thread that waits on an endpoint and has no scheduling context any more.
fn blocked(t: &mut Fixture<'_>) -> libsel::Result<Thread> {
    t.peers()?;
    let thread = t.spawn(Options::default(), peer::receive, 0)?;
    t.settle()?;
    thread.sched_context.unbind_thread(thread.tcb)?;
    Ok(thread)
}

/// A scheduling context without a budget.
fn not_ready(t: &mut Fixture<'_>) -> libsel::Result<Cap<SchedContext>> {
    t.make(8)
}

/// Parameters of threads.
pub const TESTS: &[Test] = &[
    test("PARAM0001", "reading registers needs two words", |t| {
        let tcb = t.tcb()?;
        truncated(tcb, Label::TcbReadRegisters, &[0], &[])?;
        truncated(tcb, Label::TcbReadRegisters, &[], &[])
    }),
    test("PARAM0002", "the count of a read is checked before the target", |_| {
        fails(send(initial::TCB, Label::TcbReadRegisters, &[0, 0], &[]), range(1, 20))?;
        fails(send(initial::TCB, Label::TcbReadRegisters, &[0, 21], &[]), range(1, 20))?;
        fails(send(initial::TCB, Label::TcbReadRegisters, &[0, 1], &[]), Error::IllegalOperation)
    }),
    test("PARAM0003", "writing registers needs as many words as it says", |t| {
        let tcb = t.tcb()?;
        truncated(tcb, Label::TcbWriteRegisters, &[0], &[])?;
        truncated(tcb, Label::TcbWriteRegisters, &[0, 3, 1, 2], &[])?;
        truncated(initial::TCB, Label::TcbWriteRegisters, &[0, Word::MAX, 1], &[])?;
        send(tcb, Label::TcbWriteRegisters, &[0, 0], &[])?;
        fails(send(initial::TCB, Label::TcbWriteRegisters, &[0, 0], &[]), Error::IllegalOperation)
    }),
    test("PARAM0004", "copying registers needs flags and a TCB", |t| {
        let (tcb, endpoint) = (t.tcb()?, t.endpoint()?.cptr());
        truncated(tcb, Label::TcbCopyRegisters, &[], &[initial::TCB.cptr()])?;
        truncated(tcb, Label::TcbCopyRegisters, &[0], &[])?;
        for source in [endpoint, 0] {
            fails(send(tcb, Label::TcbCopyRegisters, &[0], &[source]), Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("PARAM0005", "copying registers to the caller is allowed", |t| {
        let tcb = t.tcb()?;
        tcb.set_tls_base(0x5000)?;
        let before = initial::TCB.copy_registers(tcb, invoke::CopyFlags::default());
        Ok(before?)
    }),
    test("PARAM0006", "a priority needs a word and an authority", |t| {
        let tcb = t.tcb()?;
        for label in [Label::TcbSetPriority, Label::TcbSetMcPriority] {
            truncated(tcb, label, &[], &[initial::TCB.cptr()])?;
            truncated(tcb, label, &[1], &[])?;
        }
        Ok(())
    }),
    test("PARAM0007", "the authority is a TCB, and is checked before the priority", |t| {
        let (tcb, endpoint) = (t.tcb()?, t.endpoint()?.cptr());
        for label in [Label::TcbSetPriority, Label::TcbSetMcPriority] {
            for authority in [endpoint, 0] {
                fails(send(tcb, label, &[256], &[authority]), Error::InvalidCapability(1))?;
            }
        }
        Ok(())
    }),
    test("PARAM0008", "the authority's MCP limits priority and MCP, whatever the thread's own", |t| {
        let params = Params::new(t)?;
        let authority = Cap::<Tcb>::new(params.authority);
        for label in [Label::TcbSetPriority, Label::TcbSetMcPriority] {
            let set = |value, authority: Cap<Tcb>| send(params.tcb, label, &[value], &[authority.cptr()]);
            fails(set(101, authority), range(0, 100))?;
            fails(set(256, initial::TCB), range(0, 255))?;
            fails(set(Word::MAX, initial::TCB), range(0, 255))?;
            set(100, authority)?;
            set(255, initial::TCB)?;
        }
        Ok(())
    }),
    test("PARAM0009", "scheduling parameters need two words and three capabilities", |t| {
        let p = Params::new(t)?;
        let caps = [p.authority, p.context, p.handler];
        truncated(p.tcb, Label::TcbSetSchedParams, &[1], &caps)?;
        truncated(p.tcb, Label::TcbSetSchedParams, &[1, 1], &caps[..2])
    }),
    test("PARAM0010", "the authority of scheduling parameters is a TCB", |t| {
        let p = Params::new(t)?;
        fails(Params { authority: p.handler, mcp: 256, ..p }.set(), Error::InvalidCapability(1))
    }),
    test("PARAM0011", "MCP, then priority, are limited by the authority's MCP", |t| {
        let p = Params::new(t)?;
        fails(Params { mcp: 101, ..p }.set(), range(0, 100))?;
        fails(Params { priority: 101, context: p.handler, ..p }.set(), range(0, 100))?;
        p.set()?;
        Ok(())
    }),
    test("PARAM0012", "a thread gets no second scheduling context", |t| {
        let p = Params::new(t)?;
        p.set()?;
        let second = t.sched_context(1000, 1000)?.cptr();
        fails(Params { context: second, ..p }.set(), Error::IllegalOperation)?;
        p.set()?;
        Ok(())
    }),
    test("PARAM0013", "a scheduling context of another thread is refused", |t| {
        let p = Params::new(t)?;
        let other = t.tcb()?;
        Cap::<SchedContext>::new(p.context).bind(other)?;
        fails(p.set(), Error::IllegalOperation)
    }),
    test("PARAM0014", "a blocked thread takes only time that is ready", |t| {
        let (thread, context) = (blocked(t)?, not_ready(t)?);
        let p = Params { tcb: thread.tcb, ..Params::new(t)? };
        fails(Params { context: context.cptr(), ..p }.set(), Error::IllegalOperation)?;
        p.set()?;
        // An inactive one takes any.
        let inactive = t.tcb()?;
        Params { tcb: inactive, context: context.cptr(), ..p }.set()?;
        Ok(())
    }),
    test("PARAM0015", "the caller keeps its own scheduling context", |t| {
        let p = Params { tcb: initial::TCB, authority: initial::TCB.cptr(), mcp: 255, ..Params::new(t)? };
        fails(Params { priority: 255, context: 0, handler: 0, ..p }.set(), Error::IllegalOperation)?;
        Params { priority: 255, context: initial::SCHED_CONTEXT.cptr(), handler: 0, ..p }.set()?;
        Ok(())
    }),
    test("PARAM0016", "another capability is no scheduling context", |t| {
        let p = Params::new(t)?;
        fails(Params { context: p.handler, handler: p.context, ..p }.set(), Error::InvalidCapability(2))
    }),
    test("PARAM0017", "a handler of scheduling parameters can be called, or is nothing", |t| {
        let p = Params::new(t)?;
        let less = t.copy(Cap::<Endpoint>::new(p.handler), CapRights::READ_WRITE)?.cptr();
        for handler in [less, p.context] {
            fails(Params { handler, ..p }.set(), Error::InvalidCapability(3))?;
        }
        Params { handler: 0, ..p }.set()?;
        Ok(())
    }),
    test("PARAM0018", "scheduling parameters without a context take the thread's away", |t| {
        let p = Params::new(t)?;
        p.set()?;
        Params { context: 0, ..p }.set()?;
        let other = t.tcb()?;
        Ok(Cap::<SchedContext>::new(p.context).bind(other)?)
    }),
    test("PARAM0019", "a timeout handler can be called, or is nothing", |t| {
        let tcb = t.tcb()?;
        let endpoint = t.endpoint()?;
        let less = t.copy(endpoint, CapRights::READ_WRITE)?;
        truncated(tcb, Label::TcbSetTimeoutEndpoint, &[], &[])?;
        for handler in [t.notification()?.cptr(), less.cptr()] {
            let set = send(tcb, Label::TcbSetTimeoutEndpoint, &[], &[handler]);
            fails(set, Error::InvalidCapability(1))?;
        }
        tcb.set_timeout_endpoint(endpoint)?;
        Ok(tcb.set_timeout_endpoint(Cap::NULL)?)
    }),
    test("PARAM0020", "binding a notification needs it", |t| {
        let (tcb, notification) = (t.tcb()?, t.notification()?);
        truncated(tcb, Label::TcbBindNotification, &[], &[])?;
        // Before the check of what is bound already.
        tcb.bind_notification(notification)?;
        truncated(tcb, Label::TcbBindNotification, &[], &[])
    }),
    test("PARAM0021", "a thread has one notification", |t| {
        let (tcb, one, two) = (t.tcb()?, t.notification()?, t.notification()?);
        tcb.bind_notification(one)?;
        fails(tcb.bind_notification(two), Error::IllegalOperation)?;
        fails(tcb.bind_notification(one), Error::IllegalOperation)
    }),
    test("PARAM0022", "what is bound is a notification with Read", |t| {
        let (tcb, notification, endpoint) = (t.tcb()?, t.notification()?, t.endpoint()?);
        let write_only = t.copy(notification, CapRights::WRITE)?;
        fails(tcb.bind_notification(endpoint.cast()), Error::IllegalOperation)?;
        fails(tcb.bind_notification(Cap::NULL), Error::IllegalOperation)?;
        fails(tcb.bind_notification(write_only), Error::IllegalOperation)?;
        let read_only = t.copy(notification, CapRights::READ)?;
        Ok(tcb.bind_notification(read_only)?)
    }),
    test("PARAM0023", "a notification with waiters is not bound", |t| {
        extern "C" fn wait(notification: Word) {
            libsel::sys::wait(notification);
        }
        let (tcb, notification) = (t.tcb()?, t.notification()?);
        let waiter = t.spawn(Options::default(), wait, notification.cptr())?;
        t.settle()?;
        fails(tcb.bind_notification(notification), Error::IllegalOperation)?;
        notification.signal();
        waiter.join();
        Ok(tcb.bind_notification(notification)?)
    }),
    test("PARAM0024", "a notification has one thread", |t| {
        let (one, two, notification) = (t.tcb()?, t.tcb()?, t.notification()?);
        one.bind_notification(notification)?;
        fails(two.bind_notification(notification), Error::IllegalOperation)?;
        one.unbind_notification()?;
        two.bind_notification(notification)?;
        fails(one.unbind_notification(), Error::IllegalOperation)
    }),
    test("PARAM0025", "TLS base and flags need their words", |t| {
        let tcb = t.tcb()?;
        truncated(tcb, Label::TcbSetTlsBase, &[], &[])?;
        truncated(tcb, Label::TcbSetFlags, &[0], &[])?;
        equal(send(tcb, Label::TcbSetFlags, &[0, 0xfe], &[])?.word(0), 0)
    }),
    test("PARAM0026", "a TLS base that is not canonical becomes 0", |t| {
        let tcb = t.tcb()?;
        tcb.set_tls_base(0x5000)?;
        tcb.set_tls_base(0x8000_0000_0000)?;
        equal(tcb.read_registers(false, 20)?.get(Register::FsBase), 0)
    }),
    test("PARAM0027", "suspend and resume need nothing and always succeed", |t| {
        let tcb = t.tcb()?;
        tcb.suspend()?;
        tcb.suspend()?;
        // Without time it does not run.
        tcb.resume()?;
        tcb.resume()?;
        Ok(tcb.suspend()?)
    }),
];
