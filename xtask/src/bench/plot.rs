//! Cost against number of objects, as an SVG picture with logarithmic axes.
use std::fmt::Write as _;

use super::rows::Row;

/// Size of the picture, and the margins of the area with the lines.
pub const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 50.0;
/// Colours of the lines; they can be told apart also by those who see no red or no green.
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/// A family of rows that differ by the number of objects.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Number of objects and cost, in order of number.
    pub points: Vec<(u64, u64)>,
}

impl Family {
    /// How much the cost grows from the smallest to the largest number of objects.
    pub fn growth(&self) -> Option<f64> {
        let ((_, first), (_, last)) = (self.points.first()?, self.points.last()?);
        Some(*last as f64 / (*first as f64).max(1.0))
    }
}

/// The families called `names` that have at least two rows `NAME/NUMBER`.
pub fn families(rows: &[Row], names: &[String]) -> Vec<Family> {
    let family = |name: &String| {
        let number = |row: &Row| row.id.strip_prefix(name.as_str())?.strip_prefix('/')?.parse().ok();
        let mut points: Vec<(u64, u64)> =
            rows.iter().filter_map(|row| Some((number(row)?, row.median))).collect();
        points.sort_unstable();
        (points.len() > 1).then(|| Family { name: name.clone(), points })
    };
    names.iter().filter_map(family).collect()
}

/// A logarithmic axis from 1 to a power of ten.
struct Axis {
    decades: u32,
    start: f64,
    length: f64,
}

impl Axis {
    fn new(largest: u64, start: f64, length: f64) -> Self {
        let largest = largest.max(10);
        let decades = (largest - 1).ilog10() + 1;
        Self { decades, start, length }
    }

    fn at(&self, value: u64) -> f64 {
        self.start + self.length * (value.max(1) as f64).log10() / f64::from(self.decades)
    }
}

/// The picture.
pub fn svg(families: &[Family]) -> String {
    let largest = |of: fn(&(u64, u64)) -> u64| {
        families.iter().flat_map(|family| family.points.iter().map(of)).max().unwrap_or(10)
    };
    let x = Axis::new(largest(|point| point.0), LEFT, WIDTH - LEFT - RIGHT);
    let y = Axis::new(largest(|point| point.1), HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM));
    let mut svg = String::new();
    grid(&mut svg, &x, &y);
    for (index, family) in families.iter().enumerate() {
        line(&mut svg, family, COLOURS[index % COLOURS.len()], index, (&x, &y));
    }
    page(HEIGHT, &svg)
}

/// A picture of `height` with these elements, on white.
pub fn page(height: f64, elements: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n{elements}</svg>\n"
    )
}

fn grid(svg: &mut String, x: &Axis, y: &Axis) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for decade in 0..=x.decades {
        let (at, label) = (x.at(10_u64.pow(decade)), grouped(decade));
        let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 18.0
        );
    }
    for decade in 0..=y.decades {
        let (at, label) = (y.at(10_u64.pow(decade)), grouped(decade));
        let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let middle = (LEFT + right) / 2.0;
    let _ =
        writeln!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">objects</text>", HEIGHT - 10.0);
    let _ = writeln!(
        svg,
        "<text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">instructions</text>",
        HEIGHT / 2.0
    );
}

/// A power of ten in digits.
fn grouped(decade: u32) -> String {
    match decade {
        0..=2 => 10_u64.pow(decade).to_string(),
        3..=5 => format!("{}k", 10_u64.pow(decade - 3)),
        _ => format!("{}M", 10_u64.pow(decade - 6)),
    }
}

fn line(svg: &mut String, family: &Family, colour: &str, index: usize, (x, y): (&Axis, &Axis)) {
    let points: Vec<(f64, f64)> =
        family.points.iter().map(|(objects, cost)| (x.at(*objects), y.at(*cost))).collect();
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join(" ")
    );
    for (x, y) in points {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let (legend, y) = (WIDTH - RIGHT + 15.0, TOP + 15.0 + 20.0 * index as f64);
    let _ =
        writeln!(svg, "<rect x=\"{legend}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>", y - 6.0);
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", legend + 20.0, family.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        [("revoke/100", 900), ("revoke/1", 300), ("map/1", 7), ("cap/copy", 5), ("revoke/x", 1)]
            .map(|(id, value)| Row::single(id, value, "ticks"))
            .to_vec()
    }

    #[test]
    fn families_are_sorted_and_have_two_points() {
        let found = families(&rows(), &["revoke".into(), "map".into(), "none".into()]);
        assert_eq!(found, [Family { name: "revoke".into(), points: vec![(1, 300), (100, 900)] }]);
        assert_eq!(found[0].growth(), Some(3.0));
    }

    #[test]
    fn axes_end_at_the_next_power_of_ten() {
        let axis = |largest| Axis::new(largest, 0.0, 100.0);
        assert_eq!([axis(1).decades, axis(10).decades, axis(11).decades, axis(10_000).decades], [1, 1, 2, 4]);
        assert!((axis(10_000).at(100) - 50.0).abs() < 1e-9);
        assert!(axis(100).at(0).abs() < 1e-9);
    }

    #[test]
    fn every_family_is_drawn() {
        let picture = svg(&families(&rows(), &["revoke".into()]));
        assert_eq!(picture.matches("<polyline").count(), 1);
        assert_eq!(picture.matches("<circle").count(), 2);
        assert!(picture.ends_with("</svg>\n") && picture.contains(">revoke<"));
    }
}
