//! TCB invocations: errors and results (abi.md 7.3, A.1, A.2).
use sel_abi::Error::*;
use sel_abi::{CapRights, Label, ObjectType, Register};

use super::machine::{Machine, NEXT_IP, SYSCALL_IP, msg};
use super::objects::{OWN_TCB, ROOT, VSPACE};
use super::rows::run;
use crate::cap::Cap;
use crate::object::tcb::ThreadState;

const CONFIGURE: Label = Label::TcbConfigure;
const PARAMS: Label = Label::TcbSetSchedParams;

#[test]
#[rustfmt::skip]
fn errors_of_spaces_and_buffers() {
    let mut m = Machine::new();
    let (tcb, ep, ntfn, page) = (m.object(ObjectType::Tcb), m.endpoint(), m.notification(), m.object(ObjectType::Page));
    let (device, slot) = (m.device_untyped(), m.free_slots(2));
    m.ok(device, Label::UntypedRetype, &[ObjectType::Page.raw(), 0, 0, 0, slot, 1], &[ROOT]);
    let pml4 = m.object(ObjectType::Pml4);
    let (dev, none) = (slot, slot + 1);
    let read_only = m.mint(ep, CapRights::READ, 0);
    let no_grant = m.mint(ep, CapRights::READ_WRITE, 0);
    let buffer = Label::TcbSetIpcBuffer;
    run(&mut m, &[
        ("TCB0001", "device buffer", tcb, buffer, &[0x1000000], &[dev], IllegalOperation, &[]),
        ("TCB0002", "unaligned buffer", tcb, buffer, &[0x1000008], &[page], AlignmentError, &[]),
        ("TCB0003", "buffer a CNode", tcb, buffer, &[0x1000000], &[ROOT], IllegalOperation, &[]),
        ("TCB0004", "buffer, no words", tcb, buffer, &[], &[page], TruncatedMessage, &[]),
        ("TCB0005", "buffer, no cap", tcb, buffer, &[0x1000000], &[], TruncatedMessage, &[]),
        ("TCB0006", "buffer null", tcb, buffer, &[0x1000000], &[none], IllegalOperation, &[]),
        ("TCB0007", "cspace endpoint", tcb, CONFIGURE, &[0, 0, 0], &[ep, VSPACE, none], IllegalOperation, &[]),
        ("TCB0008", "cspace null", tcb, CONFIGURE, &[0, 0, 0], &[none, VSPACE, none], IllegalOperation, &[]),
        ("TCB0009", "vspace CNode", tcb, CONFIGURE, &[0, 0, 0], &[ROOT, ROOT, none], IllegalOperation, &[]),
        ("TCB0010", "vspace no ASID", tcb, CONFIGURE, &[0, 0, 0], &[ROOT, pml4, none], IllegalOperation, &[]),
        ("TCB0011", "guard size 63", tcb, CONFIGURE, &[63, 0, 0], &[ROOT, VSPACE, none], IllegalOperation, &[]),
        ("TCB0012", "buffer 0x123", tcb, CONFIGURE, &[0, 0, 0x123], &[ROOT, VSPACE, page], AlignmentError, &[]),
        ("TCB0013", "buffer before cspace", tcb, CONFIGURE, &[0, 0, 0x123], &[ep, VSPACE, page], AlignmentError, &[]),
        ("TCB0014", "two words", tcb, CONFIGURE, &[0, 0], &[ROOT, VSPACE, none], TruncatedMessage, &[]),
        ("TCB0015", "two caps", tcb, CONFIGURE, &[0, 0, 0], &[ROOT, VSPACE], TruncatedMessage, &[]),
        ("TCB0016", "buffer 0 ignores the frame", tcb, CONFIGURE, &[0, 0, 0], &[ROOT, VSPACE, ep], NoError, &[]),
        ("TCB0017", "fault_ep notification", tcb, Label::TcbSetSpace, &[0, 0], &[ntfn, ROOT, VSPACE], InvalidCapability, &[1]),
        ("TCB0018", "fault_ep read-only", tcb, Label::TcbSetSpace, &[0, 0], &[read_only, ROOT, VSPACE], InvalidCapability, &[1]),
        ("TCB0019", "fault_ep no grant", tcb, Label::TcbSetSpace, &[0, 0], &[no_grant, ROOT, VSPACE], InvalidCapability, &[1]),
        ("TCB0020", "spaces come first", tcb, Label::TcbSetSpace, &[0, 0], &[ntfn, ep, VSPACE], IllegalOperation, &[]),
        ("TCB0021", "SetSpace one word", tcb, Label::TcbSetSpace, &[0], &[ep, ROOT, VSPACE], TruncatedMessage, &[]),
        ("TCB0022", "SetSpace two caps", tcb, Label::TcbSetSpace, &[0, 0], &[ep, ROOT], TruncatedMessage, &[]),
        ("TCB0023", "SetSpace", tcb, Label::TcbSetSpace, &[0, 0], &[ep, ROOT, VSPACE], NoError, &[]),
        ("TCB0024", "fault_ep null", tcb, Label::TcbSetSpace, &[0, 0], &[none, ROOT, VSPACE], NoError, &[]),
        ("TCB0025", "timeout notification", tcb, Label::TcbSetTimeoutEndpoint, &[], &[ntfn], InvalidCapability, &[1]),
        ("TCB0026", "timeout no cap", tcb, Label::TcbSetTimeoutEndpoint, &[], &[], TruncatedMessage, &[]),
        ("TCB0027", "timeout", tcb, Label::TcbSetTimeoutEndpoint, &[], &[ep], NoError, &[]),
        ("TCB0028", "timeout null", tcb, Label::TcbSetTimeoutEndpoint, &[], &[none], NoError, &[]),
        ("TCB0029", "label UntypedRetype", tcb, Label::UntypedRetype, &[], &[], IllegalOperation, &[]),
    ]);
    // A final CNode capability in the thread stands in the way.
    let cnode = m.sized(ObjectType::CapTable, 4);
    m.ok(tcb, CONFIGURE, &[0, 0, 0], &[cnode, VSPACE, none]);
    m.delete(cnode);
    run(&mut m, &[("TCB0030", "long deletion", tcb, CONFIGURE, &[0, 0, 0], &[ROOT, VSPACE, none], IllegalOperation, &[])]);
}

