//! Which tensor of the base goes with which of the target: by name and shape, then by prefix, then
//! by meaning.

mod fused;
pub mod orient;
pub mod prefix;
pub mod rescaled;
mod rotary;
pub mod shared;
pub mod turned;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::format::adapter::Adapter;
use crate::model::tokenizer::Tokenizer;
use crate::model::warning::Noted;
use crate::model::words::{Role, words};
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;
use crate::view::pieces::{Facts, differ_in_layout, pieces};
use crate::view::place::Place;
use crate::view::qkv;

words! {
    /// Why a tensor has no counterpart.
    Why {
        /// No tensor of that name or meaning on the other side.
        NoSuchName = "no_such_name",
        /// The counterpart has another shape.
        Shape = "shape",
        /// Its storage is not read.
        Unsupported = "unsupported",
        /// Left out by --include or --exclude.
        Filtered = "filtered",
    }
}

/// Two tensors that are compared.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The base's.
    pub base: Arc<Logical>,
    /// The target's.
    pub target: Arc<Logical>,
    /// How they came together.
    pub via: Via,
    /// Equal name (after a whole-prefix mapping) and equal shape as stored: counts for the plain
    /// mean.
    pub by_name: bool,
}

/// A tensor without a counterpart.
#[derive(Debug, Clone)]
pub struct Unmatched {
    /// The tensor.
    pub tensor: Arc<Logical>,
    /// Why it has none.
    pub why: Why,
}

/// The two sides put together.
#[derive(Debug, Clone, Default)]
pub struct Alignment {
    /// Pairs, sorted by the target's name bytes.
    pub pairs: Vec<Pair>,
    /// What is left of the base, sorted by name bytes.
    pub base_left: Vec<Unmatched>,
    /// What is left of the target, sorted by name bytes.
    pub target_left: Vec<Unmatched>,
    /// Whole-prefix mapping of names, in words.
    pub name_mapping: Option<String>,
    /// What had to be guessed.
    pub warnings: Vec<Noted>,
    /// Channels whose scale differs between the sides without any change of function.
    pub rescaled: rescaled::Rescaled,
}

impl Alignment {
    fn sort_pairs(&mut self) {
        self.pairs
            .sort_by(|a, b| (&a.target.name, &a.base.name).cmp(&(&b.target.name, &b.base.name)));
    }

    fn add_common_rows(&mut self, common: vocabulary::Common, via: Via) {
        let [base_rest, target_rest] = common.rest;
        let left = |tensor| Unmatched {
            tensor: Arc::new(tensor),
            why: Why::NoSuchName,
        };
        self.base_left.extend(base_rest.map(left));
        self.target_left.extend(target_rest.map(left));
        let [base, target] = common.sides.map(Arc::new);
        self.pairs.push(Pair {
            base,
            target,
            via,
            by_name: false,
        });
    }
}

