//! Threads: registers, spaces, notifications (abi.md 7.3).

use super::outcome::*;
use super::{Section, rows};

/// Threads.
pub const SECTION: Section = Section {
    title: "Threads",
    intro: "Registers go in the order of `Register`. A buffer address of 0 means no buffer, and the frame is then ignored.",
    rows: rows! { Label of Label {
        TcbReadRegisters {
            SUCCESS, "as many registers as asked for", "TCB0001";
            SUCCESS, "the thread is suspended first if asked for", "SCHED0017";
            TRUNCATED, "fewer than 2 words", "PARAM0001";
            range(1, 20), "the count is 0 or above 20", "PARAM0002";
            ILLEGAL, "the thread is the caller", "PARAM0002";
        }
        TcbWriteRegisters {
            SUCCESS, "flags and addresses are made harmless", "TCB0003";
            SUCCESS, "registers beyond the count keep their values", "TCB0005";
            SUCCESS, "the thread is resumed if asked for", "FAULT0004";
            SUCCESS, "a count above 20 is as good as 20", "TCB0006";
            TRUNCATED, "fewer than 2 words", "PARAM0003";
            TRUNCATED, "fewer registers than the count says", "PARAM0003";
            ILLEGAL, "the thread is the caller", "PARAM0003";
        }
        TcbCopyRegisters {
            SUCCESS, "frame registers and bases, each if asked for", "TCB0010";
            SUCCESS, "the target is resumed if asked for", "SCHED0018";
            SUCCESS, "to the caller itself", "PARAM0005";
            TRUNCATED, "no word", "PARAM0004";
            TRUNCATED, "no capability", "PARAM0004";
            invalid_capability(1), "the source is no TCB", "PARAM0004";
        }
        TcbConfigure {
            SUCCESS, "CSpace, VSpace and buffer are copied into the TCB", "SPACE0017";
            SUCCESS, "buffer address 0: whatever the frame is", "SPACE0008";
            TRUNCATED, "fewer than 3 words", "SPACE0001";
            TRUNCATED, "fewer than 3 capabilities", "SPACE0001";
            REVOKE_FIRST, "the buffer is untyped memory with children", "SPACE0004";
            ILLEGAL, "the buffer is no frame", "SPACE0005";
            ILLEGAL, "the buffer is device memory", "SPACE0006";
            ALIGNMENT, "the buffer address is not a multiple of 1024", "SPACE0007";
            ILLEGAL, "a present root is the last capability to a CNode: deleting it would take long", "SPACE0009";
            ILLEGAL, "the guard of cspace_root_data does not fit", "SPACE0010";
            REVOKE_FIRST, "the CSpace root is untyped memory with children", "SPACE0012";
            ILLEGAL, "the CSpace root is no CNode", "SPACE0011";
            REVOKE_FIRST, "the VSpace root is untyped memory with children", "SPACE0012";
            ILLEGAL, "the VSpace root is no PML4", "SPACE0013";
            ILLEGAL, "the VSpace root has no ASID", "SPACE0013";
        }
        TcbSetTimeoutEndpoint {
            SUCCESS, "an endpoint with Write and Grant or GrantReply", "PARAM0019";
            SUCCESS, "an empty slot: no handler", "PARAM0019";
            TRUNCATED, "no capability", "PARAM0019";
            invalid_capability(1), "no endpoint", "PARAM0019";
            invalid_capability(1), "a right is missing", "PARAM0019";
        }
        TcbSetIpcBuffer {
            SUCCESS, "the frame is copied into the TCB", "TCB0016";
            SUCCESS, "address 0: whatever the frame is", "SPACE0008";
            TRUNCATED, "no word", "SPACE0003";
            TRUNCATED, "no capability", "SPACE0003";
            REVOKE_FIRST, "the buffer is untyped memory with children", "SPACE0004";
            ILLEGAL, "the buffer is no frame", "SPACE0005";
            ILLEGAL, "the buffer is device memory", "SPACE0006";
            ALIGNMENT, "the address is not a multiple of 1024", "SPACE0007";
        }
        TcbSetSpace {
            SUCCESS, "fault handler, CSpace and VSpace are copied into the TCB", "SPACE0014";
            SUCCESS, "an empty slot: no handler", "SPACE0014";
            TRUNCATED, "fewer than 2 words", "SPACE0002";
            TRUNCATED, "fewer than 3 capabilities", "SPACE0002";
            ILLEGAL, "a present root is the last capability to a CNode: deleting it would take long", "SPACE0009";
            ILLEGAL, "the guard of cspace_root_data does not fit", "SPACE0010";
            REVOKE_FIRST, "the CSpace root is untyped memory with children", "SPACE0012";
            ILLEGAL, "the CSpace root is no CNode", "SPACE0011";
            REVOKE_FIRST, "the VSpace root is untyped memory with children", "SPACE0012";
            ILLEGAL, "the VSpace root is no PML4", "SPACE0013";
            ILLEGAL, "the VSpace root has no ASID", "SPACE0013";
            invalid_capability(1), "the handler is no endpoint", "SPACE0014";
            invalid_capability(1), "the handler lacks Write, or both Grant and GrantReply", "SPACE0014";
        }
        TcbSuspend {
            SUCCESS, "always, whatever the thread does", "PARAM0027";
        }
        TcbResume {
            SUCCESS, "always, whatever the thread does", "PARAM0027";
        }
        TcbBindNotification {
            SUCCESS, "a free notification with Read", "PARAM0022";
            TRUNCATED, "no capability", "PARAM0020";
            ILLEGAL, "the thread has a notification", "PARAM0021";
            ILLEGAL, "the capability is no notification", "PARAM0022";
            ILLEGAL, "the Read right is missing", "PARAM0022";
            ILLEGAL, "threads wait on the notification", "PARAM0023";
            ILLEGAL, "the notification is bound to another thread", "PARAM0024";
        }
        TcbUnbindNotification {
            SUCCESS, "the notification is free again", "PARAM0024";
            ILLEGAL, "the thread has none", "PARAM0024";
        }
        TcbSetTlsBase {
            SUCCESS, "the FS base is set", "TCB0029";
            SUCCESS, "an address that is not canonical becomes 0", "PARAM0026";
            TRUNCATED, "no word", "PARAM0025";
        }
        TcbSetFlags {
            SUCCESS, "the flags that result; unknown bits are ignored", "TCB0012";
            TRUNCATED, "fewer than 2 words", "PARAM0025";
        }
    } },
};
