//! What user code can do to harm the kernel, and what happens instead: instructions, addresses, segments, stacks
//! (abi.md 5.2, 8.6, 11 row 8; SDM vol. 2 and 3).

use libsel::Error;
use libsel::abi::{CapRights, Register, Syscall, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::LargePage;
use libsel::fault::Fault;

use super::faulter::{Faulter, Seen, registers};
use super::fixture::{Fixture, MAP_AREA, poke};
use super::harness::{Failure, Outcome, Test, check, equal, excuse, fails, test};
use super::thread::Options;
use super::{code, hazard_code};

const NON_CANONICAL: Word = 0x8000_0000_0000;
const KERNEL: Word = 0xffff_ffff_8000_0000;
/// The last page that can be mapped (abi.md 3.1).
const LAST_PAGE: Word = 0x7fff_ffff_e000;
const GENERAL_PROTECTION: Word = 13;
const STACK_FAULT: Word = 12;
const ILLEGAL: Word = 6;

/// Lets the faulter run from `ip` with `change` applied to its registers; its next fault.
pub fn run_with(faulter: &Faulter, ip: Word, change: &[(Register, Word)]) -> libsel::Result<Seen> {
    let mut context = registers(&faulter.thread, ip);
    for &(register, value) in change {
        context.set(register, value);
    }
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    Ok(faulter.fault())
}

/// Address, exception number and error code of a user exception.
#[track_caller]
pub fn exception(seen: &Seen) -> Outcome<(Word, Word, Word)> {
    match seen.fault() {
        Some(Fault::UserException { ip, number, code, .. }) => Ok((ip, number, code)),
        _ => Err(Failure::new(format_args!("expected an exception, seen {seen:x?}"))),
    }
}

/// Runs every row of a table of instructions; `good` judges address of the row and what was seen.
#[track_caller]
fn rows(
    t: &mut Fixture<'_>,
    (start, end): (Word, Word),
    good: impl Fn(Word, (Word, Word, Word)) -> bool,
) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    for (row, ip) in (start..end).step_by(hazard_code::ROW_BYTES).enumerate() {
        // Any address: the instruction is refused before it is used.
        let seen = exception(&run_with(&faulter, ip, &[(Register::Rdi, faulter.thread.buffer)])?)?;
        if !good(ip, seen) {
            return Err(Failure::new(format_args!("row {row} at {ip:#x}: seen {seen:x?}")));
        }
    }
    Ok(())
}

/// A system call that does nothing: polls an empty notification, in `rdi`.
pub fn poll_in(t: &mut Fixture<'_>, register: Register) -> libsel::Result<[(Register, Word); 2]> {
    Ok([(Register::Rdx, Syscall::NbWait.raw() as Word), (register, t.notification()?.cptr())])
}

/// Loads `selector` at `ip`: null and the user's data segment are fine, others are general protection faults that name
/// them (SDM vol. 2, MOV).
#[track_caller]
fn segment(t: &mut Fixture<'_>, ip: Word) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    let number = [(Register::Rdx, Syscall::Yield.raw() as Word)];
    for selector in [0, 1, 2, 3, 0x33] {
        let seen = run_with(&faulter, ip, &[number[0], (Register::Rdi, selector)])?;
        seen.reached(ip + 4)?;
    }
    for selector in [0x08, 0x0b, 0x10, 0x13, 0x18, 0x1b, 0x20, 0x43, 0xfff8, 0xffff, 0x34] {
        let seen = exception(&run_with(&faulter, ip, &[number[0], (Register::Rdi, selector)])?)?;
        equal((seen, selector), ((ip, GENERAL_PROTECTION, selector & 0xfffc), selector))?;
    }
    Ok(())
}

/// QEMU's emulation reads the frame of a far return as the kernel would, which SMAP forbids: a page fault on the stack
/// that no processor gives. Nothing more can be seen there.
fn cannot_return(seen: &Seen) -> bool {
    seen.label == 6 && seen.words().get(3) == Some(&1)
}

