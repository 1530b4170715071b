//! What the tests and the benchmarks of this package reach from outside of it, under the paths that
//! it has inside. Nothing here is promised to anybody else.

pub mod error {
    pub use crate::error::is_bidirectional;
}

pub mod format {
    pub mod gguf {
        pub use crate::format::gguf::{
            declared_base, join_splits, norm_offset, parse_gguf, row_order, tiled, to_config,
            tokens,
        };
    }
    pub use crate::format::torch::parse_torch;
}

pub mod model {
    pub use crate::model::config::Config;
}

pub mod numeric {
    pub use crate::numeric::decode::{decode_f32, decode_f64, decodes, values_per_element};
    pub use crate::numeric::kernels::Kernel;
    pub mod sha256 {
        pub use crate::numeric::kernels::sha256::{Digester, Feed, Stream, advance, finish};
    }
    pub use crate::numeric::linalg::Dense;
    pub use crate::numeric::quant::{StoredBytes, ggml};
    pub use crate::numeric::rng::Draws;
    pub use crate::numeric::rows::{Matrix, RowSource};
    pub use crate::numeric::sums::{Span, Sums, add_columns, rows_on};
}

pub mod report {
    pub use crate::report::{Lang, Style, csv, escape, html, json, markdown, text};
}

pub mod source {
    pub use crate::source::Memory;
}

pub mod stats {
    /// A level, for a simulation that must know it.
    pub const FOUND_LOG10: f64 = crate::stats::levels::FOUND_LOG10;

    pub use crate::stats::assignment::assign;
    pub use crate::stats::chance::{binomial_tail, bonferroni, combined, fisher, group};
    pub use crate::stats::power::{Power, Probed};
    pub use crate::stats::subspace;
    pub use crate::stats::units;
}

pub mod view {
    pub use crate::view::model::Model;
    pub use crate::view::pieces::pieces;
    pub use crate::view::quantised::{QuantisedMatrix, quantised};
}
