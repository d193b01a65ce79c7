//! The timer: the time since the processor was reset, and waiting.

use super::wire::ServiceError;
use crate::cap::{Cap, Endpoint};
use crate::protocol;

protocol! {
    /// What a client asks of the timer.
    pub enum TimerRequest {
        /// Nanoseconds since the processor was reset.
        Now = 0x300 -> u64 {},
        /// Answers after this time, or somewhat later.
        ///
        /// Error: `OutOfMemory` as many clients wait as can.
        Sleep = 0x301 -> () {
            /// How long.
            nanoseconds: u64,
        },
        /// Answers at this time, or somewhat later; at once if it is over.
        ///
        /// Error: as for [`Sleep`].
        At = 0x302 -> () {
            /// When, as [`Now`] counts.
            nanoseconds: u64,
        },
    }
}

/// The timer as a client sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer(pub Cap<Endpoint>);

impl Timer {
    /// [`Now`].
    pub fn now(self) -> Result<u64, ServiceError> {
        super::call(self.0, &Now {})
    }

    /// [`Sleep`].
    pub fn sleep(self, nanoseconds: u64) -> Result<(), ServiceError> {
        super::call(self.0, &Sleep { nanoseconds })
    }

    /// [`At`].
    pub fn at(self, nanoseconds: u64) -> Result<(), ServiceError> {
        super::call(self.0, &At { nanoseconds })
    }
}
