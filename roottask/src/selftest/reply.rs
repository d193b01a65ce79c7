//! Reply objects and the stack of donated time (abi.md 9.4).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, MessageInfo, Word};
use libsel::cap::{Endpoint, Reply};
use libsel::{Cap, sys};

use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Test, check, equal, test};
use super::peer::{self, ECHO, Peers};
use super::thread::{Options, Thread};

/// A server that passes each call on: endpoint and reply object of level n are in shared words 10 + 2n and 11 + 2n;
/// the last level answers. Each adds its level + 1 to the word.
extern "C" fn relay(level: Word) {
    let word = |index: Word| shared((10 + 2 * level + index) as usize).load(Relaxed);
    let (endpoint, reply, next) = (word(0), word(1), word(2));
    let mut seen = sys::recv(endpoint, reply);
    loop {
        let mut value = seen.mrs[0] + level + 1;
        if next != 0 {
            value = sys::call(next, MessageInfo::new(0, 0, 0, 1), [value, 0, 0, 0]).mrs[0];
        }
        seen = sys::reply_recv(endpoint, MessageInfo::new(ECHO, 0, 0, 1), [value, 0, 0, 0], reply);
    }
}

/// `levels` relays, all passive; the endpoint of the first.
fn relays(t: &mut Fixture<'_>, levels: u64) -> libsel::Result<Cap<Endpoint>> {
    for level in 0..levels {
        let (endpoint, reply): (Cap<Endpoint>, Cap<Reply>) = (t.make(0)?, t.make(0)?);
        shared((10 + 2 * level) as usize).store(endpoint.cptr(), Relaxed);
        shared((11 + 2 * level) as usize).store(reply.cptr(), Relaxed);
    }
    for level in 0..levels {
        let server = t.spawn(Options::default(), relay, level)?;
        t.settle()?;
        server.sched_context.unbind_thread(server.tcb)?;
    }
    Ok(Cap::new(shared(10).load(Relaxed)))
}

/// A server that takes a call and then waits for a signal on the notification in shared word 9 before it answers.
extern "C" fn hold(_: Word) {
    peer::receive(0);
    sys::wait(shared(9).load(Relaxed));
    log(50);
    let reply = shared(1).load(Relaxed);
    sys::send(reply, MessageInfo::new(0, 0, 0, 1), [60, 0, 0, 0]);
    log(51);
}

/// A passive server that has taken the call of a thread and holds its time.
struct Held {
    peers: Peers,
    server: Thread,
    caller: Thread,
    go: Cap<libsel::cap::Notification>,
}

fn held(t: &mut Fixture<'_>) -> libsel::Result<Held> {
    let peers = t.peers()?;
    let go = t.notification()?;
    shared(9).store(go.cptr(), Relaxed);
    let server = t.spawn(Options::at_priority(110), hold, 0)?;
    t.settle()?;
    server.sched_context.unbind_thread(server.tcb)?;
    let caller = t.spawn(Options::default(), peer::call, 3)?;
    t.settle()?;
    Ok(Held { peers, server, caller, go })
}

