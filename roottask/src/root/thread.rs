//! Further threads of servers. A thread has a stack with a page without memory at either end, its IPC buffer above the
//! stack, and a block of kernel objects; all of it counts for its server's quota.
use libsel::Error;
use libsel::abi::registers::REGISTER_COUNT;
use libsel::abi::{CNodeCapData, Register};
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, Cap, Page, SchedContext, Tcb};
use libsel::invoke::UserContext;
use libsel::proto::ServiceError;
use libsel::proto::root::NewThread;
use libsel::proto::start::slot;
use roottask::loader::PAGE;
use roottask::manifest::MAX_THREADS;

use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::facts::Facts;
use super::map::whole_pages;
use super::memory::{ReplyObject, untyped};
use super::pieces::{OutOfMemory, PAGE_BITS, PieceId, Use, Wanted};
use super::server::{FAULT_BADGE, Server, ServerId, THREAD_BADGE_SHIFT};
use super::space::Access;
use super::spawn::SpawnError;
use super::{CALL_RIGHTS, Root, SCHED_CONTEXT_BITS, own_slot};

/// Bytes of the block that a thread's objects are made from: a TCB of 2 KiB, and a scheduling context.
const OBJECT_BITS: u8 = 12;
/// Bytes of a stack at most.
const LARGEST_STACK: u64 = 1 << 30;
/// Blocks of threads begin at multiples of it.
const BLOCK_ALIGN: u64 = 64;
/// The last number of a thread: it is part of a badge.
const LAST_NUMBER: u32 = 1 << 30;

/// A thread beside the first one.
struct Thread {
    number: u32,
    tcb: Cap<Tcb>,
    context: Cap<SchedContext>,
    /// The block of its objects.
    objects: PieceId,
    /// Its stack and what is above: first byte, and one past the last.
    memory: (u64, u64),
    /// Who waits for its end.
    joiner: Option<ReplyObject>,
}

/// A server's threads beside the first one.
pub struct Threads {
    table: [Option<Thread>; MAX_THREADS - 1],
    /// How many there may be.
    limit: usize,
    /// The number given last.
    last: u32,
}

impl Threads {
    /// None yet, of a server that may have so many with the first one.
    pub const fn new(threads: u8) -> Self {
        Threads {
            table: [const { None }; MAX_THREADS - 1],
            limit: (threads as usize).saturating_sub(1),
            last: 0,
        }
    }

    /// Microseconds of processor time that they used since the last time.
    pub fn consumed_us(&self) -> u64 {
        self.table.iter().flatten().map(|thread| thread.context.consumed().unwrap_or(0)).sum()
    }

    /// The thread of this number.
    pub fn tcb(&self, number: u64) -> Option<Cap<Tcb>> {
        let place = self.place_of(number)?;
        self.table.get(place)?.as_ref().map(|thread| thread.tcb)
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        let is_it = |thread: &Thread| u64::from(thread.number) == number;
        self.table.iter().position(|place| place.as_ref().is_some_and(is_it))
    }

    fn free_place(&self) -> Option<usize> {
        self.table.iter().take(self.limit).position(Option::is_none)
    }
}

impl Root {
    /// Starts a thread of a server's.
    pub fn new_thread(&mut self, id: ServerId, request: &NewThread) -> Outcome {
        let threads = &self.server(id).ok_or(ServiceError::Refused)?.threads;
        let place = threads.free_place().ok_or(ServiceError::TooMany)?;
        let number = threads.last + 1;
        if number > LAST_NUMBER {
            return Err(ServiceError::TooMany.into());
        }
        let (memory, buffer) = self.thread_memory(id, request)?;
        match self.thread_objects(id, number, memory, buffer, request) {
            Ok(thread) => {
                if let Some(Server { threads, .. }) = self.server_mut(id) {
                    threads.table[place] = Some(thread);
                    threads.last = number;
                }
                Ok(Answer::of(&u64::from(number)))
            }
            Err(error) => {
                self.unmap_range(id, memory.0, memory.1);
                Err(error)
            }
        }
    }

