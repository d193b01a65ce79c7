//! Reading the ring of kernel events ([`crate::abi::trace`]): nothing that stands in it is trusted, and what the kernel
//! wrote over while it was read is told apart from what was read whole.
//!
//! The ring's memory is a device untyped of the root task ([`crate::bootinfo::BootInfoView::trace_ring`]). Whoever has
//! it maps its frames and makes a [`Ring`] of the words, as does a program that has a copy in a file:
//!
//! ```
//! # use std::sync::atomic::AtomicU64;
//! # let words: Vec<AtomicU64> = Vec::new();
//! match libsel::trace::Ring::new(&words) {
//!     Ok(ring) => {
//!         let mut events = ring.events();
//!         while let Some(record) = events.next() {
//!             println!("{} {:?}", record.time, record.kind);
//!         }
//!         println!("{} were lost", events.lost());
//!     }
//!     Err(error) => println!("no ring: {error}"),
//! }
//! ```
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use crate::abi::trace::{MAGIC, RECORD_BYTES, RECORD_WORDS, Record, VERSION, header};

/// Memory that is not a ring of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingError {
    /// It does not begin as a ring does.
    Magic,
    /// The kernel writes another version of the layout.
    Version(u64),
    /// An area does not lie inside of it.
    Area,
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::Magic => f.write_str("it does not begin as a ring of events does"),
            RingError::Version(version) => {
                write!(f, "its layout is version {version}, this program reads {VERSION}")
            }
            RingError::Area => f.write_str("an area of it lies outside of it"),
        }
    }
}

impl core::error::Error for RingError {}

/// A ring in memory, which the kernel may be writing to.
#[derive(Clone, Copy)]
pub struct Ring<'a> {
    words: &'a [AtomicU64],
    names: Area<'a>,
    events: Area<'a>,
}

#[derive(Clone, Copy)]
struct Area<'a> {
    count: &'a AtomicU64,
    /// Of whole records.
    words: &'a [AtomicU64],
}

impl<'a> Ring<'a> {
    /// A ring that begins with these words.
    ///
    /// # Errors
    /// They are not a ring, or not one of this version.
    pub fn new(words: &'a [AtomicU64]) -> Result<Self, RingError> {
        let word = |index: usize| words.get(index).map(|word| word.load(Ordering::Acquire));
        if word(header::MAGIC) != Some(MAGIC) {
            return Err(RingError::Magic);
        }
        let version = word(header::VERSION).ok_or(RingError::Magic)?;
        if version != VERSION || word(header::RECORD_BYTES) != Some(RECORD_BYTES as u64) {
            return Err(RingError::Version(version));
        }
        let names = Area::find(words, header::NAMES).ok_or(RingError::Area)?;
        let events = Area::find(words, header::EVENTS).ok_or(RingError::Area)?;
        Ok(Ring { words, names, events })
    }

    fn header(&self, index: usize) -> u64 {
        self.words.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Number of the core.
    pub fn core(&self) -> u64 {
        self.header(header::CORE)
    }

    /// Physical address of the ring, as it says itself.
    pub fn paddr(&self) -> u64 {
        self.header(header::PADDR)
    }

    /// TSC ticks per second.
    pub fn tsc_hz(&self) -> u64 {
        self.header(header::TSC_HZ)
    }

    /// The names of threads, oldest first.
    pub const fn names(&self) -> Records<'a> {
        Records { area: self.names, next: 0, lost: 0 }
    }

    /// The events, oldest first.
    pub const fn events(&self) -> Records<'a> {
        Records { area: self.events, next: 0, lost: 0 }
    }
}

impl<'a> Area<'a> {
    fn find(words: &'a [AtomicU64], header: usize) -> Option<Self> {
        let [offset, capacity, count] = words.get(header..)?.first_chunk()?;
        let [offset, capacity] = [offset, capacity].map(|word| word.load(Ordering::Relaxed));
        let start = usize::try_from(offset).ok().filter(|offset| offset.is_multiple_of(8))? / 8;
        let length = usize::try_from(capacity).ok().filter(|capacity| *capacity > 0)?;
        let end = length.checked_mul(RECORD_WORDS)?.checked_add(start)?;
        Some(Area { count, words: words.get(start..end)? })
    }

    fn capacity(&self) -> u64 {
        (self.words.len() / RECORD_WORDS) as u64
    }

    /// The number of the oldest record that is surely whole: the kernel may be writing the next one.
    fn oldest(&self, count: u64) -> u64 {
        (count + 1).saturating_sub(self.capacity())
    }

    fn record(&self, number: u64) -> Option<Record> {
        let at = (number % self.capacity()) as usize * RECORD_WORDS;
        let words: &[AtomicU64; RECORD_WORDS] = self.words.get(at..)?.first_chunk()?;
        Some(Record::from_words(words.each_ref().map(|word| word.load(Ordering::Relaxed))))
    }
}

/// Reads the records of an area, and goes on when there are more.
#[derive(Clone)]
pub struct Records<'a> {
    area: Area<'a>,
    /// Number of the record that is read next.
    next: u64,
    lost: u64,
}

