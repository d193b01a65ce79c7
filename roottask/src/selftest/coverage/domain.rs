//! Domains (abi.md 7.6).

use super::outcome::*;
use super::{Section, rows};

/// Domains.
pub const SECTION: Section = Section {
    title: "Domains",
    intro: "The schedule has 100 entries if the kernel is started with several domains (`domains=16`), else 2; the last \
            one stays an end marker.",
    rows: rows! { Label of Label {
        DomainSetSet {
            SUCCESS, "the thread is in the domain", "DOMAIN0001";
            TRUNCATED, "no word", "DOMAIN0010";
            invalid_argument(0), "no such domain", "DOMAIN0010";
            TRUNCATED, "no capability", "DOMAIN0010";
            invalid_argument(1), "the capability is no TCB", "DOMAIN0010";
        }
        DomainScheduleConfigure {
            SUCCESS, "the entry has the domain and the duration, or is an end marker", "DOMAIN0012";
            TRUNCATED, "fewer than 3 words", "DOMAIN0011";
            range(0, ANY), "the index is the last entry or behind it", "DOMAIN0011";
            range(0, ANY), "no such domain", "DOMAIN0011";
            invalid_argument(2), "the duration is 2^56 or more", "DOMAIN0011";
            invalid_argument(1), "no duration, and the domain is not 0", "DOMAIN0012";
            invalid_argument(2), "no duration, and the schedule starts there", "DOMAIN0012";
        }
        DomainScheduleSetStart {
            SUCCESS, "continues with the entry at once", "DOMAIN0007";
            TRUNCATED, "no word", "DOMAIN0013";
            range(0, ANY), "no such entry", "DOMAIN0013";
            invalid_argument(0), "the entry is an end marker", "DOMAIN0013";
        }
    } },
};
