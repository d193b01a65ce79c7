//! A core's ring in memory ([`sel_abi::trace`]): written here, and never read, because users may write to it as well.
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use sel_abi::trace::{self, Area, RECORD_WORDS, RING_WORDS, Record, header};

use crate::addr::{KernelPtr, PhysAddr};

type Words = [AtomicU64; RING_WORDS];

/// Where the next record of an area goes.
struct Place {
    /// Records written.
    count: Cell<u64>,
    /// `count` modulo the capacity.
    index: Cell<usize>,
}

impl Place {
    const fn new() -> Self {
        Place { count: Cell::new(0), index: Cell::new(0) }
    }

    /// `area` is a constant, so that nothing of it is computed at run time.
    #[inline(always)]
    fn write(&self, area: Area, words: &Words, record: Record) {
        // Whoever sees a word of this record sees that there were as many before.
        fence(Ordering::Release);
        let index = self.index.get();
        let at = area.offset / 8 + index * RECORD_WORDS;
        if let Some(places) = words.get(at..).and_then(|rest| rest.first_chunk::<RECORD_WORDS>()) {
            for (place, word) in places.iter().zip(record.to_words()) {
                place.store(word, Ordering::Relaxed);
            }
        }
        let next = index + 1;
        self.index.set(if next == area.capacity { 0 } else { next });
        let count = self.count.get() + 1;
        self.count.set(count);
        // Whoever sees the count sees the record.
        words[area.header + 2].store(count, Ordering::Release);
    }
}

/// A core's ring; without memory, nothing is recorded.
pub struct Ring {
    memory: Cell<Option<KernelPtr<Words>>>,
    names: Place,
    events: Place,
}

impl Ring {
    /// Without memory.
    pub const fn new() -> Self {
        Ring { memory: Cell::new(None), names: Place::new(), events: Place::new() }
    }

    /// Begins with an empty ring.
    ///
    /// # Safety
    /// `memory` is [`trace::RING_BYTES`] of zeroed RAM in the direct map, aligned to a page, that no kernel object ever
    /// overlaps.
    pub unsafe fn open(&self, memory: PhysAddr, core: u64, tsc_hz: u64) {
        // SAFETY: the caller's promise; any bytes are such words, and users that write to them write to atomics.
        let words: KernelPtr<Words> = unsafe { KernelPtr::from_phys(memory) };
        for (index, value) in [
            (header::VERSION, trace::VERSION),
            (header::RECORD_BYTES, trace::RECORD_BYTES as u64),
            (header::CORE, core),
            (header::PADDR, memory.0),
            (header::TSC_HZ, tsc_hz),
        ] {
            words[index].store(value, Ordering::Relaxed);
        }
        for (place, area) in [(&self.names, trace::NAMES), (&self.events, trace::EVENTS)] {
            place.count.set(0);
            place.index.set(0);
            let Area { header, offset, capacity } = area;
            words[header].store(offset as u64, Ordering::Relaxed);
            words[header + 1].store(capacity as u64, Ordering::Relaxed);
        }
        words[header::MAGIC].store(trace::MAGIC, Ordering::Release);
        self.memory.set(Some(words));
    }

    /// Adds an event.
    #[inline(always)]
    pub fn event(&self, record: Record) {
        if let Some(words) = self.memory.get() {
            self.events.write(trace::EVENTS, words.get(), record);
        }
    }

    /// Adds a part of a name.
    pub fn name(&self, record: Record) {
        if let Some(words) = self.memory.get() {
            self.names.write(trace::NAMES, words.get(), record);
        }
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use sel_abi::trace::{EVENTS, NAMES};

    use super::*;
    use crate::arch;

    fn record(time: u64) -> Record {
        Record { time, kind: 5, detail: 0, thread: 7, words: [time, !time] }
    }

    fn at(words: &Words, area: Area, index: usize) -> Record {
        let start = area.offset / 8 + index * RECORD_WORDS;
        Record::from_words(core::array::from_fn(|word| words[start + word].load(Ordering::Relaxed)))
    }

    #[test]
    fn records_go_round_and_are_counted() {
        let memory = PhysAddr(arch::ARENA_BASE);
        // SAFETY: the arena is larger, and nothing else of this test is in it.
        let words = unsafe { KernelPtr::<Words>::from_phys(memory) };
        let ring = Ring::new();
        ring.event(record(1));
        assert_eq!(words[header::MAGIC].load(Ordering::Relaxed), 0, "no memory yet");
        // SAFETY: as above.
        unsafe { ring.open(memory, 3, 1000) };
        let all = EVENTS.capacity as u64 + 5;
        (0..all).for_each(|time| ring.event(record(time)));
        ring.name(record(99));
        let header: Vec<u64> = words[..12].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let (names, events) = (NAMES.capacity as u64, EVENTS.capacity as u64);
        let base = arch::ARENA_BASE;
        assert_eq!(
            header,
            [trace::MAGIC, 1, 32, 3, base, 1000, 4096, names, 1, 65536, events, all],
            "magic, version, record, core, address, frequency, two areas"
        );
        assert_eq!([0, 4, 5].map(|index| at(&words, EVENTS, index).time), [events, events + 4, 5]);
        assert_eq!(at(&words, EVENTS, EVENTS.capacity - 1), record(events - 1));
        assert_eq!(at(&words, NAMES, 0), record(99));
    }

    #[test]
    fn what_users_write_changes_nothing() {
        let memory = PhysAddr(arch::ARENA_BASE);
        // SAFETY: as above.
        let words = unsafe { KernelPtr::<Words>::from_phys(memory) };
        let ring = Ring::new();
        // SAFETY: as above.
        unsafe { ring.open(memory, 0, 1) };
        ring.event(record(1));
        words[..4096].iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        ring.event(record(2));
        assert_eq!(at(&words, EVENTS, 1), record(2));
        assert_eq!(words[EVENTS.header + 2].load(Ordering::Relaxed), 2);
    }
}
