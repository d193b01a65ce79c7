//! Round trips of everything that travels, and messages nobody sent in good faith.

use super::admin::*;
use super::console::*;
use super::root::*;
use super::start::*;
use super::*;
use crate::abi::MessageInfo;
use crate::cap::Cap;
use crate::sys::Registers;
use crate::sys::host::install;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// Words without a transport.
#[derive(Default)]
struct Words {
    words: Vec<u64>,
    next: usize,
}

impl Sink for Words {
    fn put(&mut self, word: u64) {
        self.words.push(word);
    }
}

impl Source for Words {
    fn take(&mut self) -> Result<u64, DecodeError> {
        let word = self.words.get(self.next).copied().ok_or(DecodeError)?;
        self.next += 1;
        Ok(word)
    }
}

fn round_trip<F: Field + PartialEq + core::fmt::Debug>(value: F) {
    let mut words = Words::default();
    value.put(&mut words);
    assert!(words.words.len() <= F::MAX_WORDS, "{value:?} has {} words", words.words.len());
    let mut cut = Words { words: words.words.clone(), next: 0 };
    assert_eq!(F::take(&mut words).as_ref(), Ok(&value));
    assert_eq!(words.next, words.words.len(), "{value:?} is taken whole");
    if cut.words.pop().is_some() {
        assert_eq!(F::take(&mut cut), Err(DecodeError), "{value:?} without its last word");
    }
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zäöü0-9_-]{1,12}".prop_filter_map("fits", |text| Name::new(&text))
}

fn text() -> impl Strategy<Value = Text> {
    proptest::collection::vec(any::<u8>(), 0..=MAX_TEXT_BYTES).prop_map(|bytes| Text::cut(&bytes))
}

fn protection() -> impl Strategy<Value = Protection> {
    any::<(bool, bool)>().prop_map(|(write, execute)| Protection { write, execute })
}

