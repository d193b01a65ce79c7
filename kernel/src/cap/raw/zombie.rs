//! The words of zombies and evictions. A zombie spreads its fields over both; the kind field tells it from an eviction, whose
//! object is in word 1.
use sel_abi::CapTag;

use super::{RawCap, TAG_BITS};
use crate::addr::{KERNEL_WINDOW_BITS, KernelPtr, PhysAddr};
use crate::cap::{Cap, EvictionCap, ZombieCap, ZombieKind};

/// Zombie fields inside 128 bits: tag 5, kind and radix 7, then slot addresses without their 5 zero bits.
const ZOMBIE_SLOT_BITS: u32 = KERNEL_WINDOW_BITS - 5;
const ZOMBIE_SLOTS_SHIFT: u32 = 12;
const ZOMBIE_NEXT_SHIFT: u32 = ZOMBIE_SLOTS_SHIFT + ZOMBIE_SLOT_BITS;
const ZOMBIE_REMAINING_SHIFT: u32 = ZOMBIE_NEXT_SHIFT + ZOMBIE_SLOT_BITS;
const ZOMBIE_IS_CNODE: u128 = 1 << TAG_BITS;
const ZOMBIE_RADIX_SHIFT: u32 = TAG_BITS + 1;
/// In the place of the radix of what is no CNode: a thread, an endpoint or a notification.
const KIND_TCB: u64 = 0;
const KIND_ENDPOINT: u64 = 1;
const KIND_NOTIFICATION: u64 = 2;
const _: () = assert!(ZOMBIE_REMAINING_SHIFT + ZOMBIE_SLOT_BITS < 128);

/// The words of a zombie.
pub(super) fn pack(zombie: &ZombieCap) -> RawCap {
    let kind = match zombie.kind {
        ZombieKind::Tcb => u128::from(KIND_TCB) << ZOMBIE_RADIX_SHIFT,
        ZombieKind::CNode { radix } => ZOMBIE_IS_CNODE | u128::from(radix) << ZOMBIE_RADIX_SHIFT,
    };
    let next = zombie.next_orphan.map_or(0, |slot| slot.phys().0 >> 5);
    let bits = u128::from(CapTag::Zombie.raw())
        | kind
        | u128::from(zombie.slots.phys().0 >> 5) << ZOMBIE_SLOTS_SHIFT
        | u128::from(next) << ZOMBIE_NEXT_SHIFT
        | u128::from(zombie.remaining) << ZOMBIE_REMAINING_SHIFT;
    RawCap(bits as u64, (bits >> 64) as u64)
}

/// The words of an eviction.
pub(super) fn pack_eviction(eviction: &EvictionCap) -> RawCap {
    let (kind, object) = match eviction {
        EvictionCap::Endpoint(object) => (KIND_ENDPOINT, object.phys()),
        EvictionCap::Notification(object) => (KIND_NOTIFICATION, object.phys()),
    };
    RawCap(CapTag::Zombie.raw() | kind << ZOMBIE_RADIX_SHIFT, object.0)
}

/// The capability in these words.
///
/// # Safety
/// As [`RawCap::unpack`], for a zombie or an empty slot.
pub(super) unsafe fn unpack(words: RawCap, tag: CapTag) -> Cap {
    if tag == CapTag::Null {
        return Cap::Null;
    }
    let bits = u128::from(words.0) | u128::from(words.1) << 64;
    let field = |shift: u32| (bits >> shift) as u64 & ((1 << ZOMBIE_SLOT_BITS) - 1);
    let kind = if bits & ZOMBIE_IS_CNODE != 0 {
        ZombieKind::CNode { radix: (bits >> ZOMBIE_RADIX_SHIFT) as u8 & 63 }
    } else {
        ZombieKind::Tcb
    };
    if bits & ZOMBIE_IS_CNODE == 0 && words.0 >> ZOMBIE_RADIX_SHIFT & 63 != KIND_TCB {
        // SAFETY: word 1 was packed from a pointer to an object of this kind, which the capability keeps alive.
        return Cap::Eviction(unsafe {
            match words.0 >> ZOMBIE_RADIX_SHIFT & 63 {
                KIND_ENDPOINT => EvictionCap::Endpoint(KernelPtr::from_phys(PhysAddr(words.1))),
                _ => EvictionCap::Notification(KernelPtr::from_phys(PhysAddr(words.1))),
            }
        });
    }
    let next = field(ZOMBIE_NEXT_SHIFT);
    // SAFETY: both addresses were packed from pointers to slots of objects that the zombie keeps alive.
    let (slots, next_orphan) = unsafe {
        (
            KernelPtr::from_phys(PhysAddr(field(ZOMBIE_SLOTS_SHIFT) << 5)),
            (next != 0).then(|| KernelPtr::from_phys(PhysAddr(next << 5))),
        )
    };
    Cap::Zombie(ZombieCap { slots, kind, remaining: (bits >> ZOMBIE_REMAINING_SHIFT) as u64, next_orphan })
}
