//! The refill arithmetic of abi.md 9.7, written down once more and as simply as it goes, to compare the kernel with.

/// Refills that the model can hold.
const MOST: usize = 16;

/// `amount` ticks that may be used from `time` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// TSC ticks.
    pub time: u64,
    /// TSC ticks.
    pub amount: u64,
}

/// The refills of one scheduling context that is not round robin.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    entries: [Entry; MOST],
    used: usize,
    limit: usize,
    period: u64,
    min_budget: u64,
}

impl Model {
    /// *New*: all of the budget at `now`. Ticks; `extra` refills beyond two.
    pub fn new(now: u64, budget: u64, period: u64, extra: usize, min_budget: u64) -> Self {
        let mut model = Model {
            entries: [Entry::default(); MOST],
            used: 0,
            limit: (extra + 2).min(MOST),
            period,
            min_budget,
        };
        model.push(Entry { time: now, amount: budget });
        model
    }

    /// What can be used next.
    pub fn head(&self) -> Entry {
        self.entries[0]
    }

    fn push(&mut self, entry: Entry) {
        self.entries[self.used] = entry;
        self.used += 1;
    }

    fn pop(&mut self) -> Entry {
        let head = self.entries[0];
        self.entries.copy_within(1..self.used, 0);
        self.used -= 1;
        head
    }

    /// *Schedule used*.
    fn schedule(&mut self, entry: Entry) {
        let room = self.used < self.limit;
        let tail = &mut self.entries[self.used - 1];
        if tail.time + tail.amount >= entry.time {
            tail.amount += entry.amount;
        } else if room {
            self.push(entry);
        } else {
            tail.time = entry.time - tail.amount;
            tail.amount += entry.amount;
        }
    }

    /// *Charge*.
    pub fn charge(&mut self, mut ticks: u64) {
        while self.head().amount <= ticks {
            ticks -= self.head().amount;
            if self.used == 1 {
                self.entries[0].time += self.period;
            } else {
                let head = self.pop();
                self.schedule(Entry { time: head.time + self.period, amount: head.amount });
            }
        }
        if ticks > 0 {
            let old = self.head().time;
            self.entries[0].amount -= ticks;
            self.entries[0].time += ticks;
            self.schedule(Entry { time: old + self.period, amount: ticks });
        }
        while self.head().amount < self.min_budget && self.used > 1 {
            let head = self.pop();
            self.entries[0].amount += head.amount;
            self.entries[0].time -= head.amount;
        }
    }

    /// *Unblock check*.
    pub fn unblock(&mut self, now: u64) {
        if self.head().time > now {
            return;
        }
        self.entries[0].time = now;
        while self.used > 1 && self.entries[1].time <= now + self.entries[0].amount {
            let head = self.pop();
            self.entries[0].amount += head.amount;
            self.entries[0].time = now;
        }
    }

    /// *Update*: another budget and period while the thread can run.
    pub fn update(&mut self, now: u64, budget: u64, period: u64) {
        let mut head = self.head();
        head.time = if head.time <= now { now } else { head.time };
        self.used = 0;
        self.period = period;
        let kept = head.amount.min(budget);
        self.push(Entry { amount: kept, ..head });
        if kept < budget {
            self.push(Entry { time: head.time + period, amount: budget - kept });
        }
    }
}
