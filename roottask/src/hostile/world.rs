//! The hostile world: one CSpace, two address spaces, threads, and memory to do harm with.
//!
//! All of it comes from one untyped and from copies of a few control capabilities, so that taking it back is a handful of
//! revocations. Hostile threads hold the originals of nearly everything, their own TCBs, CNode and address spaces too,
//! and can destroy them; the supervisor has copies, with which it gets threads going again as long as they exist.

use libsel::abi::{CNodeCapData, CapRights, CapTag, ObjectType, PAGE_BITS, Register, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{
    AsidPool, CNode, Endpoint, LargePage, Page, PageDirectory, PageTable, Pdpt, SchedContext, Tcb, Untyped,
    VSpace,
};
use libsel::invoke::{RetypeTarget, UserContext};
use libsel::{AbsoluteSlot, Cap, Result, sys};

use super::classes::{Class, NESTED, NESTED_RADIX, ROOT_BARE, ROOT_DEEP, ROOT_FLAT, ROOT_RADIX};
use super::code;
use super::domains;
use super::machine::{Machine, at, slots};
use super::occupancy::Occupancy;
use super::random::Random;
use super::shared::{self, CODE_ADDRESS, STATE_ADDRESS, THREADS, buffer_address, state_address};

/// Greatest priority and maximum controlled priority of hostile threads; supervisor and helpers are above.
pub const MAX_PRIORITY: Word = 200;
/// Address spaces that a world starts with.
const SPACES: usize = 2;
/// Slots that a world takes of the supervisor's CSpace.
const WORLD_SLOTS: u64 = 100;

const HANDLE: u64 = slots::WORLD;
const RESERVE: u64 = slots::WORLD + 1;
const ORIGINAL_ROOT: u64 = slots::WORLD + 2;
const POOL_MEMORY: u64 = slots::WORLD + 3;
const POOL: u64 = slots::WORLD + 4;
const ADOPTED: u64 = slots::WORLD + 5;
const TCBS: u64 = slots::WORLD + 10;
const CONTEXTS: u64 = slots::WORLD + 20;
const SPACE: u64 = slots::WORLD + 30;
const FRAMES: u64 = slots::WORLD + 40;
const BUFFERS: u64 = slots::WORLD + 50;

/// What threads meet at.
const PORTS: [(ObjectType, Class); 3] = [
    (ObjectType::Endpoint, Class::Endpoint),
    (ObjectType::Notification, Class::Notification),
    (ObjectType::Reply, Class::Reply),
];

/// The hostile world.
pub struct World<'a> {
    machine: &'a Machine<'a>,
}

/// How the CSpace of `thread` is addressed: with 8 bits left behind the root, or with none.
pub fn is_deep(thread: usize) -> bool {
    thread >= 4
}

fn space_of(thread: usize) -> u64 {
    u64::from(is_deep(thread))
}

/// The guard of the CSpace root of `thread`, as the data of TCB_Configure.
pub fn root_data(thread: usize) -> CNodeCapData {
    CNodeCapData::new(0, if is_deep(thread) { 48 } else { 56 })
}

impl<'a> World<'a> {
    /// A world that does not exist yet.
    pub fn new(machine: &'a Machine<'a>) -> Self {
        World { machine }
    }

    /// The hostile CSpace's root, without a guard.
    pub fn handle(&self) -> Cap<CNode> {
        self.machine.cap(HANDLE)
    }

    /// A slot of the hostile CSpace's root.
    pub fn hostile(&self, slot: Word) -> AbsoluteSlot {
        self.handle().slot(slot, ROOT_RADIX)
    }

    /// The root of the hostile CSpace and the first address space still exist.
    pub fn is_alive(&self) -> bool {
        self.holds(HANDLE, CapTag::CNode)
            && (0..SPACES as u64).all(|space| self.holds(SPACE + space * 4, CapTag::Pml4))
    }

    /// What the supervisor takes from the hostile CSpace may be anything: it must not call an endpoint, where nobody
    /// answers.
    fn holds(&self, slot: u64, tag: CapTag) -> bool {
        sys::debug_cap_identify(self.machine.slot(slot)) == tag.raw()
    }

    /// Makes a world and starts its threads.
    pub fn create(&self, random: &mut Random) -> Result<()> {
        self.make_cspace()?;
        self.give_memory(random)?;
        self.give_controls();
        let target = RetypeTarget::slots_of(initial::CNODE, self.machine.slot(RESERVE));
        self.machine.pool().retype(ObjectType::Untyped, 19, target, 1)?;
        for space in 0..SPACES as u64 {
            self.make_space(space)?;
        }
        for thread in 0..THREADS {
            self.make_thread(thread)?;
            self.equip(thread, random)?;
        }
        self.machine.start_timer()?;
        domains::set_up(self.machine)
    }

