//! Rules that hold for all invocations: what is no object, unknown labels, missing buffers, first phases (abi.md 2.3, 2.7,
//! 7.0, 9.5).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CPtr, CapRights, CapTag, Label, MessageInfo, ObjectType, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{IoPort, IrqHandler, Notification, Page, Untyped, VSpace};
use libsel::ipc::compose;
use libsel::sys::{self, MessageRegisters};
use libsel::{Cap, Error, invoke};

use super::coverage::record;
use super::fixture::{Fixture, MAP_AREA, at, log, log_is, shared, tag};
use super::harness::{Outcome, Test, check, equal, excuse, fails, test};
use super::thread::Options;

const ALL: CapRights = CapRights::ALL;

/// One capability of each kind that has invocations, and a PML4.
fn one_of_each(t: &mut Fixture<'_>) -> libsel::Result<[(CapTag, CPtr); 18]> {
    let (handler, port, ports) = (t.place(), 0x3f8, t.place());
    initial::IRQ_CONTROL.get_io_apic(handler, 0, 23, 0, 0, 96)?;
    initial::IO_PORT_CONTROL.issue(port, port, ports)?;
    let mut made = [0; 8];
    let types = [
        ObjectType::Tcb,
        ObjectType::SchedContext,
        ObjectType::Pdpt,
        ObjectType::PageDirectory,
        ObjectType::PageTable,
        ObjectType::Page,
        ObjectType::Pml4,
        ObjectType::CapTable,
    ];
    for (slot, object_type) in made.iter_mut().zip(types) {
        *slot = t.slot();
        let target = invoke::RetypeTarget::slots_of(initial::CNODE, *slot);
        t.untyped.retype(object_type, 8, target, 1)?;
    }
    let [tcb, sched_context, pdpt, directory, table, frame, pml4, node] = made;
    Ok([
        (CapTag::Untyped, t.untyped.cptr()),
        (CapTag::Tcb, tcb),
        (CapTag::CNode, node),
        (CapTag::SchedContext, sched_context),
        (CapTag::SchedControl, t.machine.sched_control.cptr()),
        (CapTag::Pdpt, pdpt),
        (CapTag::PageDirectory, directory),
        (CapTag::PageTable, table),
        (CapTag::Frame, frame),
        (CapTag::Pml4, pml4),
        (CapTag::AsidControl, initial::ASID_CONTROL.cptr()),
        (CapTag::AsidPool, initial::ASID_POOL.cptr()),
        (CapTag::IrqControl, initial::IRQ_CONTROL.cptr()),
        (CapTag::IrqHandler, handler.index),
        (CapTag::IoPortControl, initial::IO_PORT_CONTROL.cptr()),
        (CapTag::IoPort, ports.index),
        (CapTag::Domain, initial::DOMAIN.cptr()),
        (CapTag::Pml4, initial::VSPACE.cptr()),
    ])
}

/// Makes an invocation as the first phase of NBSendWait, whose second phase takes a signal that waits.
fn first_phase(t: &mut Fixture<'_>, dest: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    first_phase_of(t, Syscall::NbSendWait, dest, label, words, caps)
}

/// [`first_phase`] of any combined call.
fn first_phase_of(
    t: &mut Fixture<'_>,
    call: Syscall,
    dest: CPtr,
    label: Label,
    words: &[Word],
    caps: &[CPtr],
) -> Outcome {
    let notification = t.notification()?;
    t.mint(notification, CapRights::WRITE, 0x51)?.signal();
    let (src, (info, mrs)) = (notification.cptr(), compose(label.raw(), words, caps));
    let seen = match call {
        Syscall::NbSendWait => sys::nb_send_wait(dest, info, mrs, src),
        // For a notification no reply object is looked up.
        Syscall::NbSendRecv => sys::nb_send_recv(dest, info, mrs, src, 0),
        _ => sys::reply_recv(src, info, mrs, dest),
    };
    equal(seen.badge, 0x51)?;
    record::call(call);
    Ok(())
}

