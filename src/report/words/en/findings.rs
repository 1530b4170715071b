//! Findings, grounds, checks and what could not be tested, in sentences that can be quoted.

use std::collections::BTreeSet;

use crate::error::{escape_controls, quoted};
use crate::evidence::adaptation::{AdapterFact, NoChange};
use crate::evidence::finding::{Hits, NoiseFloor, PcaSummary, Scope, Statement};
use crate::evidence::grounds::{Disguise, PairedByContent, SharedAreEqual};
use crate::evidence::part::{PartKind, State};
use crate::evidence::transformation::{Check, StreamWitness, TransformationKind};
use crate::evidence::untested::{Obstacle, Subject, UnitsOf};
use crate::measure::record::Undefined;
use crate::model::tokenizer::Overlap;
use crate::model::words::Component;
use crate::report::number;
use crate::stats::formula::Formula;
use crate::stats::units::{LEAST_UNITS, Untestable};
use crate::verdict::decide::Label;
use crate::verdict::origin::{Band, Disagreement, DisagreementCause, Pattern};
use crate::verdict::ranking::CriterionId;
use crate::verdict::reasons::{ComponentVerdict, PartGroup, Reason};

use super::warnings::no_weights;

/// A hidden change below this many percent is not worth telling.
const LEAST_TOLD_PERCENT: f64 = 0.1;

/// What an analysis says.
pub(crate) fn statement(statement: &Statement) -> String {
    match statement {
        Statement::EqualBytes { tensors, matrices } => format!(
            "{tensors} informative tensors ({matrices} of them matrices) are byte-identical"
        ),
        Statement::AlikeMatrices {
            excess,
            cosine,
            noise_floor,
        } => alike_matrices(*excess, *cosine, noise_floor.as_ref()),
        Statement::AlikeNorms { cosine, expected } => format!(
            "norm gains {cosine:.4}; unrelated models of this shape: {expected:.4}: never evidence \
             by themselves"
        ),
        Statement::UnitsInPlace { probed, log10_p } => units_in_place(*probed, *log10_p),
        Statement::Disguised { changes } => disguised(changes),
        Statement::FoundTwice {
            hits,
            control,
            layers,
            tried,
            without_tokens,
            exact: _,
        } => match (*layers, *without_tokens) {
            (0, _) => format!(
                "units were looked for wherever they may stand, in {tried} layers: models trained \
                 independently agree as much"
            ),
            (layers, false) => found_twice(*hits, *control, layers),
            (layers, true) => format!(
                "{} of {} neurons stand to one another as neurons of the base do, in {layers} \
                 layers, whatever their order, basis and tokens",
                hits.hits, hits.probes
            ),
        },
        Statement::SharedMagnitudes { share, matrices } => format!(
            "of the rows that the adapter's magnitudes put in the larger half, {:.1} % are in the \
             larger half of the base's row norms ({matrices} matrices; unrelated: 50 %)",
            100.0 * share
        ),
        Statement::PlacedLayers {
            component,
            placed,
            layers,
            moved,
            exact: _,
        } => {
            let component = match component {
                Component::Text => String::new(),
                other => format!(" of the {other} component"),
            };
            format!(
                "{placed} of {layers} layers{component} come from layers of the base, {moved} of \
                 them from one of another number"
            )
        }
        Statement::RoutedExperts { found, all, moved } => format!(
            "{found} of {all} routed experts are the base's, {moved} of them under another number"
        ),
        Statement::DenseAndExperts {
            found,
            experts,
            layers_found,
            layers,
        } => format!(
            "{found} of {experts} experts share the units of the dense feed-forward on the other \
             side, in {layers_found} of {layers} layers"
        ),
        Statement::Subspaces {
            summary,
            median_excess,
            matrices,
        } => {
            let meaning = match summary {
                PcaSummary::ClusteredWithBase => "clustered with the base",
                PcaSummary::Between => "between clustered and orthogonal",
                PcaSummary::Orthogonal => "orthogonal, as independent models are",
            };
            format!(
                "principal subspaces: {meaning} (median overlap {median_excess:.4} above chance \
                 over {matrices} matrices)"
            )
        }
        Statement::Tokenizers(overlap) => tokenizers(overlap),
    }
}

/// What a finding is about.
pub(crate) fn scope(scope: Scope) -> String {
    match scope {
        Scope::Model => "model".to_owned(),
        Scope::Component(component) => component.to_string(),
    }
}

