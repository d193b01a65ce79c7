//! Invariants of interrupts, I/O ports, FPU registers and the timer.
use super::super::machine::Machine;
use super::Found;
use crate::arch;
use crate::cap::{Cap, EvictionCap};

pub fn check(m: &Machine, found: &Found) {
    check_interrupts(m, found);
    check_ports(m, found);
    check_fpu(m, found);
    check_timer(m);
    check_quiet(m);
}

/// An interrupt was issued if and only if a capability to its handler exists; handlers hold notifications.
fn check_interrupts(m: &Machine, found: &Found) {
    let mut exists = 0u128;
    for cap in found.caps() {
        if let Cap::IrqHandler { irq } = cap {
            exists |= 1 << irq;
        }
    }
    for (irq, slot) in m.k.irqs.handler_slots().enumerate() {
        let issued = m.k.irqs.is_issued(irq as u8);
        assert!(issued == (exists >> irq & 1 == 1), "interrupt {irq}: issued if a capability exists");
        if slot.is_empty() {
            continue;
        }
        assert!(issued, "a handler of interrupt {irq}, which was not issued");
        let cap = slot.cap();
        let signalled = matches!(cap, Cap::Notification(_) | Cap::Eviction(EvictionCap::Notification(_)));
        assert!(signalled, "a handler that cannot be signalled: {cap:?}");
    }
}

/// A port is taken if and only if it is in the range of a capability, and of one only.
fn check_ports(m: &Machine, found: &Found) {
    let mut expected = [0u64; 65536 / 64];
    let mut last = None;
    for cap in found.caps() {
        let Cap::IoPort { first, last: end } = *cap else { continue };
        if last.replace((first, end)) == Some((first, end)) {
            continue;
        }
        for port in usize::from(first)..=usize::from(end) {
            let bit = 1 << (port % 64);
            assert!(expected[port / 64] & bit == 0, "port {port:#x} is in two ranges");
            expected[port / 64] |= bit;
        }
    }
    assert!(*m.k.io_ports.words() == expected, "ports are taken if and only if a capability has them");
}

/// The FPU registers are those of the thread that runs, or of one that ran, may use them and exists.
fn check_fpu(m: &Machine, found: &Found) {
    if let Some(owner) = m.k.fpu_owner {
        assert!(found.threads.contains(&owner), "the FPU registers of a thread that is gone");
        assert!(!owner.fpu_disabled(), "the FPU registers of a thread that may not use them");
    }
    let current = m.current();
    let loaded = m.k.fpu_owner == Some(current);
    assert!(current.fpu_disabled() || loaded, "a thread runs with the FPU registers of another");
}

/// Before the time until which nothing happens, nothing does.
fn check_quiet(m: &Machine) {
    let k = &m.k;
    if k.now >= k.quiet_until {
        return;
    }
    assert!(k.config.domains == 1, "a domain's turn may end at a time that nobody looks at");
    if let Some(thread) = k.sched.release.first().and_then(|thread| thread.sched_context.get()) {
        assert!(k.quiet_until <= thread.refills().head().time, "a thread has its budget unseen");
    }
    if let Some(context) = k.current_context {
        let used = (k.quiet_until - 1).saturating_sub(k.charged);
        assert!(context.is_sufficient(k, used), "the budget ends unseen");
    }
}

/// The timer fires before the first thread that waits for budget has it, and before the slice ends.
fn check_timer(m: &Machine) {
    if arch::timer() <= m.k.now {
        // It fires at once.
        return;
    }
    let deadline = arch::timer().saturating_add(m.k.time.ticks_per_us);
    if let Some(context) = m.k.sched.release.first().and_then(|thread| thread.sched_context.get()) {
        let time = context.refills().head().time;
        assert!(deadline <= time.max(m.k.now), "the timer fires after a thread has its budget");
    }
    if let Some(context) = m.k.current_context {
        let charged = m.k.charged;
        let end = charged.saturating_add(context.refills().head().amount);
        assert!(deadline <= end, "the timer fires after the slice ends");
    }
}
