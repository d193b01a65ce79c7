//! The service loop: memory, names, lines to print, and the faults of servers.
use libsel::abi::{CapRights, ObjectType};
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, Cap, Reply};
use libsel::fault::Fault;
use libsel::ipc::Message;
use libsel::proto::root::{MemoryStats, RootRequest};
use libsel::proto::start::slot::SIGNAL;
use libsel::proto::{Outgoing, ServiceError};
use libsel::{print, println};
use roottask::{clean, exit};

use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::memory::untyped;
use super::promise::Touch;
use super::server::{Server, ServerId, THREAD_BADGE_SHIFT, is_admin, sender};
use super::window::read_panic;
use super::{Root, own_slot, report};

/// log2 of the bytes of a reply object.
const REPLY_BITS: u8 = ObjectType::Reply.object_bits(0) as u8;

impl Root {
    /// Serves until the boot script is done, or for ever.
    pub fn serve(mut self) -> ! {
        loop {
            self.end_if_done();
            let message = self.endpoint.recv(self.reply.cap);
            if message.badge & SIGNAL != 0 {
                self.alarm_came();
                continue;
            }
            let answer = match sender(message.badge) {
                _ if is_admin(message.badge) => self.admin(&message),
                Some((id, true)) => self.fault(id, &message),
                Some((id, false)) if self.server(id).is_some() => self.request(id, &message),
                _ => Err(ServiceError::Refused.into()),
            };
            self.answer(answer);
        }
    }

