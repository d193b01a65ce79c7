//! Random invocation sequences, valid and not, over a few objects of each kind; everything is checked after each step.
use proptest::prelude::*;
use sel_abi::bootinfo::slot;
use sel_abi::{CapRights, Label, ObjectType, Syscall};

use super::machine::{Machine, Msg};
use super::objects::{OWN_TCB, ROOT, SCHED_CONTROL, VSPACE};
use crate::arch;
use crate::cap::{Cap, lookup};
use crate::object::tcb::TcbPtr;
use crate::state::Config;

/// First of the slots that the steps play with.
const FIRST: u64 = 1000;
/// How many.
const SLOTS: u64 = 24;
/// Message labels that no invocation has.
const LABELS: u64 = 60;

/// One thing that the current thread does, or that happens to it.
#[derive(Clone, Debug)]
enum Step {
    /// A system call by number with these registers.
    Call { call: Syscall, cap: u64, r12: u64, r13: u64, label: u64, words: Vec<u64>, caps: Vec<u64> },
    /// A system call with any number at all.
    Number(u64),
    Fault { vector: u64, address: u64 },
    SoftwareInterrupt(u64),
    Interrupt(u8),
    Time(u64),
    /// From here on every n-th preemption point is interrupted.
    Preempt(u32),
}

/// Capability pointers: mostly the slots that the steps play with, sometimes initial ones or anything.
fn cptr() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => FIRST..FIRST + SLOTS,
        4 => prop_oneof![Just(ROOT), Just(OWN_TCB), Just(VSPACE), Just(SCHED_CONTROL), Just(slot::DOMAIN)],
        2 => 0..20u64,
        1 => any::<u64>(),
    ]
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => FIRST..FIRST + SLOTS,
        4 => Just(64u64),
        4 => 0..16u64,
        2 => prop_oneof![Just(20u64), Just(100), Just(1_000), Just(4_096), Just(0x40_0000), Just(255)],
        1 => prop_oneof![Just(u64::MAX), Just(1u64 << 63), Just((1 << 47) - 1), Just((1 << 56) - 1)],
        1 => any::<u64>(),
    ]
}

fn any_call() -> impl Strategy<Value = Step> {
    let call = prop::sample::select(&Syscall::ALL[..11]);
    let words = prop::collection::vec(word(), 0..10);
    let caps = prop::collection::vec(cptr(), 0..4);
    (call, cptr(), cptr(), cptr(), 0..LABELS, words, caps)
        .prop_map(|(call, cap, r12, r13, label, words, caps)| Step::Call { call, cap, r12, r13, label, words, caps })
}

fn invocation(cap: u64, label: Label, words: Vec<u64>, caps: Vec<u64>) -> Step {
    Step::Call { call: Syscall::Call, cap, r12: 0, r13: 0, label: label.raw(), words, caps }
}

fn slot_of() -> impl Strategy<Value = u64> {
    FIRST..FIRST + SLOTS
}

