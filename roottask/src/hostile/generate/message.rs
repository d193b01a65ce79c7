//! Messages through endpoints, notifications and reply objects; and the form of every invocation.

use libsel::abi::{CPtr, Label, MessageInfo, Syscall, Word};

use super::super::classes::Class;
use super::super::occupancy::Concerned;
use super::super::shared::{RECORD_WORDS, Record};
use super::{Generator, Kind, register};

/// Words of a request at most.
const WORDS: usize = 24;
/// Labels of messages start here, so that no answer looks like the kernel's.
const FIRST_LABEL: Word = 64;

/// An invocation before it becomes a record.
pub struct Request {
    /// The invoked capability.
    pub target: CPtr,
    /// Its label.
    pub label: Word,
    /// Message words.
    pub words: [Word; WORDS],
    /// Number of message words.
    pub count: usize,
    /// Extra capabilities.
    pub caps: [CPtr; 3],
    /// Number of extra capabilities.
    pub caps_count: usize,
    /// Slots of the root that it concerns.
    pub concerned: Concerned,
}

impl Request {
    /// An invocation of `target`.
    pub fn new(target: CPtr, words: &[Word], caps: &[CPtr]) -> Self {
        let mut request = Request {
            target,
            label: 0,
            words: [0; WORDS],
            count: words.len(),
            caps: [0; 3],
            caps_count: caps.len(),
            concerned: Concerned::default(),
        };
        request.words[..words.len()].copy_from_slice(words);
        request.caps[..caps.len()].copy_from_slice(caps);
        request
    }

    /// The invoked capability lies in `slot`.
    pub fn invokes(mut self, slot: Word) -> Self {
        self.concerned.invoked = slot as u8;
        self
    }

    /// Success fills `slot`.
    pub fn fills(mut self, slot: Word) -> Self {
        self.concerned.filled = slot as u8;
        self
    }
}

impl Generator<'_> {
    /// An invocation with this label.
    pub(super) fn request(&mut self, label: Label) -> Request {
        let number = label.raw();
        let request = match number {
            0 => {
                let class = self.random.of(&[Class::Tcb, Class::CNode, Class::Untyped, Class::Frame]);
                Request::new(self.pick(class), &[], &[])
            }
            1 => self.retype(),
            2..=17 => self.tcb(label),
            18..=25 => self.cnode(label),
            26..=29 | 50..=58 => self.device(label),
            30..=38 => self.sched(label),
            _ => self.paging(label),
        };
        Request { label: number, ..request }
    }

    /// A system call that sends or receives.
    pub(super) fn message(&mut self, record: &mut Record) -> Kind {
        const CALLS: &[Syscall] = &[
            Syscall::Send,
            Syscall::Send,
            Syscall::NbSend,
            Syscall::NbSend,
            Syscall::Call,
            Syscall::Call,
            Syscall::Recv,
            Syscall::NbRecv,
            Syscall::NbRecv,
            Syscall::Wait,
            Syscall::NbWait,
            Syscall::NbWait,
            Syscall::ReplyRecv,
            Syscall::ReplyRecv,
            Syscall::NbSendRecv,
            Syscall::NbSendWait,
        ];
        let call = self.random.of(CALLS);
        let length = if self.random.one_in(8) { self.random.below(128) } else { self.random.below(8) };
        let label = FIRST_LABEL + self.random.below(1 << 20);
        let info =
            MessageInfo::new(label, self.random.word(), self.random.below(4) as usize, length as usize);
        for cap in &mut record.caps[..3] {
            *cap = match self.random.below(16) {
                0 => self.random.edge(),
                1..8 => self.pick(Class::Any),
                _ => self.port(Class::Endpoint),
            };
        }
        for word in &mut record.words {
            *word = self.random.word();
        }
        record.count = self.random.below(RECORD_WORDS as u64 / 4);
        let (sender, receiver) = (self.sender(), self.receiver());
        let reply = self.port(Class::Reply);
        let registers = &mut record.registers;
        registers[register::RSI] = info.0;
        match call {
            Syscall::Send | Syscall::NbSend | Syscall::Call => registers[register::RDI] = sender,
            _ => registers[register::RDI] = receiver,
        }
        match call {
            Syscall::NbSendRecv => {
                registers[register::R12] = reply;
                registers[register::R13] = sender;
            }
            Syscall::NbSendWait => registers[register::R12] = sender,
            _ => registers[register::R12] = reply,
        }
        let receives = matches!(call, Syscall::Recv | Syscall::NbRecv | Syscall::Wait | Syscall::NbWait);
        if receives {
            // So that it can be seen whether something came.
            record.registers[register::RSI] = 0;
        }
        self.syscall(record, call, if receives { Kind::Receive } else { Kind::Message })
    }

    /// Something that can be sent to.
    fn sender(&mut self) -> CPtr {
        let class = match self.random.below(64) {
            0 => Class::Any,
            1 => Class::Handler,
            2..40 => Class::Endpoint,
            40..52 => Class::Notification,
            _ => Class::Reply,
        };
        self.port(class)
    }

    /// Something that can be received from.
    fn receiver(&mut self) -> CPtr {
        let class = match self.random.below(64) {
            0 => Class::Any,
            1..48 => Class::Endpoint,
            _ => Class::Notification,
        };
        self.port(class)
    }

    /// A capability of `class`: often one of the few that everybody uses, so that threads meet.
    fn port(&mut self, class: Class) -> CPtr {
        if class.ports() > 0 && !self.random.one_in(3) {
            let slot = class.slots().start + self.random.below(class.ports());
            return self.cptr(slot);
        }
        self.pick(class)
    }
}
