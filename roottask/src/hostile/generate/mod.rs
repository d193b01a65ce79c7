//! What hostile threads do: random operations, weighted so that a good share of them succeeds.
//!
//! Left out, because they end the machine or bury its output by right: DebugHalt, DebugNameThread (halts on a bad
//! argument), DebugSendIPI and DebugGetThreadAffinity (likewise, in kernels that have them), DebugPutChar and the calls
//! that dump state.

mod cnode;
mod devices;
mod memory;
mod message;
mod sched;
mod tcb;

use core::ops::Range;

use libsel::abi::{CPtr, Label, MSG_MAX_LENGTH, MessageInfo, Syscall, Word};

pub use devices::by_supervisor;
use message::Request;

use super::classes::{Class, NESTED, NESTED_RADIX, ROOT_BARE, ROOT_DEEP, ROOT_FLAT, ROOT_RADIX};
use super::code;
use super::occupancy::{Concerned, Occupancy};
use super::random::Random;
use super::shared::{RECORD_WORDS, Record};
use super::world::is_deep;

/// Indices of registers in a record.
mod register {
    pub const RAX: usize = 0;
    pub const RBX: usize = 1;
    pub const RDX: usize = 3;
    pub const RSI: usize = 4;
    pub const RDI: usize = 5;
    pub const R8: usize = 8;
    pub const R9: usize = 9;
    pub const R10: usize = 10;
    pub const R12: usize = 12;
    pub const R13: usize = 13;
    pub const R15: usize = 15;
}

/// Calls that are none in this kernel, or only tell something.
const ODD_CALLS: &[Syscall] = &[
    Syscall::DebugCapIdentify,
    Syscall::DebugCapIdentify,
    Syscall::DebugRun,
    Syscall::BenchmarkFlushCaches,
    Syscall::BenchmarkResetLog,
    Syscall::BenchmarkFinalizeLog,
    Syscall::BenchmarkSetLogBuffer,
    Syscall::BenchmarkNullSyscall,
    Syscall::BenchmarkGetThreadUtilisation,
    Syscall::BenchmarkResetThreadUtilisation,
    Syscall::BenchmarkResetAllThreadsUtilisation,
    Syscall::X86DangerousWrmsr,
    Syscall::X86DangerousRdmsr,
    Syscall::VmEnter,
    Syscall::SetTlsBase,
];
/// System call numbers that hostile threads never use.
const FORBIDDEN: [Syscall; 8] = [
    Syscall::DebugPutChar,
    Syscall::DebugDumpScheduler,
    Syscall::DebugHalt,
    Syscall::DebugSnapshot,
    Syscall::DebugNameThread,
    Syscall::DebugSendIpi,
    Syscall::DebugGetThreadAffinity,
    Syscall::BenchmarkDumpAllThreadsUtilisation,
];

/// What a record is, for the count of outcomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An invocation by Call: its label, and the slots that it concerns.
    Invocation(Label, Concerned),
    /// An invocation whose outcome nobody is told, or whose target may be anything.
    Silent,
    /// Sending, or sending and receiving.
    Message,
    /// Waiting for a message or a signal.
    Receive,
    /// Something that is not a system call of the interface.
    Odd,
}

/// Makes the records of one thread.
pub struct Generator<'a> {
    /// Where chance comes from.
    pub random: &'a mut Random,
    occupancy: &'a Occupancy,
    /// Greatest budget and period.
    max_us: Word,
    deep: bool,
}

impl<'a> Generator<'a> {
    /// For records of `thread`.
    pub fn new(random: &'a mut Random, occupancy: &'a Occupancy, max_us: Word, thread: usize) -> Self {
        Generator { random, occupancy, max_us, deep: is_deep(thread) }
    }

    /// The next record.
    pub fn next(&mut self) -> (Record, Kind) {
        let mut record = self.blank();
        let kind = match self.random.below(100) {
            0..78 => self.invocation(&mut record),
            78..93 => self.message(&mut record),
            93 => self.syscall(&mut record, Syscall::Yield, Kind::Message),
            94 => {
                let call = self.random.of(ODD_CALLS);
                record.registers[register::RDI] = self.pick(Class::Any);
                self.syscall(&mut record, call, Kind::Odd)
            }
            95..97 => self.garbage(&mut record),
            _ => self.snippet(&mut record),
        };
        (record, kind)
    }

    /// Random registers, no message words, a receive slot that may work.
    fn blank(&mut self) -> Record {
        let mut record = Record {
            registers: [0; 16],
            target: code::snippet(0),
            count: 0,
            words: [0; RECORD_WORDS],
            caps: [0; 6],
            unused: [0; 8],
        };
        for register in &mut record.registers {
            *register = self.random.word();
        }
        if self.random.one_in(3) {
            let (root, index, depth) = self.place(Class::Spare);
            record.caps[3..].copy_from_slice(&[root, index, depth]);
        }
        record
    }

