//! A section of the manifest, read: one server.

use libsel::proto::start::slot::MAX_IRQS;

use super::keys::{self, KEYS};
use super::mistake::Mistake;
use super::values::{Irq, MAX_PORTS, Uses};
use crate::restart::{Policy, Rules};

const DEFAULT_PRIORITY: u8 = 100;
const DEFAULT_BUDGET_US: u64 = 10_000;
const DEFAULT_THREADS: u8 = 8;
/// Threads of a server at most, the first one included.
pub const MAX_THREADS: usize = 16;
const DEFAULT_BACKOFF_MS: u64 = 100;
const DEFAULT_RESTARTS: u32 = 10;
const DEFAULT_QUOTA: u64 = 128 << 20;
/// The kernel gives no smaller budget.
const LEAST_BUDGET_US: u64 = 20;

/// What the manifest says about a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Name, by which others find its service.
    pub name: &'a str,
    /// The line where its section begins.
    pub line: u32,
    /// Name of its program among the boot modules.
    pub image: &'a str,
    /// Words for the server itself.
    pub arguments: &'a str,
    /// Ranges of I/O ports: first and last.
    pub ports: [Option<(u16, u16)>; MAX_PORTS],
    /// Interrupts.
    pub irqs: [Option<Irq>; MAX_IRQS],
    /// Priority.
    pub priority: u8,
    /// Microseconds of processor time a period.
    pub budget_us: u64,
    /// Microseconds; equal to the budget: it takes turns with others of its priority.
    pub period_us: u64,
    /// Bytes of memory that it may map.
    pub quota: u64,
    /// Threads that it may have, the first one included.
    pub threads: u8,
    /// Devices whose registers it may map, see [`crate::devices::Allowed::parse`].
    pub devices: &'a str,
    /// It may ask the root task's administration.
    pub admin: bool,
    /// Services that it may look up.
    pub uses: Uses,
    /// When it runs again after its end.
    pub restart: Rules,
    /// It serves others and does not end by itself.
    pub service: bool,
}

/// A section while it is read.
pub struct Draft<'a> {
    /// What is known so far.
    pub entry: Entry<'a>,
    /// `restart`, if it was given: the default depends on `service`.
    pub policy: Option<Policy>,
    /// The section has mistakes.
    pub is_faulty: bool,
    /// The line of each key that was given; 0: it was not.
    given: [u32; KEYS.len()],
}

impl<'a> Draft<'a> {
    /// A section of this name: everything as it is without keys.
    pub fn new(name: &'a str, line: u32) -> Self {
        let entry = Entry {
            name,
            line,
            image: name,
            arguments: "",
            ports: [None; MAX_PORTS],
            irqs: [None; MAX_IRQS],
            priority: DEFAULT_PRIORITY,
            budget_us: DEFAULT_BUDGET_US,
            period_us: DEFAULT_BUDGET_US,
            quota: DEFAULT_QUOTA,
            threads: DEFAULT_THREADS,
            devices: "",
            admin: false,
            uses: Uses::default(),
            restart: Rules { policy: Policy::Never, backoff_ms: DEFAULT_BACKOFF_MS, most: DEFAULT_RESTARTS },
            service: false,
        };
        Draft { entry, policy: None, is_faulty: false, given: [0; KEYS.len()] }
    }

    /// Takes in a line of the section.
    pub fn set(&mut self, line: u32, key: &'a str, value: &'a str) -> Result<(), Mistake<'a>> {
        let (number, known) = keys::find(key).ok_or(Mistake::UnknownKey { key })?;
        if let Some(given) = self.given.get_mut(number)
            && let first @ 1.. = core::mem::replace(given, line)
        {
            return Err(Mistake::KeyTwice { key: known.name, first });
        }
        let allowed = known.allowed;
        (known.set)(self, value).ok_or(Mistake::Value { key: known.name, found: value, allowed })
    }

    /// The section is whole: what depends on several of its keys.
    pub fn finish(&self) -> Result<Entry<'a>, Mistake<'a>> {
        let mut entry = self.entry;
        let usual = if entry.service { Policy::OnFailure } else { Policy::Never };
        entry.restart.policy = self.policy.unwrap_or(usual);
        let Entry { budget_us, period_us, .. } = entry;
        if budget_us < LEAST_BUDGET_US || budget_us > period_us {
            return Err(Mistake::Budget { budget_us, period_us });
        }
        Ok(entry)
    }

    /// The line of a key; that of the section if the key was not given.
    pub fn line_of(&self, key: &str) -> u32 {
        let given = keys::find(key).and_then(|(number, _)| self.given.get(number));
        given.copied().filter(|line| *line != 0).unwrap_or(self.entry.line)
    }
}
