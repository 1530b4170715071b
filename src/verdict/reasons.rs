//! Why a label was given, in numbers; `report::words` makes them sentences that can be quoted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::levels::{FOUND_LOG10, UNPAIRED_SHARE};
use std::collections::BTreeMap;

use crate::evidence::adaptation::AdapterFact;
use crate::evidence::grounds::{Disguise, Grounds, PairedByContent, SharedAreEqual};
use crate::evidence::part::{Part, PartKind, State, is_table};
use crate::evidence::relation::Relation;
use crate::model::sides::Side;
use crate::model::warning::NoWeights;
use crate::model::words::Component;

use super::decide::{Decision, Label, parameters_in};

/// One reason for a label.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum Reason {
    /// Every tensor is paired and equal.
    AllEqual,
    /// All differences are within what number formats do.
    WithinFormats {
        /// Whether a calibrated quantiser is involved.
        calibrated: bool,
    },
    /// Layers found in disguise.
    Disguised(Disguise),
    /// Experts and dense feed-forwards share their units.
    ExpertsShareUnits {
        /// Median bound of a layer, base 10.
        log10_p: f64,
    },
    /// Parts in one state.
    Parts {
        /// The state; never new.
        state: State,
        /// Their matrix parameters.
        parameters: u64,
        /// Matrix parameters of all parts that can be compared.
        comparable: u64,
        /// Which parts.
        groups: Vec<PartGroup>,
    },
    /// Parts in which units were found and no witness confirms a copy.
    Unconfirmed(Vec<PartGroup>),
    /// Nothing but tables of tokens agrees.
    TablesAlone,
    /// Parts without a counterpart.
    NewParts(Vec<PartGroup>),
    /// Units of more than half of the layers sit in the base's places.
    MostLayersInPlace,
    /// Two trainings from one initialisation would explain it as well.
    SharedStart,
    /// A likeness has no direction in time.
    NoDirection,
    /// A reuse that would have been seen.
    Power {
        /// Share of the units, 0 to 1.
        share_seen_95: f64,
    },
    /// Only tests of single parts ran.
    PowerOfPartsAlone,
    /// No test of units ran.
    CosinesAlone,
    /// Distillation cannot be seen.
    NoDistillation,
    /// There are no tensors.
    NoTensors,
    /// No matrix of the target can be compared.
    NoMatrix,
    /// Too little was shown to be independent.
    TooLittleIndependent,
    /// Too little was shown to be shared.
    TooLittleShared,
    /// Only the tensors that the filter keeps were looked at.
    Filtered,
    /// The base has no such component.
    NoSuchComponent,
    /// What is concluded on each component.
    Components(Vec<ComponentVerdict>),
    /// What the target, an adapter, changes.
    Adapter(AdapterFact),
    /// Tensors whose names said nothing were paired by their values.
    PairedByContent(PairedByContent),
    /// All that both models have is equal: one has more, or less, than the other.
    SharedAreEqual(SharedAreEqual),
    /// Tensors of one shape are left on both sides, and nothing tells which belong together.
    Unpaired {
        /// Matrix parameters of the target among them.
        parameters: u64,
        /// All its matrix parameters.
        of: u64,
    },
    /// Values that are no weights, left out of the comparison.
    NoWeights {
        /// Whose.
        side: Side,
        /// Which, and how many.
        what: NoWeights,
    },
    /// Matrices whose likeness a formula explains, left out of the comparison.
    Computed {
        /// How many.
        matrices: usize,
        /// Their parameters.
        parameters: u64,
        /// Name of the first.
        name: String,
    },
    /// The adapter holds nothing but factors.
    FactorsAlone,
    /// What the adapter holds of its base does not decide.
    HoldsTooLittle,
    /// What the adapter holds of its base decides.
    HoldsOfBase,
}

/// What is concluded on one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct ComponentVerdict {
    /// Component.
    pub component: Component,
    /// Label on it alone.
    pub label: Label,
    /// Whether the base has it.
    pub in_base: bool,
}

/// Parts of one component and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct PartGroup {
    /// Component.
    pub component: Component,
    /// Kind.
    pub kind: PartKind,
    /// Number of parts.
    pub count: usize,
    /// Layers, ascending, each once.
    pub layers: Vec<u32>,
    /// Name of the first matrix that is a part by itself.
    pub name: Option<String>,
}

/// The grounds of `decision`, the strongest first.
pub(crate) fn reasons(grounds: &Grounds, decision: &Decision) -> Vec<Reason> {
    let no_weights = grounds
        .no_weights
        .iter()
        .map(|(side, what)| Reason::NoWeights {
            side: *side,
            what: what.clone(),
        });
    let mut out: Vec<Reason> = no_weights.collect();
    out.extend(grounds.by_content.map(Reason::PairedByContent));
    if grounds.unpaired as f64 > UNPAIRED_SHARE * grounds.matrix_parameters as f64 {
        out.push(Reason::Unpaired {
            parameters: grounds.unpaired,
            of: grounds.matrix_parameters,
        });
    }
    let shared = grounds.shared_are_equal;
    let is_told = matches!(decision.label, Label::Derived | Label::PartialReuse);
    out.extend(shared.filter(|_| is_told).map(Reason::SharedAreEqual));
    out.extend(reasons_of_label(grounds, decision));
    out.extend(computed(grounds));
    out
}

