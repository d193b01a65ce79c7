//! System calls of two phases, reply objects that two threads want, and calls that find nothing (abi.md 2.3, 9.3).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, Label, MessageInfo, ObjectType, Register, Syscall, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Endpoint, Reply};
use libsel::{Cap, sys};

use super::code;
use super::crowd::{Deed, roll_entry, roll_is, roll_length};
use super::faulter::Seen;
use super::fixture::{Fixture, MAP_AREA, at, log_is, shared, tag};
use super::harness::{Outcome, Test, check, equal, test};
use super::hazard::run_with;
use super::peer;
use super::thread::Options;

const CAP_FAULT: Word = 1;

/// A combined call with these registers, of a thread that has nobody to talk to; its fault.
fn combined(t: &mut Fixture<'_>, call: Syscall, rdi: Word, r12: Word, r13: Word) -> libsel::Result<Seen> {
    let faulter = t.faulter(Options::default())?;
    let change = [
        (Register::Rdx, call.raw() as Word),
        (Register::Rdi, rdi),
        (Register::R12, r12),
        (Register::R13, r13),
        (Register::Rsi, MessageInfo::new(9, 0, 0, 2).0),
    ];
    let seen = run_with(&faulter, code::syscall(), &change)?;
    // The next one may get its stack.
    t.threads -= 1;
    Ok(seen)
}

/// The fault has to be that of the receive phase, at `address`, with this lookup failure.
#[track_caller]
fn receiving(seen: Seen, address: Word, tail: &[Word]) -> Outcome {
    let mut words = [code::syscall(), address, 1, 0, 0, 0, 0];
    words[3..3 + tail.len()].copy_from_slice(tail);
    seen.is(CAP_FAULT, &words[..3 + tail.len()])
}

/// Performs an invocation as the first phase of NBSendWait; the second takes a signal that is there.
fn first_phase(t: &mut Fixture<'_>, dest: Word, label: Label, words: [Word; 4], length: usize) -> Outcome {
    let ready = t.notification()?;
    let badged = t.mint(ready, CapRights::ALL, 0x20)?;
    badged.signal();
    let info = MessageInfo::new(label.raw(), 0, 0, length);
    let seen = sys::nb_send_wait(dest, info, words, ready.cptr());
    equal((seen.badge, seen.info, seen.mrs), (0x20, info, words))
}

