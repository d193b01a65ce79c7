//! The supervisor: hands out records, answers faults, gets threads going again, and rebuilds the world.
//!
//! It runs above all hostile threads and waits at one endpoint, for faults, and for two signals of its helpers: nothing
//! else can run, and time has passed. A thread that makes no progress is helped, each time more thoroughly: started
//! again, equipped again, given a new TCB. If that does not help the whole world is made anew.

use libsel::abi::fault::{cap_fault, unknown_syscall, user_exception, vm_fault};
use libsel::abi::{Error, FaultType, MessageInfo, Register, Word};
use libsel::ipc::Message;
use libsel::{Result, sys};

use super::code;
use super::generate::{self, Generator, Kind};
use super::helpers::{IDLE, TICK};
use super::machine::{Machine, thread_of_badge};
use super::occupancy::Occupancy;
use super::random::Random;
use super::shared::{self, BATCH, NO_RESULT, THREADS, buffer_address};
use super::tally::{Tally, WorldEnd};
use super::world::{World, is_deep};

/// A world is made anew after so many operations: its memory is used up and its capabilities are in disorder.
const WORLD_OPERATIONS: u64 = 5_000;
/// Ticks without any progress until the world is made anew.
const PATIENCE_TICKS: u64 = 6;
/// Operations of others after which a thread is helped.
const PATIENCE_OPERATIONS: u64 = 300;
/// Least time from one help for a thread to the next, by how thorough it is: it may only be waiting for its budget.
const PATIENCE_US: [u64; 3] = [200, 1000, 4000];
/// Faults of a thread without a record in between after which it is helped.
const PATIENCE_FAULTS: u64 = 4;
/// What answers leave in flags: the usual ones.
const FLAGS: Word = 0x202;

/// What the supervisor knows of a thread.
#[derive(Clone, Copy)]
struct Watched {
    /// What its records are.
    kinds: [Kind; BATCH as usize],
    /// Records counted.
    counted: usize,
    /// Operations of all threads when it last made progress.
    progress_at: u64,
    /// How often it was helped since.
    helped: usize,
    /// Records of this batch that did not end or had no capability to work on.
    bad: u64,
    /// Time of the last help, in TSC ticks.
    helped_at: u64,
    /// Faults without any record in between, and the records begun at the last one.
    stalled: (u64, Word),
}

/// The state of the attack.
pub struct Supervisor<'a> {
    machine: &'a Machine<'a>,
    world: World<'a>,
    random: Random,
    /// Outcomes so far.
    pub tally: Tally,
    threads: [Watched; THREADS],
    occupancy: Occupancy,
    world_began: u64,
    tick_operations: u64,
    ticks: u64,
    next_helped: usize,
    /// The world cannot be helped.
    broken: bool,
}

impl<'a> Supervisor<'a> {
    /// Before the first world.
    pub fn new(machine: &'a Machine<'a>) -> Self {
        let watched = Watched {
            kinds: [Kind::Odd; BATCH as usize],
            counted: BATCH as usize,
            progress_at: 0,
            helped: 0,
            helped_at: 0,
            bad: 0,
            stalled: (0, 0),
        };
        Supervisor {
            machine,
            world: World::new(machine),
            random: Random::new(machine.seed),
            tally: Tally::new(),
            threads: [watched; THREADS],
            occupancy: Occupancy::new(),
            world_began: 0,
            tick_operations: 0,
            ticks: 0,
            next_helped: 0,
            broken: false,
        }
    }

    /// Attacks until so many operations are done, and takes everything back.
    ///
    /// # Errors
    /// What the supervisor relies on failed.
    pub fn round(&mut self, operations: u64) -> Result<()> {
        self.create()?;
        let mut message = self.receive();
        while self.tally.operations < operations {
            let answer = self.handle(message);
            if let Some(end) = self.world_end() {
                self.tally.ended[end as usize] += 1;
                self.world.destroy()?;
                self.create()?;
            }
            message = match answer {
                Some((info, mrs)) => {
                    let (endpoint, reply) = (self.machine.endpoint(), self.machine.reply());
                    sys::reply_recv(endpoint.cptr(), info, mrs, reply.cptr()).into()
                }
                None => self.receive(),
            };
        }
        self.world.destroy()
    }

