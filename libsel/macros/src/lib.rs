//! The attribute that turns a function into the entry of a Selkie program.
