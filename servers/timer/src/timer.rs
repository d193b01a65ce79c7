//! Whoever waits is woken by one alarm of the machine, which is always set for the first of them.

use libsel::proto::ServiceError;

use crate::clock::Clock;
use crate::sleepers::Sleepers;

/// Clients that can wait at once: each takes a slot of the server's capability space.
pub const MAX_SLEEPERS: usize = 160;

/// What the timer needs of the machine.
pub trait Machine {
    /// The time stamp counter.
    fn ticks(&mut self) -> u64;

    /// Sets the one alarm, in place of an earlier one: it comes after so many ticks, or later.
    ///
    /// # Errors
    /// There will be no alarm.
    fn alarm(&mut self, ticks: u64) -> Result<(), ServiceError>;
}

/// The timer. A sleeper is whatever is needed to answer it.
#[derive(Debug)]
pub struct Timer<M, T> {
    machine: M,
    clock: Clock,
    sleepers: Sleepers<T, MAX_SLEEPERS>,
}

impl<M: Machine, T> Timer<M, T> {
    /// Nobody waits.
    pub const fn new(machine: M, clock: Clock) -> Self {
        Timer { machine, clock, sleepers: Sleepers::new() }
    }

    /// Nanoseconds since the counter began.
    pub fn now(&mut self) -> u64 {
        self.clock.nanoseconds(self.machine.ticks())
    }

    /// Lets somebody wait until a time in nanoseconds, when [`Timer::wake`] hands him out again. `sleeper` is called when
    /// nothing can fail any more but itself.
    ///
    /// # Errors
    /// `OutOfMemory` as many wait as can; those of the alarm and of `sleeper`.
    pub fn wait<A>(
        &mut self,
        until: u64,
        sleeper: impl FnOnce() -> Result<(T, A), ServiceError>,
    ) -> Result<A, ServiceError> {
        if self.sleepers.is_full() {
            return Err(ServiceError::OutOfMemory);
        }
        let tick = self.clock.ticks(until);
        if self.sleepers.first().is_none_or(|first| tick < first) {
            let now = self.machine.ticks();
            self.machine.alarm(tick.saturating_sub(now).max(1))?;
        }
        let (who, answer) = sleeper()?;
        self.sleepers.push(tick, who).map_err(|_| ServiceError::OutOfMemory)?;
        Ok(answer)
    }

    /// Hands out those whose time is over, first ones first, and sets the alarm for the next.
    ///
    /// # Errors
    /// Of the alarm.
    pub fn wake(&mut self, mut answer: impl FnMut(T)) -> Result<(), ServiceError> {
        let now = self.machine.ticks();
        while let Some(who) = self.sleepers.pop(now) {
            answer(who);
        }
        match self.sleepers.first() {
            Some(next) => self.machine.alarm((next - now).max(1)),
            None => Ok(()),
        }
    }

    /// Forgets sleepers, because nobody waits for their answer any more.
    pub fn forget(&mut self, leaves: impl Fn(&T) -> bool) {
        self.sleepers.remove(leaves);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::rc::Rc;

    /// 3 ticks make 1000 nanoseconds; the alarm can be refused.
    #[derive(Clone, Default)]
    struct Model {
        now: Rc<Cell<u64>>,
        alarm: Rc<Cell<Option<u64>>>,
        refuses: Rc<Cell<bool>>,
    }

    impl Machine for Model {
        fn ticks(&mut self) -> u64 {
            self.now.get()
        }

        fn alarm(&mut self, ticks: u64) -> Result<(), ServiceError> {
            assert_ne!(ticks, 0, "0 would cancel it");
            if self.refuses.get() {
                return Err(ServiceError::OutOfMemory);
            }
            self.alarm.set(Some(self.now.get() + ticks));
            Ok(())
        }
    }

    fn timer() -> (Model, Timer<Model, u64>) {
        let model = Model::default();
        (model.clone(), Timer::new(model, Clock::new(3_000_000).unwrap()))
    }

    proptest! {
        #[test]
        fn everybody_wakes_in_time_and_in_order(
            waits in prop::collection::vec((0..20_000_u64, 0..10_u64), 1..MAX_SLEEPERS),
            late in 0..3_u64,
        ) {
            let (model, mut timer) = timer();
            let mut times = waits.iter().map(|(time, _)| *time).collect::<Vec<_>>();
            let mut woken = Vec::new();
            for (time, pause) in waits {
                timer.wait(time, || Ok((time, ()))).unwrap();
                model.now.set(model.now.get() + pause);
            }
            while let Some(alarm) = model.alarm.take() {
                model.now.set(model.now.get().max(alarm + late));
                let now = timer.now();
                timer.wake(|time| {
                    assert!(time <= now, "too early");
                    woken.push(time);
                }).unwrap();
            }
            times.sort();
            woken.sort();
            prop_assert_eq!(times, woken);
        }
    }

    #[test]
    fn the_alarm_is_for_the_first_who_waits() {
        let (model, mut timer) = timer();
        for (until, alarm) in [(3000, 9), (9000, 9), (1000, 3), (1001, 3)] {
            timer.wait(until, || Ok((until, ()))).unwrap();
            assert_eq!(model.alarm.get(), Some(alarm), "{until}");
        }
        model.now.set(4);
        let mut woken = Vec::new();
        timer.wake(|who| woken.push(who)).unwrap();
        assert_eq!((woken, model.alarm.get()), (vec![1000, 1001], Some(9)));
        timer.forget(|who| *who == 3000);
        model.now.set(9);
        timer.wake(|who| panic!("{who} waits no more")).unwrap();
        assert_eq!(model.alarm.get(), Some(27));
    }

    #[test]
    fn who_cannot_be_woken_does_not_wait() {
        let (model, mut timer) = timer();
        model.refuses.set(true);
        assert_eq!(timer.wait(5, || Ok((5, ()))), Err(ServiceError::OutOfMemory));
        model.refuses.set(false);
        for _ in 0..MAX_SLEEPERS {
            timer.wait(5, || Ok((5, ()))).unwrap();
        }
        let full = timer.wait(5, || -> Result<(u64, ()), _> { panic!("there is no place") });
        assert_eq!(full, Err(ServiceError::OutOfMemory));
    }
}
