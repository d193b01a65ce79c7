//! Random numbers that repeat with their seed.

/// The generator xorshift64* (Marsaglia, Vigna): 64 bits of state, never 0.
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        // One step of splitmix64, so that neighbouring seeds give unlike sequences.
        let mixed =
            (seed ^ seed >> 30).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Random((mixed ^ mixed >> 27).max(1))
    }

    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `items`, which are not empty.
    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// A word as it likes to be at the edge of something: small, a power of two and its neighbours, an address around
    /// the end of user or kernel space, or anything.
    pub fn edge(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(300),
            1 => (1 << self.below(64)) + self.below(3) - 1,
            2 => self.of(&[
                0,
                u64::MAX,
                0x0000_7fff_ffff_e000,
                0x0000_7fff_ffff_f000,
                0x0000_7fff_ffff_ffff,
                0x0000_8000_0000_0000,
                0xffff_7fff_ffff_ffff,
                0xffff_8000_0000_0000,
                0xffff_ffff_8000_0000,
                0xffff_ffff_ffff_f000,
            ]),
            3 => self.word() >> self.below(64),
            4 => !self.below(300),
            _ => self.word(),
        }
    }
}
