//! Plans for address spaces: tables, frames and their numbers.
use sel_abi::bootinfo::slot;
use sel_abi::{CapTag, Label};

use super::dice::Dice;
use super::kinds::{Kind, Plan, empty, invoke, pick, pick_cap};
use crate::cap::{Cap, FrameCap, FrameSize, TableLevel};
use crate::tests::machine::Machine;
use crate::tests::objects::{ROOT, VSPACE};

pub fn plan(m: &Machine, kind: Kind, dice: &mut Dice) -> Option<Plan> {
    Some(match kind {
        Kind::MakePool => {
            let page = |cap: &Cap| matches!(cap, Cap::Untyped(untyped) if untyped.size_bits == 12 && !untyped.device);
            let caps = [pick_cap(m, dice, page), ROOT];
            invoke(slot::ASID_CONTROL, Label::X86AsidControlMakePool, &[empty(m, dice), 64], &caps)
        }
        Kind::AssignAsid => {
            let pool =
                if dice.one_in(3) { slot::INIT_THREAD_ASID_POOL } else { pick(m, dice, CapTag::AsidPool) };
            let unnumbered = |cap: &Cap| matches!(cap, Cap::Pml4(space) if space.asid.is_none());
            invoke(pool, Label::X86AsidPoolAssign, &[], &[pick_cap(m, dice, unnumbered)])
        }
        Kind::MapTable => {
            let unmapped = |cap: &Cap| matches!(cap, Cap::Table(table) if table.mapping.is_none());
            let cptr = pick_cap(m, dice, unmapped);
            let label = match m.cap(cptr) {
                Cap::Table(table) => table_labels(table.level).0,
                _ => Label::X86PageTableMap,
            };
            invoke(cptr, label, &[address(dice), dice.below(4)], &[space(m, dice)])
        }
        Kind::UnmapTable => {
            let cptr = pick_cap(m, dice, |cap| matches!(cap, Cap::Table(_)));
            let label = match m.cap(cptr) {
                Cap::Table(table) => table_labels(table.level).1,
                _ => Label::X86PageTableUnmap,
            };
            invoke(cptr, label, &[], &[])
        }
        Kind::MapPage => {
            let cptr = pick(m, dice, CapTag::Frame);
            let Cap::Frame(frame) = m.cap(cptr) else {
                return Some(invoke(cptr, Label::X86PageMap, &[], &[]));
            };
            let words = [page_address(&frame, dice), dice.below(4), dice.below(512)];
            invoke(cptr, Label::X86PageMap, &words, &[space(m, dice)])
        }
        Kind::UnmapPage => invoke(pick(m, dice, CapTag::Frame), Label::X86PageUnmap, &[], &[]),
        Kind::PageAddress => invoke(pick(m, dice, CapTag::Frame), Label::X86PageGetAddress, &[], &[]),
        _ => return None,
    })
}

/// Labels to map and to unmap a table.
fn table_labels(level: TableLevel) -> (Label, Label) {
    match level {
        TableLevel::PageTable => (Label::X86PageTableMap, Label::X86PageTableUnmap),
        TableLevel::PageDirectory => (Label::X86PageDirectoryMap, Label::X86PageDirectoryUnmap),
        TableLevel::Pdpt => (Label::X86PdptMap, Label::X86PdptUnmap),
    }
}

/// Few addresses, so that tables and pages meet: two at each level.
fn address(dice: &mut Dice) -> u64 {
    [39, 30, 21].into_iter().fold(0, |sum, bits| sum | (dice.below(5) / 4) << bits)
}

fn page_address(frame: &FrameCap, dice: &mut Dice) -> u64 {
    match frame.mapping {
        // The same place again, with other rights.
        Some(at) if dice.one_in(2) => at.vaddr.0,
        _ => match frame.size {
            FrameSize::Small => address(dice) + (dice.below(3) << 12),
            FrameSize::Large => address(dice),
            FrameSize::Huge => address(dice) & !((1 << 30) - 1),
        },
    }
}

fn space(m: &Machine, dice: &mut Dice) -> u64 {
    let numbered = |cap: &Cap| matches!(cap, Cap::Pml4(space) if space.asid.is_some());
    if dice.one_in(3) { VSPACE } else { pick_cap(m, dice, numbered) }
}
