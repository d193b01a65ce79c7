//! The checks of Untyped_Retype, each alone and all in their order (abi.md 7.2).

use libsel::abi::{CPtr, ObjectType, Word};
use libsel::bootinfo::initial;
use libsel::cap::Untyped;
use libsel::{Cap, Error, LookupFailure, invoke};

use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, check, equal, fails, lookup, missing, range, test};
use super::refusals::bad_slots;

const ROOT: CPtr = initial::CNODE.cptr();

/// The words of a Retype.
#[derive(Clone, Copy)]
struct Retype {
    memory: Cap<Untyped>,
    object_type: Word,
    size_bits: Word,
    node_index: Word,
    node_depth: Word,
    node_offset: Word,
    num_objects: Word,
    root: CPtr,
}

impl Retype {
    /// Of one endpoint into a free slot.
    fn new(t: &mut Fixture<'_>) -> Self {
        Retype {
            memory: t.untyped,
            object_type: ObjectType::Endpoint.raw(),
            size_bits: 0,
            node_index: 0,
            node_depth: 0,
            node_offset: t.slot(),
            num_objects: 1,
            root: ROOT,
        }
    }

    fn words(&self) -> [Word; 6] {
        [
            self.object_type,
            self.size_bits,
            self.node_index,
            self.node_depth,
            self.node_offset,
            self.num_objects,
        ]
    }

    fn send(&self) -> libsel::Result<()> {
        self.send_parts(6, &[self.root])
    }

    fn send_parts(&self, words: usize, roots: &[CPtr]) -> libsel::Result<()> {
        let label = libsel::abi::Label::UntypedRetype.raw();
        invoke::raw(self.memory.cptr(), label, &self.words()[..words], roots).result().map(|_| ())
    }
}

/// A Retype has to fail with `error` after `change`, and succeed without.
#[track_caller]
fn refused(t: &mut Fixture<'_>, error: Error, change: impl FnOnce(&mut Retype)) -> Outcome {
    let good = Retype::new(t);
    let mut bad = good;
    change(&mut bad);
    fails(bad.send(), error)?;
    Ok(good.send()?)
}

