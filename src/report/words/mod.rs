//! Every sentence, heading and label of the reports, in one language a folder.
//!
//! What a language must say is a trait a file: [`Titles`] for headings, labels and remarks,
//! [`Meanings`] for what the words of the contract stand for, [`Sentences`] for what is said with
//! numbers and names in it. A language that lacks one of them does not compile. The words of the
//! contract themselves are the same in every language, and so are numbers ([`super::number`]).
//!
//! A name inside a sentence is written as the contract escapes it (guide/contract.md, section 6);
//! what a back end must escape beyond that is its own affair.

pub(crate) mod en;
mod ko;

use super::document::Line;
use super::escape;
use super::schema::{BetweenRow, LeftAsideRow, LibraryRow, Rank, TokenizerRow, WeightRow};
use crate::evidence::adaptation::NoChange;
use crate::evidence::finding::{NoiseFloor, PcaSummary, Statement};
use crate::evidence::part::State;
use crate::evidence::relation::Relation;
use crate::evidence::tests_of_units::UnitKind;
use crate::evidence::transformation::Check;
use crate::evidence::untested::{Obstacle, Subject};
use crate::measure::record::Undefined;
use crate::model::architecture::{ArchReason, Comparability, PossibleChange};
use crate::model::checkpoint::{Format, WeightSet, WhyAside};
use crate::model::warning::{About, Warning};
use crate::model::words::words;
use crate::results::compare::Why;
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::origin::{Band, Disagreement, Pattern};
use crate::verdict::ranking::CriterionId;
use crate::verdict::reasons::Reason;

words! {
    /// A language of the reports for people.
    Lang {
        /// English.
        En = "en",
        /// Korean.
        Ko = "ko",
    }
}

impl Lang {
    /// What it says.
    pub(crate) fn words(self) -> Language {
        match self {
            Self::En => &en::English,
            Self::Ko => &ko::Korean,
        }
    }
}

/// A language, ready to be spoken.
pub(crate) type Language = &'static dyn Words;

/// A language.
pub(crate) trait Words: Titles + Meanings + Sentences + Typed + Screens + Sync {}

impl<T: Titles + Meanings + Sentences + Typed + Screens + Sync> Words for T {}

/// What stands typed in the results.
pub(crate) trait Typed {
    /// What an analysis says.
    fn statement(&self, statement: &Statement) -> String;

    /// A reason for a label.
    fn reason(&self, reason: &Reason) -> String;

    /// What could not be tested.
    fn subject(&self, subject: &Subject) -> String;

    /// Why it could not.
    fn obstacle(&self, obstacle: &Obstacle) -> String;

    /// What a transformation was checked on.
    fn check(&self, check: &Check) -> String;

    /// Why a cosine is not defined.
    fn undefined(&self, why: &Undefined) -> String;

    /// Why the size of a change is not known.
    fn no_change(&self, why: &NoChange) -> String;

    /// Why the plain scale and the verdict disagree.
    fn disagreement(&self, why: &Disagreement) -> String;

    /// What the origin document says of a pattern of layers.
    fn pattern(&self, pattern: Pattern) -> &'static str;

    /// One of the origin document's criteria.
    fn criterion(&self, id: CriterionId) -> &'static str;

    /// What is odd, and about which model.
    fn warning(&self, about: &About, warning: &Warning) -> String;

    /// Why shapes can or cannot be compared.
    fn arch_reason(&self, reason: &ArchReason) -> String;

    /// A change that one makes to a released model.
    fn possible_change(&self, change: &PossibleChange) -> String;

    /// What two tokenizers have in common, among the reasons of `arch`.
    fn shared_tokens(&self, tokenizer: &TokenizerRow) -> String;

    /// Why a weight file was not read.
    fn why_aside(&self, why: WhyAside) -> &'static str;

    /// Which files were taken.
    fn weight_sets(&self, sets: &[WeightSet]) -> String;

    /// The answer over several bases.
    fn conclusion(&self, report: &Rank) -> String;
}

