//! The rules that all system calls share (abi.md 2.1, 2.3, 2.4).
use sel_abi::{CapRights, Label, ObjectType, Register, Syscall};

use super::machine::{Machine, Msg, NEXT_IP, msg};
use super::objects::ROOT;
use crate::arch;
use crate::cap::Cap;
use crate::object::tcb::ThreadState;

/// Registers that carry no result keep their values.
#[test]
fn other_registers_are_preserved() {
    let mut m = Machine::new();
    let (ep, ntfn, reply) = (m.endpoint(), m.notification(), m.reply());
    let marked =
        [Register::Rax, Register::Rbx, Register::Rbp, Register::Rsp, Register::R14, Register::FsBase];
    for call in [
        Syscall::Call,
        Syscall::Send,
        Syscall::NbSend,
        Syscall::NbRecv,
        Syscall::NbWait,
        Syscall::Yield,
        Syscall::DebugCapIdentify,
    ] {
        for (value, register) in (0x1001..).zip(marked) {
            m.root.context.set(register, value);
        }
        let cap = if matches!(call, Syscall::NbRecv | Syscall::NbWait) { ep } else { ntfn };
        m.sys(call, cap, reply, 0x77, msg(0, &[]));
        for (value, register) in (0x1001..).zip(marked) {
            assert_eq!(m.root.context.get(register), value, "{call:?} {register:?}");
        }
        let context = &m.root.get().context;
        assert_eq!((context.get(Register::R12), context.get(Register::R13)), (reply, 0x77));
        assert_eq!(context.get(Register::Rdx), call.raw().cast_unsigned());
        assert_eq!(context.get(Register::Rip), NEXT_IP);
    }
}

/// An invocation by Send gets no answer, whether it succeeds or fails.
#[test]
fn sends_get_no_answer() {
    let mut m = Machine::new();
    let tcb = m.object(ObjectType::Tcb);
    for (label, words) in [(Label::TcbReadRegisters, [0, 20]), (Label::TcbReadRegisters, [0, 99])] {
        m.send(tcb, msg(label.raw(), &words));
        let got = m.reply_of(m.root);
        assert_eq!((got.badge, got.label, got.words), (tcb, label.raw(), words.to_vec()));
    }
    // Resuming by Send works.
    m.send(tcb, msg(Label::TcbResume.raw(), &[]));
    assert!(matches!(m.cap(tcb), Cap::Tcb(thread) if thread.state.get() == ThreadState::Restart));
}

/// The first of two phases: some objects cannot be invoked, and no failure is reported.
#[test]
fn invocations_in_the_first_phase() {
    let mut m = Machine::new();
    let (ntfn, reply, tcb) = (m.notification(), m.reply(), m.object(ObjectType::Tcb));
    let (handler, slot, pool) = (m.free_slot(), m.free_slot(), m.pool);
    let words = [handler, 64, 0, 0, 0, 0, 9];
    m.ok(sel_abi::bootinfo::slot::IRQ_CONTROL, Label::X86IrqIssueIrqHandlerMsi, &words, &[ROOT]);
    let attempts = [
        (tcb, Label::TcbResume, vec![]),
        (ROOT, Label::CNodeDelete, vec![tcb, 64]),
        (handler, Label::IrqAckIrq, vec![]),
        (pool, Label::UntypedRetype, vec![ObjectType::Endpoint.raw(), 0, 0, 0, slot, 1]),
        (0, Label::TcbResume, vec![]),
        (1 << 50, Label::TcbResume, vec![]),
    ];
    for (cap, label, words) in attempts {
        m.signal(ntfn);
        // Three system calls with a first phase; the notification is received from each time.
        for call in [Syscall::ReplyRecv, Syscall::NbSendRecv, Syscall::NbSendWait] {
            m.signal(ntfn);
            let (r12, r13) = if call == Syscall::NbSendRecv { (reply, cap) } else { (cap, 0) };
            m.sys(call, ntfn, r12, r13, Msg { label: label.raw(), words: &words, caps: &[ROOT] });
            assert_eq!((m.current(), m.reply_of(m.root).badge), (m.root, 0));
        }
    }
    assert!(matches!(m.cap(tcb), Cap::Tcb(thread) if thread.state.get() == ThreadState::Inactive));
    assert!(matches!(m.cap(slot), Cap::Endpoint(_)), "untypeds can be invoked");
}

#[test]
fn debug_calls() {
    let mut m = Machine::new();
    let tcb = m.object(ObjectType::Tcb);
    arch::take_output();
    for byte in *b"hi\n" {
        m.sys(Syscall::DebugPutChar, u64::from(byte), 0, 0, msg(0, &[]));
    }
    assert_eq!(arch::take_output(), "hi\r\n");
    let buffer = m.root.ipc_buffer(true).expect("a buffer");
    buffer[1].set(u64::from_le_bytes(*b"driver\0\0"));
    m.sys(Syscall::DebugNameThread, tcb, 0, 0, msg(0, &[]));
    let Cap::Tcb(thread) = m.cap(tcb) else { panic!() };
    assert_eq!(thread.name.text(&mut [0; crate::dump::NAME_BYTES]), "driver");
    m.sys(Syscall::DebugDumpScheduler, 0, 0, 0, msg(0, &[]));
    assert!(arch::take_output().contains("rootserver"));
}

/// Signalling needs Write, waiting needs Read.
#[test]
fn rights_of_notifications() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    let (read, write) = (m.mint(ntfn, CapRights::READ, 1), m.mint(ntfn, CapRights::WRITE, 2));
    m.fails(read, Label::InvalidInvocation, &[], &[], sel_abi::Error::InvalidCapability, &[0]);
    m.signal(write);
    m.poll(read);
    assert_eq!(m.reply_of(m.root).badge, 2);
    let helper = m.started(3);
    m.wait(write);
    assert_eq!(m.current(), helper.tcb, "waiting needs the right to read");
    assert_eq!(m.root.state.get(), ThreadState::Inactive);
}