    fn syscall(&mut self, record: &mut Record, call: Syscall, kind: Kind) -> Kind {
        record.registers[register::RDX] = call.raw().cast_unsigned();
        if self.random.one_in(200) {
            // With flags of all kinds.
            record.target = code::snippet(1);
            record.registers[register::RBX] = self.random.word() & 0xff_ffff;
        }
        kind
    }

    /// Any number, any registers.
    fn garbage(&mut self, record: &mut Record) -> Kind {
        for register in &mut record.registers {
            *register = self.random.edge();
        }
        let number = match self.random.below(3) {
            0 => self.random.edge().cast_signed(),
            _ => -(self.random.below(12) as i64),
        };
        let forbidden = FORBIDDEN.iter().any(|call| call.raw() == number);
        record.registers[register::RDX] = if forbidden { 0 } else { number.cast_unsigned() };
        for word in &mut record.words {
            *word = self.random.edge();
        }
        record.count = self.random.below(RECORD_WORDS as u64 + 1);
        for cap in &mut record.caps {
            *cap = if self.random.one_in(2) { self.pick(Class::Any) } else { self.random.edge() };
        }
        Kind::Odd
    }

    /// An instruction that may fault.
    fn snippet(&mut self, record: &mut Record) -> Kind {
        record.target = code::snippet(1 + self.random.below(code::SNIPPETS - 1));
        record.registers[register::RAX] =
            if self.random.one_in(2) { self.address() } else { self.random.edge() };
        // Some of the snippets end in a system call.
        record.registers[register::RDX] = Syscall::NbWait.raw().cast_unsigned();
        Kind::Odd
    }

    /// An invocation with arguments that make sense, most of the time.
    fn invocation(&mut self, record: &mut Record) -> Kind {
        let label = self.label();
        let mut request = self.request(label);
        let spoilt = self.spoil(&mut request);
        let call = match self.random.below(40) {
            0..34 => Syscall::Call,
            34 | 35 => Syscall::Send,
            36 => Syscall::NbSend,
            37 => Syscall::ReplyRecv,
            38 => Syscall::NbSendRecv,
            _ => Syscall::NbSendWait,
        };
        self.write_request(record, &request);
        let registers = &mut record.registers;
        registers[register::RDI] = request.target;
        match call {
            Syscall::Call => {
                let kind = if spoilt { Kind::Silent } else { Kind::Invocation(label, request.concerned) };
                return self.syscall(record, call, kind);
            }
            Syscall::Send | Syscall::NbSend => {}
            // The first phase invokes, the second waits for a notification.
            Syscall::NbSendRecv => registers[register::R13] = request.target,
            _ => registers[register::R12] = request.target,
        }
        if !matches!(call, Syscall::Send | Syscall::NbSend) {
            record.registers[register::RDI] = self.pick(Class::Notification);
        }
        self.syscall(record, call, Kind::Silent)
    }

    /// Puts a message where the kernel looks for it.
    fn write_request(&mut self, record: &mut Record, request: &Request) {
        let info = MessageInfo::new(request.label, self.random.word(), request.caps_count, request.count);
        record.registers[register::RSI] = info.0;
        let fast = [register::R10, register::R8, register::R9, register::R15];
        for (to, from) in fast.into_iter().zip(request.words) {
            record.registers[to] = from;
        }
        for (to, from) in record.words.iter_mut().zip(request.words.into_iter().skip(fast.len())) {
            *to = from;
        }
        record.count = (request.count.saturating_sub(fast.len())).min(RECORD_WORDS) as Word;
        record.caps[..3].copy_from_slice(&request.caps);
    }

    /// Makes an argument wrong, now and then. True if the answer may then be that of another kind of object.
    fn spoil(&mut self, request: &mut Request) -> bool {
        if !self.random.one_in(12) {
            return false;
        }
        let (target, label) = (request.target, request.label);
        match self.random.below(8) {
            0 => request.target = self.pick(Class::Any),
            1 => request.target = self.random.edge(),
            2 => request.count = self.random.below(MSG_MAX_LENGTH as u64 + 8) as usize,
            3 => request.caps_count = self.random.below(4) as usize,
            4 => request.caps[self.random.below(3) as usize] = self.pick(Class::Any),
            5 => request.caps[self.random.below(3) as usize] = self.random.edge(),
            6 => request.label = self.random.below(Label::ALL.len() as u64 + 4),
            _ => {
                let number = self.random.below(request.count as u64) as usize;
                request.words[number.min(request.words.len() - 1)] = self.random.edge();
            }
        }
        request.target != target || request.label != label
    }

