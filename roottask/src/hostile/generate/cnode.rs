//! Invocations of CNodes (abi.md 7.4).

use libsel::abi::{CNodeCapData, CapRights, Label, Word};

use super::super::classes::{COPYABLE, Class};
use super::Generator;
use super::message::Request;

impl Generator<'_> {
    pub(super) fn cnode(&mut self, label: Label) -> Request {
        let class = self.random.of(COPYABLE);
        match label {
            Label::CNodeRevoke | Label::CNodeDelete => {
                // Memory comes back by revoking it.
                let untyped = label == Label::CNodeRevoke && self.random.one_in(4);
                let class = if untyped { Class::Untyped } else { class };
                let slot = self.victim(if class == Class::Any { Class::Spare } else { class });
                let (root, index, depth) = self.place_of(slot);
                let mut request = Request::new(root, &[index, depth], &[]);
                if label == Label::CNodeDelete {
                    request.concerned.emptied = slot as u8;
                }
                request
            }
            Label::CNodeCancelBadgedSends => {
                let slot = self.slot(Class::Endpoint);
                let (root, index, depth) = self.place_of(slot);
                Request::new(root, &[index, depth], &[])
            }
            Label::CNodeRotate => self.rotate(class),
            _ => self.transfer(label, class),
        }
    }

    /// Copy, Mint, Move, Mutate.
    fn transfer(&mut self, label: Label, class: Class) -> Request {
        let moves = matches!(label, Label::CNodeMove | Label::CNodeMutate);
        let dest = self.free(if class == Class::Any { Class::Spare } else { class });
        let source = match class {
            Class::Any if moves => self.victim(Class::Spare),
            _ if moves => self.victim(class),
            _ => self.slot(class),
        };
        let (dest_root, dest_index, dest_depth) = self.place_of(dest);
        let (source_root, source_index, source_depth) = self.place_of(source);
        let data = self.data(class, label == Label::CNodeMutate);
        let words = [dest_index, dest_depth, source_index, source_depth];
        let mut request = Request::new(dest_root, &words, &[source_root]).fills(dest);
        request.count = match label {
            Label::CNodeCopy => {
                request.words[4] = self.rights();
                5
            }
            Label::CNodeMint => {
                request.words[4..6].copy_from_slice(&[self.rights(), data]);
                6
            }
            Label::CNodeMutate => {
                request.words[4] = data;
                5
            }
            _ => 4,
        };
        if moves {
            request.concerned.emptied = source as u8;
        } else {
            request.concerned.source = source as u8;
        }
        request
    }

    fn rotate(&mut self, class: Class) -> Request {
        let class = if class == Class::Any { Class::Spare } else { class };
        let slots = [self.free(class), self.victim(class), self.victim(class)];
        let (dest_root, dest_index, dest_depth) = self.place_of(slots[0]);
        let (pivot_root, pivot_index, pivot_depth) = self.place_of(slots[1]);
        let source = if self.random.one_in(6) { slots[0] } else { slots[2] };
        let (source_root, source_index, source_depth) = self.place_of(source);
        let data = if self.random.one_in(8) { self.data(class, true) } else { 0 };
        let words =
            [dest_index, dest_depth, data, pivot_index, pivot_depth, data, source_index, source_depth];
        Request::new(dest_root, &words, &[pivot_root, source_root])
    }

    fn rights(&mut self) -> Word {
        if self.random.one_in(3) { self.random.below(32) } else { CapRights::ALL.bits() }
    }

    /// A badge, or a guard.
    fn data(&mut self, class: Class, moving: bool) -> Word {
        match class {
            Class::CNode => {
                let bits = self.random.of(&[0, 1, 4, 48, 56, 60, 63]);
                let guard = if self.random.one_in(4) { self.random.word() >> 6 } else { 0 };
                CNodeCapData::new(guard, bits).0
            }
            _ if moving && !self.random.one_in(8) => 0,
            _ => self.random.below(4),
        }
    }
}
