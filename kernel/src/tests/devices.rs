//! Address spaces, ASIDs, interrupts, I/O ports and domains: errors and results (abi.md 7.5, 7.6, 7.8 to 7.10, A.1, A.2).
use sel_abi::Error::*;
use sel_abi::bootinfo::slot;
use sel_abi::{CapRights, Label, ObjectType};

use super::machine::Machine;
use super::objects::{ROOT, VSPACE};
use super::rows::run;
use crate::cap::Cap;
use crate::state::Config;

const MAP: Label = Label::X86PageMap;
const PT_MAP: Label = Label::X86PageTableMap;
const PD_MAP: Label = Label::X86PageDirectoryMap;
const PDPT_MAP: Label = Label::X86PdptMap;
const IOAPIC: Label = Label::X86IrqIssueIrqHandlerIoApic;
const MSI: Label = Label::X86IrqIssueIrqHandlerMsi;
/// An address with no tables near it.
const AT: u64 = 0x100_0000_0000;

#[test]
#[rustfmt::skip]
fn page_tables() {
    let mut m = Machine::new();
    let [page, other, pt, pt2, pd, pdpt, pdpt2] = {
        use ObjectType::*;
        [Page, Page, PageTable, PageTable, PageDirectory, Pdpt, Pdpt].map(|object| m.object(object))
    };
    let big = m.untyped(21);
    let large = m.retype(big, ObjectType::LargePage, 0, 1);
    let v: &[u64] = &[VSPACE];
    let to = m.free_slots(2);
    run(&mut m, &[
        ("VSPACE0001", "no PDPT", page, MAP, &[AT, 3, 0], v, FailedLookup, &[0, 2, 39]),
        ("VSPACE0002", "PT, no PDPT", pt, PT_MAP, &[AT, 0], v, FailedLookup, &[0, 2, 39]),
        ("VSPACE0003", "PD, no PDPT", pd, PD_MAP, &[AT, 0], v, FailedLookup, &[0, 2, 39]),
        ("VSPACE0004", "unaligned PDPT", pdpt, PDPT_MAP, &[AT + 5, 0], v, NoError, &[]),
        ("VSPACE0005", "same PDPT again", pdpt, PDPT_MAP, &[AT, 0], v, InvalidCapability, &[0]),
        ("VSPACE0006", "PDPT over PDPT", pdpt2, PDPT_MAP, &[AT, 0], v, DeleteFirst, &[]),
        ("VSPACE0007", "no PD", page, MAP, &[AT, 3, 0], v, FailedLookup, &[0, 2, 30]),
        ("VSPACE0008", "PT, no PD", pt, PT_MAP, &[AT, 0], v, FailedLookup, &[0, 2, 30]),
        ("VSPACE0009", "PD", pd, PD_MAP, &[AT, 0], v, NoError, &[]),
        ("VSPACE0010", "no PT", page, MAP, &[AT, 3, 0], v, FailedLookup, &[0, 2, 21]),
        ("VSPACE0011", "copy of an unmapped PT", ROOT, Label::CNodeCopy, &[to, 64, pt, 64, 15], &[ROOT], IllegalOperation, &[]),
        ("VSPACE0012", "PT", pt, PT_MAP, &[AT, 0], v, NoError, &[]),
        ("VSPACE0013", "PT over PT", pt2, PT_MAP, &[AT, 0], v, DeleteFirst, &[]),
        ("VSPACE0014", "unaligned page", page, MAP, &[AT + 1, 3, 0], v, AlignmentError, &[]),
        ("VSPACE0015", "page", page, MAP, &[AT, 3, 0], v, NoError, &[]),
        ("VSPACE0016", "again, read-only", page, MAP, &[AT, 2, 0], v, NoError, &[]),
        ("VSPACE0017", "elsewhere", page, MAP, &[AT + 0x1000, 3, 0], v, InvalidArgument, &[0]),
        ("VSPACE0018", "another over it", other, MAP, &[AT, 3, 0], v, NoError, &[]),
        ("VSPACE0019", "two words", other, MAP, &[AT, 3], v, TruncatedMessage, &[]),
        ("VSPACE0020", "no vspace", other, MAP, &[AT, 3, 0], &[], TruncatedMessage, &[]),
        ("VSPACE0021", "vspace a CNode", other, MAP, &[AT, 3, 0], &[ROOT], InvalidCapability, &[1]),
        ("VSPACE0022", "unmapping the first", page, Label::X86PageUnmap, &[], &[], NoError, &[]),
        ("VSPACE0023", "last page", page, MAP, &[0x7fff_ffff_f000, 3, 0], v, InvalidArgument, &[0]),
        ("VSPACE0024", "page before", page, MAP, &[0x7fff_ffff_e000, 3, 0], v, FailedLookup, &[0, 2, 39]),
        ("VSPACE0025", "kernel address", page, MAP, &[0xffff_8000_0000_0000, 3, 0], v, InvalidArgument, &[0]),
        ("VSPACE0026", "all ones", page, MAP, &[!0, 3, 0], v, InvalidArgument, &[0]),
        ("VSPACE0027", "kernel address", pt2, PT_MAP, &[0xffff_8000_0000_0000, 0], v, InvalidArgument, &[0]),
        ("VSPACE0028", "2 MiB over a PT", large, MAP, &[AT, 3, 0], v, DeleteFirst, &[]),
        ("VSPACE0029", "2 MiB", large, MAP, &[AT + (1 << 21), 3, 0], v, NoError, &[]),
        ("VSPACE0030", "PT over 2 MiB", pt2, PT_MAP, &[AT + (1 << 21), 0], v, DeleteFirst, &[]),
        ("VSPACE0031", "page under 2 MiB", page, MAP, &[AT + (1 << 21), 3, 0], v, FailedLookup, &[0, 2, 21]),
        ("VSPACE0032", "copy of a mapped PT", ROOT, Label::CNodeCopy, &[to, 64, pt, 64, 15], &[ROOT], NoError, &[]),
        ("VSPACE0033", "unmap with a copy", pt, Label::X86PageTableUnmap, &[], &[], RevokeFirst, &[]),
        ("VSPACE0034", "delete it", ROOT, Label::CNodeDelete, &[to, 64], &[], NoError, &[]),
        ("VSPACE0035", "unmap", pt, Label::X86PageTableUnmap, &[], &[], NoError, &[]),
        ("VSPACE0036", "unmap again", pt, Label::X86PageTableUnmap, &[], &[], NoError, &[]),
        ("VSPACE0037", "never mapped", pt2, Label::X86PageTableUnmap, &[], &[], NoError, &[]),
        ("VSPACE0038", "PD label on a PT", pt2, PD_MAP, &[AT, 0], v, IllegalOperation, &[]),
        ("VSPACE0039", "PML4 invoked", VSPACE, MAP, &[AT, 3, 0], v, IllegalOperation, &[]),
        ("VSPACE0040", "label of a TCB", page, Label::TcbSuspend, &[], &[], IllegalOperation, &[]),
    ]);
    let Cap::Frame(frame) = m.cap(large) else { panic!() };
    assert_eq!(m.ok(large, Label::X86PageGetAddress, &[], &[]), [frame.base.0]);
    // Deleting the directory takes the large page's mapping away, and everything can be mapped again.
    m.delete(pd);
    m.ok(large, Label::X86PageUnmap, &[], &[]);
    m.delete(pdpt);
    m.ok(pdpt2, PDPT_MAP, &[AT, 0], v);
}

