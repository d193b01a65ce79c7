//! What the compiler checks of the table: no label and no error of it without a row, no row without its test.
#![allow(long_running_const_eval, reason = "some hundred rows are looked up among some hundred tests")]

use libsel::abi::{Error, FaultType, Label, Syscall};

use super::{Outcome, ROW_COUNT, ROWS, Row, Subject};
use crate::selftest::GROUPS;

/// Number of tests.
pub const TEST_COUNT: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
};

/// Names of all tests, each as a number, in the order in which they run.
static NAMES: [u128; TEST_COUNT] = {
    let mut names = [0; TEST_COUNT];
    let (mut used, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut test = 0;
        while test < GROUPS[group].len() {
            names[used] = number(GROUPS[group][test].name);
            used += 1;
            test += 1;
        }
        group += 1;
    }
    names
};

/// For each row the place of its test among all tests.
pub static TEST_OF_ROW: [u16; ROW_COUNT] = {
    let mut tests = [0; ROW_COUNT];
    let mut row = 0;
    while row < ROW_COUNT {
        let name = number(ROWS[row].test);
        let mut test = 0;
        while test < TEST_COUNT && NAMES[test] != name {
            test += 1;
        }
        if test == TEST_COUNT {
            fail("a row of the coverage table names a test that does not exist: ", ROWS[row].test, "");
        }
        tests[row] = test as u16;
        row += 1;
    }
    tests
};

/// Every label has a row for success, if it can succeed, and one for each of its errors.
const _: () = {
    let mut index = 0;
    while index < Label::ALL.len() {
        let label = Label::ALL[index];
        if label.succeeds() && !has_row(label, None) {
            fail("the coverage table has no row for the success of label ", "", LABEL_NAMES[index]);
        }
        let errors = label.errors();
        let mut error = 0;
        while error < errors.len() {
            if !has_row(label, Some(errors[error])) {
                let error = ERROR_NAMES[errors[error].raw() as usize];
                fail("the coverage table has no row for the error ", error, LABEL_NAMES[index]);
            }
            error += 1;
        }
        index += 1;
    }
};

/// Every system call has a row, but the one that stops the machine.
const _: () = {
    let mut index = 0;
    while index < Syscall::ALL.len() {
        let call = Syscall::ALL[index];
        let (mut row, mut found) = (0, matches!(call, Syscall::DebugHalt));
        while row < ROW_COUNT {
            found |= matches!(ROWS[row].subject, Subject::Call(of) if of.raw() == call.raw());
            row += 1;
        }
        assert!(found, "the coverage table has no row for a system call");
        index += 1;
    }
};

/// Every fault of this configuration has a row for its message and one for its answer.
const _: () = {
    let mut index = 0;
    while index < FaultType::ALL.len() {
        let fault = FaultType::ALL[index].raw();
        let absent = matches!(FaultType::ALL[index], FaultType::NullFault | FaultType::DebugException);
        let (mut row, mut message, mut answer) = (0, absent, absent);
        while row < ROW_COUNT {
            message |= matches!(ROWS[row].subject, Subject::Fault(of) if of.raw() == fault);
            answer |= matches!(ROWS[row].subject, Subject::Answer(of) if of.raw() == fault);
            row += 1;
        }
        assert!(message && answer, "the coverage table has no row for a fault or its answer");
        index += 1;
    }
};

/// No two tests have the same name.
const _: () = {
    let mut one = 0;
    while one < TEST_COUNT {
        let mut two = one + 1;
        while two < TEST_COUNT {
            assert!(NAMES[one] != NAMES[two], "two tests have the same name");
            two += 1;
        }
        one += 1;
    }
};