fn alike_matrices(excess: f64, cosine: Option<f64>, noise_floor: Option<&NoiseFloor>) -> String {
    let alike = format!(
        "matrices are alike by {excess:.4} beyond what the order of their dimensions leaves to \
         chance (cosine {:.4})",
        cosine.unwrap_or(0.0)
    );
    match noise_floor {
        Some(floor) => format!("{alike}; {}", encoding(floor)),
        None => alike,
    }
}

fn encoding(floor: &NoiseFloor) -> String {
    if let Some(name) = &floor.beyond {
        return format!(
            "{} differs by more, or otherwise, than the two number formats make it",
            quoted(name)
        );
    }
    let tensors = floor.tensors;
    let share = 100.0 * floor.least_within;
    let also = encoding_also(floor);
    if floor.calibrated {
        format!(
            "all {tensors} informative tensors are within what calibrated quantisation does (at \
             least {share:.2} % of the elements of each within half a step of both formats or \
             clipped by them){also}"
        )
    } else {
        format!(
            "in each of the {tensors} informative tensors at least {share:.2} % of the elements \
             are within half a step of both number formats or clipped by them{also}"
        )
    }
}

/// What else is told of tensors within their number formats.
fn encoding_also(floor: &NoiseFloor) -> String {
    let mut out = String::new();
    if floor.rescaled > 0 {
        out.push_str(&format!(
            "; {} of them in the other side's scale of channels, which changes no function",
            floor.rescaled
        ));
    }
    if floor.padded > 0 {
        out.push_str(&format!(
            "; the rows that {} of their tables of tokens have on one side alone are padding",
            floor.padded
        ));
    }
    let hidden = 100.0 * floor.hidden_change;
    if hidden >= LEAST_TOLD_PERCENT {
        out.push_str(&format!(
            "; in the coarsest of them a change of {hidden:.1} % of its size would not show"
        ));
    }
    out
}

fn units_in_place(probed: Option<Hits>, log10_p: f64) -> String {
    let hits = match probed {
        Some(Hits { hits, probes }) => {
            format!("{hits} of {probes} probe units are most like the unit in their own place; ")
        }
        None => String::new(),
    };
    let meaning = if log10_p <= -3.0 {
        format!(
            "the chance that models initialised and trained independently agree like this is \
             below 10^{:.0}",
            log10_p.ceil()
        )
    } else {
        "models trained independently agree as much".to_owned()
    };
    format!("{hits}{meaning}")
}

fn disguised(changes: &[TransformationKind]) -> String {
    let words: Vec<&str> = changes.iter().copied().map(change).collect();
    let undone = words.join(", ");
    format!("the base's weights were found under {undone}, checked on what took no part")
}

fn found_twice(hits: Hits, control: Option<f64>, layers: usize) -> String {
    let control = match control {
        Some(control) => format!("; unrelated layers: {control:.1} of 64"),
        None => String::new(),
    };
    format!(
        "{} of {} sampled neurons find the same partner by two separate parts of their weights, in \
         {layers} layers, and the partners stand to one another as they do{control}",
        hits.hits, hits.probes
    )
}

fn change(kind: TransformationKind) -> &'static str {
    match kind {
        TransformationKind::FfnPermuted => "re-ordered feed-forward units",
        TransformationKind::HeadsPermuted => "re-ordered heads",
        TransformationKind::ResidualPermuted => "a re-ordered residual stream",
        TransformationKind::ResidualRotated => "a rotated residual stream",
        TransformationKind::ExpertsPermuted => "re-ordered experts",
        TransformationKind::Pruned => "pruned units",
        TransformationKind::ExpertsPruned => "pruned experts",
        TransformationKind::ChannelsRescaled => "rescaled channels",
    }
}

const fn bound(exact: bool) -> &'static str {
    if exact {
        "exact bound"
    } else {
        "approximate bound"
    }
}

/// What two tokenizers have in common.
pub(crate) fn tokenizers(overlap: &Overlap) -> String {
    let [base, target] = overlap.sizes.map(number::count);
    let merges = match (
        overlap.merges_common.map(number::count),
        overlap.merges_in_order.map(number::count),
    ) {
        (Some(common), Some(in_order)) => {
            format!("; {common} merges in both, {in_order} of them in the same order")
        }
        _ => String::new(),
    };
    let [shared, same_id] = [overlap.shared_tokens, overlap.same_id].map(number::count);
    format!(
        "the tokenizers have {shared} tokens in common, {same_id} with the same id, of {base} of \
         the base and {target} of the target{merges}: circumstantial, for a tokenizer is taken \
         over without any weight"
    )
}

