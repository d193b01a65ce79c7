//! Messages through endpoints: delivery, queues, lengths, blocking (abi.md 2.8, 9.3, A.5).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, MessageInfo, Word};
use libsel::bootinfo::initial;
use libsel::cap::Page;
use libsel::{Cap, Error, sys};

use super::fixture::{at, log_is, shared};
use super::harness::{Test, check, equal, fails, test};
use super::peer::{self, ECHO, seen_info};
use super::thread::Options;

/// Endpoints.
pub const TESTS: &[Test] = &[
    test("EP0001", "a message arrives with badge, label and words", |t| {
        let peers = t.peers()?;
        let badged = t.mint(peers.endpoint, CapRights::ALL, 0xabcd_ef01_2345_6789)?;
        let receiver = t.spawn(Options::default(), peer::receive, 0)?;
        badged.send(0x1234, &[1, 2, 3, 4], &[]);
        receiver.join();
        let words = [2, 4, 5, 6, 7].map(|index| shared(index).load(Relaxed));
        equal(words, [0xabcd_ef01_2345_6789, 1, 2, 3, 4])?;
        equal((seen_info().label(), seen_info().length()), (0x1234, 4))
    }),
    test("EP0002", "a server with its own time answers a call", |t| {
        let (peers, _) = t.echo_server()?;
        let answer = peers.endpoint.call(1, &[5, 6], &[]);
        equal((answer.badge, answer.label(), answer.length()), (0, ECHO, 2))?;
        equal((answer.word(0), answer.word(1)), (5, 6))
    }),
    test("EP0003", "a passive server answers a call on the caller's time", |t| {
        let (peers, _) = t.passive_echo_server()?;
        for round in 0..3 {
            let answer = peers.endpoint.call(1, &[round], &[]);
            equal((answer.label(), answer.length(), answer.word(0)), (ECHO, 1, round))?;
        }
        equal(shared(8).load(Relaxed), 3)
    }),
    test("EP0004", "120 words travel both ways", |t| {
        let (peers, _) = t.passive_echo_server()?;
        let mut words = [0; 120];
        for (index, word) in words.iter_mut().enumerate() {
            *word = index as Word * 3 + 1;
        }
        let answer = peers.endpoint.call(1, &words, &[]);
        let mut seen = [0; 120];
        equal(answer.copy_words(&mut seen).len(), 120)?;
        check(seen == words, "the words that were sent")
    }),
    test("EP0005", "a length above 120 counts as 120", |t| {
        let peers = t.peers()?;
        let receiver = t.spawn(Options::default(), peer::receive, 0)?;
        sys::send(peers.endpoint.cptr(), MessageInfo(127), [0; 4]);
        receiver.join();
        equal(shared(3).load(Relaxed) & 127, 120)
    }),
    test("EP0006", "a receiver without buffer gets four words", |t| {
        let peers = t.peers()?;
        let receiver = t.prepare(Options::default(), peer::receive, 0)?;
        receiver.tcb.set_ipc_buffer(0, Cap::<Page>::NULL)?;
        receiver.tcb.resume()?;
        peers.endpoint.send(0, &[9; 20], &[]);
        receiver.join();
        equal((seen_info().length(), shared(7).load(Relaxed)), (4, 9))
    }),
    test("EP0007", "a sender without buffer sends four words", |t| {
        extern "C" fn send_long(endpoint: Word) {
            sys::send(endpoint, MessageInfo::new(3, 0, 0, 50), [1, 2, 3, 4]);
        }
        let peers = t.peers()?;
        let sender = t.prepare(Options::default(), send_long, peers.endpoint.cptr())?;
        sender.tcb.set_ipc_buffer(0, Cap::<Page>::NULL)?;
        sender.tcb.resume()?;
        let message = peers.endpoint.recv(peers.reply);
        equal((message.label(), message.length(), message.mrs), (3, 4, [1, 2, 3, 4]))
    }),
    test("EP0008", "a non-blocking send without receiver is dropped", |t| {
        let peers = t.peers()?;
        peers.endpoint.nb_send(5, &[1], &[]);
        equal(peers.endpoint.nb_recv(peers.reply).label(), 0)?;
        let receiver = t.spawn(Options::default(), peer::receive, 0)?;
        t.settle()?;
        peers.endpoint.nb_send(5, &[1], &[]);
        receiver.join();
        equal(seen_info().label(), 5)
    }),
    test("EP0009", "senders are served by priority", |t| {
        let peers = t.peers()?;
        for priority in [10, 30, 20] {
            t.spawn(Options::at_priority(priority), peer::send, priority)?;
        }
        t.settle()?;
        let served = [(); 3].map(|()| peers.endpoint.wait().label());
        equal(served, [30, 20, 10])
    }),
    test("EP0010", "senders of equal priority are served in the order in which they came", |t| {
        let peers = t.peers()?;
        for number in 1..=3 {
            t.spawn(Options::default(), peer::send, number)?;
            t.settle()?;
        }
        let served = [(); 3].map(|()| peers.endpoint.wait().label());
        equal(served, [1, 2, 3])
    }),
    test("EP0011", "a new priority moves a waiting sender", |t| {
        let peers = t.peers()?;
        let low = t.spawn(Options::at_priority(10), peer::send, 10)?;
        t.spawn(Options::at_priority(20), peer::send, 20)?;
        t.settle()?;
        low.tcb.set_priority(initial::TCB, 30)?;
        let served = [(); 2].map(|()| peers.endpoint.wait().label());
        equal(served, [10, 20])
    }),
    test("EP0012", "the receiver of the highest priority gets the message", |t| {
        let peers = t.peers()?;
        for priority in [10, 30, 20] {
            t.spawn(Options::at_priority(priority), peer::wait, priority)?;
        }
        t.settle()?;
        (0..3).for_each(|_| peers.endpoint.send(0, &[], &[]));
        t.settle()?;
        log_is(&[30, 20, 10])
    }),
    test("EP0013", "a suspended sender is out of the queue and sends again when resumed", |t| {
        let peers = t.peers()?;
        let sender = t.spawn(Options::default(), peer::send, 4)?;
        t.settle()?;
        sender.tcb.suspend()?;
        equal(peers.endpoint.nb_wait().label(), 0)?;
        sender.tcb.resume()?;
        t.settle()?;
        equal(peers.endpoint.nb_wait().label(), 4)
    }),
    test("EP0014", "a sender whose endpoint is deleted goes on", |t| {
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::send, 4)?;
        t.settle()?;
        log_is(&[])?;
        // The sender finds an empty slot when it sends again: not a fault.
        at(peers.endpoint).delete()?;
        t.settle()?;
        log_is(&[4])
    }),
    test("EP0015", "only the senders with the badge are cancelled", |t| {
        let endpoint = t.endpoint()?;
        let one = t.mint(endpoint, CapRights::ALL, 1)?;
        let two = t.mint(endpoint, CapRights::ALL, 2)?;
        let first = t.spawn(Options::default(), peer::send_through, one.cptr())?;
        let second = t.spawn(Options::default(), peer::send_through, two.cptr())?;
        t.settle()?;
        // The one who is restarted finds its slot empty. The badge is cancelled through another capability.
        let place = t.place();
        place.copy(at(one), CapRights::ALL)?;
        at(one).delete()?;
        place.cancel_badged_sends()?;
        t.settle()?;
        check(first.is_done() && !second.is_done(), "the sender with badge 1 goes on, the other waits")?;
        equal(endpoint.wait().badge, 2)
    }),
    test("EP0016", "a send without Write is ignored", |t| {
        let endpoint = t.endpoint()?;
        let read_only = t.copy(endpoint, CapRights::READ)?;
        t.spawn(Options::default(), peer::send_through, read_only.cptr())?.join();
        equal(endpoint.nb_wait().badge, 0)
    }),
    test("EP0017", "a caller without Grant and GrantReply stops for good", |t| {
        let peers = t.peers()?;
        let less = t.copy(peers.endpoint, CapRights::READ_WRITE)?;
        shared(0).store(less.cptr(), Relaxed);
        t.spawn(Options::default(), peer::call, 3)?;
        t.settle()?;
        let message = peers.endpoint.recv(peers.reply);
        equal((message.badge, message.label(), message.word(0)), (0, 3, 3))?;
        peers.reply.reply(0, &[1], &[]);
        t.settle()?;
        log_is(&[])
    }),
    test("EP0018", "GrantReply suffices for an answer", |t| {
        let peers = t.peers()?;
        let less = t.copy(peers.endpoint, CapRights::WRITE | CapRights::GRANT_REPLY)?;
        shared(0).store(less.cptr(), Relaxed);
        t.spawn(Options::default(), peer::call, 3)?;
        peers.endpoint.recv(peers.reply);
        peers.reply.reply(0, &[8], &[]);
        t.settle()?;
        log_is(&[8])
    }),
    test("EP0019", "a caller received without a reply object stops for good", |t| {
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::call, 3)?;
        equal(peers.endpoint.wait().label(), 3)?;
        peers.reply.reply(0, &[1], &[]);
        t.settle()?;
        log_is(&[])
    }),
    test("EP0020", "send and receive in one call", |t| {
        let peers = t.peers()?;
        let other = t.endpoint()?;
        t.spawn(Options::at_priority(120), peer::wait, 1)?;
        t.settle()?;
        shared(0).store(other.cptr(), Relaxed);
        t.spawn(Options::at_priority(110), peer::send, 6)?;
        t.settle()?;
        let message = other.nb_send_recv(peers.endpoint.cptr(), 5, &[1], &[], peers.reply);
        equal(message.label(), 6)?;
        t.settle()?;
        equal(seen_info().label(), 5)
    }),
    test("EP0021", "a first phase that fails does not keep the second from happening", |t| {
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::send, 6)?;
        t.settle()?;
        let info = MessageInfo::new(0, 0, 0, 0);
        let seen = sys::nb_send_wait(t.slot(), info, [0; 4], peers.endpoint.cptr());
        equal(seen.info.label(), 6)?;
        // A TCB cannot be invoked in a first phase; a pointer that leads nowhere is ignored.
        t.spawn(Options::default(), peer::send, 7)?;
        t.settle()?;
        let seen = sys::nb_send_wait(0x12_3450, info, [0; 4], peers.endpoint.cptr());
        equal(seen.info.label(), 7)
    }),
    test("EP0022", "an invocation by send has no answer, and its errors are lost", |t| {
        let cptr = t.untyped.cptr();
        sys::send(cptr, MessageInfo::new(2, 0, 0, 0), [1, 2, 3, 4]);
        let tcb = t.tcb()?;
        sys::send(tcb.cptr(), MessageInfo::new(16, 0, 0, 1), [0x5000, 0, 0, 0]);
        equal(tcb.read_registers(false, 20)?.get(libsel::abi::Register::FsBase), 0x5000)
    }),
    test("EP0023", "an acknowledgement may be the first phase", |t| {
        let place = t.place();
        initial::IRQ_CONTROL.get_io_apic(place, 0, 23, 0, 0, 95)?;
        let peers = t.peers()?;
        t.spawn(Options::default(), peer::send, 6)?;
        t.settle()?;
        let ack = MessageInfo::new(libsel::abi::Label::IrqAckIrq.raw(), 0, 0, 0);
        equal(sys::nb_send_wait(place.index, ack, [0; 4], peers.endpoint.cptr()).info.label(), 6)
    }),
    test("EP0024", "a call without Write is an invalid capability", |t| {
        let endpoint = t.endpoint()?;
        let less = t.copy(endpoint, CapRights::READ | CapRights::GRANT)?;
        fails(less.call(1, &[], &[]).result(), Error::InvalidCapability(0))
    }),
];
