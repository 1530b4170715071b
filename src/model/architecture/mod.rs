//! The architecture of a model as far as config.json and tensor shapes tell it: facts under one
//! spelling, and the shape of every role.
//!
//! In: config.json, and where weights are there their meanings and logical shapes, which win over
//! the config. Out: [`Architecture`]; [`compare()`] sets two against each other. Nothing is read
//! from files here.

mod compare;
mod facts;
mod family;
mod grounds;
mod shapes;
mod tensors;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub(crate) use self::compare::compare;
pub use self::compare::{Comparability, ComponentComparison, RoleComparison, ShapeComparison};
pub use self::grounds::{
    ArchReason, Assumption, ComponentShapes, FromTo, PossibleChange, UnequalRole, Width,
    WidthChange,
};
use super::config::{Config, Scope};
use super::name::Meaning;
use super::words::{Component, Role, words};

words! {
    /// Where a fact comes from.
    Source {
        /// Shapes of tensors.
        Tensors = "tensors",
        /// config.json.
        Config = "config",
        /// Neither.
        Absent = "absent",
    }
}

words! {
    /// Which feed-forward of a layer a role belongs to.
    Kind {
        /// The dense one.
        Dense = "dense",
        /// The shared expert.
        Shared = "shared",
        /// A routed expert.
        Expert = "expert",
    }
}

/// A fact under its one spelling; facts of a tower are `vision.…` and `audio.…`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Spelling of the field, as most config.json files have it.
    pub field: String,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub source: Source,
    /// No tensor rests on it: a difference means nothing.
    pub unused: bool,
}

/// One shape and how many tensors of a role have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Axes, [out, in] for a matrix.
    pub axes: Vec<u64>,
    /// Tensors of that shape; experts of a stacked tensor count one by one.
    pub copies: u64,
}

/// A role of a component and its shapes, the most frequent first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleShapes {
    /// Component.
    pub component: Component,
    /// Name that does not depend on the naming scheme: `expert.gate`, `norm:pre_mlp`, `vision.qkv`.
    pub name: String,
    /// Role of its tensors.
    pub role: Role,
    /// Which feed-forward.
    pub kind: Option<Kind>,
    /// Shapes.
    pub shapes: Vec<Shape>,
}

/// A role that is there and whose shape cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownShape {
    /// Component.
    pub component: Component,
    /// Name of the role.
    pub name: String,
    /// The field that is missing.
    pub missing: String,
}

/// A fact on which config.json and tensors disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Conflict {
    /// Field.
    pub field: String,
    /// What config.json says.
    pub config: Value,
    /// What the tensors show.
    pub tensors: Value,
}

/// Facts and shapes of one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Architecture {
    /// Facts, by field.
    pub facts: Vec<Fact>,
    /// Roles, by component and name.
    pub roles: Vec<RoleShapes>,
    /// Roles of unknown shape, in the order of the roles.
    pub unknown: Vec<UnknownShape>,
    /// Facts on which config.json and tensors disagree, by field.
    pub conflicts: Vec<Conflict>,
    /// What the shapes rest on beside the facts.
    pub assumptions: Vec<Assumption>,
}

impl Architecture {
    /// A fact.
    pub(crate) fn fact(&self, field: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.field == field)
    }

    /// A fact that is a count.
    pub(crate) fn count(&self, field: &str) -> Option<u64> {
        self.fact(field)?.value.as_u64()
    }

    /// A fact that is a word.
    pub(crate) fn word(&self, field: &str) -> Option<&str> {
        self.fact(field)?.value.as_str()
    }

    /// Sets a fact to what the tensors show. A configuration that says something else is a
    /// conflict.
    pub(crate) fn observe(&mut self, field: &str, value: Value) {
        match self.facts.iter_mut().find(|fact| fact.field == field) {
            None => {
                self.facts.push(Fact {
                    field: field.to_owned(),
                    value,
                    source: Source::Tensors,
                    unused: false,
                });
                self.facts
                    .sort_by(|a, b| a.field.as_bytes().cmp(b.field.as_bytes()));
            }
            Some(fact) => {
                let claimed = std::mem::replace(&mut fact.value, value);
                fact.source = Source::Tensors;
                fact.unused = false;
                if claimed != fact.value {
                    let tensors = fact.value.clone();
                    self.conflicts.push(Conflict {
                        field: field.to_owned(),
                        config: claimed,
                        tensors,
                    });
                    self.conflicts
                        .sort_by(|a, b| a.field.as_bytes().cmp(b.field.as_bytes()));
                }
            }
        }
    }

    /// A role by its name.
    pub(crate) fn role(&self, name: &str) -> Option<&RoleShapes> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// Components that have a role, also one of unknown shape.
    pub(crate) fn components(&self) -> BTreeSet<Component> {
        let unknown = self.unknown.iter().map(|role| role.component);
        self.roles
            .iter()
            .map(|role| role.component)
            .chain(unknown)
            .collect()
    }
}