/// What a transformation was checked on.
pub(crate) fn check(check: &Check) -> String {
    let (what, as_stored) = match check {
        Check::Geometry => (
            "angles among the units, against those among their partners",
            None,
        ),
        Check::Queries { as_stored } => ("queries in the order found", *as_stored),
        Check::Stream { witness, as_stored } => {
            let what = match witness {
                StreamWitness::AttentionMatrices => "attention matrices",
                StreamWitness::OutputHead => "the output head",
            };
            (what, *as_stored)
        }
        Check::Routers => ("rows of the routers, which took no part", None),
        Check::NormReaders => (
            "matrices that read the norms, multiplied by the quotient of the gains",
            None,
        ),
        Check::Order {
            fewer,
            in_order,
            probes,
        } => {
            return format!(
                "the order of the units, of which the {} has fewer: {in_order} of {probes} stand \
                 in it",
                fewer.word()
            );
        }
    };
    match as_stored {
        Some(cosine) => format!("{what} (as stored: {cosine:.4})"),
        None => what.to_owned(),
    }
}

/// What the units of a test belong to.
pub(crate) fn units_of(units: &UnitsOf) -> String {
    match units {
        UnitsOf::Tensor(name) => name.clone(),
        UnitsOf::Layer { kind, layer } => format!("{kind} of layer {layer}"),
        UnitsOf::Experts { layer } => format!("experts of layer {layer}"),
    }
}

/// What could not be tested.
pub(crate) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::FeedForwards => "feed-forward units".to_owned(),
        Subject::Block {
            component,
            layer,
            expert,
        } => {
            let component = prefix(*component);
            match expert {
                Some(expert) => format!("{component}expert {expert} of layer {layer}"),
                None => format!("{component}feed-forward of layer {layer}"),
            }
        }
        Subject::ResidualDimensions => "residual dimensions".to_owned(),
        Subject::ResidualOf(units) => format!("residual dimensions, {}", units_of(units)),
        Subject::Rows(name) => format!("rows of {name}"),
        Subject::TokenDisguises => "disguises that only shared tokens see through".to_owned(),
        Subject::ReorderedUnits => "re-ordered units".to_owned(),
        Subject::Disguises => "re-ordered or rotated dimensions".to_owned(),
        Subject::Tensor(name) => name.clone(),
    }
}

/// A component before what it has; nothing for text.
fn prefix(component: Component) -> String {
    match component {
        Component::Text => String::new(),
        other => format!("{other} "),
    }
}

/// Why something could not be tested.
pub(crate) fn obstacle(obstacle: &Obstacle) -> String {
    let said = match obstacle {
        Obstacle::NoCommonBlock => "no feed-forward block of equal layer and kind on both sides",
        Obstacle::NoCommonRole => "no matrix of one role on both sides",
        Obstacle::NoCommonStream => {
            "no attention, embedding or output head of one width on both sides"
        }
        Obstacle::NoCommonWidth => "its matrices have no common width",
        Obstacle::NoCommonToken => "the two tokenizers have no token in common",
        Obstacle::IdenticalAlone => {
            "byte-identical while nothing else is alike: no evidence by itself"
        }
        Obstacle::Formula(formula) => {
            return format!(
                "a formula explains its likeness: {}",
                formula_name(*formula)
            );
        }
        Obstacle::NamedPlaces => {
            "the places along its axes have a meaning of their own (positions, classes, \
             frequencies): no order says anything"
        }
        Obstacle::OwnOrder => {
            "each row is like the next on both sides: the rows stand in an order of their own"
        }
        Obstacle::PermutationOff => "permutation tests were switched off",
        Obstacle::NotInSketch => "not in the sketch",
        Obstacle::DeepOff => "a disguise was not looked for (--deep off)",
        Obstacle::Unreadable(why) => why,
        Obstacle::Units(why) => return untestable(why),
        Obstacle::FewCommonTokens { shared, needed } => {
            return format!("the two sides have {shared} tokens in common, fewer than {needed}");
        }
        Obstacle::UnequalDimensions { base, target } => {
            return format!("{base} dimensions against {target}");
        }
        Obstacle::PartialUnits { rows } => {
            return format!("{rows} rows do not fill whole units");
        }
    };
    said.to_owned()
}

