//! What was paired so far, and what it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::align::Pair;
use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;

use super::alike::Match;
use super::{ByContent, Item, item, paired, place, profile, turned_back};

/// A matrix that was found in a tensor of the other side.
#[derive(Clone)]
pub(super) struct Laid {
    /// The tensor.
    pub(super) whole: Arc<Logical>,
    /// The matrix.
    pub(super) piece: Arc<Logical>,
    /// Where in the tensor it is.
    pub(super) place: place::Place,
}

/// What was paired so far.
#[derive(Default)]
pub(super) struct Made {
    pub(super) found: ByContent,
    pub(super) pairs: Vec<Pair>,
    /// Names of what is paired, as the sides have them left.
    pub(super) taken: Sides<Vec<String>>,
    /// Where matrices of the other side were found in tensors of a side.
    pub(super) laid: Sides<Vec<Laid>>,
    /// What is left of tensors of which a part is paired, and cannot be paired itself.
    rest: Sides<Vec<Logical>>,
}

impl Made {
    /// Pairs what `find` finds among what is left, and takes it out.
    pub(super) fn take(
        &mut self,
        left: &mut Sides<Vec<Item>>,
        find: impl Fn(&Sides<Vec<Item>>) -> Vec<Match>,
        count: impl Fn(&mut ByContent) -> &mut usize,
    ) {
        let found = find(left);
        self.take_matches(left, found, count);
    }

