//! Objects of the supervisor that hostile threads have no capability to: they must stay as they are, and work.

use libsel::abi::{CapRights, Register, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Endpoint, Notification, Page, PageTable, Reply, SchedContext, Tcb};
use libsel::invoke::UserContext;
use libsel::{Cap, ipc, sys};

use super::helpers::{IDLE, TICK};
use super::machine::{Failure, Machine, at, slots};
use super::shared::{self, FRAME_BYTES, SUPERVISOR_ADDRESS};

/// Where the frame is mapped: behind the shared ones.
const ADDRESS: Word = SUPERVISOR_ADDRESS + 2 * FRAME_BYTES;
const BADGE: Word = 0x5e1_41e;
const WORDS: Word = 512;
const BUDGET_US: Word = 100;

/// The objects.
pub struct Canary<'a> {
    machine: &'a Machine<'a>,
    endpoint: Cap<Endpoint>,
    notification: Cap<Notification>,
    sched_context: Cap<SchedContext>,
    tcb: Cap<Tcb>,
    cnode: Cap<CNode>,
    badged: Cap<Notification>,
    reply: Cap<Reply>,
    physical: Word,
}

fn registers() -> UserContext {
    let mut context = UserContext::default();
    for (index, word) in (1..).zip(&mut context.0) {
        *word = pattern(index) >> 17;
    }
    context.set(Register::Rflags, 0x202);
    context
}

fn pattern(index: Word) -> Word {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn word(index: Word) -> *mut Word {
    (ADDRESS + index * 8) as *mut Word
}

impl<'a> Canary<'a> {
    /// Makes the objects.
    pub fn new(machine: &'a Machine<'a>) -> libsel::Result<Self> {
        let slot = slots::CANARY;
        let table: Cap<PageTable> = machine.make(slot, 0)?;
        table.map_table(initial::VSPACE, ADDRESS, VmAttributes::WRITE_BACK)?;
        let frame: Cap<Page> = machine.make(slot + 1, 0)?;
        frame.map(initial::VSPACE, ADDRESS, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER)?;
        for index in 0..WORDS {
            // SAFETY: the frame was just mapped there, and nobody else uses it.
            unsafe { word(index).write_volatile(pattern(index)) }
        }
        shared::check_unused(true);
        let notification = machine.make(slot + 2, 0)?;
        machine.place(slot + 3).mint(at(notification), CapRights::WRITE, BADGE)?;
        let sched_context = machine.make(slot + 4, 8)?;
        machine.sched_control.configure_flags(sched_context, BUDGET_US, 2 * BUDGET_US, 8, BADGE, 0)?;
        let tcb: Cap<Tcb> = machine.make(slot + 5, 0)?;
        tcb.set_sched_params(initial::TCB, 7, 8, sched_context, Cap::NULL)?;
        let context = registers();
        tcb.write_registers(false, context.0.len(), &context)?;
        let cnode: Cap<CNode> = machine.make(slot + 6, 2)?;
        cnode.slot(1, 2).copy(at(notification), CapRights::READ)?;
        Ok(Canary {
            machine,
            endpoint: machine.make(slot + 7, 0)?,
            reply: machine.make(slot + 8, 0)?,
            physical: frame.get_address()?,
            notification,
            sched_context,
            tcb,
            cnode,
            badged: machine.cap(slot + 3),
        })
    }

    /// All is as it was and works.
    pub fn check(&self) -> Result<(), Failure> {
        for index in 0..WORDS {
            // SAFETY: the frame is mapped there as long as the supervisor runs.
            if unsafe { word(index).read_volatile() } != pattern(index) {
                return Err("the canary frame was changed");
            }
        }
        let frame: Cap<Page> = self.machine.cap(slots::CANARY + 1);
        if frame.get_address() != Ok(self.physical) {
            return Err("the canary frame is another one");
        }
        if !shared::check_unused(false) {
            return Err("the frame with the hostile code was changed");
        }
        self.check_notification()?;
        self.endpoint.nb_send(1, &[1], &[]);
        let nothing = sys::nb_recv(self.endpoint.cptr(), self.reply.cptr());
        // A helper's signal may come instead.
        if nothing.badge & !(IDLE | TICK) != 0 {
            return Err("something came through the canary endpoint");
        }
        match self.tcb.read_registers(false, registers().0.len()) {
            Ok(seen) if seen == registers() => {}
            _ => return Err("the registers of the canary thread were changed"),
        }
        self.check_sched_context()?;
        // A capability comes out of the CNode and goes.
        let place = self.machine.place(slots::CHECK);
        let moved =
            place.move_from(self.cnode.slot(1, 2)).and_then(|()| self.cnode.slot(1, 2).move_from(place));
        moved.map_err(|_| "the canary CNode has lost its capability")?;
        match self.cnode.slot(1, 2).copy(at(self.notification), CapRights::READ) {
            Err(libsel::Error::DeleteFirst) => {}
            _ => return Err("the canary CNode was changed"),
        }
        if ipc::buffer().is_none() { Err("the supervisor has no IPC buffer") } else { Ok(()) }
    }

    fn check_notification(&self) -> Result<(), Failure> {
        if self.notification.poll() != 0 {
            return Err("somebody signalled the canary notification");
        }
        self.badged.signal();
        if self.notification.poll() != BADGE {
            return Err("the canary notification does not work");
        }
        Ok(())
    }

    fn check_sched_context(&self) -> Result<(), Failure> {
        if self.sched_context.consumed() != Ok(0) {
            return Err("somebody ran on the canary scheduling context");
        }
        if self.sched_context.bind(self.tcb) != Err(libsel::Error::IllegalOperation) {
            return Err("the canary scheduling context is bound no longer");
        }
        let control = self.machine.sched_control;
        let result = control.configure_flags(self.sched_context, BUDGET_US, 2 * BUDGET_US, 8, BADGE, 0);
        result.map_err(|_| "the canary scheduling context cannot be configured")
    }
}
