//! What two tokenizers have in common, as a finding that supports nothing.

use super::finding::{Finding, Scope, Statement, Supports};
use crate::model::tokenizer::Overlap;

/// The overlap as a line of the forensic summary; its value is the number of shared tokens.
pub fn finding(overlap: &Overlap) -> Finding {
    Finding {
        statement: Statement::Tokenizers(*overlap),
        value: Some(overlap.shared_tokens as f64),
        log10_p: None,
        supports: Supports::Nothing,
        scope: Scope::Model,
    }
}
