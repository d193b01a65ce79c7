//! Untyped memory (abi.md 7.2).

use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot};

use super::outcome::*;
use super::{Section, rows};

/// Untyped memory.
pub const SECTION: Section = Section {
    title: "Untyped memory",
    intro: "The destination is a run of slots of a CNode: the root itself for node_depth 0, else what node_index names.",
    rows: rows! { Label of Label {
        UntypedRetype {
            SUCCESS, "objects of every type that fits; they lie at multiples of their size", "UNTYPED0024";
            SUCCESS, "256 objects in one call", "UNTYPED0027";
            SUCCESS, "the size of a type of fixed size is ignored", "UTCHECK0015";
            SUCCESS, "memory without children is used from its start again", "UNTYPED0026";
            SUCCESS, "device memory becomes frames and untypeds", "UTCHECK0013";
            TRUNCATED, "fewer than 6 words", "UTCHECK0001";
            TRUNCATED, "no root capability", "UTCHECK0001";
            invalid_argument(0), "no such object type", "UTCHECK0002";
            range(0, 47), "size_bits is 64 or more", "UTCHECK0003";
            range(0, 47), "the object has more than 2^47 bytes", "UTCHECK0004";
            invalid_argument(1), "a CNode of size_bits 0", "UTCHECK0005";
            invalid_argument(1), "an untyped of size_bits below 4", "UTCHECK0005";
            invalid_argument(1), "a scheduling context of size_bits below 7", "UTCHECK0005";
            range(1, 64), "node_depth is above 64", "UTCHECK0006";
            not_found(InvalidRoot), "the root is no CNode and node_depth is not 0", "UTCHECK0006";
            not_found(GuardMismatch), "node_index does not match a guard", "UTCHECK0006";
            not_found(DepthMismatch), "a CNode on the way needs more bits than are left", "UTCHECK0006";
            not_found(DepthMismatch), "bits are left behind a slot that holds no CNode", "UTCHECK0006";
            nothing_at(64), "node_index names no CNode; the bits are node_depth", "UTCHECK0007";
            nothing_at(0), "node_depth is 0 and the root is no CNode", "UTCHECK0007";
            range(0, ANY), "node_offset is behind the CNode's last slot", "UTCHECK0008";
            range(1, 256), "num_objects is 0 or above 256", "UTCHECK0009";
            range(1, ANY), "more objects than slots from node_offset on", "UTCHECK0010";
            DELETE_FIRST, "a slot of the window is not empty", "UTCHECK0011";
            NOT_ENOUGH_MEMORY, "less memory is free; the word tells how many bytes", "UTCHECK0012";
            invalid_argument(1), "device memory, and neither a frame nor an untyped", "UTCHECK0013";
        }
    } },
};
