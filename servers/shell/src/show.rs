//! Numbers for people.

use core::fmt;

/// Bytes with a unit, at most eight columns wide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return f.pad_integral(true, "", alloc::format!("{} B", self.0).as_str());
        }
        let unit = ((self.0.ilog2() / 10) as usize).min(UNITS.len());
        let scale = 10 * unit as u32;
        let (whole, tenth) = (self.0 >> scale, ((self.0 >> (scale - 10)) % 1024) * 10 / 1024);
        let unit = UNITS.get(unit - 1).unwrap_or(&"");
        // An exact multiple needs no tenths, a large one neither.
        let text = if whole < 10 && !self.0.is_multiple_of(1 << scale) {
            alloc::format!("{whole}.{tenth} {unit}")
        } else {
            alloc::format!("{whole} {unit}")
        };
        f.pad_integral(true, "", text.as_str())
    }
}

/// A part of a whole, in tenths of a per cent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Percent(pub u64);

impl Percent {
    /// `part` of `whole`.
    pub fn of(part: u64, whole: u64) -> Self {
        Percent((u128::from(part) * 1000).checked_div(whole.into()).map_or(0, |tenths| tenths as u64))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "", alloc::format!("{}.{}", self.0 / 10, self.0 % 10).as_str())
    }
}

/// A bar: `[####......]`, filled by `part` of `whole`. Whatever is not nothing shows at least one mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// How much is marked.
    pub part: u64,
    /// How much all of the bar is.
    pub whole: u64,
    /// Columns between the brackets.
    pub columns: usize,
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns as u128;
        let marks = (u128::from(self.part) * columns).checked_div(self.whole.into()).unwrap_or(0) as usize;
        let marks = marks.max(usize::from(self.part > 0)).min(self.columns);
        write!(f, "[{:#<marks$}{:.<rest$}]", "", "", rest = self.columns - marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1023, 1024, 1536, 10 << 10, 12_345, 16 << 20, (3 << 30) + (1 << 29), u64::MAX];
        let text = shown.map(|bytes| Size(bytes).to_string());
        let expected =
            ["0 B", "1023 B", "1 KiB", "1.5 KiB", "10 KiB", "12 KiB", "16 MiB", "3.5 GiB", "16777215 TiB"];
        assert_eq!(text, expected);
        assert_eq!(format!("{:>9}|{:<7}|", Size(1), Size(2048)), "      1 B|2 KiB  |");
    }

    #[test]
    fn bars_and_percents_have_their_ends() {
        let bar = |part, whole| Bar { part, whole, columns: 4 }.to_string();
        assert_eq!([bar(0, 8), bar(1, 8), bar(4, 8), bar(8, 8)], ["[....]", "[#...]", "[##..]", "[####]"]);
        assert_eq!([bar(9, 8), bar(1, 0), bar(0, 0)], ["[####]", "[#...]", "[....]"]);
        assert_eq!(Percent::of(1, 3).to_string(), "33.3");
        assert_eq!(Percent::of(u64::MAX, u64::MAX).to_string(), "100.0");
        assert_eq!(format!("{:>6}", Percent::of(1, 0)), "   0.0");
    }
}
