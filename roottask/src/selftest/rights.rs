//! Which rights allow what: every combination of rights with every system call, as tables (abi.md 2.3, 2.8, 6.1, 7.0,
//! 9.3).

use core::fmt::Debug;

use libsel::abi::{CapRights, FaultType, MessageInfo, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::{Cap, Error, ipc, sys};

use super::code;
use super::faulter::{Faulter, registers};
use super::fixture::{Fixture, at, tag};
use super::harness::{Failure, Outcome, Test, equal, test};
use super::hazard::run_with;
use super::thread::Options;

/// Label of the error InvalidCapability (abi.md 4).
const INVALID_CAPABILITY: Word = 2;

/// All combinations.
fn all_rights() -> impl Iterator<Item = CapRights> {
    (0..16).map(CapRights::from_bits_truncate)
}

/// What became of a thread that made a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// It went on, with this label in `rsi`.
    WentOn(Word),
    /// It had a capability fault in the receive phase.
    Fault,
    /// It waits, or is inactive.
    Stopped,
}

/// Lets a thread make a system call.
fn start(
    faulter: &Faulter,
    call: Syscall,
    target: Word,
    reply: Word,
    info: MessageInfo,
) -> libsel::Result<()> {
    let mut context = registers(&faulter.thread, code::syscall());
    context
        .set(Register::Rdx, call.raw() as Word)
        .set(Register::Rdi, target)
        .set(Register::Rsi, info.0)
        .set(Register::R12, reply);
    faulter.thread.tcb.write_registers(true, 20, &context)
}

/// What became of it by now.
fn end(t: &mut Fixture<'_>, faulter: &Faulter) -> Outcome<End> {
    t.settle()?;
    let message = faulter.endpoint.nb_recv(faulter.reply);
    Ok(match (message.badge, message.label()) {
        (0, _) => End::Stopped,
        (_, 1) if message.word(2) == 1 => End::Fault,
        (_, 3) => End::WentOn(MessageInfo(faulter.register(Register::Rsi)?).label()),
        _ => return Err(Failure::new(format_args!("expected no such fault: {message:x?}"))),
    })
}

#[track_caller]
fn same<T: PartialEq + Debug>(rights: CapRights, call: Syscall, seen: T, expected: T) -> Outcome {
    if seen == expected {
        return Ok(());
    }
    Err(Failure::new(format_args!("{call:?} with {rights:?}: expected {expected:x?}, seen {seen:x?}")))
}

fn may_send(rights: CapRights) -> bool {
    rights.contains(CapRights::WRITE)
}

fn may_receive(rights: CapRights) -> bool {
    rights.contains(CapRights::READ)
}

fn may_be_answered(rights: CapRights) -> bool {
    rights.intersects(CapRights::GRANT | CapRights::GRANT_REPLY)
}