    fn place(&self, slot: u64) -> AbsoluteSlot {
        self.machine.place(slot)
    }

    fn make_cspace(&self) -> Result<()> {
        let pool = self.machine.pool();
        let root: Cap<CNode> =
            pool.retype_one(ROOT_RADIX, initial::CNODE, self.machine.slot(ORIGINAL_ROOT))?;
        self.place(HANDLE).copy(at(root), CapRights::ALL)?;
        self.hostile(ROOT_FLAT).mint_guarded(at(root), CNodeCapData::new(0, 56))?;
        self.hostile(ROOT_DEEP).mint_guarded(at(root), CNodeCapData::new(0, 48))?;
        // The original goes last: the CNode then contains itself, and with its last outer capability it is gone.
        self.hostile(ROOT_BARE).move_from(at(root))?;
        let target = RetypeTarget::slots_of(self.handle(), NESTED);
        pool.retype(ObjectType::CapTable, NESTED_RADIX, target, 3)?;
        // Two nested ones contain each other, the third the root.
        let nested = |outer: Word, index: Word| {
            let address = (NESTED + outer) << NESTED_RADIX | index;
            self.handle().slot(address, ROOT_RADIX + NESTED_RADIX)
        };
        nested(0, 3).copy(self.hostile(NESTED + 1), CapRights::ALL)?;
        nested(1, 3).copy(self.hostile(NESTED), CapRights::ALL)?;
        nested(2, 0).copy(self.hostile(ROOT_BARE), CapRights::ALL)
    }

    fn give_memory(&self, random: &mut Random) -> Result<()> {
        let pool = self.machine.pool();
        for (kind, class) in PORTS {
            let target = RetypeTarget::slots_of(self.handle(), class.slots().start);
            pool.retype(kind, 0, target, 4)?;
        }
        let mut next = 0;
        let mut give = |from: Cap<Untyped>, bits, count| {
            let target = RetypeTarget::slots_of(self.handle(), Class::Untyped.slots().start + next);
            let result = from.retype(ObjectType::Untyped, bits, target, count);
            next += count;
            result
        };
        give(pool, 12, 6)?;
        give(pool, 14, 3)?;
        give(pool, 16, 3)?;
        give(pool, 18, 2)?;
        // Clearing the memory of large pages takes long: only now and then.
        if random.one_in(8) {
            give(pool, 21, 2)?;
        }
        give(self.machine.device(), 30, 1)?;
        give(self.machine.device(), 21, 1)?;
        give(self.machine.device(), 14, 1)
    }

    /// Copies of the control capabilities that may be copied. A full slot is left alone.
    pub fn give_controls(&self) {
        let give = |class: Class, offset: Word, from: AbsoluteSlot| {
            let _ = self.hostile(class.slots().start + offset).copy(from, CapRights::ALL);
        };
        for offset in 0..2 {
            give(Class::SchedControl, offset, at(self.machine.sched_control));
            give(Class::AsidControl, offset, at(initial::ASID_CONTROL));
            give(Class::AsidPool, offset, at(initial::ASID_POOL));
        }
        for thread in 0..THREADS as Word {
            give(Class::Handler, thread, self.place(slots::HANDLERS + thread));
        }
    }

    /// An ASID pool that belongs to the hostile side; the supervisor has a copy.
    fn make_pool(&self) -> Result<Cap<AsidPool>> {
        let memory: Cap<Untyped> =
            self.machine.pool().retype_one(PAGE_BITS, initial::CNODE, self.machine.slot(POOL_MEMORY))?;
        let theirs = self.hostile(Class::AsidPool.slots().start + 2);
        initial::ASID_CONTROL.make_pool(memory, theirs)?;
        self.place(POOL).copy(theirs, CapRights::ALL)?;
        Ok(self.machine.cap(POOL))
    }

    /// New endpoints, notifications and reply objects where threads meet. A full slot is left alone.
    pub fn give_ports(&self, occupancy: &mut Occupancy) {
        let reserve: Cap<Untyped> = self.machine.cap(RESERVE);
        for (kind, class) in PORTS {
            for slot in (class.slots().start..).take(class.ports() as usize) {
                if !occupancy.is_full(slot) {
                    let _ = reserve.retype(kind, 0, RetypeTarget::slots_of(self.handle(), slot), 1);
                    occupancy.set(slot, true);
                }
            }
        }
    }

