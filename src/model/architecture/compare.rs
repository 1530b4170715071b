//! Two architectures side by side: which roles have equal shapes, what share of the target that is,
//! and what could explain the rest.
//!
//! An equal shape says that a comparison can be made and nothing about its outcome; a different one
//! says that an elementwise comparison cannot be made and nothing about where the weights come
//! from.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ArchReason, Architecture, ComponentShapes, FromTo, Kind, PossibleChange, RoleShapes, Shape,
    UnequalRole, Width, WidthChange,
};
use crate::model::sides::{Side, Sides};
use crate::model::words::{Component, Role, words};

words! {
    /// Whether weights can be compared at all.
    Comparability {
        /// Every matrix role has equal shapes and as many copies on both sides.
        Full = "full",
        /// At least one matrix role has an equal shape.
        Partial = "partial",
        /// No matrix role has.
        None = "none",
    }
}

/// One role on both sides. A role with several shapes has a row for each of the target's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleComparison {
    /// Component.
    pub component: Component,
    /// Name of the role.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Which feed-forward.
    pub kind: Option<Kind>,
    /// The target's shape.
    pub target: Option<Shape>,
    /// The base's shape.
    pub base: Option<Shape>,
    /// Equal shapes, whatever the copies.
    pub equal: bool,
}

/// One component of the target.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentComparison {
    /// Component.
    pub component: Component,
    /// Whether its weights can be compared.
    pub comparability: Comparability,
    /// Part of its values in equal shapes, 0 to 1; `None` where no shape of it is known.
    pub share: Option<f64>,
}

/// A target against one base.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeComparison {
    /// The whole model's answer.
    pub comparability: Comparability,
    /// Why.
    pub reasons: Vec<ArchReason>,
    /// Part of the target's values in equal shapes, copies counted up to the smaller side's, 0 to
    /// 1.
    pub share: Option<f64>,
    /// By component of the target, sorted by name.
    pub components: Vec<ComponentComparison>,
    /// Roles of both sides, sorted by component and name.
    pub roles: Vec<RoleComparison>,
    /// Changes that together could explain the difference: possibilities, not findings.
    pub could_be: Vec<PossibleChange>,
}

/// Sets `target` against one base.
pub(crate) fn compare(target: &Architecture, base: &Architecture) -> ShapeComparison {
    let mut target_roles = target.roles.clone();
    let mut base_roles = base.roles.clone();
    fuse_alike(&mut target_roles, &mut base_roles);
    let pairs = pair_up(&target_roles, &base_roles);
    let unknown: BTreeSet<Component> = target
        .unknown
        .iter()
        .chain(&base.unknown)
        .map(|role| role.component)
        .collect();
    let mut components: Vec<ComponentComparison> = target
        .components()
        .into_iter()
        .map(|component| {
            let of_component: Vec<&Pair<'_>> = pairs
                .iter()
                .filter(|pair| pair.component == component)
                .collect();
            ComponentComparison {
                component,
                comparability: comparability(&of_component, unknown.contains(&component)),
                share: share(&of_component),
            }
        })
        .collect();
    components.sort_by_key(|row| row.component.word());
    let all: Vec<&Pair<'_>> = pairs.iter().collect();
    let comparability = comparability(&all, !unknown.is_empty());
    let reasons = reasons(target, base, comparability, &components, &pairs);
    let could_be = if comparability == Comparability::Full {
        Vec::new()
    } else {
        could_be(target, base)
    };
    let share = share(&all);
    let roles = pairs.iter().flat_map(Pair::rows).collect();
    ShapeComparison {
        comparability,
        reasons,
        share,
        components,
        roles,
        could_be,
    }
}

/// Where one side keeps projections fused and the other apart, the apart ones are put together:
/// rows follow rows.
fn fuse_alike(target: &mut Vec<RoleShapes>, base: &mut Vec<RoleShapes>) {
    let prefixes: BTreeSet<(Component, String)> = target
        .iter()
        .chain(base.iter())
        .filter_map(|role| {
            let stem = role.name.strip_suffix(".bias").unwrap_or(&role.name);
            let last = stem.rsplit('.').next()?;
            matches!(last, "qkv" | "gate_up").then(|| {
                (
                    role.component,
                    stem.strip_suffix(last).unwrap_or("").to_owned(),
                )
            })
        })
        .collect();
    for (component, prefix) in prefixes {
        for (whole, parts) in [
            ("qkv", ["q", "k", "v"].as_slice()),
            ("gate_up", ["gate", "up"].as_slice()),
        ] {
            for ending in ["", ".bias"] {
                let name = |part: &str| format!("{prefix}{part}{ending}");
                let has = |roles: &[RoleShapes]| {
                    roles
                        .iter()
                        .any(|role| role.component == component && role.name == name(whole))
                };
                if has(target) != has(base) {
                    let apart = if has(target) {
                        &mut *base
                    } else {
                        &mut *target
                    };
                    let parts: Vec<String> = parts.iter().map(|part| name(part)).collect();
                    fuse(apart, component, &parts, &name(whole), whole);
                }
            }
        }
    }
}

