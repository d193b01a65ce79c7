//! CNodes (abi.md 6.5, 7.4).

use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot};

use super::outcome::*;
use super::{Section, rows};

/// CNodes.
pub const SECTION: Section = Section {
    title: "CNodes",
    intro: "The invoked capability is the root of the destination's lookup.",
    rows: rows! { Label of Label {
        CNodeRevoke {
            SUCCESS, "an original: its copies go, badged or not; it stays itself", "DERIVE0008";
            SUCCESS, "a badged capability: the copies with its badge go", "DERIVE0010";
            SUCCESS, "a plain copy: nothing goes", "DERIVE0009";
            SUCCESS, "untyped memory: everything in it goes", "UNTYPED0025";
            SUCCESS, "interrupt control: all handlers go", "IRQ0023";
            SUCCESS, "an empty slot", "CNODE0016";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
        }
        CNodeDelete {
            SUCCESS, "the slot is empty; copies stay", "DERIVE0011";
            SUCCESS, "the last capability: the object goes, with what lies in it", "CNODE0029";
            SUCCESS, "a CNode that holds a capability to itself", "CNODE0030";
            SUCCESS, "two CNodes that hold each other", "CNODE0031";
            SUCCESS, "a half deleted object is deleted to its end", "GENERAL0005";
            SUCCESS, "an empty slot", "CNODE0015";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
        }
        CNodeCancelBadgedSends {
            SUCCESS, "the threads that send with the badge are restarted", "EP0015";
            SUCCESS, "badge 0: nothing happens", "CNCHECK0020";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
            ILLEGAL, "the slot is empty or holds no endpoint", "CNCHECK0017";
            ILLEGAL, "one of the four rights is missing", "CNCHECK0017";
        }
        CNodeCopy {
            SUCCESS, "a copy with at most the source's rights", "DERIVE0016";
            SUCCESS, "a copy with the source's badge", "DERIVE0017";
            SUCCESS, "a reply capability: only Grant can be taken away", "TRANSFER0012";
            SUCCESS, "a frame with fewer rights is unmapped, and maps with no more than these", "ACCESS0005";
            SUCCESS, "untyped memory without children: the copy owns it until it is gone", "UNTYPED0030";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
            TRUNCATED, "fewer than 4 words", "CNCHECK0003";
            TRUNCATED, "no root for the source", "CNCHECK0004";
            DELETE_FIRST, "the destination is full", "CNCHECK0005";
            range(1, 64), "the source's depth is 0 or above 64", "CNCHECK0006";
            source_not_found(InvalidRoot), "the source's root is no CNode", "CNCHECK0006";
            source_not_found(GuardMismatch), "the source does not match a guard", "CNCHECK0006";
            source_not_found(DepthMismatch), "a CNode on the source's way needs more bits than are left", "CNCHECK0006";
            source_not_found(DepthMismatch), "bits are left behind the source's slot", "CNCHECK0006";
            source_nothing_at(64), "the source is empty; the bits are its depth", "CNCHECK0007";
            TRUNCATED, "fewer than 5 words", "CNCHECK0008";
            REVOKE_FIRST, "the source is untyped memory with children", "CNCHECK0009";
            ILLEGAL, "the source is IRQ control", "CNCHECK0010";
            ILLEGAL, "the source is I/O port control", "CNCHECK0010";
            ILLEGAL, "the source is a table that is not mapped", "CNCHECK0010";
            ILLEGAL, "the source is a PML4 without an ASID", "CNCHECK0010";
            ILLEGAL, "the source is half deleted", "GENERAL0005";
        }
        CNodeMint {
            SUCCESS, "a copy with a badge", "CNODE0011";
            SUCCESS, "a copy with a guard, cut to its size", "CNDATA0005";
            SUCCESS, "a copy with fewer rights; unknown ones are ignored", "CNDATA0006";
            SUCCESS, "data of other kinds are ignored", "CNDATA0004";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
            TRUNCATED, "fewer than 4 words", "CNCHECK0003";
            TRUNCATED, "no root for the source", "CNCHECK0004";
            DELETE_FIRST, "the destination is full", "CNCHECK0005";
            range(1, 64), "the source's depth is 0 or above 64", "CNCHECK0006";
            source_not_found(InvalidRoot), "the source's root is no CNode", "CNCHECK0006";
            source_not_found(GuardMismatch), "the source does not match a guard", "CNCHECK0006";
            source_not_found(DepthMismatch), "a CNode on the source's way needs more bits than are left", "CNCHECK0006";
            source_not_found(DepthMismatch), "bits are left behind the source's slot", "CNCHECK0006";
            source_nothing_at(64), "the source is empty; the bits are its depth", "CNCHECK0007";
            TRUNCATED, "fewer than 6 words", "CNCHECK0008";
            REVOKE_FIRST, "the source is untyped memory with children", "CNCHECK0009";
            ILLEGAL, "the source is IRQ control", "CNCHECK0010";
            ILLEGAL, "the source is I/O port control", "CNCHECK0010";
            ILLEGAL, "the source is a table that is not mapped", "CNCHECK0010";
            ILLEGAL, "the source is a PML4 without an ASID", "CNCHECK0010";
            ILLEGAL, "the source is half deleted", "GENERAL0005";
            ILLEGAL, "an endpoint that has a badge", "CNCHECK0011";
            ILLEGAL, "a notification that has a badge", "CNCHECK0011";
            ILLEGAL, "guard and index have more than 64 bits", "CNCHECK0012";
        }
        CNodeMove {
            SUCCESS, "the source is empty, also where copies are not allowed", "CNODE0026";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
            TRUNCATED, "fewer than 4 words", "CNCHECK0003";
            TRUNCATED, "no root for the source", "CNCHECK0004";
            DELETE_FIRST, "the destination is full", "CNCHECK0005";
            range(1, 64), "the source's depth is 0 or above 64", "CNCHECK0006";
            source_not_found(InvalidRoot), "the source's root is no CNode", "CNCHECK0006";
            source_not_found(GuardMismatch), "the source does not match a guard", "CNCHECK0006";
            source_not_found(DepthMismatch), "a CNode on the source's way needs more bits than are left", "CNCHECK0006";
            source_not_found(DepthMismatch), "bits are left behind the source's slot", "CNCHECK0006";
            source_nothing_at(64), "the source is empty; the bits are its depth", "CNCHECK0007";
        }
        CNodeMutate {
            SUCCESS, "moved, with a new guard", "CNCHECK0013";
            SUCCESS, "data of other kinds are ignored", "CNDATA0004";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
            TRUNCATED, "fewer than 4 words", "CNCHECK0003";
            TRUNCATED, "no root for the source", "CNCHECK0004";
            DELETE_FIRST, "the destination is full", "CNCHECK0005";
            range(1, 64), "the source's depth is 0 or above 64", "CNCHECK0006";
            source_not_found(InvalidRoot), "the source's root is no CNode", "CNCHECK0006";
            source_not_found(GuardMismatch), "the source does not match a guard", "CNCHECK0006";
            source_not_found(DepthMismatch), "a CNode on the source's way needs more bits than are left", "CNCHECK0006";
            source_not_found(DepthMismatch), "bits are left behind the source's slot", "CNCHECK0006";
            source_nothing_at(64), "the source is empty; the bits are its depth", "CNCHECK0007";
            TRUNCATED, "fewer than 5 words", "CNCHECK0008";
            ILLEGAL, "the source is an endpoint", "CNCHECK0011";
            ILLEGAL, "the source is a notification", "CNCHECK0011";
            ILLEGAL, "guard and index have more than 64 bits", "CNCHECK0012";
        }
        CNodeRotate {
            SUCCESS, "source to pivot, pivot to destination", "CNODE0018";
            SUCCESS, "source = destination: the two are swapped", "CNODE0019";
            SUCCESS, "with a new guard", "CNCHECK0013";
            SUCCESS, "data of other kinds are ignored", "CNDATA0004";
            TRUNCATED, "fewer than 2 words", "CNCHECK0001";
            range(1, 64), "the destination's depth is 0 or above 64", "CNCHECK0002";
            not_found(GuardMismatch), "the destination does not match a guard", "CNCHECK0002";
            not_found(DepthMismatch), "a CNode on the destination's way needs more bits than are left", "CNCHECK0002";
            not_found(DepthMismatch), "bits are left behind the destination's slot", "CNCHECK0002";
            TRUNCATED, "fewer than 8 words", "CNCHECK0003";
            TRUNCATED, "fewer than 2 roots", "CNCHECK0004";
            range(1, 64), "the source's depth is 0 or above 64", "CNCHECK0006";
            source_not_found(InvalidRoot), "the source's root is no CNode", "CNCHECK0006";
            source_not_found(GuardMismatch), "the source does not match a guard", "CNCHECK0006";
            source_not_found(DepthMismatch), "a CNode on the source's way needs more bits than are left", "CNCHECK0006";
            source_not_found(DepthMismatch), "bits are left behind the source's slot", "CNCHECK0006";
            range(1, 64), "the pivot's depth is 0 or above 64", "CNCHECK0014";
            source_not_found(InvalidRoot), "the pivot's root is no CNode", "CNCHECK0014";
            source_not_found(GuardMismatch), "the pivot does not match a guard", "CNCHECK0014";
            source_not_found(DepthMismatch), "a CNode on the pivot's way needs more bits than are left", "CNCHECK0014";
            source_not_found(DepthMismatch), "bits are left behind the pivot's slot", "CNCHECK0014";
            ILLEGAL, "the pivot is the source", "CNCHECK0016";
            ILLEGAL, "the pivot is the destination", "CNCHECK0016";
            DELETE_FIRST, "the destination is full, and not the source", "CNCHECK0005";
            source_nothing_at(64), "the source is empty; the bits are its depth", "CNCHECK0007";
            nothing_at(64), "the pivot is empty; the bits are its depth", "CNCHECK0015";
            ILLEGAL, "data for an endpoint that goes to the destination", "CNCHECK0011";
            ILLEGAL, "data for an endpoint that goes to the pivot", "CNCHECK0011";
            ILLEGAL, "guard and index have more than 64 bits", "CNCHECK0012";
        }
    } },
};