    fn make_space(&self, space: u64) -> Result<()> {
        let pool = self.machine.pool();
        let slot = |offset| self.machine.slot(SPACE + space * 4 + offset);
        let vspace: Cap<VSpace> = pool.retype_one(0, initial::CNODE, slot(0))?;
        if space == 0 {
            initial::ASID_POOL.assign(vspace)?;
        } else {
            self.make_pool()?.assign(vspace)?;
        }
        let pdpt: Cap<Pdpt> = pool.retype_one(0, initial::CNODE, slot(1))?;
        pdpt.map_table(vspace, CODE_ADDRESS, VmAttributes::WRITE_BACK)?;
        let directory: Cap<PageDirectory> = pool.retype_one(0, initial::CNODE, slot(2))?;
        directory.map_table(vspace, CODE_ADDRESS, VmAttributes::WRITE_BACK)?;
        let table: Cap<PageTable> = pool.retype_one(0, initial::CNODE, slot(3))?;
        table.map_table(vspace, buffer_address(0), VmAttributes::WRITE_BACK)?;
        let frame = |index: u64| -> Result<Cap<LargePage>> {
            let slot = FRAMES + space * 2 + index;
            self.place(slot).copy(self.place(slots::FRAMES + index), CapRights::ALL)?;
            Ok(self.machine.cap(slot))
        };
        frame(0)?.map(vspace, CODE_ADDRESS, CapRights::READ, VmAttributes::WRITE_BACK)?;
        frame(1)?.map(vspace, STATE_ADDRESS, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER)?;
        for thread in (0..THREADS).filter(|thread| space_of(*thread) == space) {
            let slot = BUFFERS + thread as u64;
            let buffer: Cap<Page> = pool.retype_one(0, initial::CNODE, self.machine.slot(slot))?;
            let address = buffer_address(thread);
            buffer.map(vspace, address, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER)?;
        }
        // The originals of the tables go to the hostile side.
        let classes = [Class::VSpace, Class::Pdpt, Class::PageDirectory, Class::PageTable];
        for (offset, class) in (0..).zip(classes) {
            self.hostile(class.slots().start + space).move_from(self.place(SPACE + space * 4 + offset))?;
        }
        self.place(SPACE + space * 4).copy(self.hostile(Class::VSpace.slots().start + space), CapRights::ALL)
    }

    /// The TCB and the scheduling context of `thread`, in place of those that may be there.
    fn make_thread(&self, thread: usize) -> Result<()> {
        let reserve: Cap<Untyped> = self.machine.cap(RESERVE);
        for (mine, class, tag) in
            [(TCBS, Class::Tcb, CapTag::Tcb), (CONTEXTS, Class::SchedContext, CapTag::SchedContext)]
        {
            let mine = mine + thread as u64;
            let theirs = self.hostile(class.slots().start + thread as Word);
            self.place(mine).delete()?;
            theirs.delete()?;
            let target = RetypeTarget::slots_of(self.handle(), theirs.index);
            let kind = if class == Class::Tcb { ObjectType::Tcb } else { ObjectType::SchedContext };
            reserve.retype(kind, 8, target, 1)?;
            self.place(mine).copy(theirs, CapRights::ALL)?;
            if !self.holds(mine, tag) {
                // Somebody was quick to put something else there.
                self.place(mine).delete()?;
            }
        }
        let buffer = self.hostile(Class::Frame.slots().start + thread as Word);
        // It is theirs once given; there is no second one.
        let _ = buffer.move_from(self.place(BUFFERS + thread as u64));
        Ok(())
    }

    /// The supervisor's capability to a thread.
    pub fn tcb(&self, thread: usize) -> Cap<Tcb> {
        self.machine.cap(TCBS + thread as u64)
    }

    /// Gives a TCB the spaces and the handler of `thread`, and a scheduling context.
    fn configure(
        &self,
        tcb: Cap<Tcb>,
        context: Cap<SchedContext>,
        thread: usize,
        random: &mut Random,
    ) -> Result<()> {
        let period_us = random.of(&[300, 500, 1000, 2000, 5000]);
        let budget_us = if random.one_in(2) { period_us } else { period_us * (1 + random.below(4)) / 5 };
        let badge = random.word();
        let control = self.machine.sched_control;
        control.configure_flags(context, budget_us, period_us, random.below(9), badge, random.below(2))?;
        let handler: Cap<Endpoint> = self.machine.cap(slots::HANDLERS + thread as u64);
        let vspace: Cap<VSpace> = self.machine.cap(SPACE + space_of(thread) * 4);
        tcb.set_space(handler, self.handle(), root_data(thread).0, vspace)?;
        // The frame lies in the hostile CSpace: it can only be named while it is in the supervisor's.
        let (theirs, mine) = (Class::Frame.slots().start + thread as Word, BUFFERS + thread as u64);
        if self.place(mine).copy(self.hostile(theirs), CapRights::ALL).is_ok() {
            tcb.set_ipc_buffer(buffer_address(thread), self.machine.cap::<Page>(mine))?;
            self.place(mine).delete()?;
        }
        let _ = context.unbind();
        let priority = random.of(&[2, 50, 100, 100, 100, 150, MAX_PRIORITY]);
        tcb.set_sched_params(initial::TCB, MAX_PRIORITY, priority, context, handler)?;
        let timeout = if thread % 2 == 1 { handler } else { Cap::NULL };
        tcb.set_timeout_endpoint(timeout)?;
        initial::DOMAIN.set(if random.one_in(8) { random.below(4) } else { 0 }, tcb)
    }