/// Invocations that have a good chance to succeed.
fn likely() -> impl Strategy<Value = Step> {
    let rights = || (0..16u64).prop_map(|bits| CapRights::from_bits_truncate(bits).bits());
    let object = prop::sample::select(ObjectType::ALL);
    prop_oneof![
        6 => (object, slot_of(), 1..3u64, 4..9u64, slot_of()).prop_map(|(object, at, count, bits, from)| {
            invocation(from, Label::UntypedRetype, vec![object.raw(), bits, 0, 0, at, count], vec![ROOT])
        }),
        4 => (slot_of(), slot_of(), rights()).prop_map(|(to, from, rights)| {
            invocation(ROOT, Label::CNodeCopy, vec![to, 64, from, 64, rights], vec![ROOT])
        }),
        2 => (slot_of(), slot_of(), 0..4u64).prop_map(|(to, from, badge)| {
            invocation(ROOT, Label::CNodeMint, vec![to, 64, from, 64, 15, badge], vec![ROOT])
        }),
        3 => (slot_of(), slot_of(), 0..16u64, 1..9u64).prop_map(|(node, from, index, depth)| {
            invocation(node, Label::CNodeMove, vec![index, depth, from, 64], vec![ROOT])
        }),
        1 => (slot_of(), slot_of(), slot_of()).prop_map(|(to, pivot, from)| {
            invocation(ROOT, Label::CNodeRotate, vec![to, 64, 0, pivot, 64, 0, from, 64], vec![ROOT, ROOT])
        }),
        3 => slot_of().prop_map(|at| invocation(ROOT, Label::CNodeDelete, vec![at, 64], vec![])),
        1 => slot_of().prop_map(|at| invocation(ROOT, Label::CNodeRevoke, vec![at, 64], vec![])),
        1 => slot_of().prop_map(|at| invocation(ROOT, Label::CNodeCancelBadgedSends, vec![at, 64], vec![])),
        3 => (slot_of(), slot_of()).prop_map(|(tcb, space)| {
            invocation(tcb, Label::TcbConfigure, vec![0, 0, 0], vec![space, VSPACE, 0])
        }),
        2 => slot_of().prop_map(|tcb| {
            invocation(tcb, Label::TcbConfigure, vec![0, 0, 0], vec![ROOT, VSPACE, 0])
        }),
        3 => (slot_of(), 0..3u64, slot_of(), slot_of()).prop_map(|(tcb, priority, context, handler)| {
            invocation(tcb, Label::TcbSetSchedParams, vec![255, 253 + priority], vec![OWN_TCB, context, handler])
        }),
        2 => (slot_of(), 253..256u64).prop_map(|(tcb, priority)| {
            invocation(tcb, Label::TcbSetPriority, vec![priority], vec![OWN_TCB])
        }),
        1 => (slot_of(), slot_of()).prop_map(|(tcb, to)| {
            invocation(tcb, Label::TcbSetTimeoutEndpoint, vec![], vec![to])
        }),
        3 => slot_of().prop_map(|tcb| invocation(tcb, Label::TcbResume, vec![], vec![])),
        1 => slot_of().prop_map(|tcb| invocation(tcb, Label::TcbSuspend, vec![], vec![])),
        1 => (slot_of(), slot_of()).prop_map(|(tcb, to)| {
            invocation(tcb, Label::TcbBindNotification, vec![], vec![to])
        }),
        3 => (slot_of(), 20..60u64, 0..3u64, 0..2u64, 0..2u64).prop_map(|(context, budget, factor, extra, flags)| {
            let words = vec![budget, budget * (factor + 1), extra, 7, flags];
            invocation(SCHED_CONTROL, Label::SchedControlConfigureFlags, words, vec![context])
        }),
        3 => (slot_of(), slot_of()).prop_map(|(context, to)| {
            invocation(context, Label::SchedContextBind, vec![], vec![to])
        }),
        1 => slot_of().prop_map(|context| invocation(context, Label::SchedContextUnbind, vec![], vec![])),
        1 => (slot_of(), slot_of()).prop_map(|(context, to)| {
            invocation(context, Label::SchedContextUnbindObject, vec![], vec![to])
        }),
        2 => slot_of().prop_map(|context| invocation(context, Label::SchedContextYieldTo, vec![], vec![])),
        1 => (slot_of(), 0..2u64).prop_map(|(at, vector)| {
            invocation(slot::IRQ_CONTROL, Label::X86IrqIssueIrqHandlerMsi, vec![at, 64, 0, 0, 0, 0, vector], vec![ROOT])
        }),
        1 => (slot_of(), slot_of()).prop_map(|(irq, to)| {
            invocation(irq, Label::IrqSetIrqHandler, vec![], vec![to])
        }),
        1 => (slot_of(), slot_of()).prop_map(|(untyped, to)| {
            invocation(slot::ASID_CONTROL, Label::X86AsidControlMakePool, vec![to, 64], vec![untyped, ROOT])
        }),
        1 => (slot_of(), prop_oneof![Just(slot::INIT_THREAD_ASID_POOL), slot_of()]).prop_map(|(space, pool)| {
            invocation(pool, Label::X86AsidPoolAssign, vec![], vec![space])
        }),
        2 => (slot_of(), prop_oneof![Just(VSPACE), slot_of()], 0..3u64, 36..50u64).prop_map(|(table, space, at, label)| {
            let label = Label::from_raw(label).unwrap_or(Label::X86PageMap);
            invocation(table, label, vec![(0x1000 + at) << 21, 3, 0], vec![space])
        }),
        1 => (slot_of(), 0..16u64).prop_map(|(tcb, domain)| {
            invocation(slot::DOMAIN, Label::DomainSetSet, vec![domain / 15], vec![tcb])
        }),
    ]
}

/// Messages between threads.
fn ipc() -> impl Strategy<Value = Step> {
    let call = prop::sample::select(&Syscall::ALL[..11]);
    let caps = prop::collection::vec(slot_of(), 0..3);
    let words = prop::collection::vec(any::<u64>(), 0..8);
    (call, slot_of(), slot_of(), slot_of(), words, caps)
        .prop_map(|(call, cap, r12, r13, words, caps)| Step::Call { call, cap, r12, r13, label: 0, words, caps })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => likely(),
        12 => ipc(),
        6 => any_call(),
        1 => any::<u64>().prop_map(Step::Number),
        1 => (0..32u64, any::<u64>()).prop_map(|(vector, address)| Step::Fault { vector, address }),
        1 => (158..255u64).prop_map(Step::SoftwareInterrupt),
        2 => prop_oneof![Just(arch::TIMER_VECTOR), 48..52u8].prop_map(Step::Interrupt),
        4 => prop_oneof![0..3_000u64, 10_000..60_000u64, Just(6_000_000u64)].prop_map(Step::Time),
        1 => (0..4u32).prop_map(Step::Preempt),
    ]
}