proptest! {
    #[test]
    fn admin_answers_come_back(words in any::<[u64; 9]>(), counts in any::<[u8; BLOCK_SIZES]>(), name in name()) {
        let [total, free, cached, allocations, retypes, revokes, device_used, index, quota] = words;
        let blocks = BlockCounts(counts.map(u32::from));
        let (largest_bits, fragmentation_permille, slots) = (index as u8, free as u32, cached as u32);
        round_trip(MemoryInfo {
            total, free, cached, largest_bits, fragmentation_permille, blocks, allocations, retypes, revokes, slots,
            nodes: 1, node_capacity: 2, used: KindBytes(words), device_used,
        });
        let id = index as u8;
        let (mapped_bytes, peak_bytes, room, restarts) = (total, free, cached, allocations);
        for state in [ServerState::Running, ServerState::Waiting, ServerState::Down] {
            round_trip(ServerInfo {
                id, name, state, priority: id, budget_us: 1, period_us: 2, cpu_us: revokes, mapped_bytes, peak_bytes,
                quota, room, restarts,
            });
        }
        let kinds = (0..=u8::MAX).filter_map(|kind| {
            let mut word = Words { words: vec![kind.into()], next: 0 };
            MemoryKind::take(&mut word).ok()
        });
        let mut sum = KindBytes::default();
        for (number, kind) in kinds.enumerate() {
            round_trip(RangeInfo { start: total, bytes: free, kind, protection: Protection::READ });
            sum.add(kind, number as u64);
            prop_assert_eq!(sum.of(kind), number as u64);
        }
        prop_assert_eq!(sum.0[MEMORY_KINDS - 1], MEMORY_KINDS as u64 - 1);
        round_trip(CapabilityInfo { slot: total, kind: Text::cut(name.as_str().as_bytes()) });
        round_trip(Spawn { image: name, arguments: Text::cut(b"a=b") });
        round_trip(Kill { name });
    }

    #[test]
    fn fields_come_back(integers in any::<(u64, u32, u16, u8, bool)>(), name in name(), text in text()) {
        round_trip(integers.0);
        round_trip(integers.1);
        round_trip(integers.2);
        round_trip(integers.3);
        round_trip(integers.4);
        round_trip(name);
        round_trip(text);
    }

    #[test]
    fn requests_come_back(words in any::<[u64; 4]>(), protection in protection(), name in name(), text in text()) {
        let [address, bytes, align, code] = words;
        let flags = MapFlags { lazy: code & 1 != 0, large: code & 2 != 0 };
        round_trip(Map { address, bytes, align, protection, flags });
        round_trip(Grow { address, bytes });
        round_trip(Share { address, bytes });
        round_trip(Grant { region: code, to: name, protection });
        round_trip(Attach { region: code, protection });
        round_trip(MapDma { bytes, below_4g: flags.lazy, align });
        round_trip(DmaMapped { address, bytes, physical: code });
        let bar = (code % 6) as u8;
        let pci = Device::Pci { vendor: bytes as u16, device: align as u16, bar };
        for device in [pci, Device::Hpet, Device::Framebuffer] {
            round_trip(MapDevice { device });
        }
        round_trip(DeviceMapped { address, bytes, physical: code });
        round_trip(FileInfo { name, bytes });
        round_trip(Unmap { address, bytes });
        round_trip(Stats {});
        round_trip(Lookup { name });
        round_trip(Log { text });
        for event in [Event::Line, Event::Tab, Event::Cancelled, Event::End] {
            round_trip(Input { event, text });
        }
        round_trip(Exit { code });
        round_trip(Mapped { address });
        round_trip(MemoryStats {
            mapped_bytes: address,
            peak_bytes: bytes,
            ranges: align,
            room: code,
            free_bytes: code,
        });
        round_trip(Hello { name });
        round_trip(Print { text });
    }

    #[test]
    fn a_request_is_decoded_by_its_label(address in any::<u64>(), text in text()) {
        let mut words = Words::default();
        let unmap = Unmap { address, bytes: 4096 };
        unmap.put(&mut words);
        prop_assert_eq!(RootRequest::decode(Unmap::LABEL, &mut words), Ok(RootRequest::Unmap(unmap)));
        let mut words = Words::default();
        Print { text }.put(&mut words);
        prop_assert_eq!(ConsoleRequest::decode(Print::LABEL, &mut words), Ok(ConsoleRequest::Print(Print { text })));
    }

    #[test]
    fn hostile_words_are_decoded_or_refused(
        label in prop_oneof![0x100u64..0x10e, 0x11eu64..0x12c, 0x200u64..0x204, any::<u64>()],
        words in proptest::collection::vec(prop_oneof![0u64..1000, any::<u64>()], 0..=120),
    ) {
        let known = (0x100..=0x10b).contains(&label) || (0x120..=0x129).contains(&label) || (0x130..=0x132).contains(&label);
        match RootRequest::decode(label, &mut Words { words: words.clone(), next: 0 }) {
            Ok(_) | Err(ServiceError::BadRequest) => prop_assert!(known),
            Err(error) => prop_assert!(!known && error == ServiceError::UnknownRequest),
        }
        if let Ok(request) = ConsoleRequest::decode(label, &mut Words { words, next: 0 }) {
            prop_assert!(matches!(label, 0x200..=0x205), "{request:?}");
        }
    }

    #[test]
    fn hostile_start_pages_are_read_or_refused(
        length in prop_oneof![0u64..2100, any::<u64>()],
        bytes in proptest::collection::vec(any::<u8>(), 2048),
    ) {
        let mut page: [u8; 2048] = bytes.clone().try_into().unwrap();
        page[..8].copy_from_slice(&length.to_le_bytes());
        // SAFETY: a note is integers and bytes: any contents are one.
        let note: PanicNote = unsafe { core::mem::transmute(page) };
        if let Some(text) = note.read() {
            prop_assert!(bytes[8..].starts_with(text.as_bytes()) && text.len() as u64 <= length);
        }
        // SAFETY: so is the other half.
        let info: StartInfo = unsafe { core::mem::transmute(page) };
        prop_assert_eq!(info.is_valid(), length == MAGIC);
        prop_assert!(info.arguments().len() <= ARGUMENT_BYTES);
        prop_assert!(info.name().is_none_or(|name| !name.as_str().is_empty()));
    }
}

#[test]
fn values_out_of_range_are_refused() {
    fn take<F: Field>(words: &[u64]) -> Result<F, DecodeError> {
        F::take(&mut Words { words: words.to_vec(), next: 0 })
    }
    assert_eq!(take::<u8>(&[256]), Err(DecodeError));
    assert_eq!(take::<u16>(&[0x1_0000]), Err(DecodeError));
    assert_eq!(take::<u32>(&[1 << 32]), Err(DecodeError));
    assert_eq!(take::<bool>(&[2]), Err(DecodeError));
    assert_eq!(take::<Protection>(&[4]), Err(DecodeError));
    assert_eq!(take::<Text>(&[905, 0, 0]), Err(DecodeError));
    assert_eq!(take::<Text>(&[u64::MAX]), Err(DecodeError));
    assert_eq!(take::<Text>(&[9, 0]), Err(DecodeError));
    assert_eq!(take::<Name>(&[0; 4]), Err(DecodeError), "empty");
    assert_eq!(take::<Name>(&[0xff, 0, 0, 0]), Err(DecodeError), "not UTF-8");
    assert_eq!(take::<Name>(&[u64::from(b'a'), 1, 0, 0]), Err(DecodeError), "bytes behind the end");
    assert_eq!(Name::new(""), None);
    assert_eq!(Name::new("a\0b"), None);
    assert_eq!(Name::new(&"x".repeat(33)), None);
    assert_eq!(Name::new(&"x".repeat(32)).map(|name| name.as_str().len()), Some(32));
}

