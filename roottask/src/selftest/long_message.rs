//! Messages of every length, with and without buffers on both sides, and where capabilities arrive (abi.md 2.7, 2.8).

use libsel::abi::message::{IPC_BUFFER_CAPS_WORD, IPC_BUFFER_RECEIVE_WORD};
use libsel::abi::{CNodeCapData, CapRights, MSG_MAX_LENGTH, MessageInfo, Register, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Page};
use libsel::{Cap, sys};

use super::code;
use super::faulter::{Faulter, registers};
use super::fixture::{Fixture, at, peek, poke, tag};
use super::harness::{Failure, Outcome, Test, check, equal, test};
use super::peer::{self, ECHO, seen_info};
use super::thread::{Options, Thread};

/// Different words, for a message of any length.
fn words(seed: Word) -> [Word; MSG_MAX_LENGTH] {
    core::array::from_fn(|index| seed << 32 | index as Word)
}

/// Echoes of each length in `lengths` have to be `expected` of it words long, and right.
#[track_caller]
fn echoes(
    t: &mut Fixture<'_>,
    change: impl FnOnce(&Thread) -> libsel::Result<()>,
    expected: impl Fn(usize) -> usize,
) -> Outcome {
    let (peers, server) = t.echo_server()?;
    change(&server)?;
    for length in 0..=MSG_MAX_LENGTH {
        let sent = words(length as Word + 1);
        // The server echoes with its own info word: the words of its buffer are those that it received.
        let answer = peers.endpoint.call(3, &sent[..length], &[]);
        let mut seen = [0; MSG_MAX_LENGTH];
        let seen = answer.copy_words(&mut seen);
        equal((length, answer.label(), seen.len()), (length, ECHO, expected(length)))?;
        equal((length, seen_info().length()), (length, expected(length)))?;
        check(*seen == sent[..seen.len()], "the words that were sent")?;
    }
    Ok(())
}

/// A sender with a CSpace of its own: slot 1 of its root is the endpoint, slot 2 a CNode whose slots hold what it
/// offers. An address has 4 bits for the root, then 60 for the inner CNode's guard and index.
struct Nested {
    faulter: Faulter,
    root: Cap<CNode>,
    inner: Cap<CNode>,
    endpoint: Cap<libsel::cap::Endpoint>,
}

fn nested(t: &mut Fixture<'_>) -> libsel::Result<Nested> {
    let (faulter, endpoint) = (t.faulter(Options::default())?, t.endpoint()?);
    let (root, inner) = (t.cnode(4)?, t.cnode(4)?);
    root.slot(1, 4).copy(at(endpoint), CapRights::ALL)?;
    root.slot(2, 4).mint_guarded(at(inner), CNodeCapData::new(0, 56))?;
    inner.slot(5, 4).copy(at(t.notification()?), CapRights::ALL)?;
    inner.slot(6, 4).copy(at(t.reply()?), CapRights::ALL)?;
    let handler = t.mint(faulter.endpoint, CapRights::ALL, super::faulter::HANDLER_BADGE)?;
    faulter.thread.tcb.set_space(handler, root, 0, initial::VSPACE)?;
    Ok(Nested { faulter, root, inner, endpoint })
}

impl Nested {
    /// Lets it send with the capabilities in the inner slots `offered`; it then waits for a receiver.
    fn send(&self, t: &mut Fixture<'_>, offered: &[Word]) -> libsel::Result<()> {
        for (index, inner) in offered.iter().enumerate() {
            self.faulter.thread.offer(index, 2 << 60 | inner);
        }
        let mut context = registers(&self.faulter.thread, code::syscall());
        context
            .set(Register::Rdx, Syscall::Send.raw() as Word)
            .set(Register::Rdi, 1 << 60)
            .set(Register::Rsi, MessageInfo::new(9, 0, offered.len(), 0).0);
        self.faulter.thread.tcb.write_registers(true, 20, &context)?;
        t.settle()
    }

    /// Receives; label and number of capabilities have to be these.
    #[track_caller]
    fn received(&self, t: &mut Fixture<'_>, extra_caps: usize) -> Outcome {
        let place = t.place();
        libsel::ipc::set_receive_slot(place);
        let message = self.endpoint.nb_wait();
        let arrived = usize::from(tag(place.index) != 0);
        equal((message.label(), message.info.extra_caps(), arrived), (9, extra_caps, extra_caps))
    }
}

