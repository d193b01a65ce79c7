//! Interrupts: lines and messages of devices, delivered as signals (abi.md 7.5, 9.11).
use sel_abi::{CapRights, IRQ_MAX, IRQ_OFFSET, Label, PAGE_BITS};

use crate::addr::{KernelPtr, PhysAddr};
use crate::arch;
use crate::cap::{Cap, NotificationCap, Slot, delete, derivation, derive, lookup};
use crate::error::{Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;
use crate::trace;

const IRQS: usize = IRQ_MAX as usize + 1;

/// Where an interrupt comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// Not issued.
    None,
    /// A pin of an IOAPIC.
    IoApic { ioapic: usize, pin: usize },
    /// A message of a device.
    Message,
}

/// What is known of each interrupt.
pub struct IrqTable {
    sources: [Source; IRQS],
    /// The notification of each handler, as a capability: slots that stand outside of this table, because the derivation
    /// tree leads to them.
    handlers: Option<KernelPtr<Slot>>,
}

/// Bytes of the handlers' slots.
pub const HANDLER_BYTES: u64 = 1 << PAGE_BITS;
const _: () = assert!(IRQS * size_of::<Slot>() <= HANDLER_BYTES as usize);

impl IrqTable {
    /// Nothing was issued.
    pub const fn new() -> Self {
        IrqTable { sources: [Source::None; IRQS], handlers: None }
    }

    /// Gives the table the slots of the handlers, at boot.
    ///
    /// # Safety
    /// The page at `memory` is zeroed RAM that belongs to nobody else, ever.
    pub unsafe fn set_handlers(&mut self, memory: PhysAddr) {
        // SAFETY: the caller's promise; zeroed memory is empty slots.
        self.handlers = Some(unsafe { KernelPtr::from_phys(memory) });
    }

    fn source(&self, irq: u8) -> Source {
        self.sources.get(usize::from(irq)).copied().unwrap_or(Source::None)
    }

    /// The slots of all handlers.
    #[cfg(test)]
    pub fn handler_slots(&self) -> impl Iterator<Item = KernelPtr<Slot>> {
        (0..IRQS as u8).filter_map(|irq| self.handler(irq))
    }

    /// A handler was issued for the interrupt.
    #[cfg(test)]
    pub fn is_issued(&self, irq: u8) -> bool {
        self.source(irq) != Source::None
    }

    fn handler(&self, irq: u8) -> Option<KernelPtr<Slot>> {
        let first = self.handlers.filter(|_| usize::from(irq) < IRQS)?;
        // SAFETY: there is a slot for each interrupt.
        Some(unsafe { first.element(usize::from(irq)) })
    }
}

