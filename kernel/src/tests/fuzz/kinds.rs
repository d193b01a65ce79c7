//! The kinds of system calls that the sequences are made of, and how a plan for one is written down.
use sel_abi::bootinfo::slot;
use sel_abi::{CapTag, Label, Syscall};

use super::dice::Dice;
use super::{plan_ipc, plan_objects, plan_spaces, plan_threads};
use crate::cap::Cap;
use crate::tests::machine::Machine;
use crate::tests::objects::ROOT;

/// log2 of the slots of the root CNode.
pub const ROOT_BITS: u8 = 9;
/// First of the slots that the steps play with.
pub const FIRST: u64 = 448;
/// How many.
pub const SLOTS: u64 = 64;

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
    Retype * 14, Copy * 6, Mint * 6, Move * 5, Mutate * 2, Rotate * 2, Delete * 7, Revoke * 3,
    CancelBadgedSends * 2,
    ReadRegisters * 1, WriteRegisters * 2, CopyRegisters * 1, Configure * 4, SetPriority * 4, SetMcPriority * 1,
    SetSchedParams * 6, SetTimeoutEndpoint * 2, SetIpcBuffer * 2, SetSpace * 2, Suspend * 2, Resume * 10,
    BindNotification * 2, UnbindNotification * 1, SetTlsBase * 1, SetFlags * 2,
    ConfigureFlags * 6, Bind * 6, Unbind * 2, UnbindObject * 2, YieldTo * 6, Consumed * 1,
    IssueIrq * 1, IssueIoApic * 1, IssueMessage * 1, AckIrq * 1, SetIrqHandler * 2, ClearIrqHandler * 1,
    DomainSet * 4, DomainConfigure * 2, DomainStart * 3, IssuePorts * 1, Port * 8,
    MakePool * 1, AssignAsid * 2, MapTable * 6, UnmapTable * 2, MapPage * 6, UnmapPage * 2, PageAddress * 1,
    Send * 6, NbSend * 3, CallEndpoint * 24, Recv * 24, NbRecv * 3, Wait * 6, NbWait * 2, ReplyTo * 16,
    ReplyRecv * 24, NbSendRecv * 8, NbSendWait * 4, Signal * 10, Yield * 2, Debug * 1,
}

/// A system call: what the registers and the message hold.
#[derive(Clone, Debug)]
pub struct Plan {
    pub call: Syscall,
    /// `rdi`, `r12` and `r13`.
    pub caps: [u64; 3],
    pub label: u64,
    pub words: Vec<u64>,
    pub extra: Vec<u64>,
    /// CNode, index and depth where a capability shall be received; unchanged if None.
    pub receive: Option<[u64; 3]>,
}

/// An invocation.
pub fn invoke(cap: u64, label: Label, words: &[u64], extra: &[u64]) -> Plan {
    Plan {
        call: Syscall::Call,
        caps: [cap, 0, 0],
        label: label.raw(),
        words: words.to_vec(),
        extra: extra.to_vec(),
        receive: None,
    }
}

/// Makes a plan; what the kind leaves open is chosen by the dice.
pub fn plan(m: &Machine, kind: Kind, dice: &mut Dice) -> Plan {
    plan_objects::plan(m, kind, dice)
        .or_else(|| plan_threads::plan(m, kind, dice))
        .or_else(|| plan_spaces::plan(m, kind, dice))
        .unwrap_or_else(|| plan_ipc::plan(m, kind, dice))
}

/// Values at which arguments change their meaning.
const EXTREMES: &[u64] =
    &[0, 1, 2, 8, 12, 255, 256, 4_096, 0x40_0000, 1 << 47, 1 << 63, (1 << 47) - 1, (1 << 56) - 1, u64::MAX];

