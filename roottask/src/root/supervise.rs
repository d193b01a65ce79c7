//! What becomes of servers that end: who is told, and when they run again.
use libsel::abi::CapRights;
use libsel::bootinfo::initial;
use libsel::cap::{Cap, Notification};
use libsel::println;
use libsel::proto::start::slot;
use libsel::proto::{Name, Outgoing, ServiceError};
use libsel::rt::ticks;
use roottask::loader::PAGE;
use roottask::manifest::{Entry, MAX_THREADS};
use roottask::restart::{History, Next};

use super::answer::{Answer, Outcome};
use super::memory::ReplyObject;
use super::pieces::OutOfMemory;
use super::server::{MAX_SERVERS, ServerId};
use super::{CALL_RIGHTS, Root, own_slot};

/// A server of the manifest, whether it runs or not.
pub struct Program {
    /// Its name.
    pub name: Name,
    /// What the manifest says about it.
    pub entry: Entry<'static>,
    /// Its image: address and bytes of the boot module.
    pub image: (u64, u64),
    /// Where it is now.
    pub state: State,
    /// Its restarts.
    pub history: History,
    /// When it was started, in TSC ticks.
    started: u64,
}

/// Whether a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// As a server.
    Running,
    /// From this time on, in TSC ticks.
    Waiting(u64),
    /// Not any more: it failed, or did not start.
    Down,
    /// Not any more: it ended as intended.
    Ended,
}

/// A client that asked for a service which does not run now.
#[derive(Clone, Copy)]
pub struct Parked {
    client: ServerId,
    name: Name,
    reply: ReplyObject,
}

/// All that can wait for a service at a time: every thread.
const MAX_WAITING: usize = MAX_SERVERS * MAX_THREADS;

/// What supervision knows.
pub struct Supervision {
    programs: [Option<Program>; MAX_SERVERS],
    parked: [Option<Parked>; MAX_WAITING],
}

impl Supervision {
    /// Nothing yet.
    pub const fn new() -> Self {
        Supervision { programs: [const { None }; MAX_SERVERS], parked: [None; MAX_WAITING] }
    }

    /// The server of this name.
    pub fn program(&mut self, name: Name) -> Option<&mut Program> {
        self.programs.iter_mut().flatten().find(|program| program.name == name)
    }

    /// Takes out one of those who wait.
    fn unpark(&mut self, is_meant: impl Fn(&Parked) -> bool) -> Option<Parked> {
        self.parked.iter_mut().find_map(|place| place.take_if(|parked| is_meant(parked)))
    }

    /// How often the server of this name was started again.
    pub fn restarts(&self, name: Name) -> u64 {
        let found = self.programs.iter().flatten().find(|program| program.name == name);
        found.map_or(0, |program| program.history.total.into())
    }

    /// One of the programs that wait to run again or do not run any more.
    pub fn resting(&self, index: usize) -> Option<&Program> {
        self.programs.iter().flatten().filter(|program| program.state != State::Running).nth(index)
    }
}

impl Root {
    /// A server of the manifest is started for the first time.
    pub fn add_program(&mut self, name: Name, entry: Entry<'static>, image: (u64, u64)) {
        let program = Program {
            name,
            entry,
            image,
            state: State::Running,
            history: History::default(),
            started: ticks(),
        };
        if let Some(free) = self.supervision.programs.iter_mut().find(|place| place.is_none()) {
            *free = Some(program);
        }
    }

    /// A server of the manifest could not be started: nobody waits for it any more.
    pub fn not_started(&mut self, name: Name) {
        if let Some(program) = self.supervision.program(name) {
            program.state = State::Down;
        }
        self.answer_parked(name);
    }

    /// A server ended: gives back what it had, tells its services, and decides whether it runs again.
    pub fn ended(&mut self, id: ServerId, failed: bool) {
        let Some(name) = self.server(id).map(|server| server.name) else { return };
        self.forget(id);
        self.tell_services(id);
        self.unpark_client(id);
        let Some(program) = self.supervision.program(name) else { return };
        let ran = ticks().saturating_sub(program.started);
        let next = program.history.ended(program.entry.restart, failed, self.alarm.milliseconds(ran));
        match next {
            Next::After(wait) => {
                println!("root: {name} starts again in {wait} ms");
                program.state = State::Waiting(ticks().saturating_add(self.alarm.ticks(wait)));
                self.set_alarm();
            }
            Next::Ended | Next::GivenUp => {
                program.state = if failed { State::Down } else { State::Ended };
                if next == Next::GivenUp {
                    println!("root: {name} failed {} times and stays down", program.history.total + 1);
                    self.trouble = true;
                }
                self.answer_parked(name);
            }
        }
    }

