//! Address space identifiers (abi.md 7.9).

use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot};

use super::outcome::*;
use super::{Section, rows};

/// Address space identifiers.
pub const SECTION: Section = Section {
    title: "Address space identifiers",
    intro: "seL4 also has errors for a pool that is no longer registered. A pool is registered as long as there is a \
            capability to it, so none of them can be seen.",
    rows: rows! { Label of Label {
        X86AsidControlMakePool {
            SUCCESS, "a pool of 512 numbers; seven can be made after boot", "ASID0003";
            TRUNCATED, "fewer than 2 words", "ASID0006";
            TRUNCATED, "fewer than 2 capabilities", "ASID0006";
            DELETE_FIRST, "all pools are in use", "ASID0003";
            invalid_capability(1), "no untyped memory", "ASID0007";
            invalid_capability(1), "not of 4 KiB", "ASID0007";
            invalid_capability(1), "device memory", "ASID0007";
            REVOKE_FIRST, "the memory has children", "ASID0009";
            range(1, 64), "the slot's depth is 0 or above 64", "ASID0008";
            not_found(InvalidRoot), "the root is no CNode", "ASID0008";
            not_found(GuardMismatch), "the slot does not match a guard", "ASID0008";
            not_found(DepthMismatch), "a CNode on the way needs more bits than are left", "ASID0008";
            not_found(DepthMismatch), "bits are left behind the slot", "ASID0008";
            DELETE_FIRST, "the slot is full", "ASID0008";
        }
        X86AsidPoolAssign {
            SUCCESS, "the address space can be used", "ASID0010";
            TRUNCATED, "no capability", "ASID0011";
            invalid_capability(1), "no PML4", "ASID0011";
            invalid_capability(1), "it has a number", "ASID0011";
            DELETE_FIRST, "all numbers of the pool are in use", "ASID0010";
        }
    } },
};
