//! Rules for all invocations (abi.md 2.3, 2.7, 7.0).

use libsel::abi::LookupFailureKind::GuardMismatch;

use super::outcome::*;
use super::{Section, rows};

const RETURNED: Outcome = Outcome::Returned;

/// Rules for all invocations.
pub const SECTION: Section = Section {
    title: "All invocations",
    intro: "An invocation is a message to a capability that is neither an endpoint, nor a notification with Write, nor a \
            reply object. It can be made with Call, with Send or NBSend, which answer nothing, and as the first phase of \
            a combined call, whose failure nobody sees. Only one more thing can happen to it: the capability, or an \
            extra one, is not found; see capability faults. Numbers of capabilities are those that DebugCapIdentify tells.",
    rows: rows! {
        Object of CapTag {
            Null { invalid_capability(0), "whatever the label: the slot is empty", "GENERAL0003"; }
            Zombie { invalid_capability(0), "whatever the label: the object is half deleted", "GENERAL0004"; }
            Endpoint { invalid_capability(0), "without Write; with it, the message is sent", "GENERAL0006"; }
            Notification {
                invalid_capability(0), "without Write", "GENERAL0006";
                SUCCESS, "with Write: signalled, whatever the label", "GENERAL0007";
            }
            Reply { SUCCESS, "whatever the label: the caller that it holds is answered, if there is one", "GENERAL0007"; }
            Untyped { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            Tcb { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            CNode { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            SchedContext { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            SchedControl { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            Pml4 { ILLEGAL, "any label", "GENERAL0001"; }
            Pdpt { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            PageDirectory { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            PageTable { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            Frame { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            AsidControl { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            AsidPool { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            IrqControl { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            IrqHandler { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            IoPortControl { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            IoPort { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
            Domain { ILLEGAL, "a label that it does not know, before anything else", "GENERAL0001"; }
        }
        Label of Label {
            InvalidInvocation { ILLEGAL, "no capability knows it", "GENERAL0001"; }
            TcbSuspend { SUCCESS, "surplus words and capabilities are ignored", "GENERAL0008"; }
            TcbWriteRegisters { TRUNCATED, "without a buffer only four words travel", "GENERAL0009"; }
            TcbSetPriority { TRUNCATED, "without a buffer no capability travels", "GENERAL0009"; }
            TcbReadRegisters { SUCCESS, "without a buffer four words come back", "GENERAL0011"; }
            CNodeCopy { SUCCESS, "a copy of every kind but those that cannot be derived", "CNDATA0003"; }
            CNodeDelete { not_found(GuardMismatch), "without a buffer the fifth word is lost", "GENERAL0010"; }
        }
        Call of Syscall {
            Send { RETURNED, "an invocation is performed; nothing is answered", "GENERAL0018"; }
            NbSend { RETURNED, "an invocation is performed; nothing is answered, errors neither", "GENERAL0018"; }
            ReplyRecv { RETURNED, "first phase: as for NbSendWait", "GENERAL0019"; }
            NbSendRecv { RETURNED, "first phase: as for NbSendWait", "GENERAL0019"; }
            NbSendWait {
                RETURNED, "first phase: untyped, control, port and handler capabilities are invoked", "GENERAL0012";
                RETURNED, "first phase: address spaces, tables and frames are invoked", "GENERAL0013";
                RETURNED, "first phase: a notification is signalled", "GENERAL0014";
                RETURNED, "first phase: TCBs, CNodes and domain control are refused, unseen", "GENERAL0015";
                RETURNED, "first phase: scheduling contexts and their control are refused, unseen", "GENERAL0016";
                RETURNED, "first phase: what is not found or fails is ignored", "GENERAL0017";
            }
        }
    },
};
