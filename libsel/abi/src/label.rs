//! Invocation labels (abi.md 7.1), profile P0: IOMMU off, hardware debug off, VT-x off.
use crate::numbered;

numbered! {
    /// What to do with the invoked capability: the label field of the message info word.
    pub enum Label: u64 {
        /// No operation has this label.
        InvalidInvocation = 0,
        /// Untyped_Retype.
        UntypedRetype = 1,
        /// TCB_ReadRegisters.
        TcbReadRegisters = 2,
        /// TCB_WriteRegisters.
        TcbWriteRegisters = 3,
        /// TCB_CopyRegisters.
        TcbCopyRegisters = 4,
        /// TCB_Configure.
        TcbConfigure = 5,
        /// TCB_SetPriority.
        TcbSetPriority = 6,
        /// TCB_SetMCPriority.
        TcbSetMcPriority = 7,
        /// TCB_SetSchedParams.
        TcbSetSchedParams = 8,
        /// TCB_SetTimeoutEndpoint.
        TcbSetTimeoutEndpoint = 9,
        /// TCB_SetIPCBuffer.
        TcbSetIpcBuffer = 10,
        /// TCB_SetSpace.
        TcbSetSpace = 11,
        /// TCB_Suspend.
        TcbSuspend = 12,
        /// TCB_Resume.
        TcbResume = 13,
        /// TCB_BindNotification.
        TcbBindNotification = 14,
        /// TCB_UnbindNotification.
        TcbUnbindNotification = 15,
        /// TCB_SetTLSBase.
        TcbSetTlsBase = 16,
        /// TCB_SetFlags.
        TcbSetFlags = 17,
        /// CNode_Revoke.
        CNodeRevoke = 18,
        /// CNode_Delete.
        CNodeDelete = 19,
        /// CNode_CancelBadgedSends.
        CNodeCancelBadgedSends = 20,
        /// CNode_Copy.
        CNodeCopy = 21,
        /// CNode_Mint.
        CNodeMint = 22,
        /// CNode_Move.
        CNodeMove = 23,
        /// CNode_Mutate.
        CNodeMutate = 24,
        /// CNode_Rotate.
        CNodeRotate = 25,
        /// IRQControl_Get.
        IrqIssueIrqHandler = 26,
        /// IRQHandler_Ack.
        IrqAckIrq = 27,
        /// IRQHandler_SetNotification.
        IrqSetIrqHandler = 28,
        /// IRQHandler_Clear.
        IrqClearIrqHandler = 29,
        /// DomainSet_Set.
        DomainSetSet = 30,
        /// DomainSet_ScheduleConfigure.
        DomainScheduleConfigure = 31,
        /// DomainSet_ScheduleSetStart.
        DomainScheduleSetStart = 32,
        /// SchedControl_ConfigureFlags.
        SchedControlConfigureFlags = 33,
        /// SchedContext_Bind.
        SchedContextBind = 34,
        /// SchedContext_Unbind.
        SchedContextUnbind = 35,
        /// SchedContext_UnbindObject.
        SchedContextUnbindObject = 36,
        /// SchedContext_Consumed.
        SchedContextConsumed = 37,
        /// SchedContext_YieldTo.
        SchedContextYieldTo = 38,
        /// X86_PDPT_Map.
        X86PdptMap = 39,
        /// X86_PDPT_Unmap.
        X86PdptUnmap = 40,
        /// X86_PageDirectory_Map.
        X86PageDirectoryMap = 41,
        /// X86_PageDirectory_Unmap.
        X86PageDirectoryUnmap = 42,
        /// X86_PageTable_Map.
        X86PageTableMap = 43,
        /// X86_PageTable_Unmap.
        X86PageTableUnmap = 44,
        /// X86_Page_Map.
        X86PageMap = 45,
        /// X86_Page_Unmap.
        X86PageUnmap = 46,
        /// X86_Page_GetAddress.
        X86PageGetAddress = 47,
        /// X86_ASIDControl_MakePool.
        X86AsidControlMakePool = 48,
        /// X86_ASIDPool_Assign.
        X86AsidPoolAssign = 49,
        /// X86_IOPortControl_Issue.
        X86IoPortControlIssue = 50,
        /// X86_IOPort_In8.
        X86IoPortIn8 = 51,
        /// X86_IOPort_In16.
        X86IoPortIn16 = 52,
        /// X86_IOPort_In32.
        X86IoPortIn32 = 53,
        /// X86_IOPort_Out8.
        X86IoPortOut8 = 54,
        /// X86_IOPort_Out16.
        X86IoPortOut16 = 55,
        /// X86_IOPort_Out32.
        X86IoPortOut32 = 56,
        /// IRQControl_GetIOAPIC.
        X86IrqIssueIrqHandlerIoApic = 57,
        /// IRQControl_GetMSI.
        X86IrqIssueIrqHandlerMsi = 58,
    }
}
