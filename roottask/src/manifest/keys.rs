//! The keys of a section. A key is added here, as a field of [`Entry`](super::Entry) with its default, and in
//! docs/manifest.md.

use libsel::proto::start::ARGUMENT_BYTES;

use super::entry::{Draft, MAX_THREADS};
use super::values::{bytes, irqs, name, policy, ports, yes_or_no};
use super::{Uses, values};
use crate::devices::{Allowed, MAX_PCI};

/// A key.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What may stand behind it, as an error says it.
    pub allowed: &'static str,
    /// Reads a value; `None` if it is not allowed.
    pub set: for<'a> fn(&mut Draft<'a>, &'a str) -> Option<()>,
}

/// The highest priority of a server: the root task's own threads are above it.
const MAX_PRIORITY: u8 = 253;

// The numbers in the texts below.
const _: () = assert!(MAX_PRIORITY == 253 && values::MAX_PORTS == 2 && values::MAX_USES == 8);
const _: () = assert!(MAX_THREADS == 16);
const _: () = assert!(MAX_PCI == 8 && ARGUMENT_BYTES == 512);
const _: () = assert!(libsel::proto::start::slot::MAX_IRQS == 8);
// In that of a name that is none.
const _: () = assert!(libsel::proto::NAME_BYTES == 32);

/// All keys.
pub const KEYS: [Key; 16] = [
    Key {
        name: "image",
        allowed: "the name of a file: letters, digits, `-`, `_`, `.`",
        set: |draft, value| put(&mut draft.entry.image, name(value)),
    },
    Key {
        name: "priority",
        allowed: "a number from 0 to 253",
        set: |draft, value| {
            let priority = value.parse().ok().filter(|priority| *priority <= MAX_PRIORITY);
            put(&mut draft.entry.priority, priority)
        },
    },
    Key {
        name: "budget_us",
        allowed: "a number of microseconds",
        set: |draft, value| put(&mut draft.entry.budget_us, value.parse().ok()),
    },
    Key {
        name: "period_us",
        allowed: "a number of microseconds",
        set: |draft, value| put(&mut draft.entry.period_us, value.parse().ok()),
    },
    Key {
        name: "quota",
        allowed: "a number of bytes, or of K, M or G, as in `16M`",
        set: |draft, value| put(&mut draft.entry.quota, bytes(value)),
    },
    Key {
        name: "threads",
        allowed: "a number from 1 to 16",
        set: |draft, value| {
            let threads = value.parse().ok().filter(|threads| (1..=MAX_THREADS as u8).contains(threads));
            put(&mut draft.entry.threads, threads)
        },
    },
    Key {
        name: "ports",
        allowed: "at most 2 ranges in hexadecimal, as in `3f8-3ff, 60-64`",
        set: |draft, value| put(&mut draft.entry.ports, ports(value)),
    },
    Key {
        name: "irqs",
        allowed: "at most 8 of: `isa N` or `N`, from 0 to 15; `msi VENDOR:DEVICE` in hexadecimal",
        set: |draft, value| put(&mut draft.entry.irqs, irqs(value)),
    },
    Key {
        name: "devices",
        allowed: "`framebuffer`, `hpet`, `trace`, and at most 8 `pci VENDOR:DEVICE` in hexadecimal",
        set: |draft, value| put(&mut draft.entry.devices, Allowed::parse(value).ok().map(|_| value)),
    },
    Key {
        name: "uses",
        allowed: "at most 8 names of servers, or `*` for all",
        set: |draft, value| put(&mut draft.entry.uses, Uses::parse(value)),
    },
    Key {
        name: "service",
        allowed: "`yes` or `no`",
        set: |draft, value| put(&mut draft.entry.service, yes_or_no(value)),
    },
    Key {
        name: "restart",
        allowed: "`always`, `on-failure` or `never`",
        set: |draft, value| put(&mut draft.policy, policy(value).map(Some)),
    },
    Key {
        name: "backoff_ms",
        allowed: "a number of milliseconds",
        set: |draft, value| put(&mut draft.entry.restart.backoff_ms, value.parse().ok()),
    },
    Key {
        name: "max_restarts",
        allowed: "a number",
        set: |draft, value| put(&mut draft.entry.restart.most, value.parse().ok()),
    },
    Key {
        name: "admin",
        allowed: "`yes` or `no`",
        set: |draft, value| put(&mut draft.entry.admin, yes_or_no(value)),
    },
    Key {
        name: "arguments",
        allowed: "at most 512 bytes",
        set: |draft, value| {
            put(&mut draft.entry.arguments, Some(value).filter(|value| value.len() <= ARGUMENT_BYTES))
        },
    },
];

/// The key of a name, and its place in the list.
pub fn find(name: &str) -> Option<(usize, &'static Key)> {
    KEYS.iter().enumerate().find(|(_, key)| key.name == name)
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}
