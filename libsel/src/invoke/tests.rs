//! What each invocation sends, word for word, against the tables of abi.md section 7.

use super::*;
use crate::abi::{CapRights, MessageInfo, ObjectType, Register, Syscall, VmAttributes};
use crate::cap::*;
use crate::error::{Error, LookupFailure};
use crate::sys::Registers;
use crate::sys::host::{Entry, install};
use std::cell::RefCell;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

/// A Call as the kernel sees it.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    cap: u64,
    label: u64,
    words: Vec<u64>,
    caps: Vec<u64>,
}

fn observe(entry: &Entry) -> Sent {
    let buffer = crate::ipc::buffer().unwrap();
    let word = |index: usize| entry.mrs.get(index).copied().unwrap_or_else(|| buffer.word(index));
    Sent {
        cap: entry.cap,
        label: entry.info.label(),
        words: (0..entry.info.length()).map(word).collect(),
        caps: (0..entry.info.extra_caps()).map(|index| buffer.cap_or_badge(index)).collect(),
    }
}

/// Runs `invoke` with a kernel that answers with `label` and `reply`, and returns what was sent.
fn with_reply<T>(label: u64, reply: &[u64], invoke: impl FnOnce() -> T) -> (Sent, T) {
    let sent = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&sent);
    let reply = reply.to_vec();
    install(move |entry| {
        assert_eq!(entry.number, Syscall::Call.raw());
        assert_eq!(entry.r12, 0);
        *seen.borrow_mut() = Some(observe(&entry));
        let buffer = crate::ipc::buffer().unwrap();
        let mut mrs = [0; 4];
        for (index, word) in reply.iter().enumerate() {
            match mrs.get_mut(index) {
                Some(register) => *register = *word,
                None => buffer.set_word(index, *word),
            }
        }
        Registers { badge: 0, info: MessageInfo::new(label, 0, 0, reply.len()), mrs }
    });
    let result = invoke();
    let sent = sent.borrow_mut().take().unwrap();
    (sent, result)
}

#[track_caller]
fn sends(invoke: impl FnOnce() -> Result<()>, cap: u64, label: u64, words: &[u64], caps: &[u64]) {
    let (sent, result) = with_reply(0, &[], invoke);
    assert_eq!(result, Ok(()));
    assert_eq!(sent, Sent { cap, label, words: words.to_vec(), caps: caps.to_vec() });
}

const CNODE: Cap<CNode> = Cap::new(2);
const DEST: AbsoluteSlot = AbsoluteSlot::new(CNODE, 100, 64);
const SOURCE: AbsoluteSlot = AbsoluteSlot::new(Cap::new(3), 200, 12);
const VSPACE: Cap<VSpace> = Cap::new(9);
const TCB: Cap<Tcb> = Cap::new(7);

#[test]
fn cnode_operations() {
    sends(|| DEST.revoke(), 2, 18, &[100, 64], &[]);
    sends(|| DEST.delete(), 2, 19, &[100, 64], &[]);
    sends(|| DEST.cancel_badged_sends(), 2, 20, &[100, 64], &[]);
    sends(|| DEST.copy(SOURCE, CapRights::READ), 2, 21, &[100, 64, 200, 12, 2], &[3]);
    sends(|| DEST.mint(SOURCE, CapRights::ALL, 77), 2, 22, &[100, 64, 200, 12, 15, 77], &[3]);
    sends(|| DEST.move_from(SOURCE), 2, 23, &[100, 64, 200, 12], &[3]);
    sends(|| DEST.mutate(SOURCE, 5), 2, 24, &[100, 64, 200, 12, 5], &[3]);
    let pivot = Pivot { slot: AbsoluteSlot::new(Cap::new(4), 300, 13), dest_data: 8, pivot_data: 9 };
    sends(|| DEST.rotate(pivot, SOURCE), 2, 25, &[100, 64, 8, 300, 13, 9, 200, 12], &[4, 3]);
}

