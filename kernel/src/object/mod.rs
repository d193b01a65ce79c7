//! Kernel objects, one file each, in the order of the manual's chapters. Each file keeps one order: layout, invariants,
//! decode (check everything, change nothing), perform (cannot fail), destroy.

pub mod asid;
pub mod cnode;
pub mod domain;
pub mod endpoint;
pub mod ioport;
pub mod irq;
pub mod notification;
pub mod reply;
pub mod sched_context;
pub mod sched_control;
pub mod tcb;
pub mod tcb_invoke;
pub mod untyped;
pub mod vspace;
pub mod vspace_invoke;

use crate::cap::Cap;
use crate::state::Kernel;

/// Destroys what one capability stands for: its own mapping, and with the last one (`is_final`) the object.
///
/// What takes long comes afterwards, see [`crate::cap::delete`]: emptying the slots of a CNode or thread, waking who waits
/// for an endpoint or notification.
pub fn finalise(k: &mut Kernel, cap: Cap, is_final: bool) {
    match cap {
        Cap::Endpoint(endpoint) if is_final => endpoint::destroy(k, endpoint.object),
        Cap::Notification(notification) if is_final => notification::destroy(notification.object),
        Cap::Reply(reply) if is_final => reply::destroy(k, reply.object),
        Cap::SchedContext(context) if is_final => sched_context::destroy(k, context.object),
        Cap::Tcb(tcb) if is_final => tcb::destroy(k, tcb),
        Cap::Frame(frame) => vspace::forget_frame(k, &frame),
        Cap::Table(table) if is_final => vspace::unmap_table(k, &table),
        Cap::Pml4(pml4) if is_final => asid::release_vspace(k, &pml4),
        Cap::AsidPool(pool) if is_final => asid::destroy_pool(k, &pool),
        Cap::IrqHandler { irq } if is_final => irq::destroy(k, irq),
        Cap::IoPort { first, last } if is_final => k.io_ports.release(first, last),
        _ => {}
    }
}
