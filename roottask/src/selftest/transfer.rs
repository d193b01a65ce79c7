//! Capabilities in messages: granting, unwrapping, receive slots (abi.md 2.8).

use libsel::abi::message::IPC_BUFFER_CAPS_WORD;
use libsel::abi::{CPtr, CapRights, MessageInfo, Word};
use libsel::bootinfo::initial;
use libsel::cap::Endpoint;
use libsel::{Cap, ipc, sys};

use super::fixture::{Fixture, at, peek, shared, tag};
use super::harness::{Outcome, Test, equal, test};
use super::peer::{self, Peers, seen_info};
use super::thread::{Options, Thread};

/// A receiver that waits, with an empty receive slot.
struct Receiver {
    peers: Peers,
    thread: Thread,
    slot: CPtr,
}

fn receiver(t: &mut Fixture<'_>) -> libsel::Result<Receiver> {
    let peers = t.peers()?;
    let thread = t.spawn(Options::default(), peer::receive, 0)?;
    let slot = t.slot();
    thread.receive_into(slot);
    t.settle()?;
    Ok(Receiver { peers, thread, slot })
}

impl Receiver {
    /// Sends capabilities to it through `endpoint`.
    fn send(&self, endpoint: Cap<Endpoint>, caps: &[CPtr]) {
        endpoint.send(0, &[], caps);
        self.thread.join();
    }

    /// It has to have seen this many capabilities, these badges, and this in its slot.
    #[track_caller]
    fn saw(&self, extra_caps: usize, unwrapped: Word, slot_tag: Word) -> Outcome {
        let info = seen_info();
        equal((info.extra_caps(), info.caps_unwrapped(), tag(self.slot)), (extra_caps, unwrapped, slot_tag))
    }

    /// A badge in its buffer.
    fn badge(&self, index: usize) -> Word {
        peek(self.thread.buffer + (IPC_BUFFER_CAPS_WORD + index) as Word * 8)
    }
}

