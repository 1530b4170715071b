//! A pair of values, one of the base and one of the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of the two models that are compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The model that the other may have been made from.
    Base,
    /// The model in question.
    Target,
}

impl Side {
    /// Both, the base first.
    pub const BOTH: [Self; 2] = [Self::Base, Self::Target];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Base => Self::Target,
            Self::Target => Self::Base,
        }
    }

    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Target => "target",
        }
    }
}

/// A value for the base and one for the target.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    JsonSchema,
    Deserialize,
)]
pub struct Sides<T> {
    /// The base's.
    pub base: T,
    /// The target's.
    pub target: T,
}

impl<T> Sides<T> {
    /// `own` on one side, `other` on the other.
    pub fn placed(side: Side, own: T, other: T) -> Self {
        match side {
            Side::Base => Self {
                base: own,
                target: other,
            },
            Side::Target => Self {
                base: other,
                target: own,
            },
        }
    }

    /// The value of one side.
    pub const fn get(&self, side: Side) -> &T {
        match side {
            Side::Base => &self.base,
            Side::Target => &self.target,
        }
    }

    /// The value of one side, to be changed.
    pub const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Base => &mut self.base,
            Side::Target => &mut self.target,
        }
    }

    /// Both values in references.
    pub const fn as_ref(&self) -> Sides<&T> {
        Sides {
            base: &self.base,
            target: &self.target,
        }
    }

    /// The same of both sides.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Sides<U> {
        Sides {
            base: change(self.base),
            target: change(self.target),
        }
    }

    /// Each value with that of `other` on the same side.
    pub fn zip<U>(self, other: Sides<U>) -> Sides<(T, U)> {
        Sides {
            base: (self.base, other.base),
            target: (self.target, other.target),
        }
    }

    /// Both values, the base's first.
    pub fn into_array(self) -> [T; 2] {
        [self.base, self.target]
    }

    /// Both values in references, the base's first.
    pub fn iter(&self) -> std::array::IntoIter<&T, 2> {
        [&self.base, &self.target].into_iter()
    }
}

impl<T> From<[T; 2]> for Sides<T> {
    fn from([base, target]: [T; 2]) -> Self {
        Self { base, target }
    }
}