/// Puts one error into a plan.
pub fn spoil(plan: &mut Plan, dice: &mut Dice) {
    match dice.below(8) {
        0 => {
            plan.words.truncate(dice.below(8) as usize);
        }
        1 => {
            plan.extra.truncate(dice.below(3) as usize);
        }
        2 => plan.caps[0] = any_cap(dice),
        3 if !plan.extra.is_empty() => {
            let index = dice.below(plan.extra.len() as u64) as usize;
            plan.extra[index] = any_cap(dice);
        }
        4 if plan.call == Syscall::Call => plan.label = dice.below(60),
        _ if !plan.words.is_empty() => {
            let index = dice.below(plan.words.len() as u64) as usize;
            plan.words[index] = if dice.one_in(3) { any_slot(dice) } else { dice.of(EXTREMES) };
        }
        _ => plan.caps[1 + dice.below(2) as usize] = any_cap(dice),
    }
}

/// A system call without any plan.
pub fn wild(dice: &mut Dice) -> Plan {
    let call = dice.of(&[Syscall::Call, Syscall::Call, Syscall::Send, Syscall::NbSend, Syscall::NbRecv]);
    let word = |dice: &mut Dice| match dice.below(8) {
        0..3 => any_slot(dice),
        3 => 64,
        4..6 => dice.below(16),
        6 => dice.of(EXTREMES),
        _ => dice.next(),
    };
    let count = dice.below(10);
    let words = (0..count).map(|_| word(dice)).collect();
    let count = dice.below(4);
    let extra = (0..count).map(|_| any_cap(dice)).collect();
    let caps = [any_cap(dice), any_cap(dice), any_cap(dice)];
    Plan { call, caps, label: dice.below(60), words, extra, receive: None }
}

/// One of the slots that the steps play with.
pub fn any_slot(dice: &mut Dice) -> u64 {
    FIRST + dice.below(SLOTS)
}

/// Any capability pointer: a slot that the steps play with, an initial capability, or nonsense.
fn any_cap(dice: &mut Dice) -> u64 {
    match dice.below(12) {
        0..8 => any_slot(dice),
        8..11 => dice.below(slot::FIRST_DYNAMIC + 2),
        _ => dice.next(),
    }
}

/// A slot whose capability fits; now and then, and if there is none, any slot.
pub fn pick_cap(m: &Machine, dice: &mut Dice, fits: impl Fn(&Cap) -> bool) -> u64 {
    let slots = FIRST..FIRST + SLOTS;
    let count = slots.clone().filter(|cptr| fits(&m.cap(*cptr))).count() as u64;
    if count == 0 || dice.one_in(40) {
        return any_slot(dice);
    }
    let chosen = dice.below(count) as usize;
    slots.filter(|cptr| fits(&m.cap(*cptr))).nth(chosen).unwrap_or(FIRST)
}

/// One of the slots holds a capability that fits.
pub fn has(m: &Machine, fits: impl Fn(&Cap) -> bool) -> bool {
    (FIRST..FIRST + SLOTS).any(|cptr| fits(&m.cap(cptr)))
}

/// A slot that holds a capability with this tag.
pub fn pick(m: &Machine, dice: &mut Dice, tag: CapTag) -> u64 {
    pick_cap(m, dice, |cap| cap.tag() == tag)
}

/// An empty slot.
pub fn empty(m: &Machine, dice: &mut Dice) -> u64 {
    pick(m, dice, CapTag::Null)
}

/// The name of a slot for CNode operations: capability pointer of the CNode, index, depth.
pub type Place = [u64; 3];

/// A slot of the root CNode, or now and then one inside a further CNode.
pub fn place(m: &Machine, dice: &mut Dice, root_slot: u64) -> Place {
    if !dice.one_in(5) {
        return [ROOT, root_slot, 64];
    }
    let node = pick(m, dice, CapTag::CNode);
    let Cap::CNode(cnode) = m.cap(node) else { return [ROOT, root_slot, 64] };
    let depth = u64::from(cnode.guard_bits) + u64::from(cnode.radix);
    let index =
        dice.below(cnode.slot_count().min(16)) | cnode.guard.checked_shl(u32::from(cnode.radix)).unwrap_or(0);
    [node, index, depth]
}
