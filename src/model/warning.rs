//! What is odd but usable, typed: which oddity it is, with its names and numbers.
//!
//! Sentences for people are made of these where reports are (`report/words`). Names are kept as
//! they stand in the files; who shows them escapes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::Conflict;
use super::sides::Side;

/// Names of a list that a warning keeps: a sentence shows no more.
pub(crate) const NAMES_KEPT: usize = 12;

/// What is odd but usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum Warning {
    /// A configuration with `NaN` or `Infinity`, which were read as null.
    ConfigNotJson {
        /// The file.
        file: String,
    },
    /// A tokenizer that is passed over.
    TokenizerUnreadable {
        /// The file, or the key of a GGUF file.
        file: String,
        /// Why, as the error line would say it.
        why: String,
    },
    /// Header fields that the format does not know.
    ExtraHeaderField {
        /// The safetensors file.
        file: String,
        /// How many.
        fields: usize,
        /// The tensor of the first.
        tensor: String,
        /// The first.
        field: String,
    },
    /// A key that a header's `__metadata__` repeats.
    RepeatedMetadataKey {
        /// The safetensors file.
        file: String,
        /// The key.
        key: String,
    },
    /// A file that is read here and that the reference reader of its format refuses, and with it
    /// most other programs.
    ReferenceReaderDisagrees {
        /// The file.
        file: String,
        /// Why, as the reference reader says it.
        why: String,
    },
    /// Tensors of shards that the index does not name.
    NotInIndex {
        /// The first.
        first: String,
        /// How many.
        tensors: usize,
    },
    /// Tensors that stand in two files with equal bytes.
    TensorTwice {
        /// The first.
        first: String,
        /// How many.
        tensors: usize,
    },
    /// Shards that the numbers in file names promise and that are not there.
    ShardsMissing {
        /// How many are there.
        found: usize,
        /// How many there should be.
        expected: u32,
    },
    /// A sub-folder with weights that the model's own list of parts names and that is not there,
    /// or holds no weights.
    PartMissing {
        /// The folder.
        folder: String,
        /// The list that names it.
        listed_in: String,
    },
    /// Layers that config.json counts and no file holds.
    LayersMissing {
        /// Layers that are there.
        found: u64,
        /// Layers of config.json.
        declared: u64,
    },
    /// Files of different names, without an index, that are read as one model.
    FilesJoined {
        /// Their names, the first few.
        files: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// Files beside the model that hold another one.
    AnotherModelBeside {
        /// The first few.
        files: Vec<String>,
    },
    /// A tensor with the storage of another.
    TiedTensor {
        /// The tensor that is not counted.
        name: String,
    },
    /// Classes that a pickle names and that are not known here; no tensor depends on them.
    PickleGlobals {
        /// The names, the first twelve.
        names: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// Models of one file beside the one that is read.
    PickleParts {
        /// The key of that one.
        read: String,
        /// Keys of the others, the first few.
        keys: Vec<String>,
    },
    /// A tensor that its format's reader leaves out.
    TensorNotRead {
        /// The tensor.
        name: String,
        /// What kind of tensor it is.
        what: NotRead,
    },
    /// Rows of single tokens that an adapter trained.
    AdapterTokens {
        /// The tensor that holds them.
        name: String,
    },
    /// Settings of an adapter that its tensors do not bear out, or that are not undone.
    AdapterConfig(AdapterSetting),
    /// Zero points that programs read differently.
    GptqZeroPoints {
        /// The first matrix.
        first: String,
        /// Zero points of the first.
        wrapped: u64,
        /// Matrices with such zero points among those looked at.
        matrices: usize,
    },
    /// Matrices of a layout that is not read.
    UnsupportedQuantization {
        /// The first.
        first: String,
        /// How many.
        matrices: usize,
        /// The layout, and why it is not read.
        why: String,
    },
    /// Rows of query and key in another order than the file's layout stands for.
    RotaryOrder,
    /// A fused tensor in another order than its name stands for.
    FusedOrder(Fused),
    /// A matrix that is identical and that a formula explains, in models that share nothing else.
    IdenticalPerhapsFormula {
        /// The matrix.
        name: String,
    },
    /// The target declares the base, and no test found its weights.
    DeclaredBaseContradicted {
        /// What it declares.
        claim: String,
    },
    /// The target declares the base, and the weights agree.
    DeclaredBaseConfirmed {
        /// What it declares.
        claim: String,
    },
    /// A sketch stands for the weights of a model.
    FromSketch,
    /// The target declares another base than the one it shares weights with.
    DeclaredBaseDiffers {
        /// What it declares.
        claims: Vec<String>,
    },
    /// A model's config.json and its tensors disagree.
    ConfigConflict {
        /// Name of the model.
        model: String,
        /// Its path.
        path: String,
        /// The two sides of it.
        conflict: Conflict,
    },
    /// A base that is the target itself, or an adapter among several models, is no base.
    BaseSetAside {
        /// Its path.
        path: String,
        /// Whether it is the target.
        is_target: bool,
    },
    /// Two bases that explain the target equally well as terms of a mixture.
    MixtureNotUnique {
        /// Names of the two.
        bases: [String; 2],
    },
    /// Two bases and the target lie on a line, and it is not told which is a sum of the others.
    SumNotTold {
        /// Names of the bases.
        bases: [String; 2],
    },
    /// Values that are no weights.
    NoWeights(NoWeights),
    /// Floats of 8 bits of a size that only a scale makes weights of, and no scale beside them.
    ScaleMissing {
        /// The first.
        first: String,
        /// How many matrices.
        tensors: usize,
    },
    /// Gains of norms that one side stores with 1 added, read without it.
    NormsPlusOne {
        /// The first.
        first: String,
        /// How many.
        tensors: usize,
    },
    /// Values on a grid of few levels: written out from codes of 4 bits, or trained for them.
    FewLevels {
        /// The first.
        first: String,
        /// How many matrices.
        tensors: usize,
        /// Of how many.
        matrices: usize,
        /// Most levels among the values that share a grid.
        levels: usize,
        /// Which values these are.
        among: Among,
    },
    /// Factors of an adapter inside a whole model, which are not added to what they change.
    UnmergedAdapter {
        /// The first.
        first: String,
        /// How many tensors.
        tensors: usize,
    },
}

/// Values among which levels are few.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Among {
    /// 32 that stand beside one another.
    Neighbours,
    /// A row.
    Row,
    /// All rows that were looked at.
    Matrix,
}

