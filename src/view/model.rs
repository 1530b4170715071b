//! A checkpoint as a set of logical tensors.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::adapter::Adapter;
use crate::format::gguf;
use crate::format::open::Opened;
use crate::format::tokenizer;
use crate::model::checkpoint::{Checkpoint, Format, TensorInfo};
use crate::model::dtype::{Dtype, Kind};
use crate::model::name::{Meaning, Namer, is_adapter_factor, unwrapped};
use crate::model::tokenizer::Tokenizer;
use crate::model::warning::Warning;
use crate::model::words::{Block, Component, Role};
use crate::numeric::quant::ggml;

use super::composed::composed;
use super::kept::Chosen;
use super::logical::{Logical, Origin, RowOrder, StoredAs, fold};
use super::pieces::{LayoutFacts, pieces, transposed_experts};
use super::place::Place;
use super::quantised::{Quantised, QuantisedMatrix, SMALL, Unsupported, quantised};
use super::reader::{View, stored_bytes};

/// An open checkpoint and what its tensors mean.
pub struct Model {
    /// The files.
    pub opened: Opened,
    /// Logical tensors, sorted by name bytes.
    pub logicals: Vec<Arc<Logical>>,
    /// What its fused tensors need to be cut.
    pub facts: LayoutFacts,
    /// Its tokenizer, where it was asked for and is there.
    pub tokenizer: Option<Tokenizer>,
    /// Matrices that several stored tensors make up.
    pub quantised: Quantised,
    /// Matrices of single roles, cut out of fused tensors where need be, by place.
    places: BTreeMap<Place, Arc<Logical>>,
    has_norm_offsets: bool,
    /// Units that stand for all of them, by the place of the matrix whose rows they are.
    pub(super) chosen: BTreeMap<Place, Chosen>,
}

/// Pieces of fused and stacked tensors that are told apart. The largest models have some 140,000
/// matrices, and a header of a few bytes may promise any number.
const MOST_PIECES: usize = 1 << 19;

impl Model {
    /// Gives every stored tensor, and every matrix that several make up, its meaning.
    pub fn new(mut opened: Opened) -> Self {
        let quantised = find_quantised(&opened);
        opened
            .checkpoint
            .warnings
            .extend(unsupported_warnings(&quantised.unsupported));
        let wrapped = wrapped_zeros_warning(&opened, &quantised);
        opened.checkpoint.warnings.extend(wrapped);
        let mut logicals = logicals(&opened, &quantised);
        let embed = logicals
            .iter()
            .find(|l| l.meaning.role == Role::Embed && l.meaning.component == Component::Text);
        let width = embed.and_then(|l| l.shape.get(1).copied());
        transpose_conv1d(&mut logicals, width);
        name_fused_gates(&mut logicals);
        let mut facts = LayoutFacts::new(opened.checkpoint.config.as_ref(), width);
        facts.transposed_experts = transposed_experts(&logicals, facts.hidden);
        // llama.cpp adds the 1 to gains and takes gate and up apart when it converts.
        facts.zero_centred_gains &= opened.checkpoint.format != Format::Gguf;
        facts.interleaved_experts &= opened.checkpoint.format != Format::Gguf;
        let mut logicals: Vec<Arc<Logical>> = logicals.into_iter().map(Arc::new).collect();
        // Collected where the tensors themselves lay, dozens of times its size.
        logicals.shrink_to_fit();
        let cut = logicals
            .iter()
            .flat_map(|l| pieces(l, &facts))
            .take(MOST_PIECES)
            .map(Arc::new);
        let is_norm_offset = |slot: &str| slot.starts_with("norm:") && slot.ends_with(".bias");
        let mut slots = logicals.iter().map(|l| &*l.meaning.slot);
        let has_norm_offsets = slots.any(is_norm_offset);
        let places = cut
            .chain(logicals.iter().cloned())
            .map(|l| (l.place(), l))
            .collect();
        Self {
            opened,
            logicals,
            facts,
            tokenizer: None,
            quantised,
            places,
            has_norm_offsets,
            chosen: BTreeMap::new(),
        }
    }

    /// The same, with its tokenizer.
    pub fn with_tokenizer(mut opened: Opened) -> Self {
        let tokenizer = tokenizer::read(&mut opened);
        Self {
            tokenizer,
            ..Self::new(opened)
        }
    }

    /// The tensor at a place, as it is stored or cut out of a fused one.
    pub fn at(&self, place: &Place) -> Option<&Logical> {
        self.places.get(place).map(Arc::as_ref)
    }

