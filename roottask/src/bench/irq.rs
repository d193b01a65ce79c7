//! An interrupt: the PIT's, through the I/O APIC, to a handler thread that preempts one that only reads the clock.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::Cap;
use libsel::abi::{Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{IoPort, IrqHandler};

use super::clock;
use super::pair::Space;
use super::row::{Bench, Row, row};
use super::stubs::{Operands, system_call};
use crate::bare::failure::Outcome;
use crate::bare::thread::Options;

/// The I/O APIC pin of the PIT (abi.md 9.11), and a vector for it.
const PIT_PIN: Word = 2;
const VECTOR: Word = 40;
/// PIT channel 0 and command port.
const PIT_CHANNEL_0: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;
/// Channel 0, both bytes, mode 0: one interrupt when the count ends.
const ONE_SHOT: u8 = 0x30;
/// PIT ticks until the interrupt: 0.25 ms, by when the spinning thread runs.
const COUNT: u16 = 300;

/// The last reading of the spinning thread.
static LAST: AtomicU64 = AtomicU64::new(0);

extern "C" fn spin(_: Word) {
    loop {
        LAST.store(clock::begin(), Relaxed);
    }
}

/// The handler is the root task itself.
fn run(b: &mut Bench<'_>, spinner: Space) -> Outcome {
    let (ports, place) = (b.place(), b.place());
    initial::IO_PORT_CONTROL.issue(PIT_CHANNEL_0, PIT_COMMAND, ports)?;
    initial::IRQ_CONTROL.get_io_apic(place, 0, PIT_PIN, 0, 0, VECTOR)?;
    let (pit, handler) = (Cap::<IoPort>::new(ports.index), Cap::<IrqHandler>::new(place.index));
    let notification = b.notification()?;
    handler.set_notification(notification)?;
    let vspace = b.space(spinner)?;
    b.spawn(Options { vspace, ..Options::at_priority(100) }, spin, 0)?;
    let wait = Operands::new(Syscall::Wait, notification.cptr());
    let overhead = b.overheads.stub - b.overheads.clock;
    b.rounds(|_| {
        let [low, high] = COUNT.to_le_bytes();
        pit.out8(PIT_COMMAND, ONE_SHOT)?;
        pit.out8(PIT_CHANNEL_0, low)?;
        pit.out8(PIT_CHANNEL_0, high)?;
        let end = system_call(&wait).end;
        handler.ack()?;
        Ok((end - LAST.load(Relaxed)).saturating_sub(overhead))
    })
}

/// Interrupts.
pub const ROWS: &[Row] =
    &[row("irq/same", |b| run(b, Space::Same)), row("irq/other", |b| run(b, Space::Other))];