#[test]
fn untyped_and_asid() {
    let untyped = Cap::<Untyped>::new(50);
    let target = RetypeTarget { root: CNODE, node_index: 6, node_depth: 7, node_offset: 8 };
    sends(|| untyped.retype(ObjectType::SchedContext, 9, target, 3), 50, 1, &[5, 9, 6, 7, 8, 3], &[2]);
    let one = || untyped.retype_one::<Endpoint>(0, CNODE, 88).map(|_| ());
    sends(one, 50, 1, &[2, 0, 0, 0, 88, 1], &[2]);
    sends(|| Cap::<AsidControl>::new(5).make_pool(untyped, DEST), 5, 48, &[100, 64], &[50, 2]);
    sends(|| Cap::<AsidPool>::new(6).assign(VSPACE), 6, 49, &[], &[9]);
}

#[test]
fn tcb_operations() {
    let (ep, sc, frame) = (Cap::<Endpoint>::new(20), Cap::<SchedContext>::new(21), Cap::<Page>::new(22));
    sends(|| TCB.configure(CNODE, 1, VSPACE, 0x1000, frame), 7, 5, &[1, 0, 0x1000], &[2, 9, 22]);
    sends(|| TCB.set_priority(Cap::new(1), 30), 7, 6, &[30], &[1]);
    sends(|| TCB.set_mc_priority(Cap::new(1), 31), 7, 7, &[31], &[1]);
    sends(|| TCB.set_sched_params(Cap::new(1), 30, 31, sc, ep), 7, 8, &[30, 31], &[1, 21, 20]);
    sends(|| TCB.set_timeout_endpoint(ep), 7, 9, &[], &[20]);
    sends(|| TCB.set_ipc_buffer(0x2000, frame), 7, 10, &[0x2000], &[22]);
    sends(|| TCB.set_space(ep, CNODE, 3, VSPACE), 7, 11, &[3, 0], &[20, 2, 9]);
    sends(|| TCB.suspend(), 7, 12, &[], &[]);
    sends(|| TCB.resume(), 7, 13, &[], &[]);
    sends(|| TCB.bind_notification(Cap::new(23)), 7, 14, &[], &[23]);
    sends(|| TCB.unbind_notification(), 7, 15, &[], &[]);
    sends(|| TCB.set_tls_base(99), 7, 16, &[99], &[]);
    let flags = CopyFlags {
        suspend_source: false,
        resume_target: true,
        transfer_frame: false,
        transfer_integer: true,
    };
    sends(|| TCB.copy_registers(Cap::new(8), flags), 7, 4, &[0b1010], &[8]);
    let (sent, result) = with_reply(0, &[1], || TCB.set_flags(2, 1));
    assert_eq!((sent.words, result), (vec![2, 1], Ok(1)));
}

#[test]
fn registers_travel_in_order() {
    let mut context = UserContext(core::array::from_fn(|index| 1000 + index as u64));
    context.set(Register::Rdi, 42);
    let expected: Vec<u64> = [1, 20].into_iter().chain(context.0).collect();
    sends(|| TCB.write_registers(true, 20, &context), 7, 3, &expected, &[]);
    sends(|| TCB.write_registers(false, 2, &context), 7, 3, &[0, 2, 1000, 1001], &[]);
    let (sent, result) = with_reply(0, &context.0, || TCB.read_registers(false, 20));
    assert_eq!(sent, Sent { cap: 7, label: 2, words: vec![0, 20], caps: vec![] });
    assert_eq!(result, Ok(context));
    let (_, result) = with_reply(0, &context.0[..3], || TCB.read_registers(true, 3));
    assert_eq!(result.map(|read| (read.0[2], read.0[3])), Ok((1002, 0)));
}

