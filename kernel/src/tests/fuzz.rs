//! Random sequences of system calls, valid and not, over a few objects of each kind; everything is checked after each
//! step. At the end all memory is revoked and must be free.
use proptest::prelude::*;
use sel_abi::{CapTag, Label, ObjectType, Syscall};

use super::fuzz_steps::{FIRST, Kind, plan};
use super::machine::{Machine, Msg};
use super::objects::{ROOT, SCHED_CONTROL, VSPACE};
use crate::arch;
use crate::cap::{Cap, derivation, lookup};
use crate::object::tcb::TcbPtr;
use crate::state::Config;

/// One thing that the current thread does, or that happens to it.
#[derive(Clone, Debug)]
pub enum Step {
    /// A system call of a kind that has a good chance to succeed; the numbers choose what is not fixed.
    Likely(Kind, [u64; 6]),
    /// A system call by number with these registers.
    Wild {
        call: Syscall,
        cap: u64,
        r12: u64,
        r13: u64,
        label: u64,
        words: Vec<u64>,
        caps: Vec<u64>,
    },
    /// A system call with any number at all.
    Number(u64),
    Fault {
        vector: u64,
        address: u64,
    },
    SoftwareInterrupt(u64),
    Interrupt(u8),
    /// Time passes, and the timer fires.
    Time(u64),
    /// Time passes unnoticed until the next kernel entry.
    Pass(u64),
    /// From here on every n-th preemption point is interrupted.
    Preempt(u32),
}

fn cptr() -> impl Strategy<Value = u64> {
    prop_oneof![8 => FIRST..FIRST + 24, 4 => 0..20u64, 1 => any::<u64>()]
}

fn word() -> impl Strategy<Value = u64> {
    let extreme = [20, 100, 1_000, 4_096, 0x40_0000, 255, u64::MAX, 1 << 63, (1 << 47) - 1, (1 << 56) - 1];
    prop_oneof![
        4 => FIRST..FIRST + 24,
        4 => Just(64u64),
        4 => 0..16u64,
        3 => prop::sample::select(extreme.to_vec()),
        1 => any::<u64>(),
    ]
}

