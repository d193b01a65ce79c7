//! The run that the documentation shows: for each benchmark a section of the text, a picture, and a file of figures.
use anyhow::Result;

use super::super::document::{self, Section};
use super::super::store;
use super::figures::Figures;
use super::goals::{self, Goals};
use super::{bars, tables};
use crate::context::Context;

/// Where a benchmark's run is kept.
struct Place {
    bench: &'static str,
    section: Section,
    /// The file of figures, below the workspace's root.
    file: &'static str,
}

const PLACES: [Place; 3] = [
    Place {
        bench: "malloc",
        section: Section {
            begin: "<!-- bench alloc: begin (written by `cargo xtask bench alloc --save`) -->\n",
            end: "<!-- bench alloc: end -->\n",
        },
        file: "docs/bench-alloc.json",
    },
    Place {
        bench: "phys",
        section: Section {
            begin: "<!-- bench alloc phys: begin (written by `cargo xtask bench alloc --save`) -->\n",
            end: "<!-- bench alloc phys: end -->\n",
        },
        file: "docs/bench-alloc-phys.json",
    },
    Place {
        bench: "virt",
        section: Section {
            begin: "<!-- bench alloc virt: begin (written by `cargo xtask bench alloc --save`) -->\n",
            end: "<!-- bench alloc virt: end -->\n",
        },
        file: "docs/bench-alloc-virt.json",
    },
];

/// Writes what was measured into the documentation; what was not stays as it is there.
///
/// # Errors
/// The text has no place for it, or a file cannot be written.
pub fn save(context: &Context, figures: &Figures, goals: &Goals) -> Result<()> {
    for Place { bench, section, file } in PLACES {
        let figures = figures.only(bench);
        if figures.benches().is_empty() {
            continue;
        }
        let verdicts = goals.judge(&figures);
        let picture = format!("bench-alloc-{bench}.svg");
        store::write(&context.root.join("docs").join(&picture), &bars::svg(&figures, goals, bench))?;
        let goals_table = goals::markdown(&verdicts);
        let tables = tables::markdown(&figures, goals, bench);
        let content = format!("{goals_table}\n![Speed of {bench}]({picture})\n\n{tables}");
        document::update(&context.root, &section, &content)?;
        store::write(&context.root.join(file), &figures.to_json(&verdicts))?;
        println!("wrote {file}, docs/{picture}, {}", document::FILE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::BENCHMARKS;
    use super::*;

    #[test]
    fn every_benchmark_has_a_place() {
        for (_, _, word) in BENCHMARKS {
            assert!(PLACES.iter().any(|place| place.bench == word), "{word}");
        }
    }
}
