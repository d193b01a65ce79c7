//! Faults as messages, and what their replies do (abi.md 5, A.4).
use sel_abi::fault::DebugReason;
use sel_abi::{CapRights, FaultType, Label, LabelProfile, Register, Syscall};

use super::machine::{Machine, NEXT_IP, SYSCALL_IP, msg};
use super::objects::{ROOT, Thread, VSPACE};
use crate::object::tcb::ThreadState;
use crate::state::Config;

const BADGE: u64 = 0xbad9e;
const IP: u64 = 0x40_0200;

/// A handler that waits, and a thread of higher priority that is current and whose faults it handles.
struct Scene {
    m: Machine,
    ep: u64,
    reply: u64,
    handler: Thread,
    thread: Thread,
}

fn scene() -> Scene {
    scene_on(Machine::new())
}

fn scene_on(mut m: Machine) -> Scene {
    let (ep, reply) = (m.endpoint(), m.reply());
    let badged = m.mint(ep, CapRights::ALL, BADGE);
    let handler = m.server(10, ep, reply);
    let thread = m.started(20);
    m.ok(thread.cap, Label::TcbSetSpace, &[0, 0], &[badged, ROOT, VSPACE]);
    m.root_priority(0);
    assert_eq!(m.current(), thread.tcb);
    Scene { m, ep, reply, handler, thread }
}

impl Scene {
    #[track_caller]
    fn expect(&mut self, fault: FaultType, words: &[u64]) {
        assert_eq!(self.m.current(), self.handler.tcb);
        let got = self.m.reply_of(self.handler.tcb);
        assert_eq!((got.badge, got.label, got.extra_caps, got.unwrapped), (BADGE, fault.raw(), 0, 0));
        assert_eq!(got.words, words);
        assert!(matches!(self.thread.tcb.state.get(), ThreadState::BlockedOnReply { .. }));
    }

    /// Answers and waits again; the thread must then run, at `ip`.
    #[track_caller]
    fn resume(&mut self, message: super::machine::Msg, ip: u64) {
        self.m.reply_recv(self.ep, self.reply, message);
        assert_eq!(self.m.current(), self.thread.tcb);
        assert_eq!(self.thread.tcb.context.get(Register::Rip), ip);
    }
}

#[test]
fn page_faults() {
    let mut s = scene();
    for (code, fetch) in [(4, 0), (6, 0), (0x14, 1), (0x8007, 0)] {
        s.m.exception(IP, 14, code, 0xdead000);
        s.expect(FaultType::VmFault, &[IP, 0xdead000, fetch, code & 0x1f]);
        // The message is ignored: the thread executes the instruction again.
        s.resume(msg(1, &[1, 2, 3]), IP);
    }
}

#[test]
fn debug_exceptions_are_a_kind_of_their_own_where_the_headers_have_it() {
    let labels = LabelProfile { hardware_debug: true, ..LabelProfile::PLAIN };
    let mut s = scene_on(Machine::with_config(Config { labels, ..Config::default() }));
    for (vector, reason) in [(3, DebugReason::BreakRequest), (1, DebugReason::SingleStep)] {
        s.m.exception(IP, vector, 0, 0);
        s.expect(FaultType::DebugException, &[IP, reason.raw()]);
        // The words are not registers.
        s.resume(msg(0, &[0x50_0000]), IP);
    }
    s.m.exception(IP, 6, 0, 0);
    assert_eq!(s.m.reply_of(s.handler.tcb).label, FaultType::UserException.raw());
}

#[test]
fn exceptions() {
    let mut s = scene();
    s.thread.tcb.context.set(Register::Rsp, 0x7000);
    for (vector, code) in [(6, 0), (0, 0), (13, 0), (3, 0), (13, 0x802), (7, 0)] {
        s.m.exception(IP, vector, code, 0);
        s.expect(FaultType::UserException, &[IP, 0x7000, 0x202, vector, code]);
        s.resume(msg(0, &[0x50_0000, 0x8000, 0x246, 99]), 0x50_0000);
        let context = &s.thread.tcb.context;
        assert_eq!((context.get(Register::Rsp), context.get(Register::Rflags)), (0x8000, 0x246));
        context.set(Register::Rsp, 0x7000);
        context.set(Register::Rflags, 0x202);
    }
    // Fewer words leave the others; values are sanitised; another label stops the thread.
    s.m.exception(IP, 6, 0, 0);
    s.resume(msg(0, &[]), IP);
    s.m.exception(IP, 6, 0, 0);
    s.resume(msg(0, &[0x8000_0000_0000, 1, 0xffff_ffff]), 0);
    assert_eq!(s.thread.tcb.context.get(Register::Rflags), 0xed7);
    s.m.exception(IP, 6, 0, 0);
    s.m.send(s.reply, msg(1, &[0x1234]));
    assert_eq!(s.thread.tcb.state.get(), ThreadState::Inactive);
    assert_eq!(s.thread.tcb.context.restart_ip(), 0x1234);
}

