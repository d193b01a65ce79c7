//! Exceptions and interrupts (abi.md 5, 9.11).
#![deny(unsafe_code)]

use sel_abi::Register;
use sel_abi::fault::DebugReason;

use crate::arch;
use crate::fault::{self, Fault};
use crate::ipc::{direct, fastpath};
use crate::object::{irq, notification};
use crate::state::Kernel;
use crate::trace;

/// An exception of the current thread. `address` is CR2.
pub fn exception(k: &mut Kernel, vector: u64, code: u64, address: u64) {
    const DEBUG: u64 = 1;
    const BREAKPOINT: u64 = 3;
    const PAGE_FAULT: u64 = 14;
    let in_time = k.reads_clock_in_time();
    if let Some(thread) = k.current
        && (in_time || k.check_budget_or_restart())
    {
        let fault = match vector {
            PAGE_FAULT => Fault::Vm { address, code: code & 0x1f },
            DEBUG if k.config.labels.hardware_debug => Fault::Debug { reason: DebugReason::SingleStep },
            BREAKPOINT if k.config.labels.hardware_debug => {
                Fault::Debug { reason: DebugReason::BreakRequest }
            }
            _ => Fault::Exception { vector: vector as u32, code: code as u32 & 0x0fff_ffff },
        };
        if in_time && let Ok(call) = fastpath::short_fault(k, thread) {
            call.tell(k, fault);
            return k.latency.end_of_stretch();
        }
        fault::raise(k, thread, fault);
    }
    k.finish();
}

/// `int N` of the current thread: an unknown system call (abi.md 2.1).
pub fn software_interrupt(k: &mut Kernel, vector: u64) {
    k.update_time();
    if let Some(thread) = k.current {
        // The instruction is two bytes long.
        let ip = thread.context.get(Register::Rip).wrapping_sub(2);
        thread.context.interrupted_at(ip);
        if k.check_budget_or_restart() {
            let eax = thread.context.get(Register::Rax) & 0x00ff_ffff;
            let number = ((vector << 24 | eax) as u32).cast_signed();
            fault::raise(k, thread, Fault::UnknownSyscall { number: i64::from(number).cast_unsigned() });
        }
    }
    k.finish();
}

/// An interrupt while the current thread ran.
pub fn interrupt(k: &mut Kernel, vector: u8) {
    if vector != arch::TIMER_VECTOR
        && k.reads_clock_in_time()
        && let Some(current) = k.current
    {
        let raised = irq::raised(k, vector);
        arch::end_of_interrupt();
        if let Some(to) = raised
            && !direct::signal(k, current, to.object, to.badge)
        {
            notification::signal(k, to.object, to.badge);
            k.finish();
        } else {
            k.latency.end_of_stretch();
        }
        return;
    }
    k.update_time();
    let _ = k.check_budget_or_restart();
    deliver_interrupt(k, vector);
    k.finish();
}

/// An interrupt on its general way.
pub(super) fn deliver_interrupt(k: &mut Kernel, vector: u8) {
    if vector == arch::TIMER_VECTOR {
        trace::irq(k, vector);
        k.reprogram = true;
    } else {
        irq::deliver(k, vector);
    }
    arch::end_of_interrupt();
}

/// A system call of a preempted thread is executed again.
#[cold]
#[inline(never)]
pub(super) fn preempted(k: &mut Kernel) {
    while let Some(vector) = arch::take_interrupt() {
        deliver_interrupt(k, vector);
    }
    // The budget may be what ran out.
    let _ = k.check_budget_or_restart();
    k.reschedule();
}
