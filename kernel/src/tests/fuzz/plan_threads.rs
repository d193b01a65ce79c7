//! Plans for threads and scheduling contexts.
use sel_abi::{CapTag, Label};

use super::dice::Dice;
use super::kinds::{Kind, Plan, has, invoke, pick, pick_cap};
use crate::cap::Cap;
use crate::object::tcb::{TcbPtr, ThreadState};
use crate::tests::machine::{Machine, NEXT_IP};
use crate::tests::objects::{OWN_TCB, ROOT, SCHED_CONTROL, VSPACE};

pub fn plan(m: &Machine, kind: Kind, dice: &mut Dice) -> Option<Plan> {
    let tcb = pick(m, dice, CapTag::Tcb);
    let context = |dice: &mut Dice| pick(m, dice, CapTag::SchedContext);
    Some(match kind {
        Kind::ReadRegisters => {
            invoke(tcb, Label::TcbReadRegisters, &[dice.below(8) / 7, 1 + dice.below(20)], &[])
        }
        Kind::WriteRegisters => {
            let count = 1 + dice.below(20);
            let mut words = vec![dice.below(2), count, NEXT_IP];
            words.extend((1..count).map(|_| dice.next() >> dice.below(64)));
            invoke(tcb, Label::TcbWriteRegisters, &words, &[])
        }
        Kind::CopyRegisters => {
            let source = pick(m, dice, CapTag::Tcb);
            invoke(tcb, Label::TcbCopyRegisters, &[dice.below(16)], &[source])
        }
        Kind::Configure => {
            let buffer = pick(m, dice, CapTag::Frame);
            let address = dice.below(4) << 10;
            let spaces = spaces(m, dice);
            invoke(
                tcb,
                Label::TcbConfigure,
                &[spaces.data, 0, address],
                &[spaces.cspace, spaces.vspace, buffer],
            )
        }
        Kind::SetSpace => {
            let handler = handler(m, dice);
            let spaces = spaces(m, dice);
            invoke(tcb, Label::TcbSetSpace, &[spaces.data, 0], &[handler, spaces.cspace, spaces.vspace])
        }
        Kind::SetPriority => invoke(tcb, Label::TcbSetPriority, &[252 + dice.below(4)], &[OWN_TCB]),
        Kind::SetMcPriority => invoke(tcb, Label::TcbSetMcPriority, &[250 + dice.below(6)], &[OWN_TCB]),
        Kind::SetSchedParams => {
            let own = match m.cap(tcb) {
                Cap::Tcb(thread) => thread.sched_context.get(),
                _ => None,
            };
            // The thread's own, a free one, or none at all.
            let context = match own {
                _ if dice.one_in(8) => 0,
                Some(own) => {
                    pick_cap(m, dice, |cap| matches!(cap, Cap::SchedContext(it) if it.object == own))
                }
                None => free_context(m, dice),
            };
            let caps = [OWN_TCB, context, handler(m, dice)];
            invoke(tcb, Label::TcbSetSchedParams, &[255, 253 + dice.below(3)], &caps)
        }
        Kind::SetTimeoutEndpoint => invoke(tcb, Label::TcbSetTimeoutEndpoint, &[], &[handler(m, dice)]),
        Kind::SetIpcBuffer => {
            let buffer = pick(m, dice, CapTag::Frame);
            invoke(tcb, Label::TcbSetIpcBuffer, &[dice.below(4) << 10], &[buffer])
        }
        Kind::Suspend => {
            let calls = |state| matches!(state, ThreadState::BlockedOnReply { .. });
            let caller = |cap: &Cap| matches!(cap, Cap::Tcb(thread) if calls(thread.state.get()));
            let target = if dice.one_in(2) { tcb } else { pick_cap(m, dice, caller) };
            invoke(target, Label::TcbSuspend, &[], &[])
        }
        Kind::Resume => {
            // Who waits for a message is seldom disturbed.
            let inactive = |cap: &Cap| matches!(cap, Cap::Tcb(it) if it.state.get() == ThreadState::Inactive);
            let stopped = |cap: &Cap| matches!(cap, Cap::Tcb(thread) if thread.is_stopped());
            let target = match dice.below(8) {
                0 => tcb,
                1 => pick_cap(m, dice, stopped),
                _ if has(m, inactive) => pick_cap(m, dice, inactive),
                _ => pick_cap(m, dice, |cap| stopped(cap) && !waits_for_message(cap)),
            };
            invoke(target, Label::TcbResume, &[], &[])
        }
        Kind::BindNotification => {
            let notification = pick(m, dice, CapTag::Notification);
            invoke(tcb, Label::TcbBindNotification, &[], &[notification])
        }
        Kind::UnbindNotification => {
            let bound =
                |cap: &Cap| matches!(cap, Cap::Tcb(thread) if thread.bound_notification.get().is_some());
            invoke(pick_cap(m, dice, bound), Label::TcbUnbindNotification, &[], &[])
        }
        Kind::SetTlsBase => invoke(tcb, Label::TcbSetTlsBase, &[dice.next() >> dice.below(64)], &[]),
        Kind::SetFlags => invoke(tcb, Label::TcbSetFlags, &[dice.below(2), dice.below(2)], &[]),
        Kind::ConfigureFlags => {
            let budget = 20 + dice.below(50);
            let extra = dice.below(4);
            let words = [budget, budget * (1 + dice.below(3)), extra, 7, dice.below(2)];
            invoke(SCHED_CONTROL, Label::SchedControlConfigureFlags, &words, &[context(dice)])
        }
        Kind::Bind => {
            let quiet = !dice.one_in(4);
            let thread = |cap: &Cap| {
                let free = matches!(cap, Cap::Tcb(thread) if thread.sched_context.get().is_none());
                free && !(quiet && waits_for_message(cap))
            };
            let object =
                if dice.one_in(3) { pick(m, dice, CapTag::Notification) } else { pick_cap(m, dice, thread) };
            invoke(free_context(m, dice), Label::SchedContextBind, &[], &[object])
        }
        Kind::Unbind => {
            let waits = |thread: TcbPtr| waits_for_message(&Cap::Tcb(thread));
            let of_server =
                |cap: &Cap| matches!(cap, Cap::SchedContext(it) if it.object.thread.get().is_some_and(waits));
            let target = if dice.one_in(2) { context(dice) } else { pick_cap(m, dice, of_server) };
            invoke(target, Label::SchedContextUnbind, &[], &[])
        }
        Kind::UnbindObject => unbind_object(m, dice),
        Kind::YieldTo => invoke(context(dice), Label::SchedContextYieldTo, &[], &[]),
        Kind::Consumed => invoke(context(dice), Label::SchedContextConsumed, &[], &[]),
        _ => return None,
    })
}