#[test]
fn unknown_system_calls() {
    let mut s = scene();
    let markers = [
        (Register::Rax, 0x11),
        (Register::Rbx, 0x22),
        (Register::Rsi, 0x66),
        (Register::Rdi, 0x77),
        (Register::Rbp, 0x44),
        (Register::R8, 0x88),
        (Register::R9, 0x99),
        (Register::R10, 0xa),
        (Register::R12, 0xc),
        (Register::R13, 0xd),
        (Register::R14, 0xe),
        (Register::R15, 0xf),
        (Register::Rsp, 0x7000),
    ];
    for (register, value) in markers {
        s.thread.tcb.context.set(register, value);
    }
    s.m.enter_syscall(314159);
    let mut words = vec![
        0x11, 0x22, NEXT_IP, 314159, 0x66, 0x77, 0x44, 0x88, 0x99, 0xa, 0x202, 0xc, 0xd, 0xe, 0xf,
        SYSCALL_IP, 0x7000, 0x202, 314159,
    ];
    s.expect(FaultType::UnknownSyscall, &words);
    // The reply replaces all registers.
    words.truncate(18);
    (words[0], words[15]) = (0x1234, NEXT_IP);
    let reply = words.clone();
    s.resume(msg(0, &reply), NEXT_IP);
    assert_eq!(s.thread.tcb.context.get(Register::Rax), 0x1234);
    // `int 0xC8`, eax = 0x123456.
    s.thread.tcb.context.set(Register::Rax, 0xff_0012_3456);
    s.m.software_interrupt(IP + 2, 0xc8);
    let got = s.m.reply_of(s.handler.tcb);
    assert_eq!((got.words.len(), got.words[15], got.words[18]), (19, IP, 0xffff_ffff_c812_3456));
    s.resume(msg(0, &[]), IP);
    // Numbers of calls that this build does not have are unknown, too.
    for call in [Syscall::BenchmarkNullSyscall, Syscall::SetTlsBase, Syscall::VmEnter, Syscall::DebugSendIpi]
    {
        s.m.sys(call, 0, 0, 0, msg(0, &[]));
        let got = s.m.reply_of(s.handler.tcb);
        assert_eq!((got.label, got.words[18]), (FaultType::UnknownSyscall.raw(), call.raw().cast_unsigned()));
        s.resume(msg(0, &[]), SYSCALL_IP);
    }
}

#[test]
fn capability_faults() {
    let mut s = scene();
    let guard = [4, 64, 0, 52];
    s.m.send(0x123450, msg(0, &[]));
    s.expect(FaultType::CapFault, &[&[SYSCALL_IP, 0x123450, 0], guard.as_slice()].concat());
    s.resume(msg(9, &[]), SYSCALL_IP);
    s.m.recv(0, 0);
    s.expect(FaultType::CapFault, &[SYSCALL_IP, 0, 1, 2, 0]);
    s.resume(msg(0, &[]), SYSCALL_IP);
    // Polling faults as well.
    s.m.poll(0x123450);
    s.expect(FaultType::CapFault, &[&[SYSCALL_IP, 0x123450, 1], guard.as_slice()].concat());
    s.resume(msg(0, &[]), SYSCALL_IP);
    // A bad reply capability, named as the address.
    s.m.recv(s.ep, ROOT);
    s.expect(FaultType::CapFault, &[SYSCALL_IP, ROOT, 1, 2, 0]);
    s.resume(msg(0, &[]), SYSCALL_IP);
    // A bad extra capability.
    s.m.call_ipc(ROOT, super::machine::Msg { label: 0, words: &[], caps: &[1, 1 << 40] });
    s.expect(FaultType::CapFault, &[&[SYSCALL_IP, 1 << 40, 0], guard.as_slice()].concat());
    s.resume(msg(0, &[]), SYSCALL_IP);
    // Sends that do not block ignore the same.
    s.m.sys(Syscall::NbSend, 0x123450, 0, 0, msg(0, &[]));
    assert_eq!((s.m.current(), s.thread.tcb.context.get(Register::Rip)), (s.thread.tcb, NEXT_IP));
    // The first of two phases fails silently, the second one faults.
    s.m.sys(Syscall::ReplyRecv, 0, 1 << 40, 0, msg(0, &[]));
    s.expect(FaultType::CapFault, &[SYSCALL_IP, 0, 1, 2, 0]);
}

