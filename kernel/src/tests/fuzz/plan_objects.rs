//! Plans for untypeds, CNodes, interrupts, ports and domains.
use sel_abi::bootinfo::slot;
use sel_abi::{CapRights, CapTag, Label, ObjectType};

use super::dice::Dice;
use super::kinds::{Kind, Plan, any_slot, empty, invoke, pick, pick_cap, place};
use crate::cap::Cap;
use crate::tests::machine::Machine;
use crate::tests::objects::ROOT;

pub fn plan(m: &Machine, kind: Kind, dice: &mut Dice) -> Option<Plan> {
    Some(match kind {
        Kind::Retype => retype(m, dice),
        Kind::Copy | Kind::Mint | Kind::Move | Kind::Mutate => transfer(m, kind, dice),
        Kind::Rotate => rotate(m, dice),
        Kind::Delete | Kind::Revoke => {
            // Without threads, time and somewhere to meet the game is over, so these go seldom.
            let spared = |cap: &Cap| {
                is_large(cap)
                    || matches!(cap, Cap::Tcb(_) | Cap::SchedContext(_) | Cap::Endpoint(_) | Cap::Reply(_))
            };
            let [root, index, depth] = match dice.below(12) {
                0 | 1 => [ROOT, pick(m, dice, CapTag::CNode), 64],
                2 | 3 => {
                    let target = pick_cap(m, dice, |cap| !cap.is_null() && !is_large(cap));
                    place(m, dice, target)
                }
                _ => {
                    let target = pick_cap(m, dice, |cap| !cap.is_null() && !spared(cap));
                    place(m, dice, target)
                }
            };
            let label = if kind == Kind::Delete { Label::CNodeDelete } else { Label::CNodeRevoke };
            invoke(root, label, &[index, depth], &[])
        }
        Kind::CancelBadgedSends => {
            let badged =
                |cap: &Cap| matches!(cap, Cap::Endpoint(to) if to.badge != 0 && to.rights == CapRights::ALL);
            let endpoint =
                if dice.one_in(4) { pick(m, dice, CapTag::Endpoint) } else { pick_cap(m, dice, badged) };
            invoke(ROOT, Label::CNodeCancelBadgedSends, &[endpoint, 64], &[])
        }
        Kind::IssueIrq => {
            invoke(slot::IRQ_CONTROL, Label::IrqIssueIrqHandler, &[1, empty(m, dice), 64], &[ROOT])
        }
        Kind::IssueIoApic | Kind::IssueMessage => {
            let (label, words) = if kind == Kind::IssueIoApic {
                let words = [dice.below(40) / 39, dice.below(25), dice.below(2), dice.below(2)];
                (Label::X86IrqIssueIrqHandlerIoApic, words)
            } else {
                let words = [dice.below(257), dice.below(32), dice.below(8), dice.next()];
                (Label::X86IrqIssueIrqHandlerMsi, words)
            };
            let [a, b, c, d] = words;
            invoke(slot::IRQ_CONTROL, label, &[empty(m, dice), 64, a, b, c, d, dice.below(6)], &[ROOT])
        }
        Kind::AckIrq => invoke(pick(m, dice, CapTag::IrqHandler), Label::IrqAckIrq, &[], &[]),
        Kind::SetIrqHandler => {
            let notification = pick(m, dice, CapTag::Notification);
            invoke(pick(m, dice, CapTag::IrqHandler), Label::IrqSetIrqHandler, &[], &[notification])
        }
        Kind::ClearIrqHandler => {
            invoke(pick(m, dice, CapTag::IrqHandler), Label::IrqClearIrqHandler, &[], &[])
        }
        Kind::DomainSet => {
            let domain = if dice.one_in(2) { dice.below(5) } else { 0 };
            invoke(slot::DOMAIN, Label::DomainSetSet, &[domain], &[pick(m, dice, CapTag::Tcb)])
        }
        Kind::DomainConfigure => {
            let ticks = dice.of(&[0, 30_000, 100_000, 1_000_000, (1 << 56) - 1]);
            let domain = if ticks == 0 { 0 } else { dice.below(4) };
            invoke(slot::DOMAIN, Label::DomainScheduleConfigure, &[dice.below(5), domain, ticks], &[])
        }
        Kind::DomainStart => invoke(slot::DOMAIN, Label::DomainScheduleSetStart, &[dice.below(5)], &[]),
        Kind::IssuePorts => {
            let first = dice.below(40);
            let words = [first, first + dice.below(8), empty(m, dice), 64];
            invoke(slot::IO_PORT_CONTROL, Label::X86IoPortControlIssue, &words, &[ROOT])
        }
        Kind::Port => port(m, dice),
        _ => return None,
    })
}