impl Records<'_> {
    /// Records that were written over before they were read.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    fn skip_to(&mut self, oldest: u64) {
        if self.next < oldest {
            self.lost += oldest - self.next;
            self.next = oldest;
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    /// The next record; None where the kernel has not written one yet, for the time being.
    fn next(&mut self) -> Option<Record> {
        loop {
            // The last number is as good as none, and keeps a count that somebody else wrote from overflowing.
            let count = self.area.count.load(Ordering::Acquire).min(u64::MAX - 1);
            if self.next >= count {
                return None;
            }
            self.skip_to(self.area.oldest(count));
            let record = self.area.record(self.next)?;
            // What was read is whole if the count says so after it was read.
            fence(Ordering::Acquire);
            let after = self.area.count.load(Ordering::Relaxed).min(u64::MAX - 1);
            if self.next >= self.area.oldest(after) {
                self.next += 1;
                return Some(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const NAMES: u64 = 2;
    const EVENTS: u64 = 4;
    const EVENTS_AT: usize = 32;

    /// A ring with room for 2 names and 4 events, of which `count` were written.
    fn ring(count: u64) -> Vec<AtomicU64> {
        let mut words = std::vec![0; EVENTS_AT + EVENTS as usize * RECORD_WORDS];
        let head =
            [MAGIC, VERSION, RECORD_BYTES as u64, 1, 0x1f80_0000, 1000, 128, NAMES, 0, 256, EVENTS, count];
        words[..head.len()].copy_from_slice(&head);
        for number in 0..count {
            let at = EVENTS_AT + (number % EVENTS) as usize * RECORD_WORDS;
            words[at..at + RECORD_WORDS].copy_from_slice(&event(number).to_words());
        }
        words.into_iter().map(AtomicU64::new).collect()
    }

    fn event(number: u64) -> Record {
        Record { time: number, kind: 5, detail: 1, thread: 9, words: [number, 0] }
    }

    fn numbers(records: &mut Records<'_>) -> Vec<u64> {
        records.map(|record| record.time).collect()
    }

    fn changed(index: usize, value: u64) -> Result<(), RingError> {
        let words = ring(1);
        words[index].store(value, Ordering::Relaxed);
        Ring::new(&words).map(|_| ())
    }

    #[test]
    fn a_header_is_believed_only_if_everything_fits() {
        let words = ring(0);
        let ring = Ring::new(&words).unwrap();
        assert_eq!((ring.core(), ring.paddr(), ring.tsc_hz()), (1, 0x1f80_0000, 1000));
        assert_eq!(ring.events().next(), None);
        assert_eq!(Ring::new(&[]).err(), Some(RingError::Magic));
        assert_eq!(Ring::new(&words[..1]).err(), Some(RingError::Magic));
        assert_eq!(changed(header::MAGIC, 0), Err(RingError::Magic));
        assert_eq!(changed(header::VERSION, 2), Err(RingError::Version(2)));
        assert_eq!(changed(header::RECORD_BYTES, 40), Err(RingError::Version(1)));
        for (index, value) in
            [(9, 257), (9, 1 << 40), (10, 0), (10, 5), (10, u64::MAX / 4), (6, u64::MAX - 7)]
        {
            assert_eq!(changed(index, value), Err(RingError::Area), "word {index} = {value}");
        }
    }

    #[test]
    fn records_come_in_order_and_losses_are_counted() {
        for (count, expected, lost) in [(1, 0..1, 0), (3, 0..3, 0), (4, 1..4, 1), (11, 8..11, 8)] {
            let words = ring(count);
            let mut events = Ring::new(&words).unwrap().events();
            assert_eq!(numbers(&mut events), expected.collect::<Vec<_>>(), "{count} records");
            assert_eq!(events.lost(), lost, "{count} records");
        }
        let words = ring(3);
        assert_eq!(Ring::new(&words).unwrap().events().next(), Some(event(0)));
    }

    #[test]
    fn a_reader_goes_on_when_there_are_more() {
        let words = ring(6);
        let count = &words[header::EVENTS + 2];
        count.store(2, Ordering::Relaxed);
        let mut events = Ring::new(&words).unwrap().events();
        assert_eq!(numbers(&mut events).len(), 2);
        count.store(6, Ordering::Relaxed);
        assert_eq!(numbers(&mut events), [3, 4, 5]);
        assert_eq!(events.lost(), 1);
    }

    #[test]
    fn a_count_that_makes_no_sense_ends_the_reading() {
        let words = ring(3);
        let count = &words[header::EVENTS + 2];
        count.store(u64::MAX, Ordering::Relaxed);
        let mut events = Ring::new(&words).unwrap().events();
        assert!(events.by_ref().count() < EVENTS as usize);
        assert!(events.lost() > 0);
        count.store(0, Ordering::Relaxed);
        assert_eq!(events.next(), None);
    }

    #[test]
    fn a_writer_at_work_never_shows_half_a_record() {
        let words = ring(0);
        // As the kernel does it (`kernel/src/trace/ring.rs`).
        let writing = |number: u64| {
            fence(Ordering::Release);
            let at = EVENTS_AT + (number % EVENTS) as usize * RECORD_WORDS;
            for (to, word) in words[at..].iter().zip(event(number).to_words()) {
                to.store(word, Ordering::Relaxed);
            }
            words[header::EVENTS + 2].store(number + 1, Ordering::Release);
        };
        let last = if cfg!(miri) { 200 } else { 20_000 };
        std::thread::scope(|scope| {
            scope.spawn(|| (0..last).for_each(writing));
            let mut events = Ring::new(&words).unwrap().events();
            let (mut read, mut before) = (0, None);
            while read + events.lost() < last {
                let Some(record) = events.next() else { continue };
                assert_eq!(record, event(record.time));
                assert!(before < Some(record.time));
                before = Some(record.time);
                read += 1;
            }
        });
    }
}