    fn take_matches(
        &mut self,
        left: &mut Sides<Vec<Item>>,
        found: Vec<Match>,
        count: impl Fn(&mut ByContent) -> &mut usize,
    ) {
        let mut gone: Sides<BTreeSet<usize>> = Sides::default();
        for found in found {
            let items = Sides {
                base: &left.base[found.places.base],
                target: &left.target[found.places.target],
            };
            let Some(pair) = paired(items, &found.order) else {
                continue;
            };
            for side in Side::BOTH {
                gone.get_mut(side).insert(*found.places.get(side));
                let name = items.get(side).logical.name.clone();
                self.taken.get_mut(side).push(name);
            }
            *count(&mut self.found) += 1;
            self.pairs.push(pair);
        }
        for side in Side::BOTH {
            let gone = gone.get(side);
            let mut at = 0;
            left.get_mut(side).retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
    }

    /// Pairs what resembles each other in what no order changes.
    pub(super) fn take_profiles(
        &mut self,
        models: Sides<&Model>,
        left: &mut Sides<Vec<Item>>,
    ) -> Result<()> {
        let profiles = Sides {
            base: profile::Profiles::new(models.base, &left.base)?,
            target: profile::Profiles::new(models.target, &left.target)?,
        };
        let mut found = profile::equal_values(left, &profiles);
        let profile::ByNorms { whole, inside } =
            profile::by_norms(models, left, &profiles, &found)?;
        found.extend(whole);

        // All was found at the places of these lists, and what is taken leaves them.
        let names_of = |items: &Vec<Item>| -> Vec<String> {
            items.iter().map(|item| item.logical.name.clone()).collect()
        };
        let names = left.as_ref().map(names_of);
        self.take_matches(left, found, |found| &mut found.alike);
        for (side, found) in [(Side::Base, inside.base), (Side::Target, inside.target)] {
            let now = left.as_ref().map(|items| {
                let named = items.iter().enumerate();
                let places = named.map(|(at, item)| (item.logical.name.clone(), at));
                places.collect::<BTreeMap<String, usize>>()
            });
            let moved = found.into_iter().filter_map(|found| {
                let whole = &names.get(side)[found.whole];
                let piece = &names.get(side.other())[found.piece];
                Some(place::Found {
                    whole: *now.get(side).get(whole)?,
                    piece: *now.get(side.other()).get(piece)?,
                    ..found
                })
            });
            self.take_runs(moved.collect(), side, models, left)?;
        }
        Ok(())
    }

    /// Pairs what was found inside tensors of `side`, and takes these out; what is left of them
    /// stands in their place.
    pub(super) fn take_runs(
        &mut self,
        found: Vec<place::Found>,
        side: Side,
        models: Sides<&Model>,
        left: &mut Sides<Vec<Item>>,
    ) -> Result<()> {
        let mut places: BTreeMap<usize, Vec<place::Place>> = BTreeMap::new();
        let mut gone: Sides<BTreeSet<usize>> = Sides::default();
        for place::Found {
            whole,
            piece,
            place,
        } in found
        {
            let own = &left.get(side)[whole];
            let other = &left.get(side.other())[piece];
            let cut = Item {
                logical: Arc::new(place.cut(&own.logical)),
                sketch: own.sketch.clone(),
            };
            let order: Vec<usize> = (0..cut.logical.shape.len()).collect();
            let Some(pair) = paired(Sides::placed(side, &cut, other), &order) else {
                continue;
            };
            let as_left = Sides::placed(side, own, other).map(|item| item.logical.as_ref());
            let pair = turned_back(pair, as_left);
            let via = if cut.logical.name == own.logical.name {
                pair.via
            } else {
                Via::Split
            };
            self.pairs.push(Pair { via, ..pair });
            self.found.alike += 1;
            let laid = Laid {
                whole: Arc::clone(&own.logical),
                piece: Arc::clone(&other.logical),
                place: place.clone(),
            };
            self.laid.get_mut(side).push(laid);
            self.taken
                .get_mut(side.other())
                .push(other.logical.name.clone());
            gone.get_mut(side).insert(whole);
            gone.get_mut(side.other()).insert(piece);
            places.entry(whole).or_default().push(place);
        }
        let mut rest = Vec::new();
        for (whole, places) in &places {
            let logical = &left.get(side)[*whole].logical;
            self.taken.get_mut(side).push(logical.name.clone());
            for rest_of in place::rest_of(logical, places) {
                match item(models.get(side), &Arc::new(rest_of.clone()))? {
                    Some(item) => rest.push(item),
                    None => self.rest.get_mut(side).push(rest_of),
                }
            }
        }
        for side in Side::BOTH {
            let mut at = 0..;
            let gone = gone.get(side);
            left.get_mut(side)
                .retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
        }
        left.get_mut(side).append(&mut rest);
        Ok(())
    }

    /// What is left of a side of tensors of which a part was paired.
    pub(super) fn rests(
        &mut self,
        side: Side,
        stored: &BTreeSet<&str>,
        left: &[Item],
    ) -> Vec<Logical> {
        let rests = left.iter().map(|item| &item.logical);
        let rests = rests.filter(|rest| !stored.contains(rest.name.as_str()));
        let mut out = std::mem::take(self.rest.get_mut(side));
        out.extend(rests.map(|rest| Logical::clone(rest)));
        out
    }

    /// Takes over those stacks of `side` of which every matrix was paired.
    pub(super) fn take_whole_stacks(
        &mut self,
        of_stacks: Self,
        side: Side,
        counts: &BTreeMap<String, usize>,
        left: &mut Sides<Vec<Item>>,
    ) {
        let stack_of = |name: &str| name.rsplit_once('[').map(|(stack, _)| stack.to_owned());
        let mut by_stack: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
        for pair in of_stacks.pairs {
            let own = &pair.sides().get(side).name;
            if let Some(stack) = stack_of(own) {
                by_stack.entry(stack).or_default().push(pair);
            }
        }
        let wholes: BTreeMap<&str, &Arc<Logical>> = left
            .get(side)
            .iter()
            .map(|item| (item.logical.name.as_str(), &item.logical))
            .collect();
        let mut gone: Sides<BTreeSet<String>> = Sides::default();
        for (stack, pairs) in by_stack {
            if counts.get(&stack) != Some(&pairs.len()) {
                continue;
            }
            for pair in &pairs {
                let sides = pair.sides();
                let laid = wholes.get(stack.as_str()).and_then(|whole| {
                    Some(Laid {
                        whole: Arc::clone(whole),
                        piece: Arc::new(Logical::clone(sides.get(side.other()))),
                        place: place::Place::Rows(place::Spot::of_cut(whole, sides.get(side))?),
                    })
                });
                self.laid.get_mut(side).extend(laid);
            }
            let others = pairs
                .iter()
                .map(|pair| pair.sides().get(side.other()).name.clone());
            gone.get_mut(side.other()).extend(others);
            gone.get_mut(side).insert(stack);
            self.found.alike += pairs.len();
            let stacked = pairs.into_iter().map(|pair| Pair {
                via: match pair.sides().get(side).stored_as.rows {
                    RowOrder::Runs(_) => Via::Split,
                    _ => Via::Stacked,
                },
                ..pair
            });
            self.pairs.extend(stacked);
        }
        for side in Side::BOTH {
            let gone = gone.get(side);
            left.get_mut(side)
                .retain(|item| !gone.contains(&item.logical.name));
            self.taken.get_mut(side).extend(gone.iter().cloned());
        }
    }
}
