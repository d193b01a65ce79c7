//! As much of an NVMe controller's driver as it takes to ask it who it is (NVM Express base specification 1.4).
use alloc::string::String;

use libsel::proto::root::{DmaMapped, MapDma, RootService};
use libsel::proto::start::slot;

use crate::registers::Registers;
use crate::{Checked, ensure, wait};

const VENDOR: u16 = 0x1b36;
const DEVICE: u16 = 0x0010;
/// Its place in the section's list of interrupts.
const INTERRUPT: u64 = 1;

/// Byte offsets of registers (3.1).
const CONFIGURATION: usize = 0x14;
const STATUS: usize = 0x1c;
const QUEUE_SIZES: usize = 0x24;
const SUBMISSIONS: usize = 0x28;
const COMPLETIONS: usize = 0x30;
const SUBMISSION_TAIL: usize = 0x1000;
const COMPLETION_HEAD: usize = 0x1004;
/// Of [`CONFIGURATION`]: on, with entries of 64 and 16 bytes.
const ON: u32 = 1 | 6 << 16 | 4 << 20;
/// Of [`STATUS`]: it is on.
const READY: u32 = 1;
/// Looks at whether it is on.
const PATIENCE: u32 = 10_000_000;

/// Identify, of the controller (5.15), and the number that its answer names.
const IDENTIFY: u32 = 6;
const OF_CONTROLLER: u32 = 1;
const COMMAND: u32 = 0x5e1;
/// Where the model's name is in the answer.
const MODEL: core::ops::Range<usize> = 24..64;

const PAGE: u64 = 4096;

fn page() -> Result<(DmaMapped, Registers), String> {
    let request = MapDma { bytes: PAGE, below_4g: true, align: PAGE };
    let page = RootService(slot::ROOT).map_dma(request);
    let page = page.map_err(|error| alloc::format!("a DMA buffer: {error}"))?;
    // SAFETY: the root task mapped a page there, for good.
    Ok((page, unsafe { Registers::at(page.address, PAGE) }))
}

fn switch(registers: Registers, on: bool) -> Checked {
    registers.write(CONFIGURATION, if on { ON } else { 0 });
    let is_done = || (registers.read(STATUS) & READY != 0) == on;
    ensure((0..PATIENCE).any(|_| is_done()), "the controller does not become ready")
}

/// It tells its model.
pub fn identify() -> Checked {
    let registers = Registers::of(VENDOR, DEVICE)?;
    let [submissions, completions, answer] = [page()?, page()?, page()?];
    switch(registers, false)?;
    // Two entries each.
    registers.write(QUEUE_SIZES, 1 << 16 | 1);
    registers.write_u64(SUBMISSIONS, submissions.0.physical);
    registers.write_u64(COMPLETIONS, completions.0.physical);
    switch(registers, true)?;
    let command = submissions.1;
    command.write(0, IDENTIFY | COMMAND << 16);
    command.write_u64(24, answer.0.physical);
    command.write(40, OF_CONTROLLER);
    registers.write(SUBMISSION_TAIL, 1);
    wait(INTERRUPT)?;
    // Phase 1, status 0, of this command.
    ensure(completions.1.read(12) == 1 << 16 | COMMAND, "the command failed")?;
    registers.write(COMPLETION_HEAD, 1);
    let model: String =
        MODEL.map(|at| char::from((answer.1.read(at & !3) >> (8 * (at % 4))) as u8)).collect();
    ensure(model.trim() == "QEMU NVMe Ctrl", "it is another model")
}
