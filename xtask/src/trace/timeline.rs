//! From records to what a picture shows: slices of time on tracks, instants, arrows.
//!
//! A core's track shows what the core does: which thread's code it runs, the kernel, or nothing. A thread's track shows
//! when the thread runs, and in that, the kernel entries that it made or that ended with it.
use std::cmp::Reverse;
use std::collections::HashMap;

use libsel::abi::trace::{Kind, Record, Route, ThreadId};

use super::names::{self, Names};

/// The slice of a thread that runs.
const RUNNING: &str = "running";

/// A line of the picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Track {
    /// Of a core.
    Core(u64),
    /// Of a thread.
    Thread(ThreadId),
}

/// What is told of an event besides its name.
pub type Details = Vec<(&'static str, String)>;

/// Something that takes time, in TSC ticks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    pub track: Track,
    pub name: String,
    pub start: u64,
    pub end: u64,
    pub details: Details,
}

/// Something that happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instant {
    pub track: Track,
    pub name: String,
    pub time: u64,
    pub details: Details,
}

/// A message's way: a time inside a slice of each of the two threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrow {
    pub from: (ThreadId, u64),
    pub to: (ThreadId, u64),
}

/// What one core did.
#[derive(Default)]
pub struct Timeline {
    pub slices: Vec<Slice>,
    pub instants: Vec<Instant>,
    pub arrows: Vec<Arrow>,
}

/// A kernel entry that has not ended.
struct Entry {
    name: String,
    start: u64,
    details: Details,
    /// For a Call: what it asks for if it is no message.
    operation: Option<String>,
}

/// Reads records in their order.
struct Reader<'a> {
    core: u64,
    names: &'a Names,
    made: Timeline,
    now: u64,
    /// The thread that runs, and since when.
    running: Option<(ThreadId, u64)>,
    entry: Option<Entry>,
    /// Since when the running thread's own code runs.
    user: Option<u64>,
    idle: Option<u64>,
    /// When the last kernel entry of a thread began that is a slice on its track.
    last_entry: HashMap<ThreadId, u64>,
    /// Where messages come from that a thread finds when it runs again.
    waiting: HashMap<ThreadId, Vec<(ThreadId, u64)>>,
}

impl Timeline {
    /// What the records of a core tell.
    pub fn read(core: u64, records: impl Iterator<Item = Record>, names: &Names) -> Self {
        let mut reader = Reader {
            core,
            names,
            made: Self::default(),
            now: 0,
            running: None,
            entry: None,
            user: None,
            idle: None,
            last_entry: HashMap::new(),
            waiting: HashMap::new(),
        };
        for record in records {
            reader.now = record.time;
            if let Some(kind) = Kind::from_raw(record.kind) {
                reader.event(kind, &record);
            }
        }
        reader.end();
        // A slice stands before those that lie inside of it.
        reader.made.slices.sort_by_key(|slice| (slice.start, Reverse(slice.end), slice.name != RUNNING));
        reader.made
    }
}