#[test]
#[rustfmt::skip]
fn errors_of_scheduling() {
    let mut m = Machine::new();
    let (tcb, ep, ntfn, low) = (m.object(ObjectType::Tcb), m.endpoint(), m.notification(), m.object(ObjectType::Tcb));
    let (none, sc, sc2, other) = (m.free_slot(), m.context(), m.context(), m.thread(3));
    let priority = Label::TcbSetPriority;
    m.ok(low, Label::TcbSetMcPriority, &[100], &[OWN_TCB]);
    run(&mut m, &[
        ("TCB0040", "priority 256", tcb, priority, &[256], &[OWN_TCB], RangeError, &[0, 255]),
        ("TCB0041", "priority all ones", tcb, priority, &[!0], &[OWN_TCB], RangeError, &[0, 255]),
        ("TCB0042", "above the authority", tcb, priority, &[101], &[low], RangeError, &[0, 100]),
        ("TCB0043", "authority endpoint", tcb, priority, &[1], &[ep], InvalidCapability, &[1]),
        ("TCB0044", "no word", tcb, priority, &[], &[OWN_TCB], TruncatedMessage, &[]),
        ("TCB0045", "no authority", tcb, priority, &[1], &[], TruncatedMessage, &[]),
        ("TCB0046", "MCP", tcb, Label::TcbSetMcPriority, &[101], &[low], RangeError, &[0, 100]),
        ("TCB0047", "up to the authority", tcb, priority, &[100], &[low], NoError, &[]),
        ("TCB0048", "authority endpoint", tcb, PARAMS, &[1, 1], &[ep, sc, none], InvalidCapability, &[1]),
        ("TCB0049", "sc endpoint", tcb, PARAMS, &[1, 1], &[OWN_TCB, ep, none], InvalidCapability, &[2]),
        ("TCB0050", "fault_ep notification", tcb, PARAMS, &[1, 1], &[OWN_TCB, sc, ntfn], InvalidCapability, &[3]),
        ("TCB0051", "sc in use", tcb, PARAMS, &[1, 1], &[OWN_TCB, other.context, none], IllegalOperation, &[]),
        ("TCB0052", "self, sc null", OWN_TCB, PARAMS, &[255, 255], &[OWN_TCB, none, none], IllegalOperation, &[]),
        ("TCB0053", "mcp first", tcb, PARAMS, &[101, 102], &[low, ep, none], RangeError, &[0, 100]),
        ("TCB0054", "then priority", tcb, PARAMS, &[100, 102], &[low, ep, none], RangeError, &[0, 100]),
        ("TCB0055", "two caps", tcb, PARAMS, &[1, 1], &[OWN_TCB, sc], TruncatedMessage, &[]),
        ("TCB0056", "one word", tcb, PARAMS, &[1], &[OWN_TCB, sc, none], TruncatedMessage, &[]),
        ("TCB0057", "done", tcb, PARAMS, &[7, 6], &[OWN_TCB, sc, ep], NoError, &[]),
        ("TCB0058", "again, same sc", tcb, PARAMS, &[7, 6], &[OWN_TCB, sc, ep], NoError, &[]),
        ("TCB0059", "another sc", tcb, PARAMS, &[7, 6], &[OWN_TCB, sc2, ep], IllegalOperation, &[]),
        ("TCB0060", "unbound", tcb, PARAMS, &[7, 6], &[OWN_TCB, none, none], NoError, &[]),
        ("TCB0061", "another sc now", tcb, PARAMS, &[7, 6], &[OWN_TCB, sc2, none], NoError, &[]),
    ]);
    let Cap::Tcb(thread) = m.cap(tcb) else { panic!() };
    assert_eq!((thread.priority.get(), thread.mcp.get()), (6, 7));
}

