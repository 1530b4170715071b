//! Findings to a verdict: pure functions, no file, no array.

pub(crate) mod decide;
pub(crate) mod grade;
pub(crate) mod origin;
pub(crate) mod ranking;
pub(crate) mod reasons;

use crate::evidence::relation::Relation;
use crate::evidence::untested::Untested;

use decide::{Confidence, Label};
use reasons::Reason;

/// What is concluded on two models, or on one component of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The label.
    pub label: Label,
    /// Relations, in the order of the contract.
    pub relations: Vec<Relation>,
    /// Confidence; `None` where nothing is concluded.
    pub confidence: Option<Confidence>,
    /// Grounds, the strongest first.
    pub reasons: Vec<Reason>,
    /// What could not be tested.
    pub untested: Vec<Untested>,
}
