//! What is in a server's CSpace: each capability is copied and the copy looked at.
use core::fmt::Write;

use libsel::abi::{CapRights, CapTag, Word};
use libsel::cap::AbsoluteSlot;
use libsel::error::Error;
use libsel::proto::Text;
use libsel::proto::admin::CapabilityInfo;
use libsel::proto::start::slot;
use libsel::rt::Bounded;
use libsel::sys;

use super::server::ServerId;
use super::{Root, own_slot};

/// Bytes of a description at most.
const TEXT_BYTES: usize = 80;

/// What the root task put into a slot.
fn role(cptr: Word) -> Option<&'static str> {
    Some(match cptr {
        1 => "its thread",
        2 => "its CSpace",
        3 => "the root task's service",
        4 => "its reply object",
        5 => "its own service",
        6 | 16..=18 => "its I/O ports",
        7 => "its notification",
        8..=15 => "an interrupt",
        19 => "the root task's administration",
        _ => return None,
    })
}

impl Root {
    /// A capability of a server's, by its number among the slots that are not empty.
    pub fn capability(&mut self, id: ServerId, index: u64) -> Option<CapabilityInfo> {
        let cnode = self.server(id)?.facts.cnode;
        let scratch = self.memory.kernel().slots.take(1)?;
        let mut left = index;
        let mut found = None;
        for cptr in 1..slot::END {
            let from = AbsoluteSlot::new(cnode, cptr, slot::CSPACE_BITS);
            let copied = own_slot(scratch).copy(from, CapRights::ALL);
            if matches!(copied, Err(Error::FailedLookup { .. })) {
                continue;
            }
            if left == 0 {
                let tag = copied.is_ok() && self.debug_calls;
                let tag = tag.then(|| sys::debug_cap_identify(u64::from(scratch)));
                found = Some(describe(cptr, tag));
            }
            let _ = own_slot(scratch).delete();
            if left == 0 {
                break;
            }
            left -= 1;
        }
        self.memory.kernel().slots.give(scratch, 1);
        found
    }
}

fn describe(cptr: Word, tag: Option<Word>) -> CapabilityInfo {
    let mut line = Bounded::<TEXT_BYTES>::new();
    // A full line is cut, nothing else can go wrong.
    let _ = match tag.and_then(CapTag::from_raw) {
        Some(tag) => write!(line, "{tag:?}"),
        None => line.write_str("capability"),
    };
    if let Some(role) = role(cptr) {
        let _ = write!(line, ": {role}");
    }
    CapabilityInfo { slot: cptr, kind: Text::cut(line.as_bytes()) }
}
