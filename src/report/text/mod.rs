//! The report in a terminal: plain text of a given width, with colours where they are wanted.

mod arch;
mod compare;
mod hash;
mod inspect;
mod layers;
mod page;
mod rank;
mod scatter;
mod table;
mod tensors;
mod verdict;
mod who;

pub use arch::arch;
pub use compare::compare;
pub use hash::{check, hash};
pub use inspect::inspect;
pub use rank::rank;