/// A formula by its name.
fn formula_name(formula: Formula) -> &'static str {
    match formula {
        Formula::Identity => "one value on one diagonal, as of an identity",
        Formula::Diagonals => "one value along each diagonal, as of a band",
        Formula::Sines => "sines and cosines",
        Formula::Hadamard => "a Hadamard matrix",
        Formula::Smooth => "neighbours alike, as of a filter bank or of positions",
    }
}

/// Why a test of units gives no number.
fn untestable(why: &Untestable) -> String {
    match why {
        Untestable::TooFewUnits(units) => format!("{units} units, fewer than {LEAST_UNITS}"),
        Untestable::UnequalUnits(base, target) => format!("{base} units against {target}"),
        Untestable::UnequalWidths(base, target) => {
            format!("{base} values a unit against {target}")
        }
        Untestable::TooNarrow(width) => format!("{width} values a unit, fewer than 2"),
        Untestable::Alike => "fewer than 2 distinct units on a side".to_owned(),
        Untestable::Sorted { rho } => format!(
            "units sorted by norm on both sides (rank correlations {:.2} and {:.2})",
            rho[0], rho[1]
        ),
    }
}

/// Why a cosine is not defined.
pub(crate) fn undefined(why: &Undefined) -> String {
    match why {
        Undefined::NoElements => "no elements".to_owned(),
        Undefined::Zero { base, target } => match (base, target) {
            (true, true) => "all zero on both sides".to_owned(),
            (true, false) => "all zero in base".to_owned(),
            (false, _) => "all zero in target".to_owned(),
        },
        Undefined::NotFinite { base, target } => match (base, target) {
            (base, 0) => format!("{base} NaN or infinite in base"),
            (0, target) => format!("{target} NaN or infinite in target"),
            (base, target) => format!("{base} NaN or infinite in base, {target} in target"),
        },
        Undefined::Unreadable(why) => why.clone(),
    }
}

/// Why the size of a change is not known.
pub(crate) fn no_change(why: &NoChange) -> String {
    match why {
        NoChange::Undefined(why) => undefined(why),
        NoChange::Unfit(why) => why.clone(),
    }
}

/// How tensors came together whose names say nothing.
fn paired_by_content(paired: &PairedByContent) -> String {
    let PairedByContent {
        equal,
        alike,
        followed,
        left,
        pairs,
    } = paired;
    let ways = [
        (equal, "by equal values"),
        (
            alike,
            "as the most alike of their shape, which is no evidence by itself",
        ),
        (followed, "as what stands beside these"),
    ];
    let ways: Vec<String> = ways
        .into_iter()
        .filter(|(count, _)| **count > 0)
        .map(|(count, how)| format!("{count} {how}"))
        .collect();
    let rest = match left {
        0 => String::new(),
        _ => format!("; {left} more are what both sides had left of a shape"),
    };
    format!(
        "names changed: {} of {pairs} pairs were made by what the tensors hold ({}){rest}",
        equal + alike + followed,
        ways.join(", ")
    )
}

