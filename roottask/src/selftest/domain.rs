//! Domains, for any number of them that the kernel was started with (abi.md 7.6, A.1).

use libsel::abi::{CPtr, DOMAIN_SCHEDULE_LENGTH, Label, Word};
use libsel::bootinfo::initial;
use libsel::cap::Tcb;
use libsel::{Cap, Error, invoke};

use super::fixture::{Fixture, at};
use super::harness::{Outcome, Test, equal, excuse, fails, range, test};

/// An endless entry of the schedule (abi.md 7.6).
const FOR_EVER: Word = (1 << 56) - 1;

/// Entries of the domain schedule.
fn entries(t: &Fixture<'_>) -> Word {
    if t.machine.domains > 1 { DOMAIN_SCHEDULE_LENGTH } else { 2 }
}

/// An invocation with words and capabilities as they are.
fn send(label: Label, words: &[Word], caps: &[CPtr]) -> libsel::Result<()> {
    invoke::raw(initial::DOMAIN.cptr(), label.raw(), words, caps).result().map(|_| ())
}

#[track_caller]
fn truncated(label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(invoke::raw(initial::DOMAIN.cptr(), label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// Domains.
pub const TESTS: &[Test] = &[
    test("DOMAIN0001", "a domain that does not exist is argument 0", |t| {
        let tcb = t.tcb()?;
        fails(initial::DOMAIN.set(t.machine.domains, tcb), Error::InvalidArgument(0))?;
        fails(initial::DOMAIN.set(u64::MAX, tcb), Error::InvalidArgument(0))?;
        Ok(initial::DOMAIN.set(t.machine.domains - 1, tcb)?)
    }),
    test("DOMAIN0002", "something that is no TCB is argument 1", |t| {
        let endpoint = t.endpoint()?;
        fails(initial::DOMAIN.set(0, endpoint.cast()), Error::InvalidArgument(1))?;
        fails(initial::DOMAIN.set(0, Cap::<Tcb>::NULL), Error::InvalidArgument(1))
    }),
    test("DOMAIN0003", "the domain is checked between the word and the capability", |t| {
        truncated(Label::DomainSetSet, &[], &[initial::TCB.cptr()])?;
        truncated(Label::DomainSetSet, &[0], &[])?;
        let reply = invoke::raw(initial::DOMAIN.cptr(), Label::DomainSetSet.raw(), &[t.machine.domains], &[]);
        fails(reply.result(), Error::InvalidArgument(0))
    }),
    test("DOMAIN0004", "the last entry of the schedule stays an end marker", |t| {
        let last = entries(t) - 1;
        fails(initial::DOMAIN.schedule_configure(last, 0, 1000), range(0, last - 1))?;
        fails(initial::DOMAIN.schedule_configure(u64::MAX, 0, 1000), range(0, last - 1))
    }),
    test("DOMAIN0005", "an entry has a domain that exists", |t| {
        let domains = t.machine.domains;
        fails(initial::DOMAIN.schedule_configure(0, domains, 1000), range(0, domains - 1))
    }),
    test("DOMAIN0006", "a duration has 56 bits and is not 0 where the schedule starts", |t| {
        fails(initial::DOMAIN.schedule_configure(0, 0, FOR_EVER + 1), Error::InvalidArgument(2))?;
        fails(initial::DOMAIN.schedule_configure(0, 0, 0), Error::InvalidArgument(2))?;
        if t.machine.domains > 1 {
            fails(initial::DOMAIN.schedule_configure(1, 1, 0), Error::InvalidArgument(1))?;
        }
        Ok(initial::DOMAIN.schedule_configure(0, 0, FOR_EVER)?)
    }),
    test("DOMAIN0007", "the schedule starts at an entry that is none of the end markers", |t| {
        let count = entries(t);
        fails(initial::DOMAIN.schedule_set_start(count), range(0, count - 1))?;
        fails(initial::DOMAIN.schedule_set_start(count - 1), Error::InvalidArgument(0))?;
        Ok(initial::DOMAIN.schedule_set_start(0)?)
    }),
    test("DOMAIN0008", "schedule calls need their words, and only domain labels are known", |_| {
        truncated(Label::DomainScheduleConfigure, &[0, 0], &[])?;
        truncated(Label::DomainScheduleSetStart, &[], &[])?;
        let reply = invoke::raw(initial::DOMAIN.cptr(), Label::TcbResume.raw(), &[], &[]);
        fails(reply.result(), Error::IllegalOperation)
    }),
    test("DOMAIN0009", "domain control can be copied", |t| {
        let copy = t.copy(initial::DOMAIN, libsel::abi::CapRights::ALL)?;
        let tcb = t.tcb()?;
        copy.set(0, tcb)?;
        at(initial::DOMAIN).revoke()?;
        equal(super::fixture::tag(copy.cptr()), 0)
    }),
    test("DOMAIN0010", "set checks in order: word, domain, capability, TCB", |t| {
        let (set, domains) = (Label::DomainSetSet, t.machine.domains);
        truncated(set, &[], &[])?;
        fails(send(set, &[domains], &[]), Error::InvalidArgument(0))?;
        truncated(set, &[0], &[])?;
        fails(send(set, &[domains - 1], &[initial::CNODE.cptr()]), Error::InvalidArgument(1))?;
        let tcb = t.tcb()?.cptr();
        Ok(send(set, &[domains - 1], &[tcb])?)
    }),
    test("DOMAIN0011", "an entry is checked in order: words, index, domain, duration", |t| {
        let (configure, last, domains) = (Label::DomainScheduleConfigure, entries(t) - 1, t.machine.domains);
        truncated(configure, &[last, domains], &[])?;
        fails(send(configure, &[last, domains, FOR_EVER + 1], &[]), range(0, last - 1))?;
        fails(send(configure, &[0, domains, FOR_EVER + 1], &[]), range(0, domains - 1))?;
        fails(send(configure, &[0, domains - 1, FOR_EVER + 1], &[]), Error::InvalidArgument(2))
    }),
    test("DOMAIN0012", "an entry without duration is an end marker of domain 0", |t| {
        if t.machine.domains == 1 {
            excuse("start the kernel with domains=16");
            return Ok(());
        }
        let configure = Label::DomainScheduleConfigure;
        fails(send(configure, &[1, 1, 0], &[]), Error::InvalidArgument(1))?;
        // Also where the schedule starts: the domain is checked first.
        fails(send(configure, &[0, 1, 0], &[]), Error::InvalidArgument(1))?;
        fails(send(configure, &[0, 0, 0], &[]), Error::InvalidArgument(2))?;
        send(configure, &[1, 0, 1000], &[])?;
        send(configure, &[1, 0, 0], &[])?;
        fails(send(Label::DomainScheduleSetStart, &[1], &[]), Error::InvalidArgument(0))
    }),
    test("DOMAIN0013", "the start is checked in order: word, index, end marker", |t| {
        let (start, count) = (Label::DomainScheduleSetStart, entries(t));
        truncated(start, &[], &[])?;
        for index in [count, u64::MAX] {
            fails(send(start, &[index], &[]), range(0, count - 1))?;
        }
        fails(send(start, &[count - 1], &[]), Error::InvalidArgument(0))?;
        Ok(send(start, &[0], &[])?)
    }),
];