#[test]
fn scheduling() {
    let sc = Cap::<SchedContext>::new(21);
    let configure = || Cap::<SchedControl>::new(16).configure_flags(sc, 1000, 5000, 2, 77, 1);
    sends(configure, 16, 33, &[1000, 5000, 2, 77, 1], &[21]);
    sends(|| sc.bind(TCB), 21, 34, &[], &[7]);
    sends(|| sc.bind_notification(Cap::new(23)), 21, 34, &[], &[23]);
    sends(|| sc.unbind(), 21, 35, &[], &[]);
    sends(|| sc.unbind_thread(TCB), 21, 36, &[], &[7]);
    sends(|| sc.unbind_notification(Cap::new(23)), 21, 36, &[], &[23]);
    assert_eq!(with_reply(0, &[55], || sc.consumed()).1, Ok(55));
    let (sent, result) = with_reply(0, &[56], || sc.yield_to());
    assert_eq!((sent.label, result), (38, Ok(56)));
    sends(|| Cap::<Domain>::new(11).set(1, TCB), 11, 30, &[1], &[7]);
    sends(|| Cap::<Domain>::new(11).schedule_configure(1, 2, 3), 11, 31, &[1, 2, 3], &[]);
    sends(|| Cap::<Domain>::new(11).schedule_set_start(1), 11, 32, &[1], &[]);
}

#[test]
fn address_spaces() {
    let pwt = VmAttributes::PWT;
    sends(|| Cap::<Pdpt>::new(30).map_table(VSPACE, 0x1000, pwt), 30, 39, &[0x1000, 1], &[9]);
    sends(|| Cap::<Pdpt>::new(30).unmap_table(), 30, 40, &[], &[]);
    sends(|| Cap::<PageDirectory>::new(31).map_table(VSPACE, 0, pwt), 31, 41, &[0, 1], &[9]);
    sends(|| Cap::<PageDirectory>::new(31).unmap_table(), 31, 42, &[], &[]);
    sends(|| Cap::<PageTable>::new(32).map_table(VSPACE, 0, pwt), 32, 43, &[0, 1], &[9]);
    sends(|| Cap::<PageTable>::new(32).unmap_table(), 32, 44, &[], &[]);
    let large = Cap::<LargePage>::new(33);
    sends(|| large.map(VSPACE, 0x20_0000, CapRights::READ_WRITE, pwt), 33, 45, &[0x20_0000, 3, 1], &[9]);
    sends(|| large.unmap(), 33, 46, &[], &[]);
    let (sent, result) = with_reply(0, &[0xabc000], || large.get_address());
    assert_eq!((sent.label, result), (47, Ok(0xabc000)));
}

#[test]
fn interrupts_and_ports() {
    let control = Cap::<IrqControl>::new(4);
    sends(|| control.get(5, DEST), 4, 26, &[5, 100, 64], &[2]);
    sends(|| control.get_io_apic(DEST, 0, 2, 1, 0, 16), 4, 57, &[100, 64, 0, 2, 1, 0, 16], &[2]);
    sends(|| control.get_msi(DEST, 1, 2, 3, 4, 17), 4, 58, &[100, 64, 1, 2, 3, 4, 17], &[2]);
    let handler = Cap::<IrqHandler>::new(40);
    sends(|| handler.ack(), 40, 27, &[], &[]);
    sends(|| handler.set_notification(Cap::new(23)), 40, 28, &[], &[23]);
    sends(|| handler.clear(), 40, 29, &[], &[]);
    let issue = || Cap::<IoPortControl>::new(7).issue(0x3f8, 0x3ff, DEST);
    sends(issue, 7, 50, &[0x3f8, 0x3ff, 100, 64], &[2]);
}

#[test]
fn port_accesses() {
    let port = Cap::<IoPort>::new(41);
    let (sent, result) = with_reply(0, &[0x12], || port.in8(0x3fd));
    assert_eq!((sent.label, sent.words, result), (51, vec![0x3fd], Ok(0x12)));
    let (sent, result) = with_reply(0, &[0x1234], || port.in16(0x3fd));
    assert_eq!((sent.label, result), (52, Ok(0x1234)));
    let (sent, result) = with_reply(0, &[0x1234_5678], || port.in32(0x3fd));
    assert_eq!((sent.label, result), (53, Ok(0x1234_5678)));
    sends(|| port.out8(0x3f8, 0xff), 41, 54, &[0x3f8, 0xff], &[]);
    sends(|| port.out16(0x3f8, 0xffff), 41, 55, &[0x3f8, 0xffff], &[]);
    sends(|| port.out32(0x3f8, 0xffff_ffff), 41, 56, &[0x3f8, 0xffff_ffff], &[]);
}

