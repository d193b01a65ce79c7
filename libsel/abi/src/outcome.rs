//! What an invocation can answer, by label: the short form of the lists of checks in abi.md section 7.
//!
//! On top of these, any label can answer [`Error::InvalidCapability`] with 0 (the slot is empty, or holds what is left
//! of an object that is being deleted) and [`Error::IllegalOperation`] (the capability does not know the label).
use crate::{CapTag, Error, Label};

impl Label {
    /// The kind of capability that knows this label; none for [`Label::InvalidInvocation`].
    pub const fn object(self) -> Option<CapTag> {
        use Label::*;
        Some(match self {
            InvalidInvocation => return None,
            UntypedRetype => CapTag::Untyped,
            TcbReadRegisters
            | TcbWriteRegisters
            | TcbCopyRegisters
            | TcbConfigure
            | TcbSetPriority
            | TcbSetMcPriority
            | TcbSetSchedParams
            | TcbSetTimeoutEndpoint
            | TcbSetIpcBuffer
            | TcbSetSpace
            | TcbSuspend
            | TcbResume
            | TcbBindNotification
            | TcbUnbindNotification
            | TcbSetTlsBase
            | TcbSetFlags => CapTag::Tcb,
            CNodeRevoke
            | CNodeDelete
            | CNodeCancelBadgedSends
            | CNodeCopy
            | CNodeMint
            | CNodeMove
            | CNodeMutate
            | CNodeRotate => CapTag::CNode,
            IrqIssueIrqHandler | X86IrqIssueIrqHandlerIoApic | X86IrqIssueIrqHandlerMsi => CapTag::IrqControl,
            IrqAckIrq | IrqSetIrqHandler | IrqClearIrqHandler => CapTag::IrqHandler,
            DomainSetSet | DomainScheduleConfigure | DomainScheduleSetStart => CapTag::Domain,
            SchedControlConfigureFlags => CapTag::SchedControl,
            SchedContextBind
            | SchedContextUnbind
            | SchedContextUnbindObject
            | SchedContextConsumed
            | SchedContextYieldTo => CapTag::SchedContext,
            X86PdptMap | X86PdptUnmap => CapTag::Pdpt,
            X86PageDirectoryMap | X86PageDirectoryUnmap => CapTag::PageDirectory,
            X86PageTableMap | X86PageTableUnmap => CapTag::PageTable,
            X86PageMap | X86PageUnmap | X86PageGetAddress => CapTag::Frame,
            X86AsidControlMakePool => CapTag::AsidControl,
            X86AsidPoolAssign => CapTag::AsidPool,
            X86IoPortControlIssue => CapTag::IoPortControl,
            X86IoPortIn8 | X86IoPortIn16 | X86IoPortIn32 | X86IoPortOut8 | X86IoPortOut16
            | X86IoPortOut32 => CapTag::IoPort,
        })
    }

    /// Whether the invocation can succeed. IRQControl_Get cannot where interrupts come through I/O APICs (abi.md 7.5).
    pub const fn succeeds(self) -> bool {
        !matches!(self, Label::InvalidInvocation | Label::IrqIssueIrqHandler)
    }

