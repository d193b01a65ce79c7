//! The fast paths are taken where they should be, and leave exactly the state that the general path leaves.
use sel_abi::bootinfo::slot;
use sel_abi::{CapRights, Label};

use super::both_ways::Taken;
use super::machine::{Machine, Msg, TICKS_PER_US, msg};
use super::objects::ROOT;
use crate::arch;
use crate::object::tcb::ThreadState;
use crate::state::Config;

/// The root task as the client of a passive server: endpoint, badged capability with these rights, reply object.
fn pair(rights: CapRights) -> (Machine, u64, u64, u64) {
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    m.passive_server(200, endpoint, reply);
    // The host port cannot idle.
    m.started(1);
    let cap = m.mint(endpoint, rights, 0x77);
    m.root_priority(150);
    (m, endpoint, cap, reply)
}

#[test]
fn a_call_and_its_answer_take_the_fast_path() {
    for words in 0..=4 {
        let (mut m, endpoint, cap, reply) = pair(CapRights::WRITE | CapRights::GRANT_REPLY);
        m.compared = Some(Taken::default());
        let message = [1, 2, 3, 4];
        m.call_ipc(cap, msg(9, &message[..words]));
        let got = m.reply_of(m.current());
        assert_eq!((got.badge, got.label, &got.words[..]), (0x77, 9, &message[..words]));
        m.reply_recv(endpoint, reply, msg(5, &message[..4 - words]));
        assert_eq!(m.current(), m.root);
        assert_eq!(m.reply_of(m.root).words, message[..4 - words]);
        let taken = m.compared.unwrap();
        assert_eq!((taken.calls, taken.replies, taken.refused), (1, 1, 0));
    }
}

#[test]
fn what_is_unusual_takes_the_slow_path() {
    // A capability, no right to an answer, a server with time of its own, a higher thread that is ready.
    let cases: [fn(&mut Machine, u64); 2] = [
        |m, cap| m.call_ipc(cap, Msg { label: 0, words: &[], caps: &[ROOT] }),
        |m, cap| {
            let without = m.copy_with(cap, CapRights::WRITE);
            m.compared = Some(Taken::default());
            m.call_ipc(without, msg(0, &[]));
        },
    ];
    for case in cases {
        let (mut m, _, cap, _) = pair(CapRights::ALL);
        m.compared = Some(Taken::default());
        case(&mut m, cap);
        let taken = m.compared.unwrap();
        assert_eq!((taken.calls, taken.refused), (0, 1));
    }
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let server = m.server(200, endpoint, reply);
    m.compared = Some(Taken::default());
    m.call_ipc(endpoint, msg(0, &[]));
    assert_eq!(m.compared.unwrap().refused, 1);
    assert_eq!(m.current(), server.tcb);
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(100, endpoint, reply);
    m.started(120);
    m.compared = Some(Taken::default());
    m.call_ipc(endpoint, msg(0, &[]));
    assert_eq!(m.compared.unwrap().refused, 1);
    assert_eq!(server.tcb.state.get(), ThreadState::Running);
    assert_ne!(m.current(), server.tcb);
}

/// Calls through servers that call servers, and back.
#[test]
fn stacks_of_calls_are_the_same_both_ways() {
    let mut m = Machine::new();
    let levels: Vec<(u64, u64)> = (0..5).map(|_| (m.endpoint(), m.reply())).collect();
    for (level, (endpoint, reply)) in (200..).zip(&levels) {
        m.passive_server(level, *endpoint, *reply);
    }
    m.ok(ROOT, Label::CNodeRevoke, &[levels[0].1, 64], &[]);
    m.root_priority(150);
    m.compared = Some(Taken::default());
    for (endpoint, _) in &levels {
        m.call_ipc(*endpoint, msg(1, &[2]));
    }
    for (endpoint, reply) in levels.iter().rev() {
        m.reply_recv(*endpoint, *reply, msg(3, &[4]));
    }
    assert_eq!(m.current(), m.root);
    let taken = m.compared.unwrap();
    assert_eq!((taken.calls, taken.replies, taken.refused), (5, 5, 0));
}

/// Several servers wait at one endpoint: the first in the queue takes the call, and waits behind the others again.
#[test]
fn an_endpoint_with_several_servers_is_served_fast_too() {
    let mut m = Machine::new();
    let endpoint = m.endpoint();
    let replies = [m.reply(), m.reply(), m.reply()];
    let servers = replies.map(|reply| (m.passive_server(200, endpoint, reply), reply));
    m.compared = Some(Taken::default());
    for (server, reply) in &servers {
        m.call_ipc(endpoint, msg(1, &[2]));
        assert_eq!(m.current(), server.tcb);
        m.reply_recv(endpoint, *reply, msg(3, &[4]));
        assert_eq!(m.current(), m.root);
    }
    let taken = m.compared.unwrap();
    assert_eq!((taken.calls, taken.replies, taken.refused), (3, 3, 0));
}

/// A message in buffers.
#[test]
fn long_messages_are_carried_fast_too() {
    let (mut m, endpoint, cap, reply) = pair(CapRights::ALL);
    m.compared = Some(Taken::default());
    let message: Vec<u64> = (0..20).collect();
    m.call_ipc(cap, msg(9, &message));
    assert_eq!(m.reply_of(m.current()).words, message);
    m.reply_recv(endpoint, reply, msg(5, &message[..7]));
    assert_eq!(m.reply_of(m.root).words, message[..7]);
    let taken = m.compared.unwrap();
    assert_eq!((taken.calls, taken.replies, taken.refused), (1, 1, 0));
}

