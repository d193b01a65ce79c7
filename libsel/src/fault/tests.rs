//! Tests of fault decoding against the messages observed on seL4 (abi.md A.4), and on hostile ones.

use super::*;
use proptest::prelude::*;
use std::format;
use std::string::ToString;

fn decode(label: u64, words: &[u64]) -> Option<Fault> {
    Fault::from_words(label, words.len(), |index| words.get(index).copied().unwrap_or(0))
}

#[test]
fn observed_faults_read_well() {
    let cases: [(u64, &[u64], &str); 9] = [
        (6, &[0x40_1000, 0xdead000, 0, 4], "read of 0xdead000 at 0x401000: nothing is mapped there"),
        (6, &[0x40_1000, 0xdead000, 0, 6], "write to 0xdead000 at 0x401000: nothing is mapped there"),
        (6, &[0xdead000, 0xdead000, 1, 0x14], "jump to 0xdead000 at 0xdead000: nothing is mapped there"),
        (6, &[0x40_1000, 8, 0, 4], "read of 0x8 at 0x401000: a null pointer"),
        (6, &[0x40_1000, 0x20_0000, 0, 7], "write to 0x200000 at 0x401000: the page does not allow it"),
        (3, &[0x40_2000, 0x7000, 0x202, 6, 0], "illegal instruction (#UD) at 0x402000, stack 0x7000"),
        (
            3,
            &[0x40_2000, 0x7000, 0x202, 13, 0x802],
            "general protection fault (#GP) at 0x402000, stack 0x7000, error code 0x802",
        ),
        (
            1,
            &[0x40_3000, 0x123450, 0, 4, 64, 0, 52],
            "capability fault at 0x403000: send phase, capability 0x123450: \
             the address does not match the guard 0x0 of 52 bits (64 bits were left)",
        ),
        (
            1,
            &[0x40_3000, 0, 1, 2, 0],
            "capability fault at 0x403000: receive phase, capability 0x0: nothing is there (0 bits were left)",
        ),
    ];
    for (label, words, text) in cases {
        assert_eq!(decode(label, words).expect(text).to_string(), text);
    }
    let timeout = decode(5, &[0x77, 900]).unwrap();
    assert_eq!(timeout, Fault::Timeout { badge: 0x77, consumed_us: 900 });
    assert_eq!(timeout.ip(), None);
}

#[test]
fn an_unknown_system_call_gives_its_registers() {
    let mut words: [u64; 19] = core::array::from_fn(|index| 0x100 + index as u64);
    words[18] = 0xffff_ffff_c812_3456;
    let fault = decode(2, &words).unwrap();
    assert_eq!(fault.ip(), Some(0x10f));
    let Fault::UnknownSyscall { number, registers } = fault else { panic!("{fault:?}") };
    assert_eq!(number, words[18]);
    assert_eq!(registers.get(Register::Rax), 0x100);
    assert_eq!(registers.get(Register::Rflags), 0x111);
    assert_eq!(registers.get(Register::FsBase), 0);
    assert_eq!(fault.to_string(), format!("unknown system call {} at 0x10f", words[18].cast_signed()));
}

#[test]
fn short_messages_and_other_labels_are_no_faults() {
    assert_eq!(decode(0, &[1, 2, 3, 4]), None);
    assert_eq!(decode(4, &[1, 2, 3, 4]), None);
    assert_eq!(decode(7, &[1; 19]), None);
    for (label, least) in [(1, 4), (2, 19), (3, 5), (5, 2), (6, 4)] {
        assert_eq!(decode(label, &[0; 19][..least - 1]), None, "label {label}");
        assert!(decode(label, &[0; 19][..least]).is_some(), "label {label}");
    }
}

proptest! {
    #[test]
    fn any_message_is_decoded_or_refused(
        label in 0u64..9,
        words in proptest::collection::vec(prop_oneof![0u64..8, any::<u64>()], 0..=25),
    ) {
        if let Some(fault) = decode(label, &words) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }
}
