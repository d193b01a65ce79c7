//! Every system call changes the registers that it returns something in, and no other (abi.md 2.1, 2.3).

use core::arch::global_asm;
use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, CapTag, Label, MessageInfo, Syscall, Word};
use libsel::bootinfo::initial;

use super::coverage::record;
use super::fixture::{Fixture, shared};
use super::harness::{Outcome, Test, equal, test};
use super::peer::{self, ECHO};
use super::thread::Options;

/// All registers of a thread around a system call; `rcx` and `r11` are the processor's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
struct Registers {
    rax: Word,
    rbx: Word,
    rdx: Word,
    rsi: Word,
    rdi: Word,
    rbp: Word,
    r8: Word,
    r9: Word,
    r10: Word,
    r12: Word,
    r13: Word,
    r14: Word,
    r15: Word,
    rsp: Word,
    rflags: Word,
}

/// Flags that user mode can set without harm: carry, parity, zero, sign, overflow.
const FLAGS: Word = 0x2 | 0x200 | 0x1 | 0x4 | 0x40 | 0x80 | 0x800;

impl Registers {
    /// A different value in each register, for `call`.
    fn new(call: Syscall) -> Self {
        Registers {
            rax: 0xa0a0,
            rbx: 0xb0b0,
            rdx: call.raw() as Word,
            rsi: 0,
            rdi: 0,
            rbp: 0xb9b9,
            r8: 0x0808,
            r9: 0x0909,
            r10: 0x1010,
            r12: 0x1212,
            r13: 0x1313,
            r14: 0x1414,
            r15: 0x1515,
            // Nothing is pushed there: any value will do.
            rsp: 0x7ead_beef_0000,
            rflags: FLAGS,
        }
    }
}

global_asm!(
    // void selftest_call_with(Registers *): the system call with these registers; then what they hold.
    ".pushsection .text",
    ".global selftest_call_with",
    "selftest_call_with:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rip + selftest_registers], rdi",
    "mov [rip + selftest_stack], rsp",
    "push qword ptr [rdi + 14*8]",
    "popfq",
    "mov rax, [rdi + 0*8]",
    "mov rbx, [rdi + 1*8]",
    "mov rdx, [rdi + 2*8]",
    "mov rsi, [rdi + 3*8]",
    "mov rbp, [rdi + 5*8]",
    "mov r8, [rdi + 6*8]",
    "mov r9, [rdi + 7*8]",
    "mov r10, [rdi + 8*8]",
    "mov r12, [rdi + 9*8]",
    "mov r13, [rdi + 10*8]",
    "mov r14, [rdi + 11*8]",
    "mov r15, [rdi + 12*8]",
    "mov rsp, [rdi + 13*8]",
    "mov rdi, [rdi + 4*8]",
    "syscall",
    "mov rcx, [rip + selftest_registers]",
    "mov [rcx + 13*8], rsp",
    "mov rsp, [rip + selftest_stack]",
    "pushfq",
    "pop qword ptr [rcx + 14*8]",
    "mov [rcx + 0*8], rax",
    "mov [rcx + 1*8], rbx",
    "mov [rcx + 2*8], rdx",
    "mov [rcx + 3*8], rsi",
    "mov [rcx + 4*8], rdi",
    "mov [rcx + 5*8], rbp",
    "mov [rcx + 6*8], r8",
    "mov [rcx + 7*8], r9",
    "mov [rcx + 8*8], r10",
    "mov [rcx + 9*8], r12",
    "mov [rcx + 10*8], r13",
    "mov [rcx + 11*8], r14",
    "mov [rcx + 12*8], r15",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    ".popsection",
    ".pushsection .bss",
    ".balign 8",
    "selftest_registers: .skip 8",
    "selftest_stack: .skip 8",
    ".popsection",
);

unsafe extern "C" {
    fn selftest_call_with(registers: *mut Registers);
}

/// Makes the system call with the registers `before` and expects `after`.
#[track_caller]
fn call_changes(before: Registers, after: Registers) -> Outcome {
    let mut seen = before;
    // SAFETY: the function saves what the calling convention wants saved; only the test's own thread calls it.
    unsafe { selftest_call_with(&raw mut seen) };
    equal(seen, after)?;
    if let Some(call) = Syscall::from_raw(before.rdx.cast_signed()) {
        record::call(call);
    }
    Ok(())
}

/// A notification with a signal of badge 0x30 waiting.
fn active(t: &mut Fixture<'_>) -> libsel::Result<Word> {
    let notification = t.notification()?;
    t.mint(notification, CapRights::ALL, 0x30)?.signal();
    Ok(notification.cptr())
}