#[test]
fn a_call_travels_through_registers_and_buffer() {
    install(|entry| {
        assert_eq!(entry.cap, 3);
        let message = crate::ipc::Message { badge: 5, info: entry.info, mrs: entry.mrs };
        match RootRequest::from_message(&message) {
            Ok(RootRequest::Map(map)) => {
                assert_eq!((map.bytes, map.protection), (4096, Protection::READ_WRITE));
                Registers { badge: 0, info: MessageInfo::new(0, 0, 0, 1), mrs: [0x7000, 0, 0, 0] }
            }
            Ok(RootRequest::Log(log)) => {
                assert_eq!(log.text.as_bytes(), "long ".repeat(100).as_bytes());
                Registers::default()
            }
            Ok(RootRequest::Stats(_)) => Registers::default(),
            Ok(RootRequest::Lookup(lookup)) => {
                let found = lookup.name == Name::new("console").unwrap();
                let label = if found { 0 } else { ServiceError::NotFound.label() };
                let caps = usize::from(found);
                Registers { badge: 0, info: MessageInfo::new(label, 0, caps, 0), mrs: [0; 4] }
            }
            other => panic!("{other:?}"),
        }
    });
    let root = RootService(Cap::new(3));
    let protection = Protection::READ_WRITE;
    let map = Map { address: 0, bytes: 4096, align: 0, protection, flags: MapFlags::NONE };
    assert_eq!(root.map(map), Ok(0x7000));
    assert_eq!(root.log("long ".repeat(100).as_bytes()), Ok(()));
    assert_eq!(root.stats(), Err(ServiceError::BadReply), "the words are missing");
    let into = crate::rt::slots::absolute(20);
    assert_eq!(root.lookup(Name::new("console").unwrap(), into), Ok(()));
    assert_eq!(root.lookup(Name::new("nobody").unwrap(), into), Err(ServiceError::NotFound));
}

#[test]
fn every_error_has_a_label_of_its_own() {
    assert_eq!(ServiceError::from_label(0), None);
    for label in 0x41..=0x4b {
        assert_eq!(ServiceError::from_label(label).map(ServiceError::label), Some(label));
    }
    for label in [11, 0x40, 0x4c, u64::MAX] {
        assert_eq!(ServiceError::from_label(label), Some(ServiceError::BadReply));
    }
}

#[test]
fn a_start_page_says_what_it_was_told() {
    let name = Name::new("console").unwrap();
    let mut info = StartInfo::new(name, "ports=3f8-3ff  verbose level=2=3").unwrap();
    assert_eq!(info.io_ports(), None);
    (info.first_port, info.last_port) = (0x3f8, 0x3ff);
    let page = StartPage::new(info);
    assert!(page.info.is_valid());
    assert_eq!(page.info.name(), Some(name));
    assert_eq!(page.info.io_ports(), Some(0x3f8..=0x3ff));
    assert_eq!(page.info.argument("ports"), Some("3f8-3ff"));
    assert_eq!(page.info.argument("level"), Some("2=3"));
    assert_eq!(page.info.argument("verbose"), None);
    assert_eq!(page.panic.read(), None);
    let full = "x".repeat(ARGUMENT_BYTES);
    assert_eq!(StartInfo::new(name, &full).map(|info| info.arguments().len()).ok(), Some(ARGUMENT_BYTES));
    assert_eq!(StartInfo::new(name, &(full + "y")).err(), Some(TooLong));
}

#[test]
fn a_panic_note_is_cut_to_its_place() {
    let mut note = PanicNote::NONE;
    note.leave("panic at main.rs: ü".as_bytes());
    assert_eq!(note.read(), Some("panic at main.rs: ü"));
    note.leave(b"good\xffbad");
    assert_eq!(note.read(), Some("good"));
    let long: String = "long".repeat(1000);
    note.leave(long.as_bytes());
    assert_eq!(note.read(), Some(&long[..PANIC_TEXT_BYTES]));
}