    /// The logical tensor of that name.
    pub fn named(&self, name: &str) -> Option<&Logical> {
        let at = self
            .logicals
            .binary_search_by(|logical| logical.name.as_bytes().cmp(name.as_bytes()))
            .ok()?;
        self.logicals.get(at).map(Arc::as_ref)
    }

    /// Takes over how tensors are read after all when they were held against the other side; not
    /// that some tokens were left out.
    pub(crate) fn adopt_all<'a>(
        &mut self,
        logicals: impl Iterator<Item = &'a Arc<Logical>> + Clone,
    ) {
        // Most models are read as they are stored: there is no place to look for.
        let own: HashSet<*const Logical> = self.places.values().map(Arc::as_ptr).collect();
        if logicals.clone().any(|one| !own.contains(&Arc::as_ptr(one))) {
            logicals.for_each(|logical| self.adopt(logical));
        }
    }

    /// The same of one tensor.
    pub fn adopt(&mut self, logical: &Arc<Logical>) {
        if logical.is_cut_by_token() {
            return;
        }
        let own = self
            .places
            .entry(logical.place())
            .or_insert_with(|| logical.clone());
        if own.name == logical.name {
            own.clone_from(logical);
        }
    }

    /// Puts another tensor at a place.
    pub(super) fn set_at(&mut self, place: &Place, logical: Logical) {
        self.places.insert(place.clone(), Arc::new(logical));
    }

    /// Whether any norm has an offset, as LayerNorms have.
    pub(crate) fn has_norm_offsets(&self) -> bool {
        self.has_norm_offsets
    }

    /// All places that hold a tensor, cut out of fused ones or not.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &Logical)> {
        self.places
            .iter()
            .map(|(place, logical)| (place, &**logical))
    }

    /// The tensors of a layer of a component in the order of their places, also of the prediction
    /// layers after the last.
    pub(crate) fn of_layer(
        &self,
        component: Component,
        layer: u32,
    ) -> impl Iterator<Item = &Logical> {
        let blocks = [
            None,
            Some(Block::Embedding),
            Some(Block::Layer(layer)),
            Some(Block::Final),
            Some(Block::Mtp),
        ];
        blocks.into_iter().flat_map(move |block| {
            let first = Place {
                component,
                block,
                layer: Some(layer),
                expert: None,
                shared_expert: false,
                slot: "".into(),
            };
            let is_here = move |place: &Place| {
                (place.component, place.block, place.layer) == (component, block, Some(layer))
            };
            let here = self.places.range(first..);
            here.take_while(move |(place, _)| is_here(place))
                .map(|(_, logical)| &**logical)
        })
    }

    /// What was found on disk.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.opened.checkpoint
    }

    /// The values of a logical tensor of this model, as rows.
    ///
    /// # Errors
    /// When its values cannot be decoded; the message says why.
    pub fn view(&self, logical: &Logical) -> Result<View<'_>> {
        self.open(logical)
            .map_err(|why| Error::unsupported(&self.checkpoint().path, why))
    }

    /// Why the values of a logical tensor of this model cannot be read, if they cannot.
    pub fn unreadable(&self, logical: &Logical) -> Option<String> {
        View::refusal(&self.opened, &self.quantised, logical)
    }

    fn open(&self, logical: &Logical) -> std::result::Result<View<'_>, String> {
        View::new(&self.opened, &self.quantised, logical)
    }

    /// The stored tensors that hold exactly this logical one, whatever the order of its elements;
    /// `None` for a part of a tensor.
    pub fn stored_tensors(&self, logical: &Logical) -> Option<Vec<usize>> {
        match logical.stored_as.origin {
            Origin::Tensor(_) => {
                let beside = logical.stored_as.composed.iter().map(|parts| parts.beside);
                let whole = logical.whole_tensor()?;
                Some(std::iter::once(whole).chain(beside).collect())
            }
            Origin::Quantised(at) => {
                let matrix = self.quantised.matrices.get(at)?;
                let whole =
                    matrix.shape == logical.shape && logical.stored_as.rows == RowOrder::All;
                whole.then(|| matrix.members.values().copied().collect())
            }
            Origin::Unsupported(at) => self
                .quantised
                .unsupported
                .get(at)
                .map(|matrix| matrix.members.clone()),
            Origin::Adapted => None,
        }
    }

    /// Whether the codes of a logical tensor may come from a quantiser that minimises the error of
    /// the layer's output (GPTQ, AWQ), or weighs the elements (the super-blocks of ggml; with an
    /// importance matrix all its formats).
    pub fn is_calibrated(&self, logical: &Logical) -> bool {
        let weighed = self
            .opened
            .gguf
            .iter()
            .any(|part| part.metadata.contains_key("quantize.imatrix.file"));
        match logical.stored_as.origin {
            Origin::Quantised(at) => self
                .quantised
                .matrices
                .get(at)
                .is_some_and(|m| m.scheme.is_calibrated()),
            _ => {
                logical.dtype.kind() == Kind::Block && (weighed || ggml::is_searched(logical.dtype))
            }
        }
    }

    /// Whether a logical tensor's columns carry scales that the norm before it takes back (AWQ).
    pub fn rescales_inputs(&self, logical: &Logical) -> bool {
        match logical.stored_as.origin {
            Origin::Quantised(at) => self
                .quantised
                .matrices
                .get(at)
                .is_some_and(|m| m.scheme.rescales_inputs()),
            _ => false,
        }
    }

    /// How the values of a logical tensor are stored, in a word for people.
    pub fn storage(&self, logical: &Logical) -> &'static str {
        match logical.stored_as.origin {
            Origin::Quantised(at) => self
                .quantised
                .matrices
                .get(at)
                .map_or("quantised", |m| m.scheme.word()),
            Origin::Unsupported(_) => "unsupported",
            Origin::Adapted => "adapted",
            Origin::Tensor(_) if logical.stored_as.transposed => "transposed",
            Origin::Tensor(_) => "stored",
        }
    }

    /// Number of logical elements.
    pub fn parameters(&self) -> u64 {
        self.logicals.iter().map(|logical| logical.elements()).sum()
    }
}

