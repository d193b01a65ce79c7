//! Address ranges.
fn main() {}