/// Tensors whose values are no weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct NoWeights {
    /// What their values are instead.
    pub kind: NoWeight,
    /// How many tensors.
    pub tensors: usize,
    /// The first names.
    pub names: Vec<String>,
    /// How many values; bytes at the end of a file.
    pub values: u64,
    /// Parameters of the matrices among them, which are left out of the comparison.
    pub parameters: u64,
}

/// What a value can be instead of a weight.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoWeight {
    /// NaN or infinite.
    NotFinite,
    /// Zero in a whole matrix.
    Zero,
    /// One other value in a whole matrix.
    Constant,
    /// Not there: a tensor without elements.
    Empty,
    /// Zero from some place to the end of a file.
    EndsInZeros {
        /// The file.
        file: String,
    },
}

/// A kind of tensor that a reader lists and does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotRead {
    /// Quantised by torch itself.
    Quantised,
    /// Sparse.
    Sparse,
    /// On the device "meta", without values.
    WithoutValues,
    /// Nested.
    Nested,
    /// Of a class of its own.
    Subclass,
    /// Of a dtype that no other format has.
    ForeignDtype,
    /// A conjugated or negated view.
    LazyView,
}

/// What of an adapter's configuration deserves a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterSetting {
    /// `use_dora`, and no module has a magnitude.
    NoMagnitude,
    /// `layer_replication`.
    RepeatedLayers,
    /// A start of the training that changed the base.
    ChangedBase {
        /// `init_lora_weights`.
        start: String,
    },
    /// A pattern that is a regular expression of a kind that is not read.
    PatternNotApplied {
        /// `rank_pattern` or `alpha_pattern`.
        table: String,
        /// The pattern.
        pattern: String,
    },
    /// A rank that is not the declared one.
    OtherRank {
        /// `r`.
        declared: u64,
        /// The first module of another rank.
        module: String,
        /// Its rank.
        rank: u64,
    },
}

/// What a fused tensor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fused {
    /// Query, key and value.
    QueryKeyValue,
    /// Gate and up.
    GateUp,
}

