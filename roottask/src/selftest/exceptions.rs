//! Flags, single steps, floating-point exceptions, and every software interrupt and system call number (abi.md 2.1, 2.4,
//! 5.2).

use libsel::abi::{Register, Syscall, Word};

use super::code;
use super::faulter::registers;
use super::fixture::Fixture;
use super::harness::{Failure, Outcome, Test, check, equal, test};
use super::hazard::{exception, poll_in, run_with};
use super::hazard_code as hazard;
use super::spans;
use super::thread::Options;

const TRAP: Word = 1 << 8;
const DIRECTION: Word = 1 << 10;
const IO_PRIVILEGE: Word = 3 << 12;
const NESTED_TASK: Word = 1 << 14;
const ALIGNMENT: Word = 1 << 18;
const IDENTIFICATION: Word = 1 << 21;
/// Carry, parity, adjust, zero, sign, overflow.
const ARITHMETIC: Word = 0x8d5;
/// Flags that `popf` sets in user mode and that stay set.
const KEPT: [Word; 5] = [DIRECTION, NESTED_TASK, ALIGNMENT, IDENTIFICATION, ARITHMETIC];
/// RFLAGS without any of them.
const PLAIN: Word = 0x202;
const ILLEGAL: Word = 6;
const DEBUG: Word = 1;
const BREAKPOINT: Word = 3;

/// Everything that user mode can set at once.
fn all_kept() -> Word {
    KEPT.into_iter().fold(PLAIN, |all, flag| all | flag)
}

/// Sets each flag, and all, and goes into the kernel at `ip`; behind it the flag is still set.
#[track_caller]
fn flags_survive(t: &mut Fixture<'_>, ip: Word, change: &[(Register, Word)]) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    for flags in KEPT.into_iter().chain([all_kept()]) {
        let mut registers = [(Register::Rdi, flags | PLAIN); 4];
        registers[1..=change.len()].copy_from_slice(change);
        let mut seen = run_with(&faulter, ip, &registers[..=change.len()])?;
        if seen.label == 2 {
            // An unknown call: skipped by its handler, with all the registers that it had.
            let mut words = [0; 16];
            words.copy_from_slice(&seen.words()[..16]);
            words[15] += 2;
            seen = faulter.answer(0, &words);
        } else if exception(&seen)?.1 == BREAKPOINT {
            equal(seen.words()[2] & flags, flags)?;
            seen = faulter.answer(0, &[]);
        }
        equal(exception(&seen)?.1, ILLEGAL)?;
        equal((flags, seen.words()[2] & flags), (flags, flags))?;
        equal((flags, faulter.register(Register::Rbx)? & flags), (flags, flags))?;
    }
    Ok(())
}

/// `int N` at its place in the table: what the fault has to be.
#[track_caller]
fn software_interrupt(t: &mut Fixture<'_>, vectors: core::ops::RangeInclusive<Word>) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    for vector in vectors {
        let ip = hazard::interrupts() + vector * hazard::INTERRUPT_BYTES;
        let seen = run_with(&faulter, ip, &[(Register::Rax, 0x1_ffff_ffff)])?;
        let good = match vector {
            3 => exception(&seen)? == (ip + 2, BREAKPOINT, 0),
            158..=254 => {
                // Negative as a 32-bit number.
                let number = 0xffff_ffff_00ff_ffff | vector << 24;
                seen.label == 2 && seen.words()[15] == ip && seen.words()[18] == number
            }
            // 8 bytes a vector (SDM vol. 3, 6.13), 16 in QEMU's emulation.
            _ => [8, 16].map(|step| (ip, 13, vector * step + 2)).contains(&exception(&seen)?),
        };
        if !good {
            return Err(Failure::new(format_args!("int {vector:#x}: seen {seen:x?}")));
        }
    }
    Ok(())
}

/// System calls with these numbers have to be unknown.
#[track_caller]
fn unknown(t: &mut Fixture<'_>, numbers: impl Iterator<Item = i64>) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    for number in numbers {
        let seen = run_with(&faulter, code::syscall(), &[(Register::Rdx, number as Word)])?;
        let words = seen.words();
        equal((number, seen.label, words.len()), (number, 2, 19))?;
        equal([words[3], words[15], words[18]], [number as Word, code::syscall(), number as Word])?;
    }
    Ok(())
}