/// Slots with one object of each common kind, to start from.
fn stage(m: &mut Machine) {
    let pool = m.pool;
    let small = m.retype(pool, ObjectType::Untyped, 17, 2);
    let mut next = FIRST;
    let mut put = |m: &mut Machine, from: u64| {
        m.ok(ROOT, Label::CNodeMove, &[next, 64, from, 64], &[ROOT]);
        next += 1;
    };
    for object in [ObjectType::Endpoint, ObjectType::Notification, ObjectType::Reply, ObjectType::Reply] {
        let cap = m.retype(small, object, 0, 1);
        put(m, cap);
    }
    let node = m.retype(small, ObjectType::CapTable, 4, 1);
    put(m, node);
    for priority in [253, 254, 255] {
        let thread = m.thread_without_context(priority);
        let context = m.retype(small, ObjectType::SchedContext, 8, 1);
        m.configure_context(context, 40, 40 + 40 * (255 - priority));
        m.ok(context, Label::SchedContextBind, &[], &[thread.cap]);
        m.ok_switching(thread.cap, Label::TcbResume, &[], &[]);
        put(m, thread.cap);
        put(m, context);
    }
    put(m, small);
    put(m, small + 1);
}

fn perform(m: &mut Machine, step: &Step) {
    let thread = m.current();
    match step {
        Step::Call { call, cap, r12, r13, label, words, caps } => {
            let configures = *label == Label::SchedControlConfigureFlags.raw();
            if configures {
                // The checker learns the budget only of calls that it can follow; forget what may change.
                m.budgets.clear();
            }
            m.sys(*call, *cap, *r12, *r13, Msg { label: *label, words, caps });
            let mut repeats = 0;
            while m.must_repeat(thread) && m.preempt_every > 0 && repeats < 3 {
                repeats += 1;
                m.enter_syscall(call.raw().cast_unsigned());
            }
        }
        Step::Number(number) => {
            // Those that halt the machine are left out.
            let number = number.cast_signed();
            if Syscall::from_raw(number).is_none() {
                m.enter_syscall(number.cast_unsigned());
            }
        }
        Step::Fault { vector, address } => m.exception(0x40_0000, *vector, *address & 0x1f, *address),
        Step::SoftwareInterrupt(vector) => m.software_interrupt(0x40_0000, *vector),
        Step::Interrupt(vector) => m.interrupt(*vector),
        Step::Time(ticks) => m.tick(*ticks),
        Step::Preempt(every) => {
            m.preempt_every = *every;
            m.preempted = true;
        }
    }
}

/// Two threads of the lowest priority, one a domain, that the steps cannot reach and that never stop: the host port cannot
/// idle for ever.
fn guardians(m: &mut Machine) -> [TcbPtr; 2] {
    let untyped = (14..20).find(|&bits| has_untyped(m, bits)).map(|bits| m.untyped(bits));
    let untyped = untyped.expect("a small untyped");
    [0, 1].map(|domain| {
        let tcb = m.retype(untyped, ObjectType::Tcb, 0, 1);
        let context = m.retype(untyped, ObjectType::SchedContext, 8, 1);
        m.configure_context(context, 5_000, 5_000);
        m.ok(tcb, Label::TcbConfigure, &[0, 0, 0], &[ROOT, VSPACE, 0]);
        m.ok(context, Label::SchedContextBind, &[], &[tcb]);
        m.ok(slot::DOMAIN, Label::DomainSetSet, &[domain], &[tcb]);
        m.ok(tcb, Label::TcbResume, &[], &[]);
        let Cap::Tcb(thread) = m.cap(tcb) else { panic!() };
        thread
    })
}

fn has_untyped(m: &Machine, bits: u8) -> bool {
    m.info.untyped_list.iter().any(|desc| desc.is_device == 0 && desc.size_bits == bits)
}

/// A guardian only does what cannot stop it: invocations of objects.
fn is_harmless(m: &Machine, step: &Step) -> bool {
    match step {
        Step::Call { call: Syscall::Call | Syscall::Send | Syscall::NbSend, cap, .. } => {
            let slot = lookup::thread_slot(&m.current(), *cap);
            slot.is_ok_and(|slot| !matches!(slot.cap(), Cap::Endpoint(_)))
        }
        Step::Call { call: Syscall::Yield, .. } | Step::Interrupt(_) | Step::Time(_) | Step::Preempt(_) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn random_sequences_keep_every_invariant(steps in prop::collection::vec(step(), 1..120)) {
        let mut m = Machine::with_config(Config { domains: 2, ..Config::default() });
        let guardians = guardians(&mut m);
        stage(&mut m);
        for step in &steps {
            if !guardians.contains(&m.current()) || is_harmless(&m, step) {
                perform(&mut m, step);
            }
        }
    }
}