/// A fault queues like a call when nobody receives, and a passive handler gets the time of the faulting thread.
#[test]
fn faults_wait_and_donate() {
    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let thread = m.started(20);
    m.ok(thread.cap, Label::TcbSetSpace, &[0, 0], &[ep, ROOT, VSPACE]);
    m.root_priority(0);
    let context = thread.tcb.sched_context.get();
    m.exception(IP, 6, 0, 0);
    assert!(matches!(thread.tcb.state.get(), ThreadState::BlockedOnSend { .. }));
    assert_eq!(m.current(), m.root);
    m.recv(ep, reply);
    assert_eq!(m.reply_of(m.root).label, FaultType::UserException.raw());
    assert_eq!(thread.tcb.sched_context.get(), context, "the receiver has its own time");
    m.send(reply, msg(0, &[]));
    assert_eq!(m.current(), thread.tcb);

    let mut m = Machine::new();
    let (ep, reply) = (m.endpoint(), m.reply());
    let handler = m.passive_server(10, ep, reply);
    let thread = m.started(20);
    m.ok(thread.cap, Label::TcbSetSpace, &[0, 0], &[ep, ROOT, VSPACE]);
    m.root_priority(1);
    let context = thread.tcb.sched_context.get();
    m.exception(IP, 14, 4, 0x1000);
    assert_eq!((m.current(), handler.tcb.sched_context.get()), (handler.tcb, context));
    m.reply_recv(ep, reply, msg(0, &[]));
    assert_eq!((m.current(), thread.tcb.sched_context.get()), (thread.tcb, context));
    assert!(handler.tcb.sched_context.get().is_none());
}

/// Without a reply object at the handler the faulting thread stops; resumed, its next message is an ordinary one.
#[test]
fn a_fault_that_cannot_be_answered() {
    let mut m = Machine::new();
    let (ep, other) = (m.endpoint(), m.endpoint());
    let thread = m.started(20);
    m.ok(thread.cap, Label::TcbSetSpace, &[0, 0], &[ep, ROOT, VSPACE]);
    m.root_priority(0);
    m.exception(IP, 6, 0, 0);
    m.wait(ep);
    assert_eq!(m.reply_of(m.root).label, FaultType::UserException.raw());
    assert_eq!(thread.tcb.state.get(), ThreadState::Inactive);
    m.call(thread.cap, Label::TcbResume, &[], &[]);
    assert_eq!(m.current(), thread.tcb);
    m.send(other, msg(0x42, &[7]));
    m.wait(other);
    let got = m.reply_of(m.root);
    assert_eq!((got.label, got.words), (0x42, vec![7]));
}

/// Deleting the endpoint stops threads that wait in it because of a fault.
#[test]
fn a_deleted_handler() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let thread = m.started(20);
    m.ok(thread.cap, Label::TcbSetSpace, &[0, 0], &[ep, ROOT, VSPACE]);
    m.root_priority(0);
    m.exception(IP, 6, 0, 0);
    m.revoke(ep);
    m.delete(ep);
    assert_eq!(thread.tcb.state.get(), ThreadState::Inactive);
    assert!(thread.tcb.fault_handler().is_empty());
}

/// A handler without IPC buffer gets four words.
#[test]
fn a_handler_without_buffer() {
    let mut s = scene();
    let none = s.m.free_slot();
    s.m.call(s.handler.cap, Label::TcbSetIpcBuffer, &[0], &[none]);
    s.m.enter_syscall(314159);
    let got = s.m.reply_of(s.handler.tcb);
    assert_eq!((got.label, got.words.len()), (FaultType::UnknownSyscall.raw(), 4));
}
