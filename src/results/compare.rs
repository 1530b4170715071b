//! The answer of `wcmp compare`.

use crate::align::{Pair, Unmatched};
use crate::evidence::adaptation::MatrixChange;
use crate::evidence::experts::ExpertLayer;
use crate::evidence::figures::{Coverage, LayerFigures, Similarity};
use crate::evidence::finding::Finding;
use crate::evidence::layer_map::Placed;
use crate::evidence::part::Part;
use crate::evidence::pca::Pca;
use crate::evidence::permutation::PowerOf;
use crate::evidence::tests_of_units::Test;
use crate::evidence::transformation::Transformation;
use crate::evidence::untested::Untested;
use crate::measure::record::{Digest, Figures};
use crate::model::checkpoint::LeftAside;
use crate::model::sides::Sides;
use crate::model::tokenizer::Overlap;
use crate::model::warning::Noted;
use crate::model::words::{Class, Component};
use crate::verdict::Verdict;
use crate::verdict::origin::{Pattern, Reading};

pub use crate::align::Why;
pub use crate::view::logical::Via;

use super::checkpoint::CheckpointFacts;
use super::settings::Settings;

/// Two models compared.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Settings that shape the answer.
    pub settings: Settings,
    /// The two.
    pub checkpoints: Sides<CheckpointFacts>,
    /// Whole-prefix mapping of names.
    pub name_mapping: Option<String>,
    /// How much of each side is aligned.
    pub coverage: Sides<Coverage>,
    /// Means and counts over all pairs.
    pub similarity: Similarity,
    /// The origin document's reading.
    pub reading: Reading,
    /// Figures by layer: of equal number first, then of layers that moved.
    pub layers: Vec<LayerFigures>,
    /// The target's components.
    pub components: Vec<ComponentResult>,
    /// The target's parts, graded.
    pub parts: Vec<Part>,
    /// Where layers come from, where some moved.
    pub layer_map: Option<Vec<Placed>>,
    /// Tests on the order of units, where they ran.
    pub units: Option<UnitTests>,
    /// Principal subspaces, where they were compared.
    pub pca: Option<Pca>,
    /// Layers with experts on both sides.
    pub experts: Vec<ExpertLayer>,
    /// What was recovered.
    pub transformations: Vec<Transformation>,
    /// What the tokenizers have in common.
    pub tokenizer: Option<Overlap>,
    /// Findings, the strongest first.
    pub findings: Vec<Finding>,
    /// The verdict.
    pub verdict: Verdict,
    /// Tensors left over.
    pub unmatched: Sides<Vec<Unmatched>>,
    /// Tensors that were compared, by the names of target and base.
    pub tensors: Vec<TensorPair>,
    /// What is odd.
    pub warnings: Vec<Noted>,
    /// What the target changes, where it is an adapter.
    pub adapter: Option<AdapterChanges>,
    /// Weight files beside the two that were not read.
    pub left_aside: Sides<Vec<LeftAside>>,
}

/// One component of the target.
#[derive(Debug, Clone)]
pub struct ComponentResult {
    /// Which.
    pub component: Component,
    /// How much of each side is aligned.
    pub coverage: Sides<Coverage>,
    /// Means and counts over its pairs.
    pub similarity: Similarity,
    /// Pattern of its layers.
    pub pattern: Pattern,
    /// Verdict on it alone.
    pub verdict: Verdict,
}

/// Tests on the order of units.
#[derive(Debug, Clone)]
pub struct UnitTests {
    /// Bound of all together, base 10.
    pub log10_p: Option<f64>,
    /// Probes of the direct form.
    pub probes: usize,
    /// Hits of the direct form.
    pub hits: usize,
    /// Groups of blocks that count once.
    pub groups: usize,
    /// Single tests: in place, then of layers that moved, then through disguises.
    pub tests: Vec<Test>,
    /// What a null result is worth.
    pub power: Vec<PowerOf>,
    /// What could not be tested.
    pub skipped: Vec<Untested>,
}

/// Two tensors that were compared.
#[derive(Debug, Clone)]
pub struct TensorPair {
    /// The two.
    pub pair: Pair,
    /// How they count as evidence.
    pub class: Class,
    /// Their figures.
    pub figures: Figures,
    /// Values that are NaN or infinite.
    pub nonfinite: Sides<u64>,
    /// Digests of the stored tensors, where they were taken and the tensor is compared whole.
    pub digests: Sides<Option<Digest>>,
    /// Same dtype, shape and bytes.
    pub identical: bool,
}

/// What an adapter changes in the base.
#[derive(Debug, Clone)]
pub struct AdapterChanges {
    /// The base that its configuration names: a claim.
    pub declared_base: Option<String>,
    /// Revision of that base: a claim.
    pub declared_revision: Option<String>,
    /// Task.
    pub task: Option<String>,
    /// Changes by low rank, sorted by name.
    pub changes: Vec<MatrixChange>,
    /// Tensors of the base that it replaces whole, sorted by name.
    pub replaced: Vec<String>,
}