#[test]
#[rustfmt::skip]
fn asids() {
    let mut m = Machine::new();
    let (pool, space, page) = (slot::INIT_THREAD_ASID_POOL, m.object(ObjectType::Pml4), m.object(ObjectType::Page));
    let control = slot::ASID_CONTROL;
    let make = Label::X86AsidControlMakePool;
    let pdpt = m.object(ObjectType::Pdpt);
    let (to, big, used) = (m.free_slots(9), m.sized(ObjectType::Untyped, 13), m.sized(ObjectType::Untyped, 12));
    let child = m.retype(used, ObjectType::Endpoint, 0, 1);
    let device = m.free_slot();
    let ram = m.device_untyped();
    m.ok(ram, Label::UntypedRetype, &[ObjectType::Untyped.raw(), 12, 0, 0, device, 1], &[ROOT]);
    run(&mut m, &[
        ("ASID0001", "copy of a PML4 without ASID", ROOT, Label::CNodeCopy, &[to, 64, space, 64, 15], &[ROOT], IllegalOperation, &[]),
        ("ASID0002", "page into it", page, MAP, &[AT, 3, 0], &[space], InvalidCapability, &[1]),
        ("ASID0003", "PDPT into it", pdpt, PDPT_MAP, &[AT, 0], &[space], InvalidCapability, &[1]),
        ("ASID0004", "no capability", pool, Label::X86AsidPoolAssign, &[], &[], TruncatedMessage, &[]),
        ("ASID0005", "a frame", pool, Label::X86AsidPoolAssign, &[], &[page], InvalidCapability, &[1]),
        ("ASID0006", "assign", pool, Label::X86AsidPoolAssign, &[], &[space], NoError, &[]),
        ("ASID0007", "assign twice", pool, Label::X86AsidPoolAssign, &[], &[space], InvalidCapability, &[1]),
        ("ASID0008", "wrong label", pool, make, &[], &[], IllegalOperation, &[]),
        ("ASID0009", "one word", control, make, &[to], &[big, ROOT], TruncatedMessage, &[]),
        ("ASID0010", "one capability", control, make, &[to, 64], &[big], TruncatedMessage, &[]),
        ("ASID0011", "2^13 bytes", control, make, &[to, 64], &[big, ROOT], InvalidCapability, &[1]),
        ("ASID0012", "device", control, make, &[to, 64], &[device, ROOT], InvalidCapability, &[1]),
        ("ASID0013", "with children", control, make, &[to, 64], &[used, ROOT], RevokeFirst, &[]),
        ("ASID0014", "wrong label", control, Label::X86AsidPoolAssign, &[], &[], IllegalOperation, &[]),
    ]);
    m.delete(child);
    m.fails(control, make, &[page, 64], &[used, ROOT], DeleteFirst, &[]);
    let untypeds = m.retype(m.pool, ObjectType::Untyped, 12, 8);
    for index in 0..7 {
        m.ok(control, make, &[to + index, 64], &[untypeds + index, ROOT]);
    }
    run(&mut m, &[
        ("ASID0015", "after 7", control, make, &[to + 7, 64], &[untypeds + 7, ROOT], DeleteFirst, &[]),
        ("ASID0016", "pools first", control, make, &[to + 7, 64], &[big, ROOT], DeleteFirst, &[]),
    ]);
    // A deleted pool takes its numbers along.
    let spaces = m.retype(m.pool, ObjectType::Pml4, 0, 2);
    m.ok(to + 3, Label::X86AsidPoolAssign, &[], &[spaces]);
    m.delete(to + 3);
    run(&mut m, &[
        ("ASID0017", "number is gone", pdpt, PDPT_MAP, &[AT, 0], &[spaces], FailedLookup, &[0, 1]),
        ("ASID0018", "its place is free", control, make, &[to + 7, 64], &[untypeds + 7, ROOT], NoError, &[]),
        ("ASID0019", "and used", to + 7, Label::X86AsidPoolAssign, &[], &[spaces + 1], NoError, &[]),
        ("ASID0020", "a stale space", pdpt, PDPT_MAP, &[AT, 0], &[spaces], InvalidCapability, &[1]),
    ]);
}

