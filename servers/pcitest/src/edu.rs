//! QEMU's educational device (QEMU: docs/specs/edu.rst).
use libsel::proto::start::slot;

use crate::registers::Registers;
use crate::{Checked, ensure, wait};

const VENDOR: u16 = 0x1234;
const DEVICE: u16 = 0x11e8;
/// Its place in the section's list of interrupts.
const INTERRUPT: u64 = 0;

/// Byte offsets of registers.
const IDENTITY: usize = 0x00;
const FACTORIAL: usize = 0x08;
const STATUS: usize = 0x20;
const REASONS: usize = 0x24;
const RAISE: usize = 0x60;
const ACKNOWLEDGE: usize = 0x64;
/// Of [`STATUS`]: a factorial is being computed; tell when it is done.
const COMPUTING: u32 = 1;
const TELL: u32 = 0x80;
/// Of [`REASONS`]: a factorial is done.
const DONE: u32 = 1;

/// It computes 10! in a thread of QEMU's, while this one waits.
pub fn factorial() -> Checked {
    let registers = Registers::of(VENDOR, DEVICE)?;
    ensure(registers.read(IDENTITY) & 0xffff == 0xed, "it is another device")?;
    registers.write(STATUS, TELL);
    registers.write(FACTORIAL, 10);
    wait(INTERRUPT)?;
    ensure(registers.read(STATUS) & COMPUTING == 0, "it still computes")?;
    ensure(registers.read(FACTORIAL) == 3_628_800, "the factorial is wrong")?;
    ensure(registers.read(REASONS) == DONE, "it interrupted for another reason")?;
    registers.write(ACKNOWLEDGE, DONE);
    ensure(registers.read(REASONS) == 0, "the reason stays")?;
    // Its registers are given back, so that the next check has them.
    unmap(registers)
}

/// Messages that are asked for.
pub fn messages() -> Checked {
    let registers = Registers::of(VENDOR, DEVICE)?;
    for reason in [0x100, 0x4000, 0x100] {
        ensure(slot::NOTIFICATION.poll() == 0, "an interrupt came without a reason")?;
        registers.write(RAISE, reason);
        wait(INTERRUPT)?;
        ensure(registers.read(REASONS) == reason, "it interrupted for another reason")?;
        registers.write(ACKNOWLEDGE, reason);
    }
    ensure(slot::NOTIFICATION.poll() == 0, "an interrupt too many")
}

fn unmap(registers: Registers) -> Checked {
    let (start, bytes) = registers.range();
    let unmapped = libsel::proto::root::RootService(slot::ROOT).unmap(start, bytes);
    unmapped.map_err(|error| alloc::format!("the registers cannot be unmapped: {error}"))
}
