//! A screen, if the command line asks for one by `resolution=WIDTHxHEIGHT`: QEMU's standard display adapter.
//!
//! The adapter is a PCI function whose first base address register says where its pixels lie. Its mode is set through
//! two ports, the "VBE DISPI" registers (QEMU: docs/specs/standard-vga.rst).

/// Bits of a pixel; the adapter has none in the upper eight of them, then red, green and blue.
const BITS_PER_PIXEL: u16 = 32;
/// Vendor and device, as in the first register of a function's configuration space.
const ADAPTER: u32 = 0x1111_1234;
/// Registers of configuration space, byte offsets.
const COMMAND: u8 = 0x04;
const BAR_0: u8 = 0x10;
/// The function answers accesses to memory.
const DECODES_MEMORY: u32 = 1 << 1;
/// Bits of a base address register that are no address; and those that must be 0: ports, or a 64-bit address.
const BAR_FLAGS: u32 = 0xf;
const BAR_UNUSABLE: u32 = 0x7;

/// The adapter's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Register {
    /// The version, 0xb0c0 to 0xb0cf.
    Id = 0,
    /// Pixels in a line that are shown.
    Width = 1,
    /// Lines.
    Height = 2,
    /// Bits of a pixel.
    Depth = 3,
    /// 0: off. [`ON`]: on.
    Enable = 4,
    /// Pixels in a line that there are.
    LineWidth = 6,
    /// Memory in units of 64 KiB.
    Memory = 10,
}

/// On, with all pixels in one piece of memory, which is cleared.
const ON: u16 = 0x41;

/// How the machine is reached.
pub trait Machine {
    /// Register `offset` of function 0 of a device on PCI bus 0.
    fn configuration(&mut self, device: u8, offset: u8) -> u32;
    /// Reads a register of the adapter.
    fn get(&mut self, register: Register) -> u16;
    /// Writes a register of the adapter.
    fn set(&mut self, register: Register, value: u16);
}

/// What the command line asks for, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    width: u16,
    height: u16,
}

impl Resolution {
    /// The last word `resolution=WIDTHxHEIGHT`; `Some(None)` if it is none of that form.
    pub fn parse(command_line: &str) -> Option<Option<Self>> {
        let words = command_line.split_ascii_whitespace();
        let value = words.filter_map(|word| word.strip_prefix("resolution=")).next_back()?;
        let sides = value.split_once('x').map(|(width, height)| (width.parse(), height.parse()));
        Some(match sides {
            Some((Ok(width @ 1..), Ok(height @ 1..))) => Some(Resolution { width, height }),
            _ => None,
        })
    }
}

/// A screen as the protocol describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Physical address of the first pixel.
    pub address: u64,
    /// Pixels in a line.
    pub width: u64,
    /// Lines.
    pub height: u64,
    /// Bytes from one line to the next.
    pub pitch: u64,
}

impl Screen {
    /// Finds the adapter and sets its mode. `None`: there is no such adapter, or it cannot show so much.
    pub fn set_up(machine: &mut impl Machine, wanted: Resolution) -> Option<Self> {
        let device = (0..32).find(|device| machine.configuration(*device, 0) == ADAPTER)?;
        let bar = machine.configuration(device, BAR_0);
        let is_usable = machine.configuration(device, COMMAND) & DECODES_MEMORY != 0
            && bar & BAR_UNUSABLE == 0
            && bar > BAR_FLAGS
            && machine.get(Register::Id) & 0xfff0 == 0xb0c0;
        if !is_usable {
            return None;
        }
        for (register, value) in [
            (Register::Enable, 0),
            (Register::Width, wanted.width),
            (Register::Height, wanted.height),
            (Register::Depth, BITS_PER_PIXEL),
            (Register::Enable, ON),
        ] {
            machine.set(register, value);
        }
        // The adapter takes the nearest that it can do.
        let is_set =
            machine.get(Register::Width) == wanted.width && machine.get(Register::Height) == wanted.height;
        let (width, height) = (u64::from(wanted.width), u64::from(wanted.height));
        let pitch = u64::from(machine.get(Register::LineWidth)) * u64::from(BITS_PER_PIXEL / 8);
        let has_room = pitch * height <= u64::from(machine.get(Register::Memory)) << 16;
        let screen = Screen { address: u64::from(bar & !BAR_FLAGS), width, height, pitch };
        (is_set && has_room && pitch >= width * u64::from(BITS_PER_PIXEL / 8)).then_some(screen)
    }

