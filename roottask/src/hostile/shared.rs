//! Memory that supervisor and hostile threads share: two frames of 2 MiB.
//!
//! One holds code and records; hostile threads can only read and execute it. The other holds their state pages; whatever
//! they leave there is only counted, never trusted.

use core::mem::offset_of;

use libsel::abi::Word;

use super::code;

/// Hostile threads that the supervisor keeps going.
pub const THREADS: usize = 6;
/// Records that a thread gets at a time.
pub const BATCH: u64 = 32;
/// Bytes of a record.
pub const RECORD_BYTES: usize = size_of::<Record>();
/// Bytes of a result.
pub const RESULT_BYTES: usize = size_of::<[Word; 2]>();
/// Message words that a record can set, from MR4 on.
pub const RECORD_WORDS: usize = 32;

/// Where the frame with code and records is in hostile address spaces.
pub const CODE_ADDRESS: Word = 0x4000_0000;
/// Where the frame with the state pages is in hostile address spaces.
pub const STATE_ADDRESS: Word = 0x4020_0000;
/// Where the supervisor has the first frame; the second follows.
pub const SUPERVISOR_ADDRESS: Word = 0x80_0000_0000;
/// Bytes of each frame.
pub const FRAME_BYTES: Word = 1 << 21;
/// Where in the first frame the records start.
const RECORDS_OFFSET: Word = 0x1_0000;
/// Where in the first frame the unused part starts.
const UNUSED_OFFSET: Word = FRAME_BYTES / 2;
/// Bytes of the records of one thread.
const RECORDS_BYTES: Word = BATCH * RECORD_BYTES as Word;
/// A result that no system call leaves: the record did not come to its end.
pub const NO_RESULT: Word = 0xdead_beef_0bad_f00d;

/// One thing that a hostile thread does.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Record {
    /// rax rbx rcx rdx rsi rdi rbp rsp r8 … r15.
    pub registers: [Word; 16],
    /// The snippet.
    pub target: Word,
    /// Message words to set.
    pub count: Word,
    /// Message words from MR4 on.
    pub words: [Word; RECORD_WORDS],
    /// Extra capabilities, then CNode, index and depth of the receive slot.
    pub caps: [Word; 6],
    /// Makes the size a power of two.
    pub unused: [Word; 8],
}

const _: () = assert!(RECORD_BYTES == 512);

/// What a hostile thread keeps beside its registers: a page.
#[repr(C, align(4096))]
pub struct State {
    /// Records begun so far.
    pub index: Word,
    /// Records there are.
    pub limit: Word,
    /// Address of the thread's records.
    pub records: Word,
    /// Address of the thread's IPC buffer.
    pub buffer: Word,
    /// Where the thread jumps next.
    pub jump: Word,
    /// A little stack for snippets that need one.
    pub stack: Word,
    /// rsi and rdi after each record.
    pub results: [[Word; 2]; BATCH as usize],
}

/// Address of `thread`'s state page in hostile address spaces.
pub fn state_address(thread: usize) -> Word {
    STATE_ADDRESS + (thread * size_of::<State>()) as Word
}

/// Address of the page of `thread`'s IPC buffer in hostile address spaces.
pub fn buffer_address(thread: usize) -> Word {
    0x4040_0000 + thread as Word * 4096
}

fn state(thread: usize) -> *mut State {
    (SUPERVISOR_ADDRESS + FRAME_BYTES + (thread * size_of::<State>()) as Word) as *mut State
}

fn read(thread: usize, offset: usize) -> Word {
    // SAFETY: the supervisor has mapped the frame before it uses this module, and `offset` lies in a state page. Other
    // threads may write it at any time, so nothing is assumed of what is read.
    unsafe { state(thread).byte_add(offset).cast::<Word>().read_volatile() }
}

fn write(thread: usize, offset: usize, value: Word) {
    // SAFETY: as in `read`.
    unsafe { state(thread).byte_add(offset).cast::<Word>().write_volatile(value) }
}

/// Copies the code to where hostile threads execute it.
pub fn install_code() {
    let code = code::bytes();
    assert!((code.len() as Word) < RECORDS_OFFSET, "the code runs into the records");
    // SAFETY: the frame is mapped, used by nobody yet, and larger than the code.
    unsafe { core::ptr::copy_nonoverlapping(code.as_ptr(), SUPERVISOR_ADDRESS as *mut u8, code.len()) }
}

/// Fills the part of the first frame that nobody uses, and says whether that part and the code are as they were.
pub fn check_unused(fill: bool) -> bool {
    let code = code::bytes();
    // SAFETY: the frame is mapped, and nobody writes to the code in it.
    let copied = unsafe { core::slice::from_raw_parts(SUPERVISOR_ADDRESS as *const u8, code.len()) };
    let words = (SUPERVISOR_ADDRESS + UNUSED_OFFSET..SUPERVISOR_ADDRESS + FRAME_BYTES).step_by(8);
    words.fold(copied == code, |same, address| {
        let (word, value) = (address as *mut Word, address.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // SAFETY: the frame is mapped; this part of it is used by this function alone.
        unsafe {
            if fill {
                word.write_volatile(value);
            }
            same & (word.read_volatile() == value)
        }
    })
}

/// Records that `thread` has begun since its state page was set up.
pub fn begun(thread: usize) -> Word {
    read(thread, offset_of!(State, index))
}

/// `thread` has no records.
pub fn reset(thread: usize) {
    write(thread, offset_of!(State, index), BATCH);
    write(thread, offset_of!(State, limit), BATCH);
}

/// Sets the addresses in `thread`'s state page.
pub fn set_addresses(thread: usize) {
    let stack = state_address(thread) + size_of::<State>() as Word - 64;
    write(thread, offset_of!(State, stack), stack);
    write(thread, offset_of!(State, buffer), buffer_address(thread));
    let records = CODE_ADDRESS + RECORDS_OFFSET + thread as Word * RECORDS_BYTES;
    write(thread, offset_of!(State, records), records);
}

/// Lets `thread` do its records from the first one on.
pub fn start_batch(thread: usize) {
    for number in 0..BATCH as usize {
        write(thread, offset_of!(State, results) + number * RESULT_BYTES, NO_RESULT);
    }
    write(thread, offset_of!(State, index), 0);
    write(thread, offset_of!(State, limit), BATCH);
}

/// rsi after record `number`, or [`NO_RESULT`].
pub fn result(thread: usize, number: usize) -> Word {
    read(thread, offset_of!(State, results) + number * RESULT_BYTES)
}

/// Sets record `number` of `thread`.
pub fn set_record(thread: usize, number: usize, record: &Record) {
    let offset = RECORDS_OFFSET + thread as Word * RECORDS_BYTES + (number * RECORD_BYTES) as Word;
    // SAFETY: the frame is mapped and `offset` lies in the part for records. Hostile threads may read it meanwhile and
    // then execute a mixture of two records.
    unsafe { ((SUPERVISOR_ADDRESS + offset) as *mut Record).write_volatile(*record) }
}