impl Reader<'_> {
    fn event(&mut self, kind: Kind, record: &Record) {
        let Record { detail, thread, words: [first, second], .. } = *record;
        match kind {
            Kind::Syscall => {
                let name = names::syscall(detail);
                let operation = (name == "Call").then(|| names::operation(second)).flatten();
                let details = vec![("capability pointer", hex(first)), ("message info", hex(second))];
                self.enter(thread, name, details, operation);
            }
            Kind::Exception => {
                let details = vec![("instruction", hex(first)), ("CR2", hex(second))];
                self.enter(thread, names::exception(detail), details, None);
            }
            Kind::Interrupt => {
                self.enter(thread, names::interrupt(detail), vec![("instruction", hex(first))], None);
            }
            Kind::SoftwareInterrupt => {
                let details = vec![("instruction", hex(first)), ("rax", hex(second))];
                self.enter(thread, format!("int {detail}"), details, None);
            }
            Kind::Exit => self.exit(thread),
            Kind::Switch => self.switch(first as ThreadId, thread, names::left(detail)),
            Kind::Message => self.message(thread, Route::from_raw(first), second, detail),
            Kind::Fault => {
                let details = vec![("about", hex(first)), ("instruction", hex(second))];
                self.instant(Track::Thread(thread), names::fault(detail), details);
            }
            Kind::Irq => self.instant(Track::Core(self.core), names::interrupt(detail), Vec::new()),
            Kind::Signal => {
                let track = if thread == 0 { Track::Core(self.core) } else { Track::Thread(thread) };
                let details = vec![("notification", hex(first)), ("badge", hex(second))];
                self.instant(track, "signal".into(), details);
            }
            Kind::Idle => {
                self.end_entry();
                self.idle = Some(self.now);
            }
            Kind::Awake => {
                self.end_idle();
                let name = "interrupt".to_string();
                self.entry = Some(Entry { name, start: self.now, details: Vec::new(), operation: None });
            }
            Kind::Name => {}
        }
    }

    fn slice(&mut self, track: Track, name: String, start: u64, details: Details) {
        self.made.slices.push(Slice { track, name, start, end: self.now, details });
    }

    fn instant(&mut self, track: Track, name: String, details: Details) {
        self.made.instants.push(Instant { track, name, time: self.now, details });
    }

    fn enter(&mut self, thread: ThreadId, name: String, details: Details, operation: Option<String>) {
        // The beginning may be lost.
        if self.running.is_none() {
            self.running = Some((thread, self.now));
        }
        self.end_user();
        self.last_entry.insert(thread, self.now);
        self.entry = Some(Entry { name, start: self.now, details, operation });
    }

    fn exit(&mut self, thread: ThreadId) {
        if self.running.is_none() && thread != 0 {
            self.running = Some((thread, self.now));
        }
        self.end_part_of_entry();
        self.end_entry();
        self.user = Some(self.now);
    }

    /// The part of a kernel entry that is the running thread's.
    fn end_part_of_entry(&mut self) {
        let (Some(entry), Some((thread, since))) = (&self.entry, self.running) else { return };
        let mine = entry.start >= since;
        let name = if mine { entry.title() } else { format!("end of {}", entry.title()) };
        let (start, details) =
            (entry.start.max(since), if mine { entry.details.clone() } else { Vec::new() });
        self.slice(Track::Thread(thread), name, start, details);
    }

    fn end_entry(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.slice(Track::Core(self.core), entry.title(), entry.start, entry.details);
        }
    }

    fn end_user(&mut self) {
        if let (Some(start), Some((thread, _))) = (self.user.take(), self.running) {
            let name = self.names.at(thread, start).map_or_else(|| self.names.of(thread), String::from);
            self.slice(Track::Core(self.core), name, start, Vec::new());
        }
    }

    fn end_idle(&mut self) {
        if let Some(start) = self.idle.take() {
            self.slice(Track::Core(self.core), "idle".into(), start, Vec::new());
        }
    }

    fn end_running(&mut self, why: &str) {
        if let Some((thread, since)) = self.running.take() {
            self.slice(Track::Thread(thread), RUNNING.into(), since, vec![("then", why.into())]);
        }
    }

    fn switch(&mut self, from: ThreadId, to: ThreadId, why: &str) {
        if self.running.is_none() && from != 0 {
            self.running = Some((from, self.now));
        }
        self.end_part_of_entry();
        self.end_running(why);
        if to != 0 {
            self.running = Some((to, self.now));
            for from in self.waiting.remove(&to).unwrap_or_default() {
                self.made.arrows.push(Arrow { from, to: (to, self.now) });
            }
        }
    }

    fn message(&mut self, sender: ThreadId, route: Route, badge: u64, length: u16) {
        let mut details = vec![("words", length.to_string()), ("to", self.names.of(route.receiver))];
        if route.endpoint != 0 {
            details.extend([("endpoint", hex(route.endpoint)), ("badge", hex(badge))]);
        }
        let name = if route.endpoint == 0 { "answer" } else { "message" };
        self.instant(Track::Thread(sender), name.into(), details);
        if let Some(entry) = &mut self.entry {
            entry.operation = None;
        }
        // A sender that waited is found where its kernel entry began.
        let current = self.running.map(|(thread, _)| thread);
        let sent =
            if current == Some(sender) { Some(self.now) } else { self.last_entry.get(&sender).copied() };
        let Some(sent) = sent else { return };
        if current == Some(route.receiver) {
            self.made.arrows.push(Arrow { from: (sender, sent), to: (route.receiver, self.now) });
        } else {
            self.waiting.entry(route.receiver).or_default().push((sender, sent));
        }
    }

    fn end(&mut self) {
        self.end_part_of_entry();
        self.end_entry();
        self.end_user();
        self.end_idle();
        self.end_running("end of the recording");
    }
}

