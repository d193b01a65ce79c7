//! Helper threads: they run in the program's own CSpace and, mostly, its own address space, on a stack and an IPC buffer
//! of the image.
//!
//! They run below the self-test's own priority of 255, so they get the processor when the test waits: for one of them
//! with [`Thread::join`], or until none can run any more with [`Fixture::settle`].

use libsel::abi::message::{IPC_BUFFER_CAPS_WORD, IPC_BUFFER_MSG_WORD, IPC_BUFFER_RECEIVE_WORD};
use libsel::abi::{CPtr, CapRights, IpcBuffer, Register, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Endpoint, Notification, SchedContext, Tcb, VSpace};
use libsel::invoke::UserContext;
use libsel::{Cap, sys};

use super::fixture::{Fixture, poke};
use super::pages::Pages;

/// Helper threads that one test can have.
const MAX_THREADS: usize = 8;
/// Bytes of a helper's stack.
const STACK_BYTES: usize = 8192;
/// The usual priority of helpers.
pub const PRIORITY: Word = 100;
/// The usual budget and period: round robin with slices so long that none ends in a test, not even on a host that stops
/// the machine now and then.
const SLICE_US: Word = 1_000_000;

static STACKS: [Pages<STACK_BYTES>; MAX_THREADS] = [const { Pages::new() }; MAX_THREADS];
static BUFFERS: [Pages<4096>; MAX_THREADS] = [const { Pages::new() }; MAX_THREADS];

/// What a helper thread does.
pub type Body = extern "C" fn(argument: Word);

/// How a helper thread is made.
#[derive(Clone, Copy)]
pub struct Options {
    /// 0 to 255.
    pub priority: Word,
    /// Maximum controlled priority.
    pub mcp: Word,
    /// Budget; equal to the period for round robin. 0: the thread gets no scheduling context.
    pub budget_us: Word,
    /// Period.
    pub period_us: Word,
    /// Badge of the scheduling context.
    pub sched_badge: Word,
    /// Flags of the scheduling context.
    pub sched_flags: Word,
    /// Extra refills.
    pub extra_refills: Word,
    /// Handler of its faults.
    pub fault_endpoint: Cap<Endpoint>,
    /// Its address space; another one than the program's own has to map the program's image.
    pub vspace: Cap<VSpace>,
    /// Flags of the thread (TCB_SetFlags).
    pub flags: Word,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            priority: PRIORITY,
            mcp: 0,
            budget_us: SLICE_US,
            period_us: SLICE_US,
            sched_badge: 0,
            sched_flags: 0,
            extra_refills: 0,
            fault_endpoint: Cap::NULL,
            vspace: initial::VSPACE,
            flags: 0,
        }
    }
}

impl Options {
    /// The usual ones with another priority.
    pub fn at_priority(priority: Word) -> Self {
        Options { priority, ..Options::default() }
    }

    /// The usual ones with a budget and a period in microseconds.
    pub fn with_budget(budget_us: Word, period_us: Word) -> Self {
        Options { budget_us, period_us, ..Options::default() }
    }
}

/// A helper thread.
#[derive(Clone, Copy)]
pub struct Thread {
    /// Its TCB.
    pub tcb: Cap<Tcb>,
    /// Its scheduling context; null if it was made without.
    pub sched_context: Cap<SchedContext>,
    /// Signalled with badge 1 when its body has returned.
    pub done: Cap<Notification>,
    /// Address behind its stack.
    pub stack_end: Word,
    /// Address of its IPC buffer.
    pub buffer: Word,
}

impl Thread {
    /// Waits until its body has returned.
    pub fn join(&self) {
        self.done.wait();
    }

    /// Names extra capability `index` of what it sends. Its system calls must have that many capabilities; those of
    /// [`libsel`]'s methods go to the test's own buffer, not to the thread's.
    pub fn offer(&self, index: usize, cptr: CPtr) {
        poke(self.buffer + (IPC_BUFFER_CAPS_WORD + index) as Word * 8, cptr);
    }

    /// Sets message word `index`, 4 and up, of what it sends.
    pub fn set_word(&self, index: usize, value: Word) {
        poke(self.buffer + (IPC_BUFFER_MSG_WORD + index) as Word * 8, value);
    }

