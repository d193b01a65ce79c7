//! Capability faults: every check of the send phase and of the receive phase, for every system call that has one (abi.md
//! 2.3, 6.5).

use libsel::abi::{CNodeCapData, CPtr, CapRights, MessageInfo, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Page, Tcb};
use libsel::{Cap, Error};

use super::code;
use super::coverage::record;
use super::faulter::{Faulter, Seen, registers};
use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, equal, fails, test};
use super::thread::Options;

const CAP_FAULT: Word = 1;
/// Lookup failures with their words: nothing is there, as all checks of the receive phase say.
const NOTHING: &[Word] = &[2, 0];
/// A pointer that no CSpace of a test knows.
const NOWHERE: CPtr = 0x12_3450;

/// Calls that receive with a reply object.
const WITH_REPLY: [Syscall; 4] = [Syscall::Recv, Syscall::NbRecv, Syscall::ReplyRecv, Syscall::NbSendRecv];
/// Calls that receive without.
const WITHOUT_REPLY: [Syscall; 3] = [Syscall::Wait, Syscall::NbWait, Syscall::NbSendWait];
/// Calls that fault when what they send to is not found.
const SENDING: [Syscall; 2] = [Syscall::Call, Syscall::Send];

/// Registers of a system call.
#[derive(Clone, Copy, Default)]
struct Made {
    rdi: CPtr,
    rsi: Word,
    /// Reply object, except for NBSendWait: what the first phase sends to.
    r12: CPtr,
    r13: CPtr,
}

/// Lets `faulter`'s thread make a system call; what comes of it.
fn make(faulter: &Faulter, call: Syscall, with: Made) -> libsel::Result<Seen> {
    let mut context = registers(&faulter.thread, code::syscall());
    context
        .set(Register::Rdx, call.raw().cast_unsigned())
        .set(Register::Rdi, with.rdi)
        .set(Register::Rsi, with.rsi)
        .set(Register::R12, with.r12)
        .set(Register::R13, with.r13);
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    Ok(faulter.fault())
}

/// A thread's system call has to be a capability fault of `address`; `tail` is the lookup failure with its words.
#[track_caller]
fn faults(
    t: &mut Fixture<'_>,
    call: Syscall,
    with: Made,
    address: CPtr,
    (receiving, tail): (Word, &[Word]),
) -> Outcome {
    let faulter = t.faulter(Options::default())?;
    t.threads -= 1;
    is_cap_fault(&make(&faulter, call, with)?, address, receiving, tail)
}

#[track_caller]
fn is_cap_fault(seen: &Seen, address: CPtr, receiving: Word, tail: &[Word]) -> Outcome {
    let mut words = [code::syscall(), address, receiving, 0, 0, 0, 0];
    words[3..3 + tail.len()].copy_from_slice(tail);
    seen.is(CAP_FAULT, &words[..3 + tail.len()])
}

/// Every receiving call from `rdi` has to be a capability fault of it.
#[track_caller]
fn all_receives_fault(t: &mut Fixture<'_>, rdi: CPtr, tail: &[Word]) -> Outcome {
    let reply = t.reply()?.cptr();
    for call in WITH_REPLY.into_iter().chain(WITHOUT_REPLY) {
        faults(t, call, Made { rdi, r12: reply, ..Made::default() }, rdi, (1, tail))?;
    }
    Ok(())
}

/// A thread with the CSpace `root` instead of the test's; its handler is the test.
fn in_cspace(t: &mut Fixture<'_>, root: Cap<CNode>, data: Word) -> libsel::Result<Faulter> {
    let faulter = t.faulter(Options::default())?;
    faulter.thread.tcb.configure(root, data, initial::VSPACE, 0, Cap::<Page>::NULL)?;
    Ok(faulter)
}