/// Rights.
pub const TESTS: &[Test] = &[
    test("RIGHTS0001", "send needs Write; without it nothing is sent and nothing is said", |t| {
        let (endpoint, faulter) = (t.endpoint()?, t.faulter(Options::default())?);
        for rights in all_rights() {
            let cap = t.copy(endpoint, rights)?.cptr();
            for call in [Syscall::Send, Syscall::NbSend] {
                start(&faulter, call, cap, 0, MessageInfo::new(9, 0, 0, 0))?;
                let waits = call == Syscall::Send && may_send(rights);
                let expected = if waits { End::Stopped } else { End::WentOn(9) };
                same(rights, call, end(t, &faulter)?, expected)?;
                let label = endpoint.nb_wait().label();
                same(rights, call, label, if waits { 9 } else { 0 })?;
                if waits {
                    same(rights, call, end(t, &faulter)?, End::WentOn(9))?;
                }
            }
        }
        Ok(())
    }),
    test("RIGHTS0002", "call needs Write and Grant or GrantReply; without Write it says so", |t| {
        let (endpoint, faulter) = (t.endpoint()?, t.faulter(Options::default())?);
        let reply = t.reply()?;
        for rights in all_rights() {
            let cap = t.copy(endpoint, rights)?.cptr();
            start(&faulter, Syscall::Call, cap, 0, MessageInfo::new(9, 0, 0, 0))?;
            let refused = End::WentOn(INVALID_CAPABILITY);
            let expected = if may_send(rights) { End::Stopped } else { refused };
            same(rights, Syscall::Call, end(t, &faulter)?, expected)?;
            if may_send(rights) {
                same(rights, Syscall::Call, endpoint.nb_recv(reply).label(), 9)?;
                reply.reply(5, &[], &[]);
                let expected = if may_be_answered(rights) { End::WentOn(5) } else { End::Stopped };
                same(rights, Syscall::Call, end(t, &faulter)?, expected)?;
            }
        }
        Ok(())
    }),
    test("RIGHTS0003", "receiving needs Read, also where nothing is received", |t| {
        let (endpoint, faulter) = (t.endpoint()?, t.faulter(Options::default())?);
        let reply = t.reply()?.cptr();
        for rights in all_rights() {
            let cap = t.copy(endpoint, rights)?.cptr();
            for call in [Syscall::Recv, Syscall::NbRecv, Syscall::Wait, Syscall::NbWait] {
                start(&faulter, call, cap, reply, MessageInfo::new(9, 0, 0, 0))?;
                let blocking = matches!(call, Syscall::Recv | Syscall::Wait);
                let expected = match (may_receive(rights), blocking) {
                    (false, _) => End::Fault,
                    (true, true) => End::Stopped,
                    (true, false) => End::WentOn(9),
                };
                same(rights, call, end(t, &faulter)?, expected)?;
                if expected == End::Stopped {
                    endpoint.nb_send(4, &[], &[]);
                    same(rights, call, end(t, &faulter)?, End::WentOn(4))?;
                }
            }
        }
        Ok(())
    }),
    test("RIGHTS0004", "the receiver's other rights do not matter for the answer", |t| {
        let (endpoint, reply) = (t.endpoint()?, t.reply()?);
        let faulter = t.faulter(Options::default())?;
        for rights in all_rights().filter(|rights| may_receive(*rights)) {
            let cap = t.copy(endpoint, rights)?;
            start(&faulter, Syscall::Call, endpoint.cptr(), 0, MessageInfo::new(9, 0, 0, 0))?;
            t.settle()?;
            equal(cap.recv(reply).label(), 9)?;
            reply.reply(6, &[], &[]);
            same(rights, Syscall::Recv, end(t, &faulter)?, End::WentOn(6))?;
        }
        Ok(())
    }),
    test("RIGHTS0005", "a notification is signalled with Write and waited for with Read", |t| {
        let (notification, faulter) = (t.notification()?, t.faulter(Options::default())?);
        for rights in all_rights() {
            let cap = t.mint(notification, rights, 0x10)?.cptr();
            for call in [Syscall::Send, Syscall::NbSend, Syscall::Call] {
                start(&faulter, call, cap, 0, MessageInfo::new(9, 0, 0, 0))?;
                let label = match (call, may_send(rights)) {
                    (Syscall::Call, false) => INVALID_CAPABILITY,
                    (Syscall::Call, true) => 0,
                    _ => 9,
                };
                same(rights, call, end(t, &faulter)?, End::WentOn(label))?;
                same(rights, call, notification.poll(), if may_send(rights) { 0x10 } else { 0 })?;
            }
            for call in [Syscall::Wait, Syscall::NbWait, Syscall::Recv, Syscall::NbRecv] {
                start(&faulter, call, cap, u64::MAX, MessageInfo::new(9, 0, 0, 0))?;
                let blocking = matches!(call, Syscall::Recv | Syscall::Wait);
                let expected = match (may_receive(rights), blocking) {
                    (false, _) => End::Fault,
                    (true, true) => End::Stopped,
                    (true, false) => End::WentOn(9),
                };
                same(rights, call, end(t, &faulter)?, expected)?;
            }
            faulter.thread.tcb.suspend()?;
        }
        Ok(())
    }),
    test("RIGHTS0006", "capabilities are sent with Write and Grant", |t| {
        let (endpoint, sent) = (t.endpoint()?, t.notification()?);
        let (faulter, reply) = (t.faulter(Options::default())?, t.reply()?);
        faulter.thread.offer(0, sent.cptr());
        for rights in all_rights().filter(|rights| may_send(*rights)) {
            let cap = t.copy(endpoint, rights)?.cptr();
            for call in [Syscall::Send, Syscall::Call] {
                let place = t.place();
                ipc::set_receive_slot(place);
                start(&faulter, call, cap, 0, MessageInfo::new(9, 0, 1, 0))?;
                t.settle()?;
                let message = endpoint.nb_recv(reply);
                let granted = u64::from(rights.contains(CapRights::GRANT));
                same(rights, call, message.info.extra_caps() as Word, granted)?;
                same(rights, call, tag(place.index), 6 * granted)?;
                faulter.thread.tcb.suspend()?;
                place.delete()?;
            }
        }
        Ok(())
    }),
    test("RIGHTS0007", "capabilities come back with an answer whatever the caller's endpoint allows", |t| {
        extern "C" fn nothing(_: Word) {}
        let (endpoint, sent) = (t.endpoint()?, t.notification()?);
        let (faulter, reply) = (t.faulter(Options::default())?, t.reply()?);
        t.prepare(Options::default(), nothing, 0)?;
        for rights in all_rights().filter(|rights| may_send(*rights) && may_be_answered(*rights)) {
            let cap = t.copy(endpoint, rights)?.cptr();
            let slot = t.slot();
            faulter.thread.receive_into(slot);
            start(&faulter, Syscall::Call, cap, 0, MessageInfo::new(9, 0, 0, 0))?;
            t.settle()?;
            endpoint.recv(reply);
            reply.reply(0, &[], &[sent.cptr()]);
            t.settle()?;
            same(rights, Syscall::Call, tag(slot), 6)?;
            faulter.endpoint.nb_recv(faulter.reply);
        }
        Ok(())
    }),
    test("RIGHTS0008", "a fault handler needs Write and Grant or GrantReply, and nothing else", |t| {
        let (endpoint, tcb) = (t.endpoint()?, t.tcb()?);
        for rights in all_rights() {
            let cap = t.copy(endpoint, rights)?;
            let good = may_send(rights) && may_be_answered(rights);
            let expected = |number| if good { Ok(()) } else { Err(Error::InvalidCapability(number)) };
            let seen = tcb.set_timeout_endpoint(cap);
            same(rights, Syscall::Call, seen, expected(1))?;
            let seen = tcb.set_space(cap, initial::CNODE, 0, initial::VSPACE);
            same(rights, Syscall::Call, seen, expected(1))?;
            let seen = tcb.set_sched_params(initial::TCB, 0, 0, Cap::NULL, cap);
            same(rights, Syscall::Call, seen, expected(3))?;
        }
        Ok(())
    }),
    test("RIGHTS0009", "faults through GrantReply alone are told and answered", |t| {
        let faulter = t.faulter(Options::default())?;
        for rights in [CapRights::GRANT_REPLY, CapRights::GRANT] {
            let cap = t.mint(faulter.endpoint, rights | CapRights::WRITE, super::faulter::HANDLER_BADGE)?;
            faulter.thread.tcb.set_space(cap, initial::CNODE, 0, initial::VSPACE)?;
            run_with(&faulter, code::int3(), &[])?.is_exception(code::int3() + 1, 3, 0)?;
            faulter.answer(0, &[code::ud2()]).reached(code::ud2())?;
        }
        Ok(())
    }),
    test("RIGHTS0010", "a handler's capability stays as it was when the original's rights are gone", |t| {
        let faulter = t.faulter(Options::default())?;
        // The copy in the TCB is a child of the original endpoint, not of the capability that was copied.
        let cap = t.mint(faulter.endpoint, CapRights::ALL, 0x77)?;
        faulter.thread.tcb.set_space(cap, initial::CNODE, 0, initial::VSPACE)?;
        at(cap).delete()?;
        let seen = run_with(&faulter, code::ud2(), &[])?;
        equal((seen.badge, seen.label), (0x77, FaultType::UserException.raw()))
    }),
    test("RIGHTS0011", "a call of a reply object or a notification is answered at once with nothing", |t| {
        let reply = t.reply()?;
        for cptr in [reply.cptr(), t.notification()?.cptr()] {
            let seen = sys::call(cptr, MessageInfo::new(3, 0, 0, 2), [1, 2, 3, 4]);
            equal((seen.badge, seen.info, seen.mrs), (0, MessageInfo::new(0, 0, 0, 0), [1, 2, 3, 4]))?;
        }
        Ok(())
    }),
];