    /// The errors that the invocation can answer, beside those that any label can (see the module).
    ///
    /// [`Label::X86IrqIssueIrqHandlerIoApic`] also answers IllegalOperation on a machine without an I/O APIC. The errors
    /// of [`Label::X86AsidPoolAssign`] for a pool that is not registered are left out: such a pool has no capabilities.
    pub const fn errors(self) -> &'static [Error] {
        use Error::*;
        use Label::*;
        match self {
            InvalidInvocation => &[IllegalOperation],
            UntypedRetype => {
                &[TruncatedMessage, InvalidArgument, RangeError, FailedLookup, DeleteFirst, NotEnoughMemory]
            }
            TcbReadRegisters => &[TruncatedMessage, RangeError, IllegalOperation],
            TcbWriteRegisters => &[TruncatedMessage, IllegalOperation],
            TcbCopyRegisters => &[TruncatedMessage, InvalidCapability],
            TcbConfigure | TcbSetIpcBuffer => {
                &[TruncatedMessage, RevokeFirst, IllegalOperation, AlignmentError]
            }
            TcbSetPriority | TcbSetMcPriority => &[TruncatedMessage, InvalidCapability, RangeError],
            TcbSetSchedParams => &[TruncatedMessage, InvalidCapability, RangeError, IllegalOperation],
            TcbSetTimeoutEndpoint => &[TruncatedMessage, InvalidCapability],
            TcbSetSpace => &[TruncatedMessage, RevokeFirst, IllegalOperation, InvalidCapability],
            TcbSuspend | TcbResume => &[],
            TcbBindNotification => &[TruncatedMessage, IllegalOperation],
            TcbUnbindNotification => &[IllegalOperation],
            TcbSetTlsBase | TcbSetFlags => &[TruncatedMessage],
            CNodeRevoke | CNodeDelete => &[TruncatedMessage, RangeError, FailedLookup],
            CNodeCancelBadgedSends => &[TruncatedMessage, RangeError, FailedLookup, IllegalOperation],
            CNodeCopy | CNodeMint => {
                &[TruncatedMessage, RangeError, FailedLookup, DeleteFirst, RevokeFirst, IllegalOperation]
            }
            CNodeMove => &[TruncatedMessage, RangeError, FailedLookup, DeleteFirst],
            CNodeMutate | CNodeRotate => {
                &[TruncatedMessage, RangeError, FailedLookup, DeleteFirst, IllegalOperation]
            }
            IrqIssueIrqHandler => &[TruncatedMessage, IllegalOperation],
            X86IrqIssueIrqHandlerIoApic | X86IrqIssueIrqHandlerMsi => {
                &[TruncatedMessage, RangeError, RevokeFirst, FailedLookup, DeleteFirst]
            }
            IrqAckIrq | IrqClearIrqHandler => &[],
            IrqSetIrqHandler => &[TruncatedMessage, InvalidCapability],
            DomainSetSet => &[TruncatedMessage, InvalidArgument],
            DomainScheduleConfigure | DomainScheduleSetStart => {
                &[TruncatedMessage, RangeError, InvalidArgument]
            }
            SchedControlConfigureFlags => &[TruncatedMessage, RangeError, InvalidCapability],
            SchedContextBind | SchedContextUnbindObject => {
                &[TruncatedMessage, IllegalOperation, InvalidCapability]
            }
            SchedContextUnbind | SchedContextYieldTo => &[IllegalOperation],
            SchedContextConsumed => &[],
            X86PdptMap | X86PageDirectoryMap | X86PageTableMap => {
                &[TruncatedMessage, InvalidCapability, InvalidArgument, FailedLookup, DeleteFirst]
            }
            X86PdptUnmap | X86PageDirectoryUnmap | X86PageTableUnmap => &[RevokeFirst],
            X86PageMap => &[
                TruncatedMessage,
                InvalidCapability,
                InvalidArgument,
                AlignmentError,
                FailedLookup,
                DeleteFirst,
            ],
            X86PageUnmap | X86PageGetAddress => &[],
            X86AsidControlMakePool => {
                &[TruncatedMessage, DeleteFirst, InvalidCapability, RevokeFirst, RangeError, FailedLookup]
            }
            X86AsidPoolAssign => &[TruncatedMessage, InvalidCapability, DeleteFirst],
            X86IoPortControlIssue => {
                &[TruncatedMessage, InvalidArgument, RevokeFirst, RangeError, FailedLookup, DeleteFirst]
            }
            X86IoPortIn8 | X86IoPortIn16 | X86IoPortIn32 | X86IoPortOut8 | X86IoPortOut16
            | X86IoPortOut32 => &[TruncatedMessage, IllegalOperation],
        }
    }
}
