//! What the root task knows of a server.
use libsel::cap::{Cap, Endpoint, Notification, Page, Reply};
use libsel::proto::Name;
use roottask::manifest::Uses;
use roottask::virt::AddressSpace;

use libsel::cap::VSpace;

use super::facts::Facts;
use super::thread::Threads;

/// Servers at most; number 0 is nobody.
pub const MAX_SERVERS: usize = 32;
const _: () = assert!(MAX_SERVERS <= u32::BITS as usize);
/// Reply objects of a server at most, beside the one that it starts with: one for each client that can wait.
pub const MAX_REPLIES: usize = MAX_SERVERS;
/// Badge of a server's faults: this bit, its number, and that of its thread. Its requests carry the number alone.
pub const FAULT_BADGE: u64 = 1 << 16;
/// Where the number of the thread begins.
pub const THREAD_BADGE_SHIFT: u32 = 32;

/// Badge of a server's requests to the administration: this bit and its number.
pub const ADMIN_BADGE: u64 = 1 << 17;

/// A server that runs.
pub struct Server {
    /// Name, by which others find its service.
    pub name: Name,
    /// Its address space as a capability.
    pub vspace: Cap<VSpace>,
    /// Its address space as ranges. The tag of a range is the number of its piece.
    pub space: AddressSpace,
    /// The endpoint of its service.
    pub service: Cap<Endpoint>,
    /// Its reply object: who waits for an answer of it.
    pub reply: Cap<Reply>,
    /// Its start page, which holds the text of a panic.
    pub start_page: Cap<Page>,
    /// The notification that is bound to its thread.
    pub notification: Cap<Notification>,
    /// Slots of its further reply objects; 0: none.
    pub replies: [u32; MAX_REPLIES],
    /// Services that it may look up.
    pub uses: Uses,
    /// Servers that looked it up, a bit each.
    pub clients: u32,
    /// Those of them that ended, and of which it was not told yet.
    pub gone: u32,
    /// When it is signalled, in TSC ticks.
    pub alarm: Option<u64>,
    /// It serves others and does not end by itself.
    pub is_service: bool,
    /// Its threads beside the first one.
    pub threads: Threads,
    /// What was noted when it started.
    pub facts: Facts,
    /// Bytes that it has mapped.
    pub mapped_bytes: u64,
    /// The most that it had.
    pub peak_bytes: u64,
    /// Ranges that these form.
    pub ranges: u64,
}

/// All servers, by number. Too large for the stack: an address space has a table of its free ranges by length.
pub type Table = [Option<Server>; MAX_SERVERS];

/// Number of a server in badges and tables.
pub type ServerId = u8;

/// Whether a badge is that of a request to the administration.
pub fn is_admin(badge: u64) -> bool {
    badge & ADMIN_BADGE != 0 && sender(badge & !ADMIN_BADGE).is_some_and(|(_, is_fault)| !is_fault)
}

/// The number in a badge, and whether it is a fault's.
pub fn sender(badge: u64) -> Option<(ServerId, bool)> {
    let is_fault = badge & FAULT_BADGE != 0;
    let number = if is_fault { badge & (FAULT_BADGE - 1) } else { badge };
    let known = number != 0 && number < MAX_SERVERS as u64;
    known.then_some((number as ServerId, is_fault))
}