/// Names of an enumeration's values, in order, for messages of the compiler.
macro_rules! names {
    ($(#[$meta:meta])* $list:ident of $type:ident: $($name:ident)+) => {
        $(#[$meta])*
        const $list: [&str; $type::ALL.len()] = {
            let mut index = 0;
            $(
                assert!($type::ALL[index].raw() == $type::$name.raw(), "the names are out of order");
                index += 1;
            )+
            assert!(index == $type::ALL.len());
            [$(stringify!($name)),+]
        };
    };
}

names! {
    /// Errors.
    ERROR_NAMES of Error:
    NoError InvalidArgument InvalidCapability IllegalOperation RangeError AlignmentError FailedLookup
    TruncatedMessage DeleteFirst RevokeFirst NotEnoughMemory
}

names! {
    /// Labels.
    LABEL_NAMES of Label:
    InvalidInvocation UntypedRetype TcbReadRegisters TcbWriteRegisters TcbCopyRegisters TcbConfigure TcbSetPriority
    TcbSetMcPriority TcbSetSchedParams TcbSetTimeoutEndpoint TcbSetIpcBuffer TcbSetSpace TcbSuspend TcbResume
    TcbBindNotification TcbUnbindNotification TcbSetTlsBase TcbSetFlags CNodeRevoke CNodeDelete
    CNodeCancelBadgedSends CNodeCopy CNodeMint CNodeMove CNodeMutate CNodeRotate IrqIssueIrqHandler IrqAckIrq
    IrqSetIrqHandler IrqClearIrqHandler DomainSetSet DomainScheduleConfigure DomainScheduleSetStart
    SchedControlConfigureFlags SchedContextBind SchedContextUnbind SchedContextUnbindObject SchedContextConsumed
    SchedContextYieldTo X86PdptMap X86PdptUnmap X86PageDirectoryMap X86PageDirectoryUnmap X86PageTableMap
    X86PageTableUnmap X86PageMap X86PageUnmap X86PageGetAddress X86AsidControlMakePool X86AsidPoolAssign
    X86IoPortControlIssue X86IoPortIn8 X86IoPortIn16 X86IoPortIn32 X86IoPortOut8 X86IoPortOut16 X86IoPortOut32
    X86IrqIssueIrqHandlerIoApic X86IrqIssueIrqHandlerMsi
}

/// There is a row for this label and this error; for its success if none.
const fn has_row(label: Label, error: Option<Error>) -> bool {
    let mut index = 0;
    while index < ROW_COUNT {
        let Row { subject, outcome, .. } = ROWS[index];
        let same_label = matches!(subject, Subject::Label(of) if of.raw() == label.raw());
        let same_outcome = match (outcome, error) {
            (Outcome::Success, None) => true,
            (Outcome::Error(of, _), Some(error)) => of.raw() == error.raw(),
            _ => false,
        };
        if same_label && same_outcome {
            return true;
        }
        index += 1;
    }
    false
}

/// A name of at most 16 bytes as a number.
const fn number(name: &str) -> u128 {
    let bytes = name.as_bytes();
    assert!(bytes.len() <= 16, "a test's name has at most 16 letters and digits");
    let (mut number, mut index) = (0, 0);
    while index < bytes.len() {
        number = number << 8 | bytes[index] as u128;
        index += 1;
    }
    number
}

/// Stops the compiler with a message of three parts.
const fn fail(what: &str, name: &str, label: &str) -> ! {
    let mut text = [0; 160];
    let used = append(&mut text, 0, what);
    let used = append(&mut text, used, name);
    let used = if name.is_empty() || label.is_empty() { used } else { append(&mut text, used, " of label ") };
    let used = append(&mut text, used, label);
    match core::str::from_utf8(text.split_at(used).0) {
        Ok(text) => panic!("{}", text),
        Err(_) => panic!("the coverage table is not complete"),
    }
}

/// Copies `part` behind the first `used` bytes of `text`; the bytes used then.
const fn append(text: &mut [u8; 160], used: usize, part: &str) -> usize {
    let bytes = part.as_bytes();
    let mut index = 0;
    while index < bytes.len() && used + index < text.len() {
        text[used + index] = bytes[index];
        index += 1;
    }
    used + index
}