/// Exceptions, flags, software interrupts.
pub const TESTS: &[Test] = &[
    test("EXCEPTION0001", "flags survive a system call, and the kernel survives them", |t| {
        let poll = poll_in(t, Register::Rsi)?;
        flags_survive(t, hazard::flags_syscall(), &poll)
    }),
    test("EXCEPTION0002", "flags survive an unknown system call", |t| {
        flags_survive(t, hazard::flags_syscall(), &[(Register::Rdx, 0)])
    }),
    test("EXCEPTION0003", "flags survive a breakpoint", |t| flags_survive(t, hazard::flags_int3(), &[])),
    test("EXCEPTION0004", "flags survive a software interrupt", |t| {
        flags_survive(t, hazard::flags_int_c8(), &[])
    }),
    test("EXCEPTION0005", "flags survive interrupts", |t| {
        spans::reset(t.machine.ticks_per_us);
        let options = Options { priority: 200, ..Options::with_budget(20, 60) };
        extern "C" fn tick(_: Word) {
            for _ in 0..100 {
                libsel::sys::yield_();
            }
        }
        let ticker = t.spawn(Options { budget_us: 40, ..options }, tick, 0)?;
        flags_survive(t, hazard::flags_spin(), &[(Register::Rcx, 100_000)])?;
        Ok(ticker.tcb.suspend()?)
    }),
    test("EXCEPTION0006", "flags survive a blocked system call", |t| {
        let (faulter, notification) = (t.faulter(Options::default())?, t.notification()?);
        let mut context = registers(&faulter.thread, hazard::flags_syscall());
        context
            .set(Register::Rdi, all_kept())
            .set(Register::Rsi, notification.cptr())
            .set(Register::Rdx, Syscall::Wait.raw() as Word);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        t.settle()?;
        notification.signal();
        equal(exception(&faulter.fault())?.1, ILLEGAL)?;
        equal(faulter.register(Register::Rbx)? & all_kept(), all_kept())
    }),
    test("EXCEPTION0007", "the I/O privilege level cannot be raised", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, hazard::flags_ud2(), &[(Register::Rdi, PLAIN | IO_PRIVILEGE)])?;
        equal(seen.words()[2] & IO_PRIVILEGE, 0)?;
        // Neither by a register write, nor by an answer.
        let seen = run_with(&faulter, code::ud2(), &[(Register::Rflags, PLAIN | IO_PRIVILEGE)])?;
        equal(seen.words()[2] & IO_PRIVILEGE, 0)?;
        let seen = faulter.answer(0, &[code::out(), faulter.thread.stack_end - 64, PLAIN | IO_PRIVILEGE]);
        equal(exception(&seen)?, (code::out(), 13, 0))
    }),
    test("EXCEPTION0008", "flags that others set are the harmless ones", |t| {
        let faulter = t.faulter(Options::default())?;
        let everything = [(Register::Rflags, u64::MAX)];
        let seen = run_with(&faulter, code::ud2(), &everything)?;
        equal(seen.words()[2], 0xed7)
    }),
    test("EXCEPTION0009", "interrupts cannot be turned off by popf", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, hazard::flags_ud2(), &[(Register::Rdi, 2)])?;
        equal(seen.words()[2] & 0x200, 0x200)
    }),
    test("EXCEPTION0010", "alignment is not checked", |t| {
        let faulter = t.faulter(Options::default())?;
        let odd = faulter.thread.buffer + 1;
        let change = [(Register::Rdi, ALIGNMENT | PLAIN), (Register::Rsi, odd)];
        let seen = run_with(&faulter, hazard::flags_load(), &change)?;
        equal(exception(&seen)?.1, ILLEGAL)
    }),
    test("EXCEPTION0011", "a single step is exception 1 behind the instruction", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, hazard::flags_nop(), &[(Register::Rdi, TRAP | PLAIN)])?;
        // push, mov, popf, nop.
        let behind = hazard::flags_nop() + 6;
        equal(exception(&seen)?, (behind, DEBUG, 0))?;
        equal(seen.words()[2] & TRAP, TRAP)?;
        // Left as it is, the flag gives another step; an answer with flags clears it.
        let seen = faulter.answer(0, &[]);
        equal(exception(&seen)?, (behind + 1, DEBUG, 0))?;
        let seen = faulter.answer(0, &[behind + 1, faulter.thread.stack_end - 64, TRAP | PLAIN]);
        equal(exception(&seen)?.1, ILLEGAL)
    }),
    test("EXCEPTION0012", "a single step over a system call is seen behind it", |t| {
        let (faulter, poll) = (t.faulter(Options::default())?, poll_in(t, Register::Rsi)?);
        for ip in [hazard::flags_syscall(), hazard::flags_stack()] {
            let change = [poll[0], poll[1], (Register::Rdi, TRAP | PLAIN)];
            let mut seen = exception(&run_with(&faulter, ip, &change)?)?;
            let mut steps = 0;
            while seen.1 == DEBUG && steps < 12 {
                check((ip..ip + 24).contains(&seen.0), "the step is in the code")?;
                seen = exception(&faulter.answer(0, &[]))?;
                steps += 1;
            }
            equal(seen.1, ILLEGAL)?;
            check(steps >= 2, "steps before the end")?;
        }
        Ok(())
    }),
    test("EXCEPTION0013", "a single step over a software interrupt and a breakpoint harms nobody", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, hazard::flags_int3(), &[(Register::Rdi, TRAP | PLAIN)])?;
        equal(exception(&seen)?, (hazard::flags_int3() + 6, BREAKPOINT, 0))?;
        let seen = run_with(&faulter, hazard::flags_int_c8(), &[(Register::Rdi, TRAP | PLAIN)])?;
        equal((seen.label, seen.words()[15]), (2, hazard::flags_int_c8() + 5))?;
        let seen = run_with(&faulter, hazard::flags_ud2(), &[(Register::Rdi, TRAP | PLAIN)])?;
        equal(exception(&seen)?, (hazard::flags_ud2() + 5, ILLEGAL, 0))
    }),
    test("EXCEPTION0014", "an unmasked x87 error is exception 16 at the next x87 instruction", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, hazard::x87_zero_divide(), &[])?;
        equal(exception(&seen)?, (hazard::x87_wait(), 16, 0))
    }),
    test("EXCEPTION0015", "an unmasked SSE error is exception 19", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = exception(&run_with(&faulter, hazard::sse_zero_divide(), &[])?)?;
        // QEMU's emulation does not raise it.
        check(
            seen == (hazard::sse_divide(), 19, 0) || seen == (hazard::sse_divide() + 4, ILLEGAL, 0),
            "exception 19 at the division",
        )
    }),
    test("EXCEPTION0016", "an x87 error of one thread is not seen by another", |t| {
        let guilty = t.faulter(Options::default())?;
        let innocent = t.faulter(Options::default())?;
        let seen = run_with(&guilty, hazard::x87_zero_divide(), &[])?;
        equal(exception(&seen)?.1, 16)?;
        run_with(&innocent, code::x87(), &[])?.reached(code::x87() + 2)?;
        // The error is still there for the one that made it.
        equal(exception(&guilty.answer(0, &[]))?, (hazard::x87_wait(), 16, 0))
    }),
    test("INT0001", "software interrupts of exceptions, but for the breakpoint, are refused", |t| {
        software_interrupt(t, 0..=31)
    }),
    test("INT0002", "software interrupts of devices, the timer and the controllers are refused", |t| {
        software_interrupt(t, 32..=157)
    }),
    test(
        "INT0003",
        "software interrupts from 158 to 254 are unknown system calls, the last is refused",
        |t| software_interrupt(t, 158..=255),
    ),
    test("INT0004", "numbers below the last and from 0 up are unknown system calls", |t| {
        unknown(t, (-70..=-34).chain(0..=12))
    }),
    test("INT0005", "calls of options that are off are unknown system calls", |t| {
        // SYSCALL0009 has the two for registers of performance counters.
        unknown(t, (-29..=-18).chain([-32]))
    }),
    test("INT0006", "numbers that are known in their lower half only are unknown system calls", |t| {
        let high = (-11..=-1).flat_map(|low: i64| [low & 0xffff_ffff, low ^ 1 << 32, low ^ i64::MIN]);
        unknown(t, high.chain([i64::MIN, i64::MAX, i64::from(i32::MIN), 1 << 52]))
    }),
    test("INT0007", "the TLS base is set by system call only where instructions cannot set it", |t| {
        if !t.machine.set_tls_base_call {
            return unknown(t, -33..=-33);
        }
        let faulter = t.faulter(Options::default())?;
        let base = [(Register::Rdx, -33i64 as Word), (Register::Rdi, 0x1234_5678)];
        run_with(&faulter, code::syscall(), &base)?.reached(code::syscall() + 2)?;
        equal(faulter.register(Register::FsBase)?, 0x1234_5678)?;
        // What is not canonical is ignored.
        let change = [base[0], (Register::Rdi, 1 << 47), (Register::FsBase, 0x1000)];
        run_with(&faulter, code::syscall(), &change)?.reached(code::syscall() + 2)?;
        equal(faulter.register(Register::FsBase)?, 0x1000)
    }),
];