    /// Marks a server's end at those whose client it was.
    fn tell_services(&mut self, client: ServerId) {
        for id in 1..MAX_SERVERS as ServerId {
            let Some(server) = self.server_mut(id) else { continue };
            if server.clients & 1 << client != 0 {
                server.clients &= !(1 << client);
                server.gone |= 1 << client;
                self.signal(id, slot::CLIENT_GONE);
            }
        }
    }

    /// Signals a server's notification. Without a slot for the capability it is lost; the next one brings it up again.
    fn signal(&mut self, id: ServerId, bits: u64) {
        let Some(notification) = self.server(id).map(|server| server.notification) else { return };
        let Some(slot) = self.memory.kernel().slots.take(1) else { return };
        let from = initial::CNODE.at(notification.cptr());
        if own_slot(slot).mint(from, CapRights::WRITE, slot::SIGNAL | bits).is_ok() {
            Cap::<Notification>::new(u64::from(slot)).signal();
            let _ = own_slot(slot).delete();
        }
        self.memory.kernel().slots.give(slot, 1);
    }

    /// The next client of a service that has ended, 0 if there is none.
    pub fn next_gone(&mut self, id: ServerId) -> Outcome {
        let server = self.server_mut(id).ok_or(ServiceError::Refused)?;
        let next = server.gone.trailing_zeros() % u32::BITS;
        server.gone &= server.gone.wrapping_sub(1);
        Ok(Answer::of(&u64::from(next)))
    }

    /// The name of a client.
    pub fn client_name(&self, client: u64) -> Outcome {
        let id = ServerId::try_from(client).map_err(|_| ServiceError::NotFound)?;
        Ok(Answer::of(&self.server(id).ok_or(ServiceError::NotFound)?.name))
    }

    /// Signals a server after so many ticks; 0 takes that back.
    pub fn alarm_of(&mut self, id: ServerId, delay: u64) -> Outcome {
        let server = self.server_mut(id).ok_or(ServiceError::Refused)?;
        server.alarm = (delay != 0).then(|| ticks().saturating_add(delay));
        self.set_alarm();
        Ok(Answer::Done)
    }

    /// Sets the alarm for what comes first, if that is earlier than what it is set for.
    fn set_alarm(&mut self) {
        let waiting = |program: &Program| match program.state {
            State::Waiting(time) => Some(time),
            _ => None,
        };
        let restarts = self.supervision.programs.iter().flatten().filter_map(waiting);
        let alarms = self.servers.iter().flatten().filter_map(|server| server.alarm);
        if let Some(first) = restarts.chain(alarms).min()
            && self.alarm.set_for.is_none_or(|set_for| first < set_for)
        {
            self.alarm.set(self.sched_control, first);
        }
    }

    /// The alarm came: does what is due, and sets it again.
    pub fn alarm_came(&mut self) {
        self.alarm.set_for = None;
        let time = ticks();
        for id in 1..MAX_SERVERS as ServerId {
            if let Some(server) = self.server_mut(id)
                && server.alarm.is_some_and(|due| due <= time)
            {
                server.alarm = None;
                self.signal(id, slot::ALARM);
            }
        }
        for place in 0..MAX_SERVERS {
            if let Some(Some(program)) = self.supervision.programs.get(place)
                && matches!(program.state, State::Waiting(due) if due <= time)
            {
                self.restart(program.name);
            }
        }
        self.set_alarm();
    }

    fn restart(&mut self, name: Name) {
        let Some(program) = self.supervision.program(name) else { return };
        let (entry, (paddr, size)) = (program.entry, program.image);
        program.started = ticks();
        program.state = State::Running;
        match self.spawn(&entry, paddr, size) {
            Ok(()) => {
                println!("root: {name} runs again");
                self.answer_parked(name);
            }
            Err(error) => {
                println!("root: cannot start {name} again: {error}");
                self.trouble = true;
                self.not_started(name);
            }
        }
    }

