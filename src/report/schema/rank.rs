//! The JSON of `wcmp rank`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CheckpointRow, Coverage, ExpectRow, FindingRow, LeftAsideRow, OriginReading, SettingsRow,
    Similarity, VerdictRow, WarningRow, lenient, version,
};
use crate::evidence::finding::PcaSummary;
use crate::evidence::several::kinship::Kinship;
use crate::model::words::Role;
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::ranking::CriterionId;

version! {
    /// The version of `wcmp rank`.
    RankVersion = "wcmp.rank/1"
}

/// `wcmp rank`.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Rank {
    /// `wcmp.rank/1`.
    pub schema: RankVersion,
    /// Version of wcmp.
    pub wcmp: String,
    /// Settings.
    pub settings: SettingsRow,
    /// The target.
    pub target: CheckpointRow,
    /// One row a base, best evidence first.
    pub ranking: Vec<RankingRow>,
    /// The origin document's six criteria: three for from scratch, then three for fine-tuning.
    pub criteria: Vec<CriterionRow>,
    /// The answer over all bases.
    pub conclusion: ConclusionRow,
    /// Principal coordinates of the models that share a shape.
    pub coordinates: Option<CoordinatesRow>,
    /// The target as a weighted sum of the bases.
    pub mixture: Option<MixtureRow>,
    /// Warnings.
    pub warnings: Vec<WarningRow>,
    /// Each base against the other bases, best evidence first: what models of this shape come to
    /// that are not the target.
    pub controls: Option<Vec<ControlRow>>,
    /// What was expected of the answer, where something was.
    #[serde(default)]
    pub expect: Option<ExpectRow>,
    /// Weight files beside the models that were not read.
    #[serde(default)]
    pub left_aside: Vec<LeftAsideRow>,
    /// From which layer of which base each layer of the target comes; null where no base shares
    /// weights with it.
    #[serde(default)]
    pub layer_origins: Option<Vec<LayerOriginRow>>,
    /// The library that the bases were chosen from; null where none was given.
    #[serde(default)]
    pub library: Option<LibraryRow>,
    /// How each of several relatives stands to the target beside the others.
    #[serde(default)]
    pub kinship: Vec<KinRow>,
    /// Pairs of relatives that the target, or a model near it, stands between.
    #[serde(default)]
    pub between: Vec<BetweenRow>,
    /// Bases that are sums of the target and another base.
    #[serde(default)]
    pub sums_of_target: Vec<SumOfTargetRow>,
}

/// A library of sketches, and how deeply it was looked at.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LibraryRow {
    /// Sketches of it.
    pub sketches: u64,
    /// Checkpoints beside them.
    pub checkpoints: u64,
    /// How many of all were looked at in every form.
    pub looked_at_deeply: u64,
    /// Bound of the chance of the best likeness over all of them, base 10; null where nothing speaks
    /// for one.
    pub log10_p: Option<f64>,
}

/// Where a layer of the target comes from.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LayerOriginRow {
    /// Layer of the target.
    pub target: u32,
    /// Name of the base; null where none has it, or several have it and none is nearest.
    pub base: Option<String>,
    /// Layer of the base.
    pub layer: Option<u32>,
    /// Bound on the chance of the find, base 10.
    pub log10_p: Option<f64>,
    /// Where it is a mixture of layers that stand elsewhere in several bases, these.
    #[serde(default)]
    pub weights: Vec<OriginWeightRow>,
}

/// A layer of a base in a layer that is a mixture.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct OriginWeightRow {
    /// Name of the base.
    pub base: String,
    /// Its layer.
    pub layer: u32,
    /// Its weight.
    pub weight: f64,
    /// Standard error of the weight.
    pub standard_error: f64,
}

/// A relative beside other relatives.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct KinRow {
    /// Name of the base.
    pub base: String,
    /// nearest, candidate, beside, beyond or sum_of_target.
    pub kinship: Kinship,
    /// Name of a base that is nearer.
    pub nearer: Option<String>,
    /// Why it is: same_direction, right_angle or kept.
    pub by: Option<String>,
    /// The figure of it.
    pub figure: Option<f64>,
}