/// What is said on one screen. Numbers come as they are printed.
pub(crate) trait Screens {
    /// The answer of `compare`, with both names.
    fn compared(&self, label: Label, base: &str, target: &str) -> Line;

    /// The answer of `rank`, with the names.
    fn concluded(&self, report: &Rank) -> Line;

    /// The answer of `arch`: the base that can be compared best, of how many, and its share.
    fn comparable_with(
        &self,
        comparability: Comparability,
        target: &str,
        base: &str,
        bases: u64,
        share: Option<&str>,
    ) -> Line;

    /// The answer of `inspect`.
    fn inspected(&self, name: &str, tensors: u64, parameters: &str) -> Line;

    /// What must be quoted with an answer.
    fn caveat(&self, caveat: &Caveat<'_>) -> String;

    /// How many warnings are not told here.
    fn other_warnings(&self, n: u64) -> String;

    /// What became of a part.
    fn state(&self, state: State) -> &'static str;

    /// What the shares of the parts are shares of.
    fn of_matrix_parameters(&self, parameters: &str) -> String;

    /// Roles in layers, where they have any.
    fn roles_in(&self, roles: &str, layers: &str, n: usize) -> String;

    /// What changed, by how much, and how many tensors did not.
    fn changed(
        &self,
        roles: &str,
        more: bool,
        median: Option<&str>,
        identical: u64,
        aligned: u64,
    ) -> String;

    /// Cosines from the least to the greatest.
    fn cosines_from_to(&self, cosines: Option<[String; 2]>) -> String;

    /// So many of so many.
    fn so_many_of(&self, part: u64, whole: u64) -> String;

    /// Runs of layers that are not shown.
    fn more_runs(&self, n: u64) -> String;

    /// Bases that are not shown.
    fn more_bases(&self, n: u64) -> String;

    /// The bound on chance and the test that gave it.
    fn chance(&self, chance: &Chance) -> String;

    /// The test behind a finding, with its numbers.
    fn seen_by(&self, statement: &Statement) -> String;

    /// Units in their places, and how many.
    fn in_place(&self, units: &InPlace<'_>) -> String;

    /// Transformations that were undone: kind, layers and the cosine of what checked it.
    fn undone(&self, kinds: &[(&str, String, Option<String>)]) -> String;

    /// By what a base was seen: a kind of evidence or a transformation.
    fn seen_by_word(&self, word: &str) -> String;

    /// What a null result is worth.
    fn null_result(&self, sure: &Sure<'_>) -> String;

    /// What number formats explain.
    fn within_formats(&self, floor: &NoiseFloor) -> String;

    /// The plain mean, its row of the scale, the pattern, and whether they agree with the verdict.
    fn plain_scale(&self, scale: &PlainScale<'_>) -> String;

    /// How many models of a library are related to others, and how many to none that was found.
    fn families(&self, models: u64, families: u64, alone: u64) -> String;

    /// A family of so many models.
    fn family(&self, models: u64) -> String;

    /// How many models of a library were looked at, and how deeply; the chance of the best likeness
    /// over all of them.
    fn library(&self, library: &LibraryRow, chance: Option<&str>) -> String;

    /// The highest excess of the bases among themselves.
    fn controls(&self, highest: &str, lowest: &str, is_control: bool) -> String;

    /// That there is nothing to hold the base against.
    fn no_control(&self) -> &'static str;

    /// Which relative the target is seen across, and from which others.
    fn relatives(&self, nearest: &str, others: &[String]) -> String;

    /// Relatives that the target stands between.
    fn between(&self, pairs: &Pairs<'_>) -> String;

    /// A base that is a sum of the target and another base.
    fn sum_of_target(&self, base: &str, with: &str) -> String;

    /// How many criteria hold for training from scratch, and for fine-tuning.
    fn criteria(&self, scratch: (u64, u64), tuned: (u64, u64)) -> String;

    /// The same in one line.
    fn criteria_in_short(&self, scratch: (u64, u64), tuned: (u64, u64)) -> String;

    /// Changes that would explain a difference of shapes.
    fn would_have_had_to_change(&self, changes: &str) -> String;

    /// Whether a report came out the same, and how many fields did not.
    fn verified(&self, report: &str, differences: u64) -> Line;

    /// The report is of another version than this one.
    fn other_version(&self, version: &str) -> String;

    /// Which program this is, before the command that shows everything.
    fn foot(&self, version: &str) -> String;

    /// The same, where the command is too long to be repeated.
    fn foot_of_many(&self, version: &str) -> String;

    /// The same of `inspect`.
    fn inspect_foot(&self, version: &str) -> String;
}

/// Pairs of relatives, as few words as tell them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pairs<'a> {
    /// Every two of these.
    All(Vec<&'a str>),
    /// Some pairs, and how many more.
    Some(Vec<[&'a str; 2]>, usize),
}

impl<'a> Pairs<'a> {
    /// Pairs that are told one by one.
    const TOLD: usize = 2;

    /// `None` where there are no pairs.
    pub(crate) fn new(rows: &'a [BetweenRow]) -> Option<Self> {
        let pairs = rows.iter().map(|row| row.bases.each_ref());
        let pairs: Vec<[&str; 2]> = pairs.map(|bases| bases.map(String::as_str)).collect();
        let mut names: Vec<&str> = Vec::new();
        for name in pairs.iter().flatten() {
            if !names.contains(name) {
                names.push(name);
            }
        }
        if pairs.is_empty() {
            return None;
        }
        let is_each = pairs.len() > 1 && pairs.len() == names.len() * (names.len() - 1) / 2;
        Some(if is_each {
            Self::All(names)
        } else {
            let more = pairs.len().saturating_sub(Self::TOLD);
            Self::Some(pairs.into_iter().take(Self::TOLD).collect(), more)
        })
    }
}

/// What must be quoted with an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caveat<'a> {
    /// The relations, and that they have no direction in time.
    Direction(&'a [Relation]),
    /// Independence of one base says nothing of others.
    NoOtherModel,
    /// The target is an adapter and no model.
    Adapter,
    /// Weight files that were not read.
    LeftAside(&'a [LeftAsideRow]),
}

/// A bound on chance.
pub(crate) struct Chance {
    /// The bound, base 10.
    pub(crate) log10_p: Option<f64>,
    /// The test that gave it.
    pub(crate) test: Option<String>,
    /// Informative tensors that are byte-identical.
    pub(crate) identical: u64,
    /// Mean excess of the matrices.
    pub(crate) excess: Option<String>,
}

/// What a null result is worth.
pub(crate) struct Sure<'a> {
    /// Least share that would have been seen with 95 % probability.
    pub(crate) seen: Option<&'a str>,
    /// Share of the target's matrices that could be compared.
    pub(crate) covered: &'a str,
}

/// What sets the plain mean and the verdict apart, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    /// Norms and constants are alike in any two models.
    AlikeInUnrelated,
    /// Independent parts pull the mean down.
    PulledDown,
    /// Tensors are compared as stored, by equal name.
    AsStored,
    /// Matrices have moved far, and units keep their places.
    MovedFar,
}

/// Units that were found in their places.
pub(crate) struct InPlace<'a> {
    /// Which kind.
    pub(crate) kind: UnitKind,
    /// The tensor or part, where it is one.
    pub(crate) name: Option<&'a str>,
    /// Probes that hit.
    pub(crate) hits: u64,
    /// Probes.
    pub(crate) probes: u64,
}

/// The plain mean-cosine scale on one pair.
pub(crate) struct PlainScale<'a> {
    /// The plain mean.
    pub(crate) mean: Option<&'a str>,
    /// Its band.
    pub(crate) band: Option<Band>,
    /// The pattern of the layers.
    pub(crate) pattern: Pattern,
    /// Whether it agrees with the verdict.
    pub(crate) agrees: Option<bool>,
    /// Why not.
    pub(crate) why: Option<Apart>,
    /// Whether the pattern does; none where it speaks for nothing.
    pub(crate) pattern_agrees: Option<bool>,
}

/// Headings, labels and remarks that are always the same.
pub(crate) trait Titles {
    /// The language's tag.
    fn code(&self) -> &'static str;

    /// The table behind a picture.
    fn as_a_table(&self) -> &'static str;

    /// What a picture shows.
    fn caption(&self, caption: Caption) -> &'static str;

    /// The words of the reports that are not everybody's, each with its meaning in a line.
    fn glossary(&self) -> &'static [(&'static str, &'static str)];

    /// The heading of a section.
    fn heading(&self, heading: Heading) -> &'static str;

    /// The name of a figure or fact, at the head of a column or before a value.
    fn term(&self, term: Term) -> &'static str;

    /// A remark on a table or list.
    fn remark(&self, remark: Remark) -> &'static str;
}

/// What pictures show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caption {
    /// Cosines by layer and role.
    Heat,
    /// Cosines along the depth.
    Depth,
    /// Where layers come from.
    LayerMap,
    /// Units in place by layer.
    UnitsInPlace,
    /// Excess of each base.
    Bases,
    /// Share of each parent by layer.
    Mixture,
}

/// Headings of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    /// Facts that target and bases are compared by.
    ArchFacts,
    /// Facts of the bases of a ranking.
    Bases,
    /// Blocks of a checkpoint.
    Blocks,
    /// Which bases can be compared at all.
    Comparable,
    /// Components of a model.
    Components,
    /// The answer of a ranking.
    Conclusion,
    /// config.json of a checkpoint.
    Config,
    /// Where config.json and tensors of the target disagree.
    Conflicts,
    /// Bases against one another.
    Controls,
    /// Principal coordinates.
    Coordinates,
    /// How much has a counterpart.
    Coverage,
    /// The origin document's criteria.
    Criteria,
    /// Model digests.
    Digests,
    /// Findings.
    Evidence,
    /// Experts matched by content.
    Experts,
    /// Cosines.
    Figures,
    /// Labels and confidence words of a ranking, explained.
    Glossary,
    /// Identical tensors.
    Identical,
    /// What an adapter changes.
    Adapter,
    /// Layers of the target and those of the base they come from.
    LayerMap,
    /// The target as a weighted sum.
    Mixture,
    /// The same sum by role and layer.
    MixtureParts,
    /// From which base each layer comes.
    LayerOrigins,
    /// Which of several relatives is nearest.
    Relatives,
    /// What could not be tested.
    NotTestable,
    /// Warnings.
    Notes,
    /// The origin document's reading.
    Origin,
    /// Parts by state.
    Parts,
    /// Permutation tests.
    Permutation,
    /// The ranking.
    Ranking,
    /// The command line.
    Reproduce,
    /// Shapes by role.
    Roles,
    /// Principal subspaces.
    Subspaces,
    /// Tokenizers compared.
    Tokenizer,
    /// Transformations.
    Transformations,
    /// Tensors without a counterpart.
    Unmatched,
    /// The verdict.
    Verdict,
    /// Pictures.
    Pictures,
    /// Words that are explained.
    Words,
}

/// Names of figures and facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// Whether the document and the verdict agree.
    Agreement,
    /// Scale of an adapter, as configured.
    Alpha,
    /// All parameters.
    AllParameters,
    /// Approximate bound.
    Approximate,
    /// Architecture.
    Architecture,
    /// The base.
    Base,
    /// A block.
    Block,
    /// Whether a bound is exact.
    Bound,
    /// Length in bytes.
    Bytes,
    /// With the means taken off.
    Centred,
    /// Class of a tensor.
    Class,
    /// Whether shapes can be compared.
    Comparable,
    /// A component.
    Component,
    /// How sure the label is.
    Confidence,
    /// What config.json says.
    ConfigJson,
    /// A cosine.
    Cosine,
    /// Several cosines.
    Cosines,
    /// Changes that could explain a difference.
    CouldBe,
    /// How much is covered.
    Covered,
    /// A criterion.
    Criterion,
    /// A tensor that is not what a manifest says.
    Differs,
    /// Dimension of a subspace.
    Dimension,
    /// Share of a model that a sketch shows.
    Disclosed,
    /// The origin document.
    Document,
    /// Dtype.
    Dtype,
    /// Identical tensors, in a narrow column.
    Equal,
    /// Equal shapes.
    EqualShape,
    /// Exact bound.
    Exact,
    /// Above a random order.
    Excess,
    /// Excess over the target.
    ExcessToTarget,
    /// Expected of a random order; what a manifest says.
    Expected,
    /// A field of config.json.
    Field,
    /// Files.
    Files,
    /// A finding.
    Finding,
    /// Form of a test.
    Form,
    /// What was found.
    Found,
    /// Highest excess to another base.
    HighestToBase,
    /// Hits of a test.
    Hits,
    /// Whether a criterion holds.
    Holds,
    /// Identical tensors.
    Identical,
    /// Share in equal shapes.
    InEqualShapes,
    /// Size of a subspace.
    K,
    /// The verdict's label.
    Label,
    /// The largest.
    Largest,
    /// A layer.
    Layer,
    /// Layers.
    Layers,
    /// Least bound.
    LeastLog10P,
    /// Files that were not taken.
    LeftAside,
    /// What a sketch has no room for.
    LeftOut,
    /// Sketches that a base is sought among.
    Library,
    /// Logarithm of a bound on chance.
    Log10P,
    /// Several matrices.
    Matrices,
    /// Matrices with a counterpart.
    MatricesCovered,
    /// One matrix.
    Matrix,
    /// The plain mean of cosines.
    Mean,
    /// The same, in full.
    MeanCosine,
    /// What a word means.
    Meaning,
    /// Median change by an adapter.
    MedianChange,
    /// A tensor that a manifest has and a copy lacks.
    Missing,
    /// A model.
    Model,
    /// Digest of a model.
    ModelDigest,
    /// A name.
    Name,
    /// Name of a tensor in the target.
    NameInTarget,
    /// How names are mapped.
    Names,
    /// A tensor that a copy has and a manifest lacks.
    New,
    /// Norms.
    Norms,
    /// No digest was taken.
    NotTaken,
    /// What could not be tested, in short.
    NotTested,
    /// The number in a finding.
    Number,
    /// Of each of several.
    OfEach,
    /// Share of the base.
    OfTheBase,
    /// Share of the target.
    OfTheTarget,
    /// Overlap of subspaces.
    Overlap,
    /// Parameters.
    Parameters,
    /// Parts.
    Parts,
    /// A path.
    Path,
    /// A pattern over the layers.
    Pattern,
    /// Permutation test.
    Permutation,
    /// Probes of a test.
    Probes,
    /// Quantisation scheme.
    Quantization,
    /// A rank of matrices.
    Rank,
    /// How a band reads.
    Reads,
    /// Reasons.
    Reasons,
    /// The relation.
    Relation,
    /// The role of a tensor.
    Role,
    /// Scale of an adapter.
    Scale,
    /// SHA-256.
    Sha256,
    /// A shape.
    Shape,
    /// A share.
    Share,
    /// Side of a matrix.
    Side,
    /// Size in bytes.
    Size,
    /// What a criterion speaks for.
    SpeaksFor,
    /// How a tensor is stored.
    Storage,
    /// Principal subspaces.
    Subspaces,
    /// What a finding supports.
    Supports,
    /// The target.
    Target,
    /// Tensors.
    Tensors,
    /// Tests.
    Tests,
    /// The pair in question.
    ThisPair,
    /// Tokenizers.
    Tokenizer,
    /// Share that nothing explains.
    Unexplained,
    /// Units of a test.
    Units,
    /// Tensors without a counterpart.
    UnmatchedTensors,
    /// The verdict.
    Verdict,
    /// How two tensors were compared.
    Via,
    /// Which files the weights are in.
    Weights,
    /// Which of them.
    Which,
    /// Why.
    Why,
    /// A word of the contract.
    Word,
    /// The least of several.
    Least,
    /// The median of several.
    Median,
    /// The change of a layer.
    Change,
    /// Units in their own places.
    UnitsInPlace,
    /// Share that is reused.
    Reused,
    /// Bound on chance.
    Chance,
    /// By what a likeness was seen.
    SeenBy,
    /// Bases among themselves.
    Controls,
    /// How relatives stand to the target.
    Relatives,
    /// How one of them stands.
    Kinship,
    /// A base that is nearer.
    Nearer,
    /// Layer of a base.
    BaseLayer,
    /// The plain mean-cosine scale.
    PlainScale,
}

/// Remarks that stand as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remark {
    /// Why an adapter's factors are no counterparts.
    AdapterCoverage,
    /// How a change by an adapter is measured.
    AdapterChange,
    /// What the bars of the layers show.
    Bars,
    /// What the columns of the layers do not show.
    Layers,
    /// There is no finding.
    NoFinding,
    /// There is no mean cosine.
    NoBand,
    /// What equal shapes do not show.
    Shapes,
    /// What the controls show.
    Controls,
    /// What the geometry of relatives tells.
    Relatives,
    /// What marks a tensor as identical.
    IdenticalMark,
    /// What marks a fact as equal.
    EqualFact,
    /// What the plain mean is.
    MeanCosine,
    /// What the mean over matrices is.
    MatrixCosine,
    /// What the excess is.
    Excess,
    /// What the mean over norms is.
    NormCosine,
    /// What the centred cosine is.
    Centred,
    /// What counts among identical tensors.
    Informative,
}