/// Transposes the matrices that GPT-2 stores (in, out) (guide/formats.md, section 1.7: Conv1D).
/// Other models use the same names for ordinary matrices, so the first matrix of the feed-forward
/// must read the residual stream on its first axis.
fn transpose_conv1d(logicals: &mut [Logical], width: Option<u64>) {
    let is_conv1d = |l: &Logical| {
        let parts = [
            ".c_attn.weight",
            ".c_proj.weight",
            ".c_fc.weight",
            ".q_attn.weight",
        ];
        l.shape.len() == 2 && parts.iter().any(|part| l.name.ends_with(part))
    };
    let stored_in_out = logicals.iter().any(|l| {
        l.name.ends_with(".c_fc.weight")
            && l.shape.len() == 2
            && Some(l.shape[0]) == width
            && l.shape[0] < l.shape[1]
    });
    for logical in logicals
        .iter_mut()
        .filter(|l| stored_in_out && is_conv1d(l))
    {
        logical.shape.reverse();
        logical.stored_as.transposed = true;
    }
}

/// The first matrix of a feed-forward that has two rows for each column of the second is the gate
/// and the up projection in one (the GEGLU of diffusers, `Wi` of ModernBERT): rows i and i + n are
/// one unit, and its two matrices are no plain pair.
fn name_fused_gates(logicals: &mut [Logical]) {
    const NAMES: [(Role, &str, Role, &str); 2] = [
        (Role::Fc1, "fc1", Role::GateUp, "gate_up"),
        (Role::Fc2, "fc2", Role::Down, "down"),
    ];
    // The place of a feed-forward: that of its matrices, without what tells them apart.
    let place = |l: &Logical, word: &str| {
        let stem = l.meaning.slot.strip_suffix(&format!("{word}.weight"))?;
        Some((
            Place {
                slot: stem.into(),
                ..l.place()
            },
            l.matrix_shape(),
        ))
    };
    let of_role = |role: Role, word: &'static str| {
        let all = logicals.iter().filter(move |l| l.meaning.role == role);
        all.filter(|l| l.shape.len() == 2)
            .filter_map(move |l| place(l, word))
    };
    let second: BTreeMap<Place, (u64, u64)> = of_role(Role::Fc2, "fc2").collect();
    let fused: BTreeSet<Place> = of_role(Role::Fc1, "fc1")
        .filter(|(place, (rows, _))| {
            second
                .get(place)
                .is_some_and(|(_, columns)| columns.checked_mul(2) == Some(*rows))
        })
        .map(|(place, _)| place)
        .collect();
    for logical in logicals.iter_mut().filter(|_| !fused.is_empty()) {
        for (role, word, fused_role, fused_word) in NAMES {
            let slot = &logical.meaning.slot;
            let Some((stem, rest)) = slot.split_once(word) else {
                continue;
            };
            let own = Place {
                slot: stem.into(),
                ..logical.place()
            };
            let is_own_role = [role, Role::Bias].contains(&logical.meaning.role);
            if is_own_role && fused.contains(&own) {
                let slot = format!("{stem}{fused_word}{rest}").into();
                if logical.meaning.role == role {
                    logical.meaning.role = fused_role;
                }
                logical.meaning.slot = slot;
                break;
            }
        }
    }
}

