//! Answers to faults (abi.md 5.3).

use super::{Outcome, Section, rows};

const CONTINUES: Outcome = Outcome::Continues;
const STOPS: Outcome = Outcome::Stops;

/// Answers to faults.
pub const SECTION: Section = Section {
    title: "Answers to faults",
    intro: "What the faulting thread does when its fault is answered.",
    rows: rows! { Answer of FaultType {
        CapFault { CONTINUES, "whatever the answer: the system call is made again", "ANSWER0003"; }
        UnknownSyscall {
            CONTINUES, "label 0: up to 18 registers are set from the words", "ANSWER0007";
            CONTINUES, "label 0 without words: the instruction is executed again", "ANSWER0008";
            STOPS, "any other label: the registers are set, the thread is inactive", "ANSWER0013";
        }
        UserException {
            CONTINUES, "label 0: address, stack pointer and flags are set from the words, made harmless", "ANSWER0004";
            CONTINUES, "label 0 and fewer words: the other registers stay", "ANSWER0006";
            STOPS, "any other label: the registers are set, the thread is inactive", "ANSWER0005";
        }
        Timeout {
            CONTINUES, "label 0: up to 19 registers are set from the words", "TIMEOUT0003";
            STOPS, "any other label", "TIMEOUT0004";
        }
        VmFault {
            CONTINUES, "the access is made again", "ANSWER0001";
            CONTINUES, "whatever the label and the words", "ANSWER0002";
        }
    } },
};
