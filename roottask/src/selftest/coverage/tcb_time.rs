//! Threads: priorities and scheduling parameters (abi.md 7.3).

use super::outcome::*;
use super::{Section, rows};

/// Scheduling of threads.
pub const SECTION: Section = Section {
    title: "Scheduling of threads",
    intro: "The authority is a TCB; its maximum controlled priority (MCP) limits what it can give.",
    rows: rows! { Label of Label {
        TcbSetPriority {
            SUCCESS, "up to the authority's MCP, whatever the thread's own", "PARAM0008";
            TRUNCATED, "no word", "PARAM0006";
            TRUNCATED, "no capability", "PARAM0006";
            invalid_capability(1), "the authority is no TCB", "PARAM0007";
            range(0, ANY), "above the authority's MCP", "PARAM0008";
        }
        TcbSetMcPriority {
            SUCCESS, "up to the authority's MCP, whatever the thread's own", "PARAM0008";
            TRUNCATED, "no word", "PARAM0006";
            TRUNCATED, "no capability", "PARAM0006";
            invalid_capability(1), "the authority is no TCB", "PARAM0007";
            range(0, ANY), "above the authority's MCP", "PARAM0008";
        }
        TcbSetSchedParams {
            SUCCESS, "fault handler, MCP, priority and scheduling context at once", "PARAM0011";
            SUCCESS, "the scheduling context that the thread has already", "PARAM0012";
            SUCCESS, "an empty slot: the thread has no scheduling context any more", "PARAM0018";
            TRUNCATED, "fewer than 2 words", "PARAM0009";
            TRUNCATED, "fewer than 3 capabilities", "PARAM0009";
            invalid_capability(1), "the authority is no TCB", "PARAM0010";
            range(0, ANY), "the MCP is above the authority's", "PARAM0011";
            range(0, ANY), "the priority is above the authority's MCP", "PARAM0011";
            ILLEGAL, "the thread has another scheduling context", "PARAM0012";
            ILLEGAL, "the scheduling context is bound to another thread", "PARAM0013";
            ILLEGAL, "the thread is blocked and the scheduling context not ready", "PARAM0014";
            ILLEGAL, "the caller would lose its own", "PARAM0015";
            invalid_capability(2), "no scheduling context, and no empty slot", "PARAM0016";
            invalid_capability(3), "the handler is no endpoint", "PARAM0017";
            invalid_capability(3), "the handler lacks Write, or both Grant and GrantReply", "PARAM0017";
        }
    } },
};
