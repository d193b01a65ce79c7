//! Text on a framebuffer: a grid of characters, drawn with a bitmap font.

mod grid;

use alloc::vec::Vec;

use embedded_graphics::geometry::{OriginDimensions, Point};
use embedded_graphics::image::GetPixel;
use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{FONT_8X13, FONT_10X20};
use embedded_graphics::pixelcolor::BinaryColor;

pub use grid::Grid;

const TEXT: u32 = 0x00d0_d0d0;
const BACKGROUND: u32 = 0x0010_1418;
/// From this width on the larger font is used.
const WIDE: usize = 1024;
/// Set in what is remembered of a cell if the cursor is there. No character has this bit.
const CURSOR: u32 = 1 << 31;
/// What is remembered of a cell that was never drawn.
const NEVER: u32 = u32::MAX;

/// How the pixels lie in memory: 32 bits each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Pixels in a row that are shown.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels from one row to the next.
    pub stride: usize,
}

/// A framebuffer with text on it. It is only written, as reading it is slow on real machines.
pub struct Screen<'a> {
    pixels: &'a mut [u32],
    layout: Layout,
    font: &'static MonoFont<'static>,
    grid: Grid,
    /// Each cell as it was drawn last.
    drawn: Vec<u32>,
}

impl<'a> Screen<'a> {
    /// An empty screen; `None` if the layout does not fit the memory, or a single character the layout.
    pub fn new(pixels: &'a mut [u32], layout: Layout) -> Option<Self> {
        let font = if layout.width >= WIDE { &FONT_10X20 } else { &FONT_8X13 };
        let columns = layout.width / font.character_size.width as usize;
        let rows = layout.height / font.character_size.height as usize;
        let needed = layout.stride.checked_mul(layout.height)?;
        if columns == 0 || rows == 0 || layout.stride < layout.width || pixels.len() < needed {
            return None;
        }
        pixels.fill(BACKGROUND);
        let drawn = alloc::vec![NEVER; columns * rows];
        Some(Screen { pixels, layout, font, grid: Grid::new(columns, rows), drawn })
    }

    /// Takes output in. It is not seen before [`Self::refresh`].
    pub fn write(&mut self, bytes: &[u8]) {
        self.grid.write(bytes);
    }

    /// Draws what has changed.
    pub fn refresh(&mut self) {
        let Screen { pixels, layout, font, grid, drawn } = self;
        let (columns, cursor) = (grid.columns(), grid.cursor());
        for ((place, cell), before) in grid.cells().iter().enumerate().zip(drawn.iter_mut()) {
            let at = (place % columns, place / columns);
            let now = u32::from(*cell) | if at == cursor { CURSOR } else { 0 };
            if core::mem::replace(before, now) != now {
                glyph(pixels, *layout, font, at, *cell, at == cursor);
            }
        }
    }
}

/// Draws one character at a column and row.
fn glyph(
    pixels: &mut [u32],
    layout: Layout,
    font: &MonoFont<'_>,
    (column, row): (usize, usize),
    character: char,
    inverse: bool,
) {
    let (width, height) = (font.character_size.width as usize, font.character_size.height as usize);
    let in_a_row = (font.image.size().width as usize / width).max(1);
    let index = font.glyph_mapping.index(character);
    let (left, top) = (index % in_a_row * width, index / in_a_row * height);
    for y in 0..height {
        let start = (row * height + y) * layout.stride + column * width;
        let line = pixels.get_mut(start..start + width).unwrap_or_default();
        for (x, pixel) in line.iter_mut().enumerate() {
            let point = Point::new((left + x) as i32, (top + y) as i32);
            let on = font.image.pixel(point) == Some(BinaryColor::On);
            *pixel = if on != inverse { TEXT } else { BACKGROUND };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { width: 80, height: 39, stride: 100 };

    /// The pixels of a cell of 8 by 13, as text.
    fn cell(pixels: &[u32], column: usize, row: usize) -> Vec<String> {
        let line = |y: usize| {
            let start = (row * 13 + y) * LAYOUT.stride + column * 8;
            pixels[start..start + 8].iter().map(|pixel| if *pixel == TEXT { '#' } else { '.' }).collect()
        };
        (0..13).map(line).collect()
    }

    #[test]
    fn a_character_is_drawn_as_in_the_font_and_the_cursor_behind_it() {
        let mut pixels = vec![0; LAYOUT.stride * LAYOUT.height];
        let mut screen = Screen::new(&mut pixels, LAYOUT).unwrap();
        screen.write(b"x\r\nL");
        screen.refresh();
        let expected = [
            "........", "........", ".#......", ".#......", ".#......", ".#......", ".#......", ".#......",
            ".#......", ".#......", ".######.", "........", "........",
        ];
        assert_eq!(cell(&pixels, 0, 1), expected);
        assert_eq!(cell(&pixels, 1, 1), ["########"; 13]);
        assert_eq!(cell(&pixels, 5, 2), ["........"; 13]);
    }

    #[test]
    fn scrolling_and_erasing_change_what_is_seen() {
        let mut pixels = vec![0; LAYOUT.stride * LAYOUT.height];
        let mut screen = Screen::new(&mut pixels, LAYOUT).unwrap();
        screen.write(b"a\r\nb\r\nc");
        screen.refresh();
        screen.write(b"\r\nd");
        screen.refresh();
        screen.write(b"\r\x1b[K");
        screen.refresh();
        let c = cell(screen.pixels, 0, 1);
        assert_eq!(cell(screen.pixels, 0, 2), ["########"; 13], "the cursor, where d was");
        assert_eq!(cell(screen.pixels, 1, 2), ["........"; 13]);
        screen.write(b"\x1b[H\x1b[2Jc ");
        screen.refresh();
        assert_eq!(cell(&pixels, 0, 0), c);
    }

    #[test]
    fn a_layout_that_does_not_fit_is_refused() {
        let mut pixels = vec![0; LAYOUT.stride * LAYOUT.height - 1];
        assert!(Screen::new(&mut pixels, LAYOUT).is_none());
        assert!(Screen::new(&mut pixels, Layout { stride: 79, ..LAYOUT }).is_none());
        assert!(Screen::new(&mut pixels, Layout { width: 7, ..LAYOUT }).is_none());
        assert!(Screen::new(&mut pixels, Layout { stride: usize::MAX, ..LAYOUT }).is_none());
    }
}