#[test]
fn the_first_pool_has_511_numbers() {
    let mut m = Machine::new();
    m.checking = false;
    let big = m.untyped(22);
    let mut left = 510;
    while left > 0 {
        let count = left.min(256);
        let first = m.retype(big, ObjectType::Pml4, 0, count);
        for space in first..first + count {
            m.ok(slot::INIT_THREAD_ASID_POOL, Label::X86AsidPoolAssign, &[], &[space]);
        }
        left -= count;
    }
    let space = m.object(ObjectType::Pml4);
    m.fails(slot::INIT_THREAD_ASID_POOL, Label::X86AsidPoolAssign, &[], &[space], DeleteFirst, &[]);
    m.revoke(big);
    m.ok(slot::INIT_THREAD_ASID_POOL, Label::X86AsidPoolAssign, &[], &[space]);
    super::check::check(&m);
}

#[test]
#[rustfmt::skip]
fn interrupts() {
    let mut m = Machine::new();
    let (control, to, ep, ntfn) = (slot::IRQ_CONTROL, m.free_slots(4), m.endpoint(), m.notification());
    let read_only = m.mint(ntfn, CapRights::READ, 0);
    let badged = m.mint(ntfn, CapRights::ALL, 0x20);
    let r: &[u64] = &[ROOT];
    run(&mut m, &[
        ("IRQ0001", "Get", control, Label::IrqIssueIrqHandler, &[1, to, 64], r, IllegalOperation, &[]),
        ("IRQ0002", "vector 108", control, IOAPIC, &[to, 64, 0, 0, 0, 0, 108], r, RangeError, &[0, 107]),
        ("IRQ0003", "ioapic 1", control, IOAPIC, &[to, 64, 1, 0, 0, 0, 5], r, RangeError, &[0, 0]),
        ("IRQ0004", "pin 24", control, IOAPIC, &[to, 64, 0, 24, 0, 0, 5], r, RangeError, &[0, 23]),
        ("IRQ0005", "level 2", control, IOAPIC, &[to, 64, 0, 2, 2, 0, 5], r, RangeError, &[0, 1]),
        ("IRQ0006", "polarity 2", control, IOAPIC, &[to, 64, 0, 2, 0, 2, 5], r, RangeError, &[0, 1]),
        ("IRQ0007", "six words", control, IOAPIC, &[to, 64, 0, 2, 0, 0], r, TruncatedMessage, &[]),
        ("IRQ0008", "no root", control, IOAPIC, &[to, 64, 0, 2, 0, 0, 5], &[], TruncatedMessage, &[]),
        ("IRQ0009", "occupied", control, IOAPIC, &[ep, 64, 0, 2, 0, 0, 5], r, DeleteFirst, &[]),
        ("IRQ0010", "vector 107", control, IOAPIC, &[to, 64, 0, 2, 0, 0, 107], r, NoError, &[]),
        ("IRQ0011", "again", control, IOAPIC, &[to + 1, 64, 0, 2, 0, 0, 107], r, RevokeFirst, &[]),
        ("IRQ0012", "bus 256", control, MSI, &[to + 1, 64, 256, 0, 0, 0, 6], r, RangeError, &[0, 255]),
        ("IRQ0013", "device 32", control, MSI, &[to + 1, 64, 0, 32, 0, 0, 6], r, RangeError, &[0, 31]),
        ("IRQ0014", "function 8", control, MSI, &[to + 1, 64, 0, 0, 8, 0, 6], r, RangeError, &[0, 7]),
        ("IRQ0015", "message", control, MSI, &[to + 1, 64, 0, 0, 0, 0, 6], r, NoError, &[]),
        ("IRQ0016", "wrong label", control, Label::IrqAckIrq, &[], &[], IllegalOperation, &[]),
        ("IRQ0017", "wrong label", to, IOAPIC, &[], &[], IllegalOperation, &[]),
        ("IRQ0018", "no notification", to, Label::IrqSetIrqHandler, &[], &[], TruncatedMessage, &[]),
        ("IRQ0019", "endpoint", to, Label::IrqSetIrqHandler, &[], &[ep], InvalidCapability, &[0]),
        ("IRQ0020", "read-only", to, Label::IrqSetIrqHandler, &[], &[read_only], InvalidCapability, &[0]),
        ("IRQ0021", "set", to, Label::IrqSetIrqHandler, &[], &[badged], NoError, &[]),
        ("IRQ0022", "ack", to, Label::IrqAckIrq, &[], &[], NoError, &[]),
    ]);
    m.interrupt(0x30 + 107);
    m.poll(ntfn);
    assert_eq!(m.reply_of(m.root).badge, 0x20);
    m.ok(to, Label::IrqClearIrqHandler, &[], &[]);
    m.interrupt(0x30 + 107);
    m.poll(ntfn);
    assert_eq!(m.reply_of(m.root).badge, 0);
    // Revoking the notification takes it away from the handler, deleting the handler frees the vector.
    m.ok(to, Label::IrqSetIrqHandler, &[], &[badged]);
    m.revoke(ntfn);
    m.interrupt(0x30 + 107);
    m.revoke(control);
    assert!(m.cap(to).is_null() && m.cap(to + 1).is_null());
    m.ok(control, IOAPIC, &[to, 64, 0, 2, 0, 0, 107], &[ROOT]);
}

