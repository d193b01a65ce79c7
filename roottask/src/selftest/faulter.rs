//! Threads that execute a piece of [`super::code`] and whose faults the test receives.

use libsel::Cap;
use libsel::abi::{CapRights, FaultType, Register, Syscall, Word};
use libsel::cap::{Endpoint, Reply};
use libsel::fault::Fault;
use libsel::invoke::UserContext;
use libsel::ipc::Message;

use super::coverage::record;
use super::fixture::Fixture;
use super::harness::{Failure, Outcome, equal};
use super::thread::{Options, Thread};

/// Badge of the handler's endpoint capability.
pub const HANDLER_BADGE: Word = 0xbad9e;

/// A thread with a handler that the test plays.
#[derive(Clone, Copy)]
pub struct Faulter {
    /// The thread.
    pub thread: Thread,
    /// Where its faults arrive.
    pub endpoint: Cap<Endpoint>,
    /// Answers them.
    pub reply: Cap<Reply>,
}

/// A fault message with all its words.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Badge of the handler's endpoint capability.
    pub badge: Word,
    /// Fault type.
    pub label: Word,
    words: [Word; 20],
    length: usize,
}

impl Seen {
    fn new(message: Message, faulter: &Faulter) -> Self {
        let mut words = [0; 20];
        let length = message.copy_words(&mut words).len();
        let by_call = [FaultType::CapFault.raw(), FaultType::UnknownSyscall.raw()].contains(&message.label());
        let call = if by_call { faulter.system_call() } else { None };
        record::fault(message.label(), &words[..length], call);
        Seen { badge: message.badge, label: message.label(), words, length }
    }

    /// The words of the message.
    pub fn words(&self) -> &[Word] {
        &self.words[..self.length]
    }

    /// Decoded.
    pub fn fault(&self) -> Option<Fault> {
        Fault::from_words(self.label, self.length, |index| self.words.get(index).copied().unwrap_or(0))
    }

    /// Has to have this label and these words.
    #[track_caller]
    pub fn is(&self, label: Word, words: &[Word]) -> Outcome {
        equal((self.badge, self.label, self.words()), (HANDLER_BADGE, label, words))
    }

    /// Has to be this exception at this address, with this error code.
    #[track_caller]
    pub fn is_exception(&self, ip: Word, number: Word, code: Word) -> Outcome {
        match self.fault() {
            Some(Fault::UserException { ip: at, number: seen, code: with, .. })
                if (at, seen, with) == (ip, number, code) =>
            {
                Ok(())
            }
            _ => Err(Failure::new(format_args!(
                "expected exception {number}, code {code:#x}, at {ip:#x}, seen {self:x?}"
            ))),
        }
    }

    /// Has to be the illegal instruction at `ip`: the thread went on until there.
    #[track_caller]
    pub fn reached(&self, ip: Word) -> Outcome {
        self.is_exception(ip, 6, 0)
    }
}

impl Faulter {
    /// Waits for the next fault.
    pub fn fault(&self) -> Seen {
        Seen::new(self.endpoint.recv(self.reply), self)
    }

    /// Answers the last fault and waits for the next one.
    pub fn answer(&self, label: Word, words: &[Word]) -> Seen {
        let next = self.endpoint.reply_recv(self.reply, label, words, &[]);
        record::answer(true);
        Seen::new(next, self)
    }

    /// Answers the last fault with a label; nothing more may come from the thread.
    #[track_caller]
    pub fn refuse(&self, t: &mut Fixture<'_>, words: &[Word]) -> Outcome {
        self.reply.reply(1, words, &[]);
        t.settle()?;
        equal(self.endpoint.nb_recv(self.reply).badge, 0)?;
        record::answer(false);
        Ok(())
    }

    /// The system call in which the thread faulted.
    fn system_call(&self) -> Option<Syscall> {
        Syscall::from_raw(self.register(Register::Rdx).ok()?.cast_signed())
    }

    /// Value of a register of the stopped thread.
    pub fn register(&self, register: Register) -> libsel::Result<Word> {
        Ok(self.thread.tcb.read_registers(false, 20)?.get(register))
    }
}

/// Registers of a thread that starts at `ip` with a stack.
pub fn registers(thread: &Thread, ip: Word) -> UserContext {
    let mut context = UserContext::default();
    context.set(Register::Rip, ip).set(Register::Rsp, thread.stack_end - 64).set(Register::Rflags, 0x202);
    context
}

impl Fixture<'_> {
    /// A thread that is inactive and has the test for a fault handler.
    pub fn faulter(&mut self, options: Options) -> libsel::Result<Faulter> {
        let (endpoint, reply) = (self.endpoint()?, self.reply()?);
        let handler = self.mint(endpoint, CapRights::ALL, HANDLER_BADGE)?;
        let thread = self.bare_thread(Options { fault_endpoint: handler, ..options })?;
        Ok(Faulter { thread, endpoint, reply })
    }

    /// Lets a new thread run from `ip` with `rdi` and `rsi` until it faults.
    pub fn run_code(&mut self, ip: Word, rdi: Word, rsi: Word) -> libsel::Result<(Faulter, Seen)> {
        let faulter = self.faulter(Options::default())?;
        let mut context = registers(&faulter.thread, ip);
        context.set(Register::Rdi, rdi).set(Register::Rsi, rsi);
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        Ok((faulter, faulter.fault()))
    }
}
