//! The pages of a running program: code is not written, data is not executed (the runtime's part, abi.md 7.8 and 9.12).

use libsel::abi::Word;

use super::code;
use super::fixture::{Fixture, shared};
use super::harness::{Outcome, Test, equal, test};

/// Faults of a page that is there: present, user mode.
const PRESENT_USER: Word = 5;
const WRITE: Word = 2;
const FETCH: Word = 0x10;

/// A thread that executes `ip` with `rdi` = `address` has to get a page fault there with this code.
#[track_caller]
fn refused(t: &mut Fixture<'_>, ip: Word, address: Word, fsr: Word) -> Outcome {
    let (_, seen) = t.run_code(ip, address, 0)?;
    equal((seen.label, &seen.words()[1..]), (6, &[address, fsr >> 4 & 1, fsr][..]))
}

/// Pages of this root task.
pub const TESTS: &[Test] = &[
    test("PROTECT0001", "code cannot be written", |t| {
        refused(t, code::write(), code::read(), PRESENT_USER | WRITE)
    }),
    test("PROTECT0002", "data cannot be executed", |t| {
        let data = core::ptr::from_ref(shared(0)).addr() as Word;
        refused(t, code::jump(), data, PRESENT_USER | FETCH)
    }),
    test("PROTECT0003", "constants can be neither written nor executed", |t| {
        static CONSTANT: [u8; 16] = [0x0f, 0x0b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
        let constant = core::ptr::from_ref(&CONSTANT).addr() as Word;
        refused(t, code::write(), constant, PRESENT_USER | WRITE)?;
        refused(t, code::jump(), constant, PRESENT_USER | FETCH)
    }),
    test("PROTECT0004", "boot information and IPC buffer cannot be executed", |t| {
        let info = core::ptr::from_ref(t.machine.bootinfo.raw()).addr() as Word;
        refused(t, code::jump(), info, PRESENT_USER | FETCH)?;
        let buffer = t.machine.bootinfo.raw().ipc_buffer;
        refused(t, code::jump(), buffer, PRESENT_USER | FETCH)
    }),
    test("PROTECT0005", "the stack cannot be executed", |t| {
        let on_stack = 0_u64;
        let address = core::ptr::from_ref(&on_stack).addr() as Word;
        refused(t, code::jump(), address, PRESENT_USER | FETCH)
    }),
];