/// What the words of the contract stand for.
pub(crate) trait Meanings {
    /// What a label means.
    fn label(&self, label: Label) -> &'static str;

    /// What a confidence word stands for beside a label: its definition.
    fn confidence(&self, label: Label, confidence: Confidence) -> &'static str;

    /// What the origin document says of a band.
    fn band(&self, band: Band) -> &'static str;

    /// The mean cosines of a band.
    fn band_range(&self, band: Band) -> &'static str;

    /// Why a tensor is without a counterpart.
    fn unmatched_why(&self, why: Why) -> &'static str;

    /// How principal subspaces lie.
    fn subspaces(&self, summary: PcaSummary) -> &'static str;

    /// What a criterion of the origin document speaks for.
    fn criterion_side(&self, id: CriterionId) -> &'static str;

    /// Whether something holds.
    fn yes_or_no(&self, holds: Option<bool>) -> &'static str;
}

/// What is said with numbers and names in it. Numbers come as they are printed.
pub(crate) trait Sentences {
    /// The question of a command.
    fn question(&self, version: &str, question: Question) -> Line;

    /// One of the bases, by its place in a ranking or on the command line.
    fn base_number(&self, at: usize) -> String;

    /// One layer, at the head of a row.
    fn layer(&self, layer: u32) -> String;