impl Warning {
    /// Stable word for scripts, lower case with underscores.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ConfigNotJson { .. } => "config_not_json",
            Self::TokenizerUnreadable { .. } => "tokenizer_unreadable",
            Self::ExtraHeaderField { .. } => "extra_header_field",
            Self::RepeatedMetadataKey { .. } => "repeated_metadata_key",
            Self::ReferenceReaderDisagrees { .. } => "reference_reader_disagrees",
            Self::NotInIndex { .. } => "not_in_index",
            Self::TensorTwice { .. } => "tensor_twice",
            Self::ShardsMissing { .. } => "shards_missing",
            Self::PartMissing { .. } => "part_missing",
            Self::LayersMissing { .. } => "layers_missing",
            Self::FilesJoined { .. } => "files_joined",
            Self::AnotherModelBeside { .. } => "another_model_beside",
            Self::TiedTensor { .. } => "tied_tensor",
            Self::PickleGlobals { .. } => "pickle_globals",
            Self::PickleParts { .. } => "pickle_parts",
            Self::TensorNotRead { .. } => "tensor_not_read",
            Self::AdapterTokens { .. } => "adapter_tokens",
            Self::AdapterConfig(_) => "adapter_config",
            Self::GptqZeroPoints { .. } => "gptq_zero_points",
            Self::UnsupportedQuantization { .. } => "unsupported_quantization",
            Self::RotaryOrder => "rotary_order",
            Self::FusedOrder(_) => "fused_order",
            Self::IdenticalPerhapsFormula { .. } => "identical_perhaps_formula",
            Self::DeclaredBaseContradicted { .. } => "declared_base_contradicted",
            Self::DeclaredBaseConfirmed { .. } => "declared_base_confirmed",
            Self::FromSketch => "from_sketch",
            Self::DeclaredBaseDiffers { .. } => "declared_base_differs",
            Self::ConfigConflict { .. } => "config_conflict",
            Self::BaseSetAside { .. } => "base_set_aside",
            Self::MixtureNotUnique { .. } => "mixture_not_unique",
            Self::SumNotTold { .. } => "sum_not_told",
            Self::UnmergedAdapter { .. } => "unmerged_adapter",
            Self::ScaleMissing { .. } => "scale_missing",
            Self::FewLevels { .. } => "few_levels",
            Self::NormsPlusOne { .. } => "norms_plus_one",
            Self::NoWeights(what) => match what.kind {
                NoWeight::NotFinite => "not_finite",
                NoWeight::Zero => "zero_matrix",
                NoWeight::Constant => "constant_matrix",
                NoWeight::Empty => "no_elements",
                NoWeight::EndsInZeros { .. } => "ends_in_zeros",
            },
        }
    }

    /// The tensor, file or claim that it is about; none where it is about the whole.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::ConfigNotJson { file: name }
            | Self::TokenizerUnreadable { file: name, .. }
            | Self::ExtraHeaderField { file: name, .. }
            | Self::RepeatedMetadataKey { file: name, .. }
            | Self::ReferenceReaderDisagrees { file: name, .. }
            | Self::NotInIndex { first: name, .. }
            | Self::TensorTwice { first: name, .. }
            | Self::PartMissing { folder: name, .. }
            | Self::TiedTensor { name }
            | Self::TensorNotRead { name, .. }
            | Self::AdapterTokens { name }
            | Self::GptqZeroPoints { first: name, .. }
            | Self::UnsupportedQuantization { first: name, .. }
            | Self::UnmergedAdapter { first: name, .. }
            | Self::ScaleMissing { first: name, .. }
            | Self::FewLevels { first: name, .. }
            | Self::NormsPlusOne { first: name, .. }
            | Self::IdenticalPerhapsFormula { name }
            | Self::DeclaredBaseContradicted { claim: name }
            | Self::DeclaredBaseConfirmed { claim: name }
            | Self::BaseSetAside { path: name, .. }
            | Self::ConfigConflict { path: name, .. } => Some(name.clone()),
            Self::AnotherModelBeside { files } => Some(files.join(", ")),
            Self::DeclaredBaseDiffers { claims } => Some(claims.join(", ")),
            Self::NoWeights(what) => match &what.kind {
                NoWeight::EndsInZeros { file } => Some(file.clone()),
                _ => what.names.first().cloned(),
            },
            Self::ShardsMissing { .. }
            | Self::LayersMissing { .. }
            | Self::FilesJoined { .. }
            | Self::PickleGlobals { .. }
            | Self::PickleParts { .. }
            | Self::AdapterConfig(_)
            | Self::RotaryOrder
            | Self::FromSketch
            | Self::FusedOrder(_)
            | Self::MixtureNotUnique { .. }
            | Self::SumNotTold { .. } => None,
        }
    }

    /// The warning, of a comparison in which it is about one side.
    pub fn on(self, side: Side) -> Noted {
        Noted {
            about: About::Side(side),
            warning: self,
        }
    }

    /// The warning, of a comparison of several models in which it is about the one of that name.
    pub fn of_model(self, name: &str) -> Noted {
        Noted {
            about: About::Model(name.to_owned()),
            warning: self,
        }
    }
}

/// Which of several models a warning is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// All of them, or what they have in common.
    Comparison,
    /// One of the two that are compared.
    Side(Side),
    /// The one of this name.
    Model(String),
}

/// A warning where several models were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Whose it is.
    pub about: About,
    /// What is odd.
    pub warning: Warning,
}

impl From<Warning> for Noted {
    fn from(warning: Warning) -> Self {
        Self {
            about: About::Comparison,
            warning,
        }
    }
}
