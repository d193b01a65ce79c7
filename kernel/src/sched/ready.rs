//! Ready queues: a FIFO list per domain and priority. The highest priority is known; when its list becomes empty, a bitmap
//! finds the next in a few steps.
use core::cell::Cell;

use sel_abi::MAX_DOMAINS;

use crate::object::tcb::{Queued, TcbPtr};

const PRIORITIES: usize = 256;
const WORDS: usize = PRIORITIES / 64;

#[derive(Clone, Copy)]
struct List {
    first: Option<TcbPtr>,
    last: Option<TcbPtr>,
}

/// The threads of one domain that can run.
struct DomainQueues {
    /// Bit p says that the list of priority p is not empty.
    occupied: [u64; WORDS],
    lists: [List; PRIORITIES],
}

/// Priority of a domain in which no thread is ready; all others are greater by one here than their name says.
const NONE: u16 = 0;

/// The threads that can run, without the one that does.
pub struct ReadyQueues {
    /// The highest priority at which a thread is ready, for each domain; see [`NONE`].
    highest: [u16; MAX_DOMAINS],
    domains: [DomainQueues; MAX_DOMAINS],
}

#[inline(always)]
fn bit(priority: u8) -> u64 {
    1 << (priority % 64)
}

impl DomainQueues {
    #[inline(always)]
    fn word(&mut self, priority: u8) -> Option<&mut u64> {
        self.occupied.get_mut(usize::from(priority / 64))
    }

    /// The highest priority of a list that is not empty.
    fn find_highest(&self) -> u16 {
        let words = self.occupied.iter().enumerate().rev();
        let mut highest = words.filter_map(|(index, word)| Some(index as u32 * 64 + word.checked_ilog2()?));
        highest.next().map_or(NONE, |priority| priority as u16 + 1)
    }
}

impl ReadyQueues {
    /// Nothing is ready.
    pub const fn new() -> Self {
        const EMPTY: DomainQueues =
            DomainQueues { occupied: [0; WORDS], lists: [List { first: None, last: None }; PRIORITIES] };
        ReadyQueues { highest: [NONE; MAX_DOMAINS], domains: [EMPTY; MAX_DOMAINS] }
    }

    /// A list was empty, and has a thread of this domain and priority now.
    #[inline(always)]
    fn occupy(&mut self, thread: TcbPtr) {
        let (domain, priority) = (usize::from(thread.domain.get()), thread.priority.get());
        if let Some(word) = self.domains.get_mut(domain).and_then(|queues| queues.word(priority)) {
            *word |= bit(priority);
        }
        if let Some(highest) = self.highest.get_mut(domain) {
            *highest = (*highest).max(u16::from(priority) + 1);
        }
    }

    /// The list of this domain and priority is empty now.
    #[inline(always)]
    fn vacate(&mut self, domain: usize, priority: u8) {
        let Some(queues) = self.domains.get_mut(domain) else { return };
        let Some(word) = queues.word(priority) else { return };
        *word &= !bit(priority);
        let word = *word;
        if let Some(highest) = self.highest.get_mut(domain)
            && *highest == u16::from(priority) + 1
        {
            *highest = match word.checked_ilog2() {
                Some(low) => u16::from(priority / 64 * 64) + low as u16 + 1,
                None => queues.find_highest(),
            };
        }
    }

    #[inline(always)]
    fn list(&mut self, thread: TcbPtr) -> Option<&mut List> {
        let queues = self.domains.get_mut(usize::from(thread.domain.get()))?;
        queues.lists.get_mut(usize::from(thread.priority.get()))
    }

    /// Puts a thread before the others of its priority.
    #[inline(always)]
    pub fn push_front(&mut self, thread: TcbPtr) {
        let Some(list) = self.list(thread) else { return };
        let first = list.first.replace(thread);
        thread.ready_previous.set(None);
        thread.ready_next.set(first);
        thread.queued.set(Queued::Ready);
        match first {
            Some(first) => first.ready_previous.set(Some(thread)),
            None => {
                list.last = Some(thread);
                self.occupy(thread);
            }
        }
    }

    /// Puts a thread behind the others of its priority.
    #[inline(always)]
    pub fn push_back(&mut self, thread: TcbPtr) {
        let Some(list) = self.list(thread) else { return };
        let last = list.last.replace(thread);
        thread.ready_next.set(None);
        thread.ready_previous.set(last);
        thread.queued.set(Queued::Ready);
        match last {
            Some(last) => last.ready_next.set(Some(thread)),
            None => {
                list.first = Some(thread);
                self.occupy(thread);
            }
        }
    }

