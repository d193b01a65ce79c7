//! I/O port control and ports, on the serial port's registers (abi.md 7.10, A.1, A.2).

use libsel::abi::{CPtr, Label, Word};
use libsel::bootinfo::initial;
use libsel::cap::IoPort;
use libsel::{Cap, Error, invoke};

use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, equal, fails, test};

/// First and last register of the first serial port.
const FIRST: u16 = 0x3f8;
const LAST: u16 = 0x3ff;

#[track_caller]
fn truncated(cptr: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(invoke::raw(cptr, label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// The ports of the first serial port.
fn serial(t: &mut Fixture<'_>) -> libsel::Result<Cap<IoPort>> {
    let place = t.place();
    initial::IO_PORT_CONTROL.issue(FIRST, LAST, place)?;
    Ok(Cap::new(place.index))
}

/// I/O ports.
pub const TESTS: &[Test] = &[
    test("IOPORT0001", "ports are issued once, and again when the range is gone", |t| {
        let place = t.place();
        let issue = |first, last, place| initial::IO_PORT_CONTROL.issue(first, last, place);
        issue(0x3f8, 0x3ff, place)?;
        equal(tag(place.index), 19)?;
        fails(issue(0x3ff, 0x400, t.place()), Error::RevokeFirst)?;
        fails(issue(0x3f0, 0x3f8, t.place()), Error::RevokeFirst)?;
        place.delete()?;
        Ok(issue(0x3ff, 0x400, t.place())?)
    }),
    test("IOPORT0002", "a range does not end before it begins", |t| {
        fails(initial::IO_PORT_CONTROL.issue(0x3ff, 0x3f8, t.place()), Error::InvalidArgument(1))
    }),
    test("IOPORT0003", "the destination is an empty slot", |t| {
        let full = at(t.endpoint()?);
        fails(initial::IO_PORT_CONTROL.issue(0x3f8, 0x3ff, full), Error::DeleteFirst)?;
        let control = initial::IO_PORT_CONTROL.cptr();
        let words = [0x3f8, 0x3ff, t.slot(), 64];
        truncated(control, Label::X86IoPortControlIssue, &words[..3], &[initial::CNODE.cptr()])?;
        truncated(control, Label::X86IoPortControlIssue, &words, &[])?;
        let wrong = invoke::raw(control, Label::X86IoPortIn8.raw(), &words, &[initial::CNODE.cptr()]);
        fails(wrong.result(), Error::IllegalOperation)
    }),
    test("IOPORT0004", "every byte of an access lies in the range", |t| {
        let ports = serial(t)?;
        fails(ports.in8(0x3f7), Error::IllegalOperation)?;
        fails(ports.in8(0x400), Error::IllegalOperation)?;
        fails(ports.in16(0x3ff), Error::IllegalOperation)?;
        fails(ports.in32(0x3fd), Error::IllegalOperation)?;
        fails(ports.out8(0x400, 0), Error::IllegalOperation)?;
        fails(ports.out16(0x3ff, 0), Error::IllegalOperation)?;
        fails(ports.out32(0x3fd, 0), Error::IllegalOperation)?;
        truncated(ports.cptr(), Label::X86IoPortIn8, &[], &[])?;
        truncated(ports.cptr(), Label::X86IoPortOut8, &[0x3ff], &[])
    }),
    test("IOPORT0005", "the serial port's line status is one word", |t| {
        let reply = invoke::raw(serial(t)?.cptr(), Label::X86IoPortIn8.raw(), &[0x3fd], &[]);
        equal((reply.label(), reply.length()), (0, 1))?;
        // Transmitter empty.
        equal(reply.word(0) & 0x60, 0x60)
    }),
    test("IOPORT0006", "a written port is read back", |t| {
        let ports = serial(t)?;
        // The scratch register of the serial port.
        ports.out8(0x3ff, 0xa5)?;
        equal(ports.in8(0x3ff)?, 0xa5)
    }),
];