/// A reason for a label.
pub(crate) fn reason(reason: &Reason) -> String {
    let said = match reason {
        Reason::AllEqual => "every tensor is paired and equal in dtype, shape and bytes",
        Reason::MostLayersInPlace => {
            "the units of more than half of the layers sit in the base's places"
        }
        Reason::SharedStart => {
            "two trainings from one initialisation would explain this as well as descent: nothing \
             that starts as a constant agrees, and no trained matrix is equal"
        }
        Reason::NoDirection => {
            "a likeness has no direction in time: one comes from the other, or both from a third \
             model; whoever holds both files can make a base that contains the target's units, so \
             the base's digest as first published decides"
        }
        Reason::PowerOfPartsAlone => {
            "only tests of single parts ran; each would have seen a reuse of its units"
        }
        Reason::CosinesAlone => "this rests on cosines alone: re-ordered units were not looked for",
        Reason::NoDistillation => {
            "a model trained on another model's outputs has independent weights: wcmp cannot see \
             distillation"
        }
        Reason::TablesAlone => {
            "nothing but token tables agrees: taken over, or one side's stream was rotated to fit; \
             the digest of the base as first published decides"
        }
        Reason::NoTensors => "no tensors",
        Reason::NoMatrix => "no matrix of the target can be compared with one of the base",
        Reason::TooLittleIndependent => {
            "from scratch needs at least half of the target's matrix parameters shown to be \
             independent, and at most a fifth unclear"
        }
        Reason::TooLittleShared => {
            "derived needs two thirds of the comparable matrix parameters shared"
        }
        Reason::Filtered => "only the tensors that the filter keeps were looked at",
        Reason::NoSuchComponent => "the base has no such component",
        Reason::WithinFormats { calibrated: true } => {
            "every informative tensor is paired, and all differences are within what calibrated \
             quantisation does"
        }
        Reason::WithinFormats { calibrated: false } => {
            "every informative tensor is paired, and all differences are within rounding to the \
             two number formats"
        }
        Reason::Disguised(disguise) => return found_in_disguise(disguise),
        Reason::ExpertsShareUnits { log10_p } => {
            return format!(
                "experts and dense feed-forward share their units (median log10 p {log10_p:.0} a \
                 layer)"
            );
        }
        Reason::Power { share_seen_95 } => {
            return format!(
                "a reuse of {} of the units, in their places, would have been seen with 95 % \
                 probability",
                number::percent(Some(*share_seen_95))
            );
        }
        Reason::Parts {
            state,
            parameters,
            comparable,
            groups,
        } => return parts(*state, *parameters, *comparable, groups),
        Reason::Unconfirmed(groups) => {
            return format!(
                "units stand in the same places, or find partners, in {}, but their mutual \
                 geometry differs: an order or a rotation can be chosen",
                named(groups)
            );
        }
        Reason::NewParts(groups) => {
            return format!(
                "without a counterpart in the base, and no evidence: {}",
                named(groups)
            );
        }
        Reason::Components(verdicts) => return components(verdicts),
        Reason::SharedAreEqual(SharedAreEqual { tensors, left }) => {
            return format!(
                "all {tensors} shared tensors are equal value by value; {} only in the base, {} \
                 only in the target",
                left.base, left.target
            );
        }
        Reason::PairedByContent(paired) => return paired_by_content(paired),
        Reason::Unpaired { parameters, of } => {
            return format!(
                "{} of the target's matrix parameters have no counterpart by name or by values, \
                 while matrices of the same shapes are left in the base: what is said here is said \
                 of the rest",
                number::share(*parameters, *of)
            );
        }
        Reason::NoWeights { side, what } => {
            return format!("{}: {}", side.word(), no_weights(what));
        }
        Reason::Computed {
            matrices,
            parameters,
            name,
        } => {
            return format!(
                "a formula explains what {} of {} parameters ({}{}) {} in common: set aside, and \
                 no evidence",
                match matrices {
                    1 => "1 matrix".to_owned(),
                    count => format!("{} matrices", number::count(*count as u64)),
                },
                number::count(*parameters),
                quoted(name),
                if *matrices > 1 { ", …" } else { "" },
                if *matrices > 1 { "have" } else { "has" },
            );
        }
        Reason::FactorsAlone => {
            "the factors of a change do not tell which weights they were trained on, and the \
             adapter holds nothing else: whether it comes from this base cannot be said"
        }
        Reason::HoldsTooLittle => {
            "what the adapter holds of its base (tensors saved along, trained copies, magnitudes) \
             does not decide"
        }
        Reason::HoldsOfBase => {
            "this rests on what the adapter holds of its base (tensors saved along, trained \
             copies, magnitudes), not on its factors"
        }
        Reason::Adapter(fact) => return adapter(fact),
    };
    said.to_owned()
}

fn found_in_disguise(disguise: &Disguise) -> String {
    format!(
        "{} of {} layers tried were found under re-ordered or rotated dimensions (least log10 p \
         {:.0}, {})",
        disguise.found,
        disguise.tried,
        disguise.log10_p,
        bound(disguise.exact)
    )
}

fn parts(state: State, parameters: u64, comparable: u64, groups: &[PartGroup]) -> String {
    let what = match state {
        State::Reused => "shared with the base",
        State::Independent => "shown to be independent",
        State::Unclear => "neither shown to be shared nor to be independent",
        State::New => "without a counterpart in the base",
    };
    format!(
        "{what}: {} of the comparable matrix parameters ({})",
        number::share(parameters, comparable.max(1)),
        named(groups)
    )
}