/// Makes an invocation from a thread without an IPC buffer; its answer is in shared words 2 (info) and 4 to 7.
fn without_buffer(
    t: &mut Fixture<'_>,
    dest: CPtr,
    info: MessageInfo,
    [mr0, mr1, ..]: MessageRegisters,
) -> libsel::Result<()> {
    extern "C" fn call(dest: Word) {
        let sent = MessageInfo(shared(1).load(Relaxed));
        let words = [shared(4), shared(5), shared(6), shared(7)].map(|word| word.load(Relaxed));
        let answer = sys::call(dest, sent, words);
        record::invocation(dest, sent, &answer);
        shared(2).store(answer.info.0, Relaxed);
        for (index, word) in answer.mrs.into_iter().enumerate() {
            shared(4 + index).store(word, Relaxed);
        }
    }
    shared(1).store(info.0, Relaxed);
    shared(4).store(mr0, Relaxed);
    shared(5).store(mr1, Relaxed);
    let thread = t.prepare(Options::default(), call, dest)?;
    thread.tcb.set_ipc_buffer(0, Cap::<Page>::NULL)?;
    thread.tcb.resume()?;
    thread.join();
    Ok(())
}

/// Label and length of the answer that [`without_buffer`] got, and its words in registers.
fn answer() -> (Word, usize, [Word; 4]) {
    let info = MessageInfo(shared(2).load(Relaxed));
    let words = [shared(4), shared(5), shared(6), shared(7)].map(|word| word.load(Relaxed));
    (info.label(), info.length(), words)
}

/// A CNode whose deletion by a thread with little time was left half done.
fn zombie(t: &mut Fixture<'_>) -> libsel::Result<Option<CPtr>> {
    extern "C" fn delete(slot: Word) {
        let _ = initial::CNODE.at(slot).delete();
        log(1);
    }
    const RADIX: Word = 11;
    let (node, endpoint) = (t.cnode(RADIX)?, t.endpoint()?);
    for index in 0..1 << RADIX {
        node.slot(index, RADIX).copy(at(endpoint), ALL)?;
    }
    for budget_us in [50, 100, 200, 400, 800] {
        let worker = t.spawn(Options::with_budget(budget_us, 1_000_000), delete, node.cptr())?;
        t.settle()?;
        worker.tcb.suspend()?;
        // The next worker gets its stack.
        t.threads -= 1;
        match tag(node.cptr()) {
            kind if kind == CapTag::Zombie.raw() => return Ok(Some(node.cptr())),
            0 => break,
            // It did not come to the deletion.
            _ => {}
        }
    }
    Ok(None)
}

