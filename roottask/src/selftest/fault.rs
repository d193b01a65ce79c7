//! Fault messages: page faults, exceptions, unknown system calls, missing capabilities (abi.md 5.2, A.4).

use libsel::abi::{CapRights, MessageInfo, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::Page;
use libsel::invoke::UserContext;
use libsel::{Cap, sys};

use super::code;
use super::faulter::{Faulter, Seen, registers};
use super::fixture::{Fixture, at};
use super::harness::{Outcome, Test, check, equal, test};
use super::peer;
use super::thread::Options;

/// An address where nothing is mapped.
const NOWHERE: Word = 0xdead000;
const VM_FAULT: Word = 6;
const USER_EXCEPTION: Word = 3;
const UNKNOWN_SYSCALL: Word = 2;
const CAP_FAULT: Word = 1;

/// Executes `ip` and expects this exception there, with the thread's own stack and flags in the message.
#[track_caller]
fn exception(t: &mut Fixture<'_>, ip: Word, expected_ip: Word, number: Word, code: Word) -> Outcome {
    let (faulter, seen) = t.run_code(ip, 0, 0)?;
    let stack = faulter.thread.stack_end - 64;
    seen.is(USER_EXCEPTION, &[expected_ip, stack, 0x202, number, code])
}

/// `int vector` at `ip` has to be a general protection fault that names the vector.
#[track_caller]
fn refused_interrupt(t: &mut Fixture<'_>, ip: Word, vector: Word) -> Outcome {
    let (_, seen) = t.run_code(ip, 0, 0)?;
    // The error code is the offset in the IDT with bit 1 set: 8 bytes a vector (SDM vol 3 §6.13), 16 in QEMU's emulation.
    let step = if seen.words().get(4) == Some(&(vector * 8 + 2)) { 8 } else { 16 };
    seen.is_exception(ip, 13, vector * step + 2)
}

/// A thread that makes a system call with `rdx` = `number` and the registers of `change`.
fn system_call(
    t: &mut Fixture<'_>,
    number: Word,
    change: impl FnOnce(&mut UserContext),
) -> libsel::Result<(Faulter, Seen)> {
    let faulter = t.faulter(Options::default())?;
    let mut context = registers(&faulter.thread, code::syscall());
    context.set(Register::Rdx, number);
    change(&mut context);
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    Ok((faulter, faulter.fault()))
}

/// A system call through `cptr` has to give this capability fault; `tail` = lookup failure with its words.
#[track_caller]
fn cap_fault(t: &mut Fixture<'_>, call: Syscall, cptr: Word, receiving: Word, tail: &[Word]) -> Outcome {
    let (_, seen) = system_call(t, call.raw() as Word, |context| {
        context.set(Register::Rdi, cptr);
    })?;
    let mut words = [code::syscall(), cptr, receiving, 0, 0, 0, 0];
    words[3..3 + tail.len()].copy_from_slice(tail);
    seen.is(CAP_FAULT, &words[..3 + tail.len()])
}

/// The values of abi.md A.4 in the registers.
fn markers(context: &mut UserContext) {
    let values = [
        (Register::Rax, 0x11),
        (Register::Rbx, 0x22),
        (Register::Rsi, 0x66),
        (Register::Rdi, 0x77),
        (Register::Rbp, 0xbb),
        (Register::R8, 0x88),
        (Register::R9, 0x99),
        (Register::R10, 0xa),
        (Register::R12, 0xc),
        (Register::R13, 0xd),
        (Register::R14, 0xe),
        (Register::R15, 0xf),
    ];
    values.into_iter().for_each(|(register, value)| {
        context.set(register, value);
    });
}

/// The words that [`markers`] give in an unknown-syscall message; `rcx` and `r11` as given.
fn marker_words(ip: Word, stack: Word, (rcx, r11): (Word, Word), rdx: Word, number: Word) -> [Word; 19] {
    [
        0x11, 0x22, rcx, rdx, 0x66, 0x77, 0xbb, 0x88, 0x99, 0xa, r11, 0xc, 0xd, 0xe, 0xf, ip, stack, 0x202,
        number,
    ]
}

/// Faults.
pub const TESTS: &[Test] = &[
    test("FAULT0001", "a read of unmapped memory", |t| {
        let (_, seen) = t.run_code(code::read(), NOWHERE, 0)?;
        seen.is(VM_FAULT, &[code::read(), NOWHERE, 0, 4])
    }),
    test("FAULT0002", "a write to unmapped memory", |t| {
        let (_, seen) = t.run_code(code::write(), NOWHERE, 0)?;
        seen.is(VM_FAULT, &[code::write(), NOWHERE, 0, 6])
    }),
    test("FAULT0003", "a jump to unmapped memory", |t| {
        let (_, seen) = t.run_code(code::jump(), NOWHERE, 0)?;
        seen.is(VM_FAULT, &[NOWHERE, NOWHERE, 1, 0x14])
    }),
    test("FAULT0004", "an illegal instruction", |t| exception(t, code::ud2(), code::ud2(), 6, 0)),
    test("FAULT0005", "a breakpoint tells the address behind it", |t| {
        exception(t, code::int3(), code::int3() + 1, 3, 0)
    }),
    test("FAULT0006", "a division by zero", |t| {
        let (_, seen) = t.run_code(code::divide(), 0, 0)?;
        seen.is_exception(code::divide(), 0, 0)
    }),
    test("FAULT0007", "privileged instructions are general protection faults", |t| {
        for ip in [code::hlt(), code::cli(), code::rdmsr()] {
            exception(t, ip, ip, 13, 0)?;
        }
        Ok(())
    }),
    test("FAULT0008", "port instructions are general protection faults", |t| {
        exception(t, code::out(), code::out(), 13, 0)?;
        exception(t, code::input(), code::input(), 13, 0)
    }),
    test("FAULT0009", "int 0x80 is a general protection fault", |t| {
        refused_interrupt(t, code::int_80(), 0x80)
    }),
    test("FAULT0010", "the kernel timer's vector cannot be called", |t| {
        refused_interrupt(t, code::int_9d(), 0x9d)
    }),
    test("FAULT0011", "an unknown system call tells all registers", |t| {
        let (faulter, seen) = system_call(t, 314_159, markers)?;
        let stack = faulter.thread.stack_end - 64;
        // rcx and r11 are the processor's: the return address and the flags.
        let (rcx, r11) = (seen.words()[2], seen.words()[10]);
        let words = marker_words(code::syscall(), stack, (rcx, r11), 314_159, 314_159);
        seen.is(UNKNOWN_SYSCALL, &words)
    }),
    test("FAULT0012", "int 0xc8 is an unknown system call", |t| {
        let faulter = t.faulter(Options::default())?;
        let mut context = registers(&faulter.thread, code::int_c8());
        markers(&mut context);
        context.set(Register::Rax, 0x12_3456).set(Register::Rcx, 0x33).set(Register::R11, 0xb);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        let stack = faulter.thread.stack_end - 64;
        let mut words = marker_words(code::int_c8(), stack, (0x33, 0xb), 0, 0xffff_ffff_c812_3456);
        words[0] = 0x12_3456;
        faulter.fault().is(UNKNOWN_SYSCALL, &words)
    }),
    test("FAULT0013", "int 0xfe is an unknown system call", |t| {
        let (_, seen) = t.run_code(code::int_fe(), 0, 0)?;
        equal((seen.label, seen.words()[15], seen.words()[18]), (2, code::int_fe(), 0xffff_ffff_fe00_0000))
    }),
    test("FAULT0014", "system call 0 and the number behind the last are unknown", |t| {
        for number in [0, -34i64 as Word, i64::MIN as Word] {
            let (_, seen) = system_call(t, number, |_| {})?;
            equal((seen.label, seen.words()[18]), (UNKNOWN_SYSCALL, number))?;
        }
        Ok(())
    }),
    test("FAULT0015", "the whole of rdx is the number", |t| {
        let number = 0x1_0000_0000 | Syscall::Yield.raw() as u32 as Word;
        let (_, seen) = system_call(t, number, |_| {})?;
        equal((seen.label, seen.words()[18]), (UNKNOWN_SYSCALL, number))
    }),
    test("FAULT0016", "sending to a pointer beyond the CSpace", |t| {
        let guard_bits = t.machine.root_guard_bits();
        cap_fault(t, Syscall::Send, 0x12_3450, 0, &[4, 64, 0, guard_bits])?;
        cap_fault(t, Syscall::Call, 0x12_3450, 0, &[4, 64, 0, guard_bits])
    }),
    test("FAULT0017", "receiving from an empty slot", |t| {
        for call in [Syscall::Recv, Syscall::NbRecv, Syscall::Wait, Syscall::NbWait] {
            cap_fault(t, call, 0, 1, &[2, 0])?;
            t.threads = 0;
        }
        Ok(())
    }),
    test("FAULT0018", "receiving from something else", |t| {
        let tcb = initial::TCB.cptr();
        cap_fault(t, Syscall::Recv, tcb, 1, &[2, 0])
    }),
    test("FAULT0019", "receiving without Read", |t| {
        let (endpoint, notification) = (t.endpoint()?, t.notification()?);
        let endpoint = t.copy(endpoint, CapRights::WRITE)?;
        let notification = t.copy(notification, CapRights::WRITE)?;
        cap_fault(t, Syscall::Wait, endpoint.cptr(), 1, &[2, 0])?;
        cap_fault(t, Syscall::Wait, notification.cptr(), 1, &[2, 0])
    }),
    test("FAULT0020", "receiving with something that is no reply object", |t| {
        let endpoint = t.endpoint()?.cptr();
        let (_, seen) = system_call(t, Syscall::Recv.raw() as Word, |context| {
            context.set(Register::Rdi, endpoint).set(Register::R12, initial::TCB.cptr());
        })?;
        seen.is(CAP_FAULT, &[code::syscall(), initial::TCB.cptr(), 1, 2, 0])
    }),
    test("FAULT0021", "a pointer without guard bits that are missing", |t| {
        let guard_bits = t.machine.root_guard_bits();
        let endpoint = t.endpoint()?.cptr();
        let (_, seen) = system_call(t, Syscall::Recv.raw() as Word, |context| {
            context.set(Register::Rdi, endpoint).set(Register::R12, 0x12_3450);
        })?;
        seen.is(CAP_FAULT, &[code::syscall(), 0x12_3450, 1, 4, 64, 0, guard_bits])
    }),
    test("FAULT0022", "receiving from a notification that another thread is bound to", |t| {
        let (tcb, notification) = (t.tcb()?, t.notification()?);
        tcb.bind_notification(notification)?;
        cap_fault(t, Syscall::Wait, notification.cptr(), 1, &[2, 0])
    }),
    test("FAULT0023", "a thread without CSpace has an invalid root", |t| {
        let faulter = t.faulter(Options::default())?;
        let tcb = t.tcb()?;
        let handler = faulter.endpoint;
        // Its CSpace is a CNode of its own, which is then deleted; the TCB's copy goes with the original.
        let node = t.cnode(1)?;
        tcb.configure(node, 0, initial::VSPACE, 0, Cap::<Page>::NULL)?;
        let sc = t.sched_context(1000, 1000)?;
        let badged = t.mint(handler, CapRights::ALL, super::faulter::HANDLER_BADGE)?;
        tcb.set_sched_params(initial::TCB, 0, 100, sc, badged)?;
        at(node).revoke()?;
        let mut context = registers(&faulter.thread, code::syscall());
        context.set(Register::Rdx, Syscall::Send.raw() as Word).set(Register::Rdi, 5);
        tcb.write_registers(true, 20, &context)?;
        faulter.fault().is(CAP_FAULT, &[code::syscall(), 5, 0, 1])
    }),
    test("FAULT0024", "an extra capability that is not found", |t| {
        let guard_bits = t.machine.root_guard_bits();
        let endpoint = t.endpoint()?.cptr();
        let faulter = t.faulter(Options::default())?;
        faulter.thread.offer(0, 0x12_3450);
        let mut context = registers(&faulter.thread, code::syscall());
        context
            .set(Register::Rdx, Syscall::Send.raw() as Word)
            .set(Register::Rdi, endpoint)
            .set(Register::Rsi, MessageInfo::new(0, 0, 1, 0).0);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        faulter.fault().is(CAP_FAULT, &[code::syscall(), 0x12_3450, 0, 4, 64, 0, guard_bits])
    }),
    test("FAULT0025", "a non-blocking send to nowhere is no fault", |t| {
        let (_, seen) = system_call(t, Syscall::NbSend.raw() as Word, |context| {
            context.set(Register::Rdi, 0x12_3450);
        })?;
        seen.reached(code::syscall() + 2)
    }),
    test("FAULT0026", "a handler without buffer gets four words", |t| {
        extern "C" fn handle(_: Word) {
            peer::receive(0);
        }
        let peers = t.peers()?;
        let handler = t.prepare(Options::at_priority(120), handle, 0)?;
        handler.tcb.set_ipc_buffer(0, Cap::<Page>::NULL)?;
        handler.tcb.resume()?;
        let thread = t.bare_thread(Options { fault_endpoint: peers.endpoint, ..Options::default() })?;
        thread.tcb.write_registers(true, 20, &registers(&thread, code::ud2()))?;
        handler.join();
        equal((peer::seen_info().label(), peer::seen_info().length()), (USER_EXCEPTION, 4))
    }),
    test("FAULT0027", "a fault without handler stops the thread alone", |t| {
        // The kernel says so on the console; its name makes the line readable.
        let thread = t.bare_thread(Options::default())?;
        sys::debug_name_thread(thread.tcb.cptr(), "selftest FAULT0027, on purpose");
        thread.tcb.write_registers(true, 20, &registers(&thread, code::ud2()))?;
        t.settle()?;
        equal(thread.tcb.read_registers(false, 20)?.get(Register::Rip), code::ud2())
    }),
    test("FAULT0028", "a faulter whose handler's endpoint is deleted stays stopped", |t| {
        let faulter = t.faulter(Options::default())?;
        let context = registers(&faulter.thread, code::ud2());
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        t.settle()?;
        at(faulter.endpoint).revoke()?;
        at(faulter.endpoint).delete()?;
        t.settle()?;
        check(!faulter.thread.is_done(), "the thread does not run")
    }),
];
