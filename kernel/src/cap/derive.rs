//! What a copy of a capability looks like (abi.md 6.1 to 6.3).
use sel_abi::{CNodeCapData, CapRights};

use super::{Cap, Slot, derivation};
use crate::addr::KernelPtr;
use crate::error::SyscallError;

/// The capability that a copy of `slot`, changed to `cap` already, would hold.
///
/// A null result means that such a capability cannot be copied; an error says what stands in the way.
pub fn derive(slot: KernelPtr<Slot>, cap: Cap) -> Result<Cap, SyscallError> {
    Ok(match cap {
        Cap::Untyped(_) if derivation::has_children(slot) => return Err(SyscallError::RevokeFirst),
        Cap::Table(table) if table.mapping.is_none() => return Err(SyscallError::IllegalOperation),
        Cap::Pml4(pml4) if pml4.asid.is_none() => return Err(SyscallError::IllegalOperation),
        Cap::Frame(frame) => Cap::Frame(super::FrameCap { mapping: None, ..frame }),
        Cap::IrqControl | Cap::IoPortControl | Cap::Zombie(_) | Cap::Eviction(_) => Cap::Null,
        other => other,
    })
}

/// Puts a derived capability into the empty slot `to`, under the capability in `from`.
pub fn insert_derived(to: KernelPtr<Slot>, cap: Cap, from: KernelPtr<Slot>) {
    let source = from.cap();
    if let (Cap::Untyped(untyped), Cap::Untyped(_)) = (source, cap) {
        // The copy owns all of the memory until it is gone.
        from.set_cap(Cap::Untyped(super::UntypedCap { watermark: untyped.size(), ..untyped }));
    }
    let original = match (source, cap) {
        (Cap::Endpoint(old), Cap::Endpoint(new)) => old.badge != new.badge,
        (Cap::Notification(old), Cap::Notification(new)) => old.badge != new.badge,
        (_, Cap::Untyped(_)) => true,
        _ => false,
    };
    derivation::insert(to, cap, from, original);
}

/// The capability with no more than `rights`.
pub fn mask_rights(cap: Cap, rights: CapRights) -> Cap {
    match cap {
        Cap::Endpoint(mut endpoint) => {
            endpoint.rights &= rights;
            Cap::Endpoint(endpoint)
        }
        Cap::Notification(mut notification) => {
            notification.rights &= rights;
            Cap::Notification(notification)
        }
        Cap::Reply(mut reply) => {
            reply.can_grant &= rights.contains(CapRights::GRANT);
            Cap::Reply(reply)
        }
        Cap::Frame(mut frame) => {
            frame.rights = mask_frame_rights(frame.rights, rights);
            Cap::Frame(frame)
        }
        other => other,
    }
}

/// Rights of a mapping or copy of a frame: write without read is nothing.
#[inline(always)]
pub fn mask_frame_rights(held: CapRights, rights: CapRights) -> CapRights {
    let left = held & rights & CapRights::READ_WRITE;
    if left.contains(CapRights::READ) { left } else { CapRights::empty() }
}

/// Applies the data word of Mint (`preserve` false) or of Mutate and Rotate (`preserve` true); null if it cannot be.
pub fn apply_data(cap: Cap, data: u64, preserve: bool) -> Cap {
    match cap {
        Cap::Endpoint(mut endpoint) if !preserve && endpoint.badge == 0 => {
            endpoint.badge = data;
            Cap::Endpoint(endpoint)
        }
        Cap::Notification(mut notification) if !preserve && notification.badge == 0 => {
            notification.badge = data;
            Cap::Notification(notification)
        }
        Cap::Endpoint(_) | Cap::Notification(_) => Cap::Null,
        Cap::CNode(mut cnode) => {
            let data = CNodeCapData(data);
            if data.guard_bits() + u64::from(cnode.radix) > sel_abi::WORD_BITS {
                return Cap::Null;
            }
            cnode.guard = data.guard();
            cnode.guard_bits = data.guard_bits() as u8;
            Cap::CNode(cnode)
        }
        other => other,
    }
}