    /// Names the slot of the root CNode for capabilities that it receives.
    pub fn receive_into(&self, slot: CPtr) {
        let base = self.buffer + IPC_BUFFER_RECEIVE_WORD as Word * 8;
        poke(base, initial::CNODE.cptr());
        poke(base + 8, slot);
        poke(base + 16, 64);
    }

    /// Its body has returned; true once only.
    pub fn is_done(&self) -> bool {
        self.done.poll() != 0
    }
}

/// Where helper threads start.
extern "C" fn enter(argument: Word, body: Body, done: CPtr, tcb: CPtr) -> ! {
    body(argument);
    Cap::<Notification>::new(done).signal();
    loop {
        let _ = Cap::<Tcb>::new(tcb).suspend();
    }
}

impl Fixture<'_> {
    /// A thread that runs `body(argument)` when it is resumed.
    pub fn prepare(&mut self, options: Options, body: Body, argument: Word) -> libsel::Result<Thread> {
        let thread = self.bare_thread(options)?;
        let signal = self.mint(thread.done, CapRights::ALL, 1)?;
        let entry: extern "C" fn(Word, Body, CPtr, CPtr) -> ! = enter;
        let mut context = UserContext::default();
        context
            .set(Register::Rip, entry as usize as Word)
            // As after a call instruction.
            .set(Register::Rsp, thread.stack_end - 8)
            .set(Register::Rdi, argument)
            .set(Register::Rsi, body as usize as Word)
            .set(Register::Rdx, signal.cptr())
            .set(Register::Rcx, thread.tcb.cptr());
        thread.tcb.write_registers(false, context.0.len(), &context)?;
        Ok(thread)
    }

    /// A thread that runs `body(argument)` as soon as nothing of higher priority does.
    pub fn spawn(&mut self, options: Options, body: Body, argument: Word) -> libsel::Result<Thread> {
        let thread = self.prepare(options, body, argument)?;
        thread.tcb.resume()?;
        Ok(thread)
    }

    /// A thread with spaces, priority, time and handler, but without registers; it is inactive.
    pub fn bare_thread(&mut self, options: Options) -> libsel::Result<Thread> {
        let index = self.threads;
        assert!(index < MAX_THREADS, "a test uses more threads than MAX_THREADS");
        self.threads += 1;
        let tcb = self.tcb()?;
        let done = self.notification()?;
        let sched_context = if options.budget_us == 0 { Cap::NULL } else { self.make(8)? };
        if options.budget_us != 0 {
            self.machine.sched_control.configure_flags(
                sched_context,
                options.budget_us,
                options.period_us,
                options.extra_refills,
                options.sched_badge,
                options.sched_flags,
            )?;
        }
        let buffer = BUFFERS[index].start();
        (0..size_of::<IpcBuffer>() as Word).step_by(8).for_each(|offset| poke(buffer + offset, 0));
        tcb.configure(initial::CNODE, 0, options.vspace, buffer, self.machine.image_frame(buffer))?;
        tcb.set_sched_params(
            initial::TCB,
            options.mcp,
            options.priority,
            sched_context,
            options.fault_endpoint,
        )?;
        if options.flags != 0 {
            tcb.set_flags(0, options.flags)?;
        }
        Ok(Thread { tcb, sched_context, done, stack_end: STACKS[index].end(), buffer })
    }

    /// Lets all threads of lower priority run until none can any more.
    pub fn settle(&mut self) -> libsel::Result<()> {
        extern "C" fn nothing(_: Word) {}
        // A thread of priority 1 runs only when all others wait.
        self.pass_time(Options::at_priority(1), nothing)
    }

    /// Lets threads run for `us` microseconds or more.
    pub fn sleep_us(&mut self, us: Word) -> libsel::Result<()> {
        extern "C" fn next_period(_: Word) {
            sys::yield_();
        }
        // A budget that is overrun costs further periods: give it plenty.
        self.pass_time(Options { priority: 254, ..Options::with_budget(us / 2, us) }, next_period)
    }

    /// Waits for a thread that is of no further use.
    fn pass_time(&mut self, options: Options, body: Body) -> libsel::Result<()> {
        let thread = self.spawn(options, body, 0)?;
        thread.join();
        // The next thread may get its stack and its buffer.
        self.threads -= 1;
        thread.tcb.suspend()
    }
}
