//! Ready queues: a FIFO list per domain and priority, and a bitmap that finds the highest in a few steps.
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

/// The threads that can run, without the one that does.
pub struct ReadyQueues {
    domains: [DomainQueues; MAX_DOMAINS],
}

impl ReadyQueues {
    /// Nothing is ready.
    pub const fn new() -> Self {
        const EMPTY: DomainQueues =
            DomainQueues { occupied: [0; WORDS], lists: [List { first: None, last: None }; PRIORITIES] };
        ReadyQueues { domains: [EMPTY; MAX_DOMAINS] }
    }

    fn list_of(&mut self, thread: TcbPtr) -> Option<(&mut List, &mut u64, u64)> {
        let priority = usize::from(thread.priority.get());
        let domain = self.domains.get_mut(usize::from(thread.domain.get()))?;
        let word = domain.occupied.get_mut(priority / 64)?;
        Some((domain.lists.get_mut(priority)?, word, 1 << (priority % 64)))
    }

    /// Puts a thread before the others of its priority.
    #[inline]
    pub fn push_front(&mut self, thread: TcbPtr) {
        let Some((list, word, bit)) = self.list_of(thread) else { return };
        thread.ready_previous.set(None);
        thread.ready_next.set(list.first);
        match list.first {
            Some(first) => first.ready_previous.set(Some(thread)),
            None => {
                list.last = Some(thread);
                *word |= bit;
            }
        }
        list.first = Some(thread);
        thread.queued.set(Queued::Ready);
    }

    /// Puts a thread behind the others of its priority.
    #[inline]
    pub fn push_back(&mut self, thread: TcbPtr) {
        let Some((list, word, bit)) = self.list_of(thread) else { return };
        thread.ready_next.set(None);
        thread.ready_previous.set(list.last);
        match list.last {
            Some(last) => last.ready_next.set(Some(thread)),
            None => {
                list.first = Some(thread);
                *word |= bit;
            }
        }
        list.last = Some(thread);
        thread.queued.set(Queued::Ready);
    }

    /// Takes a thread out.
    #[inline]
    pub fn remove(&mut self, thread: TcbPtr) {
        let Some((list, word, bit)) = self.list_of(thread) else { return };
        let (previous, next): (Option<TcbPtr>, Option<TcbPtr>) =
            (Cell::take(&thread.ready_previous), Cell::take(&thread.ready_next));
        match previous {
            Some(previous) => previous.ready_next.set(next),
            None => list.first = next,
        }
        match next {
            Some(next) => next.ready_previous.set(previous),
            None => list.last = previous,
        }
        if list.first.is_none() {
            *word &= !bit;
        }
        thread.queued.set(Queued::No);
    }

    /// The highest priority at which a thread of this domain is ready.
    #[inline]
    pub fn highest(&self, domain: u8) -> Option<u8> {
        let queues = self.domains.get(usize::from(domain))?;
        queues
            .occupied
            .iter()
            .enumerate()
            .rev()
            .find(|(_, word)| **word != 0)
            .map(|(index, word)| (index * 64) as u8 + (63 - word.leading_zeros()) as u8)
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
