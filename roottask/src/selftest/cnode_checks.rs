//! The checks of all CNode operations, one after the other (abi.md 6.5, 7.4).

use libsel::abi::{CNodeCapData, CPtr, CapRights, Label, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, PageTable};
use libsel::{AbsoluteSlot, Cap, Error, LookupFailure, invoke};

use super::fixture::{Fixture, at, log_is};
use super::harness::{Outcome, Test, equal, fails, lookup, missing, source_lookup, test};
use super::peer;
use super::refusals::bad_slots;
use super::thread::Options;

const ALL: CapRights = CapRights::ALL;

/// All operations: those that bring a capability from one slot to another first.
const ALL_LABELS: [Label; 8] = [
    Label::CNodeCopy,
    Label::CNodeMint,
    Label::CNodeMove,
    Label::CNodeMutate,
    Label::CNodeRotate,
    Label::CNodeRevoke,
    Label::CNodeDelete,
    Label::CNodeCancelBadgedSends,
];
/// Operations with a source.
const WITH_SOURCE: [Label; 5] = match ALL_LABELS.first_chunk() {
    Some(labels) => *labels,
    None => panic!("five operations have a source"),
};

/// A message for a CNode operation, as it would be accepted.
#[derive(Clone, Copy)]
struct Request {
    label: Label,
    node: Cap<CNode>,
    words: [Word; 8],
    length: usize,
    roots: [CPtr; 2],
    root_count: usize,
}

impl Request {
    /// Of an endpoint; the destination of an operation with a source is empty.
    fn new(t: &mut Fixture<'_>, label: Label) -> libsel::Result<Self> {
        let (endpoint, free) = (at(t.endpoint()?), t.slot());
        let (source, dest) = (endpoint.index, if Self::one_slot(label) { endpoint.index } else { free });
        let (words, length, root_count) = match label {
            Label::CNodeCopy => ([dest, 64, source, 64, 0xf, 0, 0, 0], 5, 1),
            Label::CNodeMint => ([dest, 64, source, 64, 0xf, 7, 0, 0], 6, 1),
            Label::CNodeMove => ([dest, 64, source, 64, 0, 0, 0, 0], 4, 1),
            Label::CNodeMutate => ([dest, 64, source, 64, 0, 0, 0, 0], 5, 1),
            Label::CNodeRotate => ([dest, 64, 0, t.notification()?.cptr(), 64, 0, source, 64], 8, 2),
            _ => ([dest, 64, 0, 0, 0, 0, 0, 0], 2, 0),
        };
        // An endpoint cannot be mutated; a CNode can.
        let mut words = words;
        if label == Label::CNodeMutate {
            words[2] = t.cnode(1)?.cptr();
        }
        Ok(Request {
            label,
            node: initial::CNODE,
            words,
            length,
            roots: [initial::CNODE.cptr(); 2],
            root_count,
        })
    }

    fn one_slot(label: Label) -> bool {
        !WITH_SOURCE.contains(&label)
    }

    /// Word of the source's index; its depth is the next one, its root the last one.
    fn source(&self) -> usize {
        if self.label == Label::CNodeRotate { 6 } else { 2 }
    }

    /// With the slot that has its index in word `index`, and its root in capability `root` if it has one.
    fn with(mut self, index: usize, root: Option<usize>, slot: AbsoluteSlot) -> Self {
        self.words[index] = slot.index;
        self.words[index + 1] = slot.depth;
        match root {
            Some(root) => self.roots[root] = slot.root.cptr(),
            None => self.node = slot.root,
        }
        self
    }

    /// With another source.
    fn from(self, slot: AbsoluteSlot) -> Self {
        self.with(self.source(), Some(self.root_count - 1), slot)
    }

    fn send(&self) -> libsel::Result<()> {
        let (words, roots) = (&self.words[..self.length], &self.roots[..self.root_count]);
        invoke::raw(self.node.cptr(), self.label.raw(), words, roots).result().map(|_| ())
    }
}

