//! The supervisor's two helper threads: one tells that nothing else can run, the other that time has passed.

use core::arch::global_asm;

use libsel::Cap;
use libsel::abi::{CapRights, MessageInfo, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Page, SchedContext, Tcb};
use libsel::invoke::UserContext;

use super::machine::{Machine, at, slots};

/// Signal of the thread that runs only when no other can.
pub const IDLE: Word = 1;
/// Signal of the thread that wakes again and again.
pub const TICK: Word = 2;
/// Time between two ticks, in microseconds.
const TICK_US: Word = 3000;

global_asm!(
    // Signals the notification in rbx for ever; rbp: the system call after it, with its capability 0.
    ".pushsection .text.hostile_helper, \"ax\", @progbits",
    ".global hostile_helper",
    "hostile_helper:",
    "mov rdx, {send}",
    "mov rdi, rbx",
    "mov rsi, {info}",
    "syscall",
    "mov rdx, rbp",
    "syscall",
    "jmp hostile_helper",
    ".popsection",
    send = const Syscall::Send.raw(),
    info = const MessageInfo::new(0, 0, 0, 0).0,
);

unsafe extern "C" {
    fn hostile_helper();
}

/// Starts both.
pub fn start(machine: &Machine<'_>) -> libsel::Result<()> {
    // Round robin with what runs at priority 0.
    helper(machine, 0, 0, (1000, 1000), IDLE, Syscall::NbSend)?;
    helper(machine, 1, 255, (500, TICK_US), TICK, Syscall::Yield)
}

fn helper(
    machine: &Machine<'_>,
    number: u64,
    priority: Word,
    (budget_us, period_us): (Word, Word),
    signal: Word,
    then: Syscall,
) -> libsel::Result<()> {
    let first = slots::HELPERS + number * 3;
    let tcb = machine.make::<Tcb>(first, 0)?;
    let sched_context = machine.make::<SchedContext>(first + 1, 8)?;
    machine.place(first + 2).mint(at(machine.notification()), CapRights::WRITE, signal)?;
    machine.sched_control.configure_flags(sched_context, budget_us, period_us, 0, 0, 0)?;
    tcb.configure(initial::CNODE, 0, initial::VSPACE, 0, Cap::<Page>::NULL)?;
    tcb.set_sched_params(initial::TCB, 0, priority, sched_context, Cap::NULL)?;
    let mut context = UserContext::default();
    let entry: unsafe extern "C" fn() = hostile_helper;
    context
        .set(Register::Rip, entry as usize as Word)
        .set(Register::Rbx, machine.slot(first + 2))
        .set(Register::Rbp, then.raw().cast_unsigned());
    tcb.write_registers(true, context.0.len(), &context)
}