/// Pairs the tensors of two models. `keep` says which names the filter lets through.
pub fn align(base_model: &Model, target_model: &Model, keep: &dyn Fn(&str) -> bool) -> Alignment {
    let (base, target) = (
        base_model.logicals.as_slice(),
        target_model.logicals.as_slice(),
    );
    let facts = [&base_model.facts, &target_model.facts];
    let mut out = Alignment::default();
    let mut left = [
        Pool::new(base, keep, &mut out.base_left),
        Pool::new(target, keep, &mut out.target_left),
    ];
    pair_by_name(&mut left, |name| name.to_owned(), &mut out.pairs);
    if let Some(adapter) = target_model
        .opened
        .adapter
        .as_ref()
        .filter(|adapter| !adapter.names_in_base().is_empty())
    {
        pair_saved(&mut left, adapter, target_model, &mut out.pairs);
        out.name_mapping = Some("(no prefix) -> base_model.model.".to_owned());
    }
    let [base_open, target_open] = left.each_ref().map(Pool::logicals);
    let mappings = prefix::mappings(base_open, target_open);
    for mapping in &mappings {
        pair_by_name(&mut left, |name| mapping.apply(name), &mut out.pairs);
    }
    if !mappings.is_empty() {
        let words: Vec<String> = mappings.iter().map(ToString::to_string).collect();
        out.name_mapping = Some(words.join(", "));
    }
    pair_by_meaning(&mut left, facts, &mut out.pairs);
    pair_turned(&mut left, &mut out.pairs);
    let cut = [
        cut_pieces(&left[0], &left[1], [base_model, target_model]),
        cut_pieces(&left[1], &left[0], [target_model, base_model]),
    ];
    for (pool, cut) in left.iter_mut().zip(&cut) {
        pool.replace(cut);
    }
    pair_by_meaning(&mut left, facts, &mut out.pairs);
    left[0].restore(&cut[0], base);
    left[1].restore(&cut[1], target);
    let tokenizers = [base_model, target_model].map(|model| model.tokenizer.as_ref());
    pair_common_rows(&mut left, tokenizers, &mut out);
    // An adapter without an output head leaves that of its base as it is.
    let tried: &[(usize, usize)] = if target_model.opened.adapter.is_some() {
        &[(1, 0)]
    } else {
        &[(0, 1), (1, 0)]
    };
    pair_tied_head(&mut left, [base, target], tried, tokenizers, &mut out);
    pair_copies(&mut left, [base, target], &mut out.pairs);
    let [base_pool, target_pool] = left;
    let reasons = [
        base_pool.reasons(&target_pool, &mappings, true),
        target_pool.reasons(&base_pool, &mappings, false),
    ];
    let [base_reasons, target_reasons] = reasons;
    out.base_left.extend(base_reasons);
    out.target_left.extend(target_reasons);
    out.base_left
        .sort_by(|a, b| a.tensor.name.as_bytes().cmp(b.tensor.name.as_bytes()));
    out.target_left
        .sort_by(|a, b| a.tensor.name.as_bytes().cmp(b.tensor.name.as_bytes()));
    out.sort_pairs();
    out
}

/// Tensors of one side that have no partner yet, by name.
struct Pool<'a> {
    by_name: BTreeMap<&'a str, &'a Arc<Logical>>,
}

impl<'a> Pool<'a> {
    fn new(
        logicals: &'a [Arc<Logical>],
        keep: &dyn Fn(&str) -> bool,
        filtered: &mut Vec<Unmatched>,
    ) -> Self {
        let (kept, dropped): (Vec<_>, Vec<_>) = logicals.iter().partition(|l| keep(&l.name));
        filtered.extend(dropped.into_iter().map(|l| Unmatched {
            tensor: l.clone(),
            why: Why::Filtered,
        }));
        Self {
            by_name: kept.into_iter().map(|l| (l.name.as_str(), l)).collect(),
        }
    }

    fn open(&self) -> Vec<&'a Arc<Logical>> {
        self.by_name.values().copied().collect()
    }

    fn logicals(&self) -> Vec<&'a Logical> {
        self.by_name.values().map(|logical| &***logical).collect()
    }

    /// Puts the pieces of fused tensors in their place.
    fn replace(&mut self, cut: &'a [(&'a str, Vec<Arc<Logical>>)]) {
        for (whole, pieces) in cut {
            self.by_name.remove(whole);
            self.by_name
                .extend(pieces.iter().map(|l| (l.name.as_str(), l)));
        }
    }

    /// Puts a fused tensor back of which no piece found a partner.
    fn restore(&mut self, cut: &'a [(&'a str, Vec<Arc<Logical>>)], whole: &'a [Arc<Logical>]) {
        for (name, pieces) in cut {
            if pieces
                .iter()
                .all(|l| self.by_name.contains_key(l.name.as_str()))
            {
                for piece in pieces {
                    self.by_name.remove(piece.name.as_str());
                }
                self.by_name.extend(
                    whole
                        .iter()
                        .find(|l| l.name == *name)
                        .map(|l| (l.name.as_str(), l)),
                );
            }
        }
    }

    fn reasons(
        &self,
        other: &Pool<'_>,
        mappings: &[prefix::Mapping],
        is_base: bool,
    ) -> Vec<Unmatched> {
        let slots: BTreeSet<Place> = other.by_name.values().map(|l| l.place()).collect();
        let unread: BTreeSet<Place> = other
            .by_name
            .values()
            .filter(|l| l.is_unsupported())
            .map(|l| l.place())
            .collect();
        let why = |l: &Logical| {
            let renamed = mappings.iter().any(|m| {
                let name = if is_base {
                    m.apply(&l.name)
                } else {
                    m.undo(&l.name)
                };
                other.by_name.contains_key(name.as_str())
            });
            let named = other.by_name.contains_key(l.name.as_str())
                || renamed
                || slots.contains(&l.place());
            match () {
                () if l.is_unsupported() || unread.contains(&l.place()) => Why::Unsupported,
                () if named => Why::Shape,
                () => Why::NoSuchName,
            }
        };
        self.by_name
            .values()
            .map(|l| Unmatched {
                tensor: Arc::clone(l),
                why: why(l),
            })
            .collect()
    }
}

