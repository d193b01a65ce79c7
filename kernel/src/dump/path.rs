//! Where a capability pointer leads, in words.
use core::fmt;

use sel_abi::CapRights;

use crate::cap::{CNodeCap, Cap};
use crate::object::tcb::Tcb;

/// The way from a thread's CSpace root to the slot that a capability pointer names, as in `root[0x12] -> [0x3] empty`.
pub struct Path<'a> {
    /// Whose CSpace.
    pub thread: &'a Tcb,
    /// The capability pointer.
    pub cptr: u64,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cap = self.thread.cspace().cap();
        let mut bits_left = sel_abi::WORD_BITS;
        f.write_str("CSpace root")?;
        loop {
            let Cap::CNode(cnode) = cap else {
                return write!(f, " {:?}", Named(&cap));
            };
            if bits_left == 0 {
                return f.write_str(" CNode");
            }
            let Some((index, left)) = index(&cnode, self.cptr, bits_left) else {
                return write!(
                    f,
                    ", whose guard {:#x} of {} bits and radix {} do not fit the {bits_left} bits left",
                    cnode.guard, cnode.guard_bits, cnode.radix
                );
            };
            write!(f, "[{index:#x}]")?;
            bits_left = left;
            let Some(slot) = cnode.slot(index) else { return Ok(()) };
            cap = slot.cap();
        }
    }
}

/// The slot of a CNode that an address selects, and the bits left behind it; None if guard or radix do not fit.
fn index(cnode: &CNodeCap, address: u64, bits_left: u64) -> Option<(u64, u64)> {
    let low = |value: u64, bits: u64| if bits >= 64 { value } else { value & ((1 << bits) - 1) };
    let (guard_bits, radix) = (u64::from(cnode.guard_bits), u64::from(cnode.radix));
    let left = bits_left.checked_sub(guard_bits)?;
    if guard_bits != 0 && low(address.checked_shr(left as u32).unwrap_or(0), guard_bits) != cnode.guard {
        return None;
    }
    let left = left.checked_sub(radix)?;
    Some((low(address.checked_shr(left as u32).unwrap_or(0), radix), left))
}

/// What a capability is.
struct Named<'a>(&'a Cap);

impl fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cap::Null => f.write_str("empty"),
            Cap::Endpoint(cap) => {
                write!(f, "Endpoint badge {:#x} rights {}", cap.badge, Rights(cap.rights))
            }
            Cap::Notification(cap) => {
                write!(f, "Notification badge {:#x} rights {}", cap.badge, Rights(cap.rights))
            }
            cap => write!(f, "{:?}", cap.tag()),
        }
    }
}

struct Rights(CapRights);

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (CapRights::READ, 'R'),
            (CapRights::WRITE, 'W'),
            (CapRights::GRANT, 'G'),
            (CapRights::GRANT_REPLY, 'P'),
        ];
        for (right, letter) in letters {
            write!(f, "{}", if self.0.contains(right) { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// What a capability that was found lacks for what a thread wanted of it: the end of a sentence, or nothing.
pub struct MissingRight<'a> {
    /// Whose CSpace.
    pub thread: &'a Tcb,
    /// The capability pointer.
    pub cptr: u64,
    /// It wanted to receive.
    pub receiving: bool,
}

impl fmt::Display for MissingRight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(slot) = crate::cap::lookup::thread_slot(self.thread, self.cptr) else { return Ok(()) };
        let rights = match slot.cap() {
            Cap::Endpoint(cap) => cap.rights,
            Cap::Notification(cap) => cap.rights,
            Cap::Null => return Ok(()),
            _ if self.receiving => {
                return f.write_str("; only endpoints and notifications can be received from");
            }
            _ => return Ok(()),
        };
        let needed = if self.receiving { CapRights::READ } else { CapRights::WRITE };
        match (rights.contains(needed), self.receiving) {
            (false, true) => f.write_str("; the right Read is missing"),
            (false, false) => f.write_str("; the right Write is missing"),
            (true, _) => Ok(()),
        }
    }
}
