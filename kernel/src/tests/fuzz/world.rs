//! Performs steps, and notes what comes of them.
use sel_abi::message::IPC_BUFFER_RECEIVE_WORD;
use sel_abi::{Label, Syscall};

use super::dice::Dice;
use super::kinds::{FIRST, Kind, Plan, SLOTS, has, plan, spoil, wild};
use super::outcome::{Outcome, Table};
use super::plan_threads::is_passive_server;
use super::stage::{self, Stage};
use super::steps::Step;
use crate::arch;
use crate::cap::{Cap, FrameSize, delete, derivation, lookup};
use crate::object::tcb::{TcbPtr, ThreadState};
use crate::tests::check;
use crate::tests::machine::{Machine, Msg, TICKS_PER_US};
use crate::tests::objects::SCHED_CONTROL;

pub struct World {
    pub m: Machine,
    guardians: Vec<TcbPtr>,
    arenas: Vec<u64>,
    pub table: Table,
    /// What happened, in words, if it is to be told.
    pub trace: Option<Vec<String>>,
}

impl World {
    pub fn new(dice: &mut Dice) -> World {
        let Stage { m, guardians, arenas } = stage::set(dice);
        World { m, guardians, arenas, table: Table::default(), trace: None }
    }

    fn tell(&mut self, text: impl FnOnce(&Machine) -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(text(&self.m));
        }
    }

    /// Performs one step: mostly one kernel entry, none if only time passes.
    pub fn perform(&mut self, step: Step) {
        let calm = self.guardians.contains(&self.m.current());
        match step {
            Step::Likely(kind, seed) => {
                let kind = if seed.is_multiple_of(if calm { 2 } else { 4 }) {
                    self.urgent(calm, seed).unwrap_or(kind)
                } else {
                    kind
                };
                let plan = plan(&self.m, kind, &mut Dice::from_seed(seed));
                self.call(&plan);
            }
            Step::Wrong(kind, seed) => {
                let mut dice = Dice::from_seed(seed);
                let mut plan = plan(&self.m, kind, &mut dice);
                spoil(&mut plan, &mut dice);
                self.call(&plan);
            }
            Step::Wild(seed) => self.call(&wild(&mut Dice::from_seed(seed))),
            Step::Interrupt(vector) => self.enter("Interrupt", step, |m| m.interrupt(vector)),
            Step::Time(ticks) => self.enter("Timer", step, |m| m.tick(ticks)),
            Step::Pass(ticks) => {
                self.tell(|_| format!("{ticks} ticks pass"));
                arch::advance(ticks);
            }
            Step::Preempt(every) => {
                self.tell(|_| {
                    format!("from here on preemption point {every} of a call is interrupted (0 = none)")
                });
                self.m.preempt_every = every;
                self.m.preempted = true;
            }
            // A guardian does nothing that could stop it.
            _ if calm => {}
            Step::Number(number) if Syscall::from_raw(number.cast_signed()).is_some() => {}
            Step::Number(number) => self.enter("UnknownSyscall", step, |m| m.enter_syscall(number)),
            Step::Fault { vector, address } => {
                self.enter("Exception", step, |m| m.exception(0x40_0000, vector, address & 0x1f, address));
            }
            Step::SoftwareInterrupt(vector) => {
                self.enter("SoftwareInterrupt", step, |m| m.software_interrupt(0x40_0000, vector));
            }
        }
        if self.m.entries.is_multiple_of(4) {
            self.look_around();
        }
    }

    /// What leads to rare situations: a guardian brings the others back to life, who was called calls the next or
    /// answers, and passive servers are called.
    fn urgent(&self, calm: bool, seed: u64) -> Option<Kind> {
        if calm {
            return Some(Kind::Resume);
        }
        let called = self.m.k.current_context.is_some_and(|context| context.reply.get().is_some());
        match seed / 4 % 4 {
            0 if called => Some(Kind::ReplyRecv),
            0 => None,
            _ if called || has(&self.m, is_passive_server) => Some(Kind::CallEndpoint),
            _ => None,
        }
    }

    /// A kernel entry that is no system call with a number that exists.
    fn enter(&mut self, name: &str, step: Step, act: impl FnOnce(&mut Machine)) {
        self.tell(|m| format!("{:?}: {step:?}", m.current()));
        let thread = self.m.current();
        act(&mut self.m);
        let outcome = if thread.is_runnable() { Outcome::Answer(0) } else { Outcome::Stopped };
        self.table.count(name, outcome);
    }

    fn call(&mut self, plan: &Plan) {
        let thread = self.m.current();
        let mut plan = plan.clone();
        if self.guardians.contains(&thread) && !is_harmless(thread, &plan) {
            if !matches!(plan.call, Syscall::Call | Syscall::Send) {
                return;
            }
            plan.call = Syscall::NbSend;
        }
        let plan = &plan;
        self.tell(|m| describe(m, plan));
        if let (Some(receive), Some(buffer)) = (plan.receive, thread.ipc_buffer(true)) {
            for (cell, word) in buffer[IPC_BUFFER_RECEIVE_WORD..].iter().zip(receive) {
                cell.set(word);
            }
        }
        let [cap, r12, r13] = plan.caps;
        let target = cap_of(&thread, cap);
        let name = name(plan, target);
        let configured = configured_context(thread, plan);
        if let Some(context) = configured {
            // What it will be is known only if the call is seen to succeed.
            self.m.budgets.remove(&context);
        }
        self.m.sys(
            plan.call,
            cap,
            r12,
            r13,
            Msg { label: plan.label, words: &plan.words, caps: &plan.extra },
        );
        let mut outcome = self.outcome(thread, plan);
        let mut repeats = 0;
        // A guardian that lost its CSpace meanwhile would fault.
        let may_repeat = !self.guardians.contains(&thread);
        while may_repeat
            && outcome == Outcome::Again
            && self.m.current() == thread
            && self.m.preempt_every > 0
            && repeats < 3
        {
            self.table.count(&name, outcome);
            self.table.situation("a call was preempted");
            repeats += 1;
            self.m.enter_syscall(plan.call.raw().cast_unsigned());
            outcome = self.outcome(thread, plan);
        }
        self.table.count(&name, outcome);
        self.tell(|_| format!("    {outcome:?}"));
        self.note_budget(thread, plan, configured, outcome);
        let reply = thread.is_runnable().then(|| self.m.reply_of(self.m.current()));
        if let Some(reply) = reply.filter(|_| plan.receive.is_some()) {
            if reply.extra_caps as u32 > reply.unwrapped.count_ones() {
                self.table.situation("a capability was received");
            }
            if reply.unwrapped != 0 {
                self.table.situation("a capability arrived as a badge");
            }
        }
    }

    fn note_budget(&mut self, thread: TcbPtr, plan: &Plan, configured: Option<u64>, outcome: Outcome) {
        let succeeded = outcome == Outcome::Answer(0) && self.m.current() == thread;
        if succeeded
            && plan.call == Syscall::Call
            && plan.caps[0] == SCHED_CONTROL
            && let (Some(context), Some(budget_us)) = (configured, plan.words.first())
        {
            self.m.budgets.insert(context, budget_us * TICKS_PER_US);
        }
    }

    /// How the last kernel entry ended for the thread that made it.
    fn outcome(&self, thread: TcbPtr, plan: &Plan) -> Outcome {
        let restarts = thread.state.get() == ThreadState::Restart || self.m.must_repeat(thread);
        if thread.is_stopped() {
            Outcome::Stopped
        } else if restarts {
            Outcome::Again
        } else if plan.call == Syscall::Call && thread.yield_to.get().is_none() {
            Outcome::Answer(self.m.reply_of(thread).label)
        } else {
            Outcome::Answer(0)
        }
    }

    /// Notes situations that only a good sequence of steps leads to.
    fn look_around(&mut self) {
        let m = &self.m;
        let table = &mut self.table;
        if m.k.orphans.is_some() {
            table.situation("an orphaned object is half deleted");
        }
        if m.k.sched.release.first().is_some() {
            table.situation("a thread waits for budget");
        }
        if m.current().yield_to.get().is_some()
            || m.k.current_context.is_some_and(|it| it.yield_from.get().is_some())
        {
            table.situation("a thread waits in YieldTo");
        }
        if has(m, is_passive_server) {
            table.situation("a passive server waits");
        }
        if self.guardians.contains(&m.current()) {
            table.situation("a guardian runs");
        }
        match m.k.sched.domain() {
            0 => {}
            1 => table.situation("domain 1 runs"),
            2 => table.situation("domain 2 runs"),
            _ => table.situation("domain 3 runs"),
        }
        let newest = m.k.current_context.and_then(|context| context.reply.get());
        let depth = std::iter::successors(newest, |reply| reply.neighbours().0).count();
        match depth {
            0 => {}
            1 => table.situation("a server runs on its caller's time"),
            2 => table.situation("a stack of two calls"),
            _ => table.situation("a stack of three or more calls"),
        }
        for cptr in FIRST..FIRST + SLOTS {
            match m.cap(cptr) {
                Cap::Reply(reply) => {
                    let (older, newer) = reply.object.neighbours();
                    if older.is_some() && newer.is_none() && reply.object.sched_context.get().is_none() {
                        table.situation("a stack of calls was cut in the middle");
                    }
                }
                Cap::Zombie(_) => table.situation("a zombie in a slot"),
                Cap::CNode(cnode) => {
                    let inner = cnode.slot(0).map(|slot| slot.cap());
                    if matches!(inner, Some(Cap::CNode(inner)) if inner.slots == cnode.slots) {
                        table.situation("a CNode in itself");
                    }
                }
                Cap::Frame(frame) if frame.mapping.is_some() => match frame.size {
                    FrameSize::Small => {}
                    FrameSize::Large => table.situation("a large page is mapped"),
                    FrameSize::Huge => table.situation("a huge page is mapped"),
                },
                Cap::AsidPool(_) => table.situation("a further ASID pool"),
                Cap::Tcb(thread) => {
                    if matches!(thread.fault.get(), crate::fault::Fault::Timeout { .. }) {
                        table.situation("a timeout fault");
                    }
                }
                _ => {}
            }
        }
    }

    /// Cleans up as a root task would; all memory must come back.
    pub fn finish(&mut self) {
        self.m.preempt_every = 0;
        for arena in self.arenas.clone() {
            let slot = self.m.slot(arena);
            while delete::revoke(&mut self.m.k, slot).is_err() {}
            assert!(!derivation::has_children(slot), "children are left after a revoke");
            assert!(matches!(slot.cap(), Cap::Untyped(_)), "the untyped itself is gone");
        }
        assert!(self.m.k.orphans.is_none(), "orphans are left after a revoke");
        // Whoever ran may be gone.
        self.m.k.reschedule();
        self.m.k.finish();
        check::check(&self.m);
        arch::take_output();
    }
}

