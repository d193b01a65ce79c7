//! When a server that ended runs again.

/// Milliseconds after which a server that runs counts as well again.
const WELL_AFTER_MS: u64 = 10_000;
/// The longest wait before a restart, in milliseconds.
const LONGEST_MS: u64 = 10_000;

/// Which ends are followed by a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Every one.
    Always,
    /// Faults, and exits with another code than 0.
    OnFailure,
    /// None.
    Never,
}

/// What the manifest says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Which ends are followed by a restart.
    pub policy: Policy,
    /// Milliseconds before the first restart; each further one in a row takes twice as long, up to 10 s.
    pub backoff_ms: u64,
    /// Restarts in a row, before the server stays down.
    pub most: u32,
}

/// A server's restarts so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// Since it last ran for 10 s.
    in_a_row: u32,
    /// Altogether.
    pub total: u32,
}

/// What follows an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It runs again after so many milliseconds.
    After(u64),
    /// It was not to run again.
    Ended,
    /// It failed too often.
    GivenUp,
}

impl History {
    /// A server ended after it ran for `ran_ms`.
    pub fn ended(&mut self, rules: Rules, failed: bool, ran_ms: u64) -> Next {
        let again = match rules.policy {
            Policy::Always => true,
            Policy::OnFailure => failed,
            Policy::Never => false,
        };
        if !again {
            return Next::Ended;
        }
        if ran_ms >= WELL_AFTER_MS {
            self.in_a_row = 0;
        }
        if self.in_a_row >= rules.most {
            return Next::GivenUp;
        }
        let wait = rules.backoff_ms.checked_shl(self.in_a_row.min(32)).unwrap_or(LONGEST_MS);
        self.in_a_row += 1;
        self.total += 1;
        Next::After(wait.min(LONGEST_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { policy: Policy::OnFailure, backoff_ms: 100, most: 10 };

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let mut history = History::default();
        let waits: Vec<Next> = (0..11).map(|_| history.ended(RULES, true, 5)).collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000].map(Next::After);
        assert_eq!(waits[..10], expected);
        assert_eq!(waits[10], Next::GivenUp);
        assert_eq!(history.total, 10);
    }

    #[test]
    fn a_server_that_ran_well_starts_from_the_first_wait() {
        let mut history = History::default();
        for _ in 0..10 {
            history.ended(RULES, true, 0);
        }
        assert_eq!(history.ended(RULES, true, WELL_AFTER_MS), Next::After(100));
        assert_eq!(history.ended(RULES, true, 0), Next::After(200));
    }

    #[test]
    fn policies_differ_in_what_they_follow() {
        let next = |policy, failed| History::default().ended(Rules { policy, ..RULES }, failed, 0);
        assert_eq!(next(Policy::Always, false), Next::After(100));
        assert_eq!(next(Policy::Always, true), Next::After(100));
        assert_eq!(next(Policy::OnFailure, false), Next::Ended);
        assert_eq!(next(Policy::OnFailure, true), Next::After(100));
        assert_eq!(next(Policy::Never, true), Next::Ended);
    }

    #[test]
    fn no_wait_is_too_long_to_count() {
        let rules = Rules { backoff_ms: u64::MAX / 2, most: u32::MAX, ..RULES };
        let mut history = History { in_a_row: 1000, total: 0 };
        assert_eq!(history.ended(rules, true, 0), Next::After(LONGEST_MS));
    }
}
