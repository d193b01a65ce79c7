//! Invocations of interrupts and I/O ports (abi.md 7.5, 7.10), and those of control capabilities that cannot be copied.
//!
//! Ports are those of the timers 8254 and 146818 and some that no device has. All others stay out of reach: they reset
//! the machine or switch it off (0x64, 0x92, 0xcf9, ACPI), let devices write to memory (DMA, PCI, 0x514), change what the
//! kernel relies on (interrupt controllers, system management 0xb2), end QEMU (0xf4), or print (0x3f8).

use libsel::abi::{Label, Word};
use libsel::bootinfo::initial;
use libsel::invoke;

use super::super::classes::{Class, ROOT_RADIX};
use super::super::domains;
use super::super::machine::Machine;
use super::super::random::Random;
use super::super::tally::Tally;
use super::super::world::World;
use super::Generator;
use super::message::Request;

/// First and last port of each harmless range.
const PORTS: &[(Word, Word)] = &[(0x40, 0x43), (0x70, 0x71), (0x300, 0x33f), (0x8000, 0x8fff)];

impl Generator<'_> {
    pub(super) fn device(&mut self, label: Label) -> Request {
        match label {
            Label::IrqAckIrq | Label::IrqSetIrqHandler | Label::IrqClearIrqHandler => {
                let (slot, notification) = (self.slot(Class::IrqHandler), self.pick(Class::Notification));
                Request::new(self.cptr(slot), &[], &[notification]).invokes(slot)
            }
            Label::X86IoPortIn8
            | Label::X86IoPortIn16
            | Label::X86IoPortIn32
            | Label::X86IoPortOut8
            | Label::X86IoPortOut16
            | Label::X86IoPortOut32 => {
                let (first, last) = self.random.of(PORTS);
                let port =
                    if self.random.one_in(8) { self.random.edge() } else { range(self.random, first, last) };
                let value = self.random.word();
                Request::new(self.pick(Class::IoPort), &[port, value], &[])
            }
            // Nobody hostile has the capability: the supervisor makes these.
            _ => {
                let (root, index, depth) = self.place(Class::IrqHandler);
                Request::new(self.pick(Class::AsidControl), &[index, depth, index, depth, 0, 0, 0], &[root])
            }
        }
    }
}

/// A slot for capabilities to ports of range `number`.
fn port_slot(random: &mut Random, number: u64) -> Word {
    Class::IoPort.slots().start + number * 2 + random.below(2)
}

fn range(random: &mut Random, first: Word, last: Word) -> Word {
    first + random.below(last - first + 1)
}

/// One invocation of a control capability that only the supervisor can have, with arguments that hostile threads might
/// choose; what comes of it lands in the hostile CSpace.
pub fn by_supervisor(machine: &Machine<'_>, world: &World<'_>, random: &mut Random, tally: &mut Tally) {
    const LABELS: &[Label] = &[
        Label::IrqIssueIrqHandler,
        Label::X86IrqIssueIrqHandlerIoApic,
        Label::X86IrqIssueIrqHandlerIoApic,
        Label::X86IrqIssueIrqHandlerMsi,
        Label::X86IoPortControlIssue,
        Label::X86IoPortControlIssue,
        Label::DomainSetSet,
        Label::DomainSetSet,
        Label::DomainScheduleConfigure,
        Label::DomainScheduleSetStart,
    ];
    let label = random.of(LABELS);
    let slot_of = |random: &mut Random, class: Class| {
        let range = class.slots();
        range.start + random.below(range.end - range.start)
    };
    let depth = if random.one_in(16) { random.below(70) } else { ROOT_RADIX };
    let root = if random.one_in(32) { random.below(16) } else { world.handle().cptr() };
    let edge = |random: &mut Random, usual: Word| if random.one_in(24) { random.edge() } else { usual };
    let reply = match label {
        Label::DomainSetSet => {
            let domain = if random.one_in(2) { 0 } else { random.below(5) };
            let thread = random.below(super::super::shared::THREADS as u64) as usize;
            let tcb = if random.one_in(16) { 0 } else { world.tcb(thread).cptr() };
            invoke::raw(initial::DOMAIN.cptr(), label.raw(), &[domain], &[tcb])
        }
        Label::DomainScheduleConfigure => {
            let words = domains::random_entry(random, machine.ticks_per_us);
            invoke::raw(initial::DOMAIN.cptr(), label.raw(), &words, &[])
        }
        Label::DomainScheduleSetStart => {
            let words = [domains::random_start(random)];
            invoke::raw(initial::DOMAIN.cptr(), label.raw(), &words, &[])
        }
        Label::X86IoPortControlIssue => {
            let number = random.below(PORTS.len() as u64);
            let (mut first, mut last) = PORTS[number as usize];
            if random.one_in(4) {
                (first, last) = (range(random, first, last), range(random, first, last));
            }
            let words = [first, last, port_slot(random, number), depth];
            invoke::raw(initial::IO_PORT_CONTROL.cptr(), label.raw(), &words, &[root])
        }
        _ => {
            let slot = slot_of(random, Class::IrqHandler);
            // The timer's pins more often than the others.
            let pin = if random.one_in(3) { random.of(&[2, 8]) } else { random.below(26) };
            let vector = random.below(110);
            let words = match label {
                Label::IrqIssueIrqHandler => [random.below(20), slot, depth, 0, 0, 0, 0],
                Label::X86IrqIssueIrqHandlerMsi => {
                    let (bus, device) = (random.below(260), random.below(33));
                    [slot, depth, bus, device, random.below(9), random.word(), vector]
                }
                _ => {
                    let (level, polarity) = (random.below(2), random.below(2));
                    [slot, depth, edge(random, 0), pin, edge(random, level), edge(random, polarity), vector]
                }
            };
            invoke::raw(initial::IRQ_CONTROL.cptr(), label.raw(), &words, &[root])
        }
    };
    tally.invocation(label, reply.label());
}
