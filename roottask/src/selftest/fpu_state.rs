//! Floating-point and TLS state under preemption: every register of every thread is its own (abi.md 9.10).

use core::arch::asm;
use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{Register, Word};
use libsel::sys;

use super::code;
use super::fixture::{at, log, log_is, shared};
use super::harness::{Test, check, equal, test};
use super::hazard::run_with;
use super::spans;
use super::thread::Options;

/// Rounds of a thread that looks after its registers.
const ROUNDS: Word = 400;
/// Words of an FXSAVE area.
const AREA_WORDS: usize = 64;

/// An FXSAVE area (SDM vol. 1, 10.5.1).
#[repr(C, align(16))]
struct Area([u64; AREA_WORDS]);

/// Fills all x87 and SSE registers and both control words with what follows from `seed`, and looks after each of many
/// short loops whether all of them are still there. Counts good rounds in shared word `seed`.
extern "C" fn keep_everything(seed: Word) {
    let mut wanted = Area([0; AREA_WORDS]);
    // Control word with some exceptions masked more than others, status 0, all eight registers in use.
    wanted.0[0] = 0x037f & !((seed & 3) << 10) | 0xff << 32;
    wanted.0[3] = 0x1f80 & !((seed & 0x3f) << 7) | (seed & 3) << 13 | 0xffff << 32;
    for register in 0..8 {
        // A mantissa with its leading bit and an exponent: a number as the x87 has them.
        wanted.0[4 + 2 * register] = 1 << 63 | seed << 32 | register as u64;
        wanted.0[5 + 2 * register] = 0x3fff + seed;
    }
    for register in 0..32 {
        wanted.0[20 + register] = seed << 48 | 0x1234_0000 | register as u64;
    }
    let mut seen = Area([0; AREA_WORDS]);
    // SAFETY: the self-test is compiled without FPU and SSE, so all these registers are free. The areas have the size and
    // alignment that the instructions need; the values are legal (SDM vol. 1, 10.5.1 and 11.6.6).
    unsafe { asm!("fxrstor64 [{}]", in(reg) &raw const wanted, options(nostack)) };
    for _ in 0..ROUNDS {
        // SAFETY: as above.
        unsafe {
            asm!(
                "2: dec {rounds}",
                "jnz 2b",
                "fxsave64 [{seen}]",
                rounds = inout(reg) 500u64 => _,
                seen = in(reg) &raw mut seen,
                options(nostack),
            );
        }
        // The control words without what the processor says of itself, and the registers.
        let mask = |index: usize| if index == 3 { 0xffff } else { u64::MAX };
        let compared = [0, 3].into_iter().chain(4..52);
        let registers = |index: usize| index == 0 || index == 3 || index >= 20 || index.is_multiple_of(2);
        let good = compared.filter(|index| registers(*index)).all(|index| {
            let keep = if index == 0 { 0xff_0000_ffff } else { mask(index) };
            seen.0[index] & keep == wanted.0[index] & keep
        });
        shared(seed as usize).fetch_add(u64::from(good), Relaxed);
    }
}

/// Checks for a while that the word at the FS base is `argument`'s, and yields now and then; FS base = shared word
/// `argument`'s address.
extern "C" fn look_at_tls(argument: Word) {
    let mut good = 0;
    for _ in 0..2000 {
        let seen: Word;
        // SAFETY: the test has set the FS base to a word that stays.
        unsafe { asm!("mov {}, fs:[0]", out(reg) seen, options(nostack, readonly)) };
        good += u64::from(seen == 0x700 + argument);
    }
    log(good);
}

