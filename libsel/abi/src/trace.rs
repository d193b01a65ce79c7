//! The ring of kernel events: what a kernel that was built with tracing writes, one ring for each core.
//!
//! A ring is [`RING_BYTES`] of RAM, aligned to its size: a header of words, an area of records that name threads, and
//! an area of records of events. The kernel writes and never reads it; whoever has the ring's device untyped may map it.
//! In each area record number `n` stands in place `n % capacity`, and the area's count grows by one after each record.

use crate::numbered;

/// First word of a ring: `SELKIETR`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SELKIETR");
/// Version of this layout.
pub const VERSION: u64 = 1;
/// log2 of [`RING_BYTES`].
pub const RING_BITS: u8 = 22;
/// Bytes of a ring.
pub const RING_BYTES: usize = 1 << RING_BITS;
/// Words of a ring.
pub const RING_WORDS: usize = RING_BYTES / 8;
/// Bytes of a record.
pub const RECORD_BYTES: usize = RECORD_WORDS * 8;
/// Words of a record.
pub const RECORD_WORDS: usize = 4;
/// log2 of the smallest thread object: a [`ThreadId`] counts such steps.
pub const THREAD_BITS: u32 = 11;
/// Bytes of a thread's name, which takes two records.
pub const NAME_BYTES: usize = 32;

/// Indices of the header's words.
pub mod header {
    /// [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// [`super::VERSION`].
    pub const VERSION: usize = 1;
    /// [`super::RECORD_BYTES`].
    pub const RECORD_BYTES: usize = 2;
    /// Number of the core.
    pub const CORE: usize = 3;
    /// Physical address of the ring.
    pub const PADDR: usize = 4;
    /// TSC frequency in Hz.
    pub const TSC_HZ: usize = 5;
    /// First of three words of the names' area: its offset in bytes, its capacity in records, its count.
    pub const NAMES: usize = 6;
    /// The same of the events' area.
    pub const EVENTS: usize = 9;
}

/// A part of a ring that holds records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// Index of the header's word that has the offset; capacity and count follow.
    pub header: usize,
    /// Offset in bytes, a multiple of [`RECORD_BYTES`].
    pub offset: usize,
    /// Records that it holds.
    pub capacity: usize,
}

/// Where the kernel puts names.
pub const NAMES: Area = Area { header: header::NAMES, offset: 1 << 12, capacity: (60 << 10) / RECORD_BYTES };
/// Where the kernel puts events.
pub const EVENTS: Area =
    Area { header: header::EVENTS, offset: 1 << 16, capacity: (RING_BYTES - (1 << 16)) / RECORD_BYTES };

const _: () = assert!(NAMES.offset + NAMES.capacity * RECORD_BYTES == EVENTS.offset);
const _: () = assert!(EVENTS.offset + EVENTS.capacity * RECORD_BYTES == RING_BYTES);

/// A thread: its object's physical address in steps of 2^[`THREAD_BITS`]; 0 is no thread.
pub type ThreadId = u32;

numbered! {
    /// What a record tells. `detail` and the two words depend on it.
    pub enum Kind: u16 {
        /// A system call of the thread. Detail: the number, as `i16`. Words: capability pointer, message info.
        Syscall = 1,
        /// A processor exception. Detail: vector. Words: instruction's address, CR2.
        Exception = 2,
        /// An interrupt while the thread ran. Detail: vector. Words: instruction's address, 0.
        Interrupt = 3,
        /// `int N`. Detail: vector. Words: instruction's address, `rax`.
        SoftwareInterrupt = 4,
        /// The kernel is left for the thread.
        Exit = 5,
        /// The core goes over to the thread, or to none. Detail: what became of the other one, a [`Left`]. Words: the
        /// other thread, the priority of this one.
        Switch = 6,
        /// A message or fault of the thread is delivered. Detail: length in words. Words: [`Route::raw`], badge.
        Message = 7,
        /// The thread faults. Detail: a [`crate::FaultType`]. Words: address, capability pointer or number; the
        /// instruction's address.
        Fault = 8,
        /// An interrupt is taken. Detail: vector. Words: 0.
        Irq = 9,
        /// A notification is signalled, while the thread runs. Words: its physical address, badge.
        Signal = 10,
        /// The core waits for an interrupt, with no thread.
        Idle = 11,
        /// An interrupt ends the wait.
        Awake = 12,
        /// In the names' area: a part of the thread's name. Detail: 0 or 1, the part. Words: 16 bytes, NUL-padded.
        Name = 13,
    }
}

numbered! {
    /// What became of a thread that the core leaves.
    pub enum Left: u16 {
        /// Stopped.
        Inactive = 0,
        /// It can run.
        Running = 1,
        /// It can run, and executes its instruction again.
        Restart = 2,
        /// It waits for a message.
        Receive = 3,
        /// It waits for a receiver.
        Send = 4,
        /// It waits for a reply.
        Reply = 5,
        /// It waits for a signal.
        Notification = 6,
        /// There was no thread.
        Nobody = 7,
    }
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// TSC.
    pub time: u64,
    /// What it tells, a [`Kind`].
    pub kind: u16,
    /// See [`Kind`].
    pub detail: u16,
    /// The thread that it is about.
    pub thread: ThreadId,
    /// See [`Kind`].
    pub words: [u64; 2],
}

impl Record {
    /// As it stands in memory.
    #[inline(always)]
    pub const fn to_words(self) -> [u64; RECORD_WORDS] {
        let about = self.kind as u64 | (self.detail as u64) << 16 | (self.thread as u64) << 32;
        [self.time, about, self.words[0], self.words[1]]
    }

    /// From memory.
    pub const fn from_words([time, about, first, second]: [u64; RECORD_WORDS]) -> Self {
        let (kind, detail, thread) = (about as u16, (about >> 16) as u16, (about >> 32) as u32);
        Record { time, kind, detail, thread, words: [first, second] }
    }
}

/// Where a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The thread that receives it.
    pub receiver: ThreadId,
    /// Physical address of the endpoint, a multiple of 16; 0 for an answer.
    pub endpoint: u64,
}

impl Route {
    const ENDPOINT_BITS: u32 = 36;

    /// As one word.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        (self.receiver as u64) << Self::ENDPOINT_BITS | self.endpoint >> 4
    }

    /// From a word.
    pub const fn from_raw(raw: u64) -> Self {
        let endpoint = (raw & ((1 << Self::ENDPOINT_BITS) - 1)) << 4;
        Route { receiver: (raw >> Self::ENDPOINT_BITS) as u32, endpoint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_words() {
        let record = Record { time: 9, kind: 7, detail: 0xfff5, thread: 0xfedc_ba98, words: [1, u64::MAX] };
        assert_eq!(record.to_words()[1], 0xfedc_ba98_fff5_0007);
        assert_eq!(Record::from_words(record.to_words()), record);
    }

    #[test]
    fn routes_come_back_from_a_word() {
        // The last thread and endpoint of the memory that kernel objects may live in.
        let last = 1_u64 << 39;
        let receiver = (last >> THREAD_BITS) as u32 - 1;
        for route in [Route { receiver, endpoint: last - 16 }, Route { receiver: 1, endpoint: 0 }] {
            assert_eq!(Route::from_raw(route.raw()), route);
        }
    }
}