    /// A server that runs.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(usize::from(id)).and_then(Option::as_ref)
    }

    /// A server that runs, to be changed.
    pub fn server_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.servers.get_mut(usize::from(id)).and_then(Option::as_mut)
    }

    fn answer(&mut self, answer: Outcome) {
        self.answer_through(self.reply.cap, answer);
    }

    /// Answers the one who waits in this reply object.
    pub fn answer_through(&mut self, reply: Cap<Reply>, answer: Outcome) {
        match answer {
            Ok(Answer::None) => {}
            Ok(Answer::Done) => Outgoing::reply(&()).answer(reply),
            Ok(Answer::Mapped(mapped)) => Outgoing::reply(&mapped).answer(reply),
            Ok(Answer::Stats(stats)) => Outgoing::reply(&stats).answer(reply),
            Ok(Answer::Words(words)) => Outgoing::reply(&words).answer(reply),
            Ok(Answer::Capability(slot)) => {
                Outgoing::reply(&()).with_cap(u64::from(slot)).answer(reply);
                let _ = own_slot(slot).delete();
                self.memory.kernel().slots.give(slot, 1);
            }
            Err(ServiceErrorOf(error)) => Outgoing::refusal(error).answer(reply),
        }
    }

    fn request(&mut self, id: ServerId, message: &Message) -> Outcome {
        match RootRequest::from_message(message)? {
            RootRequest::Map(map) => self.map(id, &map),
            RootRequest::Unmap(unmap) => self.unmap(id, &unmap),
            RootRequest::Grow(grow) => self.grow(id, &grow),
            RootRequest::Share(share) => self.share(id, &share),
            RootRequest::Grant(grant) => self.grant(id, &grant),
            RootRequest::Attach(attach) => self.attach(id, &attach),
            RootRequest::Detach(detach) => self.detach(id, &detach),
            RootRequest::MapDma(map) => self.map_dma(id, &map),
            RootRequest::MapDevice(map) => self.map_device(id, &map),
            RootRequest::Framebuffer(_) => self.framebuffer(),
            RootRequest::BootFile(file) => self.boot_file(file.index),
            RootRequest::MapBootFile(map) => self.map_boot_file(id, &map),
            RootRequest::Stats(_) => {
                let free_bytes = self.memory.stats().free;
                let server = self.server(id).ok_or(ServiceError::Refused)?;
                Ok(Answer::Stats(MemoryStats {
                    mapped_bytes: server.mapped_bytes,
                    peak_bytes: server.peak_bytes,
                    ranges: server.ranges,
                    room: self.pieces.room(id),
                    free_bytes,
                }))
            }
            RootRequest::Lookup(lookup) => self.lookup(id, lookup.name),
            RootRequest::NewThread(request) => self.new_thread(id, &request),
            RootRequest::ThreadExit(exit) => self.thread_exit(id, exit.thread),
            RootRequest::JoinThread(join) => self.join_thread(id, join.thread),
            RootRequest::Guard(guard) => self.guard(id, guard.address),
            RootRequest::Alarm(alarm) => self.alarm_of(id, alarm.ticks),
            RootRequest::Gone(_) => self.next_gone(id),
            RootRequest::ClientName(request) => self.client_name(request.client),
            RootRequest::NewReply(_) => self.new_reply(id),
            RootRequest::Log(log) => {
                if let Some(server) = self.server(id) {
                    for line in clean::lines(log.text.as_bytes()) {
                        println!("root: {} says: {line}", server.name);
                    }
                }
                Ok(Answer::Done)
            }
            RootRequest::TakeLog(_) if self.is_console(id) => Ok(Answer::of(&super::log::take())),
            RootRequest::TakeLog(_) => Err(ServiceError::Refused.into()),
            RootRequest::Exit(exit) => {
                if let Some(server) = self.server(id) {
                    println!("root: {} ended with code {}", server.name, exit.code);
                }
                self.trouble |= exit.code != 0;
                self.ended(id, exit.code != 0);
                Ok(Answer::None)
            }
        }
    }

    /// A new reply object of a server's.
    fn new_reply(&mut self, id: ServerId) -> Outcome {
        let server = self.server(id).ok_or(ServiceError::Refused)?;
        let place = server.replies.iter().position(|slot| *slot == 0).ok_or(ServiceError::OutOfMemory)?;
        let (block, first) = self.pieces.objects(&mut self.memory, id, REPLY_BITS, 1)?;
        if let Some(server) = self.server_mut(id) {
            server.replies[place] = first;
        }
        let made: Result<Cap<Reply>, _> = untyped(block).retype_one(0, initial::CNODE, u64::from(first));
        let slot = self.memory.kernel().slots.take(1).ok_or(ServiceError::OutOfMemory)?;
        let copied = made.and_then(|reply| {
            own_slot(slot).copy(AbsoluteSlot::in_cspace(initial::CNODE, reply.cptr()), CapRights::ALL)
        });
        if copied.is_err() {
            self.memory.kernel().slots.give(slot, 1);
            return Err(ServiceError::OutOfMemory.into());
        }
        Ok(Answer::Capability(slot))
    }

    /// A server touched memory that it was promised, and goes on; or did something that it cannot go on from: says so and
    /// gives back what it had.
    fn fault(&mut self, id: ServerId, message: &Message) -> Outcome {
        let fault = Fault::decode(message);
        let touch = fault.map_or(Touch::Foreign, |fault| self.touch_by_fault(id, &fault));
        let Some(server) = self.server(id).filter(|_| touch != Touch::Mapped) else {
            return Ok(Answer::Done);
        };
        let (name, page) = (server.name, server.start_page);
        match message.badge >> THREAD_BADGE_SHIFT {
            0 => print!("root: {name} (server {id}) stopped"),
            thread => print!("root: {name} (server {id}, thread {thread}) stopped"),
        }
        match fault {
            Some(fault) if touch == Touch::OutOfMemory => {
                println!(": out of memory that it was promised: {fault}")
            }
            Some(fault) => println!(": {fault}"),
            None => println!("; its fault has the unknown label {}", message.label()),
        }
        let _ = page.unmap();
        let _ = self.with_page(page, |page| {
            read_panic(page, |text| {
                for line in clean::lines(text.as_bytes()) {
                    println!("root: {name} said: {line}");
                }
            })
        });
        // A service that is started again is no trouble.
        self.trouble |= !self.server(id).is_some_and(|server| server.is_service);
        self.ended(id, true);
        Ok(Answer::None)
    }

    /// Ends the machine when every server that ends has ended, if that was asked for.
    fn end_if_done(&mut self) {
        let Some((port, number)) = self.exit_port else { return };
        if self.servers.iter().flatten().any(|server| !server.is_service) {
            return;
        }
        self.memory.trim();
        report::memory(self);
        report::free_blocks(self);
        println!("root: the boot script is done");
        let _ = port.out8(number, exit::CODE_BASE + u8::from(self.trouble));
        println!("root: the exit port {number:#x} does not work");
        self.exit_port = None;
    }
}