/// Combined calls.
pub const TESTS: &[Test] = &[
    test("COMBINED0001", "a reply pointer that leads nowhere is ignored first and a fault then", |t| {
        let endpoint = t.endpoint()?.cptr();
        let guard_bits = t.machine.root_guard_bits();
        let seen = combined(t, Syscall::ReplyRecv, endpoint, 0x12_3450, 0)?;
        receiving(seen, 0x12_3450, &[4, 64, 0, guard_bits])
    }),
    test("COMBINED0002", "a reply pointer to an empty slot or another object is a missing capability", |t| {
        let endpoint = t.endpoint()?.cptr();
        let empty = t.slot();
        for r12 in [empty, 0, initial::TCB.cptr(), initial::CNODE.cptr(), endpoint] {
            for call in [Syscall::ReplyRecv, Syscall::NbSendRecv, Syscall::Recv, Syscall::NbRecv] {
                receiving(combined(t, call, endpoint, r12, 0)?, r12, &[2, 0])?;
            }
        }
        Ok(())
    }),
    test("COMBINED0003", "the source is looked at before the reply pointer", |t| {
        let empty = t.slot();
        let seen = combined(t, Syscall::ReplyRecv, empty, 0x12_3450, 0)?;
        receiving(seen, empty, &[2, 0])?;
        let write_only = t.endpoint()?;
        let write_only = t.copy(write_only, CapRights::WRITE)?.cptr();
        receiving(combined(t, Syscall::ReplyRecv, write_only, 0x12_3450, 0)?, write_only, &[2, 0])
    }),
    test("COMBINED0004", "no reply object is needed to receive a signal", |t| {
        let notification = t.notification()?;
        for call in [Syscall::Recv, Syscall::NbRecv, Syscall::ReplyRecv, Syscall::NbSendRecv] {
            notification.signal();
            combined(t, call, notification.cptr(), u64::MAX, u64::MAX)?.reached(code::syscall() + 2)?;
        }
        Ok(())
    }),
    test("COMBINED0005", "a first phase to nowhere is ignored", |t| {
        let notification = t.notification()?;
        for dest in [0x12_3450, 0, u64::MAX, initial::IRQ_CONTROL.cptr()] {
            notification.signal();
            let seen = combined(t, Syscall::NbSendWait, notification.cptr(), dest, 0)?;
            seen.reached(code::syscall() + 2)?;
            notification.signal();
            let seen = combined(t, Syscall::NbSendRecv, notification.cptr(), 0, dest)?;
            seen.reached(code::syscall() + 2)?;
        }
        Ok(())
    }),
    test("COMBINED0006", "a first phase whose extra capability is not found sends nothing", |t| {
        let (endpoint, ready, crowd) = (t.endpoint()?, t.notification()?, t.crowd(1)?);
        crowd.start(0, 200, Deed::new(Syscall::Wait, endpoint.cptr()))?;
        crowd.settle();
        ready.signal();
        if let Some(buffer) = libsel::ipc::buffer() {
            buffer.set_cap(0, 0x12_3450);
        }
        sys::nb_send_wait(endpoint.cptr(), MessageInfo::new(1, 0, 1, 0), [0; 4], ready.cptr());
        crowd.settle();
        equal(roll_length(), 0)
    }),
    test("COMBINED0007", "threads, CNodes, time and domains are not invoked in a first phase", |t| {
        let (tcb, node, sc) = (t.tcb()?, t.cnode(1)?, t.sched_context(100, 1000)?);
        node.slot(0, 1).copy(at(tcb), CapRights::ALL)?;
        first_phase(t, tcb.cptr(), Label::TcbResume, [0; 4], 0)?;
        first_phase(t, node.cptr(), Label::CNodeDelete, [0, 1, 0, 0], 2)?;
        first_phase(t, sc.cptr(), Label::SchedContextConsumed, [0; 4], 0)?;
        first_phase(t, initial::DOMAIN.cptr(), Label::DomainScheduleConfigure, [0, 0, 1, 0], 3)?;
        let place = t.place();
        place.copy(node.slot(0, 1), CapRights::ALL)?;
        equal(tag(place.index), 12)
    }),
    test("COMBINED0008", "frames are invoked in a first phase", |t| {
        let frame = t.mapped_frame(MAP_AREA)?;
        first_phase(t, frame.cptr(), Label::X86PageUnmap, [0; 4], 0)?;
        // Unmapped, it can be mapped elsewhere.
        let map = frame.map(initial::VSPACE, MAP_AREA + 4096, CapRights::READ, VmAttributes::WRITE_BACK);
        Ok(map?)
    }),
    test("COMBINED0009", "memory is retyped in a first phase, with what is in the buffer", |t| {
        let (memory, ready, slot) = (t.memory(12)?, t.notification()?, t.slot());
        ready.signal();
        let Some(buffer) = libsel::ipc::buffer() else { return check(false, "the test has a buffer") };
        buffer.set_word(4, slot);
        buffer.set_word(5, 1);
        buffer.set_cap(0, initial::CNODE.cptr());
        let info = MessageInfo::new(Label::UntypedRetype.raw(), 0, 1, 6);
        sys::nb_send_wait(memory.cptr(), info, [ObjectType::Endpoint.raw(), 0, 0, 0], ready.cptr());
        equal(tag(slot), 4)
    }),
    test("COMBINED0010", "a signal is a first phase, and may be for the second one itself", |t| {
        let notification = t.notification()?;
        let badged = t.mint(notification, CapRights::ALL, 0x31)?;
        let seen = sys::nb_send_wait(badged.cptr(), MessageInfo::default(), [0; 4], notification.cptr());
        equal(seen.badge, 0x31)?;
        let reply = t.reply()?.cptr();
        let info = MessageInfo::default();
        equal(sys::nb_send_recv(badged.cptr(), info, [0; 4], notification.cptr(), reply).badge, 0x31)
    }),
    test("COMBINED0011", "a message to nobody is lost before the second phase waits for one", |t| {
        let endpoint = t.endpoint()?;
        let crowd = t.crowd(1)?;
        let deed =
            Deed { info: MessageInfo::new(1, 0, 0, 0), ..Deed::new(Syscall::NbSendWait, endpoint.cptr()) };
        crowd.start(0, 50, Deed { reply: endpoint.cptr(), ..deed })?;
        crowd.settle();
        equal(roll_length(), 0)?;
        endpoint.nb_send(1, &[], &[]);
        crowd.settle();
        roll_is([0].into_iter())
    }),
    test(
        "COMBINED0012",
        "a reply object that is received with by another stops the thread that waited with it",
        |t| {
            let peers = t.peers()?;
            let receiver = t.spawn(Options::default(), peer::receive, 0)?;
            t.settle()?;
            equal(t.endpoint()?.nb_recv(peers.reply).badge, 0)?;
            peers.endpoint.nb_send(1, &[], &[]);
            t.settle()?;
            check(!receiver.is_done(), "the receiver is inactive")?;
            // Resumed, it receives again.
            receiver.tcb.resume()?;
            t.settle()?;
            peers.endpoint.nb_send(1, &[], &[]);
            receiver.join();
            Ok(())
        },
    ),
    test("COMBINED0013", "a reply object is free again after a poll, a message and a signal", |t| {
        let (endpoint, notification) = (t.endpoint()?, t.notification()?);
        let (reply, crowd): (Cap<Reply>, _) = (t.reply()?, t.crowd(3)?);
        endpoint.nb_recv(reply);
        notification.signal();
        sys::recv(notification.cptr(), reply.cptr());
        crowd.start(0, 50, Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, endpoint.cptr()) })?;
        crowd.settle();
        endpoint.nb_send(1, &[], &[]);
        crowd.settle();
        roll_is([0].into_iter())?;
        // Nobody waits with it any more: the next one that uses it stops nobody.
        crowd.start(1, 50, Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, endpoint.cptr()) })?;
        crowd.settle();
        endpoint.nb_send(1, &[], &[]);
        crowd.settle();
        roll_is([0, 1].into_iter())
    }),
    test(
        "COMBINED0014",
        "an endpoint that waits with a reply object can be deleted, the object used again",
        |t| {
            let (endpoint, other, reply): (Cap<Endpoint>, _, _) = (t.endpoint()?, t.endpoint()?, t.reply()?);
            let handler = t.endpoint()?;
            let crowd = t.crowd(2)?;
            crowd.tcb(0).set_space(handler, initial::CNODE, 0, initial::VSPACE)?;
            crowd.start(0, 50, Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, endpoint.cptr()) })?;
            crowd.settle();
            at(endpoint).delete()?;
            crowd.start(1, 50, Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, other.cptr()) })?;
            crowd.settle();
            // The first one tried again and found an empty slot.
            equal(handler.nb_wait().label(), CAP_FAULT)?;
            other.nb_send(1, &[], &[]);
            crowd.settle();
            roll_is([1].into_iter())
        },
    ),
    test("COMBINED0015", "replying to oneself does nothing", |t| {
        let (peers, ready) = (t.peers()?, t.notification()?);
        ready.signal();
        let info = MessageInfo::new(1, 0, 0, 0);
        sys::reply_recv(ready.cptr(), info, [0; 4], peers.reply.cptr());
        equal(peers.endpoint.nb_recv(peers.reply).badge, 0)
    }),
    test("COMBINED0016", "a receiver takes the signal of its notification before any of ten senders", |t| {
        let (endpoint, notification, crowd) = (t.endpoint()?, t.notification()?, t.crowd(10)?);
        for index in 0..10 {
            crowd.start(index, 50, Deed::with_label(Syscall::Send, endpoint.cptr(), 7))?;
        }
        crowd.settle();
        initial::TCB.bind_notification(notification)?;
        let badged = t.mint(notification, CapRights::ALL, 0x42)?;
        badged.signal();
        let (signal, message) = (endpoint.wait(), endpoint.wait());
        equal((signal.badge, message.label()), (0x42, 7))
    }),
    test("COMBINED0017", "a poll takes queued messages one by one and then nothing", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(3)?);
        let badged = t.mint(endpoint, CapRights::ALL, 0x51)?;
        for index in 0..3 {
            crowd.start(index, 50, Deed::with_label(Syscall::Send, badged.cptr(), 7))?;
        }
        crowd.settle();
        let badges = [(); 5].map(|()| endpoint.nb_wait().badge);
        equal(badges, [0x51, 0x51, 0x51, 0, 0])?;
        crowd.settle();
        equal(roll_length(), 3)?;
        // The senders' badge register is theirs: a send changes nothing.
        equal(roll_entry(0).1, badged.cptr())
    }),
    test("COMBINED0018", "a yielding thread between two of equal priority sees both once", |t| {
        extern "C" fn count(_: Word) {
            shared(5).fetch_add(1, Relaxed);
            sys::yield_();
            super::fixture::log(shared(5).load(Relaxed));
        }
        for _ in 0..3 {
            t.spawn(Options::default(), count, 0)?;
        }
        t.settle()?;
        log_is(&[3, 3, 3])
    }),
];