fn wild() -> impl Strategy<Value = Step> {
    let call = prop::sample::select(&[
        Syscall::Call,
        Syscall::Call,
        Syscall::Send,
        Syscall::NbSend,
        Syscall::NbRecv,
    ]);
    let words = prop::collection::vec(word(), 0..10);
    let caps = prop::collection::vec(cptr(), 0..4);
    (call, cptr(), cptr(), cptr(), 0..60u64, words, caps).prop_map(
        |(call, cap, r12, r13, label, words, caps)| Step::Wild { call, cap, r12, r13, label, words, caps },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let time = || prop_oneof![0..3_000u64, 10_000..60_000u64, Just(6_000_000u64)];
    prop_oneof![
        40 => (prop::sample::select(Kind::ALL), any::<[u64; 6]>()).prop_map(|(kind, dice)| Step::Likely(kind, dice)),
        4 => wild(),
        1 => any::<u64>().prop_map(Step::Number),
        1 => (0..32u64, any::<u64>()).prop_map(|(vector, address)| Step::Fault { vector, address }),
        1 => (158..255u64).prop_map(Step::SoftwareInterrupt),
        2 => prop_oneof![Just(arch::TIMER_VECTOR), 48..52u8].prop_map(Step::Interrupt),
        3 => time().prop_map(Step::Time),
        5 => time().prop_map(Step::Pass),
        1 => (0..4u32).prop_map(Step::Preempt),
    ]
}

/// Slots with some objects of each common kind, to start from. Returns the untyped that they were made from.
fn stage(m: &mut Machine) -> u64 {
    let pool = m.pool;
    let arena = m.retype(pool, ObjectType::Untyped, 18, 1);
    m.pool = arena;
    let (node, small) = (m.sized(ObjectType::CapTable, 4), m.sized(ObjectType::Untyped, 14));
    let mut staged = vec![node, small, m.sized(ObjectType::Untyped, 14)];
    for object in
        [ObjectType::Endpoint, ObjectType::Endpoint, ObjectType::Notification, ObjectType::Notification]
    {
        staged.push(m.object(object));
    }
    let handler = staged[3];
    for priority in [253, 254, 254, 255] {
        staged.push(m.object(ObjectType::Reply));
        let thread = m.thread(priority);
        m.configure_context(thread.context, 40, 40 + 40 * (255 - priority));
        let words = [255, priority];
        m.ok(thread.cap, Label::TcbSetSchedParams, &words, &[1, thread.context, handler]);
        m.ok_switching(thread.cap, Label::TcbResume, &[], &[]);
        staged.extend([thread.cap, thread.context]);
    }
    for (slot, from) in (FIRST..).zip(staged) {
        m.ok(ROOT, Label::CNodeMove, &[slot, 64, from, 64], &[ROOT]);
    }
    arena
}

/// Two threads of the lowest priority, one a domain, that the steps cannot reach and that never stop: the host port cannot
/// idle for ever.
fn guardians(m: &mut Machine) -> [TcbPtr; 2] {
    let small =
        |bits: u8| m.info.untyped_list.iter().any(|desc| desc.is_device == 0 && desc.size_bits == bits);
    let bits = (14..20).find(|&bits| small(bits)).expect("a small untyped");
    let untyped = m.untyped(bits);
    [0, 1].map(|domain| {
        let tcb = m.retype(untyped, ObjectType::Tcb, 0, 1);
        let context = m.retype(untyped, ObjectType::SchedContext, 8, 1);
        m.configure_context(context, 5_000, 5_000);
        m.ok(tcb, Label::TcbConfigure, &[0, 0, 0], &[ROOT, VSPACE, 0]);
        m.ok(context, Label::SchedContextBind, &[], &[tcb]);
        m.ok(sel_abi::bootinfo::slot::DOMAIN, Label::DomainSetSet, &[domain], &[tcb]);
        m.ok(tcb, Label::TcbResume, &[], &[]);
        let Cap::Tcb(thread) = m.cap(tcb) else { panic!() };
        thread
    })
}

/// A guardian only does what cannot stop it: invocations of objects.
fn is_harmless(m: &Machine, call: Syscall, cap: u64) -> bool {
    let slot = lookup::thread_slot(&m.current(), cap);
    match call {
        Syscall::Call | Syscall::Send | Syscall::NbSend => {
            slot.is_ok_and(|slot| !matches!(slot.cap(), Cap::Endpoint(_)))
        }
        _ => call == Syscall::Yield,
    }
}

struct World {
    m: Machine,
    guardians: [TcbPtr; 2],
}

impl World {
    fn call(&mut self, call: Syscall, [cap, r12, r13]: [u64; 3], message: Msg) {
        let m = &mut self.m;
        let thread = m.current();
        if self.guardians.contains(&thread) && !is_harmless(m, call, cap) {
            return;
        }
        let configured = match message.caps.first() {
            Some(context) if message.label == Label::SchedControlConfigureFlags.raw() => Some(*context),
            _ => None,
        };
        if let Some(Cap::SchedContext(context)) = configured.and_then(|cptr| cap_of(&thread, cptr)) {
            // What it will be is known only if the call is seen to succeed.
            m.budgets.remove(&context.object.phys().0);
        }
        m.sys(call, cap, r12, r13, message);
        let mut repeats = 0;
        while m.must_repeat(thread) && m.preempt_every > 0 && repeats < 3 {
            repeats += 1;
            m.enter_syscall(call.raw().cast_unsigned());
        }
        let succeeded = call == Syscall::Call && m.current() == thread && m.reply_of(thread).label == 0;
        if let (true, SCHED_CONTROL, Some(context)) = (succeeded, cap, configured)
            && let Some(Cap::SchedContext(context)) = cap_of(&thread, context)
        {
            m.budgets.insert(context.object.phys().0, message.words[0] * super::machine::TICKS_PER_US);
        }
    }

    fn perform(&mut self, step: &Step) {
        let calm = self.guardians.contains(&self.m.current());
        match step {
            Step::Likely(kind, dice) => {
                let (call, caps, label, words, extra) = plan(&self.m, *kind, dice);
                self.call(call, caps, Msg { label, words: &words, caps: &extra });
            }
            Step::Wild { call, cap, r12, r13, label, words, caps } => {
                self.call(*call, [*cap, *r12, *r13], Msg { label: *label, words, caps });
            }
            Step::Interrupt(vector) => self.m.interrupt(*vector),
            Step::Time(ticks) => self.m.tick(*ticks),
            Step::Pass(ticks) => arch::advance(*ticks),
            Step::Preempt(every) => {
                self.m.preempt_every = *every;
                self.m.preempted = true;
            }
            _ if calm => {}
            Step::Number(number) => {
                // Those that exist may halt the machine.
                if Syscall::from_raw(number.cast_signed()).is_none() {
                    self.m.enter_syscall(*number);
                }
            }
            Step::Fault { vector, address } => {
                self.m.exception(0x40_0000, *vector, *address & 0x1f, *address)
            }
            Step::SoftwareInterrupt(vector) => self.m.software_interrupt(0x40_0000, *vector),
        }
    }
}

fn cap_of(thread: &TcbPtr, cptr: u64) -> Option<Cap> {
    lookup::thread_slot(thread, cptr).ok().map(|slot| slot.cap())
}

/// `SELKIE_FUZZ_CASES` sets the number of sequences, for long runs.
fn config() -> ProptestConfig {
    let cases = std::env::var("SELKIE_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(60),
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_sequences_keep_every_invariant(steps in prop::collection::vec(step(), 1..200)) {
        let mut m = Machine::with_config(Config { domains: 2, ..Config::default() });
        let guardians = guardians(&mut m);
        let arena = stage(&mut m);
        let arena_slot = m.slot(arena);
        let mut world = World { m, guardians };
        for step in &steps {
            world.perform(step);
        }
        // A guardian, or whoever runs, cleans up as the root task would.
        world.m.preempt_every = 0;
        while crate::cap::delete::revoke(&mut world.m.k, arena_slot).is_err() {}
        prop_assert!(!derivation::has_children(arena_slot));
        prop_assert_eq!(arena_slot.cap().tag(), CapTag::Untyped);
        prop_assert!(world.m.k.orphans.is_none());
    }
}