fn is_large(cap: &Cap) -> bool {
    matches!(cap, Cap::Untyped(untyped) if untyped.size_bits > 14)
}

fn retype(m: &Machine, dice: &mut Dice) -> Plan {
    let from = pick(m, dice, CapTag::Untyped);
    let device = matches!(m.cap(from), Cap::Untyped(untyped) if untyped.device);
    let object = if device {
        dice.of(&[ObjectType::Untyped, ObjectType::Page, ObjectType::LargePage, ObjectType::HugePage])
    } else {
        dice.of(ObjectType::ALL)
    };
    let bits = match object {
        ObjectType::SchedContext => 7 + dice.below(3),
        ObjectType::CapTable => 1 + dice.below(4),
        // Of the size of an ASID pool, or any.
        ObjectType::Untyped if dice.one_in(3) => 12,
        _ => 4 + dice.below(10),
    };
    // At most a few copies side by side, so that slots remain.
    let count = if dice.one_in(3) { 2 } else { 1 };
    let node = pick(m, dice, CapTag::CNode);
    let words = match m.cap(node) {
        Cap::CNode(cnode) if dice.one_in(8) => {
            [object.raw(), bits, node, 64, dice.below(cnode.slot_count()), count]
        }
        _ => [object.raw(), bits, 0, 0, empty(m, dice), count],
    };
    invoke(from, Label::UntypedRetype, &words, &[ROOT])
}

fn transfer(m: &Machine, kind: Kind, dice: &mut Dice) -> Plan {
    let moves = matches!(kind, Kind::Move | Kind::Mutate);
    let source = match dice.below(6) {
        0 => any_slot(dice),
        1 | 2 if moves => pick(m, dice, CapTag::CNode),
        1 => pick(m, dice, CapTag::CNode),
        2 if !moves => pick(m, dice, CapTag::Endpoint),
        _ => pick_cap(m, dice, |cap| !(cap.is_null() || moves && is_large(cap))),
    };
    let to = empty(m, dice);
    let [to_root, to_index, to_depth] = place(m, dice, to);
    let [from_root, from_index, from_depth] = place(m, dice, source);
    let mut words = vec![to_index, to_depth, from_index, from_depth];
    let rights = if dice.one_in(3) { dice.below(16) } else { 15 };
    let (label, data) = match kind {
        Kind::Copy => (Label::CNodeCopy, vec![rights]),
        Kind::Mint => (Label::CNodeMint, vec![rights, data(m, dice, source)]),
        Kind::Mutate => (Label::CNodeMutate, vec![data(m, dice, source)]),
        _ => (Label::CNodeMove, vec![]),
    };
    words.extend(data);
    invoke(to_root, label, &words, &[from_root])
}

/// A badge, or a guard for a CNode.
fn data(m: &Machine, dice: &mut Dice, source: u64) -> u64 {
    match m.cap(source) {
        Cap::CNode(_) => {
            let guard_bits = dice.of(&[0, 2, 8, 60, 62]);
            dice.below(4) << 6 | guard_bits
        }
        _ => dice.below(4),
    }
}

fn rotate(m: &Machine, dice: &mut Dice) -> Plan {
    let small = |cap: &Cap| !cap.is_null() && !is_large(cap);
    let (pivot, source) = (pick_cap(m, dice, small), pick_cap(m, dice, small));
    // A swap, or a true rotation.
    let to = if dice.one_in(3) { source } else { empty(m, dice) };
    let to = place(m, dice, to);
    let (pivot, source) = (place(m, dice, pivot), place(m, dice, source));
    let words = [to[1], to[2], 0, pivot[1], pivot[2], 0, source[1], source[2]];
    invoke(to[0], Label::CNodeRotate, &words, &[pivot[0], source[0]])
}

fn port(m: &Machine, dice: &mut Dice) -> Plan {
    let label = dice.of(&[
        Label::X86IoPortIn8,
        Label::X86IoPortIn16,
        Label::X86IoPortIn32,
        Label::X86IoPortOut8,
        Label::X86IoPortOut16,
        Label::X86IoPortOut32,
    ]);
    let cptr = pick(m, dice, CapTag::IoPort);
    let first = match m.cap(cptr) {
        Cap::IoPort { first, .. } => u64::from(first),
        _ => 0,
    };
    invoke(cptr, label, &[first + dice.below(3) / 2, dice.next()], &[])
}
