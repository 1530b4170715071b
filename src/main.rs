//! The `wcmp` binary.
fn main() {}