#[test]
#[rustfmt::skip]
fn errors_of_registers_and_notifications() {
    let mut m = Machine::new();
    let (tcb, ep, ntfn) = (m.object(ObjectType::Tcb), m.endpoint(), m.notification());
    let (second, other) = (m.notification(), m.object(ObjectType::Tcb));
    let write_only = m.mint(second, CapRights::WRITE, 0);
    let (read, write, copy) = (Label::TcbReadRegisters, Label::TcbWriteRegisters, Label::TcbCopyRegisters);
    let bind = Label::TcbBindNotification;
    run(&mut m, &[
        ("TCB0070", "count 21", tcb, read, &[0, 21], &[], RangeError, &[1, 20]),
        ("TCB0071", "count 0", tcb, read, &[0, 0], &[], RangeError, &[1, 20]),
        ("TCB0072", "self", OWN_TCB, read, &[0, 20], &[], IllegalOperation, &[]),
        ("TCB0073", "one word", tcb, read, &[0], &[], TruncatedMessage, &[]),
        ("TCB0074", "range before self", OWN_TCB, read, &[0, 0], &[], RangeError, &[1, 20]),
        ("TCB0075", "length 4, count 20", tcb, write, &[0, 20, 0, 0], &[], TruncatedMessage, &[]),
        ("TCB0076", "count all ones", tcb, write, &[0, !0, 0, 0], &[], TruncatedMessage, &[]),
        ("TCB0077", "one word", tcb, write, &[0], &[], TruncatedMessage, &[]),
        ("TCB0078", "self", OWN_TCB, write, &[0, 1, 0], &[], IllegalOperation, &[]),
        ("TCB0079", "copy from endpoint", tcb, copy, &[0], &[ep], InvalidCapability, &[1]),
        ("TCB0080", "copy, no cap", tcb, copy, &[0], &[], TruncatedMessage, &[]),
        ("TCB0081", "copy, no word", tcb, copy, &[], &[tcb], TruncatedMessage, &[]),
        ("TCB0082", "bind endpoint", tcb, bind, &[], &[ep], IllegalOperation, &[]),
        ("TCB0083", "bind write-only", tcb, bind, &[], &[write_only], IllegalOperation, &[]),
        ("TCB0084", "bind nothing", tcb, bind, &[], &[], TruncatedMessage, &[]),
        ("TCB0085", "unbind, none", tcb, Label::TcbUnbindNotification, &[], &[], IllegalOperation, &[]),
        ("TCB0086", "bind", tcb, bind, &[], &[ntfn], NoError, &[]),
        ("TCB0087", "bind again", tcb, bind, &[], &[second], IllegalOperation, &[]),
        ("TCB0088", "bound to another", other, bind, &[], &[ntfn], IllegalOperation, &[]),
        ("TCB0089", "unbind", tcb, Label::TcbUnbindNotification, &[], &[], NoError, &[]),
        ("TCB0090", "TLS, no word", tcb, Label::TcbSetTlsBase, &[], &[], TruncatedMessage, &[]),
        ("TCB0091", "flags, one word", tcb, Label::TcbSetFlags, &[0], &[], TruncatedMessage, &[]),
        ("TCB0092", "flags are masked", tcb, Label::TcbSetFlags, &[0, 0xff], &[], NoError, &[1]),
        ("TCB0093", "flags cleared", tcb, Label::TcbSetFlags, &[1, 0], &[], NoError, &[0]),
        ("TCB0094", "suspend with words", tcb, Label::TcbSuspend, &[1, 2, 3, 4], &[], NoError, &[]),
    ]);
}

