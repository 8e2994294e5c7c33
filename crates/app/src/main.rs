//! The binary `tramontane`.
fn main() {}
