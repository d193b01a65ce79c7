//! Waking up at a time without a device: a thread that sleeps by its scheduling context. Its budget is used up at once, and
//! the next one comes a period later, which is the delay; then it signals the root task's notification (abi.md 9.7).
use libsel::abi::{CapRights, Register};
use libsel::bootinfo::initial;
use libsel::cap::{Cap, Notification, SchedContext, SchedControl, Tcb};
use libsel::invoke::UserContext;
use libsel::proto::start::slot::SIGNAL;
use libsel::rt::ticks;
use libsel::sys;

use super::arena::SLEEPER_STACK_BYTES;
use super::memory::{Memory, object, sized_object};
use super::pieces::OutOfMemory;
use super::{SCHED_CONTEXT_BITS, arena, own_slot};

/// The sleeper comes right after the root task.
const PRIORITY: u64 = 254;
/// Microseconds of a delay, at least and at most; a longer one takes several.
const SHORTEST_US: u64 = 200;
const LONGEST_US: u64 = 1_000_000;
/// Microseconds that the sleeper needs at most to signal and stop.
const BUDGET_US: u64 = 2_000;

/// The sleeping thread.
pub struct Alarm {
    tcb: Cap<Tcb>,
    context: Cap<SchedContext>,
    /// The stack's end.
    stack: u64,
    /// The capability that it signals.
    signal: Cap<Notification>,
    ticks_per_us: u64,
    /// When it will signal, in TSC ticks.
    pub set_for: Option<u64>,
}

/// What the thread does each time.
extern "C" fn sleep(signal: u64, tcb: u64) -> ! {
    sys::yield_();
    Cap::<Notification>::new(signal).signal();
    loop {
        // It is started again from the beginning.
        let _ = Cap::<Tcb>::new(tcb).suspend();
    }
}

impl Alarm {
    /// Makes the thread, and binds the notification that it signals to the root task.
    pub fn new(memory: &mut Memory, tsc_hz: u64) -> Result<Self, OutOfMemory> {
        let tcb: Cap<Tcb> = object(memory)?;
        let notification: Cap<Notification> = object(memory)?;
        let context = sized_object(memory, SCHED_CONTEXT_BITS)?;
        let slot = memory.kernel().slots.take(1).ok_or(OutOfMemory)?;
        let from = initial::CNODE.at(notification.cptr());
        own_slot(slot).mint(from, CapRights::WRITE, SIGNAL).map_err(|_| OutOfMemory)?;
        let made = initial::TCB
            .bind_notification(notification)
            .and_then(|()| {
                tcb.configure(initial::CNODE, 0, initial::VSPACE, 0, Cap::<libsel::cap::Page>::NULL)
            })
            .and_then(|()| tcb.set_sched_params(initial::TCB, 0, PRIORITY, context, Cap::NULL));
        made.map_err(|_| OutOfMemory)?;
        let stack = arena::sleeper_stack().ok_or(OutOfMemory)?;
        let stack = stack.as_ptr().addr() as u64 + SLEEPER_STACK_BYTES as u64;
        let signal = Cap::new(u64::from(slot));
        Ok(Alarm { tcb, context, stack, signal, ticks_per_us: (tsc_hz / 1_000_000).max(1), set_for: None })
    }

    /// Signals at `time`, or somewhat later; or earlier, if that is more than a second away.
    pub fn set(&mut self, control: Cap<SchedControl>, time: u64) {
        let delay = (time.saturating_sub(ticks()) / self.ticks_per_us).clamp(SHORTEST_US, LONGEST_US);
        let mut registers = UserContext::default();
        registers
            .set(Register::Rip, sleep as *const () as u64)
            // As after a call.
            .set(Register::Rsp, self.stack - 8)
            .set(Register::Rdi, self.signal.cptr())
            .set(Register::Rsi, self.tcb.cptr());
        let budget = BUDGET_US.min(delay / 2);
        // None of these can fail: the objects are the root task's own, the values within limits.
        let _ = self.tcb.suspend();
        let _ = control.configure_flags(self.context, budget, delay, 0, 0, 0);
        let _ = self.tcb.write_registers(true, libsel::abi::registers::REGISTER_COUNT, &registers);
        self.set_for = Some(ticks().saturating_add(delay.saturating_mul(self.ticks_per_us)));
    }

    /// TSC ticks of so many milliseconds.
    pub fn ticks(&self, milliseconds: u64) -> u64 {
        milliseconds.saturating_mul(1000).saturating_mul(self.ticks_per_us)
    }

    /// Milliseconds of so many TSC ticks.
    pub fn milliseconds(&self, ticks: u64) -> u64 {
        ticks / (1000 * self.ticks_per_us)
    }
}