impl Entry {
    fn title(&self) -> String {
        match &self.operation {
            Some(operation) => format!("{}: {operation}", self.name),
            None => self.name.clone(),
        }
    }
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, CLIENT, SERVER};
    use super::*;

    fn sample() -> Timeline {
        let recording = sample::recording();
        let ring = recording.ring().unwrap();
        Timeline::read(0, ring.events(), &Names::read(ring.names()))
    }

    fn on(timeline: &Timeline, track: Track) -> Vec<(&str, u64, u64)> {
        let slices = timeline.slices.iter().filter(|slice| slice.track == track);
        slices.map(|slice| (slice.name.as_str(), slice.start, slice.end)).collect()
    }

    #[test]
    fn a_core_does_one_thing_at_a_time() {
        let timeline = sample();
        let core = on(&timeline, Track::Core(0));
        assert_eq!(
            core,
            [
                ("client", 1000, 1100),
                ("Call: UntypedRetype", 1100, 1150),
                ("client", 1150, 2000),
                ("Call", 2000, 2030),
                ("server", 2030, 3000),
                ("ReplyRecv", 3000, 3030),
                ("client", 3030, 4000),
                ("timer", 4000, 4020),
                ("client", 4020, 5000),
                ("page fault", 5000, 5030),
                ("idle", 5030, 6000),
                ("interrupt", 6000, 6020),
                ("server", 6020, 6020),
            ]
        );
    }

    #[test]
    fn a_thread_has_its_part_of_each_kernel_entry() {
        let timeline = sample();
        assert_eq!(
            on(&timeline, Track::Thread(SERVER)),
            [
                ("running", 2020, 3020),
                ("end of Call", 2020, 2030),
                ("ReplyRecv", 3000, 3020),
                ("running", 6010, 6020),
                ("end of interrupt", 6010, 6020),
            ]
        );
        let client = on(&timeline, Track::Thread(CLIENT));
        assert_eq!(client[..2], [("running", 1000, 2020), ("Call: UntypedRetype", 1100, 1150)]);
        assert_eq!(client.last(), Some(&("page fault", 5000, 5020)));
        let then: Vec<_> = timeline.slices.iter().filter(|slice| slice.name == "running").collect();
        assert_eq!(then[0].details, [("then", "waits for a reply".to_string())]);
    }

    #[test]
    fn messages_are_arrows_and_faults_are_instants() {
        let timeline = sample();
        let there = Arrow { from: (CLIENT, 2010), to: (SERVER, 2020) };
        let back = Arrow { from: (SERVER, 3010), to: (CLIENT, 3020) };
        assert_eq!(timeline.arrows, [there, back]);
        let instants: Vec<_> = timeline
            .instants
            .iter()
            .map(|instant| (instant.name.as_str(), instant.track, instant.time))
            .collect();
        assert_eq!(
            instants,
            [
                ("message", Track::Thread(CLIENT), 2010),
                ("answer", Track::Thread(SERVER), 3010),
                ("timer", Track::Core(0), 4010),
                ("VmFault", Track::Thread(CLIENT), 5010),
            ]
        );
    }

    #[test]
    fn a_recording_may_begin_anywhere() {
        for skipped in 0..sample::EVENTS.len() {
            let events = sample::EVENTS.iter().skip(skipped).copied();
            let timeline = Timeline::read(0, events, &Names::default());
            for slice in &timeline.slices {
                assert!(slice.start <= slice.end, "{skipped}: {slice:?}");
            }
            let core = on(&timeline, Track::Core(0));
            assert!(core.windows(2).all(|pair| pair[0].2 <= pair[1].1), "{skipped}: {core:?}");
        }
    }
}
