//! Every command against a machine that is made up.

use crashy::Way;
use libsel::proto::admin::{
    BLOCK_SIZES, BlockCounts, CapabilityInfo, KindBytes, MemoryInfo, MemoryKind, RangeInfo, ServerInfo,
    ServerState,
};
use libsel::proto::root::{FileInfo, Protection};
use libsel::proto::{Name, ServiceError, Text};

use crate::Shell;
use crate::commands::COMMANDS;
use crate::complete::{Completion, complete, in_columns};
use crate::system::{Failure, Result, System};
use crate::trace::Summary;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The machine, and what was asked of it.
#[derive(Default)]
struct Machine {
    cpu_us: u64,
    ticks: u64,
    files: Vec<(String, Vec<u8>)>,
    asked: Vec<String>,
    /// What the root task answers to everything.
    refuses: Option<ServiceError>,
}

impl Machine {
    fn ask(&mut self, what: String) -> Result<()> {
        self.asked.push(what);
        self.refuses.map_or(Ok(()), |error| Err(error.into()))
    }

    fn at(&self, name: &str) -> Result<usize> {
        self.files.iter().position(|(known, _)| known == name).ok_or(ServiceError::NotFound.into())
    }
}

fn item<T: Clone>(list: &[T], index: u64) -> Result<T> {
    list.get(index as usize).cloned().ok_or(ServiceError::NotFound.into())
}

impl System for Machine {
    fn server(&mut self, index: u64) -> Result<ServerInfo> {
        let server = |id, text, budget_us, cpu_us, mapped_bytes| ServerInfo {
            id,
            name: name(text),
            state: ServerState::Running,
            priority: 100 + id,
            budget_us,
            period_us: 10_000,
            cpu_us,
            mapped_bytes,
            peak_bytes: mapped_bytes,
            quota: 16 << 20,
            room: (16 << 20) - mapped_bytes,
            restarts: u64::from(id),
        };
        let mut waiting = server(30, "a-name-that-is-longer-than-that", 2500, 3_600_000_000, 16 << 20);
        waiting.state = ServerState::Waiting;
        item(
            &[
                server(1, "console", 10_000, 250_000, 64 << 10),
                server(2, "shell", 10_000, self.cpu_us, 0),
                waiting,
            ],
            index,
        )
    }

    fn memory(&mut self) -> Result<MemoryInfo> {
        let mut blocks = [0; BLOCK_SIZES];
        (blocks[4], blocks[12], blocks[27]) = (63, 4096, 3);
        let mut used = KindBytes::default();
        used.add(MemoryKind::Image, 10 << 20);
        used.add(MemoryKind::Heap, 90 << 20);
        Ok(MemoryInfo {
            total: 500 << 20,
            free: 400 << 20,
            cached: 164 << 10,
            largest_bits: 27,
            fragmentation_permille: 747,
            blocks: BlockCounts(blocks),
            allocations: 123_456_789,
            retypes: 1_000_000,
            revokes: 999_999,
            slots: 65_000,
            nodes: 32,
            node_capacity: 4096,
            used,
            device_used: 3 << 20,
        })
    }

    fn range(&mut self, server: u8, index: u64) -> Result<RangeInfo> {
        assert_eq!(server, 1);
        let run = |start, bytes, kind, protection| RangeInfo { start, bytes, kind, protection };
        let code = run(0x20_0000, 0x5000, MemoryKind::Image, Protection::READ_EXECUTE);
        let high = run(0x7fff_0000_0000, 1 << 32, MemoryKind::Promised, Protection::READ_WRITE);
        item(&[code, high], index)
    }

    fn capability(&mut self, _: u8, index: u64) -> Result<CapabilityInfo> {
        let long = "x".repeat(100);
        let texts = ["Thread: its thread", long.as_str()];
        let kind = Text::cut(item(&texts, index)?.as_bytes());
        Ok(CapabilityInfo { slot: index + 1, kind })
    }

