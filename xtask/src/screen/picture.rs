//! Pictures of a screen, and the text on them.
use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use embedded_graphics::geometry::{OriginDimensions, Point};
use embedded_graphics::image::GetPixel;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use font8x8::legacy::BASIC_LEGACY;

/// Which pixels of a screen are bright.
#[derive(Debug)]
pub struct Picture {
    width: usize,
    bright: Vec<bool>,
}

impl Picture {
    /// Reads a binary portable pixmap (P6) with 8 bits a colour.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut words = [""; 4];
        let mut rest = bytes;
        for word in &mut words {
            let end = rest.iter().position(u8::is_ascii_whitespace).context("the picture has no header")?;
            *word = str::from_utf8(&rest[..end])?;
            rest = &rest[end + 1..];
        }
        let [kind, width, height, depth] = words;
        ensure!((kind, depth) == ("P6", "255"), "the picture is {kind} with {depth} shades");
        let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
        ensure!(rest.len() == width * height * 3, "the picture has {} bytes of pixels", rest.len());
        let bright = rest.chunks_exact(3).map(|pixel| pixel[1] >= 0x80).collect();
        Ok(Picture { width, bright })
    }
}

/// Characters as they are drawn, in a grid from the top left corner.
pub struct Font {
    width: usize,
    height: usize,
    /// The character of a cell's pixels, row by row.
    characters: HashMap<Vec<bool>, char>,
}

impl Font {
    /// The console's on a screen of 1024 pixels and more; the cell with the cursor is inverted.
    pub fn of_console() -> Self {
        let font = &FONT_10X20;
        let (width, height) = (10, 20);
        let in_a_row = font.image.size().width as usize / width;
        let cell = |character| {
            let index = font.glyph_mapping.index(character);
            let (left, top) = (index % in_a_row * width, index / in_a_row * height);
            let pixel = |x, y| font.image.pixel(Point::new((left + x) as i32, (top + y) as i32));
            let row = |y| (0..width).map(move |x| pixel(x, y) == Some(BinaryColor::On));
            (0..height).flat_map(row).collect::<Vec<bool>>()
        };
        let plain = (' '..='~').map(|character| (cell(character), character));
        let inverted =
            plain.clone().map(|(cell, character)| (cell.iter().map(|on| !on).collect(), character));
        Font { width, height, characters: inverted.chain(plain).collect() }
    }

    /// The kernel's on a screen below 1280 pixels: two empty lines below each character.
    pub fn of_kernel() -> Self {
        let (width, height) = (8, 10);
        let cell = |glyph: [u8; 8]| {
            let lines = glyph.into_iter().chain([0; 2]);
            lines.flat_map(|line| (0..width).map(move |x| line >> x & 1 != 0)).collect()
        };
        let characters = (' '..='~').map(|character| (cell(BASIC_LEGACY[character as usize]), character));
        Font { width, height, characters: characters.collect() }
    }

    /// The text on a picture, a line for each row; `?` where a cell holds no character that is known.
    pub fn read(&self, picture: &Picture) -> String {
        let mut text = String::new();
        let rows: Vec<&[bool]> = picture.bright.chunks_exact(picture.width).collect();
        for rows in rows.chunks_exact(self.height) {
            let cell = |column: usize| {
                let left = column * self.width;
                rows.iter().flat_map(|row| &row[left..left + self.width]).copied().collect::<Vec<bool>>()
            };
            let known = |column| self.characters.get(&cell(column)).copied().unwrap_or('?');
            let line: String = (0..picture.width / self.width).map(known).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pixmap with text drawn in a font.
    fn draw(font: &Font, text: &str, invert: Option<usize>) -> Vec<u8> {
        let width = text.len() * font.width + 3;
        let height = font.height + 5;
        let mut bytes = format!("P6\n{width} {height}\n255\n").into_bytes();
        let pixels = bytes.len();
        bytes.resize(pixels + width * height * 3, 0x14);
        for (column, character) in text.chars().enumerate() {
            let found = font.characters.iter().filter(|(_, known)| **known == character);
            // The plain one has fewer bright pixels.
            let cell =
                found.map(|(cell, _)| cell).min_by_key(|cell| cell.iter().filter(|on| **on).count()).unwrap();
            for (index, on) in cell.iter().enumerate() {
                let (x, y) = (column * font.width + index % font.width, index / font.width);
                let at = pixels + (y * width + x) * 3;
                let on = *on != (invert == Some(column));
                bytes[at..at + 3].fill(if on { 0xd0 } else { 0x10 });
            }
        }
        bytes
    }

    #[test]
    fn text_is_read_back() {
        let text = "selkie> ps 0O1lI|~{}";
        for font in [Font::of_console(), Font::of_kernel()] {
            let picture = Picture::parse(&draw(&font, text, None)).unwrap();
            assert_eq!(font.read(&picture), format!("{text}\n"));
        }
        let font = Font::of_console();
        assert_eq!(font.read(&Picture::parse(&draw(&font, "ab c", Some(1))).unwrap()), "ab c\n");
        let mut spoilt = draw(&font, "abc", None);
        let last = spoilt.len() - 1;
        let at = last - (3 * 33 * 10);
        spoilt[at..at + 9].fill(0xff);
        assert!(font.read(&Picture::parse(&spoilt).unwrap()).contains('?'));
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        for bytes in [
            &b""[..],
            b"P5\n1 1\n255\nxxx",
            b"P6\n1 1\n255\nxx",
            b"P6\n1 x\n255\nxxx",
            b"P6\n1 1\n65535\nxxx",
        ] {
            assert!(Picture::parse(bytes).is_err());
        }
        assert!(Picture::parse(b"P6\n1 1\n255\nxxx").is_ok());
    }
}
