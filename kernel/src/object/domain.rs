//! Domains: time shared between groups of threads by a fixed schedule (abi.md 7.6, 9.8).
use sel_abi::{DOMAIN_SCHEDULE_LENGTH, Label};

use crate::cap::Cap;
use crate::error::{Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::object::tcb::{Queued, TcbPtr};
use crate::state::Kernel;

const LENGTH: usize = DOMAIN_SCHEDULE_LENGTH as usize;
/// Durations have 56 bits; this one never ends.
const FOREVER: u64 = (1 << 56) - 1;

/// One turn of a domain; domain 0 for 0 ticks marks the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Turn {
    domain: u8,
    ticks: u64,
}

const END: Turn = Turn { domain: 0, ticks: 0 };

/// The schedule, and the place in it.
pub struct DomainSchedule {
    turns: [Turn; LENGTH],
    start: usize,
    index: usize,
    remaining: u64,
}

impl DomainSchedule {
    /// No turn at all: zeroed memory, see [`DomainSchedule::init`].
    pub const fn new() -> Self {
        DomainSchedule { turns: [END; LENGTH], start: 0, index: 0, remaining: 0 }
    }

    /// The schedule of a new system: domain 0, for ever.
    pub fn init(&mut self) {
        self.turns[0] = Turn { domain: 0, ticks: FOREVER };
        self.remaining = FOREVER;
    }

    /// Ticks went by.
    #[inline]
    pub fn pass(&mut self, ticks: u64) {
        if self.remaining != FOREVER {
            self.remaining = self.remaining.saturating_sub(ticks);
        }
    }

    /// Ticks left of this turn.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// So little of the turn is left that the next one comes.
    #[inline]
    pub fn used_up(&self, min_budget: u64) -> bool {
        self.remaining <= min_budget
    }

    fn turn(&self, index: usize) -> Turn {
        self.turns.get(index).copied().unwrap_or(END)
    }

    /// Goes on to the next turn; returns its domain.
    pub fn advance(&mut self) -> u8 {
        let next = self.index + 1;
        let index = if self.turn(next) == END { self.start } else { next };
        self.enter(index)
    }

    fn enter(&mut self, index: usize) -> u8 {
        let turn = self.turn(index);
        self.index = index;
        self.remaining = turn.ticks;
        turn.domain
    }
}

impl Default for DomainSchedule {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes an invocation of the domain capability.
pub fn invoke(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    match call.label() {
        Some(Label::DomainSetSet) => set(k, call),
        Some(Label::DomainScheduleConfigure) => configure(k, call),
        Some(Label::DomainScheduleSetStart) => set_start(k, call),
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}

fn set(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    call.need_words(1)?;
    let domain = call.word(0);
    if domain >= u64::from(k.config.domains) {
        return Err(SyscallError::InvalidArgument(0).into());
    }
    let Cap::Tcb(thread) = call.extra_cap(0)? else {
        return Err(SyscallError::InvalidArgument(1).into());
    };
    move_thread(k, thread, domain as u8);
    Ok(Done::Nothing)
}

fn move_thread(k: &mut Kernel, thread: TcbPtr, domain: u8) {
    let ready = thread.queued.get() == Queued::Ready;
    if ready {
        k.dequeue(thread);
    }
    thread.domain.set(domain);
    if ready {
        k.enqueue_head(thread);
    }
    k.reschedule();
}

/// Entries that this configuration has.
fn schedule_length(k: &Kernel) -> u64 {
    if k.config.domains > 1 { DOMAIN_SCHEDULE_LENGTH } else { 2 }
}

fn configure(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    call.need_words(3)?;
    let [index, domain, ticks] = [0, 1, 2].map(|word| call.word(word));
    let last = schedule_length(k) - 2;
    if index > last {
        return Err(SyscallError::RangeError { min: 0, max: last }.into());
    }
    let domains = u64::from(k.config.domains);
    if domain >= domains {
        return Err(SyscallError::RangeError { min: 0, max: domains - 1 }.into());
    }
    if ticks > FOREVER {
        return Err(SyscallError::InvalidArgument(2).into());
    }
    if ticks == 0 && domain != 0 {
        return Err(SyscallError::InvalidArgument(1).into());
    }
    if ticks == 0 && index as usize == k.domain_schedule.start {
        return Err(SyscallError::InvalidArgument(2).into());
    }
    if let Some(turn) = k.domain_schedule.turns.get_mut(index as usize) {
        *turn = Turn { domain: domain as u8, ticks };
    }
    Ok(Done::Nothing)
}

fn set_start(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    call.need_words(1)?;
    let index = call.word(0);
    let length = schedule_length(k);
    if index >= length {
        return Err(SyscallError::RangeError { min: 0, max: length - 1 }.into());
    }
    if k.domain_schedule.turn(index as usize) == END {
        return Err(SyscallError::InvalidArgument(0).into());
    }
    k.domain_schedule.start = index as usize;
    let domain = k.domain_schedule.enter(index as usize);
    k.sched.set_domain(domain);
    k.reprogram = true;
    k.reschedule();
    Ok(Done::Nothing)
}
