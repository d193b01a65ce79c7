//! What must be true when everything was taken back from the hostile side: nothing leaked.

use libsel::abi::{CapRights, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AsidPool, LargePage, Untyped, VSpace};
use libsel::invoke::RetypeTarget;
use libsel::{Cap, Error, sys};

use super::machine::{DEVICE_BITS, Failure, Machine, POOL_BITS, slots};
use super::shared::{FRAME_BYTES, SUPERVISOR_ADDRESS};

/// Interrupt vectors that users can have.
const VECTORS: Word = libsel::abi::IRQ_MAX + 1;
/// ASIDs of the first pool that are free: not 0, and not the supervisor's.
const FREE_ASIDS: usize = (1 << libsel::abi::ASID_POOL_INDEX_BITS) - 2;
/// ASID pools beside the first.
const FREE_POOLS: u64 = (1 << libsel::abi::NUM_ASID_POOLS_BITS) - 1;
/// Address spaces to try the ASIDs with, in runs of what one Retype makes.
const SPACES: u64 = 512;
/// log2 of the bytes of an ASID pool.
const POOL_MEMORY_BITS: Word = 12;

/// Where frames are mapped to look into them: behind all others, below the supervisor's tables.
const SPARE_ADDRESS: Word = SUPERVISOR_ADDRESS + 4 * FRAME_BYTES;

/// Checks everything.
pub fn nothing_leaked(machine: &Machine<'_>) -> Result<(), Failure> {
    slots_are_empty(machine)?;
    memory_is_free(machine, machine.pool(), POOL_BITS)?;
    memory_is_free(machine, machine.device(), DEVICE_BITS)?;
    memory_is_clear(machine)?;
    interrupts_are_free(machine)?;
    ports_are_free(machine)?;
    pools_are_free(machine)?;
    identifiers_are_free(machine)?;
    slots_are_empty(machine)
}

/// No capability lies in the slots of the world and of the checks, nor behind them.
fn slots_are_empty(machine: &Machine<'_>) -> Result<(), Failure> {
    let end = machine.bootinfo.empty().end.min(machine.slot(slots::COUNT) + 64);
    for cptr in machine.slot(slots::WORLD)..end {
        if sys::debug_cap_identify(cptr) != 0 {
            return Err("a slot of the supervisor's CSpace is not empty");
        }
    }
    Ok(())
}

/// All of an untyped is free, and can become one object.
fn memory_is_free(machine: &Machine<'_>, untyped: Cap<Untyped>, bits: Word) -> Result<(), Failure> {
    let target = RetypeTarget::slots_of(initial::CNODE, machine.slot(slots::CHECK));
    if untyped.retype(ObjectType::Untyped, bits, target, 2) != Err(Error::NotEnoughMemory(1 << bits)) {
        return Err("memory has leaked");
    }
    untyped
        .retype(ObjectType::Untyped, bits, target, 1)
        .and_then(|()| machine.place(slots::CHECK).delete())
        .map_err(|_| "memory cannot be used as a whole")
}

/// Frames made from the memory hold nothing that was there before.
fn memory_is_clear(machine: &Machine<'_>) -> Result<(), Failure> {
    let frames = 1 << (POOL_BITS - libsel::abi::LARGE_PAGE_BITS);
    let target = RetypeTarget::slots_of(initial::CNODE, machine.slot(slots::CHECK));
    let made = machine.pool().retype(ObjectType::LargePage, 0, target, frames);
    made.map_err(|_| "there is no memory for large pages")?;
    for number in 0..frames {
        let frame: Cap<LargePage> = machine.cap(slots::CHECK + number);
        let mapped = frame.map(initial::VSPACE, SPARE_ADDRESS, CapRights::READ, VmAttributes::EXECUTE_NEVER);
        mapped.map_err(|_| "a large page cannot be mapped")?;
        let mut words = (SPARE_ADDRESS..SPARE_ADDRESS + FRAME_BYTES).step_by(8);
        // SAFETY: the frame was just mapped there.
        if !words.all(|address| unsafe { (address as *const Word).read_volatile() } == 0) {
            return Err("new memory is not clear");
        }
        frame.unmap().map_err(|_| "a large page cannot be unmapped")?;
    }
    revoke_pool(machine)
}

fn interrupts_are_free(machine: &Machine<'_>) -> Result<(), Failure> {
    for vector in 0..VECTORS {
        let slot = machine.place(slots::CHECK + vector);
        let issued = if vector % 2 == 0 {
            initial::IRQ_CONTROL.get_msi(slot, 0, 0, 0, 0, vector)
        } else {
            initial::IRQ_CONTROL.get_io_apic(slot, 0, vector / 2 % 24, vector / 2 % 2, 0, vector)
        };
        issued.map_err(|_| "an interrupt vector has leaked")?;
    }
    initial::CNODE.at(initial::IRQ_CONTROL.cptr()).revoke().map_err(|_| "interrupts cannot be revoked")
}

fn ports_are_free(machine: &Machine<'_>) -> Result<(), Failure> {
    let slot = machine.place(slots::CHECK);
    let issued = initial::IO_PORT_CONTROL.issue(0, u16::MAX, slot);
    issued.and_then(|()| slot.delete()).map_err(|_| "an I/O port has leaked")
}

/// Makes every ASID pool that there can be.
fn pools_are_free(machine: &Machine<'_>) -> Result<(), Failure> {
    let count = FREE_POOLS + 1;
    let target = RetypeTarget::slots_of(initial::CNODE, machine.slot(slots::CHECK));
    let memory = machine.pool().retype(ObjectType::Untyped, POOL_MEMORY_BITS, target, count);
    memory.map_err(|_| "there is no memory for ASID pools")?;
    for number in 0..count {
        let memory = machine.cap(slots::CHECK + number);
        let made = initial::ASID_CONTROL.make_pool(memory, machine.place(slots::CHECK + count + number));
        let expected = if number < FREE_POOLS { Ok(()) } else { Err(Error::DeleteFirst) };
        if made != expected {
            return Err("an ASID pool has leaked");
        }
    }
    // Every other one also gives an ASID away before it goes.
    let vspace: Cap<VSpace> = machine
        .pool()
        .retype_one(0, initial::CNODE, machine.slot(slots::CHECK + 2 * count))
        .map_err(|_| "there is no memory for an address space")?;
    let pool: Cap<AsidPool> = machine.cap(slots::CHECK + count);
    pool.assign(vspace).map_err(|_| "a new ASID pool has no ASID")?;
    revoke_pool(machine)
}

/// Gives every ASID of the first pool away.
fn identifiers_are_free(machine: &Machine<'_>) -> Result<(), Failure> {
    for first in [0, SPACES / 2] {
        let target = RetypeTarget::slots_of(initial::CNODE, machine.slot(slots::CHECK + first));
        let made = machine.pool().retype(ObjectType::Pml4, 0, target, SPACES / 2);
        made.map_err(|_| "there is no memory for address spaces")?;
    }
    let assign = |number| initial::ASID_POOL.assign(machine.cap::<VSpace>(slots::CHECK + number));
    let assigned = (0..SPACES).take_while(|number| assign(*number).is_ok()).count();
    revoke_pool(machine)?;
    if assigned == FREE_ASIDS { Ok(()) } else { Err("an ASID has leaked") }
}

fn revoke_pool(machine: &Machine<'_>) -> Result<(), Failure> {
    initial::CNODE.at(machine.pool().cptr()).revoke().map_err(|_| "memory cannot be revoked")
}
