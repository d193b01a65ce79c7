//! Floating-point and TLS state of threads (abi.md 9.10).

use core::arch::asm;
use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{Register, Word};
use libsel::bootinfo::initial;
use libsel::sys;

use super::code;
use super::fixture::{log, log_is, shared};
use super::harness::{Outcome, Test, equal, test};
use super::thread::Options;

/// FCW and MXCSR of the calling thread.
pub fn control_words() -> (u16, u32) {
    let (mut fcw, mut mxcsr) = (0u16, 0u32);
    // SAFETY: both instructions only store to the two variables.
    unsafe {
        asm!(
            "fnstcw [{fcw}]",
            "stmxcsr [{mxcsr}]",
            fcw = in(reg) &raw mut fcw,
            mxcsr = in(reg) &raw mut mxcsr,
            options(nostack),
        );
    }
    (fcw, mxcsr)
}

/// Puts a value into x87, SSE and control registers, yields a few times, and looks whether all are still there.
extern "C" fn keep_registers(value: Word) {
    let fcw = 0x37f_u16 & !(value as u16 & 0x3f);
    let mxcsr = 0x1f80_u32 & !((value as u32 & 0x3f) << 7);
    let (fcw, mxcsr) = (&raw const fcw, &raw const mxcsr);
    // SAFETY: the self-test is compiled without FPU and SSE, so these registers are free; `fninit` first empties the
    // x87 stack. Memory is only read.
    unsafe {
        asm!(
            "fninit",
            "fldcw [{fcw}]",
            "ldmxcsr [{mxcsr}]",
            "push {value}",
            "fild qword ptr [rsp]",
            "pop {value}",
            "movq xmm0, {value}",
            "movq xmm7, {value}",
            "movq xmm15, {value}",
            "pslldq xmm15, 8",
            fcw = in(reg) fcw,
            mxcsr = in(reg) mxcsr,
            value = in(reg) value,
        );
    }
    for _ in 0..20 {
        sys::yield_();
    }
    let (x87, low, middle, high): (Word, Word, Word, Word);
    // SAFETY: as above; the stack word is the asm's own.
    unsafe {
        asm!(
            "push 0",
            "fistp qword ptr [rsp]",
            "pop {x87}",
            "movq {low}, xmm0",
            "movq {middle}, xmm7",
            "psrldq xmm15, 8",
            "movq {high}, xmm15",
            x87 = out(reg) x87,
            low = out(reg) low,
            middle = out(reg) middle,
            high = out(reg) high,
        );
    }
    let same = [x87, low, middle, high] == [value; 4];
    // SAFETY: the variables are those from above.
    let same = same && control_words() == unsafe { (fcw.read(), mxcsr.read()) };
    shared(1).fetch_add(u64::from(same), Relaxed);
}

/// A thread with the FPU turned off executes `ip`; that has to be exception 7.
fn disabled(t: &mut super::fixture::Fixture<'_>, ip: Word, length: Word) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    equal(faulter.thread.tcb.set_flags(0, 1)?, 1)?;
    let context = super::faulter::registers(&faulter.thread, ip);
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    faulter.fault().is_exception(ip, 7, 0)?;
    // The instruction succeeds as soon as the FPU is on again.
    equal(faulter.thread.tcb.set_flags(1, 0)?, 0)?;
    faulter.answer(0, &[]).reached(ip + length)
}

/// The processor has the instructions that write FS and GS base (SDM vol 2, CPUID leaf 7); the kernel then allows them.
fn may_write_bases() -> bool {
    core::arch::x86_64::__cpuid_count(7, 0).ebx & 1 != 0
}

/// Extended thread state.
pub const TESTS: &[Test] = &[
    test("FPU0001", "x87, SSE and control registers belong to the thread", |t| {
        for value in [0x0123_4567_89ab_cdef, 0x1111_2222_3333_4444, 0x5e1f_0000_0000_0001] {
            t.spawn(Options::default(), keep_registers, value)?;
        }
        t.settle()?;
        equal(shared(1).load(Relaxed), 3)
    }),
    test("FPU0002", "a new thread's FPU is in its reset state", |t| {
        extern "C" fn look(_: Word) {
            let (fcw, mxcsr) = control_words();
            log(u64::from(fcw));
            log(u64::from(mxcsr));
        }
        t.spawn(Options::default(), keep_registers, 0x3f)?.join();
        t.spawn(Options::default(), look, 0)?.join();
        log_is(&[0x37f, 0x1f80])
    }),
    test("FPU0003", "a thread with the FPU turned off gets exception 7 for SSE", |t| {
        disabled(t, code::sse(), 3)
    }),
    test("FPU0004", "a thread with the FPU turned off gets exception 7 for x87", |t| {
        disabled(t, code::x87(), 2)
    }),
    test("FPU0005", "turning one thread's FPU off leaves others alone", |t| {
        let off = t.prepare(Options::default(), keep_registers, 1)?;
        off.tcb.set_flags(0, 1)?;
        t.spawn(Options::default(), keep_registers, 7)?.join();
        equal(shared(1).load(Relaxed), 1)
    }),
    test("TLS0001", "the FS base is the thread's own", |t| {
        shared(6).store(0x5e1f, Relaxed);
        let base = core::ptr::from_ref(shared(6)).addr() as Word;
        let faulter = t.faulter(Options::default())?;
        let mut context = super::faulter::registers(&faulter.thread, code::read_fs());
        context.set(Register::FsBase, base);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        faulter.fault().reached(code::read_fs() + 9)?;
        equal(faulter.register(Register::Rax)?, 0x5e1f)?;
        equal(faulter.register(Register::FsBase)?, base)
    }),
    test("TLS0002", "bases written by the thread itself survive other threads", |t| {
        extern "C" fn keep_bases(value: Word) {
            // SAFETY: the self-test has no thread-local variables.
            unsafe { asm!("wrfsbase {0}", "wrgsbase {1}", in(reg) value, in(reg) value + 1) }
            for _ in 0..20 {
                sys::yield_();
            }
            let (fs, gs): (Word, Word);
            // SAFETY: the instructions only read the bases.
            unsafe { asm!("rdfsbase {0}", "rdgsbase {1}", out(reg) fs, out(reg) gs) }
            shared(1).fetch_add(u64::from((fs, gs) == (value, value + 1)), Relaxed);
        }
        if !may_write_bases() {
            return Ok(());
        }
        for value in [0x1000, 0x7fff_ffff_f000, 0xffff_8000_0000_0000] {
            t.spawn(Options::default(), keep_bases, value)?;
        }
        t.settle()?;
        equal(shared(1).load(Relaxed), 3)
    }),
    test("TLS0003", "set TLS base on the caller takes effect at once", |_| {
        shared(6).store(0x5e1f, Relaxed);
        initial::TCB.set_tls_base(core::ptr::from_ref(shared(6)).addr() as Word)?;
        let word: Word;
        // SAFETY: the instruction reads the shared word. The self-test has no thread-local variables.
        unsafe { asm!("mov {0}, fs:[0]", out(reg) word, options(nostack, readonly)) }
        initial::TCB.set_tls_base(0)?;
        equal(word, 0x5e1f)
    }),
];