/// Parts in short: "text attention of layers 0-5, embedding".
fn named(groups: &[PartGroup]) -> String {
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

fn group(group: &PartGroup) -> String {
    let component = prefix(group.component);
    let kind = group.kind;
    let count = group.count;
    let layers = number::ranges(group.layers.iter().copied());
    match kind {
        PartKind::Embedding | PartKind::Head => format!("{component}{kind}"),
        PartKind::Other if count == 1 => escape_controls(group.name.as_deref().unwrap_or("matrix")),
        PartKind::Other => format!("{count} other {component}matrices"),
        PartKind::Experts => format!("{component}{count} experts of layers {layers}"),
        PartKind::Attention | PartKind::Ffn if group.layers.len() == 1 => {
            format!("{component}{kind} of layer {layers}")
        }
        PartKind::Attention | PartKind::Ffn => format!("{component}{kind} of layers {layers}"),
    }
}

fn components(verdicts: &[ComponentVerdict]) -> String {
    let words: Vec<String> = verdicts.iter().map(component).collect();
    format!("component by component: {}", words.join("; "))
}

fn component(verdict: &ComponentVerdict) -> String {
    let name = match verdict.component {
        Component::Text => "text decoder",
        Component::Vision => "vision encoder",
        Component::Audio => "audio encoder",
        Component::Projector => "projector",
        Component::Other => "other tensors",
    };
    let what = match verdict.label {
        _ if !verdict.in_base => "new, without a counterpart in the base",
        Label::Identical => "reused byte for byte",
        Label::ReEncoded => "reused, stored otherwise",
        Label::Derived => "reused",
        Label::PartialReuse => "reused in part",
        Label::FromScratch => "independent",
        Label::Inconclusive => "undecided",
    };
    format!("{name} {what}")
}

fn adapter(fact: &AdapterFact) -> String {
    match fact {
        AdapterFact::Changes {
            matrices,
            ranks,
            scales,
            replaced,
        } => adapter_changes(*matrices, ranks, scales, *replaced),
        AdapterFact::Sizes {
            median,
            largest,
            name,
        } => format!(
            "size of the change, ‖W' − W‖ / ‖W‖: median {}, largest {} ({})",
            number::value(Some(*median)),
            number::value(Some(*largest)),
            quoted(name)
        ),
        AdapterFact::NothingToFit => {
            "there is no change by low rank whose shape could be held against the base".to_owned()
        }
        AdapterFact::Fits => {
            "every change has a matrix of its name and shape in the base, as in any model of this \
             architecture"
                .to_owned()
        }
        AdapterFact::Unfit {
            unfit,
            of,
            first,
            why,
        } => format!(
            "{unfit} of {of} changes have no matrix of their name and shape in the base, so that \
             the adapter cannot be applied to it ({}: {why})",
            quoted(first)
        ),
        AdapterFact::Claim {
            declared,
            revision,
            is_base,
        } => {
            let revision = match revision {
                Some(revision) => format!(", revision {}", quoted(revision)),
                None => String::new(),
            };
            let which = if *is_base { "which is" } else { "which is not" };
            format!(
                "it names {}{revision} as its base, {which} what the base at hand is called: a \
                 claim, and no evidence",
                quoted(declared)
            )
        }
    }
}

fn adapter_changes(matrices: usize, ranks: &[u64], scales: &[f64], replaced: usize) -> String {
    let whole = match replaced {
        0 => String::new(),
        1 => ", and replaces 1 tensor whole".to_owned(),
        n => format!(", and replaces {n} tensors whole"),
    };
    if matrices == 0 {
        return format!("the target is an adapter: it changes no matrix by low rank{whole}");
    }
    let ranks = few(ranks.iter().map(u64::to_string));
    let scales: BTreeSet<String> = scales.iter().map(|s| number::value(Some(*s))).collect();
    let scales = few(scales);
    format!(
        "the target is an adapter: it changes {matrices} matrices by low rank (rank {ranks}; \
         scale {scales}){whole}"
    )
}

/// The first few of some words.
fn few(words: impl IntoIterator<Item = String>) -> String {
    const FEW: usize = 4;
    let words: Vec<String> = words.into_iter().collect();
    let more = if words.len() > FEW { ", …" } else { "" };
    let first = &words[..words.len().min(FEW)];
    format!("{}{more}", first.join(", "))
}

/// What the origin document says of a band.
pub(crate) const fn band(band: Band) -> &'static str {
    match band {
        Band::AlmostCertainlyFineTuned => "almost certainly fine-tuned",
        Band::FineTunedOrContinued => "fine-tuned, or continued pre-training",
        Band::PossiblePartialReuse => "weights possibly reused in part",
        Band::LikelyFromScratch => "likely trained from scratch",
    }
}

