//! The server list: strings of boot modules, `server NAME key=value … -- words for the server`.
use core::fmt;

use libsel::proto::Name;
use libsel::proto::start::slot::MAX_IRQS;

use crate::devices::Allowed;
use crate::restart::{Policy, Rules};

/// What `limine.conf` says about a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Name, by which others find its service.
    pub name: &'a str,
    /// Everything behind the name.
    pub arguments: &'a str,
    /// Ranges of I/O ports: first and last.
    pub ports: [Option<(u16, u16)>; 2],
    /// Interrupts of the ISA bus.
    pub irqs: [Option<u8>; MAX_IRQS],
    /// Priority.
    pub priority: u8,
    /// Microseconds of processor time a period.
    pub budget_us: u64,
    /// Microseconds; equal to the budget: it takes turns with others of its priority.
    pub period_us: u64,
    /// Bytes of memory that it may map.
    pub quota: u64,
    /// Devices whose registers it may map, see [`crate::devices::Allowed::parse`].
    pub devices: &'a str,
    /// It may ask the root task's administration.
    pub admin: bool,
    /// Services that it may look up.
    pub uses: Uses,
    /// When it runs again after its end.
    pub restart: Rules,
    /// It serves others and does not end by itself.
    pub service: bool,
}

/// Why an entry cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error<'a> {
    /// No name behind `server`.
    NoName,
    /// A word that is none of the known ones.
    Unknown(&'a str),
    /// A known word with a value that makes no sense.
    Value(&'a str),
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoName => write!(f, "a name must follow `server`"),
            Error::Unknown(word) => write!(
                f,
                "unknown word `{word}`; known are ports=FIRST-LAST,… irqs=N,… prio= budget_us= period_us= quota= service \
                 uses=NAME,… restart=always|on-failure|never backoff_ms= max_restarts= devices=framebuffer,hpet,pci:VENDOR:DEVICE admin, \
                 and behind `--` words for the server itself"
            ),
            Error::Value(word) => write!(f, "the value of `{word}` makes no sense"),
        }
    }
}

const DEFAULT_PRIORITY: u8 = 100;
const DEFAULT_BUDGET_US: u64 = 10_000;
const DEFAULT_BACKOFF_MS: u64 = 100;
const DEFAULT_RESTARTS: u32 = 10;
const DEFAULT_QUOTA: u64 = 128 << 20;

/// The name of a boot module: what follows `server` or `file`, or else its first word.
pub fn file_name(string: &str) -> &str {
    let mut words = string.split_whitespace();
    match words.next() {
        Some("server" | "file") => words.next().unwrap_or_default(),
        first => first.unwrap_or_default(),
    }
}

/// Reads a module's string; None if it is not a server.
pub fn parse(string: &str) -> Option<Result<Entry<'_>, Error<'_>>> {
    let rest = string.trim().strip_prefix("server")?;
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    Some(entry(rest.trim_start()))
}

fn entry(text: &str) -> Result<Entry<'_>, Error<'_>> {
    let (name, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if name.is_empty() {
        return Err(Error::NoName);
    }
    let mut entry = Entry {
        name,
        arguments: arguments.trim(),
        ports: [None; 2],
        irqs: [None; MAX_IRQS],
        priority: DEFAULT_PRIORITY,
        budget_us: DEFAULT_BUDGET_US,
        period_us: DEFAULT_BUDGET_US,
        quota: DEFAULT_QUOTA,
        devices: "",
        admin: false,
        uses: Uses::default(),
        restart: Rules { policy: Policy::Never, backoff_ms: DEFAULT_BACKOFF_MS, most: DEFAULT_RESTARTS },
        service: false,
    };
    let mut policy = None;
    for word in arguments.split_whitespace().take_while(|word| *word != "--") {
        let bad = Error::Value(word);
        match word.split_once('=') {
            None if word == "service" => entry.service = true,
            None if word == "admin" => entry.admin = true,
            Some(("uses", value)) => entry.uses = Uses::parse(value).ok_or(bad)?,
            Some(("restart", value)) => policy = Some(restart_policy(value).ok_or(bad)?),
            Some(("backoff_ms", value)) => entry.restart.backoff_ms = value.parse().map_err(|_| bad)?,
            Some(("max_restarts", value)) => entry.restart.most = value.parse().map_err(|_| bad)?,
            Some(("devices", value)) => {
                entry.devices = value;
                Allowed::parse(value).map_err(|_| bad)?;
            }
            Some(("ports", value)) => entry.ports = list(value, ports).ok_or(bad)?,
            Some(("irqs", value)) => {
                entry.irqs = list(value, |number| number.parse().ok().filter(|irq| *irq < 16)).ok_or(bad)?;
            }
            Some(("prio", value)) => entry.priority = value.parse().map_err(|_| bad)?,
            Some(("budget_us", value)) => entry.budget_us = value.parse().map_err(|_| bad)?,
            Some(("period_us", value)) => entry.period_us = value.parse().map_err(|_| bad)?,
            Some(("quota", value)) => entry.quota = bytes(value).ok_or(bad)?,
            _ => return Err(Error::Unknown(word)),
        }
    }
    let usual = if entry.service { Policy::OnFailure } else { Policy::Never };
    entry.restart.policy = policy.unwrap_or(usual);
    if entry.budget_us < 20 || entry.budget_us > entry.period_us {
        return Err(Error::Value("budget_us"));
    }
    Ok(entry)
}

fn restart_policy(value: &str) -> Option<Policy> {
    Some(match value {
        "always" => Policy::Always,
        "on-failure" => Policy::OnFailure,
        "never" => Policy::Never,
        _ => return None,
    })
}

/// Services at most that a server may name.
const MAX_USES: usize = 8;

/// The services that a server may look up; the console always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uses {
    all: bool,
    names: [Option<Name>; MAX_USES],
}

