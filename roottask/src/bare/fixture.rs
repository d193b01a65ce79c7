//! The fresh objects of one test or row: empty memory, empty slots, and shorthand to fill both.
//!
//! All objects of a test come from one untyped and all its capabilities lie in one range of slots, so that the end of a
//! test is one revocation, after which memory and slots have to be as empty as before.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::abi::{CPtr, CapRights, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{
    CNode, Endpoint, Kind, Notification, Page, PageDirectory, PageTable, Pdpt, Reply, Retypable,
    SchedContext, Tcb, Untyped, VSpace,
};
use libsel::invoke::RetypeTarget;
use libsel::{AbsoluteSlot, Cap, Error, ipc, sys};

use super::failure::{Failure, Outcome, equal};
use super::machine::Machine;

/// Words that a test's threads share; all 0 when a test begins.
static SHARED: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// Shared word `index`, 0..64.
pub fn shared(index: usize) -> &'static AtomicU64 {
    &SHARED[index]
}

/// Appends `value` to the log that starts at shared word 32.
pub fn log(value: u64) {
    let used = shared(31).fetch_add(1, Relaxed) as usize;
    shared(32 + used.min(31)).store(value, Relaxed);
}

/// The log has to hold exactly these values.
#[track_caller]
pub fn log_is(expected: &[u64]) -> Outcome {
    let mut seen = [0; 32];
    let used = (shared(31).load(Relaxed) as usize).min(seen.len());
    for (index, word) in seen.iter_mut().enumerate() {
        *word = shared((32 + index).min(63)).load(Relaxed);
    }
    equal(&seen[..used], expected)
}

/// Where tests map pages in their own address space: 256 GiB, no table below the PDPT is there.
pub const MAP_AREA: Word = 0x40_0000_0000;

/// The fresh objects of one test.
pub struct Fixture<'a> {
    /// What all tests share.
    pub machine: &'a Machine<'a>,
    /// Empty memory of 2^[`Machine::fresh_bits`] bytes.
    pub untyped: Cap<Untyped>,
    next_slot: CPtr,
    /// Helper threads made so far.
    pub threads: usize,
}

impl<'a> Fixture<'a> {
    /// For a test that begins.
    pub fn new(machine: &'a Machine<'a>) -> Self {
        SHARED.iter().for_each(|word| word.store(0, Relaxed));
        Fixture { machine, untyped: machine.fresh, next_slot: machine.test_slots, threads: 0 }
    }

    /// Takes everything back and checks that nothing is left.
    pub fn finish(self) -> Outcome {
        ipc::set_receive_slot(AbsoluteSlot::new(Cap::NULL, 0, 0));
        let _ = initial::TCB.unbind_notification();
        initial::CNODE.at(self.untyped.cptr()).revoke()?;
        for slot in self.machine.test_slots..self.next_slot {
            initial::CNODE.at(slot).delete()?;
        }
        // The kernel says how many bytes are free when asked for more than there are.
        let target = RetypeTarget::slots_of(initial::CNODE, self.machine.test_slots);
        match self.untyped.retype(ObjectType::Untyped, self.machine.fresh_bits, target, 2) {
            Err(Error::NotEnoughMemory(free)) if free == 1 << self.machine.fresh_bits => Ok(()),
            seen => {
                Err(Failure::new(format_args!("expected all memory to be free at the end, seen {seen:x?}")))
            }
        }
    }

    /// A slot of the root CNode that is empty and of this test alone.
    pub fn slot(&mut self) -> CPtr {
        self.slots(1)
    }

    /// A run of `count` such slots; the first.
    pub fn slots(&mut self, count: u64) -> CPtr {
        let first = self.next_slot;
        assert!(first + count <= self.machine.test_slots_end, "a test uses more slots than it gets");
        self.next_slot += count;
        first
    }

    /// [`Fixture::slot`] as the destination of an invocation.
    pub fn place(&mut self) -> AbsoluteSlot {
        initial::CNODE.at(self.slot())
    }

    /// A new object. `size_bits` is 0 for types of fixed size.
    pub fn make<K: Retypable>(&mut self, size_bits: Word) -> libsel::Result<Cap<K>> {
        let slot = self.slot();
        self.untyped.retype_one(size_bits, initial::CNODE, slot)
    }

    /// A new endpoint.
    pub fn endpoint(&mut self) -> libsel::Result<Cap<Endpoint>> {
        self.make(0)
    }

    /// A new notification.
    pub fn notification(&mut self) -> libsel::Result<Cap<Notification>> {
        self.make(0)
    }

