//! Capability faults (abi.md 2.3, 6.5).

use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot, MissingCapability};

use super::outcome::*;
use super::{Section, rows};

const RETURNED: Outcome = Outcome::Returned;

/// A fault of the send phase.
const fn sending(kind: libsel::abi::LookupFailureKind) -> Outcome {
    Outcome::CapFault(0, kind)
}

/// A fault of the receive phase.
const fn receiving(kind: libsel::abi::LookupFailureKind) -> Outcome {
    Outcome::CapFault(1, kind)
}

/// Capability faults.
pub const SECTION: Section = Section {
    title: "Capability faults",
    intro: "The calling thread faults, and the message tells the kind of lookup failure. An invoked slot that is empty is \
            no fault but InvalidCapability(0).",
    rows: rows! { Call of Syscall {
        Call {
            sending(GuardMismatch), "the invoked capability's pointer does not match a guard", "PHASE0001";
            sending(DepthMismatch), "a CNode on its way needs more bits than are left", "PHASE0005";
            sending(InvalidRoot), "the thread has no CSpace", "PHASE0004";
            sending(GuardMismatch), "an extra capability is not found", "PHASE0002";
        }
        Send {
            sending(GuardMismatch), "the invoked capability's pointer does not match a guard", "PHASE0001";
            sending(DepthMismatch), "a CNode on its way needs more bits than are left", "PHASE0005";
            sending(InvalidRoot), "the thread has no CSpace", "PHASE0004";
            sending(GuardMismatch), "an extra capability is not found", "PHASE0002";
            RETURNED, "an empty slot, or an error: nothing happens", "PHASE0007";
        }
        NbSend {
            RETURNED, "the capability is not found: nothing happens", "PHASE0018";
            RETURNED, "an extra capability is not found: nothing happens", "PHASE0018";
            RETURNED, "an empty slot: nothing happens", "PHASE0007";
        }
        Recv {
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(GuardMismatch), "an endpoint, and the reply capability is not found", "PHASE0014";
            receiving(MissingCapability), "an endpoint, and the reply capability is none", "PHASE0015";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            RETURNED, "a notification: the reply capability is not looked at", "PHASE0016";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
        NbRecv {
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(GuardMismatch), "an endpoint, and the reply capability is not found", "PHASE0014";
            receiving(MissingCapability), "an endpoint, and the reply capability is none", "PHASE0015";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            RETURNED, "a notification: the reply capability is not looked at", "PHASE0016";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
        Wait {
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
        NbWait {
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
        ReplyRecv {
            RETURNED, "the first phase's capability is not found: ignored", "PHASE0017";
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(GuardMismatch), "an endpoint, and the reply capability is not found", "PHASE0014";
            receiving(MissingCapability), "an endpoint, and the reply capability is none", "PHASE0015";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            RETURNED, "a notification: the reply capability is not looked at", "PHASE0016";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
        NbSendRecv {
            RETURNED, "the first phase's capability is not found: ignored", "PHASE0017";
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(GuardMismatch), "an endpoint, and the reply capability is not found", "PHASE0014";
            receiving(MissingCapability), "an endpoint, and the reply capability is none", "PHASE0015";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            RETURNED, "a notification: the reply capability is not looked at", "PHASE0016";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
        NbSendWait {
            RETURNED, "the first phase's capability is not found: ignored", "PHASE0017";
            receiving(GuardMismatch), "the pointer does not match a guard", "PHASE0008";
            receiving(MissingCapability), "an empty slot", "PHASE0009";
            receiving(MissingCapability), "an endpoint without Read", "PHASE0010";
            receiving(MissingCapability), "a notification without Read", "PHASE0011";
            receiving(MissingCapability), "a notification that is bound to another thread", "PHASE0012";
            receiving(MissingCapability), "another kind of capability", "PHASE0013";
        }
    } },
};
