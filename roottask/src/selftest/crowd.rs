//! Crowds: many threads without stack and buffer, each of which makes one system call, writes itself into the roll, and
//! stops. What a test needs where the eight helpers of [`super::thread`] are too few.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::Cap;
use libsel::abi::{CPtr, Label, MessageInfo, ObjectType, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Notification, Page, SchedContext, Tcb};
use libsel::invoke::{RetypeTarget, UserContext};
use libsel::sys;

use super::fixture::Fixture;
use super::harness::{Outcome, equal};
use super::thread::Options;

/// Members that one crowd can have.
pub const MAX_MEMBERS: usize = 220;

/// Words of [`ROLL`] for a member that entered it.
const ENTRY_WORDS: usize = 2;

/// The members that have come back from their system call, in order: a count, then value and badge of each.
static ROLL: [AtomicU64; 1 + ENTRY_WORDS * MAX_MEMBERS] =
    [const { AtomicU64::new(0) }; 1 + ENTRY_WORDS * MAX_MEMBERS];

global_asm!(
    ".pushsection .text.selftest_crowd, \"ax\", @progbits",
    // r14 = the roll, rbx = what to enter, rbp = the own TCB; the other registers are the system call's.
    ".global selftest_member",
    "selftest_member:",
    "syscall",
    "mov eax, 1",
    "lock xadd [r14], rax",
    "shl rax, 4",
    "mov [r14 + rax + 8], rbx",
    "mov [r14 + rax + 16], rdi",
    "2:",
    "mov rdi, rbp",
    "mov esi, {suspend}",
    "mov rdx, {call}",
    "syscall",
    "jmp 2b",
    ".popsection",
    suspend = const Label::TcbSuspend.raw() << 12,
    call = const Syscall::Call.raw(),
);

unsafe extern "C" {
    fn selftest_member();
}

/// Where members start.
pub fn member_code() -> Word {
    selftest_member as *const () as Word
}

/// What a member does.
#[derive(Clone, Copy)]
pub struct Deed {
    /// The system call.
    pub call: Syscall,
    /// Whom it sends to or receives from.
    pub target: CPtr,
    /// Message info, for a send.
    pub info: MessageInfo,
    /// Reply object, for a receive.
    pub reply: CPtr,
}

impl Deed {
    /// A system call through `target`.
    pub fn new(call: Syscall, target: CPtr) -> Self {
        Deed { call, target, info: MessageInfo::default(), reply: 0 }
    }

    /// A send or call whose label is `label`.
    pub fn with_label(call: Syscall, target: CPtr, label: Word) -> Self {
        Deed { info: MessageInfo::new(label, 0, 0, 0), ..Deed::new(call, target) }
    }
}

/// Threads with a scheduling context each.
#[derive(Clone, Copy)]
pub struct Crowd {
    tcbs: CPtr,
    contexts: CPtr,
    /// Wakes the thread that answers when all others wait, and its answer.
    ask: Cap<Notification>,
    answer: Cap<Notification>,
}

/// Answers the test as soon as nobody of higher priority can run, each time that it is asked. `argument` = the
/// notification that asks and, in its upper half, the one that answers.
extern "C" fn answer_when_idle(argument: Word) {
    let (ask, answer) = (argument & 0xffff_ffff, argument >> 32);
    loop {
        sys::wait(ask);
        Cap::<Notification>::new(answer).signal();
    }
}

impl Crowd {
    /// The thread.
    pub fn tcb(&self, index: usize) -> Cap<Tcb> {
        Cap::new(self.tcbs + index as CPtr)
    }

    /// Its time.
    pub fn sched_context(&self, index: usize) -> Cap<SchedContext> {
        Cap::new(self.contexts + index as CPtr)
    }

    /// Lets all members run until none can any more: [`Fixture::settle`] without a new thread each time.
    pub fn settle(&self) {
        self.ask.signal();
        self.answer.wait();
    }

    /// Lets a member run at `priority` up to its system call, and enter `index` into the roll when that returns.
    pub fn start(&self, index: usize, priority: Word, deed: Deed) -> libsel::Result<()> {
        self.start_with_r13(index, priority, deed, 0)
    }

    /// [`Crowd::start`] with `r13`, to which NBSendRecv sends.
    pub fn start_with_r13(&self, index: usize, priority: Word, deed: Deed, r13: CPtr) -> libsel::Result<()> {
        let tcb = self.tcb(index);
        tcb.set_priority(initial::TCB, priority)?;
        let mut context = UserContext::default();
        context
            .set(Register::Rip, member_code())
            .set(Register::Rdx, deed.call.raw() as Word)
            .set(Register::Rdi, deed.target)
            .set(Register::Rsi, deed.info.0)
            .set(Register::R10, index as Word)
            .set(Register::R12, deed.reply)
            .set(Register::R13, r13)
            .set(Register::R14, ROLL.as_ptr().addr() as Word)
            .set(Register::Rbx, index as Word)
            .set(Register::Rbp, tcb.cptr());
        tcb.write_registers(true, context.0.len(), &context)
    }
}

impl Fixture<'_> {
    /// `count` threads that are inactive; the roll is empty.
    pub fn crowd(&mut self, count: usize) -> libsel::Result<Crowd> {
        assert!(count <= MAX_MEMBERS, "a crowd has at most MAX_MEMBERS");
        ROLL.iter().for_each(|word| word.store(0, Relaxed));
        let (ask, answer) = (self.notification()?, self.notification()?);
        let (tcbs, contexts) = (self.slots(count as u64), self.slots(count as u64));
        let crowd = Crowd { tcbs, contexts, ask, answer };
        self.spawn(Options::at_priority(1), answer_when_idle, ask.cptr() | answer.cptr() << 32)?;
        for (object_type, size_bits, first) in
            [(ObjectType::Tcb, 0, crowd.tcbs), (ObjectType::SchedContext, 7, crowd.contexts)]
        {
            let target = RetypeTarget::slots_of(initial::CNODE, first);
            self.untyped.retype(object_type, size_bits, target, count as Word)?;
        }
        for index in 0..count {
            let (tcb, time) = (crowd.tcb(index), crowd.sched_context(index));
            self.machine.sched_control.configure_flags(time, 1_000_000, 1_000_000, 0, 0, 0)?;
            tcb.configure(initial::CNODE, 0, initial::VSPACE, 0, Cap::<Page>::NULL)?;
            tcb.set_sched_params(initial::TCB, 0, 0, time, Cap::NULL)?;
        }
        Ok(crowd)
    }
}

/// Members that have entered the roll.
pub fn roll_length() -> usize {
    (ROLL[0].load(Relaxed) as usize).min(MAX_MEMBERS)
}

/// Member and badge of entry `index` of the roll.
pub fn roll_entry(index: usize) -> (usize, Word) {
    let word = |offset: usize| ROLL[1 + ENTRY_WORDS * index + offset].load(Relaxed);
    (word(0) as usize, word(1))
}

/// The roll has to hold exactly these members, in this order.
#[track_caller]
pub fn roll_is(expected: impl Iterator<Item = usize>) -> Outcome {
    let mut seen = 0;
    for member in expected {
        equal((seen, roll_length() > seen, roll_entry(seen).0), (seen, true, member))?;
        seen += 1;
    }
    equal(roll_length(), seen)
}
