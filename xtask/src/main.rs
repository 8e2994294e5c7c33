//! Generated things, each with `--check`.
fn main() {}