#[test]
fn errors_carry_their_words() {
    let cases: [(u64, &[u64], Error); 11] = [
        (1, &[2], Error::InvalidArgument(2)),
        (2, &[1], Error::InvalidCapability(1)),
        (3, &[], Error::IllegalOperation),
        (4, &[1, 64], Error::RangeError { min: 1, max: 64 }),
        (5, &[], Error::AlignmentError),
        (
            6,
            &[1, 4, 64, 0, 52],
            Error::FailedLookup {
                source: true,
                failure: LookupFailure::GuardMismatch { bits_left: 64, guard: 0, guard_bits: 52 },
            },
        ),
        (7, &[], Error::TruncatedMessage),
        (8, &[], Error::DeleteFirst),
        (9, &[], Error::RevokeFirst),
        (10, &[0xb000], Error::NotEnoughMemory(0xb000)),
        (11, &[], Error::Unknown(11)),
    ];
    for (label, words, error) in cases {
        assert_eq!(with_reply(label, words, || DEST.delete()).1, Err(error));
    }
    let missing = with_reply(6, &[0, 2, 21], || DEST.delete()).1.unwrap_err();
    assert_eq!(missing.missing_paging_level(), Some(21));
}

#[test]
fn combined_calls_put_both_capabilities_where_they_belong() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    install(move |entry| {
        log.borrow_mut().push((entry.number, entry.cap, entry.info.label(), entry.r12, entry.r13));
        Registers::default()
    });
    let (endpoint, reply) = (Cap::<Endpoint>::new(20), Cap::<Reply>::new(4));
    endpoint.reply_recv(reply, 5, &[], &[]);
    endpoint.nb_send_recv(33, 6, &[], &[], reply);
    endpoint.recv(reply);
    endpoint.nb_recv(reply);
    endpoint.wait();
    endpoint.nb_wait();
    endpoint.send(7, &[], &[]);
    endpoint.nb_send(8, &[], &[]);
    reply.reply(9, &[], &[]);
    crate::sys::nb_send_wait(34, MessageInfo::new(1, 0, 0, 0), [0; 4], 20);
    let expected = [
        (Syscall::ReplyRecv, 20, 5, 4, 0),
        (Syscall::NbSendRecv, 20, 6, 4, 33),
        (Syscall::Recv, 20, 0, 4, 0),
        (Syscall::NbRecv, 20, 0, 4, 0),
        (Syscall::Wait, 20, 0, 0, 0),
        (Syscall::NbWait, 20, 0, 0, 0),
        (Syscall::Send, 20, 7, 0, 0),
        (Syscall::NbSend, 20, 8, 0, 0),
        (Syscall::Send, 4, 9, 0, 0),
        (Syscall::NbSendWait, 20, 1, 34, 0),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(n, c, l, a, b)| (n.raw(), c, l, a, b)).collect();
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn a_carrier_sees_invocations_and_their_answers() {
    use core::sync::atomic::AtomicU64;

    // Other tests run meanwhile: only this one's capability counts.
    const SEEN: u64 = 0x5ee5;
    static CARRIED: AtomicU64 = AtomicU64::new(0);
    fn carry(cptr: CPtr, info: MessageInfo, mrs: MessageRegisters) -> Registers {
        let answer = sys::call(cptr, info, mrs);
        if cptr == SEEN {
            CARRIED.fetch_add(info.label() << 8 | answer.info.label(), Relaxed);
        }
        answer
    }
    static CARRIER: Carrier = carry;
    set_carrier(&CARRIER);
    let (_, result) = with_reply(3, &[], || Cap::<Tcb>::new(SEEN).suspend());
    assert_eq!((result, CARRIED.load(Relaxed)), (Err(Error::IllegalOperation), 12 << 8 | 3));
}