/// Two bases that the target, or a model near it, stands between.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct BetweenRow {
    /// Their names.
    pub bases: [String; 2],
    /// Root mean square, over the matrices, of the cosine between the ways to the two.
    pub figure: f64,
}

/// A base that is a sum of the target and another base.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct SumOfTargetRow {
    /// Name of the base.
    pub base: String,
    /// Name of the other base.
    pub with: String,
}

impl Rank {
    /// The base that the conclusion rests on.
    pub fn concluded_from(&self) -> Option<&RankingRow> {
        // A base is named by its name, or where several have it, by its path.
        let base = self.conclusion.base.as_ref()?;
        let named = |row: &&RankingRow| *base == row.base.name || *base == row.base.path;
        self.ranking.iter().find(named)
    }

    /// The relative that alone is told to be nearest of those given.
    pub fn nearest(&self) -> Option<&str> {
        let nearest = self.kinship.iter();
        let mut nearest = nearest.filter(|row| row.kinship == Kinship::Nearest);
        let only = nearest.next()?;
        let is_told = self.conclusion.candidates == [only.base.clone()];
        is_told.then_some(only.base.as_str())
    }

    /// Bases from which the target is seen across `nearest`, or across a model near it.
    pub fn across(&self, nearest: &str) -> Vec<String> {
        let is_across = |row: &&KinRow| {
            let by = row.by.as_deref() == Some("right_angle");
            by && row.kinship == Kinship::Beside && row.nearer.as_deref() == Some(nearest)
        };
        let rows = self.kinship.iter().filter(is_across);
        rows.map(|row| row.base.clone()).collect()
    }

    /// How sure the conclusion is: as the base that it rests on, or where it rests on all, as the
    /// least sure of them.
    pub fn confidence(&self) -> Option<Confidence> {
        match (self.concluded_from(), self.conclusion.label) {
            (Some(row), _) => row.verdict.confidence,
            (None, Label::Inconclusive) => None,
            (None, label) if label.is_related() => {
                let found = self.ranking.iter().filter(|row| row.verdict.label == label);
                found.filter_map(|row| row.verdict.confidence).max()
            }
            (None, _) => {
                let sure = self.ranking.iter().map(|row| row.verdict.confidence);
                sure.min().flatten()
            }
        }
    }
}

/// A base and the base that it is most like.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct ControlRow {
    /// Name of the base.
    pub base: String,
    /// Name of the base nearest to it.
    pub nearest: String,
    /// Mean cosine over the matrices that all models share.
    pub matrix_cosine: Option<f64>,
    /// The same of the excess.
    pub matrix_excess: Option<f64>,
    /// The least excess with any other base.
    #[serde(default)]
    pub lowest_excess: Option<f64>,
}

/// One base against the target.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RankingRow {
    /// The base.
    pub base: CheckpointRow,
    /// How much of each side is aligned.
    pub coverage: Coverage,
    /// Figures.
    pub similarity: Similarity,
    /// The origin document's reading.
    pub origin_reading: OriginReading,
    /// Permutation tests, combined.
    pub permutation: Option<RankPermutation>,
    /// Principal subspaces, summarised.
    pub pca: Option<RankPca>,
    /// Verdict on this pair.
    pub verdict: VerdictRow,
    /// Share of the target's matrix parameters in parts that are the base's, 0 to 1.
    #[serde(default)]
    pub reused: Option<f64>,
    /// By what the likeness was seen; words of kinds of evidence and of transformations.
    #[serde(default)]
    pub seen_by: Vec<String>,
    /// Findings, the strongest first.
    #[serde(default)]
    pub evidence: Vec<FindingRow>,
}

/// The permutation tests of one base in short.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RankPermutation {
    /// Combined over groups, base 10.
    pub log10_p: Option<f64>,
    /// Probes of the direct form.
    pub probes: u64,
    /// Hits of the direct form.
    pub hits: u64,
}

/// The principal subspaces of one base in short.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RankPca {
    /// clustered_with_base, between or orthogonal.
    pub summary: PcaSummary,
    /// Median excess.
    pub median_excess: Option<f64>,
}

