//! Text on a framebuffer, for machines whose serial port nobody looks at: the boot report and the last words of a panic,
//! large enough for a photograph.
#![forbid(unsafe_code)]
use font8x8::legacy::BASIC_LEGACY;

/// Pixels of a character's sides before they are enlarged.
const GLYPH: u32 = 8;
/// The height of a line in such pixels.
const LINE: u32 = 10;
/// Characters that a line has at least, where the surface is wide enough for it.
const COLUMNS: u32 = 80;
/// Grey of the text: all colours alike, so that their order does not matter.
const TEXT: u8 = 0xd0;
const BACKGROUND: u8 = 0;

/// Where pixels go.
pub trait Surface {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);
    /// Gives a pixel this grey. Pixels beyond the size are ignored.
    fn set(&mut self, x: u32, y: u32, grey: u8);
}

/// A surface as a page of text. What does not fit starts over at the top: reading a framebuffer back to scroll it is slow,
/// and a page that is full stays readable but for the line that is written.
#[derive(Debug)]
pub struct Screen<S> {
    surface: S,
    scale: u32,
    column: u32,
    row: u32,
}

impl<S: Surface> Screen<S> {
    /// An empty page. What the surface showed before stays until it is written over.
    pub fn new(surface: S) -> Self {
        let (width, _) = surface.size();
        let scale = (width / (GLYPH * COLUMNS)).clamp(1, 4);
        Screen { surface, scale, column: 0, row: 0 }
    }

    /// The surface.
    pub fn surface_mut(&mut self) -> &mut S {
        &mut self.surface
    }

    fn cells(&self) -> (u32, u32) {
        let (width, height) = self.surface.size();
        (width / (GLYPH * self.scale), height / (LINE * self.scale))
    }

    /// Clears everything and goes to the top.
    pub fn clear(&mut self) {
        let (width, height) = self.surface.size();
        for y in 0..height {
            for x in 0..width {
                self.surface.set(x, y, BACKGROUND);
            }
        }
        (self.column, self.row) = (0, 0);
    }

    /// Writes a character and moves on; `\n` starts a new line.
    pub fn put(&mut self, byte: u8) {
        let (columns, rows) = self.cells();
        if columns == 0 || rows == 0 {
            return;
        }
        match byte {
            b'\n' => self.new_line(rows),
            b'\r' => {}
            _ => {
                if self.column >= columns {
                    self.new_line(rows);
                }
                self.draw(byte);
                self.column += 1;
            }
        }
    }

    fn new_line(&mut self, rows: u32) {
        self.column = 0;
        self.row = (self.row + 1) % rows;
        let (width, _) = self.surface.size();
        let line = LINE * self.scale;
        // The next line is cleared as well: it marks where the page goes on.
        for row in [self.row, (self.row + 1) % rows] {
            for y in row * line..(row + 1) * line {
                for x in 0..width {
                    self.surface.set(x, y, BACKGROUND);
                }
            }
        }
    }

    fn draw(&mut self, byte: u8) {
        let unknown = BASIC_LEGACY.get(usize::from(b'?')).copied().unwrap_or_default();
        let glyph = BASIC_LEGACY.get(usize::from(byte)).copied().unwrap_or(unknown);
        let (left, top) = (self.column * GLYPH * self.scale, self.row * LINE * self.scale);
        for (line, bits) in (0..).zip(glyph) {
            for pixel in 0..GLYPH {
                let grey = if bits >> pixel & 1 != 0 { TEXT } else { BACKGROUND };
                self.block(left + pixel * self.scale, top + line * self.scale, grey);
            }
        }
    }

    /// A pixel of a glyph, enlarged.
    fn block(&mut self, left: u32, top: u32, grey: u8) {
        for y in top..top + self.scale {
            for x in left..left + self.scale {
                self.surface.set(x, y, grey);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Picture {
        width: u32,
        pixels: Vec<u8>,
    }

    impl Picture {
        fn new(width: u32, height: u32) -> Self {
            Picture { width, pixels: vec![1; (width * height) as usize] }
        }
    }

    impl Surface for Picture {
        fn size(&self) -> (u32, u32) {
            (self.width, self.pixels.len() as u32 / self.width)
        }
        fn set(&mut self, x: u32, y: u32, grey: u8) {
            assert!(x < self.width, "beyond the line");
            self.pixels[(y * self.width + x) as usize] = grey;
        }
    }

    /// Lines of text drawn with `#` for pixels of the text.
    fn rows(screen: &Screen<Picture>, left: usize, top: usize, side: usize) -> Vec<String> {
        let picture = &screen.surface;
        let line = |y: usize| {
            let start = y * picture.width as usize + left;
            picture.pixels[start..start + side]
                .iter()
                .map(|grey| if *grey == TEXT { '#' } else { '.' })
                .collect()
        };
        (top..top + side).map(line).collect()
    }

    #[test]
    fn a_letter_looks_like_one() {
        let mut screen = Screen::new(Picture::new(64, 32));
        screen.put(b'L');
        let expected =
            ["####....", ".##.....", ".##.....", ".##.....", ".##...#.", ".##..##.", "#######.", "........"];
        assert_eq!(rows(&screen, 0, 0, 8), expected);
    }

    #[test]
    fn a_wide_surface_gets_large_letters() {
        let mut screen = Screen::new(Picture::new(1280, 64));
        assert_eq!(screen.cells(), (80, 3));
        screen.put(b'\n');
        screen.put(b'|');
        let drawn = rows(&screen, 0, 20, 16);
        assert_eq!(drawn[0], "......####......");
        assert_eq!(drawn[0], drawn[1]);
    }

    #[test]
    fn a_full_page_starts_over_and_marks_where() {
        let mut screen = Screen::new(Picture::new(16, 40));
        // Two columns, four rows: the fifth character wraps into the third row, the ninth to the top.
        for byte in b"aabbccdde" {
            screen.put(*byte);
        }
        assert_eq!((screen.column, screen.row), (1, 0));
        let blank = vec!["........"; 8];
        assert_eq!(rows(&screen, 8, 0, 8), blank, "what stood behind it is gone");
        assert_eq!(rows(&screen, 0, 10, 8), blank, "and so is the next line");
        assert_ne!(rows(&screen, 0, 20, 8), blank, "the others stay");
    }

    #[test]
    fn no_surface_is_too_small_and_no_byte_too_strange() {
        for (width, height) in [(1, 1), (7, 100), (100, 7), (8, 8), (9, 17)] {
            let mut screen = Screen::new(Picture::new(width, height));
            screen.clear();
            (0..=255).for_each(|byte| screen.put(byte));
        }
    }
}
