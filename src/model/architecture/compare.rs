//! Two architectures side by side: which roles have equal shapes, what share of the target that is,
//! and what could explain the rest.
//!
//! An equal shape says that a comparison can be made and nothing about its outcome; a different one
//! says that an elementwise comparison cannot be made and nothing about where the weights come
//! from.

use std::collections::{BTreeMap, BTreeSet};

use super::{Architecture, Kind, RoleShapes, Shape};
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
pub struct Comparison {
    /// The whole model's answer.
    pub comparability: Comparability,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// Part of the target's values in equal shapes, copies counted up to the smaller side's, 0 to
    /// 1.
    pub share: Option<f64>,
    /// By component of the target, sorted by name.
    pub components: Vec<ComponentComparison>,
    /// Roles of both sides, sorted by component and name.
    pub roles: Vec<RoleComparison>,
    /// Changes that together could explain the difference: possibilities, not findings.
    pub could_be: Vec<String>,
}

/// Sets `target` against one base.
pub fn compare(target: &Architecture, base: &Architecture) -> Comparison {
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
    Comparison {
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

/// Longest list of roles in a reason.
const LISTED: usize = 12;

fn list(names: &[String]) -> String {
    if names.len() <= LISTED {
        return names.join(", ");
    }
    format!(
        "{} and {} more",
        names[..LISTED].join(", "),
        names.len() - LISTED
    )
}

fn axes(shape: &Shape) -> String {
    let axes: Vec<_> = shape.axes.iter().map(u64::to_string).collect();
    format!("[{}]", axes.join(","))
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn reasons(
    target: &Architecture,
    base: &Architecture,
    comparability: Comparability,
    components: &[ComponentComparison],
    pairs: &[Pair<'_>],
) -> Vec<String> {
    let mut out = Vec::new();
    for row in components {
        let of_component: Vec<_> = pairs
            .iter()
            .filter(|pair| pair.component == row.component)
            .collect();
        let prefix = if components.len() > 1 {
            format!("{}: ", row.component)
        } else {
            String::new()
        };
        out.push(format!("{prefix}{}", component_reason(row, &of_component)));
    }
    let (lacking, lacked) = (target.components(), base.components());
    for component in lacked.difference(&lacking) {
        out.push(format!("{component}: only the base has this component"));
    }
    out.extend(differences(target, base));
    out.extend(vocabulary_reason(target, base));
    for (side, architecture) in [("target", target), ("base", base)] {
        if !architecture.unknown.is_empty() {
            let names: Vec<_> = architecture
                .unknown
                .iter()
                .map(|role| role.name.clone())
                .collect();
            let missing: BTreeSet<_> = architecture
                .unknown
                .iter()
                .map(|role| role.missing.as_str())
                .collect();
            let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
            out.push(format!(
                "the {side}'s shapes of {} are not known: no {missing}",
                list(&names)
            ));
        }
        out.extend(
            architecture
                .assumptions
                .iter()
                .map(|assumption| format!("{side}: {assumption}")),
        );
    }
    if comparability == Comparability::None {
        out.push(
            "different shapes rule out an elementwise comparison and say nothing about where the weights come from"
                .into(),
        );
    }
    out
}

fn component_reason(row: &ComponentComparison, pairs: &[&Pair<'_>]) -> String {
    if pairs.iter().all(|pair| pair.base.is_none()) {
        return "the base has no such component".into();
    }
    let named = |equal: bool| -> Vec<String> {
        let of_target = pairs
            .iter()
            .filter(|pair| pair.target.is_some() && pair.any_equal() == equal);
        of_target.map(|pair| pair.name.to_owned()).collect()
    };
    let (equal, of) = (
        named(true),
        pairs.iter().filter(|pair| pair.target.is_some()).count(),
    );
    match row.comparability {
        Comparability::Full => {
            "every matrix has an equal shape and as many copies on both sides".into()
        }
        Comparability::Partial if equal.len() == of => {
            let different = pairs.iter().filter(|pair| pair.is_matrix() && !pair.same());
            let fewer: Vec<_> = different.map(|pair| pair.name.to_owned()).collect();
            format!(
                "all {of} roles have equal shapes; the number of tensors differs: {}",
                list(&fewer)
            )
        }
        Comparability::Partial => {
            let unequal: Vec<String> = pairs
                .iter()
                .filter(|pair| !pair.any_equal())
                .map(|pair| {
                    match (
                        pair.target.and_then(RoleShapes::main),
                        pair.base.and_then(RoleShapes::main),
                    ) {
                        (Some(a), Some(b)) => {
                            format!("{} {} against {}", pair.name, axes(a), axes(b))
                        }
                        (Some(_), None) => format!("{} (target only)", pair.name),
                        _ => format!("{} (base only)", pair.name),
                    }
                })
                .collect();
            format!(
                "{} of {of} roles have equal shapes: {}; not {}",
                equal.len(),
                list(&equal),
                list(&unequal)
            )
        }
        Comparability::None if equal.is_empty() => "no role has an equal shape".into(),
        Comparability::None => {
            format!(
                "no matrix has an equal shape; only {} have, which say nothing by themselves",
                list(&equal)
            )
        }
    }
}

/// Facts that differ and bear on shapes, as sentences.
fn differences(target: &Architecture, base: &Architecture) -> Vec<String> {
    let counts = [
        "hidden_size",
        "num_hidden_layers",
        "n_routed_experts",
        "vocab_size",
    ];
    let mut out = Vec::new();
    for field in counts {
        if let (Some(a), Some(b)) = (target.count(field), base.count(field))
            && a != b
        {
            out.push(format!("{field}: {} against {}", grouped(a), grouped(b)));
        }
    }
    for field in ["attention", "norm_placement"] {
        if let (Some(a), Some(b)) = (target.fact(field), base.fact(field))
            && let (Some(a), Some(b)) = (a.value.as_str(), b.value.as_str())
            && a != b
        {
            out.push(format!("{field}: {a} against {b}"));
        }
    }
    out
}

/// What equal or different numbers of tokens mean for the embedding.
fn vocabulary_reason(target: &Architecture, base: &Architecture) -> Option<String> {
    let embed =
        |architecture: &Architecture| Some(architecture.role("embed")?.main()?.axes.clone());
    let (target, base) = (embed(target)?, embed(base)?);
    let (&[rows, width], &[base_rows, base_width]) = (target.as_slice(), base.as_slice()) else {
        return None;
    };
    if rows != base_rows && width == base_width {
        return Some(
            "embeddings are equally wide: their rows can be paired by token where both tokenizers are at hand".into(),
        );
    }
    (rows == base_rows && width != base_width).then(|| {
        format!(
            "both vocabularies have {} rows: an equal number, of which only the tokenizers tell more",
            grouped(rows)
        )
    })
}

/// Which of the changes one makes to a released model would be needed to get from base to target.
fn could_be(target: &Architecture, base: &Architecture) -> Vec<String> {
    let mut out = Vec::new();
    let both = |field: &str| target.count(field).zip(base.count(field));
    let differ = |field: &str| both(field).filter(|(a, b)| a != b);
    if let Some((to, from)) = differ("num_hidden_layers") {
        out.push(format!(
            "depth change: {} to {} layers",
            grouped(from),
            grouped(to)
        ));
    }
    let word = |architecture: &Architecture| {
        architecture
            .fact("attention")
            .and_then(|fact| fact.value.as_str().map(str::to_owned))
    };
    let (attention, old_attention) = (word(target), word(base));
    let mut widths = vec!["hidden_size", "head_dim", "num_attention_heads"];
    // Under latent attention the number is nominal: no tensor rests on it.
    if attention.as_deref() != Some("MLA") && old_attention.as_deref() != Some("MLA") {
        widths.push("num_key_value_heads");
    }
    let dense = target
        .fact("intermediate_size")
        .zip(base.fact("intermediate_size"));
    let dense_differs = dense.is_some_and(|(a, b)| !a.unused && !b.unused && a.value != b.value);
    let mut changed: Vec<String> = widths
        .into_iter()
        .filter_map(|field| {
            differ(field).map(|(to, from)| format!("{field} {} to {}", grouped(from), grouped(to)))
        })
        .collect();
    if dense_differs && let Some((to, from)) = both("intermediate_size") {
        changed.push(format!(
            "intermediate_size {} to {}",
            grouped(from),
            grouped(to)
        ));
    }
    let expert_width = |architecture: &Architecture| {
        let down = architecture.role("expert.down")?.main()?;
        down.axes.get(1).copied()
    };
    if let Some((to, from)) = expert_width(target)
        .zip(expert_width(base))
        .filter(|(to, from)| to != from)
    {
        changed.push(format!(
            "width of experts {} to {}",
            grouped(from),
            grouped(to)
        ));
    }
    if !changed.is_empty() {
        out.push(format!("width change: {}", changed.join(", ")));
    }
    if let Some((to, from)) = differ("vocab_size") {
        let word = if to > from {
            "vocabulary extension"
        } else {
            "vocabulary reduction"
        };
        out.push(format!(
            "{word}: {} to {} tokens",
            grouped(from),
            grouped(to)
        ));
    }
    let experts = |architecture: &Architecture| architecture.count("n_routed_experts").unwrap_or(0);
    match (experts(target), experts(base)) {
        (to, from) if to == from => {}
        (to, 0) => out.push(format!(
            "dense to mixture of experts: {} experts",
            grouped(to)
        )),
        (0, from) => out.push(format!(
            "mixture of experts to dense: {} experts",
            grouped(from)
        )),
        (to, from) => out.push(format!(
            "expert count change: {} to {} experts",
            grouped(from),
            grouped(to)
        )),
    }
    if let (Some(to), Some(from)) = (attention, old_attention)
        && (to == "MLA") != (from == "MLA")
    {
        out.push(format!("attention conversion: {from} to {to}"));
    }
    out
}
