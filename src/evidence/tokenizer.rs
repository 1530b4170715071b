//! What two tokenizers have in common: a finding that supports nothing.

use crate::error::Result;
use crate::model::tokenizer::Overlap;

use super::analysis::{Analysis, Found, Setting};
use super::finding::{Finding, Scope, Statement, Supports};

/// The overlap of two tokenizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokenizers(pub Overlap);

impl Analysis for Tokenizers {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let [base, target] = setting.tokenizers;
        let both = base.zip(target);
        Ok(both.map(|(base, target)| Self(Overlap::of(base, target))))
    }

    /// Its value is the number of shared tokens.
    fn findings(&self) -> Vec<Finding> {
        vec![Finding {
            statement: Statement::Tokenizers(self.0),
            value: Some(self.0.shared_tokens as f64),
            log10_p: None,
            supports: Supports::Nothing,
            scope: Scope::Model,
        }]
    }
}