#[test]
#[rustfmt::skip]
fn ports() {
    let mut m = Machine::new();
    let (control, to, issue) = (slot::IO_PORT_CONTROL, m.free_slots(3), Label::X86IoPortControlIssue);
    let r: &[u64] = &[ROOT];
    use Label::{X86IoPortIn8 as IN8, X86IoPortIn16 as IN16, X86IoPortIn32 as IN32, X86IoPortOut8 as OUT8};
    run(&mut m, &[
        ("IOPORT0001", "three words", control, issue, &[0x3f8, 0x3ff, to], r, TruncatedMessage, &[]),
        ("IOPORT0002", "last < first", control, issue, &[0x3ff, 0x3f8, to, 64], r, InvalidArgument, &[1]),
        ("IOPORT0003", "occupied slot", control, issue, &[0x3f8, 0x3ff, ROOT, 64], r, DeleteFirst, &[]),
        ("IOPORT0004", "issue", control, issue, &[0x3f8, 0x3ff, to, 64], r, NoError, &[]),
        ("IOPORT0005", "overlap", control, issue, &[0x3ff, 0x400, to + 1, 64], r, RevokeFirst, &[]),
        ("IOPORT0006", "below", to, IN8, &[0x3f7], &[], IllegalOperation, &[]),
        ("IOPORT0007", "In16 at the end", to, IN16, &[0x3ff], &[], IllegalOperation, &[]),
        ("IOPORT0008", "In32 at the end", to, IN32, &[0x3fd], &[], IllegalOperation, &[]),
        ("IOPORT0009", "In8", to, IN8, &[0x3fd], &[], NoError, &[0xff]),
        ("IOPORT0010", "In32", to, IN32, &[0x3fc], &[], NoError, &[0xffff_ffff]),
        ("IOPORT0011", "In8 without a word", to, IN8, &[], &[], TruncatedMessage, &[]),
        ("IOPORT0012", "Out8 with one word", to, OUT8, &[0x3f8], &[], TruncatedMessage, &[]),
        ("IOPORT0013", "Out8", to, OUT8, &[0x3f8, 1], &[], NoError, &[]),
        ("IOPORT0014", "copy", ROOT, Label::CNodeCopy, &[to + 1, 64, to, 64, 15], r, NoError, &[]),
        ("IOPORT0015", "delete the first", ROOT, Label::CNodeDelete, &[to, 64], &[], NoError, &[]),
        ("IOPORT0016", "still issued", control, issue, &[0x3f8, 0x3f8, to, 64], r, RevokeFirst, &[]),
        ("IOPORT0017", "delete the copy", ROOT, Label::CNodeDelete, &[to + 1, 64], &[], NoError, &[]),
        ("IOPORT0018", "all ports", control, issue, &[0, 0xffff, to, 64], r, NoError, &[]),
        ("IOPORT0019", "last port", to, IN8, &[0xffff], &[], NoError, &[0xff]),
        ("IOPORT0020", "behind it", to, IN16, &[0xffff], &[], IllegalOperation, &[]),
    ]);
}

