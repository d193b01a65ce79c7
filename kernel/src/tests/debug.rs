//! What debug calls print, and what the kernel says of a thread that nobody handles.
use sel_abi::{CapRights, Label, ObjectType, Syscall};

use super::machine::{Machine, msg};
use super::objects::ROOT;
use crate::arch;
use crate::state::Config;

/// What a system call of the root task prints.
fn printed(m: &mut Machine, call: Syscall) -> String {
    arch::take_output();
    m.sys(call, 0, 0, 0, msg(0, &[]));
    arch::take_output()
}

#[test]
fn the_scheduler_dump_shows_every_thread_once() {
    let mut m = Machine::new();
    let ready = m.started(10);
    let stopped = m.thread(20);
    let text = printed(&mut m, Syscall::DebugDumpScheduler);
    let row = |name: &str, state: &str| {
        text.lines().filter(|line| line.starts_with(name) && line.contains(state)).count()
    };
    assert_eq!(row("rootserver", "running"), 1, "{text}");
    assert_eq!(row("child of: 'rootserver'", "ready"), 1, "{text}");
    assert_eq!(row("child of: 'rootserver'", "stopped"), 1, "{text}");
    m.delete(ready.cap);
    m.delete(stopped.cap);
    let text = printed(&mut m, Syscall::DebugDumpScheduler);
    assert!(!text.contains("child of"), "{text}");
    assert!(text.lines().all(|line| line.trim_end().chars().count() <= 80), "{text}");
}

#[test]
fn a_snapshot_shows_capabilities_and_pages() {
    let mut m = Machine::new();
    let endpoint = m.endpoint();
    m.mint(endpoint, CapRights::READ_WRITE, 0xbad9e);
    let node = m.sized(ObjectType::CapTable, 4);
    let inner = m.copy(node);
    m.move_into(node, 3, 4, inner);
    let text = printed(&mut m, Syscall::DebugSnapshot);
    for part in ["badge: 0xbad9e", "IrqControl", "rootserver", "cspace: CNode_", "12 bits, rwx)"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let base = m.cap(node).memory().expect("memory").0.0;
    assert_eq!(text.matches(&format!("cnode_{base:x} {{")).count(), 1, "a CNode that holds itself, once");
}

/// A child without fault handler makes a system call; what the kernel says of it.
fn complaint(m: &mut Machine, act: impl FnOnce(&mut Machine)) -> String {
    let child = m.started(100);
    arch::take_output();
    m.run_until(child.tcb, act);
    arch::take_output()
}

#[test]
fn an_unhandled_fault_names_the_slot_and_the_missing_right() {
    let mut m = Machine::new();
    let endpoint = m.endpoint();
    let write_only = m.copy_with(endpoint, CapRights::WRITE);
    let text = complaint(&mut m, |m| m.wait(write_only));
    assert!(text.contains("child of: 'rootserver'"), "{text}");
    assert!(text.contains(&format!("CSpace root[{write_only:#x}] Endpoint badge 0x0 rights -W--")), "{text}");
    assert!(text.contains("Read is missing"), "{text}");
}

#[test]
fn an_unhandled_fault_shows_where_the_path_ends() {
    let mut m = Machine::new();
    let free = m.free_slot();
    let text = complaint(&mut m, |m| m.wait(free));
    assert!(text.contains(&format!("CSpace root[{free:#x}] empty")), "{text}");
    let text = complaint(&mut m, |m| m.send(1 << 40, msg(0, &[])));
    assert!(text.contains("whose guard 0x0 of 52 bits and radix 12 do not fit the 64 bits left"), "{text}");
    let node = m.sized(ObjectType::CapTable, 3);
    let reply = m.reply();
    m.move_into(node, 5, 3, reply);
    let deep = m.free_slot();
    // A CNode whose guard takes all but its three bits, so that both levels resolve 64 bits.
    m.ok(ROOT, Label::CNodeMint, &[deep, 64, node, 64, 15, 0], &[ROOT]);
    let text = complaint(&mut m, |m| m.wait(ROOT));
    assert!(text.contains("CNode"), "{text}");
}

#[test]
fn an_unhandled_page_fault_says_what_is_there() {
    let mut m = Machine::new();
    let text = complaint(&mut m, |m| m.exception(0x1234, 14, 6, 0xdead_0000));
    assert!(text.contains("writing address 0xdead0000"), "{text}");
    assert!(text.contains("0xdead0000: nothing is mapped there"), "{text}");
    let text = complaint(&mut m, |m| m.exception(0x1234, 14, 7, 0xdead_0000));
    assert!(text.contains("rights forbid it"), "{text}");
}

#[test]
fn an_unhandled_call_of_another_configuration_says_how_to_get_it() {
    let mut m = Machine::new();
    for (call, word) in [(Syscall::SetTlsBase, "fsgsbase=msr"), (Syscall::X86DangerousRdmsr, "pmc=on")] {
        let text = complaint(&mut m, |m| m.sys(call, 0, 0, 0, msg(0, &[])));
        assert!(text.contains("unknown system call") && text.contains(word), "{text}");
    }
    let text = complaint(&mut m, |m| m.sys(Syscall::VmEnter, 0, 0, 0, msg(0, &[])));
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn the_tls_base_can_be_set_where_the_configuration_says_so() {
    let mut m = Machine::with_config(Config { set_tls_base: true, ..Config::default() });
    let base = |m: &Machine| m.root.context.get(sel_abi::Register::FsBase);
    m.sys(Syscall::SetTlsBase, 0x1234_5000, 0, 0, msg(0x77, &[1]));
    assert_eq!(base(&m), 0x1234_5000);
    m.sys(Syscall::SetTlsBase, 0x8000_0000_0000, 0, 0, msg(0, &[]));
    assert_eq!(base(&m), 0x1234_5000, "not canonical: ignored");
    let mut m = Machine::new();
    let child = m.started(100);
    m.root_priority(0);
    m.sys(Syscall::SetTlsBase, 0x5000, 0, 0, msg(0, &[]));
    assert_ne!(child.tcb.context.get(sel_abi::Register::FsBase), 0x5000);
    assert_ne!(m.current(), child.tcb, "an unknown system call stops it");
}

#[test]
fn registers_of_performance_counters_are_for_users_where_the_configuration_says_so() {
    let mut m = Machine::with_config(Config { counters: true, ..Config::default() });
    m.sys(Syscall::X86DangerousWrmsr, 0x186, 0, 0, msg(5, &[0x1_2345, 7]));
    let got = m.reply_of(m.root);
    assert_eq!((got.badge, got.label, got.words), (0x186, 5, vec![0x1_2345, 7]), "nothing is answered");
    m.sys(Syscall::X86DangerousRdmsr, 0x186, 0, 0, msg(5, &[1, 2]));
    let got = m.reply_of(m.root);
    assert_eq!((got.label, got.words), (0, vec![0x1_2345]));
    m.sys(Syscall::X86DangerousRdmsr, 0xc1, 0, 0, msg(5, &[1, 2]));
    assert_eq!(m.reply_of(m.root).words, [0], "a register that holds nothing");
    for call in [Syscall::X86DangerousRdmsr, Syscall::X86DangerousWrmsr] {
        let mut m = Machine::new();
        let child = m.started(100);
        m.root_priority(0);
        m.sys(call, 0x186, 0, 0, msg(0, &[1]));
        assert_ne!(m.current(), child.tcb, "an unknown system call stops it");
        assert_eq!(arch::read_counter_register(0x186), 0);
    }
}