/// Every operation has to fail with `error` after `change`; it would succeed without.
#[track_caller]
fn all_fail(
    t: &mut Fixture<'_>,
    labels: &[Label],
    error: Error,
    mut change: impl FnMut(&mut Fixture<'_>, Request) -> libsel::Result<Request>,
) -> Outcome {
    for label in labels {
        let request = Request::new(t, *label)?;
        fails(change(t, request)?.send(), error)?;
        request.send()?;
    }
    Ok(())
}

/// Every operation has to fail for the slots of [`bad_slots`]; `change` puts them into the request. `None` from it: this
/// case is not for this operation.
#[track_caller]
fn all_refuse_bad_slots(
    t: &mut Fixture<'_>,
    labels: &[Label],
    failed: fn(LookupFailure) -> Error,
    change: fn(Request, AbsoluteSlot) -> Option<Request>,
) -> Outcome {
    for label in labels {
        let request = Request::new(t, *label)?;
        for (slot, failure) in bad_slots(t)? {
            if let Some(bad) = change(request, slot) {
                fails(bad.send(), failure.map_or_else(|error| error, failed))?;
            }
        }
        request.send()?;
    }
    Ok(())
}

/// A request of a label.
fn changed(
    t: &mut Fixture<'_>,
    label: Label,
    change: impl FnOnce(&mut Request),
) -> libsel::Result<libsel::Result<()>> {
    let mut request = Request::new(t, label)?;
    change(&mut request);
    Ok(request.send())
}

/// Checks of CNode operations.
pub const TESTS: &[Test] = &[
    test("CNCHECK0001", "every operation needs an index and a depth", |t| {
        all_fail(t, &ALL_LABELS, Error::TruncatedMessage, |_, request| Ok(Request { length: 1, ..request }))
    }),
    test("CNCHECK0002", "destinations are found, or the error says why not", |t| {
        all_refuse_bad_slots(t, &ALL_LABELS, lookup, |request, slot| {
            // The root of the destination is what is invoked: another kind of capability has other errors.
            (slot.root != initial::TCB.cast()).then(|| request.with(0, None, slot))
        })
    }),
    test("CNCHECK0003", "operations with a source need four words, rotation eight", |t| {
        all_fail(t, &WITH_SOURCE[..4], Error::TruncatedMessage, |_, request| {
            Ok(Request { length: 3, ..request })
        })?;
        all_fail(t, &WITH_SOURCE[4..], Error::TruncatedMessage, |_, request| {
            Ok(Request { length: 7, ..request })
        })
    }),
    test("CNCHECK0004", "operations with a source need its root, rotation also the pivot's", |t| {
        all_fail(t, &WITH_SOURCE, Error::TruncatedMessage, |_, request| {
            Ok(Request { root_count: request.root_count - 1, ..request })
        })
    }),
    test("CNCHECK0005", "a full destination stops every operation with a source", |t| {
        all_fail(t, &WITH_SOURCE, Error::DeleteFirst, |t, request| {
            let full = at(t.endpoint()?);
            Ok(request.with(0, None, full))
        })
    }),
    test("CNCHECK0006", "sources are found, or the error says why not", |t| {
        all_refuse_bad_slots(t, &WITH_SOURCE, source_lookup, |request, slot| Some(request.from(slot)))
    }),
    test("CNCHECK0007", "a source that is empty is missing, with the source's depth", |t| {
        all_fail(t, &WITH_SOURCE, source_lookup(missing(64)), |t, request| {
            let empty = t.place();
            Ok(request.from(empty))
        })?;
        let small = t.cnode(4)?;
        all_fail(t, &WITH_SOURCE, source_lookup(missing(4)), |_, request| Ok(request.from(small.slot(3, 4))))
    }),
    test("CNCHECK0008", "copy needs rights, mint and mutate need data", |t| {
        for label in [Label::CNodeCopy, Label::CNodeMint, Label::CNodeMutate] {
            all_fail(t, &[label], Error::TruncatedMessage, |_, request| {
                Ok(Request { length: request.length - 1, ..request })
            })?;
        }
        Ok(())
    }),
    test("CNCHECK0009", "untyped memory with children is neither copied nor minted", |t| {
        let memory = at(t.untyped);
        all_fail(t, &WITH_SOURCE[..2], Error::RevokeFirst, |_, request| Ok(request.from(memory)))
    }),
    test("CNCHECK0010", "what cannot be derived is neither copied nor minted", |t| {
        let table: Cap<PageTable> = t.make(0)?;
        let pml4 = t.make::<libsel::cap::VSpace>(0)?;
        for source in [at(initial::IRQ_CONTROL), at(initial::IO_PORT_CONTROL), at(table), at(pml4)] {
            all_fail(t, &WITH_SOURCE[..2], Error::IllegalOperation, |_, request| Ok(request.from(source)))?;
        }
        Ok(())
    }),
    test("CNCHECK0011", "a badge is given once, and not by mutate or rotate", |t| {
        let (endpoint, notification) = (t.endpoint()?, t.notification()?);
        let badged = [at(t.mint(endpoint, ALL, 1)?), at(t.mint(notification, ALL, 1)?)];
        for source in badged {
            let minted = changed(t, Label::CNodeMint, |request| *request = request.from(source))?;
            fails(minted, Error::IllegalOperation)?;
        }
        for source in [at(endpoint), at(notification)] {
            let mutated = changed(t, Label::CNodeMutate, |request| *request = request.from(source))?;
            fails(mutated, Error::IllegalOperation)?;
        }
        let dest_data = changed(t, Label::CNodeRotate, |request| request.words[2] = 1)?;
        fails(dest_data, Error::IllegalOperation)?;
        let pivot_data = changed(t, Label::CNodeRotate, |request| request.words[5] = 1)?;
        fails(pivot_data, Error::IllegalOperation)
    }),
    test("CNCHECK0012", "a guard that does not fit is refused by mint, mutate and rotate", |t| {
        let too_long = CNodeCapData::new(0, 61).0;
        for (label, word) in [(Label::CNodeMint, 5), (Label::CNodeMutate, 4), (Label::CNodeRotate, 5)] {
            let node = at(t.cnode(4)?);
            let sent = changed(t, label, |request| {
                *request = request.from(node);
                request.words[word] = too_long;
            })?;
            fails(sent, Error::IllegalOperation)?;
        }
        Ok(())
    }),
    test("CNCHECK0013", "a guard that fits is set by mint, mutate and rotate", |t| {
        let longest = CNodeCapData::new(0, 60).0;
        for (label, word) in [(Label::CNodeMint, 5), (Label::CNodeMutate, 4), (Label::CNodeRotate, 5)] {
            let node = at(t.cnode(4)?);
            changed(t, label, |request| {
                *request = request.from(node);
                request.words[word] = longest;
            })??;
        }
        Ok(())
    }),
    test("CNCHECK0014", "the pivot of a rotation is found, or the error says why not", |t| {
        let rotate = [Label::CNodeRotate];
        all_refuse_bad_slots(t, &rotate, source_lookup, |request, slot| Some(request.with(3, Some(0), slot)))
    }),
    test("CNCHECK0015", "an empty pivot is missing as a destination, with the pivot's depth", |t| {
        all_fail(t, &[Label::CNodeRotate], lookup(missing(64)), |t, request| {
            let empty = t.place();
            Ok(request.with(3, Some(0), empty))
        })
    }),
    test("CNCHECK0016", "the pivot is neither the source nor the destination", |t| {
        all_fail(t, &[Label::CNodeRotate], Error::IllegalOperation, |_, mut request| {
            request.words[3] = request.words[6];
            Ok(request)
        })?;
        all_fail(t, &[Label::CNodeRotate], Error::IllegalOperation, |_, mut request| {
            request.words[3] = request.words[0];
            Ok(request)
        })
    }),
    test("CNCHECK0017", "cancelling badged sends needs an endpoint with all rights", |t| {
        let endpoint = t.endpoint()?;
        let mut slots = [t.place(), at(t.notification()?), t.place(), t.place(), t.place(), t.place()];
        let rights = [CapRights::READ, CapRights::WRITE, CapRights::GRANT, CapRights::GRANT_REPLY];
        for (slot, missing) in slots[2..].iter_mut().zip(rights) {
            slot.mint(at(endpoint), ALL.difference(missing), 5)?;
        }
        for slot in slots {
            let cancelled = changed(t, Label::CNodeCancelBadgedSends, |request| {
                *request = request.with(0, None, slot);
            })?;
            fails(cancelled, Error::IllegalOperation)?;
        }
        Ok(())
    }),
    test("CNCHECK0018", "the checks of a copy come in order", |t| {
        let (full, empty) = (at(t.endpoint()?), t.place());
        let mut request = Request::new(t, Label::CNodeCopy)?.with(0, None, full).from(empty);
        // Destination lookup, full destination, source lookup, empty source, fifth word, derivation.
        request.words[1] = 0;
        request.words[3] = 0;
        request.length = 3;
        fails(request.send(), lookup_depth())?;
        request.words[1] = 64;
        fails(request.send(), Error::TruncatedMessage)?;
        request.length = 4;
        fails(request.send(), Error::DeleteFirst)?;
        request.words[0] = t.slot();
        fails(request.send(), lookup_depth())?;
        request.words[3] = 64;
        fails(request.send(), source_lookup(missing(64)))?;
        request.words[2] = initial::IRQ_CONTROL.cptr();
        fails(request.send(), Error::TruncatedMessage)?;
        request.length = 5;
        fails(request.send(), Error::IllegalOperation)
    }),
    test("CNCHECK0019", "the checks of a rotation come in order", |t| {
        let (full, empty, pivot) = (at(t.endpoint()?), t.place(), t.place());
        let mut request = Request::new(t, Label::CNodeRotate)?;
        request = request.with(0, None, full).from(empty).with(3, Some(0), pivot);
        request.words[7] = 0;
        request.words[4] = 65;
        fails(request.send(), lookup_depth())?;
        request.words[7] = 64;
        request.words[6] = pivot.index;
        fails(request.send(), lookup_depth())?;
        request.words[4] = 64;
        fails(request.send(), Error::IllegalOperation)?;
        request.words[6] = empty.index;
        fails(request.send(), Error::DeleteFirst)?;
        request.words[0] = t.slot();
        fails(request.send(), source_lookup(missing(64)))?;
        request.words[6] = full.index;
        fails(request.send(), lookup(missing(64)))
    }),
    test("CNCHECK0020", "cancelling the sends of badge 0 does nothing", |t| {
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::send, 4)?;
        t.settle()?;
        at(peers.endpoint).cancel_badged_sends()?;
        t.settle()?;
        log_is(&[])?;
        equal(peers.endpoint.nb_wait().label(), 4)
    }),
];

/// Depth 0 or 65.
fn lookup_depth() -> Error {
    Error::RangeError { min: 1, max: 64 }
}