/// Reply objects.
pub const TESTS: &[Test] = &[
    test("REPLY0001", "an answer through an unused reply object does nothing", |t| {
        let reply = t.reply()?;
        reply.reply(1, &[1, 2], &[]);
        Ok(())
    }),
    test("REPLY0002", "a reply object answers once", |t| {
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::call, 3)?;
        peers.endpoint.recv(peers.reply);
        peers.reply.reply(0, &[8], &[]);
        peers.reply.reply(0, &[9], &[]);
        t.settle()?;
        log_is(&[8])
    }),
    test("REPLY0003", "an answer has the server's label, length and words", |t| {
        extern "C" fn call_and_note(endpoint: Word) {
            let answer = sys::call(endpoint, MessageInfo::new(1, 0, 0, 0), [7; 4]);
            [answer.badge, answer.info.0].into_iter().chain(answer.mrs).for_each(log);
        }
        let peers = t.peers()?;
        t.spawn(Options::default(), call_and_note, peers.endpoint.cptr())?;
        peers.endpoint.recv(peers.reply);
        peers.reply.reply(0x55, &[1, 2], &[]);
        t.settle()?;
        log_is(&[0, MessageInfo::new(0x55, 0, 0, 2).0, 1, 2, 7, 7])
    }),
    test("REPLY0004", "a reply object that is used again drops its caller", |t| {
        let peers = t.peers()?;
        t.spawn(Options::at_priority(20), peer::call, 3)?;
        t.spawn(Options::at_priority(10), peer::call, 4)?;
        t.settle()?;
        equal(peers.endpoint.recv(peers.reply).label(), 3)?;
        equal(peers.endpoint.recv(peers.reply).label(), 4)?;
        peers.reply.reply(0, &[8], &[]);
        t.settle()?;
        log_is(&[8])
    }),
    test("REPLY0005", "two reply objects hold two callers", |t| {
        let peers = t.peers()?;
        let other = t.reply()?;
        t.spawn(Options::at_priority(20), peer::call, 3)?;
        t.spawn(Options::at_priority(10), peer::call, 4)?;
        t.settle()?;
        peers.endpoint.recv(peers.reply);
        peers.endpoint.recv(other);
        other.reply(0, &[9], &[]);
        t.settle()?;
        peers.reply.reply(0, &[8], &[]);
        t.settle()?;
        log_is(&[9, 8])
    }),
    test("REPLY0006", "a copy of a reply capability answers as well", |t| {
        let peers = t.peers()?;
        let copy = t.copy(peers.reply, CapRights::ALL)?;
        t.spawn(Options::default(), peer::call, 3)?;
        peers.endpoint.recv(peers.reply);
        copy.reply(0, &[8], &[]);
        t.settle()?;
        log_is(&[8])
    }),
    test("REPLY0007", "a caller whose reply object is deleted stops", |t| {
        let peers = t.peers()?;
        let caller = t.spawn(Options::default(), peer::call, 3)?;
        peers.endpoint.recv(peers.reply);
        at(peers.reply).delete()?;
        t.settle()?;
        check(!caller.is_done(), "the caller does not run")?;
        // Resumed, it calls again.
        caller.tcb.resume()?;
        equal(peers.endpoint.wait().label(), 3)
    }),
    test("REPLY0008", "a receiver whose reply object is deleted stops", |t| {
        let peers = t.peers()?;
        let receiver = t.spawn(Options::default(), peer::receive, 0)?;
        t.settle()?;
        at(peers.reply).delete()?;
        peers.endpoint.nb_send(5, &[], &[]);
        t.settle()?;
        check(!receiver.is_done(), "the receiver does not run")
    }),
    test("REPLY0009", "a suspended caller is not answered and calls again", |t| {
        let peers = t.peers()?;
        let caller = t.spawn(Options::default(), peer::call, 3)?;
        peers.endpoint.recv(peers.reply);
        caller.tcb.suspend()?;
        peers.reply.reply(0, &[8], &[]);
        caller.tcb.resume()?;
        equal(peers.endpoint.recv(peers.reply).label(), 3)?;
        peers.reply.reply(0, &[9], &[]);
        t.settle()?;
        log_is(&[9])
    }),
    test("REPLY0010", "time travels through a chain of passive servers and back", |t| {
        let first = relays(t, 4)?;
        for start in [100, 200] {
            let answer = first.call(0, &[start], &[]);
            equal((answer.label(), answer.word(0)), (ECHO, start + 1 + 2 + 3 + 4))?;
        }
        Ok(())
    }),
    test("REPLY0011", "a passive server does not run on a plain send", |t| {
        let (peers, _) = t.passive_echo_server()?;
        peers.endpoint.send(1, &[], &[]);
        t.settle()?;
        equal(shared(8).load(Relaxed), 0)
    }),
    test("REPLY0012", "a held call keeps the caller's time until it is answered", |t| {
        let held = held(t)?;
        held.go.signal();
        t.settle()?;
        // The server runs until it answers; its time goes back with the answer, and it stands behind that call.
        log_is(&[50, 60])?;
        check(held.caller.is_done(), "the caller goes on")?;
        check(!held.server.is_done(), "the server has no time any more")
    }),
    test("REPLY0013", "deleting the reply object gives the time back before the caller stops", |t| {
        let held = held(t)?;
        at(held.peers.reply).delete()?;
        held.go.signal();
        t.settle()?;
        log_is(&[])?;
        held.caller.tcb.resume()?;
        // It calls again: a sender without a receiver.
        t.settle()?;
        equal(held.peers.endpoint.nb_wait().label(), 3)
    }),
    test("REPLY0014", "suspending the caller leaves its time with the server", |t| {
        let held = held(t)?;
        held.caller.tcb.suspend()?;
        held.go.signal();
        t.settle()?;
        log_is(&[50, 51])?;
        check(held.server.is_done(), "the server has ended on the caller's time")
    }),
    test("REPLY0015", "deleting the server and the reply object gives the time back", |t| {
        let held = held(t)?;
        at(held.server.tcb).delete()?;
        at(held.peers.reply).delete()?;
        // The caller has its time: it can call again.
        held.caller.tcb.resume()?;
        t.settle()?;
        equal(held.peers.endpoint.nb_wait().label(), 3)
    }),
    test("REPLY0016", "anybody who has the reply object can answer a held call", |t| {
        let held = held(t)?;
        held.peers.reply.reply(0, &[70], &[]);
        t.settle()?;
        log_is(&[70])?;
        check(held.caller.is_done(), "the caller goes on with its time")?;
        held.go.signal();
        t.settle()?;
        check(!held.server.is_done(), "the server has none")
    }),
    test("REPLY0017", "reply and receive in one call serves the next caller", |t| {
        let peers = t.peers()?;
        t.spawn(Options::at_priority(20), peer::call, 3)?;
        t.spawn(Options::at_priority(10), peer::call, 4)?;
        t.settle()?;
        equal(peers.endpoint.recv(peers.reply).label(), 3)?;
        equal(peers.endpoint.reply_recv(peers.reply, 0, &[13], &[]).label(), 4)?;
        peers.reply.reply(0, &[14], &[]);
        t.settle()?;
        log_is(&[13, 14])
    }),
    test("REPLY0018", "a server that gets time of its own keeps it when it answers", |t| {
        let (peers, server) = t.passive_echo_server()?;
        peers.endpoint.call(1, &[1], &[]);
        server.sched_context.bind(server.tcb)?;
        let answer = peers.endpoint.call(1, &[2], &[]);
        equal((answer.label(), answer.word(0)), (ECHO, 2))
    }),
];