/// Checks of Retype.
pub const TESTS: &[Test] = &[
    test("UTCHECK0001", "six words and a capability are needed", |t| {
        let retype = Retype::new(t);
        fails(retype.send_parts(5, &[ROOT]), Error::TruncatedMessage)?;
        fails(retype.send_parts(6, &[]), Error::TruncatedMessage)
    }),
    test("UTCHECK0002", "there are 14 types", |t| {
        equal(ObjectType::ALL.len(), 14)?;
        for object_type in [14, 15, 0xff_ffff, Word::MAX] {
            refused(t, Error::InvalidArgument(0), |retype| retype.object_type = object_type)?;
        }
        Ok(())
    }),
    test("UTCHECK0003", "size_bits is below 64 for every type", |t| {
        for object_type in ObjectType::ALL {
            refused(t, range(0, 47), |retype| {
                (retype.object_type, retype.size_bits) = (object_type.raw(), 64);
            })?;
        }
        Ok(())
    }),
    test("UTCHECK0004", "an object has at most 2^47 bytes", |t| {
        let types = [(ObjectType::Untyped, 48), (ObjectType::CapTable, 43), (ObjectType::SchedContext, 48)];
        for (object_type, size_bits) in types {
            refused(t, range(0, 47), |retype| {
                (retype.object_type, retype.size_bits) = (object_type.raw(), size_bits);
            })?;
        }
        Ok(())
    }),
    test("UTCHECK0005", "objects with a size have a least one", |t| {
        let types = [(ObjectType::CapTable, 0), (ObjectType::Untyped, 3), (ObjectType::SchedContext, 6)];
        for (object_type, size_bits) in types {
            refused(t, Error::InvalidArgument(1), |retype| {
                (retype.object_type, retype.size_bits) = (object_type.raw(), size_bits);
            })?;
        }
        Ok(())
    }),
    test("UTCHECK0006", "the CNode is found, or the error says why not", |t| {
        for (slot, failure) in bad_slots(t)? {
            // Depth 0 means the root itself.
            if slot.depth != 0 {
                refused(t, failure.map_or_else(|error| error, lookup), |retype| {
                    (retype.root, retype.node_index, retype.node_depth) =
                        (slot.root.cptr(), slot.index, slot.depth);
                })?;
            }
        }
        Ok(())
    }),
    test("UTCHECK0007", "the slots are a CNode's", |t| {
        for node in [initial::TCB.cptr(), t.slot(), t.endpoint()?.cptr()] {
            refused(t, lookup(missing(64)), |retype| (retype.node_index, retype.node_depth) = (node, 64))?;
            refused(t, lookup(missing(0)), |retype| retype.root = node)?;
        }
        Ok(())
    }),
    test("UTCHECK0008", "the offset is a slot of the CNode", |t| {
        let (slots, node) = (t.machine.root_slots(), t.cnode(3)?);
        refused(t, range(0, slots - 1), |retype| retype.node_offset = slots)?;
        refused(t, range(0, 7), |retype| (retype.root, retype.node_offset) = (node.cptr(), 8))
    }),
    test("UTCHECK0009", "1 to 256 objects are made", |t| {
        for num_objects in [0, 257, Word::MAX] {
            refused(t, range(1, 256), |retype| retype.num_objects = num_objects)?;
        }
        Ok(())
    }),
    test("UTCHECK0010", "no more objects than slots behind the offset are made", |t| {
        let node = t.cnode(3)?;
        refused(t, range(1, 3), |retype| {
            (retype.root, retype.node_offset, retype.num_objects) = (node.cptr(), 5, 4);
        })
    }),
    test("UTCHECK0011", "every slot has to be empty, also the last", |t| {
        let first = t.slots(4);
        initial::CNODE.at(first + 3).copy(at(t.endpoint()?), libsel::abi::CapRights::ALL)?;
        refused(t, Error::DeleteFirst, |retype| (retype.node_offset, retype.num_objects) = (first, 4))?;
        equal((tag(first), tag(first + 1), tag(first + 2)), (0, 0, 0))
    }),
    test("UTCHECK0012", "what is left has to suffice, and is told in bytes", |t| {
        let memory = t.memory(12)?;
        refused(t, Error::NotEnoughMemory(1 << 12), |retype| {
            (retype.memory, retype.object_type) = (memory, ObjectType::LargePage.raw());
        })?;
        let first = Retype { memory, ..Retype::new(t) };
        first.send()?;
        // 16 bytes are used: the rest is told as it is, not as what aligned objects could use.
        let second = Retype { memory, object_type: ObjectType::Page.raw(), ..Retype::new(t) };
        fails(second.send(), Error::NotEnoughMemory((1 << 12) - 16))?;
        Ok(Retype { memory, ..Retype::new(t) }.send()?)
    }),
    test("UTCHECK0013", "device memory becomes frames and untypeds only", |t| {
        let mut devices = t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device != 0);
        let Some((device, _)) = devices.find(|(_, desc)| desc.size_bits >= 14) else {
            return check(false, "a device untyped of 16 KiB");
        };
        let others = ObjectType::ALL.iter().filter(|kind| {
            use ObjectType::{HugePage, LargePage, Page, Untyped};
            !matches!(kind, Untyped | Page | LargePage | HugePage)
        });
        for object_type in others {
            refused(t, Error::InvalidArgument(1), |retype| {
                (retype.memory, retype.object_type, retype.size_bits) = (device, object_type.raw(), 8);
            })?;
        }
        Retype { memory: device, object_type: ObjectType::Page.raw(), ..Retype::new(t) }.send()?;
        let inner = Retype { memory: device, object_type: 0, size_bits: 13, ..Retype::new(t) };
        inner.send()?;
        // The device is checked last.
        let memory = Cap::new(inner.node_offset);
        let nothing_fits = Retype { memory, object_type: ObjectType::CapTable.raw(), ..Retype::new(t) };
        fails(Retype { size_bits: 20, ..nothing_fits }.send(), Error::NotEnoughMemory(1 << 13))?;
        fails(Retype { size_bits: 4, ..nothing_fits }.send(), Error::InvalidArgument(1))
    }),
    test("UTCHECK0014", "the checks come in order", |t| {
        let (memory, slots) = (t.memory(4)?, t.machine.root_slots());
        let full = t.endpoint()?.cptr();
        let tcb = initial::TCB.cptr();
        let mut retype = Retype { memory, ..Retype::new(t) };
        (retype.object_type, retype.size_bits) = (14, 99);
        (retype.root, retype.node_index, retype.node_depth) = (tcb, tcb, 65);
        (retype.node_offset, retype.num_objects) = (slots, 0);
        fails(retype.send(), Error::InvalidArgument(0))?;
        retype.object_type = ObjectType::Untyped.raw();
        fails(retype.send(), range(0, 47))?;
        retype.size_bits = 3;
        fails(retype.send(), Error::InvalidArgument(1))?;
        retype.size_bits = 5;
        fails(retype.send(), lookup(LookupFailure::InvalidRoot))?;
        retype.root = ROOT;
        fails(retype.send(), range(1, 64))?;
        retype.node_depth = 64;
        fails(retype.send(), lookup(missing(64)))?;
        retype.node_index = ROOT;
        fails(retype.send(), range(0, slots - 1))?;
        retype.node_offset = full;
        fails(retype.send(), range(1, 256))?;
        retype.num_objects = 256;
        retype.node_offset = slots - 1;
        fails(retype.send(), range(1, 1))?;
        (retype.node_offset, retype.num_objects) = (full, 1);
        fails(retype.send(), Error::DeleteFirst)?;
        retype.node_offset = t.slot();
        fails(retype.send(), Error::NotEnoughMemory(16))?;
        retype.size_bits = 4;
        Ok(retype.send()?)
    }),
    test("UTCHECK0015", "sizes of types that have none of their own are ignored", |t| {
        for object_type in [ObjectType::Endpoint, ObjectType::Tcb, ObjectType::PageTable] {
            let retype = Retype::new(t);
            Retype { object_type: object_type.raw(), size_bits: 63, ..retype }.send()?;
        }
        Ok(())
    }),
];
