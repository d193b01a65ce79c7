//! Many threads that only stand in the kernel's queues: no stack, no IPC buffer, a few instructions each.

use core::arch::global_asm;

use libsel::abi::{CPtr, ObjectType, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{SchedContext, Tcb};
use libsel::invoke::UserContext;
use libsel::{Cap, Result};

use super::objects::make_many;
use super::row::Bench;
use crate::bare::fixture::Fixture;

/// log2 of the bytes of a member's scheduling context.
const SCHED_CONTEXT_BITS: Word = 8;
/// Flags of a thread that starts, with interrupts.
const RFLAGS: Word = 0x202;

global_asm!(
    ".pushsection .text.bench_crowd, \"ax\", @progbits",
    // Makes the system call in rbp again and again; before each one the clock goes to where rbx points.
    ".global bench_stamped_call",
    "bench_stamped_call:",
    "lfence",
    "2: rdtsc",
    ".pushsection .bench.begin, \"\", @progbits",
    ".quad 2b",
    ".popsection",
    "lfence",
    "shl rdx, 32",
    "or rax, rdx",
    "mov [rbx], rax",
    "mov rdx, rbp",
    "syscall",
    "jmp bench_stamped_call",
    ".popsection",
);

unsafe extern "C" {
    fn bench_stamped_call();
}

/// A member: its thread and its time.
#[derive(Clone, Copy)]
pub struct Member {
    /// The thread.
    pub tcb: Cap<Tcb>,
    /// Its time.
    pub sched_context: Cap<SchedContext>,
}

/// What a member does: one system call, after which it does not come back in the time of a row.
#[derive(Clone, Copy)]
pub struct Duty<'a> {
    /// The system call.
    pub call: Syscall,
    /// The capability that it names.
    pub cptr: Word,
    /// Receives the clock before each system call.
    pub stamp: &'a core::sync::atomic::AtomicU64,
}

/// Budget and period in microseconds.
#[derive(Clone, Copy)]
pub struct Time {
    /// Budget.
    pub budget_us: Word,
    /// Period.
    pub period_us: Word,
}

impl Member {
    /// Lets it begin its duty anew, at `priority` and with fresh time, whatever it did before.
    pub fn begin(&self, f: &Fixture<'_>, priority: Word, time: Time, duty: Duty<'_>) -> Result<()> {
        let control = f.machine.sched_control;
        self.tcb.suspend()?;
        control.configure_flags(self.sched_context, time.budget_us, time.period_us, 0, 0, 0)?;
        self.tcb.set_sched_params(initial::TCB, 0, priority, self.sched_context, Cap::NULL)?;
        let mut context = UserContext::default();
        context
            .set(Register::Rip, bench_stamped_call as *const () as Word)
            .set(Register::Rflags, RFLAGS)
            .set(Register::Rdi, duty.cptr)
            .set(Register::Rbp, duty.call.raw() as Word)
            .set(Register::Rbx, core::ptr::from_ref(duty.stamp).addr() as Word);
        self.tcb.write_registers(true, context.0.len(), &context)
    }
}

impl Bench<'_> {
    /// `count` members, inactive; `index` of the result is theirs.
    pub fn crowd(&mut self, count: u64) -> Result<Crowd> {
        let crowd = Crowd {
            tcbs: make_many(self, ObjectType::Tcb, 0, count)?,
            sched_contexts: make_many(self, ObjectType::SchedContext, SCHED_CONTEXT_BITS, count)?,
            count,
        };
        for member in crowd.members() {
            let no_buffer: Cap<libsel::cap::Page> = Cap::NULL;
            member.tcb.configure(initial::CNODE, 0, initial::VSPACE, 0, no_buffer)?;
        }
        Ok(crowd)
    }
}

/// Members in consecutive slots.
pub struct Crowd {
    tcbs: CPtr,
    sched_contexts: CPtr,
    count: u64,
}

impl Crowd {
    /// The member with this index.
    pub fn member(&self, index: u64) -> Member {
        let (tcbs, sched_contexts) = (self.tcbs, self.sched_contexts);
        Member { tcb: Cap::new(tcbs + index), sched_context: Cap::new(sched_contexts + index) }
    }

    /// Each of them.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        (0..self.count).map(|index| self.member(index))
    }
}
