//! The JSON of `wcmp compare`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CheckpointRow, Coverage, ExpectRow, Hex, NotTestable, OriginReading, SettingsRow, Sides,
    Similarity, TokenizerRow, lenient,
};
use super::{LeftAsideRow, VerdictRow, WarningRow, version};
use crate::evidence::adaptation::NoChange;
use crate::evidence::finding::{Family, PcaSummary, Statement, Supports};
use crate::evidence::part::{PartKind, State};
use crate::evidence::partners::FeatureKind;
use crate::evidence::pca::Stream;
use crate::evidence::permutation::PowerKind;
use crate::evidence::tests_of_units::{Form, UnitKind};
use crate::evidence::transformation::{Check, TransformationKind};
use crate::evidence::witness::{FoundBy, WitnessKind};
use crate::measure::record::Undefined;
use crate::model::dtype::Dtype;
use crate::model::words::{Block, Class, Component, Role};
use crate::results::compare::{Via, Why};
use crate::results::settings::PcaMode;
use crate::verdict::origin::Pattern;

version! {
    /// The version of `wcmp compare`.
    CompareVersion = "wcmp.compare/1"
}

/// `wcmp compare`.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Compare {
    /// `wcmp.compare/1`.
    pub schema: CompareVersion,
    /// Version of wcmp.
    pub wcmp: String,
    /// Settings.
    pub settings: SettingsRow,
    /// The base.
    pub base: CheckpointRow,
    /// The target.
    pub target: CheckpointRow,
    /// Whole-prefix mapping of names.
    pub name_mapping: Option<String>,
    /// Coverage.
    pub coverage: Coverage,
    /// Figures.
    pub similarity: Similarity,
    /// The origin document's reading.
    pub origin_reading: OriginReading,
    /// Layers.
    pub layers: Vec<LayerRow>,
    /// Components.
    pub components: Vec<ComponentRow>,
    /// Parts.
    pub parts: Vec<PartRow>,
    /// Layer map.
    pub layer_map: Option<Vec<LayerMapRow>>,
    /// Permutation tests.
    pub permutation: Option<PermutationRow>,
    /// Principal subspaces.
    pub pca: Option<PcaRow>,
    /// Experts.
    pub experts: Option<Vec<ExpertsRow>>,
    /// Transformations.
    pub transformations: Vec<TransformationRow>,
    /// Tokenizers.
    pub tokenizer: Option<TokenizerRow>,
    /// Findings.
    pub evidence: Vec<FindingRow>,
    /// Verdict.
    pub verdict: VerdictRow,
    /// Tensors left over.
    pub unmatched: Sides<Vec<UnmatchedRow>>,
    /// Aligned pairs.
    pub tensors: Vec<TensorRow>,
    /// Warnings.
    pub warnings: Vec<WarningRow>,
    /// What the target changes, where it is an adapter.
    pub adapter: Option<AdapterRow>,
    /// What was expected of the answer, where something was.
    #[serde(default)]
    pub expect: Option<ExpectRow>,
    /// Weight files beside the two that were not read.
    #[serde(default)]
    pub left_aside: Vec<LeftAsideRow>,
}

/// What a PEFT adapter changes in the base.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct AdapterRow {
    /// The base that its configuration names: a claim.
    pub declared_base: Option<String>,
    /// Revision of that base: a claim.
    pub declared_revision: Option<String>,
    /// Task.
    pub task: Option<String>,
    /// Changes by low rank, sorted by name.
    pub changes: Vec<AdapterChange>,
    /// Tensors of the base that it replaces whole, sorted by name.
    pub replaced: Vec<String>,
}

/// One matrix that an adapter changes.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct AdapterChange {
    /// Name in the base.
    pub name: String,
    /// Layer.
    pub layer: Option<u32>,
    /// Role.
    pub role: Role,
    /// Rank.
    pub rank: u64,
    /// `lora_alpha`.
    pub alpha: f64,
    /// What B·A is multiplied with.
    pub scale: f64,
    /// Whether rows are brought to stored magnitudes.
    pub dora: bool,
    /// ‖W' − W‖ / ‖W‖.
    pub relative_change: Option<f64>,
    /// Why there is no such figure.
    pub reason: Option<String>,
    /// Why, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub unfit: Option<NoChange>,
}