    /// Gives `thread` its spaces, its time and its handler, and starts it with the next record.
    pub fn equip(&self, thread: usize, random: &mut Random) -> Result<()> {
        let context: Cap<SchedContext> = self.machine.cap(CONTEXTS + thread as u64);
        self.tcb(thread).suspend()?;
        self.configure(self.tcb(thread), context, thread, random)?;
        shared::set_addresses(thread);
        self.restart(thread)
    }

    /// Lets some thread that hostile threads made do the records of one of the supervisor's, on a scheduling context that
    /// they made. So there are more threads than those that the supervisor watches, in memory that hostile threads use
    /// again and again.
    pub fn adopt(&self, random: &mut Random) -> Result<()> {
        let mut pick = |class: Class| {
            let first = class.slots().start + class.vital();
            first + random.below(class.slots().end - first)
        };
        let (theirs, context) = (pick(Class::Tcb), pick(Class::SchedContext));
        let thread = (theirs - Class::Tcb.slots().start) as usize % THREADS;
        let adopted = self.adopt_as(theirs, context, thread, random);
        self.place(ADOPTED).delete()?;
        self.place(ADOPTED + 1).delete()?;
        adopted
    }

    fn adopt_as(&self, tcb: Word, context: Word, thread: usize, random: &mut Random) -> Result<()> {
        self.place(ADOPTED).copy(self.hostile(tcb), CapRights::ALL)?;
        self.place(ADOPTED + 1).copy(self.hostile(context), CapRights::ALL)?;
        if !self.holds(ADOPTED, CapTag::Tcb) || !self.holds(ADOPTED + 1, CapTag::SchedContext) {
            return Ok(());
        }
        let tcb = self.machine.cap(ADOPTED);
        self.configure(tcb, self.machine.cap(ADOPTED + 1), thread, random)?;
        self.start(tcb, thread)
    }

    /// Lets `thread` go on with the next record, whatever it does now.
    pub fn restart(&self, thread: usize) -> Result<()> {
        self.start(self.tcb(thread), thread)
    }

    fn start(&self, tcb: Cap<Tcb>, thread: usize) -> Result<()> {
        let mut context = UserContext::default();
        context.set(Register::Rip, code::entry()).set(Register::GsBase, state_address(thread));
        tcb.write_registers(true, context.0.len(), &context)
    }

    /// Gives `thread` a new IPC buffer, where it lost the old one.
    pub fn renew_buffer(&self, thread: usize) -> Result<()> {
        let reserve: Cap<Untyped> = self.machine.cap(RESERVE);
        let vspace: Cap<VSpace> = self.machine.cap(SPACE + space_of(thread) * 4);
        let (mine, address) = (BUFFERS + thread as u64, buffer_address(thread));
        self.place(mine).delete()?;
        let buffer: Cap<Page> = reserve.retype_one(0, initial::CNODE, self.machine.slot(mine))?;
        let map = || buffer.map(vspace, address, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER);
        if map().is_err() {
            let slot = SPACE + space_of(thread) * 4 + 3;
            self.place(slot).delete()?;
            let table: Cap<PageTable> = reserve.retype_one(0, initial::CNODE, self.machine.slot(slot))?;
            table.map_table(vspace, address, VmAttributes::WRITE_BACK)?;
            map()?;
        }
        self.tcb(thread).set_ipc_buffer(address, buffer)?;
        let theirs = self.hostile(Class::Frame.slots().start + thread as Word);
        theirs.delete()?;
        theirs.move_from(self.place(mine))
    }

    /// Gives `thread` a new TCB and a new scheduling context.
    pub fn renew(&self, thread: usize, random: &mut Random) -> Result<()> {
        self.make_thread(thread)?;
        self.equip(thread, random)
    }

    /// Takes everything back.
    pub fn destroy(&self) -> Result<()> {
        domains::reset()?;
        at(self.machine.pool()).revoke()?;
        at(self.machine.device()).revoke()?;
        for control in [
            at(self.machine.sched_control),
            at(initial::ASID_CONTROL),
            at(initial::ASID_POOL),
            at(initial::IRQ_CONTROL),
            at(initial::IO_PORT_CONTROL),
            at(initial::DOMAIN),
        ] {
            control.revoke()?;
        }
        // Of what is left of the world, the copies of the shared frames come from elsewhere.
        (0..WORLD_SLOTS).try_for_each(|slot| self.place(slots::WORLD + slot).delete())
    }
}