    /// The words of `struct limine_framebuffer` behind its address; everything of later revisions is 0.
    pub fn words(&self) -> [u64; 7] {
        /// `LIMINE_FRAMEBUFFER_RGB`, behind the bits of a pixel.
        const RGB: u64 = 1 << 16;
        // Size and position of red, green and blue: 8 bits each, at 16, 8 and 0.
        let colours = 8 << 24 | 16 << 32 | 8 << 40 | 8 << 48 | 8 << 56;
        [self.width, self.height, self.pitch, u64::from(BITS_PER_PIXEL) | RGB | colours, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Resolution = Resolution { width: 1024, height: 768 };

    /// A machine with an adapter as its third device.
    struct Adapter {
        bar: u32,
        command: u32,
        registers: [u16; 11],
        limit: u16,
    }

    fn adapter() -> Adapter {
        let mut registers = [0; 11];
        (registers[0], registers[10]) = (0xb0c5, 256);
        Adapter { bar: 0xfd00_0008, command: 0x103, registers, limit: 16000 }
    }

    impl Machine for Adapter {
        fn configuration(&mut self, device: u8, offset: u8) -> u32 {
            match (device, offset) {
                (2, 0) => ADAPTER,
                (2, COMMAND) => self.command,
                (2, BAR_0) => self.bar,
                (0, 0) => 0x29c0_8086,
                _ => u32::MAX,
            }
        }
        fn get(&mut self, register: Register) -> u16 {
            self.registers[register as usize]
        }
        fn set(&mut self, register: Register, value: u16) {
            let value = if register == Register::Width { value.min(self.limit) } else { value };
            self.registers[register as usize] = value;
            if register == Register::Width {
                self.registers[Register::LineWidth as usize] = value;
            }
        }
    }

    #[test]
    fn the_last_word_counts() {
        let parse = |line: &str| Resolution::parse(line);
        assert_eq!(parse("x resolution=640x480 resolution=1024x768 y"), Some(Some(WANTED)));
        assert_eq!(parse("noresolution=640x480"), None);
        for bad in ["", "1024", "1024x", "x768", "0x768", "1024x0", "1024x768x32", "70000x1", "-1x5"] {
            assert_eq!(parse(&std::format!("resolution={bad}")), Some(None), "{bad}");
        }
    }

    #[test]
    fn the_mode_is_set() {
        let mut machine = adapter();
        let screen = Screen::set_up(&mut machine, WANTED).unwrap();
        assert_eq!(screen, Screen { address: 0xfd00_0000, width: 1024, height: 768, pitch: 4096 });
        assert_eq!(machine.registers[1..5], [1024, 768, 32, ON]);
        let words = screen.words();
        assert_eq!(words[..3], [1024, 768, 4096]);
        assert_eq!(words[3].to_le_bytes(), [32, 0, 1, 8, 16, 8, 8, 8]);
        assert_eq!(words[4], 0, "blue is at the end");
    }

    #[test]
    fn what_cannot_be_used_is_no_screen() {
        let with = |change: fn(&mut Adapter)| {
            let mut machine = adapter();
            change(&mut machine);
            Screen::set_up(&mut machine, WANTED)
        };
        assert!(with(|_| {}).is_some());
        assert_eq!(with(|machine| machine.bar = 0), None, "no address");
        assert_eq!(with(|machine| machine.bar = 0xc001), None, "ports");
        assert_eq!(with(|machine| machine.bar = 0xfd00_000c), None, "a 64-bit address");
        assert_eq!(with(|machine| machine.command = 1), None, "does not answer");
        assert_eq!(with(|machine| machine.registers[0] = 0), None, "no registers");
        assert_eq!(with(|machine| machine.limit = 800), None, "takes a smaller mode");
        assert_eq!(with(|machine| machine.registers[10] = 47), None, "has less memory");
        assert!(with(|machine| machine.registers[10] = 48).is_some());
    }
}