/// `FIG`: figures of one pair.
#[derive(Debug, Clone, Default, Serialize, JsonSchema, Deserialize)]
pub struct Figures {
    /// dot / norms.
    pub cosine: Option<f64>,
    /// The same after each side's mean is taken off.
    pub centered_cosine: Option<f64>,
    /// Mean cosine over all orders of the last axis.
    pub expected_cosine: Option<f64>,
    /// (cosine − expected) / (1 − expected).
    pub excess: Option<f64>,
    /// ‖b−a‖ / ‖a‖.
    pub relative_change: Option<f64>,
    /// Largest |a−b|.
    pub max_abs_diff: Option<f64>,
    /// Standard error of the cosine where it was estimated; null where every value was read.
    #[serde(default)]
    pub standard_error: Option<f64>,
    /// Values that it was estimated from; null where every value was read.
    #[serde(default)]
    pub estimated_from: Option<u64>,
    /// Why the cosine is null.
    pub reason: Option<String>,
    /// Why, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub undefined: Option<Undefined>,
}

/// `TENSOR`: one aligned pair.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct TensorRow {
    /// Names on both sides.
    pub name: Sides<String>,
    /// Component.
    pub component: Component,
    /// Layer index.
    pub layer: Option<u32>,
    /// Block.
    pub block: Option<Block>,
    /// Role.
    pub role: Role,
    /// Expert index.
    pub expert: Option<u32>,
    /// Whether it belongs to a shared expert.
    pub shared_expert: bool,
    /// matrix, norm, vector or uninformative.
    pub class: Class,
    /// Whether it counts as evidence.
    pub informative: bool,
    /// Shape of the compared matrix.
    pub logical_shape: Vec<u64>,
    /// Stored shapes.
    pub shape: Sides<Vec<u64>>,
    /// Stored dtypes.
    pub dtype: Sides<Dtype>,
    /// stored, cast, dequantized, split, stacked, transposed, tied or mapped.
    pub compared_via: Via,
    /// Figures.
    pub figures: Figures,
    /// Values that are NaN or infinite.
    pub nonfinite: Sides<u64>,
    /// Digests of the stored bytes.
    pub sha256: Sides<Option<Hex>>,
    /// Same dtype, shape and bytes.
    pub identical: bool,
}

/// `PART`: a unit of the verdict.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct PartRow {
    /// Block.
    pub block: Option<String>,
    /// attention, ffn, experts, embedding, head or other.
    pub kind: PartKind,
    /// Component.
    pub component: Component,
    /// Layer of the target.
    pub layer: Option<u32>,
    /// Layer of the base it was compared with.
    pub base_layer: Option<u32>,
    /// Expert index.
    pub expert: Option<u32>,
    /// Matrix parameters of the target.
    pub parameters: u64,
    /// reused, independent, unclear or new.
    pub state: State,
    /// Excess, embeddings and heads centred by their mean row.
    pub excess: Option<f64>,
    /// Its own test.
    pub log10_p: Option<f64>,
    /// place, content, layer_map, experts, disguise, bytes or excess.
    #[serde(default)]
    pub found_by: Option<FoundBy>,
    /// geometry, tokens, bytes or row_space.
    #[serde(default)]
    pub witness: Option<WitnessKind>,
    /// Mutual geometry of the partners, −1 to 1.
    #[serde(default)]
    pub geometry: Option<f64>,
}

/// `TEST`: one permutation test.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct TestRow {
    /// ffn, expert, residual or rows.
    pub kind: UnitKind,
    /// direct, projected, order, found_twice or row_space.
    pub form: Form,
    /// Layer of the target.
    pub layer: Option<u32>,
    /// Layer of the base.
    pub base_layer: Option<u32>,
    /// Expert index.
    pub expert: Option<u32>,
    /// Tensor or part.
    pub name: Option<String>,
    /// Number of units.
    pub units: Sides<u64>,
    /// Probes drawn.
    pub probes: u64,
    /// Probes that hit.
    pub hits: u64,
    /// Bound on the probability, base 10.
    pub log10_p: Option<f64>,
    /// Whether the bound is exact.
    pub exact: bool,
    /// Group of blocks that count once.
    pub group: u64,
    /// Mean of partners in unrelated layers.
    #[serde(default)]
    pub control: Option<f64>,
    /// stored, projected, whitened or token_free.
    #[serde(default)]
    pub features: Option<FeatureKind>,
}

