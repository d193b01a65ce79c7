//! A binary heap of fixed size: the first to wake is at its top.

/// Somebody who waits. Of those with the same time, who came first is first.
#[derive(Debug)]
struct Sleeper<T> {
    time: u64,
    arrival: u64,
    who: T,
}

impl<T> Sleeper<T> {
    const fn order(&self) -> (u64, u64) {
        (self.time, self.arrival)
    }
}

/// Those who wait, at most `PLACES`.
#[derive(Debug)]
pub struct Sleepers<T, const PLACES: usize> {
    /// The first `count` places are taken. A sleeper is not before the one at half its place.
    places: [Option<Sleeper<T>>; PLACES],
    count: usize,
    arrivals: u64,
}

impl<T, const PLACES: usize> Sleepers<T, PLACES> {
    /// Nobody.
    pub const fn new() -> Self {
        Sleepers { places: [const { None }; PLACES], count: 0, arrivals: 0 }
    }

    /// No further one has a place.
    pub const fn is_full(&self) -> bool {
        self.count == PLACES
    }

    /// When the first one wakes.
    pub fn first(&self) -> Option<u64> {
        self.places.first()?.as_ref().map(|sleeper| sleeper.time)
    }

    /// Adds one.
    ///
    /// # Errors
    /// All places are taken; who was to wait comes back.
    pub fn push(&mut self, time: u64, who: T) -> Result<(), T> {
        let Some(place) = self.places.get_mut(self.count) else { return Err(who) };
        *place = Some(Sleeper { time, arrival: self.arrivals, who });
        self.arrivals += 1;
        self.count += 1;
        self.rise(self.count - 1);
        Ok(())
    }

    /// Takes the first one out, if its time is over.
    pub fn pop(&mut self, now: u64) -> Option<T> {
        if self.first()? > now { None } else { self.take_first() }
    }

    /// Takes out those who are not to wait any longer.
    pub fn remove(&mut self, leaves: impl Fn(&T) -> bool) {
        let mut at = 0;
        while let Some(Some(sleeper)) = self.places.get(at) {
            if leaves(&sleeper.who) {
                // Somebody else is in this place then, or nobody.
                self.take_unordered(at);
            } else {
                at += 1;
            }
        }
        for at in (0..self.count / 2).rev() {
            self.sink(at);
        }
    }

    fn take_first(&mut self) -> Option<T> {
        let taken = self.take_unordered(0)?;
        self.sink(0);
        Some(taken)
    }

    /// Takes one out; the last one takes its place, whatever its time.
    fn take_unordered(&mut self, at: usize) -> Option<T> {
        let last = self.count.checked_sub(1)?;
        self.places.swap(at, last);
        let taken = self.places.get_mut(last)?.take()?;
        self.count = last;
        Some(taken.who)
    }

    fn before(&self, one: usize, other: usize) -> bool {
        match (self.places.get(one), self.places.get(other)) {
            (Some(Some(one)), Some(Some(other))) => one.order() < other.order(),
            (Some(Some(_)), _) => true,
            _ => false,
        }
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.before(at, (at - 1) / 2) {
            self.places.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let child = if self.before(right, left) { right } else { left };
            if !self.before(child, at) {
                return;
            }
            self.places.swap(child, at);
            at = child;
        }
    }
}

impl<T, const PLACES: usize> Default for Sleepers<T, PLACES> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Pop(u64),
        Remove(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..50_u64).prop_map(Step::Push),
            2 => (0..60_u64).prop_map(Step::Pop),
            1 => (2..7_u64).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_sorted_list_does(steps in prop::collection::vec(step(), 0..300)) {
            let mut sleepers = Sleepers::<u64, 20>::new();
            let mut model: Vec<(u64, u64)> = Vec::new();
            for (number, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Push(time) => {
                        let pushed = sleepers.push(time, number);
                        prop_assert_eq!(pushed, if model.len() < 20 { Ok(()) } else { Err(number) });
                        if pushed.is_ok() {
                            model.push((time, number));
                            model.sort();
                        }
                    }
                    Step::Pop(now) => {
                        let due = model.first().is_some_and(|(time, _)| *time <= now);
                        let expected = due.then(|| model.remove(0).1);
                        prop_assert_eq!(sleepers.pop(now), expected);
                    }
                    Step::Remove(divisor) => {
                        sleepers.remove(|number| number % divisor == 0);
                        model.retain(|(_, number)| number % divisor != 0);
                    }
                }
                prop_assert_eq!(sleepers.first(), model.first().map(|(time, _)| *time));
                prop_assert_eq!(sleepers.is_full(), model.len() == 20);
            }
        }
    }
}