/// Capability transfer.
pub const TESTS: &[Test] = &[
    test("TRANSFER0001", "a granted capability arrives in the receive slot", |t| {
        let receiver = receiver(t)?;
        receiver.send(receiver.peers.endpoint, &[t.notification()?.cptr()]);
        receiver.saw(1, 0, 6)
    }),
    test("TRANSFER0002", "without Grant nothing is transferred", |t| {
        let receiver = receiver(t)?;
        let less = t.copy(receiver.peers.endpoint, CapRights::READ_WRITE | CapRights::GRANT_REPLY)?;
        receiver.send(less, &[t.notification()?.cptr()]);
        receiver.saw(0, 0, 0)
    }),
    test("TRANSFER0003", "without a receive slot nothing is transferred", |t| {
        let receiver = receiver(t)?;
        receiver.thread.receive_into(t.machine.root_slots());
        receiver.send(receiver.peers.endpoint, &[t.notification()?.cptr()]);
        receiver.saw(0, 0, 0)
    }),
    test("TRANSFER0004", "a full receive slot takes nothing", |t| {
        let receiver = receiver(t)?;
        initial::CNODE.at(receiver.slot).copy(at(t.endpoint()?), CapRights::ALL)?;
        receiver.send(receiver.peers.endpoint, &[t.notification()?.cptr()]);
        receiver.saw(0, 0, 4)
    }),
    test("TRANSFER0005", "only the first of two capabilities finds a slot", |t| {
        let receiver = receiver(t)?;
        let caps = [t.notification()?.cptr(), t.reply()?.cptr()];
        receiver.send(receiver.peers.endpoint, &caps);
        receiver.saw(1, 0, 6)
    }),
    test("TRANSFER0006", "a capability to the endpoint itself arrives as its badge", |t| {
        let receiver = receiver(t)?;
        let badged = t.mint(receiver.peers.endpoint, CapRights::ALL, 0x99)?;
        receiver.send(receiver.peers.endpoint, &[badged.cptr()]);
        receiver.saw(1, 1, 0)?;
        equal(receiver.badge(0), 0x99)
    }),
    test("TRANSFER0007", "badges and one capability arrive together", |t| {
        let receiver = receiver(t)?;
        let one = t.mint(receiver.peers.endpoint, CapRights::ALL, 0x11)?;
        let two = t.mint(receiver.peers.endpoint, CapRights::ALL, 0x22)?;
        receiver.send(receiver.peers.endpoint, &[one.cptr(), t.notification()?.cptr(), two.cptr()]);
        receiver.saw(3, 0b101, 6)?;
        equal((receiver.badge(0), receiver.badge(2)), (0x11, 0x22))
    }),
    test("TRANSFER0008", "an empty slot stops the transfer", |t| {
        let receiver = receiver(t)?;
        let caps = [t.slot(), t.notification()?.cptr()];
        receiver.send(receiver.peers.endpoint, &caps);
        receiver.saw(0, 0, 0)
    }),
    test("TRANSFER0009", "a capability that cannot be copied stops the transfer", |t| {
        let receiver = receiver(t)?;
        receiver.send(receiver.peers.endpoint, &[initial::IRQ_CONTROL.cptr()]);
        receiver.saw(0, 0, 0)
    }),
    test("TRANSFER0010", "a transferred capability is a child of the sender's", |t| {
        let receiver = receiver(t)?;
        let notification = t.notification()?;
        receiver.send(receiver.peers.endpoint, &[notification.cptr()]);
        receiver.saw(1, 0, 6)?;
        at(notification).revoke()?;
        receiver.saw(1, 0, 0)
    }),
    test("TRANSFER0011", "an answer carries a capability", |t| {
        let peers = t.peers()?;
        let notification = t.notification()?;
        let server = answering(t, notification.cptr())?;
        let place = t.place();
        ipc::set_receive_slot(place);
        let answer = peers.endpoint.call(0, &[], &[]);
        server.join();
        equal((answer.info.extra_caps(), answer.capability_received(), tag(place.index)), (1, true, 6))
    }),
    test("TRANSFER0012", "an answer through a reply capability without Grant carries none", |t| {
        let peers = t.peers()?;
        let notification = t.notification()?;
        let less = t.copy(peers.reply, CapRights::WRITE)?;
        shared(1).store(less.cptr(), core::sync::atomic::Ordering::Relaxed);
        answering(t, notification.cptr())?;
        let place = t.place();
        ipc::set_receive_slot(place);
        let answer = peers.endpoint.call(0, &[], &[]);
        equal((answer.info.extra_caps(), tag(place.index)), (0, 0))
    }),
    test("TRANSFER0013", "an answer unwraps nothing", |t| {
        let peers = t.peers()?;
        let badged = t.mint(peers.endpoint, CapRights::ALL, 0x99)?;
        answering(t, badged.cptr())?;
        let place = t.place();
        ipc::set_receive_slot(place);
        let answer = peers.endpoint.call(0, &[], &[]);
        let seen = (answer.info.extra_caps(), answer.info.caps_unwrapped(), tag(place.index));
        equal(seen, (1, 0, 4))
    }),
    test("TRANSFER0014", "a sender that waited transfers its capability too", |t| {
        extern "C" fn send_one(endpoint: Word) {
            sys::send(endpoint, MessageInfo::new(2, 0, 1, 0), [0; 4]);
        }
        let (endpoint, notification) = (t.endpoint()?, t.notification()?);
        let sender = t.prepare(Options::default(), send_one, endpoint.cptr())?;
        sender.offer(0, notification.cptr());
        sender.tcb.resume()?;
        t.settle()?;
        let place = t.place();
        ipc::set_receive_slot(place);
        let message = endpoint.wait();
        equal((message.label(), message.info.extra_caps(), tag(place.index)), (2, 1, 6))
    }),
];

/// A server that answers one call with the capability `cptr`.
fn answering(t: &mut Fixture<'_>, cptr: CPtr) -> libsel::Result<Thread> {
    extern "C" fn answer_one(_: Word) {
        peer::receive(0);
        let reply = shared(1).load(core::sync::atomic::Ordering::Relaxed);
        sys::send(reply, MessageInfo::new(0, 0, 1, 0), [0; 4]);
    }
    let server = t.prepare(Options::default(), answer_one, 0)?;
    server.offer(0, cptr);
    server.tcb.resume()?;
    Ok(server)
}
