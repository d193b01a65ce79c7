//! Debug calls, and the numbers that this configuration does not have (abi.md 2.4, 2.5).

use libsel::abi::{CapTag, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::sys;

use super::code;
use super::coverage::record;
use super::faulter::registers;
use super::fixture::{Fixture, tag};
use super::harness::{Outcome, Test, equal, excuse, test};
use super::thread::Options;

/// Numbers that raise an unknown-syscall fault with one core and without benchmarks, VT-x and dangerous calls.
const ABSENT: [Syscall; 16] = [
    Syscall::DebugSendIpi,
    Syscall::DebugGetThreadAffinity,
    Syscall::DebugRun,
    Syscall::BenchmarkFlushCaches,
    Syscall::BenchmarkResetLog,
    Syscall::BenchmarkFinalizeLog,
    Syscall::BenchmarkSetLogBuffer,
    Syscall::BenchmarkNullSyscall,
    Syscall::BenchmarkGetThreadUtilisation,
    Syscall::BenchmarkResetThreadUtilisation,
    Syscall::BenchmarkDumpAllThreadsUtilisation,
    Syscall::BenchmarkResetAllThreadsUtilisation,
    Syscall::X86DangerousWrmsr,
    Syscall::X86DangerousRdmsr,
    Syscall::VmEnter,
    Syscall::SetTlsBase,
];

/// With this word of the command line there are system calls for registers of performance counters.
const COUNTERS_WORD: &str = "pmc=on";

/// System call `call` returns to a thread, with these registers.
#[track_caller]
fn returned(t: &mut Fixture<'_>, call: Syscall, register: Word, expected: (Word, Word)) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    let mut context = registers(&faulter.thread, code::syscall());
    context.set(Register::Rdx, call.raw().cast_unsigned()).set(Register::Rdi, register);
    context.set(Register::Rsi, 7).set(Register::R10, 0x1234);
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    faulter.fault().reached(code::syscall() + 2)?;
    t.threads -= 1;
    let after = faulter.thread.tcb.read_registers(false, 20)?;
    equal((call, after.get(Register::Rsi), after.get(Register::R10)), (call, expected.0, expected.1))
}

/// System call `call` from a thread has to be an unknown-syscall fault that tells its number.
#[track_caller]
fn absent(t: &mut Fixture<'_>, call: Syscall) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    let mut context = registers(&faulter.thread, code::syscall());
    context.set(Register::Rdx, call.raw().cast_unsigned()).set(Register::Rdi, 0x4000);
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    let seen = faulter.fault();
    // Stack, buffer and endpoints of the thread are of no further use.
    t.threads -= 1;
    let expected = (call, 2, Some(call.raw().cast_unsigned()), Some(0x4000));
    equal((call, seen.label, seen.words().get(18).copied(), seen.words().get(5).copied()), expected)
}

/// Debug calls.
pub const TESTS: &[Test] = &[
    test("SYSCALL0001", "numbers of other configurations are unknown", |t| {
        let by_call = t.machine.set_tls_base_call;
        if by_call {
            excuse("SetTLSBase is a system call here");
        }
        let counters = t.machine.has_word(COUNTERS_WORD);
        let mut calls = ABSENT.into_iter().filter(|call| match call {
            Syscall::SetTlsBase => !by_call,
            Syscall::X86DangerousWrmsr | Syscall::X86DangerousRdmsr => !counters,
            _ => true,
        });
        calls.try_for_each(|call| absent(t, call))
    }),
    test("SYSCALL0002", "the first capabilities tell their kind", |_| {
        let expected = [0, 12, 10, 9, 14, 11, 13, 31, 0, 1, 1, 20, 0, 0, 22, 0, 24];
        for (cptr, kind) in (0..).zip(expected) {
            equal((cptr, tag(cptr)), (cptr, kind))?;
        }
        record::call(Syscall::DebugCapIdentify);
        Ok(())
    }),
    test("SYSCALL0003", "a pointer that leads nowhere identifies as nothing", |t| {
        equal((tag(t.machine.root_slots()), tag(Word::MAX), tag(1 << 40)), (0, 0, 0))?;
        record::call(Syscall::DebugCapIdentify);
        Ok(())
    }),
    test("SYSCALL0004", "every kind of object tells it", |t| {
        let (endpoint, reply) = (t.endpoint()?.cptr(), t.reply()?.cptr());
        equal((tag(endpoint), tag(reply)), (CapTag::Endpoint.raw(), CapTag::Reply.raw()))?;
        record::call(Syscall::DebugCapIdentify);
        Ok(())
    }),
    test("SYSCALL0005", "a thread is named, up to the length of a message", |t| {
        let tcb = t.tcb()?.cptr();
        sys::debug_name_thread(tcb, "selftest");
        sys::debug_name_thread(tcb, "");
        let long = [b'n'; 959];
        sys::debug_name_thread(tcb, core::str::from_utf8(&long).unwrap_or_default());
        sys::debug_name_thread(initial::TCB.cptr(), "rootserver");
        record::call(Syscall::DebugNameThread);
        Ok(())
    }),
    test("SYSCALL0006", "threads are listed, and the caller goes on", |_| {
        sys::debug_dump_scheduler();
        record::call(Syscall::DebugDumpScheduler);
        Ok(())
    }),
    test("SYSCALL0007", "capabilities are listed, and the caller goes on", |_| {
        sys::debug_snapshot();
        record::call(Syscall::DebugSnapshot);
        Ok(())
    }),
    test("SYSCALL0008", "a character is printed", |_| {
        b"     printed\n".iter().for_each(|character| sys::debug_put_char(*character));
        record::call(Syscall::DebugPutChar);
        Ok(())
    }),
    test(
        "SYSCALL0009",
        "only registers of performance counters can be had, where the command line says so",
        |t| {
            // The TSC, the APIC's base, the entry point of system calls, and a number that no register has.
            const OTHERS: [Word; 4] = [0x10, 0x1b, 0xc000_0082, 1 << 32];
            let (read, write) = (Syscall::X86DangerousRdmsr, Syscall::X86DangerousWrmsr);
            if !t.machine.has_word(COUNTERS_WORD) {
                return absent(t, read).and_then(|()| absent(t, write));
            }
            excuse("there are such system calls here");
            for register in OTHERS {
                returned(t, write, register, (7, 0x1234))?;
                // Label 0, one word: nothing of what was written, and nothing of the kernel's.
                returned(t, read, register, (1, 0))?;
            }
            Ok(())
        },
    ),
];
