//! The service loop: memory, names, lines to print; faults of servers go to `fault`.
use libsel::abi::{CapRights, ObjectType};
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, Cap, Reply};
use libsel::ipc::Message;
use libsel::println;
use libsel::proto::root::{MemoryStats, RootRequest};
use libsel::proto::start::slot::SIGNAL;
use libsel::proto::{Outgoing, ServiceError};
use roottask::{clean, exit};

use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::memory::untyped;
use super::server::{Server, ServerId, is_admin, sender};
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