/// One layer of a component.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LayerRow {
    /// Component.
    pub component: Component,
    /// Layer of the target.
    pub layer: u32,
    /// Layer of the base.
    pub base_layer: Option<u32>,
    /// Matrix cosine, weighted by parameters.
    pub matrix_cosine: Option<f64>,
    /// Matrix excess, weighted by parameters.
    pub matrix_excess: Option<f64>,
    /// Plain mean over norms.
    pub norm_cosine: Option<f64>,
    /// Aligned tensors.
    pub tensors: u64,
    /// Identical among them.
    pub identical: u64,
    /// The layer's test.
    pub log10_p: Option<f64>,
}

/// One component.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct ComponentRow {
    /// Component.
    pub component: Component,
    /// Coverage.
    pub coverage: Coverage,
    /// Figures.
    pub similarity: Similarity,
    /// Layer pattern.
    pub layer_pattern: Pattern,
    /// Verdict on the component alone.
    pub verdict: VerdictRow,
}

/// One row of the layer map.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LayerMapRow {
    /// Target layer.
    pub target: u32,
    /// Base layer.
    pub base: Option<u32>,
    /// Bound.
    pub log10_p: Option<f64>,
}

/// Power of a null result.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct PowerRow {
    /// Kind of test.
    pub kind: PowerKind,
    /// Probes.
    pub probes: u64,
    /// Hits needed.
    pub hits_needed: u64,
    /// Least share seen with 95 % probability.
    pub share_seen_95: Option<f64>,
}

/// All permutation tests.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct PermutationRow {
    /// Combined over groups.
    pub log10_p: Option<f64>,
    /// Probes of the direct form.
    pub probes: u64,
    /// Hits of the direct form.
    pub hits: u64,
    /// Groups.
    pub groups: u64,
    /// Single tests.
    pub tests: Vec<TestRow>,
    /// Power.
    pub power: Vec<PowerRow>,
    /// What was skipped.
    pub skipped: Vec<NotTestable>,
}

/// One subspace comparison.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct SubspaceRow {
    /// Tensor.
    pub name: String,
    /// residual or ffn.
    pub side: Stream,
    /// Dimension.
    pub dimension: u64,
    /// Vectors.
    pub k: u64,
    /// Overlap, 0 to 1.
    pub overlap: Option<f64>,
    /// Its mean over all orders.
    pub expected: Option<f64>,
    /// Excess.
    pub excess: Option<f64>,
    /// Error of the sketch.
    pub error: Option<f64>,
}

/// Principal subspaces.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct PcaRow {
    /// fast or full.
    pub mode: PcaMode,
    /// clustered_with_base, between or orthogonal.
    pub summary: PcaSummary,
    /// Median excess.
    pub median_excess: Option<f64>,
    /// Single matrices.
    pub matrices: Vec<SubspaceRow>,
}

/// Experts of a layer.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct ExpertsRow {
    /// Layer.
    pub layer: u32,
    /// Experts of the base.
    pub base_experts: u64,
    /// Experts of the target.
    pub target_experts: u64,
    /// Base expert of each target expert.
    pub map: Vec<Option<u64>>,
    /// Whether the map is not the identity.
    pub permuted: bool,
}

/// A recovered transformation.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct TransformationRow {
    /// Kind.
    pub kind: TransformationKind,
    /// Layers.
    pub found_in: Vec<u32>,
    /// Units kept.
    pub units_kept: Option<u64>,
    /// Of units.
    pub units_of: Option<u64>,
    /// What checked it.
    pub check: String,
    /// The check's cosine.
    pub check_cosine: Option<f64>,
    /// What checked it, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub checked: Option<Check>,
}

/// One finding.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct FindingRow {
    /// Family.
    pub kind: Family,
    /// The sentence.
    pub statement: String,
    /// The number in it.
    pub value: Option<f64>,
    /// Bound, base 10.
    pub log10_p: Option<f64>,
    /// derived, from_scratch, re_encoded or nothing.
    pub supports: Supports,
    /// What it is about.
    pub scope: String,
    /// What it says, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub says: Option<Statement>,
}

/// A tensor without a counterpart.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct UnmatchedRow {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Shape.
    pub shape: Vec<u64>,
    /// Dtype.
    pub dtype: String,
    /// Elements.
    pub parameters: u64,
    /// no_such_name, shape, unsupported or filtered.
    pub why: Why,
}
