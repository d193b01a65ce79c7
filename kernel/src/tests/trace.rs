//! What a kernel that traces records: `cargo test -p kernel --features trace trace`. Entries and exits are recorded by
//! the machine's entry functions, which the host does not have.
use std::sync::atomic::{AtomicU64, Ordering};

use sel_abi::trace::{Area, EVENTS, Kind, Left, NAMES, RECORD_WORDS, RING_BITS, RING_WORDS, Record, Route};
use sel_abi::{FaultType, Label};

use super::machine::{Machine, msg};
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch;
use crate::cap::Cap;
use crate::object::tcb::TcbPtr;

/// The capability to the ring: that of the device in the arena, in the order of addresses.
fn ring_cap(m: &Machine) -> u64 {
    let list = &m.info.untyped_list[..(m.info.untyped.end - m.info.untyped.start) as usize];
    let devices: Vec<u64> = list.iter().filter(|desc| desc.is_device == 1).map(|desc| desc.paddr).collect();
    assert!(devices.is_sorted());
    let arena = arch::ARENA_BASE..arch::ARENA_BASE + arch::ARENA_BYTES;
    let index = devices.iter().position(|paddr| arena.contains(paddr)).expect("a device in RAM");
    m.info.untyped.start + index as u64
}

/// The ring, found as the root task finds it.
fn ring(m: &Machine) -> &'static [AtomicU64; RING_WORDS] {
    let Cap::Untyped(untyped) = m.cap(ring_cap(m)) else { panic!("an untyped") };
    assert_eq!((untyped.size_bits, untyped.device), (RING_BITS, true));
    // SAFETY: the kernel keeps the ring there for as long as the arena exists.
    unsafe { KernelPtr::<[AtomicU64; RING_WORDS]>::from_phys(PhysAddr(untyped.base.0)) }.get()
}

fn records(m: &Machine, area: Area) -> Vec<Record> {
    let ring = ring(m);
    let word = |index: usize| ring[index].load(Ordering::Relaxed);
    let record = |number: usize| {
        Record::from_words(std::array::from_fn(|index| word(area.offset / 8 + number * RECORD_WORDS + index)))
    };
    (0..word(area.header + 2) as usize).map(record).collect()
}

/// Events since there were `from`, with their kind.
fn since(m: &Machine, from: usize) -> Vec<(Kind, Record)> {
    let kind = |record: Record| (Kind::from_raw(record.kind).expect("a kind"), record);
    records(m, EVENTS).into_iter().skip(from).map(kind).collect()
}

fn id(thread: TcbPtr) -> u32 {
    (thread.phys().0 >> 11) as u32
}

#[test]
fn short_and_long_ways_record_the_same() {
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(200, endpoint, reply).tcb;
    m.started(1);
    let cap = m.mint(endpoint, sel_abi::CapRights::ALL, 0x77);
    m.root_priority(150);
    let Cap::Endpoint(object) = m.cap(endpoint) else { panic!("an endpoint") };
    let root = m.root;
    // Four words go the short way, six do not.
    for words in [4, 6] {
        let from = records(&m, EVENTS).len();
        m.call_ipc(cap, msg(9, &[1, 2, 3, 4, 5, 6][..words]));
        m.reply_recv(endpoint, reply, msg(5, &[]));
        assert_eq!(m.current(), root);
        let told: Vec<_> = since(&m, from)
            .into_iter()
            .map(|(kind, record)| (kind, record.thread, record.detail, record.words))
            .collect();
        let there = Route { receiver: id(server), endpoint: object.object.phys().0 }.raw();
        let back = Route { receiver: id(root), endpoint: 0 }.raw();
        assert_eq!(
            told,
            [
                (Kind::Message, id(root), words as u16, [there, 0x77]),
                (Kind::Switch, id(server), Left::Reply.raw(), [id(root).into(), 200]),
                (Kind::Message, id(server), 0, [back, 0]),
                (Kind::Switch, id(root), Left::Receive.raw(), [id(server).into(), 150]),
            ],
            "{words} words"
        );
    }
}

#[test]
fn faults_signals_interrupts_and_idling() {
    let mut m = Machine::new();
    let notification = m.notification();
    let child = m.started(100);
    let from = records(&m, EVENTS).len();
    m.signal(notification);
    m.interrupt(arch::TIMER_VECTOR);
    m.root_priority(50);
    m.exception(0x1234, 14, 6, 0xdead_0000);
    let told = since(&m, from);
    let find = |wanted: Kind| told.iter().find(|(kind, _)| *kind == wanted).expect("a record").1;
    let Cap::Notification(object) = m.cap(notification) else { panic!("a notification") };
    let signal = find(Kind::Signal);
    assert_eq!((signal.thread, signal.words), (id(m.root), [object.object.phys().0, object.badge]));
    let irq = find(Kind::Irq);
    assert_eq!((irq.thread, irq.detail), (id(m.root), arch::TIMER_VECTOR.into()));
    let fault = find(Kind::Fault);
    assert_eq!((fault.thread, fault.detail), (id(child.tcb), FaultType::VmFault.raw() as u16));
    assert_eq!(fault.words, [0xdead_0000, 0x1234]);
    assert!(told.windows(2).all(|pair| pair[0].1.time <= pair[1].1.time), "time goes on");
}

#[test]
fn threads_have_names() {
    let mut m = Machine::new();
    let child = m.started(100);
    let named = |record: &Record| record.words.map(u64::to_le_bytes).concat();
    let names = records(&m, NAMES);
    assert_eq!(names[0].thread, id(m.root));
    assert_eq!(
        [named(&names[0]), named(&names[1])].concat(),
        *b"rootserver\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    );
    let last = &names[names.len() - 2..];
    assert!(last.iter().all(|record| record.thread == id(child.tcb) && record.kind == Kind::Name.raw()));
    assert_eq!((last[0].detail, last[1].detail), (0, 1));
    assert_eq!([named(&last[0]), named(&last[1])].concat()[..23], *b"child of: 'rootserver'\0");
}

#[test]
fn the_ring_can_be_mapped_and_is_never_cleared() {
    let mut m = Machine::new();
    let to = m.free_slot();
    let before = ring(&m)[0].load(Ordering::Relaxed);
    let page = sel_abi::ObjectType::Page.raw();
    m.ok(ring_cap(&m), Label::UntypedRetype, &[page, 0, 0, 0, to, 1], &[super::objects::ROOT]);
    let Cap::Frame(frame) = m.cap(to) else { panic!("a frame") };
    assert!(frame.device);
    assert_eq!((ring(&m)[0].load(Ordering::Relaxed), before), (sel_abi::trace::MAGIC, sel_abi::trace::MAGIC));
}
