//! I/O ports (abi.md 7.10).

use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot};

use super::outcome::*;
use super::{Section, rows};

/// I/O ports.
pub const SECTION: Section = Section {
    title: "I/O ports",
    intro: "Ports are free again when the last capability to their range is deleted.",
    rows: rows! { Label of Label {
        X86IoPortControlIssue {
            SUCCESS, "a capability to the ports from first to last", "IOPORT0001";
            SUCCESS, "only the low 16 bits of the ports count", "IOPORT0010";
            TRUNCATED, "fewer than 4 words", "IOPORT0007";
            TRUNCATED, "no root", "IOPORT0007";
            invalid_argument(1), "the last port is below the first", "IOPORT0002";
            REVOKE_FIRST, "a port is issued", "IOPORT0001";
            range(1, 64), "the slot's depth is 0 or above 64", "IOPORT0008";
            not_found(InvalidRoot), "the root is no CNode", "IOPORT0008";
            not_found(GuardMismatch), "the slot does not match a guard", "IOPORT0008";
            not_found(DepthMismatch), "a CNode on the way needs more bits than are left", "IOPORT0008";
            not_found(DepthMismatch), "bits are left behind the slot", "IOPORT0008";
            DELETE_FIRST, "the slot is full", "IOPORT0009";
        }
        X86IoPortIn8 {
            SUCCESS, "the value read", "IOPORT0013";
            TRUNCATED, "no word", "IOPORT0011";
            ILLEGAL, "a port below the range", "IOPORT0012";
            ILLEGAL, "a byte behind the range", "IOPORT0012";
        }
        X86IoPortIn16 {
            SUCCESS, "the value read", "IOPORT0013";
            TRUNCATED, "no word", "IOPORT0011";
            ILLEGAL, "a port below the range", "IOPORT0012";
            ILLEGAL, "a byte behind the range", "IOPORT0012";
        }
        X86IoPortIn32 {
            SUCCESS, "the value read", "IOPORT0013";
            TRUNCATED, "no word", "IOPORT0011";
            ILLEGAL, "a port below the range", "IOPORT0012";
            ILLEGAL, "a byte behind the range", "IOPORT0012";
        }
        X86IoPortOut8 {
            SUCCESS, "the value is written", "IOPORT0013";
            TRUNCATED, "fewer than 2 words", "IOPORT0011";
            ILLEGAL, "a port below the range", "IOPORT0012";
            ILLEGAL, "a byte behind the range", "IOPORT0012";
        }
        X86IoPortOut16 {
            SUCCESS, "the value is written", "IOPORT0013";
            TRUNCATED, "fewer than 2 words", "IOPORT0011";
            ILLEGAL, "a port below the range", "IOPORT0012";
            ILLEGAL, "a byte behind the range", "IOPORT0012";
        }
        X86IoPortOut32 {
            SUCCESS, "the value is written", "IOPORT0013";
            TRUNCATED, "fewer than 2 words", "IOPORT0011";
            ILLEGAL, "a port below the range", "IOPORT0012";
            ILLEGAL, "a byte behind the range", "IOPORT0012";
        }
    } },
};