/// Rules for all invocations.
pub const TESTS: &[Test] = &[
    test("GENERAL0001", "every kind of capability refuses labels that it does not know", |t| {
        for (kind, cptr) in one_of_each(t)? {
            equal(tag(cptr), kind.raw())?;
            for label in Label::ALL.iter().filter(|label| label.object() != Some(kind)) {
                // Before the length is looked at, and whatever it is.
                for words in [&[][..], &[0; 8]] {
                    let answer = invoke::raw(cptr, label.raw(), words, &[]).result();
                    equal((kind, *label, answer.err()), (kind, *label, Some(Error::IllegalOperation)))?;
                }
            }
        }
        Ok(())
    }),
    test("GENERAL0002", "labels behind the last one are refused", |t| {
        for (_, cptr) in one_of_each(t)? {
            for label in [Label::ALL.len() as Word, 0xf_ffff_ffff_ffff] {
                fails(invoke::raw(cptr, label, &[0; 8], &[]).result(), Error::IllegalOperation)?;
            }
        }
        Ok(())
    }),
    test("GENERAL0003", "an empty slot has no invocations", |t| {
        for cptr in [0, t.slot()] {
            for label in Label::ALL {
                let answer = invoke::raw(cptr, label.raw(), &[0; 8], &[]).result();
                fails(answer, Error::InvalidCapability(0))?;
            }
        }
        Ok(())
    }),
    test("GENERAL0004", "a half deleted CNode has no invocations", |t| {
        let Some(zombie) = zombie(t)? else {
            excuse("the deletion of a CNode was not preempted");
            return Ok(());
        };
        let answer = invoke::raw(zombie, Label::CNodeDelete.raw(), &[0; 2], &[]).result();
        fails(answer, Error::InvalidCapability(0))
    }),
    test("GENERAL0005", "a half deleted CNode is not copied, and deleted to its end", |t| {
        let Some(zombie) = zombie(t)? else {
            excuse("the deletion of a CNode was not preempted");
            return Ok(());
        };
        let slot = initial::CNODE.at(zombie);
        fails(t.place().copy(slot, ALL), Error::IllegalOperation)?;
        fails(t.place().mint(slot, ALL, 0), Error::IllegalOperation)?;
        slot.delete()?;
        equal(tag(zombie), 0)
    }),
    test("GENERAL0006", "endpoints and notifications without Write are invalid", |t| {
        let (endpoint, notification) = (t.endpoint()?, t.notification()?);
        let less = ALL.difference(CapRights::WRITE);
        for cptr in [t.copy(endpoint, less)?.cptr(), t.copy(notification, less)?.cptr()] {
            let answer = invoke::raw(cptr, Label::TcbSuspend.raw(), &[], &[]).result();
            fails(answer, Error::InvalidCapability(0))?;
        }
        Ok(())
    }),
    test("GENERAL0007", "a call of a reply object or a notification succeeds, whatever the label", |t| {
        for cptr in [t.reply()?.cptr(), t.notification()?.cptr()] {
            let answer = invoke::raw(cptr, Label::TcbSuspend.raw(), &[1, 2], &[]);
            equal((answer.badge, answer.label(), answer.length()), (0, 0, 0))?;
        }
        Ok(())
    }),
    test("GENERAL0008", "surplus words and capabilities are ignored", |t| {
        let tcb = t.tcb()?.cptr();
        let caps = [t.slot(), initial::TCB.cptr(), 0];
        for label in [Label::TcbSuspend, Label::TcbSetTlsBase, Label::TcbSetFlags] {
            invoke::raw(tcb, label.raw(), &[0; 120], &caps).result()?;
        }
        Ok(())
    }),
    test("GENERAL0009", "without a buffer four words travel, and no capability", |t| {
        let tcb = t.tcb()?.cptr();
        let write = Label::TcbWriteRegisters.raw();
        without_buffer(t, tcb, MessageInfo::new(write, 0, 0, 5), [0, 3, 0, 0])?;
        equal((answer().0, answer().1), (7, 0))?;
        t.threads = 0;
        without_buffer(t, tcb, MessageInfo::new(write, 0, 0, 5), [0, 2, 0, 0])?;
        equal((answer().0, answer().1), (0, 0))?;
        t.threads = 0;
        let priority = Label::TcbSetPriority.raw();
        without_buffer(t, tcb, MessageInfo::new(priority, 0, 1, 1), [1, 0, 0, 0])?;
        equal((answer().0, answer().1), (7, 0))
    }),
    test("GENERAL0010", "without a buffer the fifth word of an error is lost", |t| {
        let guard_bits = t.machine.root_guard_bits();
        let delete = MessageInfo::new(Label::CNodeDelete.raw(), 0, 0, 2);
        without_buffer(t, initial::CNODE.cptr(), delete, [1 << 40, 64, 0, 0])?;
        equal(answer(), (6, 4, [0, 4, 64, 0]))?;
        check(guard_bits != 0, "a guard in the root CNode")
    }),
    test("GENERAL0011", "without a buffer four registers are read", |t| {
        let tcb = t.tcb()?.cptr();
        let read = MessageInfo::new(Label::TcbReadRegisters.raw(), 0, 0, 2);
        without_buffer(t, tcb, read, [0, 20, 0, 0])?;
        equal(answer(), (0, 4, [0, 0, 0x202, 0]))
    }),
    test("GENERAL0012", "a first phase performs what needs no thread, time, domain or CNode", |t| {
        let root = initial::CNODE.cptr();
        let [made, handler, pool, ports, pool_memory] =
            [t.slot(), t.slot(), t.slot(), t.slot(), t.memory(12)?.cptr()];
        let endpoint = ObjectType::Endpoint.raw();
        let untyped = t.untyped.cptr();
        first_phase(t, untyped, Label::UntypedRetype, &[endpoint, 0, 0, 0, made, 1], &[root])?;
        let control = initial::IRQ_CONTROL.cptr();
        let get = [handler, 64, 0, 0, 0, 0, 97];
        first_phase(t, control, Label::X86IrqIssueIrqHandlerMsi, &get, &[root])?;
        let asids = initial::ASID_CONTROL.cptr();
        first_phase(t, asids, Label::X86AsidControlMakePool, &[pool, 64], &[pool_memory, root])?;
        let io = initial::IO_PORT_CONTROL.cptr();
        first_phase(t, io, Label::X86IoPortControlIssue, &[0x3f8, 0x3ff, ports, 64], &[root])?;
        equal([made, handler, pool, ports].map(tag), [4, 16, 13, 19])?;
        let scratch = Cap::<IoPort>::new(ports);
        scratch.out8(0x3ff, 0)?;
        first_phase(t, ports, Label::X86IoPortOut8, &[0x3ff, 0x5a], &[])?;
        equal(scratch.in8(0x3ff)?, 0x5a)?;
        first_phase(t, handler, Label::IrqAckIrq, &[], &[])?;
        Ok(Cap::<IrqHandler>::new(handler).ack()?)
    }),
    test("GENERAL0013", "a first phase assigns, maps and unmaps", |t| {
        let vspace: Cap<VSpace> = t.make(0)?;
        first_phase(t, initial::ASID_POOL.cptr(), Label::X86AsidPoolAssign, &[], &[vspace.cptr()])?;
        let tables = [
            (ObjectType::Pdpt, Label::X86PdptMap, Label::X86PdptUnmap),
            (ObjectType::PageDirectory, Label::X86PageDirectoryMap, Label::X86PageDirectoryUnmap),
            (ObjectType::PageTable, Label::X86PageTableMap, Label::X86PageTableUnmap),
        ];
        let mut slots = [0; 3];
        for (slot, (object_type, map, _)) in slots.iter_mut().zip(tables) {
            *slot = t.slot();
            let target = invoke::RetypeTarget::slots_of(initial::CNODE, *slot);
            t.untyped.retype(object_type, 0, target, 1)?;
            first_phase(t, *slot, map, &[MAP_AREA, 0], &[vspace.cptr()])?;
        }
        let frame = t.frame()?;
        first_phase(t, frame.cptr(), Label::X86PageMap, &[MAP_AREA, 3, 0], &[vspace.cptr()])?;
        let elsewhere = frame.map(vspace, MAP_AREA + 0x1000, ALL, libsel::abi::VmAttributes::WRITE_BACK);
        fails(elsewhere, Error::InvalidArgument(0))?;
        first_phase(t, frame.cptr(), Label::X86PageUnmap, &[], &[])?;
        for (slot, (_, _, unmap)) in slots.into_iter().zip(tables).rev() {
            first_phase(t, slot, unmap, &[], &[])?;
        }
        // Nothing is mapped any more: a table that is not can not be copied.
        for slot in slots {
            fails(t.place().copy(initial::CNODE.at(slot), ALL), Error::IllegalOperation)?;
        }
        Ok(())
    }),
    test("GENERAL0014", "a first phase signals and sends", |t| {
        let notification = t.notification()?;
        let badged = t.mint(notification, ALL, 7)?;
        first_phase(t, badged.cptr(), Label::InvalidInvocation, &[], &[])?;
        equal(notification.poll(), 7)
    }),
    test("GENERAL0015", "a first phase does nothing to TCBs, CNodes and domains", |t| {
        let (tcb, endpoint) = (t.tcb()?, t.endpoint()?);
        first_phase(t, tcb.cptr(), Label::TcbSetFlags, &[0, 1], &[])?;
        equal(tcb.set_flags(0, 0)?, 0)?;
        let root = initial::CNODE.cptr();
        first_phase(t, root, Label::CNodeDelete, &[endpoint.cptr(), 64], &[])?;
        equal(tag(endpoint.cptr()), CapTag::Endpoint.raw())?;
        let (entry, duration) = (if t.machine.domains > 1 { 1 } else { 0 }, 0x1_0000);
        let configure = Label::DomainScheduleConfigure;
        first_phase(t, initial::DOMAIN.cptr(), configure, &[entry, 0, duration], &[])?;
        if t.machine.domains > 1 {
            fails(initial::DOMAIN.schedule_set_start(entry), Error::InvalidArgument(0))?;
        }
        Ok(())
    }),
    test("GENERAL0016", "a first phase does nothing to scheduling contexts and their control", |t| {
        let (context, tcb) = (t.sched_context(1000, 1000)?, t.tcb()?);
        context.bind(tcb)?;
        first_phase(t, context.cptr(), Label::SchedContextUnbind, &[], &[])?;
        fails(context.bind(tcb), Error::IllegalOperation)?;
        extern "C" fn run(_: Word) {
            log(1);
        }
        let blank = t.make(8)?;
        let control = t.machine.sched_control.cptr();
        let configure = Label::SchedControlConfigureFlags;
        first_phase(t, control, configure, &[1000, 1000, 0, 0, 0], &[Cap::cptr(blank)])?;
        let thread = t.spawn(Options { budget_us: 0, ..Options::default() }, run, 0)?;
        Cap::<libsel::cap::SchedContext>::bind(blank, thread.tcb)?;
        t.settle()?;
        log_is(&[])
    }),
    test("GENERAL0017", "a failing lookup or invocation in a first phase is ignored", |t| {
        first_phase(t, 0x12_3450, Label::InvalidInvocation, &[], &[])?;
        let slot = t.slot();
        first_phase(t, slot, Label::InvalidInvocation, &[], &[])?;
        let untyped = t.untyped.cptr();
        first_phase(t, untyped, Label::UntypedRetype, &[99, 0, 0, 0, slot, 1], &[initial::CNODE.cptr()])?;
        first_phase(t, untyped, Label::UntypedRetype, &[4, 4, 0, 0, slot, 1], &[0x12_3450])?;
        equal(tag(slot), 0)
    }),
    test("GENERAL0018", "an invocation by send is performed, and answers nothing", |t| {
        let (memory, slot): (Cap<Untyped>, CPtr) = (t.memory(12)?, t.slot());
        let words = [ObjectType::Untyped.raw(), 11, 0, 0, slot, 1];
        let (info, mrs) = compose(Label::UntypedRetype.raw(), &words, &[initial::CNODE.cptr()]);
        sys::send(memory.cptr(), info, mrs);
        equal(tag(slot), CapTag::Untyped.raw())?;
        record::call(Syscall::Send);
        // The slot is full: DeleteFirst is lost.
        sys::nb_send(memory.cptr(), info, mrs);
        at(Cap::<Notification>::new(slot)).delete()?;
        let (info, mrs) = compose(Label::UntypedRetype.raw(), &words, &[initial::CNODE.cptr()]);
        sys::nb_send(memory.cptr(), info, mrs);
        equal(tag(slot), CapTag::Untyped.raw())?;
        record::call(Syscall::NbSend);
        Ok(())
    }),
    test("GENERAL0019", "the first phases of all combined calls are alike", |t| {
        let (tcb, ports) = (t.tcb()?, t.slot());
        initial::IO_PORT_CONTROL.issue(0x3f8, 0x3ff, initial::CNODE.at(ports))?;
        let calls = [Syscall::ReplyRecv, Syscall::NbSendRecv, Syscall::NbSendWait];
        for (value, call) in (1..).zip(calls) {
            first_phase_of(t, call, tcb.cptr(), Label::TcbSetFlags, &[0, 1], &[])?;
            first_phase_of(t, call, ports, Label::X86IoPortOut8, &[0x3ff, value], &[])?;
            equal((tcb.set_flags(0, 0)?, Cap::<IoPort>::new(ports).in8(0x3ff)?), (0, value as u8))?;
        }
        Ok(())
    }),
];
