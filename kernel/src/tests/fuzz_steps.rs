//! The likely steps of the random sequences: which capability, label and words make sense in the present state.
use sel_abi::bootinfo::slot;
use sel_abi::{CapTag, Label, ObjectType, Syscall};

use super::machine::Machine;
use super::objects::{OWN_TCB, ROOT, SCHED_CONTROL, VSPACE};

/// First of the slots that the steps play with.
pub const FIRST: u64 = 1000;
/// How many.
const SLOTS: u64 = 40;

macro_rules! kinds {
    ($($kind:ident * $weight:expr,)+) => {
        /// What a step is about.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind { $($kind,)+ }

        impl Kind {
            /// Every kind, as often as its weight says.
            pub const ALL: &'static [Kind] = &{
                const TOTAL: usize = 0 $(+ $weight)+;
                let mut all = [Kind::Retype; TOTAL];
                let mut at = 0;
                $(
                    let end = at + $weight;
                    while at < end {
                        all[at] = Kind::$kind;
                        at += 1;
                    }
                )+
                all
            };
        }
    };
}

kinds! {
    Retype * 6, Copy * 3, Mint * 2, MoveIn * 3, Rotate * 1, Delete * 2, Revoke * 1, CancelBadgedSends * 1,
    Configure * 2, SetSpace * 1, SetSchedParams * 3, SetPriority * 2, SetTimeoutEndpoint * 1, SetIpcBuffer * 1,
    Resume * 4, Suspend * 1, BindNotification * 1, UnbindNotification * 1, Registers * 1, ConfigureFlags * 3, Bind * 3,
    Unbind * 2, UnbindObject * 1, YieldTo * 2, Consumed * 1, IssueIrq * 1, SetIrqHandler * 1, MakePool * 1,
    AssignAsid * 1, MapTable * 2, MapPage * 2, Unmap * 1, Domain * 1, IssuePorts * 1,
    Send * 3, NbSend * 1, CallEndpoint * 6, Recv * 5, NbRecv * 1, Wait * 2, ReplyTo * 4, ReplyRecv * 4, NbSendRecv * 2,
    NbSendWait * 1, Signal * 3, Yield * 2,
}

/// A system call: number, the capabilities in rdi, r12 and r13, label, words, extra capabilities.
pub type Plan = (Syscall, [u64; 3], u64, Vec<u64>, Vec<u64>);

