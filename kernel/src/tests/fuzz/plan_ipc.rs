//! Plans for messages, signals and the other system calls.
use sel_abi::{CapRights, CapTag, Syscall};

use super::dice::Dice;
use super::kinds::{Kind, Plan, any_slot, empty, has, pick, pick_cap};
use crate::cap::Cap;
use crate::object::tcb::ThreadState;
use crate::tests::machine::Machine;
use crate::tests::objects::ROOT;

pub fn plan(m: &Machine, kind: Kind, dice: &mut Dice) -> Plan {
    let reply = |dice: &mut Dice| pick_cap(m, dice, |cap| is_reply(cap, false));
    let (call, caps) = match kind {
        Kind::Send => (Syscall::Send, [to_endpoint(m, dice), 0, 0]),
        Kind::NbSend => (Syscall::NbSend, [to_endpoint(m, dice), 0, 0]),
        Kind::CallEndpoint => (Syscall::Call, [to_endpoint(m, dice), 0, 0]),
        Kind::Recv => (Syscall::Recv, [from_endpoint(m, dice), reply(dice), 0]),
        Kind::NbRecv => (Syscall::NbRecv, [from_endpoint(m, dice), reply(dice), 0]),
        Kind::Wait | Kind::NbWait => {
            let call = if kind == Kind::Wait { Syscall::Wait } else { Syscall::NbWait };
            let from =
                if dice.one_in(2) { from_endpoint(m, dice) } else { pick(m, dice, CapTag::Notification) };
            (call, [from, 0, 0])
        }
        Kind::ReplyTo => (Syscall::Send, [answerable(m, dice), 0, 0]),
        Kind::ReplyRecv => (Syscall::ReplyRecv, [from_endpoint(m, dice), answerable(m, dice), 0]),
        Kind::NbSendRecv => {
            (Syscall::NbSendRecv, [from_endpoint(m, dice), reply(dice), first_phase(m, dice)])
        }
        Kind::NbSendWait => (Syscall::NbSendWait, [from_endpoint(m, dice), first_phase(m, dice), 0]),
        Kind::Signal => (Syscall::Send, [pick(m, dice, CapTag::Notification), 0, 0]),
        Kind::Debug => {
            let call =
                dice.of(&[Syscall::DebugCapIdentify, Syscall::DebugPutChar, Syscall::BenchmarkNullSyscall]);
            (call, [any_slot(dice), 0, 0])
        }
        _ => (Syscall::Yield, [0; 3]),
    };
    let count = if dice.one_in(6) { dice.below(sel_abi::MSG_MAX_LENGTH as u64 + 4) } else { dice.below(6) };
    let words = if sends(call) { (0..count).map(|word| word * 3).collect() } else { Vec::new() };
    let extra = if sends(call) && dice.one_in(3) { extra(m, dice) } else { Vec::new() };
    let receive = receives(call).then(|| [ROOT, empty(m, dice), 64]);
    Plan { call, caps, label: dice.below(3), words, extra, receive }
}

fn sends(call: Syscall) -> bool {
    !matches!(call, Syscall::Recv | Syscall::NbRecv | Syscall::Wait | Syscall::NbWait | Syscall::Yield)
}

fn receives(call: Syscall) -> bool {
    !matches!(call, Syscall::Send | Syscall::NbSend | Syscall::Yield)
}

/// Capabilities to pass: any, or endpoints, which may arrive as badges.
fn extra(m: &Machine, dice: &mut Dice) -> Vec<u64> {
    let count = 1 + dice.below(3);
    (0..count)
        .map(|_| {
            if dice.one_in(2) {
                pick(m, dice, CapTag::Endpoint)
            } else {
                pick_cap(m, dice, |cap| !matches!(cap, Cap::Null | Cap::Untyped(_)))
            }
        })
        .collect()
}

/// An endpoint to send to, mostly one where somebody waits for a message, a passive server before all.
fn to_endpoint(m: &Machine, dice: &mut Dice) -> u64 {
    let receiver = |cap: &Cap| match cap {
        Cap::Endpoint(to) if to.rights.contains(CapRights::WRITE) => to
            .object
            .queue
            .first()
            .filter(|it| matches!(it.state.get(), ThreadState::BlockedOnReceive { .. })),
        _ => None,
    };
    let passive = |cap: &Cap| receiver(cap).is_some_and(|thread| thread.sched_context.get().is_none());
    match dice.below(4) {
        0 => pick(m, dice, CapTag::Endpoint),
        1 | 2 if has(m, passive) => pick_cap(m, dice, passive),
        _ if has(m, |cap| receiver(cap).is_some()) => pick_cap(m, dice, |cap| receiver(cap).is_some()),
        _ => pick(m, dice, CapTag::Endpoint),
    }
}

/// An endpoint to receive from, now and then one where somebody waits to send.
fn from_endpoint(m: &Machine, dice: &mut Dice) -> u64 {
    if dice.one_in(2) {
        return pick(m, dice, CapTag::Endpoint);
    }
    pick_cap(m, dice, |cap| {
        let Cap::Endpoint(from) = cap else { return false };
        let sender = from.object.queue.first();
        let waits = |state: ThreadState| matches!(state, ThreadState::BlockedOnSend { .. });
        sender.is_none_or(|thread| waits(thread.state.get()))
    })
}

/// A reply object on which a caller waits (`used`), or nobody.
fn is_reply(cap: &Cap, used: bool) -> bool {
    let Cap::Reply(reply) = cap else { return false };
    let waits = |state: ThreadState| matches!(state, ThreadState::BlockedOnReply { .. });
    reply.object.thread.get().is_some_and(|thread| waits(thread.state.get())) == used
}

fn answerable(m: &Machine, dice: &mut Dice) -> u64 {
    if dice.one_in(4) { pick(m, dice, CapTag::Reply) } else { pick_cap(m, dice, |cap| is_reply(cap, true)) }
}

fn first_phase(m: &Machine, dice: &mut Dice) -> u64 {
    match dice.below(4) {
        0 => pick(m, dice, CapTag::Notification),
        1 => answerable(m, dice),
        2 => any_slot(dice),
        _ => to_endpoint(m, dice),
    }
}
