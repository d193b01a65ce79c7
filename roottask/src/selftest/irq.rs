//! Interrupt control and handlers, with the PIT as a device that interrupts (abi.md 7.5, 9.11, A.1).

use libsel::abi::{CPtr, CapRights, Label, Word};
use libsel::bootinfo::initial;
use libsel::cap::{IoPort, IrqHandler};
use libsel::invoke;
use libsel::{AbsoluteSlot, Cap, Error, LookupFailure};

use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, equal, fails, lookup, range, test, within};
use super::refusals::refuses_bad_slots;

/// The I/O APIC pin of the PIT: ISA interrupt 0 arrives there on all PCs (abi.md 9.11).
const PIT_PIN: Word = 2;
/// A pin without a device on the machines that QEMU offers.
const FREE_PIN: Word = 23;
/// PIT channel 0 and command port.
const PIT_CHANNEL_0: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;
/// PIT ticks in a millisecond.
const PIT_TICKS_PER_MS: u16 = 1193;

/// A handler for an edge-triggered pin of the first I/O APIC.
fn handler(t: &mut Fixture<'_>, pin: Word, vector: Word) -> libsel::Result<Cap<IrqHandler>> {
    let place = t.place();
    initial::IRQ_CONTROL.get_io_apic(place, 0, pin, 0, 0, vector)?;
    Ok(Cap::new(place.index))
}

/// GetIOAPIC has to fail for `[ioapic, pin, level, polarity, vector]`.
#[track_caller]
fn refused(t: &mut Fixture<'_>, arguments: [Word; 5], error: Error) -> Outcome {
    let [io_apic, pin, level, polarity, vector] = arguments;
    let place = t.place();
    fails(initial::IRQ_CONTROL.get_io_apic(place, io_apic, pin, level, polarity, vector), error)
}

