//! Answers to those who look after the system: servers, memory, address ranges; starting and ending servers.
use libsel::ipc::Message;
use libsel::println;
use libsel::proto::admin::{
    AdminRequest, BLOCK_SIZES, BlockCounts, Kill, MemoryInfo, MemoryKind, RangeInfo, ServerInfo, ServerState,
    Spawn,
};
use libsel::proto::root::Protection;
use libsel::proto::{Name, ServiceError};
use roottask::lazy::Lazy;
use roottask::manifest::Entry;
use roottask::phys::stats::SIZES;
use roottask::virt::Range;

use super::Root;
use super::answer::{Answer, Outcome};
use super::server::{Server, ServerId};
use super::spawn::SpawnError;
use super::supervise::State;

const _: () = assert!(SIZES == BLOCK_SIZES);

impl Root {
    /// Answers a request of a server that has the admin capability.
    pub fn admin(&mut self, message: &Message) -> Outcome {
        match AdminRequest::from_message(message)? {
            AdminRequest::Server(request) => self.server_info(request.index),
            AdminRequest::Memory(_) => Ok(Answer::of(&self.memory_info())),
            AdminRequest::Range(request) => {
                let run = self.run(request.server, request.index).ok_or(ServiceError::NotFound)?;
                Ok(Answer::of(&run))
            }
            AdminRequest::Capability(request) => {
                let found = self.capability(request.server, request.index).ok_or(ServiceError::NotFound)?;
                Ok(Answer::of(&found))
            }
            AdminRequest::Spawn(request) => self.spawn_by_name(&request),
            AdminRequest::Kill(request) => self.kill(&request),
            AdminRequest::Reboot(_) => {
                self.reboot();
                Err(ServiceError::Refused.into())
            }
        }
    }

    fn server_info(&mut self, index: u64) -> Outcome {
        let mut running = (0..).zip(self.servers.iter_mut()).filter_map(|(id, server)| {
            let server: &mut Server = server.as_mut()?;
            Some((id, server))
        });
        let index = usize::try_from(index).map_err(|_| ServiceError::NotFound)?;
        let Some((id, server)) = running.nth(index) else {
            let count = self.servers.iter().flatten().count();
            return self.resting_info(index.wrapping_sub(count));
        };
        // The kernel tells what was used since the last time.
        server.facts.cpu_us += server.facts.context.consumed().unwrap_or(0) + server.threads.consumed_us();
        let facts = server.facts;
        let server_name = server.name;
        Ok(Answer::of(&ServerInfo {
            id,
            name: server.name,
            state: ServerState::Running,
            priority: facts.priority,
            budget_us: facts.budget_us,
            period_us: facts.period_us,
            cpu_us: facts.cpu_us,
            mapped_bytes: server.mapped_bytes,
            peak_bytes: server.peak_bytes,
            quota: facts.quota,
            room: self.pieces.room(id),
            restarts: self.supervision.restarts(server_name),
        }))
    }

    /// A server of the manifest that does not run now: number 0.
    fn resting_info(&self, index: usize) -> Outcome {
        let program = self.supervision.resting(index).ok_or(ServiceError::NotFound)?;
        let entry = program.entry;
        Ok(Answer::of(&ServerInfo {
            id: 0,
            name: program.name,
            state: match program.state {
                State::Running => ServerState::Running,
                State::Waiting(_) => ServerState::Waiting,
                State::Down => ServerState::Down,
                State::Ended => ServerState::Ended,
            },
            priority: entry.priority,
            budget_us: entry.budget_us,
            period_us: entry.period_us,
            cpu_us: 0,
            mapped_bytes: 0,
            peak_bytes: 0,
            quota: entry.quota,
            room: entry.quota,
            restarts: program.history.total.into(),
        }))
    }

    fn memory_info(&mut self) -> MemoryInfo {
        let stats = self.memory.stats();
        let capacity = self.nodes.capacity() as u32;
        MemoryInfo {
            total: stats.total,
            free: stats.free,
            cached: stats.cached,
            largest_bits: stats.largest_bits,
            fragmentation_permille: stats.fragmentation_permille(),
            blocks: BlockCounts(stats.free_blocks),
            allocations: stats.allocations,
            retypes: stats.calls.retypes,
            revokes: stats.calls.revokes,
            slots: self.memory.kernel().slots.in_use(),
            nodes: capacity - self.nodes.available(),
            node_capacity: capacity,
            used: self.pieces.used(),
            device_used: stats.device_used,
        }
    }

    /// A run of ranges of a server's that follow each other and are of one kind.
    fn run(&self, id: ServerId, index: u64) -> Option<RangeInfo> {
        let space = &self.server(id)?.space;
        let mut runs = 0;
        let mut current: Option<RangeInfo> = None;
        let mut at = 0;
        while let Some(range) = space.next_range(&self.nodes, at) {
            at = range.start + range.len;
            let next = self.range_info(&range);
            match &mut current {
                Some(run)
                    if run.start + run.bytes == next.start
                        && (run.kind, run.protection) == (next.kind, next.protection) =>
                {
                    run.bytes += next.bytes;
                }
                _ => {
                    if runs > index {
                        return current;
                    }
                    runs += 1;
                    current = Some(next);
                }
            }
        }
        current.filter(|_| runs == index + 1)
    }

    fn range_info(&self, range: &Range) -> RangeInfo {
        let (kind, protection) = match (Lazy::from_tag(range.tag), self.pieces.get(range.tag)) {
            (Some(Lazy { write, execute, .. }), _) => (MemoryKind::Promised, Protection { write, execute }),
            (None, Some(piece)) => {
                let access = piece.access;
                (piece.purpose.kind(), Protection { write: access.write, execute: access.execute })
            }
            (None, None) => (MemoryKind::Objects, Protection::READ),
        };
        RangeInfo { start: range.start, bytes: range.len, kind, protection }
    }

    /// Starts a server of the manifest, with other arguments.
    fn spawn_by_name(&mut self, request: &Spawn) -> Outcome {
        let arguments = core::str::from_utf8(request.arguments.as_bytes());
        let arguments = arguments.map_err(|_| ServiceError::InvalidArgument)?;
        let name = request.image;
        let program = self.supervision.program(name).ok_or(ServiceError::NotFound)?;
        let (entry, (paddr, size)) = (Entry { arguments, ..program.entry }, program.image);
        self.spawn(&entry, paddr, size).map_err(|error| {
            println!("root: cannot start {name}: {error}");
            match error {
                SpawnError::Name => ServiceError::InUse,
                SpawnError::Memory | SpawnError::Kernel(_) => ServiceError::OutOfMemory,
                _ => ServiceError::InvalidArgument,
            }
        })?;
        println!("root: {name} runs, as asked");
        Ok(Answer::Done)
    }

    /// The number of the server of a name.
    fn server_named(&self, name: Name) -> Option<ServerId> {
        let found = self.servers.iter().position(|server| server.as_ref().is_some_and(|it| it.name == name));
        found.map(|id| id as ServerId)
    }

    /// Ends a server.
    fn kill(&mut self, request: &Kill) -> Outcome {
        let id = self.server_named(request.name).ok_or(ServiceError::NotFound)?;
        println!("root: {} (server {id}) ended, as asked", request.name);
        self.ended(id, false);
        Ok(Answer::Done)
    }
}