    /// Which invocation: every label, the common ones more often.
    fn label(&mut self) -> Label {
        const OFTEN: &[Label] = &[
            Label::CNodeCopy,
            Label::CNodeMint,
            Label::CNodeDelete,
            Label::CNodeDelete,
            Label::CNodeRevoke,
            Label::CNodeMove,
            Label::SchedContextYieldTo,
            Label::TcbResume,
            Label::SchedContextBind,
            Label::TcbConfigure,
            Label::TcbSetSpace,
            Label::TcbWriteRegisters,
            Label::TcbSetSchedParams,
            Label::SchedControlConfigureFlags,
            Label::X86AsidPoolAssign,
            Label::X86PageMap,
        ];
        match self.random.below(100) {
            0..25 => Label::UntypedRetype,
            25..60 => self.random.of(OFTEN),
            _ => self.random.of(Label::ALL),
        }
    }

    /// Capability pointer of a slot of the hostile root, as this thread's CSpace names it.
    fn cptr(&mut self, slot: Word) -> CPtr {
        if !self.deep {
            return slot;
        }
        if Class::CNode.slots().contains(&slot) {
            // Eight bits are left: through the root itself, back to the slot.
            ROOT_BARE << 8 | slot
        } else {
            slot << 8 | self.random.below(256)
        }
    }

    /// A slot that usually holds a capability of `class`, full more often than not.
    fn slot(&mut self, class: Class) -> Word {
        self.slot_among(class.slots(), true)
    }

    /// A slot for a new capability of `class`, empty more often than not.
    fn free(&mut self, class: Class) -> Word {
        self.slot_among(class.slots(), false)
    }

    fn slot_among(&mut self, range: Range<Word>, full: bool) -> Word {
        let mut slot = range.start;
        for _ in 0..6 {
            slot = range.start + self.random.below(range.end.saturating_sub(range.start));
            if self.occupancy.is_full(slot) == full {
                break;
            }
        }
        slot
    }

    /// A capability that is usually of `class`.
    fn pick(&mut self, class: Class) -> CPtr {
        let slot = self.slot(class);
        self.cptr(slot)
    }

    /// A slot to do harm to: seldom one that keeps hostile threads running.
    fn victim(&mut self, class: Class) -> Word {
        let Range { start, end } = class.slots();
        // The supervisor replaces threads quickly; other losses may cost it the whole world.
        let seldom = if matches!(class, Class::Tcb | Class::SchedContext) { 6 } else { 40 };
        let first = if self.random.one_in(seldom) { start } else { start + class.vital() };
        self.slot_among(first.min(end - 1)..end, true)
    }

    /// CNode, index and depth of a slot of the hostile root.
    fn place_of(&mut self, slot: Word) -> (CPtr, Word, Word) {
        match self.random.below(20) {
            0..11 => (self.cptr(ROOT_FLAT), slot, 64),
            11..16 => (self.cptr(ROOT_BARE), slot, ROOT_RADIX),
            16 => (self.cptr(ROOT_DEEP), slot, 64 - ROOT_RADIX),
            17 => {
                let nested = NESTED + self.random.below(3);
                (self.cptr(nested), self.random.below(1 << NESTED_RADIX), NESTED_RADIX)
            }
            18 => {
                let nested = NESTED + self.random.below(3);
                let index = nested << NESTED_RADIX | self.random.below(1 << NESTED_RADIX);
                (self.cptr(ROOT_BARE), index, ROOT_RADIX + NESTED_RADIX)
            }
            _ => {
                // Round and round: through the nested CNode that contains the root.
                let index = ((NESTED + 2) << NESTED_RADIX) << ROOT_RADIX | slot;
                (self.cptr(ROOT_FLAT), index << 8 | self.random.below(256), self.random.below(70))
            }
        }
    }

    /// [`Generator::place_of`] some slot of `class`, empty more often than not.
    fn place(&mut self, class: Class) -> (CPtr, Word, Word) {
        let slot = self.free(class);
        self.place_of(slot)
    }

    /// An address that may be mapped: below tables that exist, or where some are missing.
    fn address(&mut self) -> Word {
        const REGIONS: &[Word] = &[
            0x4040_0000,
            0x4060_0000,
            0x4080_0000,
            0x8000_0000,
            0xc000_0000,
            0x80_0000_0000,
            0x80_4000_0000,
            0x7fff_ffe0_0000,
        ];
        let region = self.random.of(REGIONS);
        match self.random.below(8) {
            0 => region,
            1 => region & !0x3fff_ffff,
            _ => region + (self.random.below(512) << 12),
        }
    }
}
