//! The timer: clients ask for the time and wait for it.
//!
//! * [`clock`]: ticks of the processor's counter and nanoseconds
//! * [`sleepers`]: those who wait, in order of time
//! * [`timer`]: both, and one alarm of the machine for whoever is next
#![cfg_attr(not(test), no_std)]

pub mod clock;
pub mod sleepers;
pub mod timer;