/// A guardian only does what cannot stop it: invocations of objects, and messages that nobody needs to take.
fn is_harmless(guardian: TcbPtr, plan: &Plan) -> bool {
    match plan.call {
        Syscall::Call | Syscall::Send => {
            let slot = |cptr: u64| lookup::thread_slot(&guardian, cptr);
            let target = slot(plan.caps[0]);
            target.is_ok_and(|slot| !matches!(slot.cap(), Cap::Endpoint(_)))
                && plan.extra.iter().all(|cptr| slot(*cptr).is_ok())
        }
        call => matches!(call, Syscall::NbSend | Syscall::Yield),
    }
}

fn cap_of(thread: &TcbPtr, cptr: u64) -> Cap {
    lookup::thread_slot(thread, cptr).map_or(Cap::Null, |slot| slot.cap())
}

/// The row in the table of outcomes: the label of an invocation, or the system call.
fn name(plan: &Plan, target: Cap) -> String {
    let is_message = matches!(target, Cap::Null | Cap::Endpoint(_) | Cap::Notification(_) | Cap::Reply(_));
    match Label::from_raw(plan.label) {
        Some(label) if plan.call == Syscall::Call && !is_message => format!("{label:?}"),
        _ => format!("sys:{:?}", plan.call),
    }
}

/// The scheduling context that a call may configure, by physical address.
fn configured_context(thread: TcbPtr, plan: &Plan) -> Option<u64> {
    if plan.label != Label::SchedControlConfigureFlags.raw() {
        return None;
    }
    match cap_of(&thread, *plan.extra.first()?) {
        Cap::SchedContext(context) => Some(context.object.phys().0),
        _ => None,
    }
}

fn describe(m: &Machine, plan: &Plan) -> String {
    let thread = m.current();
    let target = cap_of(&thread, plan.caps[0]);
    let name = name(plan, target);
    let Plan { call, caps: [cap, r12, r13], words, extra, label, .. } = plan;
    format!(
        "{thread:?}: {call:?} {name} (label {label}) cap {cap:#x} = {target:x?}, r12 {r12:#x}, r13 {r13:#x}, words \
         {words:x?}, extra {extra:x?}"
    )
}