/// A receiver with this receive slot gets a notification sent, or does not.
#[track_caller]
fn arrives(t: &mut Fixture<'_>, receive: [Word; 3], slot: libsel::AbsoluteSlot, expected: bool) -> Outcome {
    let peers = t.peers()?;
    let sent = t.notification()?;
    let receiver = t.spawn(Options::default(), peer::receive, 0)?;
    for (index, word) in receive.into_iter().enumerate() {
        poke(receiver.buffer + (IPC_BUFFER_RECEIVE_WORD + index) as Word * 8, word);
    }
    t.settle()?;
    peers.endpoint.send(0, &[], &[sent.cptr()]);
    receiver.join();
    // The next receiver may have its stack.
    receiver.tcb.suspend()?;
    t.threads -= 1;
    let place = t.place();
    let found = place.copy(slot, CapRights::ALL).is_ok() && tag(place.index) == 6;
    let extra_caps = seen_info().extra_caps();
    if (extra_caps, found) == (usize::from(expected), expected) {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "receive slot {receive:x?}: expected {expected}, seen {extra_caps} capabilities, there: {found}"
    )))
}

/// Long messages and receive slots.
pub const TESTS: &[Test] = &[
    test("LENGTH0001", "messages of 0 to 120 words travel there and back", |t| {
        echoes(t, |_| Ok(()), |length| length)
    }),
    test("LENGTH0002", "messages to and from a thread without buffer have up to four words", |t| {
        echoes(t, |server| server.tcb.set_ipc_buffer(0, Cap::<Page>::NULL), |length| length.min(4))
    }),
    test("LENGTH0003", "a read-only buffer is as good as none for receiving", |t| {
        let frame = t.frame()?;
        let read_only = t.copy(frame, CapRights::READ)?;
        echoes(t, |server| server.tcb.set_ipc_buffer(0x1000, read_only), |length| length.min(4))
    }),
    test("LENGTH0004", "a read-only buffer suffices for sending", |t| {
        let faulter = t.faulter(Options::default())?;
        let frame = t.mapped_frame(super::fixture::MAP_AREA)?;
        poke(super::fixture::MAP_AREA + 8 * (1 + 119), 0x77);
        let read_only = t.copy(frame, CapRights::READ)?;
        faulter.thread.tcb.set_ipc_buffer(0x1000, read_only)?;
        let endpoint = t.endpoint()?;
        let mut context = registers(&faulter.thread, code::syscall());
        context
            .set(Register::Rdx, Syscall::Send.raw() as Word)
            .set(Register::Rdi, endpoint.cptr())
            .set(Register::Rsi, MessageInfo::new(9, 0, 0, 120).0);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        let message = endpoint.wait();
        equal((message.length(), message.word(119)), (120, 0x77))
    }),
    test("LENGTH0005", "a buffer is found in its frame, wherever its address says that it is", |t| {
        // The address need not be mapped; its offset in the frame counts.
        let frame = t.mapped_frame(super::fixture::MAP_AREA)?;
        let copy = t.copy(frame, CapRights::ALL)?;
        echoes(t, |server| server.tcb.set_ipc_buffer(0x1234_5c00, copy), |length| length)?;
        equal(peek(super::fixture::MAP_AREA + 0xc00 + 8 * (1 + 119)), 121 << 32 | 119)
    }),
    test("LENGTH0006", "lengths above 120 count as 120", |t| {
        let (peers, _) = t.echo_server()?;
        for length in 121..128 {
            // Not composed: the field is set as it is.
            let info = MessageInfo(3 << 12 | length);
            let seen = sys::call(peers.endpoint.cptr(), info, [1, 2, 3, 4]);
            equal((length, seen.info.length(), seen_info().length()), (length, 120, 120))?;
        }
        Ok(())
    }),
    test("LENGTH0007", "labels have 52 bits", |t| {
        let (peers, server) = t.echo_server()?;
        let label = (1 << 52) - 2;
        peers.endpoint.call(label, &[], &[]);
        equal(seen_info().label(), label)?;
        Ok(server.tcb.suspend()?)
    }),
    test("LENGTH0008", "a capability arrives in a slot of another CNode", |t| {
        let node = t.cnode(4)?;
        arrives(t, [node.cptr(), 5, 4], node.slot(5, 4), true)?;
        arrives(t, [node.cptr(), 6, 4], node.slot(6, 4), true)
    }),
    test("LENGTH0009", "index bits above the depth do not matter", |t| {
        let node = t.cnode(4)?;
        arrives(t, [node.cptr(), 0xffff_fff5, 4], node.slot(5, 4), true)
    }),
    test("LENGTH0010", "a capability arrives behind a guard and two CNodes deep", |t| {
        let (outer, inner) = (t.cnode(4)?, t.cnode(3)?);
        outer.slot(2, 4).mint_guarded(at(inner), CNodeCapData::new(5, 8))?;
        arrives(t, [outer.cptr(), 2 << 11 | 5 << 3 | 7, 15], inner.slot(7, 3), true)?;
        // A wrong guard.
        arrives(t, [outer.cptr(), 2 << 11 | 4 << 3 | 6, 15], inner.slot(6, 3), false)
    }),
    test("LENGTH0011", "a receive slot that cannot be found takes nothing", |t| {
        let node = t.cnode(4)?;
        let slot = node.slot(5, 4);
        let cptr = node.cptr();
        let beyond = t.machine.root_slots();
        let (empty, other) = (t.slot(), t.endpoint()?.cptr());
        for receive in [
            [cptr, 5, 0],
            [cptr, 5, 3],
            [cptr, 5, 5],
            [cptr, 5, 64],
            [cptr, 5, 65],
            [cptr, 5, u64::MAX],
            [beyond, 5, 4],
            [empty, 5, 4],
            [other, 5, 4],
            [0, 0, 0],
        ] {
            arrives(t, receive, slot, false)?;
        }
        arrives(t, [cptr, 5, 4], slot, true)
    }),
    test("LENGTH0012", "a full receive slot takes nothing and keeps what it has", |t| {
        let node = t.cnode(4)?;
        node.slot(5, 4).copy(at(t.endpoint()?), CapRights::ALL)?;
        arrives(t, [node.cptr(), 5, 4], node.slot(5, 4), false)
    }),
    test("LENGTH0013", "what a sender offers is found through its own CSpace", |t| {
        let nested = nested(t)?;
        nested.send(t, &[5])?;
        nested.received(t, 1)
    }),
    test("LENGTH0014", "an offer that has vanished meanwhile ends the transfer there", |t| {
        let nested = nested(t)?;
        nested.send(t, &[5, 6])?;
        nested.inner.slot(5, 4).delete()?;
        nested.received(t, 0)
    }),
    test(
        "LENGTH0015",
        "an offer that cannot be found any more keeps all from being sent, without a fault",
        |t| {
            let nested = nested(t)?;
            nested.inner.slot(7, 4).mint_guarded(at(nested.inner), CNodeCapData::new(0, 0))?;
            nested.send(t, &[5, 6])?;
            // Another guard: the first address leads nowhere.
            nested.root.slot(2, 4).delete()?;
            nested.root.slot(2, 4).mint_guarded(at(nested.inner), CNodeCapData::new(1, 56))?;
            nested.received(t, 0)
        },
    ),
    test("LENGTH0016", "one offer that cannot be found keeps the others from being sent", |t| {
        let nested = nested(t)?;
        let faulter = nested.faulter;
        // The second address is resolved through slot 3 of the root.
        nested.root.slot(3, 4).mint_guarded(at(nested.inner), CNodeCapData::new(0, 56))?;
        nested.send(t, &[5, 6])?;
        faulter.thread.offer(1, 3 << 60 | 6);
        nested.root.slot(3, 4).delete()?;
        nested.root.slot(3, 4).mint_guarded(at(nested.inner), CNodeCapData::new(1, 56))?;
        nested.received(t, 0)
    }),
    test("LENGTH0017", "badges and capabilities arrive in any order, one slot for all", |t| {
        let peers = t.peers()?;
        let (one, two) = (t.notification()?.cptr(), t.reply()?.cptr());
        let [first, second, third] =
            [0x11, 0x22, 0x33].map(|badge| t.mint(peers.endpoint, CapRights::ALL, badge));
        let (first, second, third) = (first?.cptr(), second?.cptr(), third?.cptr());
        let empty = t.slot();
        // Offered; capabilities that arrive, which of them as badges, badges.
        let cases: [([Word; 3], usize, Word, [Word; 3]); 9] = [
            ([first, second, third], 3, 7, [0x11, 0x22, 0x33]),
            ([one, first, second], 3, 6, [0, 0x11, 0x22]),
            ([first, one, second], 3, 5, [0x11, 0, 0x22]),
            ([first, second, one], 3, 3, [0x11, 0x22, 0]),
            ([one, two, first], 1, 0, [0; 3]),
            ([one, first, two], 2, 2, [0, 0x11, 0]),
            ([first, empty, second], 1, 1, [0x11, 0, 0]),
            ([empty, first, second], 0, 0, [0; 3]),
            ([initial::IRQ_CONTROL.cptr(), first, one], 0, 0, [0; 3]),
        ];
        for (offered, extra_caps, unwrapped, badges) in cases {
            let receiver = t.spawn(Options::default(), peer::receive, 0)?;
            let slot = t.slot();
            receiver.receive_into(slot);
            t.settle()?;
            peers.endpoint.send(0, &[], &offered);
            receiver.join();
            receiver.tcb.suspend()?;
            t.threads -= 1;
            let info = seen_info();
            equal((info.extra_caps(), info.caps_unwrapped()), (extra_caps, unwrapped))?;
            let seen =
                [0, 1, 2].map(|index| peek(receiver.buffer + (IPC_BUFFER_CAPS_WORD + index) as Word * 8));
            for index in (0..3).filter(|index| unwrapped >> index & 1 == 1) {
                equal(seen[index], badges[index])?;
            }
            let taken = offered.iter().take(extra_caps).any(|cptr| *cptr == one);
            equal(tag(slot), if taken { 6 } else { 0 })?;
        }
        Ok(())
    }),
];