/// A thread that waits for a message; without a scheduling context it is a passive server.
fn waits_for_message(cap: &Cap) -> bool {
    let waits = |state| matches!(state, ThreadState::BlockedOnReceive { .. });
    matches!(cap, Cap::Tcb(thread) if waits(thread.state.get()))
}

/// A thread that waits for a call to run on the caller's time.
pub fn is_passive_server(cap: &Cap) -> bool {
    waits_for_message(cap) && matches!(cap, Cap::Tcb(thread) if thread.sched_context.get().is_none())
}

struct Spaces {
    cspace: u64,
    data: u64,
    vspace: u64,
}

/// Mostly those of the root task, with which a thread can do most.
fn spaces(m: &Machine, dice: &mut Dice) -> Spaces {
    let (cspace, data) =
        if dice.one_in(8) { (pick(m, dice, CapTag::CNode), dice.of(&[0, 60])) } else { (ROOT, 0) };
    let vspace = if dice.one_in(2) { pick(m, dice, CapTag::Pml4) } else { VSPACE };
    Spaces { cspace, data, vspace }
}

fn handler(m: &Machine, dice: &mut Dice) -> u64 {
    if dice.one_in(8) { pick(m, dice, CapTag::Null) } else { pick(m, dice, CapTag::Endpoint) }
}

fn free_context(m: &Machine, dice: &mut Dice) -> u64 {
    let free = |cap: &Cap| matches!(cap, Cap::SchedContext(context) if context.object.thread.get().is_none());
    pick_cap(m, dice, free)
}

/// A scheduling context and what it is bound to.
fn unbind_object(m: &Machine, dice: &mut Dice) -> Plan {
    let bound = |cap: &Cap| matches!(cap, Cap::SchedContext(it) if it.object.notification.get().is_some());
    let context = if dice.one_in(2) { pick_cap(m, dice, bound) } else { pick(m, dice, CapTag::SchedContext) };
    let object = match m.cap(context) {
        Cap::SchedContext(it) if it.object.notification.get().is_some() => {
            let known = it.object.notification.get();
            pick_cap(m, dice, |cap| matches!(cap, Cap::Notification(to) if Some(to.object) == known))
        }
        Cap::SchedContext(it) => {
            let known = it.object.thread.get();
            pick_cap(m, dice, |cap| matches!(cap, Cap::Tcb(thread) if Some(*thread) == known))
        }
        _ => pick(m, dice, CapTag::Tcb),
    };
    invoke(context, Label::SchedContextUnbindObject, &[], &[object])
}