    /// A new reply object.
    pub fn reply(&mut self) -> libsel::Result<Cap<Reply>> {
        self.make(0)
    }

    /// A new TCB.
    pub fn tcb(&mut self) -> libsel::Result<Cap<Tcb>> {
        self.make(0)
    }

    /// A new CNode of 2^`radix` slots.
    pub fn cnode(&mut self, radix: Word) -> libsel::Result<Cap<CNode>> {
        self.make(radix)
    }

    /// New untyped memory of 2^`size_bits` bytes.
    pub fn memory(&mut self, size_bits: Word) -> libsel::Result<Cap<Untyped>> {
        self.make(size_bits)
    }

    /// A new frame of 4 KiB.
    pub fn frame(&mut self) -> libsel::Result<Cap<Page>> {
        self.make(0)
    }

    /// A new scheduling context of 2^8 bytes (8 extra refills), configured without a badge.
    pub fn sched_context(&mut self, budget_us: Word, period_us: Word) -> libsel::Result<Cap<SchedContext>> {
        let sched_context = self.make(8)?;
        self.machine.sched_control.configure_flags(sched_context, budget_us, period_us, 0, 0, 0)?;
        Ok(sched_context)
    }

    /// A copy with fewer rights.
    pub fn copy<K: Kind>(&mut self, cap: Cap<K>, rights: CapRights) -> libsel::Result<Cap<K>> {
        let slot = self.slot();
        at(Cap::<K>::new(slot)).copy(at(cap), rights)?;
        Ok(Cap::new(slot))
    }

    /// A copy with a badge.
    pub fn mint<K: Kind>(&mut self, cap: Cap<K>, rights: CapRights, badge: Word) -> libsel::Result<Cap<K>> {
        let slot = self.slot();
        at(Cap::<K>::new(slot)).mint(at(cap), rights, badge)?;
        Ok(Cap::new(slot))
    }

    /// A new address space with an ASID; nothing is mapped.
    pub fn vspace(&mut self) -> libsel::Result<Cap<VSpace>> {
        let vspace = self.make(0)?;
        initial::ASID_POOL.assign(vspace)?;
        Ok(vspace)
    }

    /// Maps new tables into `vspace` so that a 4 KiB frame can be mapped at `address`; those that are there stay.
    pub fn tables(&mut self, vspace: Cap<VSpace>, address: Word) -> libsel::Result<()> {
        self.tables_for_large(vspace, address)?;
        let table = self.make::<PageTable>(0)?;
        present_or(table.map_table(vspace, address, VmAttributes::WRITE_BACK))
    }

    /// [`Fixture::tables`] without the page table, for a frame of 2 MiB.
    pub fn tables_for_large(&mut self, vspace: Cap<VSpace>, address: Word) -> libsel::Result<()> {
        let pdpt = self.make::<Pdpt>(0)?;
        present_or(pdpt.map_table(vspace, address, VmAttributes::WRITE_BACK))?;
        let directory = self.make::<PageDirectory>(0)?;
        present_or(directory.map_table(vspace, address, VmAttributes::WRITE_BACK))
    }

    /// A new frame, mapped in the self-test's own address space at `address`, with the tables that it needs.
    pub fn mapped_frame(&mut self, address: Word) -> libsel::Result<Cap<Page>> {
        self.tables(initial::VSPACE, address)?;
        let frame = self.frame()?;
        frame.map(initial::VSPACE, address, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER)?;
        Ok(frame)
    }
}

/// A table that is there already is as good.
fn present_or(result: libsel::Result<()>) -> libsel::Result<()> {
    match result {
        Err(Error::DeleteFirst) => Ok(()),
        result => result,
    }
}

/// The slot in which a capability lies.
pub fn at<K: Kind>(cap: Cap<K>) -> AbsoluteSlot {
    initial::CNODE.at(cap.cptr())
}

/// The tag of what lies in a slot; 0 = nothing.
pub fn tag(cptr: CPtr) -> u64 {
    sys::debug_cap_identify(cptr)
}

/// Reads a word of the self-test's own memory.
pub fn peek(address: Word) -> Word {
    // SAFETY: a test reads only where it has mapped a page; if it is wrong, the fault is what it reports.
    unsafe { (address as *const Word).read_volatile() }
}

/// Writes a word of the self-test's own memory.
pub fn poke(address: Word, value: Word) {
    // SAFETY: a test writes only to pages that it has mapped for this, or to IPC buffers of its helper threads.
    unsafe { (address as *mut Word).write_volatile(value) }
}
