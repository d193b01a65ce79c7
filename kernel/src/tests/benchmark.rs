//! The system calls of a benchmark build (abi.md 2.4), which has no debug calls:
//! `cargo test -p kernel --no-default-features --features benchmark benchmark`.
use sel_abi::{Register, Syscall};

use super::machine::{Machine, NEXT_IP, msg};
use crate::arch;

#[test]
fn benchmark_calls_return_at_once() {
    let mut m = Machine::new();
    for call in [
        Syscall::BenchmarkNullSyscall,
        Syscall::BenchmarkFlushCaches,
        Syscall::BenchmarkResetLog,
        Syscall::BenchmarkFinalizeLog,
    ] {
        m.sys(call, 0x77, 1, 2, msg(3, &[4, 5]));
        assert_eq!(m.current(), m.root);
        assert_eq!(m.root.context.get(Register::Rip), NEXT_IP);
        let got = m.reply_of(m.root);
        let badge = if call == Syscall::BenchmarkResetLog { 0 } else { 0x77 };
        assert_eq!((got.badge, got.label, got.words), (badge, 3, vec![4, 5]), "{call:?}");
    }
}

#[test]
fn a_build_has_debug_calls_or_has_not() {
    let mut m = Machine::new();
    for call in [
        Syscall::DebugPutChar,
        Syscall::DebugDumpScheduler,
        Syscall::DebugCapIdentify,
        Syscall::DebugSnapshot,
        Syscall::BenchmarkSetLogBuffer,
        Syscall::BenchmarkGetThreadUtilisation,
    ] {
        let child = m.started(100);
        m.root_priority(0);
        m.sys(call, 1, 0, 0, msg(0, &[]));
        let exists = cfg!(feature = "debug") && call.raw() > Syscall::BenchmarkFlushCaches.raw();
        assert_eq!(m.current() == child.tcb, exists, "{call:?}");
        if exists {
            m.sys(Syscall::DebugRun, 0, 0, 0, msg(0, &[]));
        }
        assert_eq!(m.current(), m.root, "an unknown system call stops the child");
        m.root_priority(255);
        m.delete(child.cap);
    }
    assert_eq!(arch::take_output().is_empty(), !cfg!(feature = "debug"));
}
