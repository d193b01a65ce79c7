//! TCB invocations: errors and registers (abi.md 7.3, A.1, A.2).

use libsel::abi::{CNodeCapData, CPtr, CapRights, Label, Register, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Endpoint, Page, Tcb};
use libsel::invoke::{self, CopyFlags, UserContext};
use libsel::{Cap, Error};

use super::fixture::Fixture;
use super::harness::{Outcome, Test, equal, fails, range, reply_is, test};

const NO_FRAME: Cap<Page> = Cap::NULL;

/// A new TCB and an invocation of it with words and capabilities as they are.
#[track_caller]
fn truncated(t: &mut Fixture<'_>, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    let tcb = t.tcb()?;
    fails(invoke::raw(tcb.cptr(), label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// A TCB whose MCP is 100: authority for no more than that.
fn authority(t: &mut Fixture<'_>) -> libsel::Result<Cap<Tcb>> {
    let tcb = t.tcb()?;
    tcb.set_mc_priority(initial::TCB, 100)?;
    Ok(tcb)
}

/// An endpoint that is passed for something else.
fn endpoint_as<K: libsel::cap::Kind>(t: &mut Fixture<'_>) -> libsel::Result<Cap<K>> {
    Ok(t.endpoint()?.cast())
}

/// TCBs.
pub const TESTS: &[Test] = &[
    test("TCB0001", "a fresh TCB has no registers but the flags", |t| {
        let reply = invoke::raw(t.tcb()?.cptr(), Label::TcbReadRegisters.raw(), &[0, 20], &[]);
        let mut expected = [0; 20];
        expected[2] = 0x202;
        reply_is(reply, 0, &expected)
    }),
    test("TCB0002", "reading two registers leaves the third message register alone", |t| {
        let reply = invoke::raw(t.tcb()?.cptr(), Label::TcbReadRegisters.raw(), &[0, 2, 77, 78], &[]);
        equal((reply.label(), reply.length(), reply.mrs), (0, 2, [0, 0, 77, 78]))
    }),
    test("TCB0003", "written registers are made harmless", |t| {
        let tcb = t.tcb()?;
        let mut context = UserContext::default();
        context
            .set(Register::Rip, 0x8000_0000_0000)
            .set(Register::Rflags, 0xffff_ffff)
            .set(Register::FsBase, 0x9000_0000_0000)
            .set(Register::GsBase, 0x1234);
        tcb.write_registers(false, 20, &context)?;
        let seen = tcb.read_registers(false, 20)?;
        let seen = [Register::Rip, Register::Rflags, Register::FsBase, Register::GsBase]
            .map(|register| seen.get(register));
        equal(seen, [0, 0xed7, 0, 0x1234])
    }),
    test("TCB0004", "all registers are read as they were written", |t| {
        let tcb = t.tcb()?;
        let mut context = UserContext::default();
        for (index, word) in context.0.iter_mut().enumerate() {
            *word = 0x1000 + index as Word;
        }
        context.set(Register::Rflags, 0x202);
        tcb.write_registers(false, 20, &context)?;
        equal(tcb.read_registers(true, 20)?, context)
    }),
    test("TCB0005", "registers beyond the count keep their values", |t| {
        let tcb = t.tcb()?;
        let context = UserContext([0x5000; 20]);
        tcb.write_registers(false, 20, &context)?;
        tcb.write_registers(false, 2, &UserContext([0x6000; 20]))?;
        let seen = tcb.read_registers(false, 20)?.0;
        equal((seen[0], seen[1], seen[3], seen[19]), (0x6000, 0x6000, 0x5000, 0x5000))
    }),
    test("TCB0006", "more than 20 registers are as good as 20", |t| {
        let words = [0x7000; 2 + 30];
        let mut message = words;
        message[0] = 0;
        message[1] = 30;
        let tcb = t.tcb()?;
        invoke::raw(tcb.cptr(), Label::TcbWriteRegisters.raw(), &message, &[]).result()?;
        equal(tcb.read_registers(false, 20)?.get(Register::GsBase), 0x7000)
    }),
    test("TCB0007", "between 1 and 20 registers can be read", |t| {
        let tcb = t.tcb()?;
        fails(tcb.read_registers(false, 21), range(1, 20))?;
        fails(tcb.read_registers(false, 0), range(1, 20))
    }),
    test("TCB0008", "a thread does not read or write its own registers", |_| {
        fails(initial::TCB.read_registers(false, 20), Error::IllegalOperation)?;
        fails(initial::TCB.write_registers(false, 20, &UserContext::default()), Error::IllegalOperation)
    }),
    test("TCB0009", "writing more registers than words is truncated", |t| {
        truncated(t, Label::TcbWriteRegisters, &[0, 20, 0, 0], &[])?;
        truncated(t, Label::TcbWriteRegisters, &[0], &[])?;
        truncated(t, Label::TcbReadRegisters, &[0], &[])
    }),
    test("TCB0010", "frame and integer registers are copied apart", |t| {
        let (from, to) = (t.tcb()?, t.tcb()?);
        from.write_registers(false, 20, &UserContext([0x4000; 20]))?;
        let integer = CopyFlags { transfer_integer: true, ..CopyFlags::default() };
        to.copy_registers(from, integer)?;
        let seen = to.read_registers(false, 20)?.0;
        equal((seen[0], seen[17], seen[18], seen[19]), (0, 0, 0x4000, 0x4000))?;
        from.write_registers(false, 20, &UserContext([0x3000; 20]))?;
        to.copy_registers(from, CopyFlags { transfer_frame: true, ..CopyFlags::default() })?;
        let seen = to.read_registers(false, 20)?.0;
        equal((seen[0], seen[17], seen[18], seen[19]), (0x3000, 0x3000, 0x4000, 0x4000))
    }),
    test("TCB0011", "registers are copied from a TCB only", |t| {
        let source = endpoint_as(t)?;
        fails(t.tcb()?.copy_registers(source, CopyFlags::default()), Error::InvalidCapability(1))?;
        truncated(t, Label::TcbCopyRegisters, &[], &[initial::TCB.cptr()])?;
        truncated(t, Label::TcbCopyRegisters, &[0], &[])
    }),
    test("TCB0012", "unknown flags are cut off", |t| {
        let tcb = t.tcb()?;
        reply_is(invoke::raw(tcb.cptr(), Label::TcbSetFlags.raw(), &[0, 0xff], &[]), 0, &[1])?;
        equal(tcb.set_flags(1, 0)?, 0)?;
        truncated(t, Label::TcbSetFlags, &[0], &[])
    }),
    test("TCB0013", "suspend answers without words", |t| {
        let reply = invoke::raw(t.tcb()?.cptr(), Label::TcbSuspend.raw(), &[1, 2, 3, 4], &[]);
        equal((reply.badge, reply.label(), reply.length(), reply.mrs), (0, 0, 0, [1, 2, 3, 4]))
    }),
    test("TCB0014", "configure needs a CNode for the CSpace", |t| {
        let (tcb, endpoint) = (t.tcb()?, endpoint_as::<CNode>(t)?);
        let configure = |cspace, data| tcb.configure(cspace, data, initial::VSPACE, 0, NO_FRAME);
        fails(configure(endpoint, 0), Error::IllegalOperation)?;
        fails(configure(Cap::NULL, 0), Error::IllegalOperation)?;
        fails(configure(initial::CNODE, CNodeCapData::new(0, 63).0), Error::IllegalOperation)
    }),
    test("TCB0015", "configure needs an address space with an ASID", |t| {
        let (tcb, pml4) = (t.tcb()?, t.make(0)?);
        let configure = |vspace| tcb.configure(initial::CNODE, 0, vspace, 0, NO_FRAME);
        fails(configure(initial::CNODE.cast()), Error::IllegalOperation)?;
        fails(configure(pml4), Error::IllegalOperation)?;
        Ok(configure(initial::VSPACE)?)
    }),
    test("TCB0016", "the IPC buffer is 1024-aligned and a frame", |t| {
        let (tcb, frame) = (t.tcb()?, t.frame()?);
        let configure = |buffer, frame| tcb.configure(initial::CNODE, 0, initial::VSPACE, buffer, frame);
        fails(configure(0x123, frame), Error::AlignmentError)?;
        fails(configure(0x1000, initial::CNODE.cast()), Error::IllegalOperation)?;
        fails(tcb.set_ipc_buffer(0x100_0008, frame), Error::AlignmentError)?;
        fails(tcb.set_ipc_buffer(0x100_0000, initial::CNODE.cast::<Page>()), Error::IllegalOperation)?;
        tcb.set_ipc_buffer(0x100_0400, frame)?;
        Ok(tcb.set_ipc_buffer(0, initial::CNODE.cast::<Page>())?)
    }),
    test("TCB0017", "configure and set space need all their capabilities", |t| {
        let two = [initial::CNODE.cptr(), initial::VSPACE.cptr()];
        truncated(t, Label::TcbConfigure, &[0, 0, 0], &two)?;
        truncated(t, Label::TcbConfigure, &[0, 0], &[two[0], two[1], 0])?;
        truncated(t, Label::TcbSetSpace, &[0, 0], &two)?;
        truncated(t, Label::TcbSetSpace, &[0], &[0, two[0], two[1]])?;
        truncated(t, Label::TcbSetIpcBuffer, &[0], &[])
    }),
    test("TCB0018", "a fault handler is an endpoint that can be called, or nothing", |t| {
        let tcb = t.tcb()?;
        let set = |handler| tcb.set_space(handler, initial::CNODE, 0, initial::VSPACE);
        let (endpoint, notification) = (t.endpoint()?, t.notification()?.cast());
        let without_grant = t.copy(endpoint, CapRights::READ_WRITE)?;
        let without_write = t.copy(endpoint, CapRights::READ | CapRights::GRANT)?;
        fails(set(notification), Error::InvalidCapability(1))?;
        fails(set(without_grant), Error::InvalidCapability(1))?;
        fails(set(without_write), Error::InvalidCapability(1))?;
        set(t.copy(endpoint, CapRights::WRITE | CapRights::GRANT_REPLY)?)?;
        Ok(set(Cap::NULL)?)
    }),
    test("TCB0019", "a timeout handler is an endpoint that can be called, or nothing", |t| {
        let (tcb, notification) = (t.tcb()?, t.notification()?.cast());
        fails(tcb.set_timeout_endpoint(notification), Error::InvalidCapability(1))?;
        tcb.set_timeout_endpoint(t.endpoint()?)?;
        tcb.set_timeout_endpoint(Cap::NULL)?;
        truncated(t, Label::TcbSetTimeoutEndpoint, &[], &[])
    }),
    test("TCB0020", "a priority is at most the authority's MCP", |t| {
        let (tcb, authority) = (t.tcb()?, authority(t)?);
        fails(tcb.set_priority(initial::TCB, 256), range(0, 255))?;
        fails(tcb.set_priority(authority, 101), range(0, 100))?;
        tcb.set_priority(authority, 100)?;
        fails(tcb.set_mc_priority(authority, 101), range(0, 100))?;
        Ok(tcb.set_mc_priority(authority, 100)?)
    }),
    test("TCB0021", "the authority is a TCB", |t| {
        let (tcb, endpoint) = (t.tcb()?, endpoint_as(t)?);
        fails(tcb.set_priority(endpoint, 1), Error::InvalidCapability(1))?;
        fails(tcb.set_mc_priority(endpoint, 1), Error::InvalidCapability(1))?;
        fails(tcb.set_sched_params(endpoint, 1, 1, Cap::NULL, Cap::NULL), Error::InvalidCapability(1))?;
        truncated(t, Label::TcbSetPriority, &[], &[initial::TCB.cptr()])?;
        truncated(t, Label::TcbSetMcPriority, &[1], &[])
    }),
    test("TCB0022", "scheduling parameters need a scheduling context and a handler", |t| {
        let (tcb, endpoint, notification) = (t.tcb()?, t.endpoint()?, t.notification()?);
        let set = |sc, handler| tcb.set_sched_params(initial::TCB, 1, 1, sc, handler);
        fails(set(endpoint.cast(), Cap::NULL), Error::InvalidCapability(2))?;
        fails(set(Cap::NULL, notification.cast::<Endpoint>()), Error::InvalidCapability(3))?;
        fails(set(initial::SCHED_CONTEXT, Cap::NULL), Error::IllegalOperation)?;
        truncated(t, Label::TcbSetSchedParams, &[1, 1], &[initial::TCB.cptr(), 0])
    }),
    test("TCB0023", "scheduling parameters are limited by the authority's MCP", |t| {
        let (tcb, authority) = (t.tcb()?, authority(t)?);
        fails(tcb.set_sched_params(authority, 101, 1, Cap::NULL, Cap::NULL), range(0, 100))?;
        fails(tcb.set_sched_params(authority, 100, 101, Cap::NULL, Cap::NULL), range(0, 100))
    }),
    test("TCB0024", "a thread keeps its own scheduling context", |_| {
        let none = Cap::NULL;
        fails(initial::TCB.set_sched_params(initial::TCB, 255, 255, none, Cap::NULL), Error::IllegalOperation)
    }),
    test("TCB0025", "a second scheduling context is refused, the same one is not", |t| {
        let (tcb, first, second) = (t.tcb()?, t.sched_context(1000, 1000)?, t.sched_context(1000, 1000)?);
        let set = |sc| tcb.set_sched_params(initial::TCB, 1, 1, sc, Cap::NULL);
        set(first)?;
        set(first)?;
        fails(set(second), Error::IllegalOperation)?;
        set(Cap::NULL)?;
        Ok(set(second)?)
    }),
    test("TCB0026", "only a free notification with Read can be bound", |t| {
        let (tcb, other) = (t.tcb()?, t.tcb()?);
        let (endpoint, notification) = (endpoint_as(t)?, t.notification()?);
        let write_only = t.copy(notification, CapRights::WRITE)?;
        fails(tcb.bind_notification(endpoint), Error::IllegalOperation)?;
        fails(tcb.bind_notification(write_only), Error::IllegalOperation)?;
        tcb.bind_notification(notification)?;
        fails(other.bind_notification(notification), Error::IllegalOperation)?;
        let second = t.notification()?;
        fails(tcb.bind_notification(second), Error::IllegalOperation)?;
        truncated(t, Label::TcbBindNotification, &[], &[])
    }),
    test("TCB0027", "unbinding needs a bound notification", |t| {
        let (tcb, notification) = (t.tcb()?, t.notification()?);
        fails(tcb.unbind_notification(), Error::IllegalOperation)?;
        tcb.bind_notification(notification)?;
        tcb.unbind_notification()?;
        fails(tcb.unbind_notification(), Error::IllegalOperation)
    }),
    test("TCB0028", "a label of another object is an illegal operation", |t| {
        let reply = invoke::raw(t.tcb()?.cptr(), Label::UntypedRetype.raw(), &[], &[]);
        fails(reply.result(), Error::IllegalOperation)
    }),
    test("TCB0029", "the TLS base is the FS base", |t| {
        let tcb = t.tcb()?;
        tcb.set_tls_base(0x1234_5678)?;
        equal(tcb.read_registers(false, 20)?.get(Register::FsBase), 0x1234_5678)?;
        truncated(t, Label::TcbSetTlsBase, &[], &[])
    }),
];
