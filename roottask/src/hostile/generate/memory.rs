//! Invocations of untypeds, paging structures, frames and ASIDs (abi.md 7.2, 7.8, 7.9).

use libsel::abi::{Label, ObjectType};

use super::super::classes::{Class, NESTED, NESTED_RADIX, ROOT_BARE, ROOT_FLAT, ROOT_RADIX};
use super::Generator;
use super::message::Request;

/// What becomes of memory, with where the capabilities go.
const OBJECTS: &[(ObjectType, Class)] = &[
    (ObjectType::Untyped, Class::Untyped),
    (ObjectType::Untyped, Class::Untyped),
    (ObjectType::Tcb, Class::Tcb),
    (ObjectType::Tcb, Class::Tcb),
    (ObjectType::Endpoint, Class::Endpoint),
    (ObjectType::Endpoint, Class::Endpoint),
    (ObjectType::Notification, Class::Notification),
    (ObjectType::Notification, Class::Notification),
    (ObjectType::CapTable, Class::CNode),
    (ObjectType::SchedContext, Class::SchedContext),
    (ObjectType::SchedContext, Class::SchedContext),
    (ObjectType::Reply, Class::Reply),
    (ObjectType::Reply, Class::Reply),
    (ObjectType::Pdpt, Class::Pdpt),
    (ObjectType::Pml4, Class::VSpace),
    (ObjectType::Pml4, Class::VSpace),
    (ObjectType::HugePage, Class::Frame),
    (ObjectType::Page, Class::Frame),
    (ObjectType::Page, Class::Frame),
    (ObjectType::LargePage, Class::Frame),
    (ObjectType::PageTable, Class::PageTable),
    (ObjectType::PageDirectory, Class::PageDirectory),
];

impl Generator<'_> {
    /// Untyped_Retype.
    pub(super) fn retype(&mut self) -> Request {
        let (object, class) = self.random.of(OBJECTS);
        let size_bits = match object {
            ObjectType::Untyped => self.random.of(&[4, 8, 10, 12, 12, 12, 13, 14, 16]),
            // Large ones take long to delete.
            ObjectType::CapTable if self.random.one_in(4) => 6 + self.random.below(6),
            ObjectType::CapTable => 1 + self.random.below(5),
            ObjectType::SchedContext => 7 + self.random.below(3),
            _ => self.random.below(64),
        };
        // With luck the slots are empty.
        let count = if self.random.one_in(4) { 1 + self.random.below(4) } else { 1 };
        let untyped = self.slot(Class::Untyped);
        let slot = self.free(class);
        let (root, node_index, node_depth, offset) = match self.random.below(16) {
            0 => {
                let nested = NESTED + self.random.below(3);
                (ROOT_BARE, nested, ROOT_RADIX, self.random.below(1 << NESTED_RADIX))
            }
            1 => (NESTED + self.random.below(3), 0, 0, self.random.below(1 << NESTED_RADIX)),
            // The root, found through itself.
            2 => (ROOT_FLAT, ROOT_BARE, 64, slot),
            3..9 => (ROOT_FLAT, self.random.word(), 0, slot),
            _ => (ROOT_BARE, 0, 0, slot),
        };
        let words = [object.raw(), size_bits, node_index, node_depth, offset, count];
        let root = self.cptr(root);
        Request::new(self.cptr(untyped), &words, &[root]).invokes(untyped).fills(slot)
    }

    pub(super) fn paging(&mut self, label: Label) -> Request {
        let vspace = match self.random.below(2) {
            0 => {
                let first = Class::VSpace.slots().start + self.random.below(2);
                self.cptr(first)
            }
            _ => self.pick(Class::VSpace),
        };
        let class = match label {
            Label::X86PdptMap | Label::X86PdptUnmap => Class::Pdpt,
            Label::X86PageDirectoryMap | Label::X86PageDirectoryUnmap => Class::PageDirectory,
            Label::X86PageTableMap | Label::X86PageTableUnmap => Class::PageTable,
            Label::X86AsidControlMakePool => Class::AsidControl,
            Label::X86AsidPoolAssign => Class::AsidPool,
            _ => Class::Frame,
        };
        let slot = match label {
            Label::X86PdptUnmap
            | Label::X86PageDirectoryUnmap
            | Label::X86PageTableUnmap
            | Label::X86PageUnmap => self.victim(class),
            _ => self.slot(class),
        };
        let target = self.cptr(slot);
        let attributes = if self.random.one_in(8) { self.random.word() } else { 0 };
        let request = match label {
            Label::X86PdptMap | Label::X86PageDirectoryMap | Label::X86PageTableMap => {
                let address = self.address();
                Request::new(target, &[address, attributes], &[vspace])
            }
            Label::X86PageMap => {
                let (address, rights) = (self.address(), self.random.below(8) | 1);
                Request::new(target, &[address, rights, attributes], &[vspace])
            }
            Label::X86AsidControlMakePool => {
                let (root, index, depth) = self.place(Class::AsidPool);
                // The first ones are of the one size that is accepted.
                let start = Class::Untyped.slots().start;
                let slot = if self.random.one_in(2) {
                    start + self.random.below(6)
                } else {
                    self.slot(Class::Untyped)
                };
                let untyped = self.cptr(slot);
                Request::new(target, &[index, depth], &[untyped, root])
            }
            Label::X86AsidPoolAssign => {
                let vspace = self.pick(Class::VSpace);
                Request::new(target, &[], &[vspace])
            }
            _ => Request::new(target, &[], &[]),
        };
        request.invokes(slot)
    }
}