    /// Takes a thread out.
    #[inline(always)]
    pub fn remove(&mut self, thread: TcbPtr) {
        let Some(list) = self.list(thread) else { return };
        let (previous, next): (Option<TcbPtr>, Option<TcbPtr>) =
            (Cell::take(&thread.ready_previous), Cell::take(&thread.ready_next));
        thread.queued.set(Queued::No);
        match previous {
            Some(previous) => previous.ready_next.set(next),
            None => list.first = next,
        }
        match next {
            Some(next) => next.ready_previous.set(previous),
            None => list.last = previous,
        }
        if previous.is_none() && next.is_none() {
            self.vacate(usize::from(thread.domain.get()), thread.priority.get());
        }
    }

    /// Takes out the first thread of the highest priority of this domain.
    #[inline(always)]
    pub fn pop_first(&mut self, domain: u8) -> Option<TcbPtr> {
        let priority = self.highest(domain)?;
        let domain = usize::from(domain);
        let list = self.domains.get_mut(domain)?.lists.get_mut(usize::from(priority))?;
        let first = list.first?;
        let next: Option<TcbPtr> = Cell::take(&first.ready_next);
        first.queued.set(Queued::No);
        list.first = next;
        match next {
            Some(next) => next.ready_previous.set(None),
            None => {
                list.last = None;
                self.vacate(domain, priority);
            }
        }
        Some(first)
    }

    /// Puts the current thread, which is in no queue, behind the others of its priority, and takes the first thread of
    /// the highest priority out. None if all others have lower ones: nothing was done.
    #[inline(always)]
    pub fn rotate(&mut self, current: TcbPtr) -> Option<TcbPtr> {
        let (domain, priority) = (current.domain.get(), current.priority.get());
        let highest = *self.highest.get(usize::from(domain))?;
        if highest != u16::from(priority) + 1 {
            if highest <= u16::from(priority) {
                return None;
            }
            self.push_back(current);
            return self.pop_first(domain);
        }
        let list = self.list(current)?;
        let first = list.first?;
        current.queued.set(Queued::Ready);
        first.queued.set(Queued::No);
        match first.ready_next.get() {
            // Its list of one becomes the current thread's, whose links are as those of all in no queue: empty.
            None => *list = List { first: Some(current), last: Some(current) },
            Some(next) => {
                first.ready_next.set(None);
                next.ready_previous.set(None);
                list.first = Some(next);
                let last = list.last.replace(current);
                current.ready_previous.set(last);
                if let Some(last) = last {
                    last.ready_next.set(Some(current));
                }
            }
        }
        Some(first)
    }

    /// No thread of a higher priority is ready in this domain.
    #[inline(always)]
    pub fn is_highest(&self, domain: u8, priority: u8) -> bool {
        u16::from(priority) + 1 >= self.highest[usize::from(domain) % MAX_DOMAINS]
    }

    /// The highest priority at which a thread of this domain is ready.
    #[inline]
    pub fn highest(&self, domain: u8) -> Option<u8> {
        let highest = self.highest.get(usize::from(domain))?;
        Some(highest.checked_sub(1)? as u8)
    }

    /// The first thread of the highest priority of this domain.
    #[inline]
    pub fn first(&self, domain: u8) -> Option<TcbPtr> {
        let priority = self.highest(domain)?;
        self.domains.get(usize::from(domain))?.lists.get(usize::from(priority))?.first
    }

    /// Asserts that lists, links and bitmap agree; returns the threads of a domain, highest priority first.
    #[cfg(test)]
    pub fn check(&self, domain: u8) -> Vec<TcbPtr> {
        let queues = &self.domains[usize::from(domain)];
        assert_eq!(self.highest[usize::from(domain)], queues.find_highest(), "highest priority");
        let mut found = Vec::new();
        for (priority, list) in queues.lists.iter().enumerate().rev() {
            let marked = queues.occupied[priority / 64] >> (priority % 64) & 1 == 1;
            assert_eq!(marked, list.first.is_some(), "bitmap of priority {priority}");
            let mut previous = None;
            let mut next = list.first;
            while let Some(thread) = next {
                assert_eq!(thread.ready_previous.get(), previous, "back link");
                assert_eq!((usize::from(thread.priority.get()), thread.domain.get()), (priority, domain));
                assert_eq!(thread.queued.get(), Queued::Ready);
                found.push(thread);
                previous = next;
                next = thread.ready_next.get();
            }
            assert_eq!(list.last, previous, "last thread of priority {priority}");
        }
        found
    }

    /// Every thread of a domain, highest priority first.
    pub fn iter(&self, domain: u8) -> impl Iterator<Item = TcbPtr> {
        let lists = self.domains.get(usize::from(domain)).map(|queues| queues.lists.as_slice());
        lists
            .unwrap_or_default()
            .iter()
            .rev()
            .flat_map(|list| core::iter::successors(list.first, |thread| thread.ready_next.get()))
    }
}

impl Default for ReadyQueues {
    fn default() -> Self {
        Self::new()
    }
}