/// Chooses from the dice what the kind leaves open.
pub fn plan(m: &Machine, kind: Kind, dice: &[u64; 6]) -> Plan {
    let [a, b, c, d, e, f] = *dice;
    let pick = |tag, die: u64| pick(m, tag, die);
    let empty = |die: u64| pick(CapTag::Null, die);
    let any = |die: u64| FIRST + die % SLOTS;
    let invoke = |cap, label: Label, words: &[u64], caps: &[u64]| {
        (Syscall::Call, [cap, 0, 0], label.raw(), words.to_vec(), caps.to_vec())
    };
    let ipc = |call, caps: [u64; 3], words: u64| {
        let extra = if d % 4 == 0 { vec![any(e)] } else { vec![] };
        (call, caps, f % 3, (0..words % 7).collect(), extra)
    };
    let tcb = |die| pick(CapTag::Tcb, die);
    let space = |die: u64| if die.is_multiple_of(2) { VSPACE } else { pick(CapTag::Pml4, die) };
    match kind {
        Kind::Retype => {
            let object = ObjectType::ALL[(a % ObjectType::ALL.len() as u64) as usize];
            let bits = match object {
                ObjectType::SchedContext => 7 + b % 3,
                ObjectType::CapTable => 1 + b % 4,
                _ => 5 + b % 9,
            };
            let words = [object.raw(), bits, 0, 0, empty(c), 1 + d % 2];
            invoke(pick(CapTag::Untyped, e), Label::UntypedRetype, &words, &[ROOT])
        }
        Kind::Copy => invoke(ROOT, Label::CNodeCopy, &[empty(a), 64, any(b), 64, !(c & 16) & 15], &[ROOT]),
        Kind::Mint => {
            let source = if d % 2 == 0 { CapTag::Endpoint } else { CapTag::Notification };
            invoke(ROOT, Label::CNodeMint, &[empty(a), 64, pick(source, b), 64, 15, c % 4], &[ROOT])
        }
        Kind::MoveIn => {
            invoke(pick(CapTag::CNode, a), Label::CNodeMove, &[b % 16, 1 + c % 5, any(d), 64], &[ROOT])
        }
        Kind::Rotate => {
            let words = [empty(a), 64, 0, any(b), 64, 0, any(c), 64];
            invoke(ROOT, Label::CNodeRotate, &words, &[ROOT, ROOT])
        }
        Kind::Delete => invoke(ROOT, Label::CNodeDelete, &[any(a), 64], &[]),
        Kind::Revoke => invoke(ROOT, Label::CNodeRevoke, &[any(a), 64], &[]),
        Kind::CancelBadgedSends => {
            invoke(ROOT, Label::CNodeCancelBadgedSends, &[pick(CapTag::Endpoint, a), 64], &[])
        }
        Kind::Configure => {
            let cspace = if b % 4 == 0 { pick(CapTag::CNode, c) } else { ROOT };
            invoke(tcb(a), Label::TcbConfigure, &[0, 0, 0], &[cspace, space(d), 0])
        }
        Kind::SetSpace => {
            let cspace = if b % 4 == 0 { pick(CapTag::CNode, c) } else { ROOT };
            invoke(tcb(a), Label::TcbSetSpace, &[0, 0], &[pick(CapTag::Endpoint, e), cspace, space(d)])
        }
        Kind::SetSchedParams => {
            let context = if b % 8 == 0 { 0 } else { pick(CapTag::SchedContext, c) };
            let caps = [OWN_TCB, context, pick(CapTag::Endpoint, d)];
            invoke(tcb(a), Label::TcbSetSchedParams, &[255, 253 + e % 3], &caps)
        }
        Kind::SetPriority => invoke(tcb(a), Label::TcbSetPriority, &[252 + b % 4], &[OWN_TCB]),
        Kind::SetTimeoutEndpoint => {
            invoke(tcb(a), Label::TcbSetTimeoutEndpoint, &[], &[pick(CapTag::Endpoint, b)])
        }
        Kind::SetIpcBuffer => {
            invoke(tcb(a), Label::TcbSetIpcBuffer, &[(b % 3) << 10], &[pick(CapTag::Frame, c)])
        }
        Kind::Resume => invoke(tcb(a), Label::TcbResume, &[], &[]),
        Kind::Suspend => invoke(tcb(a), Label::TcbSuspend, &[], &[]),
        Kind::BindNotification => {
            invoke(tcb(a), Label::TcbBindNotification, &[], &[pick(CapTag::Notification, b)])
        }
        Kind::UnbindNotification => invoke(tcb(a), Label::TcbUnbindNotification, &[], &[]),
        Kind::Registers => invoke(tcb(a), Label::TcbCopyRegisters, &[b % 16], &[tcb(c)]),
        Kind::ConfigureFlags => {
            let budget = 20 + a % 50;
            let words = [budget, budget * (1 + b % 3), c % 4, 7, d % 2];
            invoke(SCHED_CONTROL, Label::SchedControlConfigureFlags, &words, &[pick(CapTag::SchedContext, e)])
        }
        Kind::Bind | Kind::UnbindObject => {
            let label =
                if kind == Kind::Bind { Label::SchedContextBind } else { Label::SchedContextUnbindObject };
            let object = if b % 3 == 0 { pick(CapTag::Notification, c) } else { tcb(c) };
            invoke(pick(CapTag::SchedContext, a), label, &[], &[object])
        }
        Kind::Unbind => invoke(pick(CapTag::SchedContext, a), Label::SchedContextUnbind, &[], &[]),
        Kind::YieldTo => invoke(pick(CapTag::SchedContext, a), Label::SchedContextYieldTo, &[], &[]),
        Kind::Consumed => invoke(pick(CapTag::SchedContext, a), Label::SchedContextConsumed, &[], &[]),
        Kind::IssueIrq => {
            let words = [empty(a), 64, 0, 0, 0, 0, b % 3];
            invoke(slot::IRQ_CONTROL, Label::X86IrqIssueIrqHandlerMsi, &words, &[ROOT])
        }
        Kind::SetIrqHandler => {
            let notification = pick(CapTag::Notification, b);
            invoke(pick(CapTag::IrqHandler, a), Label::IrqSetIrqHandler, &[], &[notification])
        }
        Kind::MakePool => {
            let caps = [pick(CapTag::Untyped, b), ROOT];
            invoke(slot::ASID_CONTROL, Label::X86AsidControlMakePool, &[empty(a), 64], &caps)
        }
        Kind::AssignAsid => {
            let pool = if a % 2 == 0 { slot::INIT_THREAD_ASID_POOL } else { pick(CapTag::AsidPool, b) };
            invoke(pool, Label::X86AsidPoolAssign, &[], &[pick(CapTag::Pml4, c)])
        }
        Kind::MapTable => {
            let (tag, label) = [
                (CapTag::Pdpt, Label::X86PdptMap),
                (CapTag::PageDirectory, Label::X86PageDirectoryMap),
                (CapTag::PageTable, Label::X86PageTableMap),
            ][(a % 3) as usize];
            invoke(pick(tag, b), label, &[(c % 3) << 21, 0], &[space(d)])
        }
        Kind::MapPage => {
            let address = ((a % 3) << 21) + ((b % 3) << 12);
            invoke(pick(CapTag::Frame, c), Label::X86PageMap, &[address, 3, 0], &[space(d)])
        }
        Kind::Unmap => {
            let (tag, label) = [
                (CapTag::Pdpt, Label::X86PdptUnmap),
                (CapTag::PageDirectory, Label::X86PageDirectoryUnmap),
                (CapTag::PageTable, Label::X86PageTableUnmap),
                (CapTag::Frame, Label::X86PageUnmap),
            ][(a % 4) as usize];
            invoke(pick(tag, b), label, &[], &[])
        }
        Kind::Domain => invoke(slot::DOMAIN, Label::DomainSetSet, &[u64::from(a % 6 == 0)], &[tcb(b)]),
        Kind::IssuePorts => {
            let words = [a % 8, a % 8 + b % 3, empty(c), 64];
            invoke(slot::IO_PORT_CONTROL, Label::X86IoPortControlIssue, &words, &[ROOT])
        }
        Kind::Send => ipc(Syscall::Send, [pick(CapTag::Endpoint, a), 0, 0], b),
        Kind::NbSend => ipc(Syscall::NbSend, [pick(CapTag::Endpoint, a), 0, 0], b),
        Kind::CallEndpoint => ipc(Syscall::Call, [pick(CapTag::Endpoint, a), 0, 0], b),
        Kind::Recv => ipc(Syscall::Recv, [pick(CapTag::Endpoint, a), pick(CapTag::Reply, b), 0], 0),
        Kind::NbRecv => ipc(Syscall::NbRecv, [pick(CapTag::Endpoint, a), pick(CapTag::Reply, b), 0], 0),
        Kind::Wait => {
            let tag = if b % 2 == 0 { CapTag::Endpoint } else { CapTag::Notification };
            ipc(Syscall::Wait, [pick(tag, a), 0, 0], 0)
        }
        Kind::ReplyTo => ipc(Syscall::Send, [pick(CapTag::Reply, a), 0, 0], b),
        Kind::ReplyRecv => ipc(Syscall::ReplyRecv, [pick(CapTag::Endpoint, a), pick(CapTag::Reply, b), 0], c),
        Kind::NbSendRecv | Kind::NbSendWait => {
            let to = if c % 2 == 0 { pick(CapTag::Endpoint, c) } else { pick(CapTag::Notification, c) };
            if kind == Kind::NbSendWait {
                ipc(Syscall::NbSendWait, [pick(CapTag::Endpoint, a), to, 0], b)
            } else {
                ipc(Syscall::NbSendRecv, [pick(CapTag::Endpoint, a), pick(CapTag::Reply, b), to], b)
            }
        }
        Kind::Signal => ipc(Syscall::Send, [pick(CapTag::Notification, a), 0, 0], 0),
        Kind::Yield => (Syscall::Yield, [0; 3], 0, vec![], vec![]),
    }
}

/// A slot that holds a capability of this kind; now and then, and if there is none, any slot.
fn pick(m: &Machine, tag: CapTag, die: u64) -> u64 {
    let fits = |cptr: &u64| m.cap(*cptr).tag() == tag;
    let count = (FIRST..FIRST + SLOTS).filter(fits).count() as u64;
    if count == 0 || die % 32 == 31 {
        return FIRST + (die >> 8) % SLOTS;
    }
    (FIRST..FIRST + SLOTS).filter(fits).nth(((die >> 8) % count) as usize).unwrap_or(FIRST)
}