/// Quantised matrices of the layouts of safetensors; GGUF has them as number formats.
fn find_quantised(opened: &Opened) -> Quantised {
    let checkpoint = &opened.checkpoint;
    if matches!(checkpoint.format, Format::Gguf | Format::Adapter) {
        return Quantised::default();
    }
    let small = |at: usize| {
        let tensor = checkpoint
            .tensors
            .get(at)
            .filter(|tensor| tensor.bytes <= SMALL)?;
        let len = usize::try_from(tensor.bytes).ok()?;
        let mut scratch = Vec::new();
        let bytes = opened.bytes_of(tensor).bytes(0, len, &mut scratch);
        bytes.ok().map(<[u8]>::to_vec)
    };
    quantised(&checkpoint.tensors, checkpoint.config.as_ref(), &small)
}

/// GPTQ matrices whose zero points are looked at: writers treat all alike.
const ZERO_POINTS_LOOKED_AT: usize = 64;

/// Tells of zero points that programs read differently.
fn wrapped_zeros_warning(opened: &Opened, quantised: &Quantised) -> Option<Warning> {
    let bytes = |at: usize| stored_bytes(opened, at);
    let matrices = quantised.matrices.iter().take(ZERO_POINTS_LOOKED_AT);
    let wrapped = matrices.filter_map(|matrix| {
        let count = matrix.wrapped_zeros(&opened.checkpoint.tensors, &bytes)?;
        (count > 0).then_some((matrix.name.as_str(), count))
    });
    let wrapped: Vec<(&str, u64)> = wrapped.collect();
    let (first, count) = *wrapped.first()?;
    Some(Warning::GptqZeroPoints {
        first: first.to_owned(),
        wrapped: count,
        matrices: wrapped.len(),
    })
}

/// One warning a layout that is not read.
fn unsupported_warnings(unsupported: &[Unsupported]) -> Vec<Warning> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for matrix in unsupported {
        by_reason
            .entry(&matrix.reason)
            .or_default()
            .push(&matrix.name);
    }
    let warning = |(reason, names): (&str, Vec<&str>)| {
        let first = names.first().copied().unwrap_or_default();
        Warning::UnsupportedQuantization {
            first: first.to_owned(),
            matrices: names.len(),
            why: reason.to_owned(),
        }
    };
    by_reason.into_iter().map(warning).collect()
}

/// All logical tensors, sorted by name bytes. Tensors that belong to a quantised matrix are none of
/// their own.
fn logicals(opened: &Opened, quantised: &Quantised) -> Vec<Logical> {
    let checkpoint = &opened.checkpoint;
    let read = quantised
        .matrices
        .iter()
        .flat_map(|matrix| matrix.members.values());
    let unread = quantised
        .unsupported
        .iter()
        .flat_map(|matrix| &matrix.members);
    let composed = match opened.adapter {
        None => composed(opened),
        Some(_) => BTreeMap::new(),
    };
    let taken: BTreeSet<usize> = read
        .chain(unread)
        .chain(&quantised.aside)
        .chain(composed.values().map(|parts| &parts.beside))
        .copied()
        .collect();
    let plain = || {
        checkpoint
            .tensors
            .iter()
            .enumerate()
            .filter(|(at, _)| !taken.contains(at))
    };
    // What an adapter stores of the base means what it means there.
    let in_base = opened
        .adapter
        .as_ref()
        .map(Adapter::names_in_base)
        .unwrap_or_default();
    let name_of = |at: usize| -> Cow<'_, str> {
        let in_base = in_base.get(&at).copied();
        let computed = || composed.get(&at).map(|parts| parts.name.as_str());
        unwrapped(
            in_base
                .or_else(computed)
                .unwrap_or(&checkpoint.tensors[at].name),
        )
    };
    let matrices = quantised.matrices.iter().map(|matrix| &matrix.name);
    let unread = quantised.unsupported.iter().map(|matrix| &matrix.name);
    let made_up = matrices.chain(unread).map(|name| unwrapped(name));
    let plain_names = plain().map(|(at, _)| name_of(at));
    let names: Vec<Cow<'_, str>> = plain_names.chain(made_up).collect();
    let namer = Namer::new(names.iter().map(AsRef::as_ref), checkpoint.config.as_ref());
    let meaning = |number: usize, at: usize, tensor: &TensorInfo, shape: &[u64]| {
        let name = &*name_of(at);
        let meaning = namer.meaning_at(number, name, shape, tensor.dtype);
        // A factor of a change is not the matrix of its module.
        let is_factor = match opened.adapter {
            Some(_) => !in_base.contains_key(&at),
            None => is_adapter_factor(name),
        };
        if is_factor {
            Meaning {
                role: Role::Other,
                slot: name.into(),
                ..meaning
            }
        } else {
            meaning
        }
    };
    let mut out: Vec<Logical> = plain()
        .collect::<Vec<_>>()
        .into_par_iter()
        .enumerate()
        .map(
            |(number, (at, tensor))| match opened.gguf_header(tensor.file) {
                None => {
                    let meaning = meaning(number, at, tensor, &tensor.shape);
                    let mut logical = stored(meaning, at, tensor, &tensor.shape);
                    if let Some(parts) = composed.get(&at) {
                        logical.name.clone_from(&parts.name);
                        logical.stored_as.composed = Some(Arc::clone(parts));
                    }
                    logical
                }
                Some(metadata) => {
                    let shape = gguf::original_shape(&tensor.name, &tensor.shape);
                    let mut logical =
                        stored(meaning(number, at, tensor, &shape), at, tensor, &shape);
                    logical.undo(&gguf::conversion(metadata, &tensor.name, &tensor.shape));
                    logical.stored_as.composed = composed.get(&at).map(Arc::clone);
                    logical
                }
            },
        )
        .collect();
    let tensors = &checkpoint.tensors;
    let matrices = quantised.matrices.iter().enumerate();
    out.extend(matrices.map(|(at, matrix)| dequantised(&namer, at, matrix, tensors)));
    let unread = quantised.unsupported.iter().enumerate();
    out.extend(unread.filter_map(|(at, matrix)| undecoded(&namer, at, matrix, tensors)));
    out.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    share_slots(&mut out);
    out
}