    fn spawn(&mut self, image: Name, arguments: &str) -> Result<()> {
        self.ask(format!("spawn {image} with {arguments}"))
    }

    fn kill(&mut self, name: Name) -> Result<()> {
        self.ask(format!("kill {name}"))
    }

    fn crash(&mut self, way: Way) -> Result<()> {
        self.ask(format!("crash {}", way.name()))
    }

    fn reboot(&mut self) -> Result<()> {
        self.ask("reboot".into())
    }

    fn trace(&mut self) -> Result<Summary> {
        self.ask("trace".into()).map(|()| Summary::new(1_000_000))
    }

    fn image(&mut self, index: u64) -> Result<FileInfo> {
        item(&[FileInfo { name: name("hello"), bytes: 200_000 }], index)
    }

    fn file(&mut self, place: u64) -> Result<(FileInfo, u64)> {
        let (text, bytes) = item(&self.files, place)?;
        Ok((FileInfo { name: name(&text), bytes: bytes.len() as u64 }, place + 1))
    }

    fn read(&mut self, name: &str, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = &self.files[self.at(name)?].1[offset as usize..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.files.push((name.into(), bytes.into()));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let place = self.at(name)?;
        self.files.remove(place);
        Ok(())
    }

    fn ticks(&mut self) -> u64 {
        self.ticks += 10;
        self.ticks
    }

    fn ticks_per_second(&mut self) -> u64 {
        2_000_000
    }

    fn call_console(&mut self) -> Result<()> {
        self.ticks += 500;
        Ok(())
    }

    fn call_root(&mut self) -> Result<()> {
        self.ticks += 300;
        Ok(())
    }
}

/// Runs lines one after the other; the text of the last one, which fits the terminal like all others.
fn run(machine: &mut Machine, lines: &[&str]) -> String {
    let mut shell = Shell::default();
    let mut text = String::new();
    for line in lines {
        text.clear();
        shell.run(line, machine, &mut text);
        for shown in text.lines() {
            assert!(shown.chars().count() <= 80, "{line}: {shown}");
        }
        assert!(text.is_empty() || text.ends_with('\n'), "{line}: {text}");
    }
    text
}

fn one(line: &str) -> String {
    run(&mut Machine::default(), &[line])
}

#[test]
fn every_command_explains_itself_in_80_columns() {
    let list = one("help");
    for command in COMMANDS {
        assert!(list.contains(command.summary), "{}", command.name);
        let more = one(&format!("help {}", command.name));
        assert!(more.contains(command.help) && more.contains(command.usage), "{more}");
        // A call with too many words says how it is done, without doing anything.
        let mut machine = Machine::default();
        let text = run(&mut machine, &[&format!("{} a b c d", command.name)]);
        let takes_any = ["spawn", "write"].contains(&command.name);
        assert_eq!(text.contains(&format!("the command is `{}", command.name)), !takes_any, "{text}");
        assert!(takes_any || machine.asked.is_empty());
    }
    assert_eq!(one("help hepl"), "help: there is no command `hepl`; did you mean `help`?\n");
}

#[test]
fn what_is_no_command_is_told_with_a_near_one() {
    assert_eq!(one("kil x"), "there is no command `kil`; did you mean `kill`?\n");
    assert_eq!(one("frobnicate"), "there is no command `frobnicate`; `help` lists them\n");
    assert_eq!((one(""), one("   ")), (String::new(), String::new()));
    assert_eq!(one("write x \"y"), "a quote is not closed; a quote itself is written \\\"\n");
}

#[test]
fn ps_shows_shares_since_the_last_time() {
    // Two million ticks are a second.
    let mut machine = Machine { ticks: 2_000_000 - 10, cpu_us: 500_000, ..Machine::default() };
    let mut shell = Shell::default();
    let mut text = String::new();
    shell.run("ps", &mut machine, &mut text);
    assert_eq!(
        text,
        "PID NAME         STATE    PRIO  BUDGET/PERIOD  CPU%    TIME   MEMORY RESTARTS\n  \
         1 console      running   101       10/10 ms  25.0  0.25 s   64 KiB        1\n  \
         2 shell        running   102       10/10 ms  50.0  0.50 s      0 B        2\n \
         30 a-name-that- back-off  130      2.5/10 ms 360000.0  3600 s   16 MiB       30\n\
         servers used 360075.0 % of the last 1.00 s\n"
    );
    (machine.ticks, machine.cpu_us) = (10_000_000 - 10, 1_500_000);
    text.clear();
    shell.run("ps", &mut machine, &mut text);
    let line = |number: usize| text.lines().nth(number).unwrap();
    assert!(line(1).contains("   0.0  0.25 s") && line(2).contains("  25.0  1.50 s"), "{text}");
    assert_eq!(line(4), "servers used 25.0 % of the last 4.00 s");
}

#[test]
fn mem_draws_bars() {
    let text = one("mem");
    let expected = [
        "RAM used   100 MiB        [########................................] of 500 MiB",
        "free       400 MiB; largest block 128 MiB, fragmentation 74.7 %, 164 KiB cached",
        "free blocks  number    bytes",
        "      16 B       63   1008 B [#.......................................]",
        "     4 KiB     4096   16 MiB [#.......................................]",
        "   128 MiB        3  384 MiB [######################################..]",
        "used by",
        "  image      10 MiB        [####....................................]",
        "  heap       90 MiB        [####################################....]",
        "servers   mapped   of quota",
        "  console    64 KiB        [#.......................................] 16 MiB",
        "  shell         0 B        [........................................] 16 MiB",
        "  a-name-t   16 MiB        [########################################] 16 MiB",
        "so far 123456789 blocks handed out, by 1000000 retypes and 999999 revokes",
        "in use: 65000 slots, 32 of 4096 nodes of address ranges, 3 MiB of devices",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn spaces_are_shown_by_number_or_name() {
    let text = one("map 1");
    assert_eq!(
        text,
        "           first   last                 size\n          \
         200000 - 204fff             20 KiB r-x image\n    \
         7fff00000000 - 7fffffffffff        4 GiB rw- promised\n\
         4.0 GiB in 2 runs\n"
    );
    assert_eq!(one("map console"), text);
    assert!(one("caps console").starts_with("slot  capability\n   1  Thread: its thread\n   2  xxx"));
    assert_eq!(one("map consle"), "map: no server `consle` runs; did you mean `console`?\n");
    assert_eq!(one("caps 9"), "caps: no server `9` runs; `ps` lists those that do\n");
}

#[test]
fn servers_are_started_and_ended() {
    let mut machine = Machine::default();
    assert_eq!(run(&mut machine, &["spawn hello x=1 \"a b\"", "kill 1"]), "console is ended\n");
    assert_eq!(run(&mut machine, &["crash panic"]), "crashy was told to panic\n");
    assert_eq!(machine.asked, ["spawn hello with x=1 a b", "kill console", "crash panic"]);
    assert!(one("crash stak").contains("did you mean `stack`?"));
    assert!(one("crash").contains("the command is `crash FAULT`"));
    let refused = |error, line| run(&mut Machine { refuses: Some(error), ..Machine::default() }, &[line]);
    assert!(refused(ServiceError::NotFound, "spawn x").contains("`images` lists the files"));
    assert!(refused(ServiceError::InUse, "spawn hello").contains("`kill hello` ends it"));
    assert!(refused(ServiceError::OutOfMemory, "spawn hello").contains("see `mem`"));
    assert_eq!(refused(ServiceError::Refused, "kill 1"), "kill: not allowed\n");
    assert!(refused(ServiceError::Refused, "reboot").contains("switch it off"));
}

#[test]
fn files_are_written_shown_and_removed() {
    let mut machine = Machine::default();
    assert!(run(&mut machine, &["ls"]).contains("`write NAME \"text\"` makes one"));
    assert_eq!(run(&mut machine, &["write note one  two \"a  b\\nc\""]), "15 B written\n");
    assert_eq!(run(&mut machine, &["cat note"]), "one two a  b\nc\n");
    assert_eq!(run(&mut machine, &["ls"]), "     15 B note\n");
    assert_eq!(
        run(&mut machine, &["rm note", "cat note"]),
        "cat: there is no file `note`; `ls` lists them\n"
    );
    assert_eq!(run(&mut machine, &["rm note"]), "rm: there is no file `note`; `ls` lists them\n");
    assert!(run(&mut machine, &["write note"]).contains("the command is `write FILE TEXT`"));
    assert_eq!(run(&mut machine, &["images"]), "  195 KiB hello\n");
}

#[test]
fn cat_shows_whole_characters_and_ends() {
    let text = format!("{}€{}\n", "x".repeat(60), "ü\n".repeat(400));
    let mut files = vec![("text".to_string(), text.clone().into_bytes())];
    files.push(("bytes".into(), b"a\xff\xfeb\xe2\x82".to_vec()));
    files.push(("large".into(), "0123456789abcde\n".repeat(5000).into_bytes()));
    let mut machine = Machine { files, ..Machine::default() };
    assert_eq!(run(&mut machine, &["cat text"]), text);
    assert_eq!(run(&mut machine, &["cat bytes"]), "a??b?\n");
    assert!(run(&mut machine, &["cat large"]).ends_with("… cut after 64 KiB\n"));
}

#[test]
fn bench_takes_the_clock_off() {
    let text = one("bench");
    assert!(text.contains("call of the console                    500       500       500\n"), "{text}");
    assert!(text.contains("call of the root task                  300       300       300\n"), "{text}");
    assert!(text.contains("malloc and free of 16 bytes              0         0         0\n"), "{text}");
    assert!(one("uptime").ends_with(" s\n"));
    assert!(one("trace").starts_with("0 events in 0.000000 s\n"), "{}", one("trace"));
}

#[test]
fn a_tab_completes_what_is_clear() {
    let mut machine =
        Machine { files: vec![("note".into(), vec![]), ("notes".into(), vec![])], ..Machine::default() };
    let mut tab = |before: &str| complete(before, &mut machine);
    let insert = |text: &str| Completion { insert: text.into(), candidates: vec![] };
    assert_eq!(tab("hel"), insert("p "));
    assert_eq!(tab("help ps"), insert(" "));
    assert_eq!(tab("kill con"), insert("sole "));
    assert_eq!(tab("spawn h"), insert("ello "));
    assert_eq!(tab("crash pa"), insert("nic "));
    assert_eq!(tab("cat n"), insert("ote"));
    assert_eq!(tab("ca").candidates, ["caps", "cat"]);
    assert_eq!(tab("").candidates.len(), COMMANDS.len());
    for nothing in ["xyz", "cat x", "ps a", "cat note n", "nosuch a"] {
        assert_eq!(tab(nothing), Completion::default(), "{nothing}");
    }
}

#[test]
fn candidates_stand_in_columns() {
    let names: Vec<String> = (0..20).map(|number| format!("name-{number:<5}x")).collect();
    let text = in_columns(&names);
    assert!(text.lines().all(|line| line.len() <= 80) && text.lines().count() == 4, "{text}");
    assert_eq!(in_columns(&["a".repeat(100)]), format!("{}\n", "a".repeat(100)));
}

#[test]
fn a_console_that_is_gone_stops_a_command() {
    struct Gone;
    impl core::fmt::Write for Gone {
        fn write_str(&mut self, _: &str) -> core::fmt::Result {
            Err(core::fmt::Error)
        }
    }
    Shell::default().run("mem", &mut Machine::default(), &mut Gone);
    assert_eq!(Failure::from(core::fmt::Error), Failure::Output);
}
