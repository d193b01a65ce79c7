//! Answers to faults: what they change and whether the thread goes on (abi.md 5.3).

use libsel::abi::{CapRights, Register, Syscall, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::fault::Fault;

use super::code;
use super::faulter::{Faulter, registers};
use super::fixture::{Fixture, MAP_AREA};
use super::harness::{Failure, Test, equal, test};
use super::thread::Options;

/// A thread that has made an unknown system call, and the call's number.
fn unknown_syscall(t: &mut Fixture<'_>) -> libsel::Result<Faulter> {
    let faulter = t.faulter(Options::default())?;
    let mut context = registers(&faulter.thread, code::syscall());
    context.set(Register::Rdx, 314_159).set(Register::Rbx, 0x22);
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    faulter.fault();
    Ok(faulter)
}

/// Answers to faults.
pub const TESTS: &[Test] = &[
    test("ANSWER0001", "an answered page fault is tried again", |t| {
        t.tables(initial::VSPACE, MAP_AREA)?;
        let frame = t.frame()?;
        let (faulter, _) = t.run_code(code::read(), MAP_AREA, 0)?;
        frame.map(initial::VSPACE, MAP_AREA, CapRights::READ, VmAttributes::WRITE_BACK)?;
        faulter.answer(0, &[]).reached(code::read() + 3)
    }),
    test("ANSWER0002", "the label of an answer to a page fault does not matter", |t| {
        let (faulter, first) = t.run_code(code::read(), 0xdead000, 0)?;
        let second = faulter.answer(1, &[1, 2, 3]);
        equal(second.words(), first.words())
    }),
    test("ANSWER0003", "an answered capability fault is tried again", |t| {
        let faulter = t.faulter(Options::default())?;
        let slot = t.slot();
        let mut context = registers(&faulter.thread, code::syscall());
        context.set(Register::Rdx, Syscall::NbWait.raw() as Word).set(Register::Rdi, slot);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        equal(faulter.fault().label, 1)?;
        let notification = t.notification()?;
        initial::CNODE.at(slot).copy(super::fixture::at(notification), CapRights::ALL)?;
        faulter.answer(5, &[]).reached(code::syscall() + 2)
    }),
    test("ANSWER0004", "an answered exception continues where the answer says", |t| {
        let (faulter, _) = t.run_code(code::ud2(), 0, 0)?;
        let stack = faulter.thread.stack_end - 128;
        let seen = faulter.answer(0, &[code::sse(), stack, 0xffff_ffff]);
        seen.reached(code::sse() + 3)?;
        equal((seen.words()[1], seen.words()[2]), (stack, 0xed7))
    }),
    test("ANSWER0005", "an answer with a label stops the thread", |t| {
        let (faulter, _) = t.run_code(code::ud2(), 0, 0)?;
        faulter.refuse(t, &[code::int3()])?;
        // The words are applied all the same; a resumed thread is there.
        faulter.thread.tcb.resume()?;
        faulter.fault().is_exception(code::int3() + 1, 3, 0)
    }),
    test("ANSWER0006", "a short answer leaves the other registers", |t| {
        let (faulter, first) = t.run_code(code::ud2(), 0, 0)?;
        let seen = faulter.answer(0, &[code::int3()]);
        equal((seen.words()[0], seen.words()[1]), (code::int3() + 1, first.words()[1]))
    }),
    test("ANSWER0007", "an answered unknown system call gets 18 registers", |t| {
        let faulter = unknown_syscall(t)?;
        let mut words = [0; 18];
        for (index, word) in words.iter_mut().enumerate() {
            *word = 0x100 + index as Word;
        }
        (words[15], words[16], words[17]) = (code::ud2(), faulter.thread.stack_end - 64, 0x202);
        faulter.answer(0, &words).reached(code::ud2())?;
        let seen = faulter.thread.tcb.read_registers(false, 20)?;
        let order = libsel::abi::fault::unknown_syscall::REGISTERS;
        order
            .into_iter()
            .zip(words)
            .try_for_each(|(register, word)| equal((register, seen.get(register)), (register, word)))
    }),
    test("ANSWER0008", "an unknown system call answered without words is made again", |t| {
        let faulter = unknown_syscall(t)?;
        let seen = faulter.answer(0, &[]);
        equal((seen.label, seen.words()[18], seen.words()[1]), (2, 314_159, 0x22))
    }),
    test("ANSWER0009", "a non-canonical address in an answer becomes 0", |t| {
        let (faulter, _) = t.run_code(code::ud2(), 0, 0)?;
        let seen = faulter.answer(0, &[0x8000_0000_0000]);
        seen.is(6, &[0, 0, 1, 0x14])
    }),
    test("ANSWER0010", "a stopped faulter can be resumed at another place", |t| {
        let (faulter, _) = t.run_code(code::ud2(), 0, 0)?;
        let context = registers(&faulter.thread, code::int3());
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        faulter.fault().is_exception(code::int3() + 1, 3, 0)
    }),
    test(
        "ANSWER0011",
        "a faulter with a bad stack pointer or flags returns to user mode all the same",
        |t| {
            for stack in [0, 0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX] {
                let faulter = t.faulter(Options::default())?;
                let mut context = registers(&faulter.thread, code::ud2());
                context.set(Register::Rsp, stack).set(Register::Rflags, u64::MAX);
                faulter.thread.tcb.write_registers(true, 20, &context)?;
                faulter.fault().reached(code::ud2())?;
                t.threads = 0;
            }
            Ok(())
        },
    ),
    test("ANSWER0012", "a thread at a kernel address faults in user mode", |t| {
        for ip in [0xffff_8000_0000_0000, 0xffff_ffff_8000_0000, 0x7fff_ffff_fffe] {
            let (_, seen) = t.run_code(code::jump(), ip, 0)?;
            let Some(Fault::Vm { address, fetch, .. }) = seen.fault() else {
                return Err(Failure::new(format_args!("expected a page fault, seen {seen:x?}")));
            };
            equal((address, fetch), (ip, true))?;
        }
        Ok(())
    }),
    test("ANSWER0013", "an unknown system call answered with a label stops the thread", |t| {
        let faulter = unknown_syscall(t)?;
        faulter.refuse(t, &[0x4444])?;
        equal(faulter.register(Register::Rax)?, 0x4444)
    }),
];
