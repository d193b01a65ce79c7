//! The last of what was printed, kept until somebody takes it.

/// Bytes that are kept at most.
const CAPACITY: usize = 8192;

/// Bytes in a ring: of more than fit the oldest are lost. Empty it is all zero, so as static data it takes no room in
/// the program's file.
pub struct Kept {
    start: usize,
    length: usize,
    bytes: [u8; CAPACITY],
}

impl Kept {
    /// Nothing.
    pub const fn new() -> Self {
        Kept { start: 0, length: 0, bytes: [0; CAPACITY] }
    }

    /// Keeps bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.length == CAPACITY {
                self.start = (self.start + 1) % CAPACITY;
                self.length -= 1;
            }
            if let Some(place) = self.bytes.get_mut((self.start + self.length) % CAPACITY) {
                *place = *byte;
            }
            self.length += 1;
        }
    }

    /// Takes the oldest bytes, as many as fit; returns how many.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let count = self.length.min(into.len());
        for to in into.iter_mut().take(count) {
            *to = self.bytes.get(self.start).copied().unwrap_or_default();
            self.start = (self.start + 1) % CAPACITY;
        }
        self.length -= count;
        count
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_in_order_and_the_oldest_are_lost() {
        let mut kept = Box::new(Kept::new());
        let mut into = [0; 1000];
        assert_eq!(kept.take(&mut into), 0);
        let text: Vec<u8> = (0..CAPACITY + 300).map(|number| (number % 251) as u8).collect();
        for part in text.chunks(77) {
            kept.push(part);
        }
        let mut taken = Vec::new();
        while let count @ 1.. = kept.take(&mut into) {
            taken.extend_from_slice(&into[..count]);
        }
        assert_eq!(taken, text[300..]);
        kept.push(b"x");
        assert_eq!((kept.take(&mut into), into[0]), (1, b'x'));
    }
}