impl Default for IrqTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes an invocation of the IRQControl capability.
pub fn invoke_control(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    match call.label() {
        Some(Label::IrqIssueIrqHandler) => {
            call.need_words(3)?;
            call.need_caps(1)?;
            // Lines of the old interrupt controller, which is off.
            Err(SyscallError::IllegalOperation.into())
        }
        Some(Label::X86IrqIssueIrqHandlerIoApic) => issue_io_apic(k, call),
        Some(Label::X86IrqIssueIrqHandlerMsi) => issue_message(k, call),
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}

/// The checks that both kinds of interrupt share: a free vector and an empty slot.
fn common_checks(k: &Kernel, call: &Invocation) -> Result<(u8, KernelPtr<Slot>), SyscallError> {
    call.need_words(7)?;
    let root = call.extra_slot(0)?;
    let vector = call.word(6);
    if vector > IRQ_MAX {
        return Err(SyscallError::RangeError { min: 0, max: IRQ_MAX });
    }
    let irq = vector as u8;
    if k.irqs.source(irq) != Source::None {
        return Err(SyscallError::RevokeFirst);
    }
    Ok((irq, lookup::empty_slot(root, call.word(0), call.word(1))?))
}

fn at_most(value: u64, max: u64) -> Result<u64, SyscallError> {
    if value > max { Err(SyscallError::RangeError { min: 0, max }) } else { Ok(value) }
}

fn issue_io_apic(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    let (irq, slot) = common_checks(k, call)?;
    let Some(last) = arch::ioapic_count().checked_sub(1) else {
        return Err(SyscallError::IllegalOperation.into());
    };
    let ioapic = at_most(call.word(2), last as u64)? as usize;
    let pins = arch::ioapic_pins(ioapic) as u64;
    let pin = at_most(call.word(3), pins.saturating_sub(1))? as usize;
    let level = at_most(call.word(4), 1)? == 1;
    let active_low = at_most(call.word(5), 1)? == 1;

    arch::ioapic_route(ioapic, pin, level, active_low, IRQ_OFFSET + irq);
    arch::ioapic_mask(ioapic, pin, false);
    issue(k, irq, Source::IoApic { ioapic, pin }, slot, call.slot);
    Ok(Done::Nothing)
}

fn issue_message(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    let (irq, slot) = common_checks(k, call)?;
    at_most(call.word(2), 255)?;
    at_most(call.word(3), 31)?;
    at_most(call.word(4), 7)?;
    issue(k, irq, Source::Message, slot, call.slot);
    Ok(Done::Nothing)
}

fn issue(k: &mut Kernel, irq: u8, source: Source, slot: KernelPtr<Slot>, control: KernelPtr<Slot>) {
    if let Some(entry) = k.irqs.sources.get_mut(usize::from(irq)) {
        *entry = source;
    }
    derivation::insert(slot, Cap::IrqHandler { irq }, control, true);
}

/// Decodes an invocation of an IRQ handler capability.
pub fn invoke_handler(k: &mut Kernel, irq: u8, call: &Invocation) -> Result<Done, Stop> {
    match call.label() {
        Some(Label::IrqAckIrq) => {
            if let Source::IoApic { ioapic, pin } = k.irqs.source(irq) {
                arch::ioapic_mask(ioapic, pin, false);
            }
        }
        Some(Label::IrqSetIrqHandler) => {
            let source = call.extra_slot(0)?;
            let cap = source.cap();
            if !matches!(cap, Cap::Notification(to) if to.rights.contains(CapRights::WRITE)) {
                return Err(SyscallError::InvalidCapability(0).into());
            }
            if let Some(slot) = k.irqs.handler(irq) {
                delete::delete(k, slot)?;
                derive::insert_derived(slot, cap, source);
            }
        }
        Some(Label::IrqClearIrqHandler) => {
            if let Some(slot) = k.irqs.handler(irq) {
                delete::delete(k, slot)?;
            }
        }
        _ => return Err(SyscallError::IllegalOperation.into()),
    }
    Ok(Done::Nothing)
}

/// An interrupt came: its line is masked until it is acknowledged. The capability to the notification that is to be
/// signalled.
#[inline(always)]
pub fn raised(k: &Kernel, vector: u8) -> Option<NotificationCap> {
    trace::irq(k, vector);
    let irq = vector.checked_sub(IRQ_OFFSET).filter(|&irq| u64::from(irq) <= IRQ_MAX)?;
    if let Source::IoApic { ioapic, pin } = k.irqs.source(irq) {
        arch::ioapic_mask(ioapic, pin, true);
    }
    k.irqs.handler(irq)?.notification()
}

/// An interrupt came: see [`raised`]; its notification is signalled.
pub fn deliver(k: &mut Kernel, vector: u8) {
    if let Some(to) = raised(k, vector) {
        super::notification::signal(k, to.object, to.badge);
    }
}

/// The slot of a handler's notification, if one is set.
pub fn notification_of(k: &Kernel, irq: u8) -> Option<KernelPtr<Slot>> {
    k.irqs.handler(irq).filter(|slot| !slot.is_empty())
}

/// The last capability to a handler goes: the line is masked and can be issued again. Its notification is not set any
/// more, see [`notification_of`].
pub fn destroy(k: &mut Kernel, irq: u8) {
    if let Source::IoApic { ioapic, pin } = k.irqs.source(irq) {
        arch::ioapic_mask(ioapic, pin, true);
    }
    if let Some(entry) = k.irqs.sources.get_mut(usize::from(irq)) {
        *entry = Source::None;
    }
}
