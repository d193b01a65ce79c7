//! The picture as a file: JSON in the trace event format, which Perfetto (https://ui.perfetto.dev) opens.
//!
//! A core is a thread of the process "cores", a thread one of the process "threads". Times are microseconds from the
//! first event on.
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::names::Names;
use super::timeline::{Arrow, Details, Instant, Slice, Timeline, Track};

const CORES: u64 = 1;
const THREADS: u64 = 2;

/// Times of a clock of some frequency, as the format has them.
struct Clock {
    start: u64,
    hz: u64,
}

impl Clock {
    /// Whole nanoseconds, so that slices nest exactly.
    fn ns(&self, ticks: u64) -> u64 {
        let passed = u128::from(ticks.saturating_sub(self.start));
        u64::try_from(passed * 1_000_000_000 / u128::from(self.hz.max(1))).unwrap_or(u64::MAX)
    }

    fn us(&self, ticks: u64) -> Value {
        microseconds(self.ns(ticks))
    }
}

fn microseconds(ns: u64) -> Value {
    json!(ns as f64 / 1000.0)
}

/// The whole file, with one line for each event. `hz` is the frequency of the records' clock.
pub fn document(timelines: &[Timeline], names: &Names, hz: u64) -> String {
    let starts = timelines.iter().flat_map(|timeline| {
        let slices = timeline.slices.iter().map(|slice| slice.start);
        slices.chain(timeline.instants.iter().map(|instant| instant.time))
    });
    let clock = Clock { start: starts.min().unwrap_or(0), hz };
    let mut events = about_tracks(timelines, names);
    let mut arrows = 0;
    for timeline in timelines {
        events.extend(timeline.slices.iter().map(|slice| slice_event(&clock, slice)));
        events.extend(timeline.instants.iter().map(|instant| instant_event(&clock, instant)));
        for arrow in &timeline.arrows {
            arrows += 1;
            events.extend(arrow_events(&clock, arrow, arrows));
        }
    }
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    format!("{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{}\n]}}\n", lines.join(",\n"))
}

/// Names of processes and threads.
fn about_tracks(timelines: &[Timeline], names: &Names) -> Vec<Value> {
    let tracks: BTreeSet<Track> = timelines
        .iter()
        .flat_map(|timeline| {
            let slices = timeline.slices.iter().map(|slice| slice.track);
            slices.chain(timeline.instants.iter().map(|instant| instant.track))
        })
        .collect();
    let about = |name: &str, pid: u64, tid: u64, args: Value| json!({ "ph": "M", "name": name, "pid": pid, "tid": tid, "args": args });
    let mut events = Vec::new();
    for (pid, name) in [(CORES, "cores"), (THREADS, "threads")] {
        events.push(about("process_name", pid, 0, json!({ "name": name })));
        events.push(about("process_sort_index", pid, 0, json!({ "sort_index": pid })));
    }
    for track in tracks {
        let (pid, tid) = place(track);
        let name = match track {
            Track::Core(core) => format!("core {core}"),
            Track::Thread(thread) => names.of(thread),
        };
        events.push(about("thread_name", pid, tid, json!({ "name": name })));
    }
    events
}

/// Process and thread of a track.
fn place(track: Track) -> (u64, u64) {
    match track {
        // 0 would be no thread.
        Track::Core(core) => (CORES, core + 1),
        Track::Thread(thread) => (THREADS, thread.into()),
    }
}

fn arguments(details: &Details) -> Value {
    details.iter().map(|(name, value)| (name.to_string(), json!(value))).collect::<Map<_, _>>().into()
}

fn slice_event(clock: &Clock, slice: &Slice) -> Value {
    let (pid, tid) = place(slice.track);
    let duration = microseconds(clock.ns(slice.end) - clock.ns(slice.start));
    json!({
        "ph": "X", "name": slice.name, "pid": pid, "tid": tid, "ts": clock.us(slice.start), "dur": duration,
        "args": arguments(&slice.details),
    })
}

fn instant_event(clock: &Clock, instant: &Instant) -> Value {
    let (pid, tid) = place(instant.track);
    json!({
        "ph": "i", "s": "t", "name": instant.name, "pid": pid, "tid": tid, "ts": clock.us(instant.time),
        "args": arguments(&instant.details),
    })
}

/// A message's arrow: it begins and ends in the slice that is there at the time.
fn arrow_events(clock: &Clock, arrow: &Arrow, id: u64) -> [Value; 2] {
    [("s", arrow.from), ("f", arrow.to)].map(|(phase, (thread, time))| {
        let (pid, tid) = place(Track::Thread(thread));
        json!({
            "ph": phase, "bp": "e", "cat": "message", "name": "message", "id": id, "pid": pid, "tid": tid,
            "ts": clock.us(time),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, CLIENT, SERVER};
    use super::*;

    #[test]
    fn every_event_has_what_the_format_asks_for() {
        let recording = sample::recording();
        let ring = recording.ring().unwrap();
        let names = Names::read(ring.names());
        let timeline = Timeline::read(0, ring.events(), &names);
        let text = document(std::slice::from_ref(&timeline), &names, ring.tsc_hz());
        let value: Value = serde_json::from_str(&text).unwrap();
        let events = value["traceEvents"].as_array().unwrap();
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
        assert!(events.iter().all(|event| event["pid"].is_u64() && event["tid"].is_u64()));
        assert_eq!(of("X").len(), timeline.slices.len());
        assert_eq!((of("i").len(), of("s").len(), of("f").len()), (4, 2, 2));
        let named: Vec<_> =
            of("M").iter().filter_map(|event| event["args"]["name"].as_str()).map(String::from).collect();
        assert_eq!(named, ["cores", "threads", "core 0", "client", "server"]);
        let call =
            of("X").into_iter().find(|event| event["name"] == "Call" && event["pid"] == THREADS).unwrap();
        assert_eq!((&call["ts"], &call["dur"], &call["tid"]), (&json!(1.0), &json!(0.02), &json!(CLIENT)));
        assert_eq!(call["args"]["capability pointer"], "0x5");
        let end = of("f")[0];
        assert_eq!((&end["ts"], &end["tid"], &end["id"]), (&json!(1.02), &json!(SERVER), &json!(1)));
    }

    #[test]
    fn times_are_exact_for_any_clock() {
        let clock = Clock { start: 100, hz: 2_596_140_000 };
        assert_eq!(clock.ns(100), 0);
        assert_eq!(clock.ns(100 + 2_596_140_000 * 3600), 3_600_000_000_000);
        assert_eq!(clock.us(0), json!(0.0), "before the start");
        assert_eq!(Clock { start: 0, hz: 0 }.ns(5), 5_000_000_000, "a frequency that nobody wrote");
    }
}
