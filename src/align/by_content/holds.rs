//! Whether a tensor may hold a matrix of the other side, as far as names and sizes say.

use std::collections::BTreeMap;

use crate::model::words::{Class, Component};
use crate::view::logical::Logical;

use super::{Item, is_complex, is_known, is_one_part, is_one_place};

/// Whether a tensor may hold a matrix of the other side. A name says one of the things that are
/// stored as one, or which of them all layers are: what is larger may be more than it says. Of one
/// size both names are taken at their word. (Rows of `up` resemble the columns of `down` of their
/// units.)
pub(super) fn may_hold(whole: &Logical, piece: &Logical) -> bool {
    let is_said = is_known(whole) && is_known(piece);
    let is_larger = whole.elements() > piece.elements();
    let is_vector_of_matrix = is_known_matrix(whole) && piece.shape.len() == 1;
    is_complex(whole) == is_complex(piece)
        && !is_vector_of_matrix
        && (!is_said || is_larger && is_one_place(whole, piece) && is_one_part(whole, piece))
}

/// Whether the name says a matrix, so that no gain or bias is stored in it, however alike one of its
/// rows is.
fn is_known_matrix(logical: &Logical) -> bool {
    logical.meaning.class == Class::Matrix && is_known(logical)
}

/// What [`may_hold`] asks of a tensor, but for its place and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    is_complex: bool,
    is_known: bool,
    component: Component,
}

impl Kind {
    fn new(logical: &Logical) -> Self {
        Self {
            is_complex: is_complex(logical),
            is_known: is_known(logical),
            component: logical.meaning.component,
        }
    }

    /// Whether tensors of two kinds may be parts of one another, the one larger than the other or
    /// not.
    fn may_hold(self, other: Self, is_larger: bool) -> bool {
        let is_said = self.is_known && other.is_known;
        let components = [self.component, other.component];
        let is_one_part = components[0] == components[1] || components.contains(&Component::Other);
        self.is_complex == other.is_complex && (!is_said || is_larger && is_one_part)
    }
}

/// The kinds of many tensors, and the fewest and most elements of those of each: what none of them
/// may hold, or lie in, need not be read.
pub(super) struct Kinds(BTreeMap<Kind, [u64; 2]>);

impl Kinds {
    pub(super) fn new<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut out = BTreeMap::new();
        for item in items {
            let elements = item.logical.elements();
            let [least, most] = out
                .entry(Kind::new(&item.logical))
                .or_insert([elements, elements]);
            *least = elements.min(*least);
            *most = elements.max(*most);
        }
        Self(out)
    }

    /// Whether any of them may hold a matrix.
    pub(super) fn may_hold(&self, piece: &Logical) -> bool {
        let (own, elements) = (Kind::new(piece), piece.elements());
        let mut kinds = self.0.iter();
        kinds.any(|(kind, [_, most])| kind.may_hold(own, *most > elements))
    }

    /// Whether any of them may lie in a tensor.
    pub(super) fn may_lie_in(&self, whole: &Logical) -> bool {
        let (own, elements) = (Kind::new(whole), whole.elements());
        let mut kinds = self.0.iter();
        kinds.any(|(kind, [least, _])| own.may_hold(*kind, elements > *least))
    }
}