#[test]
#[rustfmt::skip]
fn domains() {
    let mut m = Machine::new();
    let (cap, ep, tcb) = (slot::DOMAIN, m.endpoint(), m.object(ObjectType::Tcb));
    let (set, configure, start) = (Label::DomainSetSet, Label::DomainScheduleConfigure, Label::DomainScheduleSetStart);
    let max = 1 << 56;
    run(&mut m, &[
        ("DOMAINS0001", "no words", cap, set, &[], &[tcb], TruncatedMessage, &[]),
        ("DOMAINS0002", "domain 16", cap, set, &[16], &[tcb], InvalidArgument, &[0]),
        ("DOMAINS0003", "domain before caps", cap, set, &[16], &[], InvalidArgument, &[0]),
        ("DOMAINS0004", "no thread", cap, set, &[1], &[], TruncatedMessage, &[]),
        ("DOMAINS0005", "endpoint", cap, set, &[1], &[ep], InvalidArgument, &[1]),
        ("DOMAINS0006", "set", cap, set, &[15], &[tcb], NoError, &[]),
        ("DOMAINS0007", "index 99", cap, configure, &[99, 0, 1], &[], RangeError, &[0, 98]),
        ("DOMAINS0008", "domain 16", cap, configure, &[1, 16, 1], &[], RangeError, &[0, 15]),
        ("DOMAINS0009", "1 for 0 ticks", cap, configure, &[1, 1, 0], &[], InvalidArgument, &[1]),
        ("DOMAINS0010", "start for 0 ticks", cap, configure, &[0, 0, 0], &[], InvalidArgument, &[2]),
        ("DOMAINS0011", "2^56 ticks", cap, configure, &[1, 0, max], &[], InvalidArgument, &[2]),
        ("DOMAINS0012", "two words", cap, configure, &[1, 0], &[], TruncatedMessage, &[]),
        ("DOMAINS0013", "start 100", cap, start, &[100], &[], RangeError, &[0, 99]),
        ("DOMAINS0014", "start at an end", cap, start, &[1], &[], InvalidArgument, &[0]),
        ("DOMAINS0015", "start, no words", cap, start, &[], &[], TruncatedMessage, &[]),
        ("DOMAINS0016", "start again", cap, start, &[0], &[], NoError, &[]),
        ("DOMAINS0017", "wrong label", cap, Label::TcbSuspend, &[], &[], IllegalOperation, &[]),
    ]);
}

