//! The price of entering and leaving the kernel.

use libsel::abi::Syscall;
use libsel::cap::Notification;
use libsel::sys;
use libsel::{Cap, Result};

use super::clock::ticks;
use super::row::{Bench, Row, row};
use super::stubs::{Operands, system_call};

/// The cheapest system call that the kernel has: BenchmarkNullSyscall; in a debug kernel DebugCapIdentify of slot 0; in
/// one without either, a poll of a notification.
fn cheapest(b: &mut Bench<'_>) -> Result<Operands> {
    let kernel = b.words.split_ascii_whitespace().find_map(|word| word.strip_prefix("bench_kernel="));
    Ok(match kernel {
        Some("benchmark") => Operands::new(Syscall::BenchmarkNullSyscall, 0),
        Some("debug") => Operands::new(Syscall::DebugCapIdentify, 0),
        _ => Operands::new(Syscall::NbWait, b.notification()?.cptr()),
    })
}

/// Notifications that nobody else uses.
pub const ROWS: &[Row] = &[
    row("null", |b| {
        let operands = cheapest(b)?;
        let overhead = b.overheads.stub - b.overheads.clock;
        b.rounds(|_| {
            let times = system_call(&operands);
            Ok((times.end - times.begin).saturating_sub(overhead))
        })
    }),
    row("yield/none", |b| b.rounds(|_| Ok(ticks(sys::yield_).0))),
    row("poll", |b| {
        let notification: Cap<Notification> = b.notification()?;
        b.rounds(|_| Ok(ticks(|| notification.poll()).0))
    }),
    row("wait/signalled", |b| {
        let notification = b.notification()?;
        b.rounds(|_| {
            notification.signal();
            Ok(ticks(|| notification.wait()).0)
        })
    }),
];