/// Values are made safe on the way in (abi.md A.2).
#[test]
fn registers_are_sanitised() {
    let mut m = Machine::new();
    let tcb = m.object(ObjectType::Tcb);
    let mut words = vec![0, 20, 0x8000_0000_0000, 0x1111, 0xffff_ffff];
    words.extend(3..18);
    words.extend([0x9000_0000_0000, 0x1234]);
    m.ok(tcb, Label::TcbWriteRegisters, &words, &[]);
    let read = m.ok(tcb, Label::TcbReadRegisters, &[0, 20], &[]);
    let mut expected = words[2..].to_vec();
    (expected[0], expected[2], expected[18]) = (0, 0xed7, 0);
    assert_eq!(read, expected);
    // Fewer registers leave the others.
    m.ok(tcb, Label::TcbWriteRegisters, &[0, 2, 0x5000, 0x6000], &[]);
    let read = m.ok(tcb, Label::TcbReadRegisters, &[0, 4], &[]);
    assert_eq!(read, [0x5000, 0x6000, 0xed7, 3]);
    m.ok(tcb, Label::TcbSetTlsBase, &[0x7777], &[]);
    assert_eq!(m.ok(tcb, Label::TcbReadRegisters, &[0, 20], &[])[18], 0x7777);
    // A count above 20 is cut to 20.
    let mut words = vec![0, 21];
    words.extend([0x4000; 21]);
    m.ok(tcb, Label::TcbWriteRegisters, &words, &[]);
    // Two words leave MR2 and MR3 alone.
    let reply = m.call(tcb, Label::TcbReadRegisters, &[0, 2, 0xaaaa, 0xbbbb], &[]);
    assert_eq!(reply.words.len(), 2);
    assert_eq!(m.root.context.get(Register::R9), 0xaaaa);
    assert_eq!(m.root.context.get(Register::R15), 0xbbbb);
}

#[test]
fn copied_registers() {
    let mut m = Machine::new();
    let (from, to) = (m.object(ObjectType::Tcb), m.object(ObjectType::Tcb));
    let mut words = vec![0, 20];
    words.extend((0..20).map(|index| 0x1000 + index));
    words[4] = 0x202;
    m.ok(from, Label::TcbWriteRegisters, &words, &[]);
    let read = |m: &mut Machine| m.ok(to, Label::TcbReadRegisters, &[0, 20], &[]);
    m.ok(to, Label::TcbCopyRegisters, &[8], &[from]);
    let copied = read(&mut m);
    assert_eq!((copied[0], &copied[18..]), (0, [0x1012, 0x1013].as_slice()));
    m.ok(to, Label::TcbCopyRegisters, &[4], &[from]);
    assert_eq!(read(&mut m), &words[2..]);
    let Cap::Tcb(thread) = m.cap(to) else { panic!() };
    assert_eq!(thread.context.get(Register::Rip), 0x1000, "continues at the copied address, too");
    m.ok(to, Label::TcbCopyRegisters, &[2], &[from]);
    assert_eq!(thread.state.get(), ThreadState::Restart);
    m.ok(from, Label::TcbCopyRegisters, &[1], &[to]);
    assert_eq!(thread.state.get(), ThreadState::Inactive);
}

/// A blocked thread that is suspended and resumed executes its system call again; one that ran goes on behind it.
#[test]
fn suspend_and_resume() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let server = m.server(10, ep, reply);
    m.ok(server.cap, Label::TcbSuspend, &[], &[]);
    assert_eq!(server.tcb.state.get(), ThreadState::Inactive);
    assert_eq!(m.ok(server.cap, Label::TcbReadRegisters, &[0, 1], &[]), [SYSCALL_IP]);
    m.ok(server.cap, Label::TcbResume, &[], &[]);
    m.root_priority(5);
    assert_eq!(m.current(), server.tcb);
    assert!(m.must_repeat(server.tcb));
    m.recv(ep, reply);
    // A signal wakes nobody: the root task sends, and suspends the server before it runs.
    m.root_priority(255);
    m.send(ep, msg(1, &[5]));
    assert_eq!(server.tcb.state.get(), ThreadState::Running);
    m.ok(server.cap, Label::TcbSuspend, &[], &[]);
    assert_eq!(m.ok(server.cap, Label::TcbReadRegisters, &[0, 1], &[]), [NEXT_IP]);
    // Resuming a running thread changes nothing.
    m.ok(server.cap, Label::TcbResume, &[], &[]);
    m.ok(server.cap, Label::TcbResume, &[], &[]);
    m.root_priority(5);
    assert_eq!((m.current(), m.reply_of(server.tcb).words), (server.tcb, vec![5]));
}

/// The copies in a thread go with the originals (abi.md 7.3).
#[test]
fn revoked_spaces() {
    let mut m = Machine::new();
    let thread = m.thread(3);
    m.revoke(thread.buffer);
    assert!(thread.tcb.ipc_buffer(false).is_none());
    let cnode = m.sized(ObjectType::CapTable, 4);
    m.ok(thread.cap, CONFIGURE, &[60, 0, 0], &[cnode, VSPACE, thread.buffer]);
    assert!(!thread.tcb.cspace().is_empty());
    m.revoke(cnode);
    assert!(thread.tcb.cspace().is_empty());
}
