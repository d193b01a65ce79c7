//! The domain schedule while hostile threads run.
//!
//! Every second entry and the last one are domain 0, the supervisor's: hostile changes to the others, made through the
//! supervisor, can delay it but not shut it out.

use libsel::Result;
use libsel::abi::Word;
use libsel::bootinfo::initial;

use super::machine::Machine;
use super::random::Random;

/// Entries of the schedule.
const ENTRIES: Word = 7;
/// As good as for ever.
const FOREVER: Word = (1 << 56) - 1;
/// Time of one of the supervisor's entries, in microseconds.
const OWN_US: Word = 1500;
/// Longest time of one of the others.
const OTHER_US: Word = 300;

/// A schedule of four domains that starts with the supervisor's.
pub fn set_up(machine: &Machine<'_>) -> Result<()> {
    for index in 0..ENTRIES {
        let own = index % 2 == 0;
        let (domain, time_us) = if own { (0, OWN_US) } else { (index / 2 + 1, OTHER_US) };
        initial::DOMAIN.schedule_configure(index, domain, time_us * machine.ticks_per_us)?;
    }
    initial::DOMAIN.schedule_set_start(0)
}

/// Only the supervisor's domain.
pub fn reset() -> Result<()> {
    initial::DOMAIN.schedule_configure(0, 0, FOREVER)?;
    initial::DOMAIN.schedule_set_start(0)?;
    (1..ENTRIES).try_for_each(|index| initial::DOMAIN.schedule_configure(index, 0, 0))
}

/// An entry that may be changed, or none at all; its domain; its duration.
pub fn random_entry(random: &mut Random, ticks_per_us: u64) -> [Word; 3] {
    let index = if random.one_in(8) { 99 + random.below(3) } else { random.below(ENTRIES / 2) * 2 + 1 };
    let duration = match random.below(12) {
        0 => FOREVER + 1 + random.below(5),
        1 => 0,
        _ => 1 + random.below(OTHER_US * ticks_per_us),
    };
    [index, random.below(5), duration]
}

/// The index of an entry to start with.
pub fn random_start(random: &mut Random) -> Word {
    if random.one_in(8) { random.below(110) } else { random.below(ENTRIES) }
}