/// Capability faults.
pub const TESTS: &[Test] = &[
    test("PHASE0001", "sending to a pointer whose guard does not match", |t| {
        let tail = [4, 64, 0, t.machine.root_guard_bits()];
        SENDING.into_iter().try_for_each(|call| {
            faults(t, call, Made { rdi: NOWHERE, ..Made::default() }, NOWHERE, (0, &tail))
        })
    }),
    test("PHASE0002", "an extra capability is looked up before the invoked one is used", |t| {
        let tail = [4, 64, 0, t.machine.root_guard_bits()];
        let (endpoint, empty) = (t.endpoint()?.cptr(), t.slot());
        for call in SENDING {
            // Also where the message would be an error.
            for rdi in [endpoint, initial::TCB.cptr(), empty] {
                let faulter = t.faulter(Options::default())?;
                t.threads -= 1;
                faulter.thread.offer(0, endpoint);
                faulter.thread.offer(1, NOWHERE);
                let rsi = MessageInfo::new(0, 0, 2, 0).0;
                let seen = make(&faulter, call, Made { rdi, rsi, ..Made::default() })?;
                is_cap_fault(&seen, NOWHERE, 0, &tail)?;
            }
        }
        Ok(())
    }),
    test("PHASE0003", "without a buffer no extra capability is looked up", |t| {
        let faulter = t.faulter(Options::default())?;
        faulter.thread.offer(0, NOWHERE);
        faulter.thread.tcb.set_ipc_buffer(0, Cap::<Page>::NULL)?;
        let rsi = MessageInfo::new(0, 0, 1, 0).0;
        let rdi = t.notification()?.cptr();
        make(&faulter, Syscall::Send, Made { rdi, rsi, ..Made::default() })?.reached(code::syscall() + 2)
    }),
    test("PHASE0004", "sending from a CSpace that is gone has an invalid root", |t| {
        for call in SENDING {
            let node = t.cnode(2)?;
            let faulter = in_cspace(t, node, 0)?;
            t.threads -= 1;
            at(node).revoke()?;
            is_cap_fault(&make(&faulter, call, Made { rdi: 3, ..Made::default() })?, 3, 0, &[1])?;
        }
        Ok(())
    }),
    test("PHASE0005", "sending through a CNode that needs more bits than are left", |t| {
        let (outer, inner) = (t.cnode(4)?, t.cnode(5)?);
        outer.slot(3, 4).copy(at(inner), CapRights::ALL)?;
        for call in SENDING {
            // 56 bits of guard and 4 of index leave 4.
            let faulter = in_cspace(t, outer, CNodeCapData::new(0, 56).0)?;
            t.threads -= 1;
            let seen = make(&faulter, call, Made { rdi: 0x30, ..Made::default() })?;
            is_cap_fault(&seen, 0x30, 0, &[3, 4, 5])?;
        }
        Ok(())
    }),
    test("PHASE0006", "bits left behind a slot that holds no CNode are ignored", |t| {
        let (node, notification) = (t.cnode(4)?, t.notification()?);
        node.slot(3, 4).copy(at(notification), CapRights::ALL)?;
        let faulter = in_cspace(t, node, 0)?;
        let seen = make(&faulter, Syscall::NbWait, Made { rdi: 3 << 60 | 0x1234, ..Made::default() })?;
        seen.reached(code::syscall() + 2)
    }),
    test("PHASE0007", "an empty slot is no fault for what sends", |t| {
        let rdi = t.slot();
        for call in [Syscall::Send, Syscall::NbSend] {
            let faulter = t.faulter(Options::default())?;
            t.threads -= 1;
            make(&faulter, call, Made { rdi, ..Made::default() })?.reached(code::syscall() + 2)?;
            record::call(call);
        }
        Ok(())
    }),
    test("PHASE0008", "receiving from a pointer whose guard does not match", |t| {
        let tail = [4, 64, 0, t.machine.root_guard_bits()];
        all_receives_fault(t, NOWHERE, &tail)
    }),
    test("PHASE0009", "receiving from an empty slot", |t| {
        let empty = t.slot();
        all_receives_fault(t, empty, NOTHING)
    }),
    test("PHASE0010", "receiving from an endpoint without Read", |t| {
        let endpoint = t.endpoint()?;
        let less = t.copy(endpoint, CapRights::ALL.difference(CapRights::READ))?.cptr();
        all_receives_fault(t, less, NOTHING)
    }),
    test("PHASE0011", "receiving from a notification without Read", |t| {
        let notification = t.notification()?;
        let less = t.copy(notification, CapRights::WRITE)?.cptr();
        all_receives_fault(t, less, NOTHING)
    }),
    test("PHASE0012", "receiving from a notification that is bound to another thread", |t| {
        let (tcb, notification): (Cap<Tcb>, _) = (t.tcb()?, t.notification()?);
        tcb.bind_notification(notification)?;
        // Also when it is active.
        notification.signal();
        all_receives_fault(t, notification.cptr(), NOTHING)
    }),
    test("PHASE0013", "receiving from anything else", |t| {
        for rdi in [initial::TCB.cptr(), t.reply()?.cptr(), t.untyped.cptr()] {
            all_receives_fault(t, rdi, NOTHING)?;
        }
        Ok(())
    }),
    test("PHASE0014", "a reply capability that is not found", |t| {
        let tail = [4, 64, 0, t.machine.root_guard_bits()];
        let rdi = t.endpoint()?.cptr();
        WITH_REPLY.into_iter().try_for_each(|call| {
            faults(t, call, Made { rdi, r12: NOWHERE, ..Made::default() }, NOWHERE, (1, &tail))
        })
    }),
    test("PHASE0015", "a reply capability that is none", |t| {
        let (rdi, empty) = (t.endpoint()?.cptr(), t.slot());
        for r12 in [empty, t.endpoint()?.cptr()] {
            for call in WITH_REPLY {
                faults(t, call, Made { rdi, r12, ..Made::default() }, r12, (1, NOTHING))?;
            }
        }
        Ok(())
    }),
    test("PHASE0016", "for a notification no reply capability is looked up", |t| {
        let notification = t.notification()?;
        for call in WITH_REPLY {
            notification.signal();
            let faulter = t.faulter(Options::default())?;
            t.threads -= 1;
            let with = Made { rdi: notification.cptr(), r12: NOWHERE, ..Made::default() };
            make(&faulter, call, with)?.reached(code::syscall() + 2)?;
            record::call(call);
        }
        Ok(())
    }),
    test("PHASE0017", "a first phase that finds nothing does not fault", |t| {
        let notification = t.notification()?;
        for call in [Syscall::ReplyRecv, Syscall::NbSendRecv, Syscall::NbSendWait] {
            notification.signal();
            let faulter = t.faulter(Options::default())?;
            t.threads -= 1;
            let with = Made { rdi: notification.cptr(), r12: NOWHERE, r13: NOWHERE, ..Made::default() };
            make(&faulter, call, with)?.reached(code::syscall() + 2)?;
            record::call(call);
        }
        Ok(())
    }),
    test("PHASE0018", "a non-blocking send that finds nothing does not fault", |t| {
        let endpoint = t.endpoint()?.cptr();
        for (rdi, caps) in [(NOWHERE, 0), (endpoint, 1), (t.untyped.cptr(), 1)] {
            let faulter = t.faulter(Options::default())?;
            t.threads -= 1;
            faulter.thread.offer(0, NOWHERE);
            let rsi = MessageInfo::new(1, 0, caps, 6).0;
            let seen = make(&faulter, Syscall::NbSend, Made { rdi, rsi, ..Made::default() })?;
            seen.reached(code::syscall() + 2)?;
            record::call(Syscall::NbSend);
        }
        Ok(())
    }),
    test("PHASE0019", "a fault in the receive phase comes after the first phase was done", |t| {
        let (notification, empty) = (t.notification()?, t.slot());
        for (call, with) in [
            (Syscall::NbSendRecv, Made { rdi: empty, r13: notification.cptr(), ..Made::default() }),
            (Syscall::NbSendWait, Made { rdi: empty, r12: notification.cptr(), ..Made::default() }),
        ] {
            faults(t, call, with, empty, (1, NOTHING))?;
            let badged = t.mint(notification, CapRights::WRITE, 1)?;
            badged.signal();
            equal(notification.poll(), 1)?;
        }
        equal(tag(empty), 0)
    }),
    test("PHASE0020", "a call to a kernel object through a wrong capability is an error, not a fault", |t| {
        let empty = t.slot();
        fails(libsel::invoke::raw(empty, 2, &[], &[]).result(), Error::InvalidCapability(0))
    }),
];
