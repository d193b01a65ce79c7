//! Threads of several domains that work together, and what a turn's end does to work in progress (abi.md 9.8).

use core::sync::atomic::Ordering::Relaxed;

use libsel::Cap;
use libsel::abi::{CapRights, Word};
use libsel::bootinfo::initial;
use libsel::cap::{IoPort, IrqHandler, Tcb};

use super::domain_schedule::{
    SLACK_US, log_argument, spawn_in, start, too_few, visit, wait_and_log, with_schedule,
};
use super::fixture::{at, log_is, shared};
use super::harness::{Test, check, equal, test, within};
use super::peer;
use super::spans::{self, record, watch_clock, watch_for};
use super::thread::Options;

/// Domains at work.
pub const TESTS: &[Test] = &[
    test("DOMWORK0001", "a call into another domain is answered in that domain's turn", |t| {
        if too_few(t) {
            return Ok(());
        }
        let (peers, server) = t.echo_server()?;
        initial::DOMAIN.set(1, server.tcb)?;
        let caller = t.spawn(Options::default(), peer::call, 9)?;
        t.settle()?;
        log_is(&[])?;
        visit(t, 1, 200)?;
        // The answer woke the caller in the wrong turn; it runs now.
        caller.join();
        log_is(&[9])?;
        equal(peers.endpoint.nb_recv(peers.reply).badge, 0)
    }),
    test("DOMWORK0002", "donated time is used in the turn of the server's domain", |t| {
        if too_few(t) {
            return Ok(());
        }
        let (_, server) = t.passive_echo_server()?;
        initial::DOMAIN.set(1, server.tcb)?;
        let caller = t.spawn(Options::default(), peer::call, 9)?;
        t.settle()?;
        equal(shared(8).load(Relaxed), 0)?;
        visit(t, 1, 200)?;
        equal(shared(8).load(Relaxed), 1)?;
        caller.join();
        log_is(&[9])
    }),
    test("DOMWORK0003", "another domain's turn is not charged to a thread", |t| {
        if too_few(t) {
            return Ok(());
        }
        spans::reset(t.machine.ticks_per_us);
        t.keep_busy(1)?;
        let thread = t.spawn(Options::default(), watch_clock, watch_for(0, 1500))?;
        with_schedule(t, &[(0, 400), (1, 800), (0, u64::MAX)], |_| {
            start(1)?;
            thread.join();
            Ok(())
        })?;
        t.settle()?;
        within(thread.sched_context.consumed()?, 650..=750, "microseconds consumed of 1500")
    }),
    test("DOMWORK0004", "a turn of one tick is over at once", |t| {
        if too_few(t) {
            return Ok(());
        }
        spawn_in(t, 1, Options::default(), log_argument, 1)?;
        with_schedule(t, &[(0, 200), (2, 100)], |t| {
            initial::DOMAIN.schedule_configure(2, 1, 1)?;
            start(1)?;
            t.sleep_us(1000)
                .map_err(Into::into)
                .and_then(|()| check(shared(31).load(Relaxed) <= 1, "at most one entry"))
        })
    }),
    test("DOMWORK0005", "a turn that begins lets nobody of the old domain finish", |t| {
        if too_few(t) {
            return Ok(());
        }
        spans::reset(t.machine.ticks_per_us);
        let high = t.spawn(Options::at_priority(200), watch_clock, watch_for(0, 700))?;
        spawn_in(t, 1, Options::at_priority(3), watch_clock, watch_for(1, 200))?;
        with_schedule(t, &[(0, 300), (1, 300), (0, u64::MAX)], |_| {
            start(1)?;
            high.join();
            Ok(())
        })?;
        let (first, low) = (record(0).span(0), record(1).span(0));
        check(first.end < low.start && low.end < record(0).span(1).start, "the low one runs in between")
    }),
    test(
        "DOMWORK0006",
        "threads that are suspended or deleted in another domain are gone from its queue",
        |t| {
            if too_few(t) {
                return Ok(());
            }
            let stopped = spawn_in(t, 1, Options::at_priority(10), log_argument, 1)?;
            let gone = spawn_in(t, 1, Options::at_priority(20), log_argument, 2)?;
            spawn_in(t, 1, Options::at_priority(5), log_argument, 3)?;
            stopped.tcb.suspend()?;
            at::<Tcb>(gone.tcb).delete()?;
            visit(t, 1, 200)?;
            log_is(&[3])?;
            stopped.tcb.resume()?;
            stopped.tcb.set_priority(initial::TCB, 40)?;
            visit(t, 1, 200)?;
            log_is(&[3, 1])
        },
    ),
    test("DOMWORK0007", "a copy of the domain capability moves threads as well", |t| {
        if too_few(t) {
            return Ok(());
        }
        let copy = t.copy(initial::DOMAIN, CapRights::empty())?;
        let thread = t.spawn(Options::default(), log_argument, 1)?;
        copy.set(1, thread.tcb)?;
        t.settle()?;
        log_is(&[])?;
        copy.set(0, thread.tcb)?;
        t.settle()?;
        log_is(&[1])
    }),
    test("DOMWORK0008", "a thread whose turn ended in the middle of its work can be deleted", |t| {
        if too_few(t) {
            return Ok(());
        }
        spans::reset(t.machine.ticks_per_us);
        let spinner = spawn_in(t, 2, Options::default(), watch_clock, watch_for(0, 5000))?;
        visit(t, 2, 200)?;
        at::<Tcb>(spinner.tcb).delete()?;
        at(spinner.sched_context).delete()?;
        visit(t, 2, 200)?;
        equal(record(0).len(), 0)
    }),
    test("DOMWORK0009", "a turn ends in the middle of a long operation, which goes on in the next", |t| {
        extern "C" fn revoke(slot: Word) {
            let result = initial::CNODE.at(slot).revoke();
            shared(3).store(1 + u64::from(result.is_err()), Relaxed);
        }
        if too_few(t) {
            return Ok(());
        }
        let (node, endpoint) = (t.cnode(11)?, t.endpoint()?);
        for index in 0..1 << 11 {
            node.slot(index, 11).copy(at(endpoint), CapRights::ALL)?;
        }
        spans::reset(t.machine.ticks_per_us);
        let worker = t.prepare(Options::default(), revoke, endpoint.cptr())?;
        spawn_in(t, 1, Options::default(), watch_clock, watch_for(0, 500))?;
        with_schedule(t, &[(0, 100), (1, 150)], |t| {
            worker.tcb.resume()?;
            start(1)?;
            worker.join();
            equal(shared(3).load(Relaxed), 1)?;
            record(0).has(2)?;
            // The first turn began while the operation was under way, and lasted.
            let turn = record(0).span(0).us(t.machine.ticks_per_us);
            within(turn, 150 - SLACK_US..=150 + SLACK_US, "microseconds of a turn")
        })
    }),
    test("DOMWORK0010", "an interrupt in another domain's turn wakes its thread in the own turn", |t| {
        if too_few(t) {
            return Ok(());
        }
        // A device that interrupts after a millisecond: channel 0 of the PIT (see the tests of interrupts).
        let (port, irq) = (t.place(), t.place());
        initial::IO_PORT_CONTROL.issue(0x40, 0x43, port)?;
        initial::IRQ_CONTROL.get_io_apic(irq, 0, 2, 0, 0, 80)?;
        let (port, irq) = (Cap::<IoPort>::new(port.index), Cap::<IrqHandler>::new(irq.index));
        let notification = t.notification()?;
        irq.set_notification(notification)?;
        shared(0).store(notification.cptr(), Relaxed);
        t.spawn(Options::at_priority(200), wait_and_log, 5)?;
        t.settle()?;
        port.out8(0x43, 0x30)?;
        port.out8(0x40, 0xa9)?;
        port.out8(0x40, 0x04)?;
        t.keep_busy(1)?;
        visit(t, 1, 3000)?;
        log_is(&[])?;
        t.settle()?;
        log_is(&[5])
    }),
];
