//! The report as Markdown, for a pull request or a model card: what matters first, long tables
//! folded away.
//!
//! Names stand in code spans and sentences are escaped, so that nothing that a file holds becomes
//! markup, HTML, a link or a mention.

mod arch;
mod compare;
mod hash;
mod inspect;
mod page;
mod rank;

pub use arch::arch;
pub use compare::compare;
pub use hash::{check, hash};
pub use inspect::inspect;
pub use rank::rank;