/// A machine with one domain has two entries of the schedule, the second of which is the end.
#[test]
#[rustfmt::skip]
fn one_domain() {
    let mut m = Machine::with_config(Config::default());
    let (cap, tcb) = (slot::DOMAIN, m.object(ObjectType::Tcb));
    run(&mut m, &[
        ("DOMAINS0020", "domain 1 of 1", cap, Label::DomainSetSet, &[1], &[tcb], InvalidArgument, &[0]),
        ("DOMAINS0021", "index 1", cap, Label::DomainScheduleConfigure, &[1, 0, 1], &[], RangeError, &[0, 0]),
        ("DOMAINS0022", "domain 1", cap, Label::DomainScheduleConfigure, &[0, 1, 1], &[], RangeError, &[0, 0]),
        ("DOMAINS0023", "start 2", cap, Label::DomainScheduleSetStart, &[2], &[], RangeError, &[0, 1]),
    ]);
}

/// Threads of a domain run in its turn only.
#[test]
fn domains_take_turns() {
    let mut m = Machine::new();
    let (cap, ticks) = (slot::DOMAIN, 1_000_000);
    let thread = m.started(7);
    m.ok(cap, Label::DomainSetSet, &[1], &[thread.cap]);
    for (index, domain) in [(1, 0), (2, 1)] {
        m.ok(cap, Label::DomainScheduleConfigure, &[index, domain, ticks], &[]);
    }
    m.ok(cap, Label::DomainScheduleSetStart, &[1], &[]);
    assert_eq!(m.current(), m.root);
    for _ in 0..3 {
        m.tick(ticks);
        assert_eq!(m.current(), thread.tcb);
        m.tick(ticks / 2);
        assert_eq!(m.current(), thread.tcb);
        m.tick(ticks / 2);
        assert_eq!(m.current(), m.root);
    }
}