    /// Layers of a model, at the head of a row.
    fn layers(&self, ranges: &str) -> String;

    /// The layers of a component, and how many there are.
    fn layers_of(&self, component: &str, layers: u64) -> String;

    /// The tensors of a checkpoint, counted.
    fn tensors(&self, n: u64) -> String;

    /// Aligned tensors, counted.
    fn aligned_tensors(&self, n: u64) -> String;

    /// A principal coordinate and what it explains.
    fn coordinate(&self, axis: usize, explained: &str) -> String;

    /// What the axes of the plot are.
    fn axes(&self, explained: [&str; 2]) -> String;

    /// How many rows of a list are not shown.
    fn more(&self, n: u64) -> String;

    /// Files of a checkpoint and their format.
    fn files(&self, n: u64, format: Format) -> String;

    /// A sketch of a model whose files have that format.
    fn sketch_of(&self, format: Format) -> String;

    /// A checkpoint without weights.
    fn config_alone(&self) -> &'static str;

    /// The options that filter, as they were given.
    fn filtered(&self, options: &str) -> String;

    /// What norm gains are worth.
    fn norm_gains(&self, cosine: &str, expected: &str) -> String;

    /// Of how many tensors some are identical.
    fn of_aligned(&self, aligned: u64) -> String;

    /// Identical, aligned and informative tensors.
    fn identical(&self, identical: u64, aligned: u64, informative: u64) -> String;