    /// Why the world has to be made anew now, if it has to.
    fn world_end(&self) -> Option<WorldEnd> {
        if self.broken {
            Some(WorldEnd::Broken)
        } else if self.ticks > PATIENCE_TICKS {
            Some(WorldEnd::Stuck)
        } else if self.tally.operations - self.world_began > WORLD_OPERATIONS {
            Some(WorldEnd::Old)
        } else {
            None
        }
    }

    fn receive(&self) -> Message {
        sys::recv(self.machine.endpoint().cptr(), self.machine.reply().cptr()).into()
    }

    fn create(&mut self) -> Result<()> {
        for thread in 0..THREADS {
            shared::reset(thread);
        }
        self.world.create(&mut self.random)?;
        self.broken = false;
        self.occupancy = Occupancy::new();
        self.tally.worlds += 1;
        self.world_began = self.tally.operations;
        (self.ticks, self.tick_operations) = (0, self.tally.operations);
        for watched in &mut self.threads {
            (watched.counted, watched.progress_at, watched.helped) =
                (BATCH as usize, self.tally.operations, 0);
        }
        Ok(())
    }

    /// Deals with a fault, a message or a signal; the answer, if there is one to give.
    fn handle(&mut self, message: Message) -> Option<(MessageInfo, sys::MessageRegisters)> {
        if let Some(thread) = thread_of_badge(message.badge) {
            return self.fault(thread, &message);
        }
        if message.badge & TICK != 0 {
            self.tick();
        }
        if message.badge & IDLE != 0 {
            self.idle();
        }
        None
    }

    fn fault(&mut self, thread: usize, message: &Message) -> Option<(MessageInfo, sys::MessageRegisters)> {
        let kind = FaultType::from_raw(message.label());
        let at_end =
            kind == Some(FaultType::UserException) && message.word(user_exception::IP) == code::refill();
        if at_end {
            // It may be doing another thread's records.
            (0..THREADS)
                .filter(|thread| shared::begun(*thread) >= BATCH)
                .for_each(|thread| self.next_batch(thread));
        } else {
            self.tally.fault(message.label());
            self.count(thread);
            if kind != Some(FaultType::Timeout) {
                self.watch_stalled(thread);
            }
        }
        if kind == Some(FaultType::CapFault) {
            let cptr = message.word(cap_fault::ADDRESS);
            self.occupancy.set(if is_deep(thread) { cptr >> 8 } else { cptr }, false);
        }
        let lost_buffer = kind == Some(FaultType::VmFault)
            && message.word(vm_fault::ADDRESS) & !0xfff == buffer_address(thread);
        if lost_buffer {
            self.broken |= self.world.renew_buffer(thread).is_err();
        }
        let next = code::entry();
        match kind {
            Some(FaultType::UserException) if !self.random.one_in(8) => {
                let info = MessageInfo::new(0, 0, 0, 3);
                Some((info, [next, self.random.edge(), FLAGS, 0]))
            }
            Some(FaultType::UnknownSyscall) if !self.random.one_in(4) => {
                if let Some(buffer) = libsel::ipc::buffer() {
                    for (index, register) in unknown_syscall::REGISTERS.into_iter().enumerate().skip(4) {
                        let value = match register {
                            Register::Rip => next,
                            Register::Rflags => FLAGS,
                            _ => self.random.edge(),
                        };
                        buffer.set_word(index, value);
                    }
                }
                Some((MessageInfo::new(0, 0, 0, unknown_syscall::REGISTERS.len()), [0; 4]))
            }
            Some(FaultType::Timeout) if !self.random.one_in(8) => {
                Some((MessageInfo::new(0, 0, 0, 0), [0; 4]))
            }
            // A message, or a fault that only other registers end.
            _ => {
                let _ = self.world.restart(thread);
                None
            }
        }
    }

    /// A thread that faults without doing any record has lost more than its registers.
    fn watch_stalled(&mut self, thread: usize) {
        let begun = shared::begun(thread);
        let (count, at) = self.threads[thread].stalled;
        let count = if at == begun { count + 1 } else { 0 };
        self.threads[thread].stalled = (count, begun);
        if count % PATIENCE_FAULTS == PATIENCE_FAULTS - 1 {
            self.tally.helped[1] += 1;
            self.equip(thread);
            self.broken |= count > 4 * PATIENCE_FAULTS;
        }
    }