/// Makes equal slots one: a model has few, and most of its tensors are of many layers or experts.
fn share_slots(logicals: &mut [Logical]) {
    let mut known: HashSet<Arc<str>> = HashSet::new();
    for logical in logicals {
        let slot = &mut logical.meaning.slot;
        match known.get(&**slot) {
            Some(one) => slot.clone_from(one),
            None => _ = known.insert(Arc::clone(slot)),
        }
    }
}

/// Integers hold the codes, but the values are those of a float tensor.
const VALUES: Dtype = Dtype::F32;

fn dequantised(
    namer: &Namer,
    at: usize,
    matrix: &QuantisedMatrix,
    tensors: &[TensorInfo],
) -> Logical {
    let codes = matrix.codes().and_then(|at| tensors.get(at));
    let meaning = namer.meaning(&unwrapped(&matrix.name), &matrix.shape, VALUES);
    Logical {
        name: matrix.name.clone(),
        shape: matrix.shape.clone(),
        stored_shape: codes.map_or_else(|| matrix.shape.clone(), |codes| codes.shape.clone()),
        dtype: codes.map_or(VALUES, |codes| codes.dtype),
        stored_as: StoredAs::whole(Origin::Quantised(at), fold(&matrix.shape, meaning.role)),
        meaning,
    }
}

/// A matrix of a layout that is not read has the shape of its largest tensor, for want of a better
/// one.
fn undecoded(
    namer: &Namer,
    at: usize,
    matrix: &Unsupported,
    tensors: &[TensorInfo],
) -> Option<Logical> {
    let members = matrix
        .members
        .iter()
        .filter_map(|&member| tensors.get(member));
    let largest = members.max_by_key(|tensor| tensor.bytes)?;
    let meaning = namer.meaning(&unwrapped(&matrix.name), &largest.shape, VALUES);
    Some(Logical {
        name: matrix.name.clone(),
        shape: largest.shape.clone(),
        stored_shape: largest.shape.clone(),
        dtype: largest.dtype,
        stored_as: StoredAs::whole(Origin::Unsupported(at), fold(&largest.shape, meaning.role)),
        meaning,
    })
}

/// A stored tensor of the logical shape `shape`.
fn stored(meaning: Meaning, index: usize, tensor: &TensorInfo, shape: &[u64]) -> Logical {
    let matrix = fold(shape, meaning.role);
    Logical {
        name: tensor.name.clone(),
        meaning,
        shape: shape.to_vec(),
        stored_shape: tensor.shape.clone(),
        dtype: tensor.dtype,
        stored_as: StoredAs::whole(Origin::Tensor(index), matrix),
    }
}