/// Hazards.
pub const TESTS: &[Test] = &[
    test("HAZARD0001", "instructions for the kernel are general protection faults", |t| {
        rows(t, (hazard_code::privileged(), hazard_code::privileged_end()), |ip, seen| {
            seen == (ip, GENERAL_PROTECTION, 0) || seen == (ip, ILLEGAL, 0)
        })
    }),
    test("HAZARD0002", "instructions that do not exist are illegal", |t| {
        rows(t, (hazard_code::undefined(), hazard_code::undefined_end()), |ip, seen| seen == (ip, ILLEGAL, 0))
    }),
    test("HAZARD0003", "instructions that tell about the machine are harmless or forbidden", |t| {
        rows(t, (hazard_code::harmless(), hazard_code::harmless_end()), |ip, (at, number, code)| {
            let forbidden = at == ip && number == GENERAL_PROTECTION;
            // Done, or illegal: the ud2 behind it or the instruction itself.
            code == 0 && (forbidden || number == ILLEGAL && (ip..ip + 12).contains(&at))
        })
    }),
    test("HAZARD0004", "an instruction that goes on into an unmapped page is a page fault there", |t| {
        t.tables(initial::VSPACE, MAP_AREA)?;
        t.frame()?.map(initial::VSPACE, MAP_AREA, CapRights::READ_WRITE, VmAttributes::WRITE_BACK)?;
        // The first three bytes of `mov rax, imm64`.
        poke(MAP_AREA + 0xff8, 0x00b8_4890_9090_9090);
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, MAP_AREA + 0xff8, &[])?;
        seen.is(6, &[MAP_AREA + 0xffd, MAP_AREA + 0x1000, 1, 0x14])
    }),
    test("HAZARD0005", "an access that goes on into an unmapped page is a page fault there", |t| {
        t.mapped_frame(MAP_AREA)?;
        let faulter = t.faulter(Options::default())?;
        for offset in 0xff9..0x1000 {
            let address = [(Register::Rdi, MAP_AREA + offset)];
            run_with(&faulter, code::read(), &address)?.is(6, &[code::read(), MAP_AREA + 0x1000, 0, 4])?;
            run_with(&faulter, code::write(), &address)?.is(6, &[code::write(), MAP_AREA + 0x1000, 0, 6])?;
        }
        run_with(&faulter, code::read(), &[(Register::Rdi, MAP_AREA + 0xff8)])?.reached(code::read() + 3)
    }),
    test("HAZARD0006", "a jump to a non-canonical address is a general protection fault", |t| {
        let faulter = t.faulter(Options::default())?;
        for target in [NON_CANONICAL, 0xffff_7fff_ffff_ffff, 0x1234_5678_9abc_def0] {
            let (ip, number, code) =
                exception(&run_with(&faulter, code::jump(), &[(Register::Rdi, target)])?)?;
            // The processor says it at the jump, QEMU's emulation at its target.
            check(ip == code::jump() || ip == target, "the fault is at the jump")?;
            equal((number, code), (GENERAL_PROTECTION, 0))?;
            // Answered without another address it goes on where it was.
            equal(exception(&faulter.answer(0, &[]))?.1, GENERAL_PROTECTION)?;
        }
        Ok(())
    }),
    test("HAZARD0007", "accesses to non-canonical addresses are general protection faults", |t| {
        let faulter = t.faulter(Options::default())?;
        for address in [NON_CANONICAL, 0x7fff_ffff_fffc, 0xffff_7fff_ffff_fff0] {
            let change = [(Register::Rdi, address)];
            let first = run_with(&faulter, code::read(), &change)?;
            if address < NON_CANONICAL {
                // It begins in the last page of the lower half, which is never mapped.
                check(first.label == 6 || first.label == 3, "a fault")?;
            } else {
                equal(exception(&first)?, (code::read(), GENERAL_PROTECTION, 0))?;
                let write = run_with(&faulter, code::write(), &change)?;
                equal(exception(&write)?, (code::write(), GENERAL_PROTECTION, 0))?;
            }
        }
        Ok(())
    }),
    test("HAZARD0008", "a push to a non-canonical stack is a stack fault", |t| {
        let faulter = t.faulter(Options::default())?;
        for stack in [NON_CANONICAL + 8, 0x1234_5678_9abc_def0] {
            let seen = exception(&run_with(&faulter, hazard_code::push(), &[(Register::Rsp, stack)])?)?;
            // QEMU's emulation calls it a general protection fault.
            let either = [STACK_FAULT, GENERAL_PROTECTION].contains(&seen.1);
            check(either && (seen.0, seen.2) == (hazard_code::push(), 0), "a stack fault at the push")?;
        }
        Ok(())
    }),
    test("HAZARD0009", "a stack pointer may be anything at every way into the kernel", |t| {
        let faulter = t.faulter(Options::default())?;
        for stack in [0, 1, 7, NON_CANONICAL, KERNEL, u64::MAX, u64::MAX - 6, 0x1234_5678_9abc_def1] {
            let change = [(Register::Rsp, stack), (Register::Rdx, 0)];
            let stack_word = |seen: Seen, index: usize| seen.words().get(index).copied();
            let seen = run_with(&faulter, code::ud2(), &change)?;
            equal((seen.label, stack_word(seen, 1)), (3, Some(stack)))?;
            let seen = run_with(&faulter, code::int3(), &change)?;
            equal((seen.label, stack_word(seen, 1)), (3, Some(stack)))?;
            let seen = run_with(&faulter, code::syscall(), &change)?;
            equal((seen.label, stack_word(seen, 16)), (2, Some(stack)))?;
            let seen = run_with(&faulter, code::int_c8(), &change)?;
            equal((seen.label, stack_word(seen, 16)), (2, Some(stack)))?;
            let seen = run_with(&faulter, code::read(), &[change[0], (Register::Rdi, 0)])?;
            equal(seen.label, 6)?;
        }
        Ok(())
    }),
    test("HAZARD0010", "a stack pointer may be anything when an interrupt comes", |t| {
        let faulter = t.faulter(Options::default())?;
        for stack in [0, 1, NON_CANONICAL, KERNEL, u64::MAX] {
            let mut context = registers(&faulter.thread, code::spin());
            context.set(Register::Rsp, stack);
            faulter.thread.tcb.write_registers(true, 20, &context)?;
            t.sleep_us(60)?;
            equal(faulter.register(Register::Rsp)?, stack)?;
        }
        Ok(faulter.thread.tcb.suspend()?)
    }),
    test(
        "HAZARD0011",
        "a system call in the last bytes of the last page returns to a canonical address",
        |t| {
            t.tables(initial::VSPACE, LAST_PAGE)?;
            let frame = t.frame()?;
            frame.map(initial::VSPACE, LAST_PAGE, CapRights::READ_WRITE, VmAttributes::WRITE_BACK)?;
            // `syscall` in the last two bytes.
            poke(LAST_PAGE + 0xff8, 0x050f_9090_9090_9090);
            let faulter = t.faulter(Options::default())?;
            let poll = poll_in(t, Register::Rdi)?;
            let behind = LAST_PAGE + 0x1000;
            for call in [Syscall::NbWait, Syscall::Yield] {
                let change = [poll[1], (Register::Rdx, call.raw() as Word)];
                run_with(&faulter, behind - 2, &change)?.is(6, &[behind, behind, 1, 0x14])?;
            }
            // An unknown one names the instruction; skipped, it is the same fault.
            let seen = run_with(&faulter, behind - 2, &[(Register::Rdx, 0)])?;
            equal((seen.label, seen.words().get(15).copied()), (2, Some(behind - 2)))
        },
    ),
    test(
        "HAZARD0012",
        "nothing can be mapped at the end of the lower half, where such a call would return",
        |t| {
            t.tables_for_large(initial::VSPACE, LAST_PAGE)?;
            let frame = t.frame()?;
            let map =
                frame.map(initial::VSPACE, LAST_PAGE + 0x1000, CapRights::READ, VmAttributes::WRITE_BACK);
            fails(map, Error::InvalidArgument(0))?;
            let large = t.make::<LargePage>(0)?;
            let last = NON_CANONICAL - (1 << 21);
            let map = large.map(initial::VSPACE, last, CapRights::READ, VmAttributes::WRITE_BACK);
            fails(map, Error::InvalidArgument(0))
        },
    ),
    test("HAZARD0013", "DS takes null and the user's data segment only", |t| {
        segment(t, hazard_code::load_ds())
    }),
    test("HAZARD0014", "ES takes null and the user's data segment only", |t| {
        segment(t, hazard_code::load_es())
    }),
    test("HAZARD0015", "FS takes null and the user's data segment only", |t| {
        segment(t, hazard_code::load_fs())
    }),
    test("HAZARD0016", "GS takes null and the user's data segment only", |t| {
        segment(t, hazard_code::load_gs())
    }),
    test("HAZARD0017", "far returns reach the user's code segments only", |t| {
        let faulter = t.faulter(Options::default())?;
        for ip in [hazard_code::far_return(), hazard_code::interrupt_return()] {
            for selector in [0x2b, 0x3b] {
                let change =
                    [(Register::Rdi, selector), (Register::Rsi, code::syscall()), (Register::Rdx, 0)];
                let seen = run_with(&faulter, ip, &change)?;
                if cannot_return(&seen) {
                    return Ok(());
                }
                equal((seen.label, seen.words().get(15).copied()), (2, Some(code::syscall())))?;
            }
            for selector in [0x08, 0x0b, 0x10, 0x33, 0x18, 0x43, 0xffff] {
                let change = [(Register::Rdi, selector), (Register::Rsi, code::syscall())];
                let (_, number, code) = exception(&run_with(&faulter, ip, &change)?)?;
                equal((selector, number, code), (selector, GENERAL_PROTECTION, selector & 0xfffc))?;
            }
            let (_, number, code) = exception(&run_with(&faulter, ip, &[(Register::Rsi, code::ud2())])?)?;
            equal((number, code), (GENERAL_PROTECTION, 0))?;
        }
        Ok(())
    }),
    test("HAZARD0018", "a far return to a kernel address faults in user mode", |t| {
        let faulter = t.faulter(Options::default())?;
        for ip in [hazard_code::far_return(), hazard_code::interrupt_return()] {
            let change = [(Register::Rdi, 0x2b), (Register::Rsi, KERNEL)];
            let seen = run_with(&faulter, ip, &change)?;
            if cannot_return(&seen) {
                return Ok(());
            }
            let fetch = seen.words().get(3).is_some_and(|code| code & 0x14 == 0x14);
            check(seen.label == 6 && seen.words()[1] == KERNEL && fetch, "a page fault of user mode")?;
        }
        Ok(())
    }),
    test("HAZARD0019", "any base of FS and GS is kept through a system call", |t| {
        if t.machine.set_tls_base_call || core::arch::x86_64::__cpuid_count(7, 0).ebx & 1 == 0 {
            excuse("the instructions that write FS and GS base are off");
            return Ok(());
        }
        let faulter = t.faulter(Options::default())?;
        let poll = poll_in(t, Register::Rsi)?;
        for ip in [hazard_code::write_fs_base(), hazard_code::write_gs_base()] {
            for base in [0, 1, 0x7fff_ffff_ffff, KERNEL, 0xffff_8000_0000_0000, u64::MAX] {
                let seen = run_with(&faulter, ip, &[poll[0], poll[1], (Register::Rdi, base)])?;
                seen.reached(ip + 15)?;
                equal(faulter.register(Register::Rbx)?, base)?;
            }
            // The processor refuses a base that is not canonical, QEMU's emulation does not look.
            let seen = run_with(&faulter, ip, &[poll[0], poll[1], (Register::Rdi, NON_CANONICAL)])?;
            let refused = exception(&seen)? == (ip, GENERAL_PROTECTION, 0);
            check(refused || exception(&seen)?.1 == ILLEGAL, "refused or harmless")?;
        }
        Ok(())
    }),
    test("HAZARD0020", "bases set by others are canonical, and kernel addresses are of no use", |t| {
        let faulter = t.faulter(Options::default())?;
        let seen = run_with(&faulter, code::read_fs(), &[(Register::FsBase, KERNEL)])?;
        equal((seen.label, seen.words().get(1).copied()), (6, Some(KERNEL)))?;
        let seen = run_with(&faulter, code::read_fs(), &[(Register::FsBase, NON_CANONICAL)])?;
        equal((seen.label, seen.words().get(1).copied()), (6, Some(0)))?;
        faulter.thread.tcb.set_tls_base(NON_CANONICAL)?;
        equal(faulter.register(Register::FsBase)?, 0)
    }),
    test("HAZARD0021", "a thread started at an odd address faults there", |t| {
        let faulter = t.faulter(Options::default())?;
        for ip in [KERNEL, u64::MAX, 0xffff_8000_0000_0000, 0x7fff_ffff_ffff, 1] {
            let seen = run_with(&faulter, ip, &[])?;
            equal((seen.label, seen.words().first().copied()), (6, Some(ip)))?;
        }
        // What is not canonical becomes 0.
        for ip in [NON_CANONICAL, 0xffff_7fff_ffff_ffff] {
            let seen = run_with(&faulter, ip, &[])?;
            equal((seen.label, seen.words().first().copied()), (6, Some(0)))?;
        }
        Ok(())
    }),
];