impl Uses {
    /// Names with commas between them, or `*`.
    fn parse(value: &str) -> Option<Self> {
        if value == "*" {
            return Some(Uses { all: true, ..Uses::default() });
        }
        Some(Uses { all: false, names: list(value, Name::new)? })
    }

    /// Whether a service is among them.
    pub fn allows(&self, name: &str) -> bool {
        self.all || name == "console" || self.names.iter().flatten().any(|known| known.as_str() == name)
    }
}

/// Values with commas between them.
fn list<T, const N: usize>(value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<[Option<T>; N]> {
    let mut values = [const { None }; N];
    for (number, text) in value.split(',').enumerate() {
        *values.get_mut(number)? = Some(parse(text)?);
    }
    Some(values)
}

fn ports(value: &str) -> Option<(u16, u16)> {
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let first = u16::from_str_radix(first, 16).ok()?;
    let last = u16::from_str_radix(last, 16).ok()?;
    (first <= last).then_some((first, last))
}

/// A number with an optional K, M or G.
fn bytes(value: &str) -> Option<u64> {
    let (digits, shift) = match value.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if value.ends_with('K') => (digits, 10),
        Some(digits) if value.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (value, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_entry() {
        let text = "server console ports=3f8-3ff,60-64 irqs=4,1 prio=120 budget_us=500 period_us=1000 quota=2M service";
        let entry = parse(text).unwrap().unwrap();
        assert_eq!((entry.name, entry.ports), ("console", [Some((0x3f8, 0x3ff)), Some((0x60, 0x64))]));
        assert_eq!(entry.irqs[..3], [Some(4), Some(1), None]);
        assert_eq!((entry.priority, entry.budget_us, entry.period_us), (120, 500, 1000));
        assert_eq!((entry.quota, entry.service), (2 << 20, true));
        assert!(entry.arguments.starts_with("ports="));
        assert!(parse("server hello").unwrap().is_ok());
        let entry = parse("server crashy quota=1M -- fault=write").unwrap().unwrap();
        assert_eq!((entry.quota, entry.arguments), (1 << 20, "quota=1M -- fault=write"));
        let entry = parse("server shell admin devices=hpet,pci:8086:100e").unwrap().unwrap();
        assert_eq!((entry.admin, entry.devices), (true, "hpet,pci:8086:100e"));
        assert_eq!(file_name("server console service"), "console");
        assert_eq!(
            (file_name("file a.txt"), file_name("manifest"), file_name("")),
            ("a.txt", "manifest", "")
        );
        assert_eq!(parse("root"), None);
        assert_eq!(parse("servers x"), None);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text| parse(text).unwrap().unwrap_err();
        assert_eq!(error("server"), Error::NoName);
        assert_eq!(error("server a color=red"), Error::Unknown("color=red"));
        for word in [
            "ports=9-3",
            "ports=1,2,3",
            "irqs=16",
            "ports=zz",
            "prio=256",
            "quota=12Q",
            "quota=99999999999G",
            "budget_us=x",
            "devices=x",
        ] {
            let text = format!("server a {word}");
            assert_eq!(parse(&text).unwrap().unwrap_err(), Error::Value(word), "{word}");
        }
        assert_eq!(error("server a budget_us=50 period_us=20"), Error::Value("budget_us"));
    }
}
