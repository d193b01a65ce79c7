//! What stands behind the keys: numbers, lists, names.

use libsel::proto::Name;
use libsel::proto::start::slot::MAX_IRQS;

use crate::devices::pci_numbers;
use crate::restart::Policy;

/// Ranges of I/O ports at most.
pub const MAX_PORTS: usize = 2;
/// Services at most that a server may name.
pub const MAX_USES: usize = 8;
/// Interrupts of the ISA bus.
const ISA_IRQS: u8 = 16;

/// The services that a server may look up; the console always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uses {
    all: bool,
    names: [Option<Name>; MAX_USES],
}

impl Uses {
    /// Names with commas between them, or `*`.
    pub fn parse(value: &str) -> Option<Self> {
        if value == "*" {
            return Some(Uses { all: true, ..Uses::default() });
        }
        Some(Uses { all: false, names: list(value, |text| Name::new(name(text)?))? })
    }

    /// Whether a service is among them.
    pub fn allows(&self, name: &str) -> bool {
        self.all || name == "console" || self.names.iter().flatten().any(|known| known.as_str() == name)
    }
}

/// The name of a server or a file: letters, digits, `-`, `_` and `.`.
pub fn name(text: &str) -> Option<&str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (Name::new(text).is_some() && text.bytes().all(is_part)).then_some(text)
}

/// `yes` or `no`.
pub fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A number with an optional K, M or G.
pub fn bytes(value: &str) -> Option<u64> {
    let (digits, shift) = match value.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if value.ends_with('K') => (digits, 10),
        Some(digits) if value.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (value, 0),
    };
    digits.trim_end().parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// When a server runs again.
pub fn policy(value: &str) -> Option<Policy> {
    Some(match value {
        "always" => Policy::Always,
        "on-failure" => Policy::OnFailure,
        "never" => Policy::Never,
        _ => return None,
    })
}

/// Ranges of I/O ports, `FIRST-LAST` or one alone, in hexadecimal.
pub fn ports(value: &str) -> Option<[Option<(u16, u16)>; MAX_PORTS]> {
    list(value, |range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first = u16::from_str_radix(first.trim(), 16).ok()?;
        let last = u16::from_str_radix(last.trim(), 16).ok()?;
        (first <= last).then_some((first, last))
    })
}

/// An interrupt that a server gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Irq {
    /// A line of the ISA bus.
    Isa(u8),
    /// The messages of the first PCI function with these numbers: vendor and device.
    Msi(u16, u16),
}

/// Interrupts: numbers of the ISA bus, with `isa` in front or not; `msi VENDOR:DEVICE`, in hexadecimal.
pub fn irqs(value: &str) -> Option<[Option<Irq>; MAX_IRQS]> {
    list(value, |irq| {
        if let Some((vendor, device)) = pci_numbers(irq, "msi") {
            return Some(Irq::Msi(vendor, device));
        }
        let number = match irq.strip_prefix("isa") {
            Some(rest) => rest.strip_prefix([' ', '\t'])?.trim_start(),
            None => irq,
        };
        number.parse().ok().filter(|number| *number < ISA_IRQS).map(Irq::Isa)
    })
}

/// Values with commas between them; nothing between two of them is nothing.
fn list<T, const N: usize>(value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<[Option<T>; N]> {
    let mut values = [const { None }; N];
    let texts = value.split(',').map(str::trim).filter(|text| !text.is_empty());
    for (number, text) in texts.enumerate() {
        *values.get_mut(number)? = Some(parse(text)?);
    }
    Some(values)
}