/// Registers around system calls.
pub const TESTS: &[Test] = &[
    test("REGS0001", "a failing call changes rdi, rsi and its error words", |_| {
        let before = Registers { rsi: 0, rdi: 0, ..Registers::new(Syscall::Call) };
        let info = MessageInfo::new(2, 0, 0, 1).0;
        call_changes(before, Registers { rsi: info, rdi: 0, r10: 0, ..before })
    }),
    test("REGS0002", "a successful call changes rdi and rsi", |t| {
        let (tcb, info) = (t.tcb()?.cptr(), MessageInfo::new(Label::TcbSuspend.raw(), 0, 0, 4).0);
        let before = Registers { rdi: tcb, rsi: info, ..Registers::new(Syscall::Call) };
        call_changes(before, Registers { rdi: 0, rsi: 0, ..before })
    }),
    test("REGS0003", "an answered call changes rdi, rsi and the words of the answer", |t| {
        let (peers, _) = t.passive_echo_server()?;
        let info = MessageInfo::new(1, 0, 0, 4).0;
        let before = Registers { rdi: peers.endpoint.cptr(), rsi: info, ..Registers::new(Syscall::Call) };
        call_changes(before, Registers { rdi: 0, rsi: MessageInfo::new(ECHO, 0, 0, 4).0, ..before })
    }),
    test("REGS0004", "send changes nothing", |t| {
        let (peers, info) = (t.peers()?, MessageInfo::new(1, 0, 0, 4).0);
        t.spawn(Options::default(), peer::receive, 0)?;
        let before = Registers { rdi: peers.endpoint.cptr(), rsi: info, ..Registers::new(Syscall::Send) };
        call_changes(before, before)?;
        t.settle()?;
        equal(shared(4).load(Relaxed), 0x1010)
    }),
    test("REGS0005", "a signal changes nothing", |t| {
        let before = Registers { rdi: t.notification()?.cptr(), ..Registers::new(Syscall::Send) };
        call_changes(before, before)
    }),
    test("REGS0006", "a failing invocation by send changes nothing", |t| {
        let info = MessageInfo::new(99, 0, 0, 4).0;
        let before = Registers { rdi: t.tcb()?.cptr(), rsi: info, ..Registers::new(Syscall::Send) };
        call_changes(before, before)
    }),
    test("REGS0007", "a non-blocking send changes nothing", |t| {
        let (endpoint, info) = (t.endpoint()?.cptr(), MessageInfo::new(1, 0, 0, 4).0);
        let before = Registers { rdi: endpoint, rsi: info, ..Registers::new(Syscall::NbSend) };
        call_changes(before, before)?;
        let before = Registers { rdi: 0x12_3450, rsi: info, ..Registers::new(Syscall::NbSend) };
        call_changes(before, before)
    }),
    test("REGS0008", "a received message changes rdi, rsi and as many words as it has", |t| {
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::send, 5)?;
        t.settle()?;
        let (rdi, r12) = (peers.endpoint.cptr(), peers.reply.cptr());
        let before = Registers { rdi, r12, ..Registers::new(Syscall::Recv) };
        let info = MessageInfo::new(5, 0, 0, 1).0;
        call_changes(before, Registers { rdi: 0, rsi: info, r10: 5, ..before })
    }),
    test("REGS0009", "a receive that finds nothing changes rdi", |t| {
        let peers = t.peers()?;
        let (rdi, r12) = (peers.endpoint.cptr(), peers.reply.cptr());
        for call in [Syscall::NbRecv, Syscall::NbWait] {
            let before = Registers { rdi, r12, rsi: 0x5151, ..Registers::new(call) };
            call_changes(before, Registers { rdi: 0, ..before })?;
        }
        Ok(())
    }),
    test("REGS0010", "a received signal changes rdi", |t| {
        for call in [Syscall::Recv, Syscall::NbRecv, Syscall::Wait, Syscall::NbWait] {
            let before = Registers { rdi: active(t)?, rsi: 0x5151, ..Registers::new(call) };
            call_changes(before, Registers { rdi: 0x30, ..before })?;
        }
        Ok(())
    }),
    test("REGS0011", "the combined calls change rdi when they receive a signal", |t| {
        let reply = t.reply()?.cptr();
        for call in [Syscall::ReplyRecv, Syscall::NbSendRecv, Syscall::NbSendWait] {
            let rdi = active(t)?;
            let before = Registers { rdi, rsi: 0x1002, r12: reply, r13: 0, ..Registers::new(call) };
            call_changes(before, Registers { rdi: 0x30, ..before })?;
        }
        Ok(())
    }),
    test("REGS0012", "yield changes nothing", |_| {
        let before = Registers { rdi: 0xd1d1, rsi: 0x5151, ..Registers::new(Syscall::Yield) };
        call_changes(before, before)
    }),
    test("REGS0013", "identifying a capability changes rdi", |_| {
        let rdi = initial::TCB.cptr();
        let before = Registers { rdi, rsi: 0x5151, ..Registers::new(Syscall::DebugCapIdentify) };
        call_changes(before, Registers { rdi: CapTag::Tcb.raw(), ..before })
    }),
    test("REGS0014", "a thread keeps its registers while others run", |t| {
        // The helper spins with known registers and is preempted by the timer again and again.
        let faulter = t.faulter(Options::with_budget(200, 200))?;
        let mut context = libsel::invoke::UserContext::default();
        for (index, word) in context.0.iter_mut().enumerate() {
            *word = 0x1_0000 + index as Word;
        }
        let ip = super::code::spin();
        context
            .set(libsel::abi::Register::Rip, ip)
            .set(libsel::abi::Register::Rsp, faulter.thread.stack_end)
            .set(libsel::abi::Register::Rflags, 0x202);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        t.sleep_us(3000)?;
        equal(faulter.thread.tcb.read_registers(true, 20)?, context)
    }),
];
