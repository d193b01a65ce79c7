//! Invocations of threads (abi.md 7.3).

use libsel::abi::{CNodeCapData, CPtr, Label, Register, Word};

use super::super::classes::{Class, ROOT_BARE, ROOT_FLAT};
use super::super::code;
use super::super::shared::{THREADS, buffer_address, state_address};
use super::super::world::{MAX_PRIORITY, root_data};
use super::Generator;
use super::message::Request;

impl Generator<'_> {
    pub(super) fn tcb(&mut self, label: Label) -> Request {
        let slot = match label {
            // These stop a thread; most of the others keep it going.
            Label::TcbSuspend | Label::TcbCopyRegisters | Label::TcbSetFlags => self.victim(Class::Tcb),
            _ => self.slot(Class::Tcb),
        };
        let target = self.cptr(slot);
        // The thread that the slot held when the world was made.
        let thread = ((slot - Class::Tcb.slots().start) as usize) % THREADS;
        let request = match label {
            Label::TcbReadRegisters => {
                let count = 1 + self.random.below(20);
                let suspend = u64::from(self.random.one_in(8));
                Request::new(target, &[suspend, count], &[])
            }
            Label::TcbWriteRegisters => self.write_registers(target, thread),
            Label::TcbCopyRegisters => {
                let flags = self.random.below(16);
                let source = match self.random.below(8) {
                    0 => self.pick(Class::Tcb),
                    _ => self.cptr(Class::Tcb.slots().start + thread as Word),
                };
                Request::new(target, &[flags], &[source])
            }
            Label::TcbConfigure => {
                let (cspace, data) = self.cspace(thread);
                let (buffer, frame) = self.buffer(thread);
                let vspace = self.vspace(thread);
                Request::new(target, &[data, self.random.word(), buffer], &[cspace, vspace, frame])
            }
            Label::TcbSetSpace => {
                let (cspace, data) = self.cspace(thread);
                let handler = self.handler(thread);
                let vspace = self.vspace(thread);
                Request::new(target, &[data, self.random.word()], &[handler, cspace, vspace])
            }
            Label::TcbSetIpcBuffer => {
                let (buffer, frame) = self.buffer(thread);
                Request::new(target, &[buffer], &[frame])
            }
            Label::TcbSetPriority | Label::TcbSetMcPriority => {
                let priority = self.priority();
                let authority = self.pick(Class::Tcb);
                Request::new(target, &[priority], &[authority])
            }
            Label::TcbSetSchedParams => {
                let (mcp, priority) = (MAX_PRIORITY, self.priority());
                let context = self.random.of(&[Class::SchedContext.slots().start + thread as Word, 0, slot]);
                let context =
                    if context == slot { self.pick(Class::SchedContext) } else { self.cptr(context) };
                let caps = [self.pick(Class::Tcb), context, self.handler(thread)];
                Request::new(target, &[mcp, priority], &caps)
            }
            Label::TcbSetTimeoutEndpoint => {
                let handler = self.handler(thread);
                Request::new(target, &[], &[handler])
            }
            Label::TcbBindNotification => {
                let notification = self.pick(Class::Notification);
                Request::new(target, &[], &[notification])
            }
            Label::TcbSetTlsBase => {
                let base = self.random.edge();
                Request::new(target, &[base], &[])
            }
            Label::TcbSetFlags => {
                let (clear, set) = (self.random.below(4), self.random.below(4));
                Request::new(target, &[clear, set], &[])
            }
            _ => Request::new(target, &[], &[]),
        };
        request.invokes(slot)
    }

    /// Registers with which a thread does records, most of the time.
    fn write_registers(&mut self, target: CPtr, thread: usize) -> Request {
        let mut words = [0; 22];
        words[0] = u64::from(!self.random.one_in(4));
        words[1] = if self.random.one_in(4) { self.random.below(24) } else { 20 };
        for word in &mut words[2..] {
            *word = self.random.edge();
        }
        if !self.random.one_in(6) {
            words[2 + Register::Rip.raw()] = code::entry();
            words[2 + Register::GsBase.raw()] = state_address(thread);
        }
        Request::new(target, &words, &[])
    }

    fn priority(&mut self) -> Word {
        if self.random.one_in(16) { self.random.below(300) } else { 1 + self.random.below(MAX_PRIORITY) }
    }

    /// A CSpace root and the data with which `thread` finds what it expects.
    fn cspace(&mut self, thread: usize) -> (CPtr, Word) {
        let bare = self.cptr(ROOT_BARE);
        match self.random.below(24) {
            0 => (self.pick(Class::CNode), 0),
            1 => (bare, self.random.edge()),
            2 => (bare, CNodeCapData::new(0, self.random.below(64)).0),
            3..8 if root_data(thread).guard_bits() == 56 => (self.cptr(ROOT_FLAT), 0),
            _ => (bare, root_data(thread).0),
        }
    }

    fn vspace(&mut self, thread: usize) -> CPtr {
        if self.random.one_in(24) {
            return self.pick(Class::VSpace);
        }
        let space = u64::from(root_data(thread).guard_bits() != 56);
        self.cptr(Class::VSpace.slots().start + space)
    }

    fn buffer(&mut self, thread: usize) -> (Word, CPtr) {
        let usual = self.cptr(Class::Frame.slots().start + thread as Word);
        match self.random.below(16) {
            0 => (0, usual),
            1 => (self.random.edge(), self.pick(Class::Frame)),
            2 => (buffer_address(thread) + 1024 * self.random.below(5), usual),
            _ => (buffer_address(thread), usual),
        }
    }

    /// An endpoint for faults: the supervisor's, another one, or none.
    fn handler(&mut self, thread: usize) -> CPtr {
        match self.random.below(24) {
            0 if self.random.one_in(4) => 0,
            0 | 1 => self.pick(Class::Endpoint),
            _ => {
                let slot = Class::Handler.slots().start + thread as Word;
                self.cptr(slot)
            }
        }
    }
}