fn fuse(
    roles: &mut Vec<RoleShapes>,
    component: Component,
    parts: &[String],
    whole: &str,
    word: &str,
) {
    let found: Vec<&RoleShapes> = parts
        .iter()
        .filter_map(|part| {
            roles
                .iter()
                .find(|role| role.component == component && role.name == *part)
        })
        .collect();
    let shapes: Option<Vec<&Shape>> = found
        .iter()
        .map(|role| {
            if role.shapes.len() == 1 {
                role.main()
            } else {
                None
            }
        })
        .collect();
    let (Some(shapes), Some(first)) = (shapes, found.first()) else {
        return;
    };
    if found.len() != parts.len()
        || shapes.iter().any(|shape| {
            shape.copies != shapes[0].copies || shape.axes.get(1..) != shapes[0].axes.get(1..)
        })
    {
        return;
    }
    let Some(rows) = shapes
        .iter()
        .try_fold(0u64, |sum, shape| sum.checked_add(*shape.axes.first()?))
    else {
        return;
    };
    let mut axes = shapes[0].axes.clone();
    axes[0] = rows;
    let role = match (first.role, word) {
        (Role::Bias, _) => Role::Bias,
        (_, "qkv") => Role::Qkv,
        _ => Role::GateUp,
    };
    let shape = Shape {
        axes,
        copies: shapes[0].copies,
    };
    let fused = RoleShapes {
        component,
        name: whole.to_owned(),
        role,
        kind: first.kind,
        shapes: vec![shape],
    };
    roles.retain(|role| role.component != component || !parts.contains(&role.name));
    roles.push(fused);
}

/// One role of either side.
struct Pair<'a> {
    component: Component,
    name: &'a str,
    target: Option<&'a RoleShapes>,
    base: Option<&'a RoleShapes>,
}

fn pair_up<'a>(target: &'a [RoleShapes], base: &'a [RoleShapes]) -> Vec<Pair<'a>> {
    type Two<'a> = (Option<&'a RoleShapes>, Option<&'a RoleShapes>);
    let mut places: BTreeMap<(&str, &str), (Component, Two<'a>)> = BTreeMap::new();
    for role in target {
        let place = places
            .entry((role.component.word(), &role.name))
            .or_insert((role.component, (None, None)));
        place.1.0 = Some(role);
    }
    for role in base {
        let place = places
            .entry((role.component.word(), &role.name))
            .or_insert((role.component, (None, None)));
        place.1.1 = Some(role);
    }
    let pair = |((_, name), (component, (target, base)))| Pair {
        component,
        name,
        target,
        base,
    };
    places.into_iter().map(pair).collect()
}

impl Pair<'_> {
    /// The base's shape that equals `shape`.
    fn twin(&self, shape: &Shape) -> Option<&Shape> {
        self.base?
            .shapes
            .iter()
            .find(|twin| twin.axes == shape.axes)
    }

    /// At least one shape is equal.
    fn any_equal(&self) -> bool {
        self.target
            .is_some_and(|role| role.shapes.iter().any(|shape| self.twin(shape).is_some()))
    }

    /// All shapes and copies are equal.
    fn same(&self) -> bool {
        match (self.target, self.base) {
            (Some(a), Some(b)) => {
                a.shapes.len() == b.shapes.len()
                    && a.shapes.iter().all(|shape| {
                        self.twin(shape)
                            .is_some_and(|twin| twin.copies == shape.copies)
                    })
            }
            _ => false,
        }
    }

    /// The role as one without an equal shape.
    fn unequal(&self) -> UnequalRole {
        let main = |role: Option<&RoleShapes>| Some(role?.main()?.axes.clone());
        UnequalRole {
            name: self.name.to_owned(),
            shapes: Sides {
                base: main(self.base),
                target: main(self.target),
            },
        }
    }

    fn is_matrix(&self) -> bool {
        self.target.or(self.base).is_some_and(RoleShapes::is_matrix)
    }

    fn rows(&self) -> Vec<RoleComparison> {
        let Some(any) = self.target.or(self.base) else {
            return Vec::new();
        };
        let row = |target: Option<&Shape>, base: Option<&Shape>, equal| RoleComparison {
            component: self.component,
            name: self.name.to_owned(),
            role: any.role,
            kind: any.kind,
            target: target.cloned(),
            base: base.cloned(),
            equal,
        };
        let main = self.base.and_then(RoleShapes::main);
        let Some(target) = self.target else {
            return vec![row(None, main, false)];
        };
        let several = target.shapes.len() > 1;
        let of_shape = |(at, shape): (usize, &Shape)| match self.twin(shape) {
            Some(twin) => row(Some(shape), Some(twin), true),
            None => row(Some(shape), main.filter(|_| at == 0 || !several), false),
        };
        target.shapes.iter().enumerate().map(of_shape).collect()
    }
}

