//! Physical memory of the machine, and the slots that its capabilities live in.
use libsel::abi::ObjectType;
use libsel::bootinfo::{BootInfoView, initial};
use libsel::cap::{Cap, Reply, Retypable, Untyped};
use libsel::invoke::RetypeTarget;
use libsel::{Error, println};
use roottask::phys::kernel::{KernelError, Slot, UntypedKernel};
use roottask::phys::{Block, Metadata, Phys};
use roottask::slots::Slots;

use super::pieces::OutOfMemory;
use super::tables::{self, Tables};
use super::{arena, own_slot};

/// The physical allocator over the real kernel.
pub type Memory = Phys<'static, Kernel>;

/// The kernel, and the slots of the root CNode.
pub struct Kernel {
    /// Slots that are free.
    pub slots: Slots,
}

/// What is reported when no run of slots is left: NotEnoughMemory.
const NO_SLOTS: KernelError = KernelError(10);

fn kernel_error(error: Error) -> KernelError {
    println!("root: the kernel refused an untyped operation: {error}");
    // The number tells nothing more than the line above.
    KernelError(3)
}

/// The untyped capability in a slot.
pub fn untyped(slot: Slot) -> Cap<Untyped> {
    Cap::new(u64::from(slot))
}

impl UntypedKernel for Kernel {
    fn split(&mut self, parent: Slot, child_bits: u8, count: u16) -> Result<Slot, KernelError> {
        let first = self.slots.take(u32::from(count)).ok_or(NO_SLOTS)?;
        let target = RetypeTarget::slots_of(initial::CNODE, u64::from(first));
        let made =
            untyped(parent).retype(ObjectType::Untyped, u64::from(child_bits), target, u64::from(count));
        made.map(|()| first).map_err(|error| {
            self.slots.give(first, u32::from(count));
            kernel_error(error)
        })
    }

    fn revoke(&mut self, parent: Slot) -> Result<(), KernelError> {
        own_slot(parent).revoke().map_err(kernel_error)
    }

    fn release_slots(&mut self, first: Slot, count: u16) {
        self.slots.give(first, u32::from(count));
    }
}

/// A new object of a fixed size in a slot of its own; a small one shares its page with others.
pub fn object<T: Retypable>(memory: &mut Memory) -> Result<Cap<T>, OutOfMemory> {
    sized_object(memory, 0)
}

/// [`object`] of a type whose `size_bits` one chooses.
pub fn sized_object<T: Retypable>(memory: &mut Memory, size_bits: u64) -> Result<Cap<T>, OutOfMemory> {
    object_of_block(memory, size_bits).map(|(object, _)| object)
}

/// A reply object that can be given back.
#[derive(Clone, Copy)]
pub struct ReplyObject {
    /// Who waits in it is answered through this.
    pub cap: Cap<Reply>,
    block: Block,
}

impl ReplyObject {
    /// A new one.
    pub fn new(memory: &mut Memory) -> Result<Self, OutOfMemory> {
        object_of_block(memory, 0).map(|(cap, block)| ReplyObject { cap, block })
    }

    /// Gives it back. Who waits in it is never answered.
    pub fn free(self, memory: &mut Memory) {
        let slot = self.cap.cptr() as Slot;
        // A capability of ours can always be deleted, and the allocator only refuses blocks that it did not hand out.
        let _ = own_slot(slot).delete();
        let _ = memory.free_empty(self.block);
        memory.kernel().slots.give(slot, 1);
    }
}

fn object_of_block<T: Retypable>(
    memory: &mut Memory,
    size_bits: u64,
) -> Result<(Cap<T>, Block), OutOfMemory> {
    let block = memory.alloc(T::OBJECT_TYPE.object_bits(size_bits) as u8).map_err(|_| OutOfMemory)?;
    let made = memory.kernel().slots.take(1).ok_or(OutOfMemory).and_then(|slot| {
        let made = untyped(block.slot).retype_one(size_bits, initial::CNODE, u64::from(slot));
        made.map_err(|_| {
            memory.kernel().slots.give(slot, 1);
            OutOfMemory
        })
    });
    made.map(|object| (object, block)).inspect_err(|_| {
        // Nothing was made from it.
        let _ = memory.free_empty(block);
    })
}

/// Hands every untyped of the boot list to the physical allocator.
pub fn take_over(bootinfo: &BootInfoView<'_>) -> Memory {
    let mut slots = Slots::new();
    let empty = bootinfo.empty();
    slots.add(empty.start as u32, u32::try_from(empty.end).unwrap_or(u32::MAX));
    let tables = tables::carve(bootinfo, &mut slots);
    let halves = tables.halves();
    let used = tables.used;
    let (devices, slabs) = arena::fixed_tables();
    let Tables { groups, backs, words, .. } = tables;
    let metadata = Metadata { groups, backs, words, devices, slabs };
    let mut memory = Phys::new(metadata, Kernel { slots }).expect("tables of the right size");
    let mut unused = 0u64;
    for half in halves {
        if memory.add_untyped(half.slot, half.paddr, half.size_bits, false).is_err() {
            unused += half.bytes();
        }
    }
    for (cap, desc) in bootinfo.untypeds().filter(|(cap, _)| cap.cptr() != u64::from(used)) {
        let device = desc.is_device != 0;
        let added = memory.add_untyped(cap.cptr() as Slot, desc.paddr, desc.size_bits, device);
        if added.is_err() && !device {
            unused += 1 << desc.size_bits;
        }
    }
    if unused > 0 {
        println!("root: {} KiB of RAM do not fit into my tables and stay unused", unused / 1024);
    }
    memory
}
