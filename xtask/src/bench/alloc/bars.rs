//! Speed relative to one candidate, as an SVG picture: a group of bars for each workload.
use std::fmt::Write as _;

use super::super::plot::{COLOURS, WIDTH, page};
use super::figures::Figures;
use super::goals::Goals;

const LEFT: f64 = 110.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 40.0;
const BAR: f64 = 7.0;
const GAP: f64 = 10.0;
/// Ratios beyond are drawn as this: what they say is in the table.
const MOST: f64 = 8.0;

/// The picture of one benchmark.
pub fn svg(figures: &Figures, goals: &Goals, bench: &str) -> String {
    let base = goals.base(bench).unwrap_or_default();
    let candidates = figures.candidates(bench, "net_ns");
    let workloads = figures.workloads(bench);
    let ratio = |workload: &str, candidate: &str| {
        let figure = |candidate| figures.get(bench, workload, candidate, "net_ns");
        Some(figure(base)? / figure(candidate)?)
    };
    let group = BAR * candidates.len() as f64 + GAP;
    let height = TOP + group * workloads.len() as f64 + 30.0;
    let x = |ratio: f64| LEFT + (WIDTH - LEFT - RIGHT) * ratio / MOST;
    let mut body = String::new();
    for (index, name) in candidates.iter().enumerate() {
        let (at, colour) = (10.0 + 105.0 * index as f64, COLOURS[index % COLOURS.len()]);
        let _ = writeln!(body, "<rect x=\"{at}\" y=\"8\" width=\"10\" height=\"10\" fill=\"{colour}\"/>");
        let _ = writeln!(body, "<text x=\"{}\" y=\"17\" font-size=\"10\">{name:.16}</text>", at + 14.0);
    }
    for step in 0..=MOST as u32 {
        let at = x(f64::from(step));
        let _ = writeln!(body, "<path d=\"M{at:.1} {TOP}V{:.1}\" stroke=\"#ddd\"/>", height - 25.0);
        let _ = writeln!(body, "<text x=\"{at:.1}\" y=\"{:.1}\">{step}</text>", height - 10.0);
    }
    for (row, workload) in workloads.iter().enumerate() {
        let top = TOP + group * row as f64;
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{workload}</text>",
            LEFT - 6.0,
            top + group / 2.0
        );
        for (index, candidate) in candidates.iter().enumerate() {
            let Some(ratio) = ratio(workload, candidate) else { continue };
            let (y, colour) = (top + BAR * index as f64, COLOURS[index % COLOURS.len()]);
            let width = x(ratio.clamp(0.0, MOST)) - LEFT;
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
            );
        }
    }
    page(height, &body)
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn every_ratio_has_a_bar() {
        let figures = figures(&[
            ("malloc", "cc1", "selkie", "net_ns", 5.0),
            ("malloc", "cc1", "dlmalloc", "net_ns", 10.0),
            ("malloc", "git", "selkie", "net_ns", 5.0),
        ]);
        let picture = svg(&figures, &Goals::read().unwrap(), "malloc");
        assert_eq!(picture.matches("height=\"7\"").count(), 2);
        assert!(picture.contains(">git<") && picture.ends_with("</svg>\n"));
    }
}
