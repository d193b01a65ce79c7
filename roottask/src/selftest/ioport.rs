//! I/O port control and ports, on the serial port's registers (abi.md 7.10, A.1, A.2).

use libsel::abi::{CPtr, Label, Word};
use libsel::bootinfo::initial;
use libsel::cap::IoPort;
use libsel::{Cap, Error, invoke};

use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, equal, fails, test};
use super::refusals::refuses_bad_slots;

/// First and last register of the first serial port.
const FIRST: u16 = 0x3f8;
const LAST: u16 = 0x3ff;

/// Input by width: 1, 2, 4 bytes.
const INPUTS: [Label; 3] = [Label::X86IoPortIn8, Label::X86IoPortIn16, Label::X86IoPortIn32];
/// Output by width.
const OUTPUTS: [Label; 3] = [Label::X86IoPortOut8, Label::X86IoPortOut16, Label::X86IoPortOut32];

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
    test("IOPORT0007", "issuing needs four words and a root", |t| {
        let (control, root) = (initial::IO_PORT_CONTROL.cptr(), [initial::CNODE.cptr()]);
        let words = [0x3f8, 0x3ff, t.slot(), 64];
        truncated(control, Label::X86IoPortControlIssue, &words[..3], &root)?;
        truncated(control, Label::X86IoPortControlIssue, &words, &[])
    }),
    test("IOPORT0008", "slots of ports are found, or the error says why not", |t| {
        refuses_bad_slots(t, |slot| initial::IO_PORT_CONTROL.issue(FIRST, LAST, slot))
    }),
    test("IOPORT0009", "ports are checked in order: range, in use, slot", |t| {
        let full = at(serial(t)?);
        let issue = |first, last, slot| initial::IO_PORT_CONTROL.issue(first, last, slot);
        fails(issue(LAST, FIRST, full), Error::InvalidArgument(1))?;
        fails(issue(FIRST, FIRST, full), Error::RevokeFirst)?;
        fails(issue(0x80, 0x80, full), Error::DeleteFirst)
    }),
    test("IOPORT0010", "only the low 16 bits of first and last port count", |t| {
        let slot = t.slot();
        let words = [0xab_0080, 0xcd_0080, slot, 64];
        let control = initial::IO_PORT_CONTROL.cptr();
        let root = [initial::CNODE.cptr()];
        invoke::raw(control, Label::X86IoPortControlIssue.raw(), &words, &root).result()?;
        Cap::<IoPort>::new(slot).out8(0x80, 1)?;
        fails(Cap::<IoPort>::new(slot).out8(0x81, 1), Error::IllegalOperation)
    }),
    test("IOPORT0011", "input needs a word, output two", |t| {
        let ports = serial(t)?.cptr();
        for label in INPUTS {
            truncated(ports, label, &[], &[])?;
        }
        for label in OUTPUTS {
            truncated(ports, label, &[0x3ff], &[])?;
        }
        Ok(())
    }),
    test("IOPORT0012", "every width is refused below, above and across the end of the range", |t| {
        let ports = serial(t)?.cptr();
        for labels in [INPUTS, OUTPUTS] {
            for (label, width) in labels.into_iter().zip([1, 2, 4]) {
                for port in [Word::from(FIRST) - 1, Word::from(LAST) + 2 - width] {
                    let reply = invoke::raw(ports, label.raw(), &[port, 0], &[]);
                    fails(reply.result(), Error::IllegalOperation)?;
                }
            }
        }
        Ok(())
    }),
    test("IOPORT0013", "every width is read and written", |t| {
        // The configuration address register of PCI takes words of 32 bits; its last bytes are 0 when read back.
        let place = t.place();
        initial::IO_PORT_CONTROL.issue(0xcf8, 0xcff, place)?;
        let pci = Cap::<IoPort>::new(place.index);
        pci.out32(0xcf8, 0x8000_0000)?;
        equal(pci.in32(0xcf8)?, 0x8000_0000)?;
        let vendor = pci.in32(0xcfc)? as u16;
        equal(pci.in16(0xcfc)?, vendor)?;
        equal(u16::from(pci.in8(0xcfc)?), vendor & 0xff)?;
        // The vendor cannot be changed.
        pci.out16(0xcfc, !vendor)?;
        pci.out8(0xcfc, 0)?;
        equal(pci.in16(0xcfc)?, vendor)
    }),
];