fn pair_by_name(left: &mut [Pool<'_>; 2], rename: impl Fn(&str) -> String, pairs: &mut Vec<Pair>) {
    let found: Vec<(&str, String)> = left[0]
        .by_name
        .values()
        .filter_map(|base| {
            let name = rename(&base.name);
            let target = left[1].by_name.get(name.as_str())?;
            is_comparable(base, target).then_some((base.name.as_str(), name))
        })
        .collect();
    for (base_name, target_name) in found {
        if let (Some(base), Some(target)) = (
            left[0].by_name.remove(base_name),
            left[1].by_name.remove(target_name.as_str()),
        ) {
            let via = via(base, target);
            pairs.push(Pair {
                base: base.clone(),
                target: target.clone(),
                via,
                by_name: via != Via::Transposed,
            });
        }
    }
}

/// Tensors that an adapter holds whole, with those of the base that they stand for.
fn pair_saved(left: &mut [Pool<'_>; 2], adapter: &Adapter, target: &Model, pairs: &mut Vec<Pair>) {
    let stored = |at: usize| {
        target
            .checkpoint()
            .tensors
            .get(at)
            .map(|tensor| tensor.name.clone())
    };
    let saved: BTreeMap<&str, String> = adapter
        .names_in_base()
        .into_iter()
        .filter_map(|(at, name)| Some((name, stored(at)?)))
        .collect();
    pair_by_name(
        left,
        |name| saved.get(name).cloned().unwrap_or_default(),
        pairs,
    );
}

/// Equal in shape; a layout that is not read goes with its like alone, by its bytes.
fn is_comparable(base: &Logical, target: &Logical) -> bool {
    base.shape == target.shape && base.is_unsupported() == target.is_unsupported()
}

/// How two tensors are compared, from how they are stored.
fn via(base: &Logical, target: &Logical) -> Via {
    let either = |of: &dyn Fn(&Logical) -> bool| of(base) || of(target);
    match () {
        () if either(&|l| l.source.start > 0 || l.stored_shape.len() > 2 && l.shape.len() == 2) => {
            Via::Stacked
        }
        () if either(&|l| l.stored_shape.len() == 2 && l.shape.len() == 1) => Via::Stacked,
        () if either(&|l| matches!(l.source.rows, RowOrder::Runs(_))) => Via::Split,
        () if either(&Logical::is_quantised) => Via::Dequantized,
        () if base.source.transposed != target.source.transposed => Via::Transposed,
        () if base.dtype != target.dtype => Via::Cast,
        () => Via::Stored,
    }
}

/// Tensors of one place that go by different names: paired where each side has exactly one.
fn pair_by_meaning(left: &mut [Pool<'_>; 2], facts: [&Facts; 2], pairs: &mut Vec<Pair>) {
    let index = |pool: &Pool<'_>| {
        let mut places: BTreeMap<Place, Vec<String>> = BTreeMap::new();
        for l in pool.by_name.values() {
            places.entry(l.place()).or_default().push(l.name.clone());
        }
        places
    };
    let (bases, targets) = (index(&left[0]), index(&left[1]));
    for (place, base_names) in bases {
        let ([base_name], Some([target_name])) = (
            base_names.as_slice(),
            targets.get(&place).map(Vec::as_slice),
        ) else {
            continue;
        };
        let same_shape = match (
            left[0].by_name.get(base_name.as_str()),
            left[1].by_name.get(target_name.as_str()),
        ) {
            (Some(base), Some(target)) => {
                is_comparable(base, target) && !differ_in_layout([base, target], facts)
            }
            _ => false,
        };
        if !same_shape {
            continue;
        }
        if let (Some(base), Some(target)) = (
            left[0].by_name.remove(base_name.as_str()),
            left[1].by_name.remove(target_name.as_str()),
        ) {
            let via = match via(base, target) {
                Via::Stored => Via::Mapped,
                via => via,
            };
            pairs.push(Pair {
                base: base.clone(),
                target: target.clone(),
                via,
                by_name: false,
            });
        }
    }
}

/// Matrices of one place whose axes are exchanged.
fn pair_turned(left: &mut [Pool<'_>; 2], pairs: &mut Vec<Pair>) {
    let mut by_place: BTreeMap<Place, Vec<&Logical>> = BTreeMap::new();
    for target in left[1].open() {
        by_place.entry(target.place()).or_default().push(target);
    }
    for base in left[0].open() {
        let Some([target]) = by_place.get(&base.place()).map(Vec::as_slice) else {
            continue;
        };
        let Some(other) = turned::turned(target).filter(|o| is_comparable(base, o)) else {
            continue;
        };
        left[0].by_name.remove(base.name.as_str());
        left[1].by_name.remove(target.name.as_str());
        pairs.push(Pair {
            base: base.clone(),
            target: Arc::new(other),
            via: Via::Transposed,
            by_name: false,
        });
    }
}

/// Embeddings and heads of one place whose numbers of rows differ: paired by the rows that both
/// vocabularies have. The other rows belong to nobody.
fn pair_common_rows(
    left: &mut [Pool<'_>; 2],
    tokenizers: [Option<&Tokenizer>; 2],
    out: &mut Alignment,
) {
    let targets = left[1].open();
    for base in left[0].open() {
        let mut of_place = targets
            .iter()
            .filter(|target| target.place() == base.place());
        let (Some(&target), None) = (of_place.next(), of_place.next()) else {
            continue;
        };
        let Some(common) = vocabulary::common([base, target], tokenizers) else {
            continue;
        };
        left[0].by_name.remove(base.name.as_str());
        left[1].by_name.remove(target.name.as_str());
        out.add_common_rows(common, Via::Split);
    }
}

/// An output head stored on one side only goes with the other side's embedding; `tried` are the
/// sides of head and embedding to try.
fn pair_tied_head(
    left: &mut [Pool<'_>; 2],
    all: [&[Arc<Logical>]; 2],
    tried: &[(usize, usize)],
    tokenizers: [Option<&Tokenizer>; 2],
    out: &mut Alignment,
) {
    let only = |side: usize, role: Role| {
        let mut found = all[side]
            .iter()
            .filter(|l| is_text_weight(l, role))
            .cloned();
        let first = found.next();
        if found.next().is_some() { None } else { first }
    };
    for &(side, other) in tried {
        let (Some(head), None) = (only(side, Role::LmHead), only(other, Role::LmHead)) else {
            continue;
        };
        let Some(embed) = only(other, Role::Embed) else {
            continue;
        };
        let sides = if side == 0 {
            [&head, &embed]
        } else {
            [&embed, &head]
        };
        let common = vocabulary::common(sides.map(|logical| &**logical), tokenizers);
        if common.is_none() && head.shape != embed.shape
            || left[side].by_name.remove(head.name.as_str()).is_none()
        {
            continue;
        }
        match common {
            // The rows of the embedding have a pair of their own.
            Some(mut common) => {
                common.rest[other] = None;
                out.add_common_rows(common, Via::Tied);
            }
            None => {
                let [base, target] = sides.map(Clone::clone);
                out.pairs.push(Pair {
                    base,
                    target,
                    via: Via::Tied,
                    by_name: false,
                });
            }
        }
        // The one matrix of that side stands for both of the other's.
        if all[side].iter().all(|l| !is_text_weight(l, Role::Embed)) {
            left[other].by_name.remove(embed.name.as_str());
        }
    }
}

/// Copies of the one embedding that encoder and decoder share, in files that hold them
/// (guide/formats.md, section 2): T5's and BART's `encoder.embed_tokens` and `decoder.embed_tokens`
/// beside `shared`.
fn pair_copies(left: &mut [Pool<'_>; 2], all: [&[Arc<Logical>]; 2], pairs: &mut Vec<Pair>) {
    for (side, other) in [(0, 1), (1, 0)] {
        let mut embeddings = all[other].iter().filter(|l| is_text_weight(l, Role::Embed));
        let (Some(shared), None) = (embeddings.next(), embeddings.next()) else {
            continue;
        };
        for copy in left[side].open() {
            let is_shared = |pair: &Pair| [&pair.base, &pair.target][other].name == shared.name;
            if pairs.iter().any(is_shared)
                && is_text_weight(copy, Role::Embed)
                && is_comparable(copy, shared)
            {
                left[side].by_name.remove(copy.name.as_str());
                let [base, target] = if side == 0 {
                    [copy, shared]
                } else {
                    [shared, copy]
                }
                .map(Clone::clone);
                pairs.push(Pair {
                    base,
                    target,
                    via: Via::Tied,
                    by_name: false,
                });
            }
        }
    }
}

/// The pieces of every fused tensor of one side that is left; `models` and pools are the own and
/// the other.
fn cut_pieces<'a>(
    own: &Pool<'a>,
    other: &Pool<'_>,
    models: [&Model; 2],
) -> Vec<(&'a str, Vec<Arc<Logical>>)> {
    let others: BTreeMap<Place, &Logical> = other
        .logicals()
        .into_iter()
        .map(|l| (l.place(), l))
        .collect();
    let rows = |place: Place| others.get(&place)?.shape.first().copied();
    let cut = |logical: &Logical| {
        let usual = pieces(logical, &models[0].facts);
        if !qkv::is_fused(logical) {
            return usual;
        }
        // The other side's query and key tell the sizes, and its heads the groups, where the own
        // model does not.
        let place = |role: Role| qkv::place_of(logical, role);
        let sizes = rows(place(Role::Q))
            .zip(rows(place(Role::K)))
            .map(|(query, key)| [query, key]);
        let fits = |sizes: qkv::Sizes| {
            usual
                .first()
                .is_some_and(|query| query.shape.first() == Some(&sizes[0]))
        };
        match sizes {
            Some(sizes) if !fits(sizes) => {
                let head = models[0].facts.head_dim.or(models[1].facts.head_dim);
                let cut = qkv::cut(logical, sizes, qkv::usual_order(logical, head));
                if cut.is_empty() {
                    qkv::cut(logical, sizes, qkv::Order::Blocks)
                } else {
                    cut
                }
            }
            _ => usual,
        }
    };
    let cut = own
        .by_name
        .iter()
        .map(|(name, logical)| (*name, cut(logical).into_iter().map(Arc::new).collect()));
    cut.filter(|(_, pieces): &(_, Vec<_>)| !pieces.is_empty())
        .collect()
}

fn is_text_weight(logical: &Logical, role: Role) -> bool {
    use crate::model::words::{Block, Component};
    logical.meaning.role == role
        && logical.meaning.component == Component::Text
        && logical.meaning.block != Some(Block::Mtp)
        && logical.shape.len() == 2
}