/// One of the origin document's criteria.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct CriterionRow {
    /// all_means_below_half, no_identical, independent_in_pca, a_base_at_0.9, many_identical or
    /// early_layers_high.
    pub id: CriterionId,
    /// The criterion in words.
    pub statement: String,
    /// Whether it holds; null where it could not be decided.
    pub holds: Option<bool>,
    /// The number it was decided by.
    pub value: Option<f64>,
}

/// The answer over all bases.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct ConclusionRow {
    /// A verdict label.
    pub label: Label,
    /// Name of the base it rests on; null where it rests on several.
    pub base: Option<String>,
    /// One sentence.
    pub sentence: String,
    /// Bases whose verdict is that they share weights.
    #[serde(default)]
    pub related: u64,
    /// The bases that the target is a merge of.
    #[serde(default, deserialize_with = "lenient")]
    pub merge: Option<MergeRow>,
    /// Relatives than which none of those given is told to be nearer, where several are related.
    #[serde(default)]
    pub candidates: Vec<String>,
}

/// The target as a merge of several bases, by their names.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum MergeRow {
    /// A weighted sum.
    Sum {
        /// Bases with their weights.
        weights: Vec<WeightRow>,
        /// Share of the target that it leaves, 0 to 1.
        unexplained: f64,
        /// linear or spherical.
        #[serde(default)]
        rule: String,
        /// How far from the first base to the second, of a spherical one.
        #[serde(default)]
        at: Option<f64>,
    },
    /// A sum whose shares differ by layer.
    Runs(Vec<RunRow>),
    /// Layers taken from several bases.
    Layers(Vec<TakenLayers>),
    /// Values changed as some bases change them, and others kept.
    Sparse {
        /// The base of which values are kept.
        base: String,
        /// The bases whose changes are taken.
        of: Vec<String>,
        /// Share of the values that are changed.
        changed: f64,
        /// Share of these that have the sign of the changes.
        agreement: f64,
    },
}

/// Layers that follow one another and have the same shares.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RunRow {
    /// First layer.
    pub first: u32,
    /// Last layer.
    pub last: u32,
    /// Bases with their shares.
    pub weights: Vec<WeightRow>,
}

/// Layers taken from one base.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct TakenLayers {
    /// Name of the base.
    pub base: String,
    /// Layers of the target.
    pub layers: Vec<u32>,
    /// Those of the base that they come from.
    #[serde(default)]
    pub base_layers: Vec<u32>,
    /// Where the layers are mixtures, the bases with their weights.
    #[serde(default)]
    pub weights: Vec<WeightRow>,
}

/// Principal coordinates of target and bases.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct CoordinatesRow {
    /// Names, target first.
    pub models: Vec<String>,
    /// A point a model, in the unit of the distances.
    pub points: Vec<[Option<f64>; 2]>,
    /// Share of the squared distances that each axis explains, 0 to 1.
    pub explained: [Option<f64>; 2],
}

/// The target as a sum of the bases; bases that are no term have weight 0.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct MixtureRow {
    /// Weights over all matrices.
    pub weights: Vec<WeightRow>,
    /// Share of the target that no weights explain, 0 to 1.
    pub residual: Option<f64>,
    /// The same for each layer.
    pub by_layer: Vec<LayerMixture>,
    /// The same for each role.
    pub by_role: Vec<RoleMixture>,
    /// Largest multiple correlation of a term's difference with those of the others, 0 to 1.
    #[serde(default)]
    pub collinearity: Option<f64>,
}

/// Weight of one base.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct WeightRow {
    /// Name of the base.
    pub base: String,
    /// Its weight.
    pub weight: Option<f64>,
    /// Standard error of the weight.
    #[serde(default)]
    pub standard_error: Option<f64>,
}

/// The mixture of one layer.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LayerMixture {
    /// Layer of the target.
    pub layer: u32,
    /// Weights.
    pub weights: Vec<WeightRow>,
    /// Unexplained share.
    pub residual: Option<f64>,
}

/// The mixture of one role.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RoleMixture {
    /// Role.
    pub role: Role,
    /// Weights.
    pub weights: Vec<WeightRow>,
    /// Unexplained share.
    pub residual: Option<f64>,
}
