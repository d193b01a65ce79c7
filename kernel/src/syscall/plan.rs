//! What each system call does, as data (abi.md 2.2, 2.3).
#![forbid(unsafe_code)]

use bitflags::bitflags;
use sel_abi::Syscall;

bitflags! {
    /// What a system call does: at most two phases, each in one of a few ways (abi.md 2.2, 2.3).
    #[derive(Clone, Copy)]
    pub(super) struct Plan: u16 {
        /// There is a send phase.
        const SEND = 1 << 0;
        /// The sender wants an answer.
        const ANSWERED = 1 << 1;
        /// The sender waits for a receiver, and failures are reported.
        const SEND_BLOCKS = 1 << 2;
        /// The receiver may get the sender's scheduling context.
        const DONATES = 1 << 3;
        /// The send phase is the first of two.
        const FIRST = 1 << 4;
        /// The first phase is for the capability that NBSendRecv names apart.
        const SEND_APART = 1 << 5;
        /// There is a receive phase.
        const RECEIVE = 1 << 6;
        /// The receiver waits for a message.
        const RECEIVE_BLOCKS = 1 << 7;
        /// The receiver brings a reply object along.
        const WITH_REPLY = 1 << 8;
        /// Yield.
        const YIELD = 1 << 9;
    }
}

impl Plan {
    const CALL: Plan = Plan::SEND.union(Plan::ANSWERED).union(Plan::SEND_BLOCKS).union(Plan::DONATES);
    const FIRST_PHASE: Plan = Plan::SEND.union(Plan::DONATES).union(Plan::FIRST);
    const WAIT: Plan = Plan::RECEIVE.union(Plan::RECEIVE_BLOCKS);
    const RECV: Plan = Plan::WAIT.union(Plan::WITH_REPLY);

    /// The plan of a system call that has one.
    const fn of(call: Syscall) -> Option<Plan> {
        Some(match call {
            Syscall::Call => Plan::CALL,
            Syscall::ReplyRecv => Plan::FIRST_PHASE.union(Plan::RECV),
            Syscall::NbSendRecv => Plan::FIRST_PHASE.union(Plan::SEND_APART).union(Plan::RECV),
            Syscall::NbSendWait => Plan::FIRST_PHASE.union(Plan::WAIT),
            Syscall::Send => Plan::SEND.union(Plan::SEND_BLOCKS),
            Syscall::NbSend => Plan::SEND,
            Syscall::Recv => Plan::RECV,
            Syscall::NbRecv => Plan::RECEIVE.union(Plan::WITH_REPLY),
            Syscall::Wait => Plan::WAIT,
            Syscall::NbWait => Plan::RECEIVE,
            Syscall::Yield => Plan::YIELD,
            _ => return None,
        })
    }
}

/// The plans by number: the first one is that of system call -1.
pub(super) const PLANS: [Plan; 11] = {
    let mut plans = [Plan::empty(); 11];
    let mut index = 0;
    while index < plans.len() {
        if let Some(call) = Syscall::from_raw(-1 - index as i64)
            && let Some(plan) = Plan::of(call)
        {
            plans[index] = plan;
        }
        index += 1;
    }
    plans
};