    /// The same of one base of a ranking.
    fn cosines(&self, figures: &Cosines<'_>) -> String;

    /// How much of target and base is covered.
    fn covered(&self, target: &str, base: &str) -> String;

    /// Probes that hit, and the bound on chance.
    fn hits(&self, hits: u64, probes: u64, log10_p: Option<f64>) -> String;

    /// How subspaces lie, with their median excess.
    fn subspaces_in_short(&self, summary: &str, excess: &str) -> String;

    /// The power of a null result; `share` where a reuse would have been seen at all.
    fn power(&self, units: &str, share: Option<&str>, needed: u64, probes: u64) -> String;

    /// An analysis that was not run.
    fn not_run(&self, what: &str, why: &str) -> String;

    /// Hits over all groups and what they say about chance.
    fn permutation(&self, hits: u64, probes: u64, groups: u64, log10_p: Option<f64>) -> String;

    /// How principal subspaces lie, over how many and in which mode.
    fn principal_subspaces(&self, summary: &str, excess: &str, n: u64, mode: &str) -> String;

    /// The weakest of the layers of a map.
    fn weakest_layer(&self, log10_p: &str) -> String;

    /// A transformation that was found.
    fn transformation(&self, found: &Transformation<'_>) -> String;

    /// A pattern and, where they are there, relation and reason of a component.
    fn component(&self, component: &Component<'_>) -> String;

    /// Parts of one kind that have several to a layer.
    fn parts(&self, n: usize) -> String;

    /// How the experts of some layers were matched.
    fn experts(&self, experts: &Experts<'_>) -> String;

    /// Tokens in common.
    fn tokenizer(&self, tokenizer: &Tokenizer) -> String;

    /// Changes of an adapter by direction and magnitude.
    fn dora(&self, n: u64) -> String;

    /// Tensors that an adapter replaces.
    fn replaced(&self, names: &[String]) -> String;

    /// Changes of an adapter that could not be measured.
    fn not_measured(&self, names: &[String]) -> String;

    /// From one number to another.
    fn span(&self, least: &str, most: &str) -> String;

    /// What one side has without a counterpart.
    fn unmatched(&self, unmatched: &Unmatched<'_>) -> String;

    /// A pair that has no cosine.
    fn no_cosine(&self, name: &str, reason: &str) -> String;

    /// Whether the document's reading and the verdict agree, and why not.
    fn agreement(&self, agrees: Option<bool>, why: Option<&str>) -> String;

    /// The origin document on one base of a ranking.
    fn document(&self, band: Option<Band>, pattern: &str, agreement: &str) -> String;

    /// How far a base can be compared.
    fn comparable(&self, comparability: Comparability, share: Option<&str>) -> String;

    /// A weighted sum of bases and what it leaves.
    fn mixture(&self, terms: &[WeightRow], residual: &str) -> String;

    /// Whether a copy is what a manifest says.
    fn checked(&self, check: &Checked<'_>) -> Line;
}

/// The questions of the commands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'a> {
    /// `compare`.
    Compare {
        /// The base.
        base: &'a str,
        /// The target.
        target: &'a str,
    },
    /// `rank`.
    Rank(&'a str),
    /// `arch`.
    Arch(&'a str),
    /// `inspect`.
    Inspect(&'a str),
    /// `hash`.
    Hash(&'a str),
    /// `hash --check`.
    Check(&'a str),
    /// `sketch`.
    Sketch(&'a str),
    /// `rank --matrix`.
    Matrix,
}

/// The cosines of one base of a ranking.
pub(crate) struct Cosines<'a> {
    /// Plain mean.
    pub(crate) mean: &'a str,
    /// Mean over matrices.
    pub(crate) matrices: &'a str,
    /// Its excess.
    pub(crate) excess: &'a str,
    /// What norm gains are worth.
    pub(crate) norms: Option<&'a str>,
    /// Identical tensors.
    pub(crate) identical: u64,
    /// Aligned tensors.
    pub(crate) aligned: u64,
    /// Informative ones among the identical.
    pub(crate) informative: u64,
}

/// A transformation that was found.
pub(crate) struct Transformation<'a> {
    /// Kind, a word of the contract.
    pub(crate) kind: &'a str,
    /// Layers, as ranges.
    pub(crate) layers: &'a str,
    /// How many layers.
    pub(crate) n_layers: usize,
    /// Units kept, of how many.
    pub(crate) kept: Option<(u64, Option<u64>)>,
    /// Whether units were left out.
    pub(crate) pruned: bool,
    /// What checked it.
    pub(crate) check: &'a str,
    /// The check's cosine.
    pub(crate) cosine: Option<&'a str>,
}

/// A component in short.
pub(crate) struct Component<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Pattern over its layers.
    pub(crate) pattern: &'a str,
    /// Relation.
    pub(crate) relation: Option<&'a str>,
    /// The first reason.
    pub(crate) reason: Option<&'a str>,
}

/// Experts of layers that were matched alike.
pub(crate) struct Experts<'a> {
    /// Layers, as ranges.
    pub(crate) layers: &'a str,
    /// How many layers.
    pub(crate) n_layers: usize,
    /// Experts with a counterpart.
    pub(crate) matched: u64,
    /// Experts of the target.
    pub(crate) target: u64,
    /// Experts of the base.
    pub(crate) base: u64,
    /// Experts in other places, where the map is not the identity.
    pub(crate) moved: Option<&'a [String]>,
}

/// Tokenizers compared.
pub(crate) struct Tokenizer {
    /// Tokens in both.
    pub(crate) shared: u64,
    /// Of these, with the same id.
    pub(crate) same_id: u64,
    /// Tokens of the base.
    pub(crate) base: u64,
    /// Tokens of the target.
    pub(crate) target: u64,
    /// Merges in common.
    pub(crate) merges: Option<u64>,
}

/// What one side has without a counterpart.
pub(crate) struct Unmatched<'a> {
    /// Whether it is the target.
    pub(crate) target: bool,
    /// Tensors.
    pub(crate) tensors: u64,
    /// Their parameters.
    pub(crate) parameters: &'a str,
    /// Their share of the side.
    pub(crate) share: &'a str,
}

/// How a copy compares with a manifest.
pub(crate) struct Checked<'a> {
    /// Name of the copy.
    pub(crate) name: &'a str,
    /// Whether all is as the manifest says.
    pub(crate) equal: bool,
    /// Tensors that match.
    pub(crate) matching: u64,
    /// Tensors of the copy.
    pub(crate) tensors: u64,
    /// Tensors that differ.
    pub(crate) different: u64,
    /// Tensors that the copy lacks.
    pub(crate) missing: u64,
    /// Tensors that the manifest lacks.
    pub(crate) new: u64,
}

/// The first of the files that were not read, each with whose it is and why, and how many more
/// there are.
fn files_aside(say: &(impl Typed + Titles), files: &[LeftAsideRow]) -> (String, u64) {
    const SHOWN: usize = 3;
    let one = |row: &LeftAsideRow| {
        let side = match row.side.as_str() {
            "base" => say.term(Term::Base).to_owned(),
            "target" => say.term(Term::Target).to_owned(),
            name => escape::name(name),
        };
        let file = escape::name(&row.file);
        let why = say.why_aside(row.why);
        format!("{side} {file} ({why})").trim_start().to_owned()
    };
    let shown: Vec<String> = files.iter().take(SHOWN).map(one).collect();
    let more = files.len().saturating_sub(SHOWN) as u64;
    (shown.join(", "), more)
}
