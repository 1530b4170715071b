//! Several bases at once: shares of a mixture, and which base is the nearest (guide/methods.md,
//! section 10).

pub(crate) mod among;
pub(crate) mod distances;
pub(crate) mod kinship;
pub(crate) mod origins;
pub(crate) mod sample;
pub(crate) mod shares;
