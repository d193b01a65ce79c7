//! A small recording for tests: a client calls a server, an interrupt comes, the client faults, the core idles.
use libsel::abi::MessageInfo;
use libsel::abi::trace::{self, Area, Kind, Left, NAMES, RECORD_WORDS, RING_WORDS, Record, Route, ThreadId};

use super::recording::Recording;

pub const CLIENT: ThreadId = 0x100;
pub const SERVER: ThreadId = 0x200;
/// TSC ticks of a second: one nanosecond each.
pub const TSC_HZ: u64 = 1_000_000_000;

const CALL: u16 = -1_i16 as u16;
const REPLY_RECV: u16 = -2_i16 as u16;
const INFO: u64 = MessageInfo::new(1, 0, 0, 2).0;
const fn to(receiver: ThreadId, endpoint: u64) -> u64 {
    Route { receiver, endpoint }.raw()
}

const fn event(time: u64, kind: Kind, detail: u16, thread: ThreadId, words: [u64; 2]) -> Record {
    Record { time, kind: kind as u16, detail, thread, words }
}

/// The recording's events.
pub const EVENTS: [Record; 21] = [
    event(1000, Kind::Exit, 0, CLIENT, [0; 2]),
    // An invocation of the kernel.
    event(1100, Kind::Syscall, CALL, CLIENT, [3, INFO]),
    event(1150, Kind::Exit, 0, CLIENT, [0; 2]),
    // A message there and back.
    event(2000, Kind::Syscall, CALL, CLIENT, [5, INFO]),
    event(2010, Kind::Message, 2, CLIENT, [to(SERVER, 0x4000), 7]),
    event(2020, Kind::Switch, Left::Reply as u16, SERVER, [CLIENT as u64, 100]),
    event(2030, Kind::Exit, 0, SERVER, [0; 2]),
    event(3000, Kind::Syscall, REPLY_RECV, SERVER, [4, INFO]),
    event(3010, Kind::Message, 1, SERVER, [to(CLIENT, 0), 0]),
    event(3020, Kind::Switch, Left::Receive as u16, CLIENT, [SERVER as u64, 90]),
    event(3030, Kind::Exit, 0, CLIENT, [0; 2]),
    event(4000, Kind::Interrupt, 157, CLIENT, [0x20_1000, 0]),
    event(4010, Kind::Irq, 157, CLIENT, [0; 2]),
    event(4020, Kind::Exit, 0, CLIENT, [0; 2]),
    event(5000, Kind::Exception, 14, CLIENT, [0x20_2000, 0xdead]),
    event(5010, Kind::Fault, 6, CLIENT, [0xdead, 0x20_2000]),
    event(5020, Kind::Switch, Left::Inactive as u16, 0, [CLIENT as u64, 0]),
    event(5030, Kind::Idle, 0, 0, [0; 2]),
    event(6000, Kind::Awake, 0, 0, [0; 2]),
    event(6010, Kind::Switch, Left::Nobody as u16, SERVER, [0, 100]),
    event(6020, Kind::Exit, 0, SERVER, [0; 2]),
];

/// The two records of a name.
pub fn name(thread: ThreadId, time: u64, text: &str) -> [Record; 2] {
    let mut bytes = [0; trace::NAME_BYTES];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
    [0_u16, 1].map(|part| {
        let at = usize::from(part) * 16;
        event(time, Kind::Name, part, thread, [word(at), word(at + 8)])
    })
}

/// A ring with these records.
pub fn ring(events: &[Record], names: &[Record]) -> Recording {
    let mut words = vec![0; RING_WORDS];
    words[..6].copy_from_slice(&[
        trace::MAGIC,
        trace::VERSION,
        trace::RECORD_BYTES as u64,
        0,
        0x40_0000,
        TSC_HZ,
    ]);
    for (area, records) in [(NAMES, names), (trace::EVENTS, events)] {
        let Area { header, offset, capacity } = area;
        words[header..header + 3].copy_from_slice(&[offset as u64, capacity as u64, records.len() as u64]);
        for (number, record) in records.iter().enumerate() {
            let at = offset / 8 + number % capacity * RECORD_WORDS;
            words[at..at + RECORD_WORDS].copy_from_slice(&record.to_words());
        }
    }
    Recording::new(words)
}

/// All of it.
pub fn recording() -> Recording {
    ring(&EVENTS, &[name(CLIENT, 900, "client"), name(SERVER, 901, "server")].concat())
}
