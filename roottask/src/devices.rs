//! Which of the machine's registers a server may map: the manifest's words, such as `framebuffer, pci 8086:100e`.

use libsel::proto::root::Device;

/// PCI devices that one server may be given.
pub const MAX_PCI: usize = 8;

/// What a server may map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Allowed {
    framebuffer: bool,
    hpet: bool,
    trace: bool,
    pci: [Option<(u16, u16)>; MAX_PCI],
}

impl Allowed {
    /// Reads a list `framebuffer, hpet, trace, pci VENDOR:DEVICE`, the numbers in hexadecimal; `pci:VENDOR:DEVICE` is the same.
    ///
    /// # Errors
    /// The first entry that is none of these, or is one PCI device too many.
    pub fn parse(list: &str) -> Result<Self, &str> {
        let mut allowed = Allowed::default();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "framebuffer" => allowed.framebuffer = true,
                "hpet" => allowed.hpet = true,
                "trace" => allowed.trace = true,
                _ => {
                    let number = pci_numbers(word, "pci").ok_or(word)?;
                    let place = allowed.pci.iter_mut().find(|place| place.is_none()).ok_or(word)?;
                    *place = Some(number);
                }
            }
        }
        Ok(allowed)
    }

    /// Whether a device is among them.
    pub fn has(&self, device: Device) -> bool {
        match device {
            Device::Framebuffer => self.framebuffer,
            Device::Hpet => self.hpet,
            Device::Trace => self.trace,
            Device::Pci { vendor, device, .. } => self.pci.contains(&Some((vendor, device))),
        }
    }
}

/// Vendor and device in `KIND VENDOR:DEVICE` or `KIND:VENDOR:DEVICE`.
pub fn pci_numbers(word: &str, kind: &str) -> Option<(u16, u16)> {
    let numbers = word.strip_prefix(kind)?.strip_prefix([':', ' '])?;
    let (vendor, device) = numbers.trim().split_once(':')?;
    Some((u16::from_str_radix(vendor, 16).ok()?, u16::from_str_radix(device, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed() {
        let card = |device| Device::Pci { vendor: 0x8086, device, bar: 5 };
        let allowed = Allowed::parse("hpet,pci:8086:100e, pci 8086:10d3 ,").unwrap();
        assert!(allowed.has(Device::Hpet) && allowed.has(card(0x100e)) && allowed.has(card(0x10d3)));
        assert!(Allowed::parse("trace").unwrap().has(Device::Trace) && !allowed.has(Device::Trace));
        assert!(!allowed.has(Device::Framebuffer) && !allowed.has(card(0x100f)));
        assert_eq!(Allowed::parse(" "), Ok(Allowed::default()));
        assert!(!Allowed::default().has(card(0)));
    }

    #[test]
    fn mistakes_are_named() {
        for word in ["disk", "pci", "pci 8086", "pci:8086:10000", "pcie 1:2", "pci x:2"] {
            assert_eq!(Allowed::parse(&format!("hpet, {word}")), Err(word));
        }
        assert_eq!(Allowed::parse(&"pci 1:2,".repeat(MAX_PCI + 1)), Err("pci 1:2"));
    }
}
