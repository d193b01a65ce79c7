//! Tables and frames (abi.md 7.8).

use libsel::abi::LookupFailureKind::InvalidRoot;

use super::outcome::*;
use super::{Section, rows};

/// Address spaces.
pub const SECTION: Section = Section {
    title: "Address spaces",
    intro: "Missing tables are told by the bits of the address that were left: 39 the PDPT, 30 the page directory, 21 the \
            page table.",
    rows: rows! { Label of Label {
        X86PdptMap {
            SUCCESS, "entered for the span that holds the address", "MAPCHECK0012";
            TRUNCATED, "fewer than 2 words", "MAPCHECK0001";
            TRUNCATED, "no capability", "MAPCHECK0001";
            invalid_capability(0), "the table is mapped", "MAPCHECK0002";
            invalid_capability(1), "the address space is no PML4", "MAPCHECK0003";
            invalid_capability(1), "the address space has no ASID", "MAPCHECK0003";
            invalid_argument(0), "no user address", "MAPCHECK0004";
            not_found(InvalidRoot), "the ASID is no longer assigned", "MAPCHECK0005";
            invalid_capability(1), "the ASID is another address space's", "MAPCHECK0006";
            DELETE_FIRST, "another table is there", "MAPCHECK0009";
        }
        X86PdptUnmap {
            SUCCESS, "the table is empty and can be mapped again", "MAPCHECK0012";
            SUCCESS, "when it was not mapped", "MAPCHECK0012";
            REVOKE_FIRST, "there are other capabilities to the table", "MAPCHECK0011";
        }
        X86PageDirectoryMap {
            SUCCESS, "entered for the span that holds the address", "MAPCHECK0012";
            TRUNCATED, "fewer than 2 words", "MAPCHECK0001";
            TRUNCATED, "no capability", "MAPCHECK0001";
            invalid_capability(0), "the table is mapped", "MAPCHECK0002";
            invalid_capability(1), "the address space is no PML4", "MAPCHECK0003";
            invalid_capability(1), "the address space has no ASID", "MAPCHECK0003";
            invalid_argument(0), "no user address", "MAPCHECK0004";
            not_found(InvalidRoot), "the ASID is no longer assigned", "MAPCHECK0005";
            invalid_capability(1), "the ASID is another address space's", "MAPCHECK0006";
            nothing_at(39), "no PDPT", "MAPCHECK0007";
            DELETE_FIRST, "another table is there", "MAPCHECK0009";
            DELETE_FIRST, "a huge page is there", "MAPCHECK0008";
        }
        X86PageDirectoryUnmap {
            SUCCESS, "the table is empty and can be mapped again", "MAPCHECK0012";
            SUCCESS, "when it was not mapped", "MAPCHECK0012";
            REVOKE_FIRST, "there are other capabilities to the table", "MAPCHECK0011";
        }
        X86PageTableMap {
            SUCCESS, "entered for the span that holds the address", "MAPCHECK0012";
            TRUNCATED, "fewer than 2 words", "MAPCHECK0001";
            TRUNCATED, "no capability", "MAPCHECK0001";
            invalid_capability(0), "the table is mapped", "MAPCHECK0002";
            invalid_capability(1), "the address space is no PML4", "MAPCHECK0003";
            invalid_capability(1), "the address space has no ASID", "MAPCHECK0003";
            invalid_argument(0), "no user address", "MAPCHECK0004";
            not_found(InvalidRoot), "the ASID is no longer assigned", "MAPCHECK0005";
            invalid_capability(1), "the ASID is another address space's", "MAPCHECK0006";
            nothing_at(39), "no PDPT", "MAPCHECK0007";
            nothing_at(30), "no page directory", "MAPCHECK0007";
            nothing_at(30), "a huge page is in the way", "MAPCHECK0008";
            DELETE_FIRST, "another table is there", "MAPCHECK0009";
            DELETE_FIRST, "a large page is there", "MAPCHECK0010";
        }
        X86PageTableUnmap {
            SUCCESS, "the table is empty and can be mapped again", "MAPCHECK0012";
            SUCCESS, "when it was not mapped", "MAPCHECK0012";
            REVOKE_FIRST, "there are other capabilities to the table", "MAPCHECK0011";
        }
        X86PageMap {
            SUCCESS, "a frame of 4 KiB", "VSPACE0002";
            SUCCESS, "a frame of 2 MiB", "VSPACE0013";
            SUCCESS, "a frame of 1 GiB", "MAPCHECK0008";
            SUCCESS, "again at its address, with other rights and attributes", "ACCESS0006";
            SUCCESS, "in place of another frame of the same size", "VSPACE0009";
            TRUNCATED, "fewer than 3 words", "MAPCHECK0013";
            TRUNCATED, "no capability", "MAPCHECK0013";
            invalid_capability(1), "the address space is no PML4", "MAPCHECK0014";
            invalid_capability(1), "the address space has no ASID", "MAPCHECK0014";
            invalid_capability(1), "the frame is mapped in another address space", "MAPCHECK0015";
            invalid_argument(0), "the frame is mapped at another address", "MAPCHECK0016";
            invalid_argument(0), "no user address", "MAPCHECK0017";
            invalid_argument(0), "the frame ends at 2^47", "MAPCHECK0017";
            not_found(InvalidRoot), "the ASID is no longer assigned", "MAPCHECK0018";
            invalid_capability(1), "the ASID is another address space's", "MAPCHECK0019";
            ALIGNMENT, "the address is not a multiple of the frame's size", "MAPCHECK0020";
            nothing_at(39), "no PDPT", "MAPCHECK0021";
            nothing_at(30), "no page directory", "MAPCHECK0021";
            nothing_at(21), "no page table", "MAPCHECK0021";
            nothing_at(30), "a huge page is in the way", "MAPCHECK0008";
            nothing_at(21), "a large page is in the way", "MAPCHECK0022";
            DELETE_FIRST, "a page table is in the place of a large frame", "MAPCHECK0023";
            DELETE_FIRST, "a page directory is in the place of a huge frame", "MAPCHECK0023";
        }
        X86PageUnmap {
            SUCCESS, "the page is gone at once", "ACCESS0009";
            SUCCESS, "when the frame was not mapped", "VSPACE0008";
            SUCCESS, "when the address space is gone", "MAPCHECK0025";
        }
        X86PageGetAddress {
            SUCCESS, "the physical address", "VSPACE0021";
        }
    } },
};