/// What the origin document says of a pattern of layers.
pub(crate) const fn pattern(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::NotApplicable => "fewer than two layers to compare",
        Pattern::UniformlyLow => "evidence for training from scratch",
        Pattern::SomeLayersHigh => "partial initialisation",
        Pattern::EarlyHighLateLow => "typical of fine-tuning",
        Pattern::UniformlyHigh => "alike at every depth",
        Pattern::Mixed => "no pattern that the document names",
    }
}

/// Why the origin document's band and the label disagree.
pub(crate) fn disagreement(why: &Disagreement) -> String {
    let mean = why.mean;
    let matrix = match why.matrix {
        Some(matrix) => format!("{matrix:.4}"),
        None => "undefined".to_owned(),
    };
    let norms = match why.norm {
        Some(norm) => format!(" and norms {norm:.4}"),
        None => String::new(),
    };
    match why.cause {
        DisagreementCause::AlikeInUnrelated => format!(
            "the plain mean {mean:.4} counts every tensor alike, norms and constants included, \
             which are alike in unrelated models; matrices have {matrix}{norms}"
        ),
        DisagreementCause::PulledDown => format!(
            "the plain mean {mean:.4} lies below 0.5 although some parts are shared: the others \
             pull it down (matrices {matrix}{norms})"
        ),
        DisagreementCause::ByNameAlone => format!(
            "the plain mean {mean:.4} lies below 0.5 because it compares tensors by equal name \
             and index (matrices {matrix}{norms}); the tests find the base's weights all the same"
        ),
    }
}

/// One of the origin document's criteria.
pub(crate) const fn criterion(id: CriterionId) -> &'static str {
    match id {
        CriterionId::AllMeansBelowHalf => "the mean cosine with every base is below 0.5",
        CriterionId::NoIdentical => "no informative tensor is identical to a base's",
        CriterionId::IndependentInPca => "principal subspaces are orthogonal to every base's",
        CriterionId::ABaseAt09 => "a base has a mean cosine of 0.9 or more",
        CriterionId::ManyIdentical => {
            "a quarter or more of the informative tensors are identical to one base's"
        }
        CriterionId::EarlyLayersHigh => {
            "early layers are nearer to a base than late ones, or at 0.9 and more"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_named_with_what_became_of_them() {
        let verdict = |component, label, in_base| ComponentVerdict {
            component,
            label,
            in_base,
        };
        let all = vec![
            verdict(Component::Text, Label::FromScratch, true),
            verdict(Component::Vision, Label::Identical, true),
            verdict(Component::Projector, Label::Inconclusive, false),
        ];
        assert_eq!(
            reason(&Reason::Components(all)),
            "component by component: text decoder independent; vision encoder reused byte for \
             byte; projector new, without a counterpart in the base"
        );
    }

    #[test]
    fn parts_are_named_by_ranges_of_layers() {
        let group = |component, kind, layers: &[u32]| PartGroup {
            component,
            kind,
            count: layers.len(),
            layers: layers.to_vec(),
            name: None,
        };
        let groups = [
            group(Component::Text, PartKind::Attention, &[0, 1, 2, 5]),
            group(Component::Vision, PartKind::Ffn, &[3]),
            group(Component::Text, PartKind::Head, &[]),
        ];
        assert_eq!(
            named(&groups),
            "attention of layers 0-2, 5, vision ffn of layer 3, head"
        );
    }

    #[test]
    fn a_cosine_is_undefined_for_a_reason() {
        let zero = Undefined::Zero {
            base: true,
            target: false,
        };
        assert_eq!(undefined(&zero), "all zero in base");
        let broken = Undefined::NotFinite { base: 2, target: 1 };
        assert_eq!(undefined(&broken), "2 NaN or infinite in base, 1 in target");
    }
}
