//! The scene that a random sequence starts from: some objects of each kind, within reach of the steps.
use sel_abi::bootinfo::slot;
use sel_abi::{Label, ObjectType};

use super::dice::Dice;
use super::kinds::{FIRST, ROOT_BITS, SLOTS};
use crate::cap::Cap;
use crate::object::tcb::TcbPtr;
use crate::state::Config;
use crate::tests::check;
use crate::tests::machine::{Machine, msg};
use crate::tests::objects::{ROOT, VSPACE};

/// Domains of the machine, where it has more than one.
pub const DOMAINS: u8 = 4;
/// log2 of the memory that the steps play with. All of what is free of it is looked at after every step.
const ARENA_BITS: u8 = 18;

pub struct Stage {
    pub m: Machine,
    /// One thread a domain, of the lowest priority, that the steps cannot reach and that never stops: the host port
    /// cannot idle for ever.
    pub guardians: Vec<TcbPtr>,
    /// Untypeds that everything within reach of the steps was made from.
    pub arenas: Vec<u64>,
}

/// Sets the scene; its variant depends on the dice.
pub fn set(dice: &mut Dice) -> Stage {
    // With one domain the kernel can tell in advance how long nothing happens. The dice stay as they are.
    let domains = if dice.clone().one_in(3) { 1 } else { DOMAINS };
    let config = Config { domains, root_cnode_bits: ROOT_BITS, ..Config::default() };
    let mut m = Machine::with_config(config);
    m.checking = false;
    let guardians = guardians(&mut m, domains);
    let arena = m.untyped(ARENA_BITS);
    m.pool = arena;
    let mut arenas = vec![arena];
    let mut staged = Vec::new();
    let has_servers = dice.one_in(2);
    if has_servers {
        servers(&mut m, &mut staged);
    }
    objects(&mut m, &mut staged);
    spaces(&mut m, &mut staged);
    threads(&mut m, &mut staged);
    let device = device_untyped(&m);
    staged.push(m.retype(device, ObjectType::Untyped, 31, 1));
    arenas.push(device);
    if dice.one_in(8) {
        // Clearing 2 MiB of free RAM and looking at it takes long, so this is for few sequences.
        let large = m.untyped(21);
        staged.push(m.retype(large, ObjectType::LargePage, 0, 1));
        arenas.push(large);
    }
    assert!(staged.len() as u64 + 12 <= SLOTS && m.next_slot <= FIRST, "room on the stage");
    for (slot, from) in (FIRST..).zip(staged) {
        m.ok(ROOT, Label::CNodeMove, &[slot, 64, from, 64], &[ROOT]);
    }
    m.checking = true;
    check::check(&m);
    if has_servers && !dice.one_in(4) {
        // A stack of calls: each server calls the next, on the time of the root task.
        for server in 0..SERVERS {
            m.call_ipc(FIRST + SERVER_CAPS * server, msg(0, &[server]));
        }
    }
    Stage { m, guardians, arenas }
}

/// Their capabilities end in a CNode whose own capability stands in itself.
fn guardians(m: &mut Machine, domains: u8) -> Vec<TcbPtr> {
    let untyped = m.untyped(16);
    let buffers = m.retype(untyped, ObjectType::Page, 0, domains.into());
    let vault = m.retype(untyped, ObjectType::CapTable, 4, 1);
    let contexts = m.retype(untyped, ObjectType::SchedContext, 8, domains.into());
    let tcbs = m.retype(untyped, ObjectType::Tcb, 0, domains.into());
    let guardian = |domain: u8| {
        let [buffer, context, tcb] = [buffers, contexts, tcbs].map(|first| first + u64::from(domain));
        m.configure_context(context, 5_000, 5_000);
        m.ok(tcb, Label::TcbConfigure, &[0, 0, 0x1000], &[ROOT, VSPACE, buffer]);
        m.ok(context, Label::SchedContextBind, &[], &[tcb]);
        m.ok(slot::DOMAIN, Label::DomainSetSet, &[domain.into()], &[tcb]);
        m.ok(tcb, Label::TcbResume, &[], &[]);
        let Cap::Tcb(thread) = m.cap(tcb) else { panic!("no TCB") };
        for (index, cptr) in (3 * u64::from(domain)..).zip([tcb, context, buffer]) {
            m.move_into(vault, index, 4, cptr);
        }
        thread
    };
    let guardians = (0..domains).map(guardian).collect();
    // Nothing of the untyped is free, so that the checker need not look at it again and again.
    let filler = m.retype(untyped, ObjectType::SchedContext, 15, 1);
    m.move_into(vault, 14, 4, filler);
    m.move_into(vault, 15, 4, vault);
    guardians
}