    /// Memory for the stack of a thread and its IPC buffer, which is the last page; the addresses, and the buffer's frame.
    fn thread_memory(
        &mut self,
        id: ServerId,
        request: &NewThread,
    ) -> Result<((u64, u64), Cap<Page>), ServiceErrorOf> {
        let NewThread { stack_bytes, block_bytes, .. } = *request;
        if stack_bytes > LARGEST_STACK || block_bytes > stack_bytes / 2 {
            return Err(ServiceError::InvalidArgument.into());
        }
        let bytes = (whole_pages(stack_bytes)? + PAGE).next_power_of_two();
        self.make_room(id, bytes)?;
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        let start = server.space.alloc_guarded(&mut self.nodes, bytes)?.start;
        let made = self.stack_piece(id, start, bytes);
        if made.is_err()
            && let Some(Some(server)) = self.servers.get_mut(usize::from(id))
        {
            let _ = server.space.free(&mut self.nodes, start, bytes);
        }
        let pages = bytes / PAGE;
        let buffer = self.pieces.get(made?).and_then(|piece| piece.frame(pages - 1)).ok_or(OutOfMemory)?;
        Ok(((start, start + bytes), buffer))
    }

    /// Frames for a range that was just taken, mapped.
    fn stack_piece(&mut self, id: ServerId, start: u64, bytes: u64) -> Result<PieceId, OutOfMemory> {
        let block = self.memory.alloc(bytes.ilog2() as u8).map_err(|_| OutOfMemory)?;
        let wanted = Wanted { owner: id, purpose: Use::Stack, vaddr: start, access: Access::DATA };
        let piece = self.pieces.cut(&mut self.memory, wanted, block, (bytes / PAGE) as u32, PAGE_BITS)?;
        let mut made = Err(OutOfMemory);
        if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
            made = server.space.set_tag(&mut self.nodes, start, piece).map_err(|_| OutOfMemory);
        }
        let made = made.and_then(|()| self.map_frames(id, piece));
        made.map(|()| piece).inspect_err(|_| self.pieces.drop_piece(&mut self.memory, piece))
    }

    /// The objects of a thread, which runs from now on.
    fn thread_objects(
        &mut self,
        id: ServerId,
        number: u32,
        memory: (u64, u64),
        buffer: Cap<Page>,
        request: &NewThread,
    ) -> Result<Thread, ServiceErrorOf> {
        let (objects, block, first) = self.pieces.objects_of(&mut self.memory, id, OBJECT_BITS, 2)?;
        let from = untyped(block);
        let made = (|| {
            let tcb = from.retype_one(0, initial::CNODE, u64::from(first))?;
            let context = from.retype_one(SCHED_CONTEXT_BITS, initial::CNODE, u64::from(first) + 1)?;
            Ok::<_, Error>((tcb, context))
        })();
        let started = made.map_err(|_| OutOfMemory).and_then(|(tcb, context)| {
            self.start_further(id, number, (tcb, context), memory, buffer, request)?;
            Ok((tcb, context))
        });
        match started {
            Ok((tcb, context)) => Ok(Thread { number, tcb, context, objects, memory, joiner: None }),
            Err(error) => {
                self.pieces.drop_piece(&mut self.memory, objects);
                Err(error.into())
            }
        }
    }

    fn start_further(
        &mut self,
        id: ServerId,
        number: u32,
        (tcb, context): (Cap<Tcb>, Cap<SchedContext>),
        (_, end): (u64, u64),
        frame: Cap<Page>,
        request: &NewThread,
    ) -> Result<(), OutOfMemory> {
        let Server { name, vspace, facts: Facts { cnode, .. }, .. } = *self.server(id).ok_or(OutOfMemory)?;
        let guard = CNodeCapData::new(0, slot::GUARD_BITS);
        let buffer = end - PAGE;
        let configured = tcb.configure(cnode, guard.0, vspace, buffer, frame);
        configured.map_err(|_| OutOfMemory)?;
        self.schedule(id, number, tcb, context).map_err(|_| OutOfMemory)?;
        if self.debug_calls {
            libsel::sys::debug_name_thread(tcb.cptr(), name.as_str());
        }
        let block = (buffer - request.block_bytes) & !(BLOCK_ALIGN - 1);
        let mut registers = UserContext::default();
        registers
            .set(Register::Rip, request.entry)
            .set(Register::Rsp, block - 8)
            .set(Register::FsBase, block)
            .set(Register::Rdi, request.argument)
            .set(Register::Rsi, block)
            .set(Register::Rdx, buffer)
            .set(Register::Rcx, number.into());
        tcb.write_registers(true, REGISTER_COUNT, &registers).map_err(|_| OutOfMemory)
    }

    /// Gives a thread of a server the server's priority and as much processor time as the manifest says, and takes its
    /// faults.
    pub fn schedule(
        &mut self,
        id: ServerId,
        number: u32,
        tcb: Cap<Tcb>,
        context: Cap<SchedContext>,
    ) -> Result<(), SpawnError> {
        let Facts { priority, budget_us, period_us, .. } = self.server(id).ok_or(OutOfMemory)?.facts;
        self.sched_control.configure_flags(context, budget_us, period_us, 0, u64::from(id), 0)?;
        let badge = FAULT_BADGE | u64::from(id) | u64::from(number) << THREAD_BADGE_SHIFT;
        let fault_slot = self.memory.kernel().slots.take(1).ok_or(OutOfMemory)?;
        let place = own_slot(fault_slot);
        let endpoint = AbsoluteSlot::in_cspace(initial::CNODE, self.endpoint.cptr());
        let configured = place.mint(endpoint, CALL_RIGHTS, badge).and_then(|()| {
            let handler = Cap::new(u64::from(fault_slot));
            tcb.set_sched_params(initial::TCB, 0, priority.into(), context, handler)
        });
        // The thread keeps a copy.
        let _ = place.delete();
        self.memory.kernel().slots.give(fault_slot, 1);
        Ok(configured?)
    }

    /// A thread of a server's has ended: gives back what it had, and tells who waits for it.
    pub fn thread_exit(&mut self, id: ServerId, number: u64) -> Outcome {
        let server = self.server_mut(id).ok_or(ServiceError::Refused)?;
        let place = server.threads.place_of(number).ok_or(ServiceError::NotFound)?;
        let thread = server.threads.table[place].take().ok_or(ServiceError::NotFound)?;
        server.facts.cpu_us += thread.context.consumed().unwrap_or(0);
        self.pieces.drop_piece(&mut self.memory, thread.objects);
        self.unmap_range(id, thread.memory.0, thread.memory.1);
        if let Some(joiner) = thread.joiner {
            self.answer_through(joiner.cap, Ok(Answer::Done));
            joiner.free(&mut self.memory);
        }
        Ok(Answer::None)
    }

    /// Answers when a thread of a server's has ended.
    pub fn join_thread(&mut self, id: ServerId, number: u64) -> Outcome {
        let threads = &self.server(id).ok_or(ServiceError::Refused)?.threads;
        let Some(place) = threads.place_of(number) else {
            let was = (1..=u64::from(threads.last)).contains(&number);
            return if was { Ok(Answer::Done) } else { Err(ServiceError::NotFound.into()) };
        };
        if threads.table[place].as_ref().is_some_and(|thread| thread.joiner.is_some()) {
            return Err(ServiceError::InUse.into());
        }
        let reply = self.put_aside()?;
        if let Some(Some(thread)) = self.server_mut(id).map(|server| &mut server.threads.table[place]) {
            thread.joiner = Some(reply);
        }
        Ok(Answer::None)
    }

    /// A server ended: nobody waits for its threads any more.
    pub fn forget_joiners(&mut self, id: ServerId) {
        for place in 0..MAX_THREADS - 1 {
            let thread = self.server_mut(id).and_then(|server| server.threads.table[place].as_mut());
            if let Some(joiner) = thread.and_then(|thread| thread.joiner.take()) {
                joiner.free(&mut self.memory);
            }
        }
    }
}