    /// Counts what `thread` has done since the last look.
    fn count(&mut self, thread: usize) {
        let watched = &mut self.threads[thread];
        let begun = (shared::begun(thread) as usize).min(BATCH as usize);
        if begun <= watched.counted {
            return;
        }
        for number in watched.counted..begun {
            match shared::result(thread, number) {
                NO_RESULT => {
                    self.tally.unfinished();
                    watched.bad += 1;
                }
                info => {
                    let (kind, info) = (watched.kinds[number], MessageInfo(info));
                    let answer = info.label();
                    self.tally.record(kind, info);
                    if let Kind::Invocation(label, concerned) = kind {
                        self.occupancy.learn(label, concerned, answer);
                        watched.bad += u64::from(answer == Error::InvalidCapability.raw());
                    }
                }
            }
        }
        watched.counted = begun;
        (watched.progress_at, watched.helped) = (self.tally.operations, 0);
    }

    /// Counts the batch that `thread` has begun to the end, and gives it the next one.
    fn next_batch(&mut self, thread: usize) {
        self.count(thread);
        // Where next to nothing works, the thread's spaces are not what they should be.
        if self.threads[thread].bad > BATCH * 2 / 3 {
            self.equip(thread);
        }
        self.refill(thread);
    }

    /// Gives `thread` its next records.
    fn refill(&mut self, thread: usize) {
        let max_us = self.machine.max_us();
        for number in 0..BATCH as usize {
            let (record, kind) = Generator::new(&mut self.random, &self.occupancy, max_us, thread).next();
            shared::set_record(thread, number, &record);
            self.threads[thread].kinds[number] = kind;
        }
        (self.threads[thread].counted, self.threads[thread].bad) = (0, 0);
        shared::start_batch(thread);
        if self.random.one_in(2) {
            generate::by_supervisor(self.machine, &self.world, &mut self.random, &mut self.tally);
        }
        if self.random.one_in(2) {
            // There may be no such thread.
            let _ = self.world.adopt(&mut self.random);
        }
        self.world.give_ports(&mut self.occupancy);
        if self.random.one_in(8) {
            self.world.give_controls();
        }
        self.help_the_stuck();
        self.broken |= !self.world.is_alive();
    }

    /// Helps the next of the threads that have not done anything for long.
    fn help_the_stuck(&mut self) {
        for _ in 0..THREADS {
            self.next_helped = (self.next_helped + 1) % THREADS;
            let thread = self.next_helped;
            self.count(thread);
            if self.tally.operations - self.threads[thread].progress_at > PATIENCE_OPERATIONS {
                self.help(thread);
                self.threads[thread].progress_at = self.tally.operations;
                return;
            }
        }
    }

    /// Gives `thread` all that it needs, a new TCB too if there is none.
    fn equip(&mut self, thread: usize) {
        if self.world.equip(thread, &mut self.random).is_err() {
            self.broken |= self.world.renew(thread, &mut self.random).is_err();
        }
    }

    /// Gets `thread` going again, more thoroughly each time.
    fn help(&mut self, thread: usize) {
        let watched = &mut self.threads[thread];
        let level = (watched.helped / 2).min(2);
        let wait_us = PATIENCE_US[level];
        let now = libsel::rt::ticks();
        if now - watched.helped_at < wait_us * self.machine.ticks_per_us {
            return;
        }
        watched.helped_at = now;
        watched.helped += 1;
        self.tally.helped[level] += 1;
        let result = match level {
            0 => self.world.restart(thread),
            1 => self.world.equip(thread, &mut self.random),
            _ => self.world.renew(thread, &mut self.random),
        };
        // It has lost its TCB or what belongs to it: the next help is a greater one.
        if result.is_err() {
            self.threads[thread].helped += 2;
        }
    }

    /// No hostile thread can run: one of them is set going.
    fn idle(&mut self) {
        self.next_helped = (self.next_helped + 1) % THREADS;
        let thread = self.next_helped;
        self.count(thread);
        self.help(thread);
    }

    /// Time has passed: threads that have not done anything meanwhile are helped.
    fn tick(&mut self) {
        (0..THREADS).for_each(|thread| self.count(thread));
        if self.tally.operations > self.tick_operations {
            (self.ticks, self.tick_operations) = (0, self.tally.operations);
            return;
        }
        self.ticks += 1;
        self.broken |= !self.world.is_alive();
        (0..THREADS).for_each(|thread| self.help(thread));
    }
}
