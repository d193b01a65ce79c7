//! What a thread can do with its memory: rights, attributes, other address spaces, kernel addresses (abi.md 9.12).

use libsel::abi::{CapRights, Register, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Page, VSpace};
use libsel::fault::Fault;
use libsel::{Cap, Error};

use super::code;
use super::faulter::Seen;
use super::fixture::{Fixture, MAP_AREA, at, peek, poke};
use super::harness::{Failure, Outcome, Test, check, equal, test};
use super::thread::Options;

const RW: CapRights = CapRights::READ_WRITE;
const PLAIN: VmAttributes = VmAttributes::WRITE_BACK;
/// `ud2` in the first bytes of a page.
const UD2: Word = 0x0b0f;

/// A thread that executes `ip` with `rdi` = `address` has to get a page fault there with this error code.
#[track_caller]
fn page_fault(t: &mut Fixture<'_>, ip: Word, address: Word, code: Word) -> Outcome {
    let (_, seen) = t.run_code(ip, address, 0)?;
    is_page_fault(seen, address, code)
}

#[track_caller]
fn is_page_fault(seen: Seen, address: Word, code: Word) -> Outcome {
    match seen.fault() {
        Some(Fault::Vm { address: at, code: with, .. }) if (at, with) == (address, code) => Ok(()),
        _ => Err(Failure::new(format_args!(
            "expected a page fault at {address:#x} with code {code:#x}, seen {seen:x?}"
        ))),
    }
}

/// A new frame at [`MAP_AREA`] with rights and attributes.
fn mapped(t: &mut Fixture<'_>, rights: CapRights, attributes: VmAttributes) -> libsel::Result<Cap<Page>> {
    t.tables(initial::VSPACE, MAP_AREA)?;
    let frame = t.frame()?;
    frame.map(initial::VSPACE, MAP_AREA, rights, attributes)?;
    Ok(frame)
}

/// Where a foreign address space has the page of [`code`] and a page of its own.
const FOREIGN_CODE: Word = 0x40_0000;
const FOREIGN_DATA: Word = 0x40_1000;

/// A new address space with the page of [`code`] and one frame for data.
fn foreign_space(t: &mut Fixture<'_>) -> libsel::Result<(Cap<VSpace>, Cap<Page>)> {
    let vspace = t.vspace()?;
    t.tables(vspace, FOREIGN_CODE)?;
    let code_frame = t.machine.image_frame(code::read());
    let text = t.copy(code_frame, CapRights::READ)?;
    text.map(vspace, FOREIGN_CODE, CapRights::READ, PLAIN)?;
    let data = t.frame()?;
    data.map(vspace, FOREIGN_DATA, RW, VmAttributes::EXECUTE_NEVER)?;
    Ok((vspace, data))
}

