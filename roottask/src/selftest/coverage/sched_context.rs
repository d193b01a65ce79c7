//! Scheduling contexts (abi.md 7.7).

use super::outcome::*;
use super::{Section, rows};

/// Scheduling contexts.
pub const SECTION: Section = Section {
    title: "Scheduling contexts",
    intro: "Times are in microseconds. The greatest budget and period depend on the TSC: (2^64 - 1) / MHz / 8.",
    rows: rows! { Label of Label {
        SchedControlConfigureFlags {
            SUCCESS, "budget = period: round robin", "SCCHECK0003";
            SUCCESS, "budget below period, with extra refills", "SCCHECK0006";
            TRUNCATED, "no capability", "SCCHECK0001";
            TRUNCATED, "fewer than 5 words", "SCCHECK0001";
            range(20, ANY), "the budget is too large", "SCCHECK0002";
            range(20, ANY), "the period is too large", "SCCHECK0002";
            range(20, ANY), "the budget is below 20 us", "SCCHECK0003";
            range(20, ANY), "the period is below 20 us", "SCCHECK0003";
            range(20, 100), "the budget is above the period, which is the maximum told", "SCCHECK0004";
            invalid_capability(1), "the capability is no scheduling context", "SCCHECK0005";
            range(0, ANY), "more extra refills than the object holds", "SCCHECK0006";
        }
        SchedContextBind {
            SUCCESS, "to a TCB", "SCCHECK0008";
            SUCCESS, "to a notification", "SCCHECK0011";
            TRUNCATED, "no capability", "SCCHECK0007";
            ILLEGAL, "the context has a TCB", "SCCHECK0008";
            ILLEGAL, "the TCB has a context", "SCCHECK0009";
            ILLEGAL, "the TCB is blocked and the context not ready", "SCCHECK0010";
            ILLEGAL, "the context has a notification", "SCCHECK0011";
            ILLEGAL, "the notification has a context", "SCCHECK0012";
            invalid_capability(1), "neither a TCB nor a notification", "SCCHECK0007";
        }
        SchedContextUnbind {
            SUCCESS, "nothing is bound any more", "SCCHECK0013";
            SUCCESS, "when nothing was", "SCCHECK0013";
            ILLEGAL, "the caller runs on it", "SCCHECK0013";
        }
        SchedContextUnbindObject {
            SUCCESS, "from a TCB", "SCCHECK0015";
            SUCCESS, "from a notification", "SCCHECK0015";
            TRUNCATED, "no capability", "SCCHECK0014";
            ILLEGAL, "the TCB is not bound to it", "SCCHECK0015";
            ILLEGAL, "the notification is not bound to it", "SCCHECK0015";
            ILLEGAL, "the TCB is the caller", "SCCHECK0016";
            invalid_capability(1), "neither a TCB nor a notification", "SCCHECK0014";
        }
        SchedContextConsumed {
            SUCCESS, "microseconds since the last report", "SC0016";
        }
        SchedContextYieldTo {
            SUCCESS, "the thread runs first; microseconds that it consumed", "SC0015";
            SUCCESS, "at once, if the thread cannot run", "SCCHECK0020";
            ILLEGAL, "no TCB is bound", "SCCHECK0017";
            ILLEGAL, "the caller runs on it", "SCCHECK0018";
            ILLEGAL, "the thread's priority is above the caller's MCP", "SCCHECK0019";
        }
    } },
};