/// What was set aside because a formula explains it.
fn computed(grounds: &Grounds) -> Option<Reason> {
    let first = grounds.computed.first()?;
    Some(Reason::Computed {
        matrices: grounds.computed.len(),
        parameters: grounds.computed.iter().map(|c| c.parameters).sum(),
        name: first.names.target.clone(),
    })
}

fn reasons_of_label(grounds: &Grounds, decision: &Decision) -> Vec<Reason> {
    match decision.label {
        Label::Identical => vec![Reason::AllEqual],
        Label::ReEncoded => vec![Reason::WithinFormats {
            calibrated: grounds.re_encoding.is_some_and(|r| r.calibrated),
        }],
        Label::Derived | Label::PartialReuse => shared(grounds, decision),
        Label::FromScratch => {
            let mut out = states(grounds);
            out.push(power(grounds));
            out.push(Reason::NoDistillation);
            out
        }
        Label::Inconclusive => missing(grounds),
    }
}

fn shared(grounds: &Grounds, decision: &Decision) -> Vec<Reason> {
    let mut out = hidden(grounds);
    let mut reused = grounds
        .parts
        .iter()
        .filter(|part| part.state == State::Reused);
    if matches!(decision.rule, 5 | 6) && reused.all(|part| is_table(part) && !part.identical) {
        out.push(Reason::TablesAlone);
    }
    out.extend(states(grounds));
    if decision.rule == 7 {
        out.push(Reason::MostLayersInPlace);
    }
    let shared_start = Relation::SharedInitializationPossible;
    if decision.relations.contains(&shared_start) {
        out.push(Reason::SharedStart);
    }
    out.push(Reason::NoDirection);
    out
}

fn hidden(grounds: &Grounds) -> Vec<Reason> {
    let disguised = grounds.disguise.as_ref().filter(|d| d.decides());
    let upcycled = grounds.upcycling.filter(|p| *p <= FOUND_LOG10);
    disguised
        .map(|disguise| Reason::Disguised(*disguise))
        .into_iter()
        .chain(upcycled.map(|log10_p| Reason::ExpertsShareUnits { log10_p }))
        .collect()
}

/// One ground for each state that occurs.
fn states(grounds: &Grounds) -> Vec<Reason> {
    const COMPARABLE: [State; 3] = [State::Reused, State::Independent, State::Unclear];
    let parameters = |state| parameters_in(&grounds.parts, state);
    let comparable: u64 = COMPARABLE.into_iter().map(parameters).sum();
    let mut out = Vec::new();
    for state in COMPARABLE {
        if parameters(state) > 0 {
            out.push(Reason::Parts {
                state,
                parameters: parameters(state),
                comparable,
                groups: grouped(&grounds.parts, state),
            });
        }
    }
    let unconfirmed: Vec<Part> = grounds
        .parts
        .iter()
        .filter(|part| part.state == State::Unclear && part.found_by.is_some())
        .cloned()
        .collect();
    if !unconfirmed.is_empty() {
        out.push(Reason::Unconfirmed(grouped(&unconfirmed, State::Unclear)));
    }
    if parameters(State::New) > 0 {
        out.push(Reason::NewParts(grouped(&grounds.parts, State::New)));
    }
    out
}

fn power(grounds: &Grounds) -> Reason {
    match grounds.share_seen_95 {
        Some(share_seen_95) => Reason::Power { share_seen_95 },
        None if grounds.parts.iter().any(|p| p.test.is_some()) => Reason::PowerOfPartsAlone,
        None => Reason::CosinesAlone,
    }
}

fn missing(grounds: &Grounds) -> Vec<Reason> {
    if grounds.tensors == 0 {
        return vec![Reason::NoTensors];
    }
    let not_compared = |part: &Part| part.compared == 0 && part.test.is_none();
    if grounds.parts.iter().all(not_compared) {
        return vec![Reason::NoMatrix];
    }
    let mut out = states(grounds);
    out.push(if parameters_in(&grounds.parts, State::Reused) == 0 {
        Reason::TooLittleIndependent
    } else {
        Reason::TooLittleShared
    });
    out
}

/// Parts in one state, by component and kind.
fn grouped(parts: &[Part], state: State) -> Vec<PartGroup> {
    let mut groups: BTreeMap<(Component, PartKind), Vec<&Part>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.state == state) {
        groups
            .entry((part.key.component, part.key.kind))
            .or_default()
            .push(part);
    }
    let group = |((component, kind), parts): ((Component, PartKind), Vec<&Part>)| {
        let mut layers: Vec<u32> = parts.iter().filter_map(|p| p.key.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        PartGroup {
            component,
            kind,
            count: parts.len(),
            layers,
            name: parts.iter().find_map(|p| p.key.name.clone()),
        }
    };
    groups.into_iter().map(group).collect()
}