#[test]
fn signals_waits_and_yields_are_the_same_both_ways() {
    let mut m = Machine::new();
    let ntfn = m.notification();
    m.root_priority(100);
    m.started(100);
    m.compared = Some(Taken::default());
    // Nobody waits; the signal is taken; there is none; another one of the same priority runs.
    m.signal(ntfn);
    m.wait(ntfn);
    m.poll(ntfn);
    m.yield_now();
    assert_ne!(m.current(), m.root);
    m.yield_now();
    assert_eq!(m.current(), m.root);
    // The root task waits, the other thread wakes it: it has the same priority, and comes when that one yields.
    m.wait(ntfn);
    m.signal(ntfn);
    assert_ne!(m.current(), m.root);
    m.yield_now();
    assert_eq!(m.current(), m.root);
    let taken = m.compared.unwrap();
    assert_eq!((taken.signals, taken.waits, taken.yields, taken.refused), (2, 3, 3, 0));
}

#[test]
fn a_woken_thread_runs_as_its_priority_says_both_ways() {
    for priority in [99, 100, 101] {
        let mut m = Machine::new();
        let (ntfn, endpoint, reply) = (m.notification(), m.endpoint(), m.reply());
        let server = m.server(priority, endpoint, reply);
        m.root_priority(100);
        m.compared = Some(Taken::default());
        m.send(endpoint, msg(3, &[1, 2]));
        let runs = m.current() == server.tcb;
        assert_eq!(runs, priority > 100);
        if runs {
            m.wait(ntfn);
            assert_eq!(m.current(), m.root);
            m.signal(ntfn);
            assert_eq!(m.current(), server.tcb);
        }
        let taken = m.compared.unwrap();
        assert_eq!((taken.sends, taken.refused), (1, 0));
        assert_eq!((taken.waits, taken.signals), if runs { (1, 1) } else { (0, 0) });
    }
}

/// The usual configuration: with one domain the kernel knows in advance how long nothing happens.
fn with_one_domain() -> Machine {
    let root_cnode_bits = if cfg!(miri) { 9 } else { Config::default().root_cnode_bits };
    Machine::with_config(Config { root_cnode_bits, ..Config::default() })
}

/// The one who yields comes behind the others of its priority, in whatever number they are; nobody else is as important
/// once, and lower ones do not matter.
#[test]
fn threads_of_one_priority_take_turns_both_ways() {
    for peers in 0..4 {
        let mut m = with_one_domain();
        m.started(50);
        let mut turns: Vec<_> = (0..peers).map(|_| m.started(100).tcb).collect();
        turns.push(m.root);
        m.root_priority(100);
        m.compared = Some(Taken::default());
        let first = m.current();
        m.yield_now();
        let mut seen = vec![first];
        while m.current() != first {
            seen.push(m.current());
            arch::advance(100 * TICKS_PER_US);
            m.yield_now();
        }
        assert_eq!(seen.len(), turns.len(), "everybody has a turn");
        assert!(turns.iter().all(|thread| seen.contains(thread)));
        let taken = m.compared.unwrap();
        assert_eq!((taken.yields, taken.refused), (turns.len(), 0));
    }
}

/// What a thread used is charged when it leaves, whether it yields, waits, is preempted, or has refills to keep.
#[test]
fn time_is_charged_the_same_both_ways() {
    for period_us in [1_000, 10_000] {
        let mut m = with_one_domain();
        let (ntfn, handler) = (m.notification(), m.free_slot());
        let words = [handler, 64, 0, 5, 1, 0, 9];
        m.ok(slot::IRQ_CONTROL, Label::X86IrqIssueIrqHandlerIoApic, &words, &[ROOT]);
        m.ok(handler, Label::IrqSetIrqHandler, &[], &[ntfn]);
        let (driver, worker) = (m.thread(200), m.thread(100));
        for thread in [&driver, &worker] {
            m.configure_context(thread.context, 1_000, period_us);
            m.ok(thread.cap, Label::TcbResume, &[], &[]);
        }
        m.root_priority(50);
        assert_eq!(m.current(), driver.tcb);
        m.compared = Some(Taken::default());
        for round in 0..4 {
            arch::advance(10 * TICKS_PER_US);
            m.wait(ntfn);
            assert_ne!(m.current(), driver.tcb, "it waits");
            arch::advance((20 + round) * TICKS_PER_US);
            m.interrupt(0x30 + 9);
            assert_eq!(m.current(), driver.tcb, "it was woken");
        }
        let taken = m.compared.unwrap();
        assert_eq!((taken.waits, taken.interrupts, taken.refused), (4, 4, 0));
    }
}

#[test]
fn a_fault_and_its_answer_are_the_same_both_ways() {
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let handler = m.passive_server(200, endpoint, reply);
    let faulter = m.thread(150);
    m.ok(faulter.cap, Label::TcbSetSpace, &[0, 0], &[endpoint, ROOT, super::objects::VSPACE]);
    m.ok(faulter.cap, Label::TcbResume, &[], &[]);
    m.root_priority(1);
    assert_eq!(m.current(), faulter.tcb);
    m.compared = Some(Taken::default());
    m.exception(0x40_0000, 6, 0, 0);
    assert_eq!(m.current(), handler.tcb);
    m.reply_recv(endpoint, reply, msg(0, &[0x40_0002]));
    assert_eq!(m.current(), faulter.tcb);
    assert_eq!(
        (faulter.tcb.state.get(), faulter.tcb.context.restart_ip()),
        (ThreadState::Running, 0x40_0002)
    );
    let taken = m.compared.unwrap();
    assert_eq!((taken.faults, taken.replies, taken.refused), (1, 1, 0));
}