/// Memory accesses.
pub const TESTS: &[Test] = &[
    test("ACCESS0001", "a write to a read-only page faults", |t| {
        mapped(t, CapRights::READ, PLAIN)?;
        page_fault(t, code::write(), MAP_AREA, 7)
    }),
    test("ACCESS0002", "a read of a read-only page succeeds", |t| {
        mapped(t, CapRights::READ, PLAIN)?;
        let (_, seen) = t.run_code(code::read(), MAP_AREA, 0)?;
        seen.reached(code::read() + 3)
    }),
    test("ACCESS0003", "a page without rights is the kernel's alone", |t| {
        mapped(t, CapRights::empty(), PLAIN)?;
        page_fault(t, code::read(), MAP_AREA, 5)?;
        page_fault(t, code::write(), MAP_AREA, 7)
    }),
    test("ACCESS0004", "a page with Write only is the kernel's alone", |t| {
        mapped(t, CapRights::WRITE, PLAIN)?;
        page_fault(t, code::read(), MAP_AREA, 5)
    }),
    test("ACCESS0005", "a read-only capability does not map writable", |t| {
        t.tables(initial::VSPACE, MAP_AREA)?;
        let frame = t.frame()?;
        let read_only = t.copy(frame, CapRights::READ)?;
        read_only.map(initial::VSPACE, MAP_AREA, RW, PLAIN)?;
        page_fault(t, code::write(), MAP_AREA, 7)
    }),
    test("ACCESS0006", "rights can be taken away and given back", |t| {
        let frame = mapped(t, RW, PLAIN)?;
        poke(MAP_AREA, 1);
        frame.map(initial::VSPACE, MAP_AREA, CapRights::READ, PLAIN)?;
        page_fault(t, code::write(), MAP_AREA, 7)?;
        frame.map(initial::VSPACE, MAP_AREA, RW, PLAIN)?;
        poke(MAP_AREA, 2);
        equal(peek(MAP_AREA), 2)
    }),
    test("ACCESS0007", "a page is executable", |t| {
        mapped(t, RW, PLAIN)?;
        poke(MAP_AREA, UD2);
        t.run_code(code::jump(), MAP_AREA, 0)?.1.reached(MAP_AREA)
    }),
    test("ACCESS0008", "a page with the execute-never attribute is not", |t| {
        let frame = mapped(t, RW, VmAttributes::EXECUTE_NEVER)?;
        poke(MAP_AREA, UD2);
        page_fault(t, code::jump(), MAP_AREA, 0x15)?;
        frame.map(initial::VSPACE, MAP_AREA, RW, PLAIN)?;
        t.run_code(code::jump(), MAP_AREA, 0)?.1.reached(MAP_AREA)
    }),
    test("ACCESS0009", "an unmapped page is gone at once", |t| {
        let frame = mapped(t, RW, PLAIN)?;
        poke(MAP_AREA, 1);
        frame.unmap()?;
        page_fault(t, code::read(), MAP_AREA, 4)
    }),
    test("ACCESS0010", "a page is gone with its frame capability", |t| {
        let frame = mapped(t, RW, PLAIN)?;
        poke(MAP_AREA, 1);
        at(frame).delete()?;
        page_fault(t, code::read(), MAP_AREA, 4)
    }),
    test("ACCESS0011", "kernel addresses cannot be read, written or executed", |t| {
        for address in [0xffff_8000_0000_0000, 0xffff_8000_0010_0000, 0xffff_ffff_8000_0000] {
            for (ip, access) in [(code::read(), 0), (code::write(), 2), (code::jump(), 0x10)] {
                let (_, seen) = t.run_code(ip, address, 0)?;
                t.threads = 0;
                let Some(Fault::Vm { address: at, code, .. }) = seen.fault() else {
                    return Err(Failure::new(format_args!("expected a page fault, seen {seen:x?}")));
                };
                // Whether a page is there is the kernel's own business.
                equal((at, code & !1), (address, 4 | access))?;
            }
        }
        Ok(())
    }),
    test("ACCESS0012", "non-canonical addresses are a general protection fault", |t| {
        let (_, seen) = t.run_code(code::read(), 0x8000_0000_0000, 0)?;
        seen.is_exception(code::read(), 13, 0)
    }),
    test("ACCESS0013", "a thread runs in an address space of its own", |t| {
        let (vspace, data) = foreign_space(t)?;
        let faulter = t.faulter(Options::default())?;
        faulter.thread.tcb.configure(initial::CNODE, 0, vspace, 0, Cap::<Page>::NULL)?;
        let ip = FOREIGN_CODE + code::write() % 4096;
        let mut context = super::faulter::registers(&faulter.thread, ip);
        context.set(Register::Rdi, FOREIGN_DATA).set(Register::Rsi, 0x5e1f);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        faulter.fault().reached(ip + 3)?;
        t.tables(initial::VSPACE, MAP_AREA)?;
        let copy = t.copy(data, CapRights::ALL)?;
        copy.map(initial::VSPACE, MAP_AREA, CapRights::READ, PLAIN)?;
        equal(peek(MAP_AREA), 0x5e1f)
    }),
    test("ACCESS0014", "one address space does not see the pages of another", |t| {
        let (vspace, _) = foreign_space(t)?;
        mapped(t, RW, PLAIN)?;
        let faulter = t.faulter(Options::default())?;
        faulter.thread.tcb.configure(initial::CNODE, 0, vspace, 0, Cap::<Page>::NULL)?;
        let mut context = super::faulter::registers(&faulter.thread, FOREIGN_CODE + code::read() % 4096);
        context.set(Register::Rdi, MAP_AREA);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        is_page_fault(faulter.fault(), MAP_AREA, 4)
    }),
    test("ACCESS0015", "a thread whose address space is deleted faults at its next instruction", |t| {
        let (vspace, _) = foreign_space(t)?;
        let faulter = t.faulter(Options::default())?;
        faulter.thread.tcb.configure(initial::CNODE, 0, vspace, 0, Cap::<Page>::NULL)?;
        let ip = FOREIGN_CODE + code::spin() % 4096;
        let context = super::faulter::registers(&faulter.thread, ip);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        // The original goes, and its copy in the TCB with it.
        at(vspace).revoke()?;
        at(vspace).delete()?;
        let seen = faulter.fault();
        let Some(Fault::Vm { address, .. }) = seen.fault() else {
            return Err(Failure::new(format_args!("expected a page fault, seen {seen:x?}")));
        };
        equal(address, ip)
    }),
    test("ACCESS0016", "the memory types can all be mapped", |t| {
        let frame = mapped(t, RW, PLAIN)?;
        let types = [
            VmAttributes::WRITE_THROUGH,
            VmAttributes::CACHE_DISABLED,
            VmAttributes::UNCACHEABLE,
            VmAttributes::WRITE_COMBINING,
            VmAttributes::WRITE_BACK,
        ];
        for (value, attributes) in (1..).zip(types) {
            frame.map(initial::VSPACE, MAP_AREA, RW, attributes)?;
            poke(MAP_AREA, value);
            equal(peek(MAP_AREA), value)?;
        }
        Ok(())
    }),
    test("ACCESS0017", "a frame of 1 GiB can be mapped where memory allows", |t| {
        let largest =
            t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device == 0 && desc.size_bits >= 30);
        let Some((memory, _)) = largest.min_by_key(|(_, desc)| desc.size_bits) else { return Ok(()) };
        let frame = memory.retype_one::<libsel::cap::HugePage>(0, initial::CNODE, t.slot())?;
        let pdpt = t.make::<libsel::cap::Pdpt>(0)?;
        let area = 0x80_0000_0000;
        pdpt.map_table(initial::VSPACE, area, PLAIN)?;
        let misaligned = frame.map(initial::VSPACE, area + (1 << 21), RW, PLAIN);
        check(misaligned == Err(Error::AlignmentError), "a misaligned huge frame is refused")?;
        frame.map(initial::VSPACE, area, RW, PLAIN)?;
        poke(area + (1 << 30) - 8, 0x77);
        equal(peek(area + (1 << 30) - 8), 0x77)
    }),
];
