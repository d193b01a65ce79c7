//! ASID control and pools (abi.md 7.9, A.1, A.2).

use libsel::abi::{CPtr, Label, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AsidPool, Endpoint, Pdpt, Untyped, VSpace};
use libsel::{Cap, Error, LookupFailure, invoke};

use super::fixture::{MAP_AREA, at, tag};
use super::harness::{Outcome, Test, equal, fails, lookup, test};

#[track_caller]
fn truncated(cptr: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(invoke::raw(cptr, label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// ASIDs.
pub const TESTS: &[Test] = &[
    test("ASID0001", "an address space gets one ASID", |t| {
        let vspace = t.vspace()?;
        fails(initial::ASID_POOL.assign(vspace), Error::InvalidCapability(1))?;
        fails(initial::ASID_POOL.assign(initial::VSPACE), Error::InvalidCapability(1))
    }),
    test("ASID0002", "only address spaces get ASIDs", |t| {
        let frame = t.frame()?;
        fails(initial::ASID_POOL.assign(frame.cast()), Error::InvalidCapability(1))?;
        truncated(initial::ASID_POOL.cptr(), Label::X86AsidPoolAssign, &[], &[])?;
        let wrong = invoke::raw(initial::ASID_POOL.cptr(), Label::X86PageMap.raw(), &[], &[]);
        fails(wrong.result(), Error::IllegalOperation)
    }),
    test("ASID0003", "seven pools can be made after boot, and again when they are gone", |t| {
        for _ in 0..2 {
            let mut made = [Cap::<Untyped>::NULL; 7];