const SERVERS: u64 = 3;
/// Capabilities of each, the endpoint first.
const SERVER_CAPS: u64 = 4;

/// Servers without scheduling contexts that wait for calls.
fn servers(m: &mut Machine, staged: &mut Vec<u64>) {
    for _ in 0..SERVERS {
        let (endpoint, reply) = (m.endpoint(), m.reply());
        let server = m.passive_server(255, endpoint, reply);
        staged.extend([endpoint, reply, server.cap, server.context]);
    }
}

fn objects(m: &mut Machine, staged: &mut Vec<u64>) {
    // One CNode holds a second, which holds a third; one holds a copy of its own capability.
    let nodes = [4, 2, 2].map(|bits| m.sized(ObjectType::CapTable, bits));
    m.move_into(nodes[1], 0, 2, nodes[2]);
    m.move_into(nodes[0], 0, 4, nodes[1]);
    let node = m.sized(ObjectType::CapTable, 2);
    let copy = m.copy(node);
    m.move_into(node, 0, 2, copy);
    staged.extend([nodes[0], node]);
    staged.extend([m.sized(ObjectType::Untyped, 15), m.sized(ObjectType::Untyped, 14)]);
    staged.push(m.sized(ObjectType::Untyped, 12));
    staged.extend([m.notification(), m.notification(), m.endpoint(), m.endpoint()]);
}

/// An address space with one table of each level and a page.
fn spaces(m: &mut Machine, staged: &mut Vec<u64>) {
    let root = m.object(ObjectType::Pml4);
    m.ok(slot::INIT_THREAD_ASID_POOL, Label::X86AsidPoolAssign, &[], &[root]);
    staged.push(root);
    for (object, label) in [
        (ObjectType::Pdpt, Label::X86PdptMap),
        (ObjectType::PageDirectory, Label::X86PageDirectoryMap),
        (ObjectType::PageTable, Label::X86PageTableMap),
    ] {
        let table = m.object(object);
        m.ok(table, label, &[0, 0], &[root]);
        staged.push(table);
    }
    let page = m.object(ObjectType::Page);
    m.ok(page, Label::X86PageMap, &[0x1000, 3, 0], &[root]);
    staged.push(page);
}

/// Four threads of several priorities with scheduling contexts of several kinds.
fn threads(m: &mut Machine, staged: &mut Vec<u64>) {
    let handler = m.endpoint();
    staged.push(handler);
    for priority in [253, 254, 254, 255] {
        let thread = m.thread(priority);
        m.configure_context(thread.context, 40, 40 + 40 * (255 - priority));
        let words = [255, priority];
        let own = crate::tests::objects::OWN_TCB;
        m.ok(thread.cap, Label::TcbSetSchedParams, &words, &[own, thread.context, handler]);
        m.ok_switching(thread.cap, Label::TcbResume, &[], &[]);
        staged.extend([m.reply(), thread.cap, thread.context]);
        if priority == 255 {
            staged.push(thread.buffer);
        }
    }
}

/// A device untyped with room for huge pages.
fn device_untyped(m: &Machine) -> u64 {
    let list = &m.info.untyped_list;
    let found = list.iter().position(|desc| desc.is_device == 1 && desc.size_bits >= 32);
    m.info.untyped.start + found.expect("a large device untyped") as u64
}
