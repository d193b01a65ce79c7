//! Interrupts, ports, FPU and timer.
use sel_abi::Label;
use sel_abi::bootinfo::slot;

use super::{Scene, complaints, no_thread};
use crate::arch;
use crate::cap::{Cap, derivation, derive};
use crate::tests::objects::ROOT;

complaints! {
    a_handler_of_no_interrupt: "interrupt 5: issued if a capability exists", |s| {
        let to = s.m.free_slot();
        derivation::insert(s.slot(to), Cap::IrqHandler { irq: 5 }, s.slot(slot::IRQ_CONTROL), true);
    };
    an_interrupt_without_a_handler: "interrupt 6: issued if a capability exists", |s| {
        let handler = issue(s, 6);
        derivation::remove(s.slot(handler));
    };
    a_notification_of_no_interrupt: "a handler of interrupt 7, which was not issued", |s| {
        let to = s.m.k.irqs.handler_slots().nth(7).expect("a slot");
        derive::insert_derived(to, s.m.cap(s.free_notification), s.slot(s.free_notification));
    };
    a_handler_without_a_notification: "a handler that cannot be signalled", |s| {
        issue(s, 7);
        let to = s.m.k.irqs.handler_slots().nth(7).expect("a slot");
        derive::insert_derived(to, s.m.cap(s.free_endpoint), s.slot(s.free_endpoint));
    };
    a_port_of_nobody: "ports are taken if and only if a capability has them", |s| {
        assert!(s.m.k.io_ports.take(0x60, 0x64));
    };
    a_port_that_is_free: "ports are taken if and only if a capability has them", |s| {
        let to = s.m.free_slot();
        s.m.ok(slot::IO_PORT_CONTROL, Label::X86IoPortControlIssue, &[0x60, 0x64, to, 64], &[ROOT]);
        s.m.k.io_ports.release(0x64, 0x64);
    };
    a_port_of_two: "port 0x64 is in two ranges", |s| {
        let to = s.m.free_slots(2);
        s.m.ok(slot::IO_PORT_CONTROL, Label::X86IoPortControlIssue, &[0x60, 0x64, to, 64], &[ROOT]);
        let again = Cap::IoPort { first: 0x64, last: 0x65 };
        derivation::insert(s.slot(to + 1), again, s.slot(slot::IO_PORT_CONTROL), true);
    };
    fpu_registers_of_nobody: "the FPU registers of a thread that is gone", |s| {
        s.m.k.fpu_owner = Some(no_thread(s));
    };
    fpu_registers_of_another: "a thread runs with the FPU registers of another", |s| {
        s.m.k.fpu_owner = Some(s.idle.tcb);
    };
    fpu_registers_that_may_not_be_used: "of a thread that may not use them", |s| {
        s.m.root.flags.set(sel_abi::TCB_FLAG_FPU_DISABLED);
    };
    a_budget_that_comes_unseen: "a thread has its budget unseen", |s| {
        s.m.k.config.domains = 1;
        s.m.k.quiet_until = u64::MAX;
    };
    a_budget_that_ends_unseen: "the budget ends unseen", |s| {
        s.m.k.config.domains = 1;
        s.m.k.sched.release.remove(s.late.tcb);
        s.late.tcb.queued.set(crate::object::tcb::Queued::No);
        s.late.tcb.state.set(crate::object::tcb::ThreadState::Inactive);
        s.m.k.quiet_until = u64::MAX;
    };
    a_turn_that_ends_unseen: "a domain's turn may end at a time that nobody looks at", |s| {
        s.m.k.quiet_until = u64::MAX;
    };
    a_timer_after_the_budget: "the timer fires after a thread has its budget", |_| arch::set_timer(0, u64::MAX);
    a_timer_after_the_slice: "the timer fires after the slice ends", |s| {
        let context = s.m.k.current_context.expect("who pays");
        let first = s.m.k.sched.release.first().and_then(|thread| thread.sched_context.get());
        s.m.k.sched.release.remove(s.late.tcb);
        s.late.tcb.queued.set(crate::object::tcb::Queued::No);
        s.late.tcb.state.set(crate::object::tcb::ThreadState::Inactive);
        assert!(first.is_some());
        arch::set_timer(s.m.k.now, context.refills().head().amount + 10);
    };
}

fn issue(s: &mut Scene, irq: u64) -> u64 {
    let to = s.m.free_slot();
    let words = [to, 64, 0, 0, 0, 0, irq];
    s.m.ok(slot::IRQ_CONTROL, Label::X86IrqIssueIrqHandlerMsi, &words, &[ROOT]);
    to
}