fn comparability(pairs: &[&Pair<'_>], has_unknown: bool) -> Comparability {
    let matrices: Vec<_> = pairs.iter().filter(|pair| pair.is_matrix()).collect();
    if !has_unknown && !matrices.is_empty() && matrices.iter().all(|pair| pair.same()) {
        Comparability::Full
    } else if matrices.iter().any(|pair| pair.any_equal()) {
        Comparability::Partial
    } else {
        Comparability::None
    }
}

fn share(pairs: &[&Pair<'_>]) -> Option<f64> {
    let total: f64 = pairs
        .iter()
        .filter_map(|pair| pair.target)
        .map(RoleShapes::values)
        .sum();
    let mut equal = 0.0;
    for pair in pairs {
        for shape in pair.target.iter().flat_map(|role| &role.shapes) {
            let copies = pair
                .twin(shape)
                .map_or(0, |twin| twin.copies.min(shape.copies));
            equal += shape.elements() * copies as f64;
        }
    }
    (total > 0.0 && total.is_finite()).then(|| equal / total)
}

fn reasons(
    target: &Architecture,
    base: &Architecture,
    comparability: Comparability,
    components: &[ComponentComparison],
    pairs: &[Pair<'_>],
) -> Vec<ArchReason> {
    let is_one_of_several = components.len() > 1;
    let mut out = Vec::new();
    for row in components {
        let of_component: Vec<_> = pairs
            .iter()
            .filter(|pair| pair.component == row.component)
            .collect();
        out.push(ArchReason::Component {
            component: is_one_of_several.then_some(row.component),
            shapes: component_shapes(row, &of_component),
        });
    }
    let (lacking, lacked) = (target.components(), base.components());
    let only_in_base = lacked.difference(&lacking).copied();
    out.extend(only_in_base.map(ArchReason::OnlyInBase));
    out.extend(differences(target, base));
    out.extend(vocabulary_reason(target, base));
    for (side, architecture) in [(Side::Target, target), (Side::Base, base)] {
        out.extend(unknown_shapes(side, architecture));
        let assumptions = architecture.assumptions.iter().cloned();
        out.extend(assumptions.map(|assumption| ArchReason::Assumed { side, assumption }));
    }
    if comparability == Comparability::None {
        out.push(ArchReason::SaysNothingAboutOrigin);
    }
    out
}

fn unknown_shapes(side: Side, architecture: &Architecture) -> Option<ArchReason> {
    if architecture.unknown.is_empty() {
        return None;
    }
    let unknown = architecture.unknown.iter();
    let missing: BTreeSet<String> = unknown.clone().map(|role| role.missing.clone()).collect();
    Some(ArchReason::UnknownShapes {
        side,
        roles: unknown.map(|role| role.name.clone()).collect(),
        missing: missing.into_iter().collect(),
    })
}

fn component_shapes(row: &ComponentComparison, pairs: &[&Pair<'_>]) -> ComponentShapes {
    if pairs.iter().all(|pair| pair.base.is_none()) {
        return ComponentShapes::NotInBase;
    }
    let of_target = || pairs.iter().filter(|pair| pair.target.is_some());
    let roles = of_target().count();
    let equal: Vec<String> = of_target()
        .filter(|pair| pair.any_equal())
        .map(|pair| pair.name.to_owned())
        .collect();
    match row.comparability {
        Comparability::Full => ComponentShapes::Equal,
        Comparability::Partial if equal.len() == roles => {
            let differing = pairs.iter().filter(|pair| pair.is_matrix() && !pair.same());
            ComponentShapes::OtherCopies {
                roles,
                differing: differing.map(|pair| pair.name.to_owned()).collect(),
            }
        }
        Comparability::Partial => {
            let unequal = pairs.iter().filter(|pair| !pair.any_equal());
            ComponentShapes::PartlyEqual {
                roles,
                equal,
                unequal: unequal.map(|pair| pair.unequal()).collect(),
            }
        }
        Comparability::None if equal.is_empty() => ComponentShapes::NoneEqual,
        Comparability::None => ComponentShapes::NoMatrixEqual { equal },
    }
}

/// Facts that differ and bear on shapes.
fn differences(target: &Architecture, base: &Architecture) -> Vec<ArchReason> {
    let counts = [
        "hidden_size",
        "num_hidden_layers",
        "n_routed_experts",
        "vocab_size",
    ];
    let mut out = Vec::new();
    for field in counts {
        if let (Some(target), Some(base)) = (target.count(field), base.count(field))
            && target != base
        {
            let values = Sides { base, target };
            out.push(ArchReason::CountDiffers {
                field: field.to_owned(),
                values,
            });
        }
    }
    for field in ["attention", "norm_placement"] {
        if let (Some(target), Some(base)) = (target.word(field), base.word(field))
            && target != base
        {
            let values = Sides { base, target }.map(str::to_owned);
            out.push(ArchReason::WordDiffers {
                field: field.to_owned(),
                values,
            });
        }
    }
    out
}

/// What equal or different numbers of tokens mean for the embedding.
fn vocabulary_reason(target: &Architecture, base: &Architecture) -> Option<ArchReason> {
    let embed =
        |architecture: &Architecture| Some(architecture.role("embed")?.main()?.axes.clone());
    let (target, base) = (embed(target)?, embed(base)?);
    let (&[rows, width], &[base_rows, base_width]) = (target.as_slice(), base.as_slice()) else {
        return None;
    };
    match (rows == base_rows, width == base_width) {
        (false, true) => Some(ArchReason::EqualEmbeddingWidths),
        (true, false) => Some(ArchReason::EqualVocabularySizes { rows }),
        _ => None,
    }
}

/// Which of the changes one makes to a released model would be needed to get from base to target.
fn could_be(target: &Architecture, base: &Architecture) -> Vec<PossibleChange> {
    let mut out = Vec::new();
    let differ = |field: &str| {
        let (to, from) = (target.count(field)?, base.count(field)?);
        (to != from).then_some(FromTo { from, to })
    };
    out.extend(differ("num_hidden_layers").map(PossibleChange::Depth));
    let widths = width_changes(target, base);
    if !widths.is_empty() {
        out.push(PossibleChange::Width(widths));
    }
    out.extend(differ("vocab_size").map(PossibleChange::Vocabulary));
    let experts = |architecture: &Architecture| architecture.count("n_routed_experts").unwrap_or(0);
    match (experts(base), experts(target)) {
        (from, to) if to == from => {}
        (0, experts) => out.push(PossibleChange::DenseToExperts { experts }),
        (experts, 0) => out.push(PossibleChange::ExpertsToDense { experts }),
        (from, to) => out.push(PossibleChange::ExpertCount(FromTo { from, to })),
    }
    if let (Some(to), Some(from)) = (target.word("attention"), base.word("attention"))
        && (to == "MLA") != (from == "MLA")
    {
        let (from, to) = (from.to_owned(), to.to_owned());
        out.push(PossibleChange::Attention { from, to });
    }
    out
}

/// Widths that differ: those of fields, and that of experts, which the tensors show.
fn width_changes(target: &Architecture, base: &Architecture) -> Vec<WidthChange> {
    let changed = |width: Width, to: Option<u64>, from: Option<u64>| {
        let (to, from) = (to?, from?);
        let values = FromTo { from, to };
        (to != from).then_some(WidthChange { width, values })
    };
    let has_latent_attention = [target, base]
        .iter()
        .any(|architecture| architecture.word("attention") == Some("MLA"));
    let mut fields = vec!["hidden_size", "head_dim", "num_attention_heads"];
    // Under latent attention the number is nominal: no tensor rests on it.
    if !has_latent_attention {
        fields.push("num_key_value_heads");
    }
    let dense = "intermediate_size";
    let is_used =
        |architecture: &Architecture| architecture.fact(dense).is_some_and(|fact| !fact.unused);
    if is_used(target) && is_used(base) {
        fields.push(dense);
    }
    let mut out: Vec<WidthChange> = fields
        .into_iter()
        .filter_map(|field| {
            changed(
                Width::Field(field.to_owned()),
                target.count(field),
                base.count(field),
            )
        })
        .collect();
    let of_experts = |architecture: &Architecture| {
        let down = architecture.role("expert.down")?.main()?;
        down.axes.get(1).copied()
    };
    out.extend(changed(
        Width::OfExperts,
        of_experts(target),
        of_experts(base),
    ));
    out
}