    /// Gives a client the endpoint of a service. While the service does not run but will again, the client waits.
    pub fn lookup(&mut self, client: ServerId, name: Name) -> Outcome {
        let server = self.server(client).ok_or(ServiceError::Refused)?;
        if !server.uses.allows(name.as_str()) {
            return Err(ServiceError::Refused.into());
        }
        if self.servers.iter().flatten().any(|server| server.name == name) {
            return self.endpoint_for(client, name);
        }
        match self.supervision.program(name).map(|program| program.state) {
            None if !self.all_started => self.park(client, name),
            None => Err(ServiceError::NotFound.into()),
            Some(State::Down | State::Ended) => Err(ServiceError::Gone.into()),
            Some(_) => self.park(client, name),
        }
    }

    fn endpoint_for(&mut self, client: ServerId, name: Name) -> Outcome {
        let found = self.servers.iter_mut().flatten().find(|server| server.name == name);
        let server = found.ok_or(ServiceError::NotFound)?;
        server.clients |= 1 << client;
        let from = initial::CNODE.at(server.service.cptr());
        let slot = self.memory.kernel().slots.take(1).ok_or(ServiceError::OutOfMemory)?;
        if own_slot(slot).mint(from, CALL_RIGHTS, u64::from(client)).is_err() {
            self.memory.kernel().slots.give(slot, 1);
            return Err(ServiceError::Refused.into());
        }
        Ok(Answer::Capability(slot))
    }

    /// Lets the client that asks now wait.
    fn park(&mut self, client: ServerId, name: Name) -> Outcome {
        let free =
            self.supervision.parked.iter().position(Option::is_none).ok_or(ServiceError::OutOfMemory)?;
        let reply = self.put_aside()?;
        self.supervision.parked[free] = Some(Parked { client, name, reply });
        Ok(Answer::None)
    }

    /// Puts the reply object aside in which the one waits who asks now; another one takes its place.
    pub fn put_aside(&mut self) -> Result<ReplyObject, OutOfMemory> {
        let fresh = ReplyObject::new(&mut self.memory)?;
        Ok(core::mem::replace(&mut self.reply, fresh))
    }

    /// Answers those who wait for a service: it runs, or never will.
    pub fn answer_parked(&mut self, name: Name) {
        while let Some(parked) = self.supervision.unpark(|parked| parked.name == name) {
            let answer = self.lookup_now(parked.client, name);
            self.answer_through(parked.reply.cap, answer);
            parked.reply.free(&mut self.memory);
        }
    }

    fn lookup_now(&mut self, client: ServerId, name: Name) -> Outcome {
        let runs = self.servers.iter().flatten().any(|server| server.name == name);
        if runs { self.endpoint_for(client, name) } else { Err(ServiceError::Gone.into()) }
    }

    /// A client that waited has ended.
    fn unpark_client(&mut self, client: ServerId) {
        while let Some(parked) = self.supervision.unpark(|parked| parked.client == client) {
            parked.reply.free(&mut self.memory);
        }
    }

    /// Every server of the manifest was started once: names that nobody has are unknown from now on.
    pub fn all_started(&mut self) {
        self.all_started = true;
        for place in 0..MAX_WAITING {
            if let Some(Some(parked)) = self.supervision.parked.get(place) {
                let name = parked.name;
                let known = self.supervision.program(name).is_some();
                if !known {
                    self.answer_parked(name);
                }
            }
        }
    }

    /// Takes a page out of a server's image.
    pub fn guard(&mut self, id: ServerId, address: u64) -> Outcome {
        // The image's ranges carry no tag: the piece is found by its address.
        let found = self.pieces.image_at(id, address).filter(|_| address.is_multiple_of(PAGE));
        let (piece, page) = found.ok_or(ServiceError::NotFound)?;
        self.pieces.drop_pages(&mut self.memory, piece, page, 1);
        Ok(Answer::Done)
    }

    /// Tells everybody who waits for an answer of a server's that there will be none.
    pub fn refuse_callers(&mut self, id: ServerId) {
        let Some(server) = self.server(id) else { return };
        for slot in server.replies.iter().filter(|slot| **slot != 0) {
            Outgoing::refusal(ServiceError::Gone).answer(Cap::new(u64::from(*slot)));
        }
        Outgoing::refusal(ServiceError::Gone).answer(server.reply);
    }
}
