//! The running root task: its state, and the order in which it is built.

pub mod admin;
pub mod alarm;
pub mod answer;
pub mod arena;
pub mod capabilities;
pub mod device;
pub mod facts;
pub mod fault;
pub mod files;
pub mod interrupt;
pub mod listed;
pub mod log;
pub mod map;
pub mod memory;
pub mod piece;
pub mod pieces;
pub mod promise;
pub mod reboot;
pub mod report;
pub mod server;
pub mod service;
pub mod share;
pub mod space;
pub mod spawn;
pub mod supervise;
pub mod tables;
pub mod thread;
pub mod window;

use libsel::abi::{CapRights, ObjectType};
use libsel::bootinfo::{BootInfoView, initial};
use libsel::cap::{AbsoluteSlot, Cap, Endpoint, IoPort, SchedControl};
use libsel::println;
use roottask::exit;
use roottask::phys::stats::SIZES;
use roottask::regions::Regions;
use roottask::virt::{AddressSpace, NodePool};

use memory::{Memory, ReplyObject};
use pieces::Pieces;

/// Everything that the root task knows.
pub struct Root {
    /// Physical memory, and the slots of the root CNode.
    pub memory: Memory,
    /// What the kernel told at the start.
    pub bootinfo: BootInfoView<'static>,
    /// Blocks that were given to address spaces.
    pub pieces: Pieces,
    /// Nodes of all address spaces.
    pub nodes: NodePool<'static>,
    /// The root task's own addresses.
    pub own_space: AddressSpace,
    /// Servers by number; number 0 is nobody.
    pub servers: &'static mut server::Table,
    /// Regions that servers share.
    pub regions: &'static mut Regions,
    /// Frames of boot files.
    pub files: [Option<files::Frames>; files::MAX_FILES],
    /// The ports of PCI configuration space, once they were needed.
    pub config_ports: Option<Cap<IoPort>>,
    /// Where servers call, and where their faults arrive.
    pub endpoint: Cap<Endpoint>,
    /// Answers them.
    pub reply: ReplyObject,
    /// The right to give processor time.
    pub sched_control: Cap<SchedControl>,
    /// TSC frequency in Hz.
    pub tsc_hz: u64,
    /// The kernel has debug calls.
    pub debug_calls: bool,
    /// Ends the machine when the boot script is done: the port that does it.
    pub exit_port: Option<(Cap<IoPort>, u16)>,
    /// Free blocks of memory by size, before the first server that ends was started.
    pub free_blocks: Option<[u32; SIZES]>,
    /// A server ended other than intended.
    pub trouble: bool,
    /// What becomes of servers that end.
    pub supervision: &'static mut supervise::Supervision,
    /// Wakes the root task at a time.
    pub alarm: alarm::Alarm,
    /// Every server of the boot list was started.
    pub all_started: bool,
}

impl Root {
    /// Takes over what the kernel handed out. Without it there is nothing to run: every failure here is a panic.
    pub fn new(bootinfo: &BootInfoView<'static>) -> Self {
        let mut memory = memory::take_over(bootinfo);
        let reply = ReplyObject::new(&mut memory).expect("the reply object");
        let endpoint = memory::object(&mut memory).expect("the endpoint");
        let mut nodes = arena::node_pool();
        let own_space = AddressSpace::new(&mut nodes, window::OWN_START, window::OWN_END)
            .expect("nodes for an address space");
        let report = bootinfo.boot_report().unwrap_or_default();
        let alarm = alarm::Alarm::new(&mut memory, report.tsc_hz).expect("the objects of the alarm");
        let mut root = Root {
            memory,
            bootinfo: *bootinfo,
            pieces: Pieces::new(arena::pieces()),
            nodes,
            own_space,
            servers: arena::servers(),
            regions: arena::regions(),
            files: [None; files::MAX_FILES],
            config_ports: None,
            endpoint,
            reply,
            sched_control: bootinfo.sched_control(0).expect("a SchedControl capability"),
            tsc_hz: report.tsc_hz,
            debug_calls: report.debug_calls != 0,
            exit_port: None,
            free_blocks: None,
            trouble: false,
            supervision: arena::supervision(),
            alarm,
            all_started: false,
        };
        root.exit_port = root.find_exit_port(bootinfo.command_line().unwrap_or_default());
        root
    }

    /// The port of the command line's `debug_exit=`, if the boot script is to end the machine.
    fn find_exit_port(&mut self, line: &str) -> Option<(Cap<IoPort>, u16)> {
        if !line.split_whitespace().any(|word| word == "exit_when_done") {
            return None;
        }
        let port = exit::port(line)?;
        let slot = self.memory.kernel().slots.take(1)?;
        let place = own_slot(slot);
        match initial::IO_PORT_CONTROL.issue(port, port, place) {
            Ok(()) => Some((Cap::new(u64::from(slot)), port)),
            Err(error) => {
                println!("root: no exit port {port:#x}: {error}");
                None
            }
        }
    }
}

/// A slot of the root CNode.
pub fn own_slot(slot: u32) -> AbsoluteSlot {
    AbsoluteSlot::in_cspace(initial::CNODE, u64::from(slot))
}

/// Rights to call a service and to be answered.
pub const CALL_RIGHTS: CapRights = CapRights::WRITE.union(CapRights::GRANT_REPLY);

/// log2 of the bytes of a scheduling context with no extra refills.
pub const SCHED_CONTEXT_BITS: u64 = libsel::abi::MIN_SCHED_CONTEXT_BITS;

/// The type of small frames.
pub const PAGE_OBJECT: ObjectType = ObjectType::Page;