#[track_caller]
fn truncated(cptr: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(invoke::raw(cptr, label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// The ports of the PIT.
fn pit(t: &mut Fixture<'_>) -> libsel::Result<Cap<IoPort>> {
    let place = t.place();
    initial::IO_PORT_CONTROL.issue(PIT_CHANNEL_0, PIT_COMMAND, place)?;
    Ok(Cap::new(place.index))
}

/// Lets the PIT interrupt once, in a millisecond.
fn start_pit(pit: Cap<IoPort>) -> libsel::Result<()> {
    let [low, high] = PIT_TICKS_PER_MS.to_le_bytes();
    // Channel 0, both bytes, mode 0: one interrupt when the count ends.
    pit.out8(PIT_COMMAND, 0x30)?;
    pit.out8(PIT_CHANNEL_0, low)?;
    pit.out8(PIT_CHANNEL_0, high)
}

/// Interrupts.
pub const TESTS: &[Test] = &[
    test("IRQ0001", "handlers are not issued by ISA number", |t| {
        fails(initial::IRQ_CONTROL.get(1, t.place()), Error::IllegalOperation)
    }),
    test("IRQ0002", "vectors go up to 107", |t| refused(t, [0, FREE_PIN, 0, 0, 108], range(0, 107))),
    test("IRQ0003", "there is one I/O APIC with 24 pins", |t| {
        refused(t, [1, 0, 0, 0, 90], range(0, 0))?;
        refused(t, [0, 24, 0, 0, 90], range(0, 23))
    }),
    test("IRQ0004", "trigger and polarity are 0 or 1", |t| {
        refused(t, [0, FREE_PIN, 2, 0, 90], range(0, 1))?;
        refused(t, [0, FREE_PIN, 0, 2, 90], range(0, 1))
    }),
    test("IRQ0005", "a vector is issued once, and again when its handler is gone", |t| {
        let irq = handler(t, FREE_PIN, 107)?;
        equal(tag(irq.cptr()), 16)?;
        refused(t, [0, FREE_PIN, 0, 0, 107], Error::RevokeFirst)?;
        at(irq).delete()?;
        handler(t, FREE_PIN, 107)?;
        Ok(())
    }),
    test("IRQ0006", "the destination is an empty slot", |t| {
        let full = at(t.endpoint()?);
        let control = initial::IRQ_CONTROL;
        fails(control.get_io_apic(full, 0, FREE_PIN, 0, 0, 90), Error::DeleteFirst)?;
        fails(control.get_msi(full, 0, 0, 0, 0, 90), Error::DeleteFirst)?;
        let nowhere = AbsoluteSlot { depth: 0, ..t.place() };
        fails(control.get_io_apic(nowhere, 0, FREE_PIN, 0, 0, 90), range(1, 64))?;
        let no_root = AbsoluteSlot { root: initial::TCB.cast(), ..t.place() };
        fails(control.get_io_apic(no_root, 0, FREE_PIN, 0, 0, 90), lookup(LookupFailure::InvalidRoot))
    }),
    test("IRQ0007", "the vector is checked before the slot, the slot before the pin", |t| {
        let full = at(t.endpoint()?);
        let control = initial::IRQ_CONTROL;
        fails(control.get_io_apic(full, 9, 99, 9, 9, 108), range(0, 107))?;
        fails(control.get_io_apic(full, 9, 99, 9, 9, 90), Error::DeleteFirst)?;
        fails(control.get_io_apic(t.place(), 9, 99, 9, 9, 90), range(0, 0))
    }),
    test("IRQ0008", "a PCI function has bus, device and function numbers", |t| {
        let control = initial::IRQ_CONTROL;
        fails(control.get_msi(t.place(), 256, 0, 0, 0, 90), range(0, 255))?;
        fails(control.get_msi(t.place(), 0, 32, 0, 0, 90), range(0, 31))?;
        fails(control.get_msi(t.place(), 0, 0, 8, 0, 90), range(0, 7))?;
        fails(control.get_msi(t.place(), 0, 0, 0, 0, 108), range(0, 107))?;
        Ok(control.get_msi(t.place(), 255, 31, 7, 0, 90)?)
    }),
    test("IRQ0009", "interrupt control checks words, capability and label", |t| {
        let control = initial::IRQ_CONTROL.cptr();
        let root = [initial::CNODE.cptr()];
        let slot = t.slot();
        let words = [slot, 64, 0, FREE_PIN, 0, 0, 90];
        truncated(control, Label::X86IrqIssueIrqHandlerIoApic, &words[..6], &root)?;
        truncated(control, Label::X86IrqIssueIrqHandlerIoApic, &words, &[])?;
        truncated(control, Label::X86IrqIssueIrqHandlerMsi, &words[..6], &root)?;
        truncated(control, Label::IrqIssueIrqHandler, &words[..2], &root)?;
        let wrong = invoke::raw(control, Label::IrqAckIrq.raw(), &[], &[]);
        fails(wrong.result(), Error::IllegalOperation)
    }),
    test("IRQ0010", "a handler takes a notification with Write", |t| {
        let irq = handler(t, FREE_PIN, 90)?;
        let (endpoint, notification) = (t.endpoint()?, t.notification()?);
        let read_only = t.copy(notification, CapRights::READ)?;
        fails(irq.set_notification(endpoint.cast()), Error::InvalidCapability(0))?;
        fails(irq.set_notification(read_only), Error::InvalidCapability(0))?;
        truncated(irq.cptr(), Label::IrqSetIrqHandler, &[], &[])?;
        irq.set_notification(notification)?;
        irq.clear()?;
        Ok(irq.ack()?)
    }),
    test("IRQ0011", "a label of another object is an illegal operation", |t| {
        let irq = handler(t, FREE_PIN, 90)?;
        let wrong = invoke::raw(irq.cptr(), Label::TcbResume.raw(), &[], &[]);
        fails(wrong.result(), Error::IllegalOperation)
    }),
    test("IRQ0012", "an interrupt signals the badge, and the next one needs an acknowledgement", |t| {
        let irq = handler(t, PIT_PIN, 91)?;
        let notification = t.notification()?;
        irq.set_notification(t.mint(notification, CapRights::ALL, 0x42)?)?;
        irq.ack()?;
        let pit = pit(t)?;
        start_pit(pit)?;
        equal(notification.wait(), 0x42)?;
        start_pit(pit)?;
        t.sleep_us(3000)?;
        equal(notification.poll(), 0)?;
        irq.ack()?;
        start_pit(pit)?;
        equal(notification.wait(), 0x42)
    }),
    test("IRQ0013", "no signal comes after clear", |t| {
        let irq = handler(t, PIT_PIN, 91)?;
        let notification = t.notification()?;
        irq.set_notification(t.mint(notification, CapRights::ALL, 0x42)?)?;
        irq.clear()?;
        start_pit(pit(t)?)?;
        t.sleep_us(3000)?;
        equal(notification.poll(), 0)
    }),
    test("IRQ0014", "a handler is revoked with a copy of it", |t| {
        let irq = handler(t, FREE_PIN, 92)?;
        let copy = t.copy(irq, CapRights::ALL)?;
        at(irq).revoke()?;
        equal((tag(irq.cptr()), tag(copy.cptr())), (16, 0))
    }),
    test("IRQ0015", "a delay by the PIT takes its time", |t| {
        let irq = handler(t, PIT_PIN, 91)?;
        let notification = t.notification()?;
        irq.set_notification(t.mint(notification, CapRights::ALL, 1)?)?;
        irq.ack()?;
        let pit = pit(t)?;
        let before = libsel::rt::ticks();
        start_pit(pit)?;
        notification.wait();
        let us = (libsel::rt::ticks() - before) / t.machine.ticks_per_us;
        within(us, 900..=1_000_000, "microseconds for a delay of one millisecond")
    }),
    test("IRQ0016", "a vector is issued once, whatever the source", |t| {
        let irq = handler(t, FREE_PIN, 93)?;
        let get_msi = |place| initial::IRQ_CONTROL.get_msi(place, 0, 3, 0, 0, 93);
        fails(get_msi(t.place()), Error::RevokeFirst)?;
        at(irq).delete()?;
        Ok(get_msi(t.place())?)
    }),
    test("IRQ0017", "get needs three words and a root", |t| {
        let (control, root) = (initial::IRQ_CONTROL.cptr(), [initial::CNODE.cptr()]);
        let words = [1, t.slot(), 64];
        truncated(control, Label::IrqIssueIrqHandler, &words[..2], &root)?;
        truncated(control, Label::IrqIssueIrqHandler, &words, &[])
    }),
    test("IRQ0018", "messages need seven words and a root", |t| {
        let (control, root) = (initial::IRQ_CONTROL.cptr(), [initial::CNODE.cptr()]);
        let words = [t.slot(), 64, 0, 0, 0, 0, 90];
        truncated(control, Label::X86IrqIssueIrqHandlerMsi, &words[..6], &root)?;
        truncated(control, Label::X86IrqIssueIrqHandlerMsi, &words, &[])
    }),
    test("IRQ0019", "slots of handlers are found, or the error says why not", |t| {
        let control = initial::IRQ_CONTROL;
        refuses_bad_slots(t, |slot| control.get_io_apic(slot, 0, FREE_PIN, 0, 0, 90))?;
        refuses_bad_slots(t, |slot| control.get_msi(slot, 0, 0, 0, 0, 90))
    }),
    test("IRQ0020", "a message is checked in order: vector, in use, slot, bus, device, function", |t| {
        let (control, full) = (initial::IRQ_CONTROL, at(t.endpoint()?));
        handler(t, FREE_PIN, 94)?;
        let place = t.place();
        fails(control.get_msi(full, 256, 32, 8, 0, 108), range(0, 107))?;
        fails(control.get_msi(full, 256, 32, 8, 0, 94), Error::RevokeFirst)?;
        fails(control.get_msi(full, 256, 32, 8, 0, 90), Error::DeleteFirst)?;
        fails(control.get_msi(place, 256, 32, 8, 0, 90), range(0, 255))?;
        fails(control.get_msi(place, 255, 32, 8, 0, 90), range(0, 31))?;
        fails(control.get_msi(place, 255, 31, 8, 0, 90), range(0, 7))?;
        Ok(control.get_msi(place, 255, 31, 7, u64::MAX, 90)?)
    }),
    test("IRQ0021", "a pin is checked in order: I/O APIC, pin, trigger, polarity", |t| {
        refused(t, [1, 24, 2, 2, 90], range(0, 0))?;
        refused(t, [0, 24, 2, 2, 90], range(0, 23))?;
        refused(t, [0, FREE_PIN, 2, 2, 90], range(0, 1))?;
        refused(t, [0, FREE_PIN, 1, 2, 90], range(0, 1))?;
        let place = t.place();
        Ok(initial::IRQ_CONTROL.get_io_apic(place, 0, FREE_PIN, 1, 1, 90)?)
    }),
    test("IRQ0022", "a handler's notification is replaced, and clear succeeds without one", |t| {
        let irq = handler(t, PIT_PIN, 91)?;
        irq.clear()?;
        let (first, second) = (t.notification()?, t.notification()?);
        irq.set_notification(t.mint(first, CapRights::ALL, 1)?)?;
        irq.set_notification(t.mint(second, CapRights::WRITE, 2)?)?;
        irq.ack()?;
        start_pit(pit(t)?)?;
        equal((second.wait(), first.poll()), (2, 0))
    }),
    test("IRQ0023", "revoking interrupt control removes all handlers", |t| {
        let (pin, message) = (handler(t, FREE_PIN, 90)?, t.place());
        initial::IRQ_CONTROL.get_msi(message, 0, 3, 0, 0, 91)?;
        let copy = t.copy(pin, CapRights::ALL)?;
        at(initial::IRQ_CONTROL).revoke()?;
        let left = [pin.cptr(), copy.cptr(), message.index, initial::IRQ_CONTROL.cptr()].map(tag);
        equal(left, [0, 0, 0, 14])?;
        handler(t, FREE_PIN, 90)?;
        Ok(())
    }),
];