impl RoleShapes {
    /// The most frequent shape.
    pub(crate) fn main(&self) -> Option<&Shape> {
        self.shapes.first()
    }

    /// Whether it counts for comparability: at least two axes longer than 1, and no norm.
    pub(crate) fn is_matrix(&self) -> bool {
        let norm = matches!(
            self.role,
            Role::Norm | Role::QNorm | Role::KNorm | Role::RouterBias | Role::Bias | Role::Buffer
        );
        let wide = |shape: &Shape| shape.axes.iter().filter(|&&axis| axis > 1).count() >= 2;
        !norm && self.main().is_some_and(wide)
    }

    /// Values in all its tensors.
    pub(crate) fn values(&self) -> f64 {
        self.shapes.iter().map(Shape::values).sum()
    }
}

impl Shape {
    /// Values in all tensors of that shape.
    pub fn values(&self) -> f64 {
        self.elements() * self.copies as f64
    }

    /// Values in one tensor. A double, since a config.json may claim any size.
    pub fn elements(&self) -> f64 {
        self.axes.iter().map(|&axis| axis as f64).product()
    }
}

/// The architecture that config.json and the logical shapes of the tensors tell. Either may be
/// missing.
pub(crate) fn describe(config: Option<&Config>, tensors: &[(Meaning, Vec<u64>)]) -> Architecture {
    let mut architecture = Architecture::default();
    if let Some(config) = config {
        facts_of_config(config, &mut architecture);
        if tensors.is_empty() {
            shapes::from_config(config, &mut architecture);
        }
    }
    if !tensors.is_empty() {
        tensors::apply(tensors, &mut architecture);
    }
    architecture
        .facts
        .sort_by(|a, b| a.field.as_bytes().cmp(b.field.as_bytes()));
    architecture
        .conflicts
        .sort_by(|a, b| a.field.as_bytes().cmp(b.field.as_bytes()));
    let place = |component: Component, name: &str| (component.word(), name.to_owned());
    architecture
        .roles
        .sort_by_cached_key(|role| place(role.component, &role.name));
    architecture
        .unknown
        .sort_by_cached_key(|role| place(role.component, &role.name));
    architecture
}

fn facts_of_config(config: &Config, architecture: &mut Architecture) {
    let mut add = |prefix: &str, field: &str, value: Value| {
        let field = format!("{prefix}{field}");
        architecture.facts.push(Fact {
            field,
            value,
            source: Source::Config,
            unused: false,
        });
    };
    if let Some(text) = config.text_if_any() {
        let family = family::family(text.model_type().unwrap_or(""));
        let derived = facts::derived(&text, family);
        for (field, value) in text.facts().into_iter().chain(derived) {
            add("", field, value);
        }
        if let Some(name) = config.architecture() {
            add("", "architecture", json!(name));
        }
        if let Some(method) = config.quantization() {
            add("", "quantization", json!(method));
        }
    }
    for component in [Component::Vision, Component::Audio] {
        if let Some(tower) = Scope::tower(config, component) {
            for (field, value) in tower.facts() {
                add(&format!("{component}."), field, value);
            }
        }
    }
    if shapes::has_no_dense_layer(config)
        && let Some(fact) = architecture
            .facts
            .iter_mut()
            .find(|fact| fact.field == "intermediate_size")
    {
        fact.unused = true;
    }
}
