//! Interrupts (abi.md 7.5).

use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot};

use super::outcome::*;
use super::{Section, rows};

/// Interrupts.
pub const SECTION: Section = Section {
    title: "Interrupts",
    intro: "The processor's vector is the argument + 48. On a machine without an I/O APIC its label answers \
            IllegalOperation where it would look for the I/O APIC; no test shows that.",
    rows: rows! { Label of Label {
        IrqIssueIrqHandler {
            TRUNCATED, "fewer than 3 words", "IRQ0017";
            TRUNCATED, "no root", "IRQ0017";
            ILLEGAL, "always: interrupts come through I/O APICs", "IRQ0001";
        }
        X86IrqIssueIrqHandlerIoApic {
            SUCCESS, "a handler for an edge-triggered pin", "IRQ0005";
            SUCCESS, "a handler for a level-triggered pin, active low", "IRQ0021";
            TRUNCATED, "fewer than 7 words", "IRQ0009";
            TRUNCATED, "no root", "IRQ0009";
            range(0, 107), "the vector is above 107", "IRQ0002";
            REVOKE_FIRST, "the vector is in use", "IRQ0005";
            range(1, 64), "the slot's depth is 0 or above 64", "IRQ0019";
            not_found(InvalidRoot), "the root is no CNode", "IRQ0019";
            not_found(GuardMismatch), "the slot does not match a guard", "IRQ0019";
            not_found(DepthMismatch), "a CNode on the way needs more bits than are left", "IRQ0019";
            not_found(DepthMismatch), "bits are left behind the slot", "IRQ0019";
            DELETE_FIRST, "the slot is full", "IRQ0006";
            range(0, 0), "no such I/O APIC", "IRQ0003";
            range(0, 23), "no such pin", "IRQ0003";
            range(0, 1), "level is above 1", "IRQ0004";
            range(0, 1), "polarity is above 1", "IRQ0004";
        }
        X86IrqIssueIrqHandlerMsi {
            SUCCESS, "a handler for a message of a PCI function", "IRQ0008";
            SUCCESS, "any handle", "IRQ0020";
            TRUNCATED, "fewer than 7 words", "IRQ0018";
            TRUNCATED, "no root", "IRQ0018";
            range(0, 107), "the vector is above 107", "IRQ0020";
            REVOKE_FIRST, "the vector is in use", "IRQ0020";
            range(1, 64), "the slot's depth is 0 or above 64", "IRQ0019";
            not_found(InvalidRoot), "the root is no CNode", "IRQ0019";
            not_found(GuardMismatch), "the slot does not match a guard", "IRQ0019";
            not_found(DepthMismatch), "a CNode on the way needs more bits than are left", "IRQ0019";
            not_found(DepthMismatch), "bits are left behind the slot", "IRQ0019";
            DELETE_FIRST, "the slot is full", "IRQ0020";
            range(0, 255), "the bus is above 255", "IRQ0020";
            range(0, 31), "the device is above 31", "IRQ0020";
            range(0, 7), "the function is above 7", "IRQ0020";
        }
        IrqAckIrq {
            SUCCESS, "always; the line interrupts again", "IRQ0012";
        }
        IrqSetIrqHandler {
            SUCCESS, "signalled from now on, with the capability's badge", "IRQ0012";
            SUCCESS, "in place of an earlier one", "IRQ0022";
            TRUNCATED, "no capability", "IRQ0010";
            invalid_capability(0), "no notification", "IRQ0010";
            invalid_capability(0), "the Write right is missing", "IRQ0010";
        }
        IrqClearIrqHandler {
            SUCCESS, "nothing is signalled any more", "IRQ0013";
            SUCCESS, "when nothing was", "IRQ0022";
        }
    } },
};