/// Floating-point and TLS state.
pub const TESTS: &[Test] = &[
    test("XSTATE0001", "six threads under preemption keep all their registers", |t| {
        for seed in 1..=6 {
            // Slices short enough for dozens of switches, none of them where the thread asks for it.
            t.spawn(Options::with_budget(60 + 7 * seed, 60 + 7 * seed), keep_everything, seed)?;
        }
        t.settle()?;
        for seed in 1..=6 {
            equal((seed, shared(seed).load(Relaxed)), (seed, ROUNDS))?;
        }
        Ok(())
    }),
    test("XSTATE0002", "threads that do not use the FPU do not disturb those that do", |t| {
        spans::reset(t.machine.ticks_per_us);
        for seed in 1..=2 {
            t.spawn(Options::with_budget(90, 90), keep_everything, seed)?;
        }
        let without =
            t.prepare(Options::with_budget(50, 50), spans::watch_clock, spans::watch_for(0, 1500))?;
        without.tcb.set_flags(0, 1)?;
        without.tcb.resume()?;
        t.settle()?;
        equal([1, 2].map(|seed| shared(seed).load(Relaxed)), [ROUNDS; 2])
    }),
    test(
        "XSTATE0003",
        "deleting the thread whose registers are loaded leaves a clean FPU to the next",
        |t| {
            let owner = t.spawn(Options::default(), keep_everything, 1)?;
            t.sleep_us(50)?;
            at(owner.tcb).delete()?;
            // The next thread may get the very same memory.
            t.spawn(Options::default(), keep_everything, 2)?;
            extern "C" fn look(_: Word) {
                let (fcw, mxcsr) = super::fpu::control_words();
                log(u64::from(fcw) << 32 | u64::from(mxcsr));
            }
            t.spawn(Options::default(), look, 0)?;
            t.settle()?;
            log_is(&[0x037f << 32 | 0x1f80])?;
            equal(shared(2).load(Relaxed), ROUNDS)
        },
    ),
    test(
        "XSTATE0004",
        "turning the FPU of a running thread off stops it at its next such instruction",
        |t| {
            let faulter = t.faulter(Options::default())?;
            run_with(&faulter, code::x87(), &[])?.reached(code::x87() + 2)?;
            faulter.thread.tcb.set_flags(0, 1)?;
            run_with(&faulter, code::x87(), &[])?.is_exception(code::x87(), 7, 0)?;
            faulter.answer(0, &[]).is_exception(code::x87(), 7, 0)?;
            faulter.thread.tcb.set_flags(1, 0)?;
            faulter.answer(0, &[]).reached(code::x87() + 2)
        },
    ),
    test("XSTATE0005", "a thread that turns its own FPU off has it off at once", |t| {
        extern "C" fn turn_off(tcb: Word) {
            let tcb = libsel::Cap::<libsel::cap::Tcb>::new(tcb);
            log(tcb.set_flags(0, 1).unwrap_or(9));
            super::fpu::control_words();
            log(99);
        }
        let endpoint = t.endpoint()?;
        let thread = t.prepare(Options { fault_endpoint: endpoint, ..Options::default() }, turn_off, 0)?;
        let mut context = thread.tcb.read_registers(false, 20)?;
        context.set(Register::Rdi, thread.tcb.cptr());
        thread.tcb.write_registers(true, 20, &context)?;
        let seen = endpoint.recv(t.reply()?);
        equal((seen.label(), seen.word(3)), (3, 7))?;
        log_is(&[1])
    }),
    test("XSTATE0006", "every thread reads its own TLS under preemption", |t| {
        for number in 1..=6u64 {
            let thread = t.prepare(Options::with_budget(40, 40), look_at_tls, number)?;
            shared(number as usize).store(0x700 + number, Relaxed);
            thread.tcb.set_tls_base(shared(number as usize).as_ptr().addr() as Word)?;
            thread.tcb.resume()?;
        }
        t.settle()?;
        log_is(&[2000; 6])
    }),
    test(
        "XSTATE0007",
        "a TLS base set by another thread counts at once, also for one that is preempted",
        |t| {
            extern "C" fn wait_for_change(_: Word) {
                loop {
                    let seen: Word;
                    // SAFETY: the test has set the FS base to one of two words that stay.
                    unsafe { asm!("mov {}, fs:[0]", out(reg) seen, options(nostack, readonly)) };
                    if seen == 2 {
                        return log(2);
                    }
                }
            }
            shared(1).store(1, Relaxed);
            shared(2).store(2, Relaxed);
            let thread = t.prepare(Options::default(), wait_for_change, 0)?;
            let base = |index: usize| shared(index).as_ptr().addr() as Word;
            thread.tcb.set_tls_base(base(1))?;
            thread.tcb.resume()?;
            t.sleep_us(100)?;
            equal(thread.tcb.read_registers(false, 20)?.get(Register::FsBase), base(1))?;
            check(!thread.is_done(), "it waits")?;
            thread.tcb.set_tls_base(base(2))?;
            thread.join();
            log_is(&[2])
        },
    ),
    test("XSTATE0008", "yielding threads keep all their registers", |t| {
        extern "C" fn yield_often(_: Word) {
            for _ in 0..200 {
                sys::yield_();
            }
        }
        for seed in 1..=3 {
            t.spawn(Options::with_budget(70, 70), keep_everything, seed)?;
            t.spawn(Options::with_budget(70, 70), yield_often, 0)?;
        }
        t.settle()?;
        equal([1, 2, 3].map(|seed| shared(seed).load(Relaxed)), [ROUNDS; 3])
    }),
];
