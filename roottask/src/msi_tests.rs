use super::*;

const FUNCTION: Function = Function { bus: 0, device: 3, function: 0 };
const MESSAGE: Message = Message::new(2, 0x51);

/// Configuration space of one function; all of it can be written but numbers and links of capabilities.
struct Space([u32; 64]);

impl Config for Space {
    fn read(&mut self, function: Function, offset: u8) -> u32 {
        assert_eq!(function, FUNCTION);
        self.0[usize::from(offset / 4)]
    }

    fn write(&mut self, function: Function, offset: u8, value: u32) {
        assert!(function == FUNCTION && offset.is_multiple_of(4));
        let word = &mut self.0[usize::from(offset / 4)];
        *word = match offset {
            0x40 | 0x60 => *word & 0xffff | value & !0xffff,
            // The status is changed by ones only, which clear it.
            0x04 => (*word & !value & !0xffff) | value & 0xffff,
            // 64 KiB of memory.
            0x14 => value & 0xffff_0000,
            _ => value,
        };
    }
}

/// A function whose capabilities are another one, and these two words at 0x40 and 0x60.
fn space(first: u32, second: u32) -> Space {
    let mut space = Space([0; 64]);
    space.0[1] = HAS_LIST | 6;
    space.0[5] = 0xfeb0_0000;
    space.0[0x34 / 4] = 0x80;
    space.0[0x80 / 4] = 0x4001;
    space.0[0x40 / 4] = first;
    space.0[0x60 / 4] = second;
    space
}

fn never(_: u64, _: [u32; 4]) -> bool {
    panic!("there is no table")
}

#[test]
fn a_message_of_32_bits_and_one_of_64() {
    for (wide, data_at) in [(0, 0x48), (MSI_WIDE, 0x4c)] {
        let mut space = space(0x6005 | wide | 3 << 20, 0);
        space.0[data_at / 4] = 0xabcd_0000;
        space.0[0x48 / 4] |= if wide != 0 { 7 } else { 0 };
        assert!(set(&mut space, FUNCTION, MESSAGE, never));
        assert_eq!(space.0[0x40 / 4], 0x6005 | wide | MSI_ON, "on, and one message only");
        assert_eq!(space.0[0x44 / 4], 0xfee0_2000);
        assert_eq!(space.0[data_at / 4], 0xabcd_0051);
        if wide != 0 {
            assert_eq!(space.0[0x48 / 4], 0);
        }
        assert_eq!(space.0[1] & 0xffff, NO_LINE | 6);
        clear(&mut space, FUNCTION);
        assert_eq!(space.0[0x40 / 4], 0x6005 | wide);
    }
}

#[test]
fn a_table_in_memory() {
    let mut space = space(0x6009, 0x0011 | 7 << 16);
    // The second half of BAR 1.
    space.0[0x64 / 4] = 0x8000 | 1;
    let mut written = None;
    assert!(set(&mut space, FUNCTION, MESSAGE, |paddr, words| {
        written = Some((paddr, words));
        true
    }));
    assert_eq!(written, Some((0xfeb0_8000, [0xfee0_2000, 0, 0x51, 0])));
    assert_eq!(space.0[0x60 / 4], 0x0011 | 7 << 16 | MSI_X_ON);
    clear(&mut space, FUNCTION);
    assert_eq!(space.0[0x60 / 4], 0x0011 | 7 << 16);
    assert!(!set(&mut space, FUNCTION, MESSAGE, |_, _| false));
    assert_eq!(space.0[0x60 / 4] & MSI_X_ON, 0, "off if the table cannot be written");
    space.0[0x64 / 4] = 0x1_0000 | 1;
    assert!(!set(&mut space, FUNCTION, MESSAGE, never), "outside of the memory");
    space.0[0x64 / 4] = 3;
    assert!(!set(&mut space, FUNCTION, MESSAGE, never), "in a memory that there is not");
}

#[test]
fn the_one_without_a_table_is_taken() {
    for (first, second) in [(0x6005, 0x0011), (0x6011, 0x0005)] {
        assert!(set(&mut space(first, second), FUNCTION, MESSAGE, never));
    }
}

#[test]
fn functions_without_messages_and_lists_that_lead_nowhere() {
    for (first, second) in [(0x6009, 0x000a), (0x4009, 0), (0xfc01, 0)] {
        assert!(!set(&mut space(first, second), FUNCTION, MESSAGE, never), "{first:#x}");
    }
    let mut space = space(0x6005, 0);
    space.0[1] &= !HAS_LIST;
    assert!(!set(&mut space, FUNCTION, MESSAGE, never));
    assert_eq!(space.0[1] & NO_LINE, 0);
    clear(&mut space, FUNCTION);
}
