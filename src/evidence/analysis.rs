//! What an analysis is: it looks at two models that were measured, and says what it found to
//! whoever asks: findings, tests, relations, transformations, what it could not test, and what it
//! knows of the target's parts.

use std::any::Any;

use crate::align::Alignment;
use crate::error::Result;
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::model::tokenizer::Tokenizer;
use crate::model::words::Component;
use crate::stats::units::Sampling;
use crate::view::model::Model;

use super::figures::Measurement;
use super::finding::Finding;
use super::formulas::Formulas;
use super::grounds::Grounds;
use super::part::Part;
use super::permutation::blocks::BlocksOfBoth;
use super::relation::Relation;
use super::tests_of_units::Test;
use super::transformation::Transformation;
use super::untested::Untested;

/// What every analysis looks at, and what was asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// Base and target.
    pub models: [&'a Model; 2],
    /// The same, of feed-forwards the units alone of which a sketch keeps values; whole models where
    /// neither is one.
    pub condensed: [&'a Model; 2],
    /// Which of them is a sketch: the values that it does not keep are NaN.
    pub is_sketched: [bool; 2],
    /// Their pairs.
    pub alignment: &'a Alignment,
    /// Measurements of the pairs.
    pub records: &'a [Record],
    /// The same with figures and classes.
    pub measurements: &'a [Measurement<'a>],
    /// Pairs that a formula explains.
    pub formulas: &'a Formulas,
    /// Feed-forwards and experts of `models`.
    pub blocks: &'a BlocksOfBoth<'a>,
    /// The same of `condensed`.
    pub condensed_blocks: &'a BlocksOfBoth<'a>,
    /// Their tokenizers, where there are any.
    pub tokenizers: [Option<&'a Tokenizer>; 2],
    /// What is drawn.
    pub sampling: Sampling,
    /// What was asked.
    pub asked: Asked,
    /// Whether a tensor of that name counts.
    pub keep: &'a (dyn Fn(&str) -> bool + Sync),
    /// Watches the run.
    pub monitor: &'a dyn Monitor,
}

impl Setting<'_> {
    /// Whether a sketch stands for either model.
    pub(crate) fn has_sketch(&self) -> bool {
        self.is_sketched.contains(&true)
    }

    /// Whether the units that contribute most are known of both models, wherever they stand.
    pub(crate) fn knows_largest(&self) -> bool {
        let [base, target] = self.models;
        [base, target].iter().all(|model| model.keeps_largest())
    }

    /// The two models as content is looked for in them: with the units alone that are known.
    pub(crate) fn of_known_units(&self) -> Self {
        Self {
            models: self.condensed,
            blocks: self.condensed_blocks,
            ..*self
        }
    }
}

/// Which analyses were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Tests on the order of units.
    pub units: bool,
    /// Tests that see through a disguise, and the map of layers.
    pub deep: bool,
    /// Principal subspaces: of which matrices.
    pub subspaces: Option<Extent>,
}

/// How many matrices are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A few of them.
    Sample,
    /// All of them.
    All,
}

/// One analysis, done. What a method is not defined for it says nothing about.
///
/// A new analysis is a file with this trait and one line in [`super::analyses`].
pub(crate) trait Analysis: Any {
    /// Looks at the models; `found` is what analyses of earlier stages found. `None` where it was
    /// not asked for or does not apply.
    ///
    /// # Errors
    /// A read that fails, or an interrupt.
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>>
    where
        Self: Sized;

    /// Whether it reads values that a sketch has not: of two models of which one is a sketch it says
    /// nothing.
    fn needs_all_values() -> bool
    where
        Self: Sized,
    {
        false
    }

    /// What it says, the bounds not yet paid for beside other families.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Single tests of units beside those in their places.
    fn further_tests(&self) -> Vec<Test> {
        Vec::new()
    }

    /// Relations that it shows, of the model or of one component, whose graded parts are given.
    fn relations(&self, _parts: &[Part], _about: Option<Component>) -> Vec<Relation> {
        Vec::new()
    }

    /// Transformations that it recovered.
    fn transformations(&self) -> Vec<Transformation> {
        Vec::new()
    }

    /// What it could not test.
    fn untested(&self) -> Vec<Untested> {
        Vec::new()
    }

    /// Sets its tests on the parts of the target, and adds parts of its own.
    fn place(&self, _parts: &mut Vec<Part>) {}

    /// Takes off parts what it knows to be blind, once all tests are placed and counted.
    fn overrule(&self, _parts: &mut [Part]) {}

    /// Takes back grades that it knows to be unsound, once all parts are graded.
    fn doubt(&self, _parts: &mut [Part]) {}

    /// Adds its numbers to what the verdict on the model, or on one component, rests on.
    fn weigh(&self, _about: Option<Component>, _grounds: &mut Grounds) {}
}

/// What the analyses found, in the order in which they are told.
#[derive(Default)]
pub(crate) struct Found(Vec<Option<Box<dyn Analysis>>>);

impl Found {
    /// Room for `count` analyses.
    pub(super) fn with_room(count: usize) -> Self {
        Self((0..count).map(|_| None).collect())
    }

    /// Takes what an analysis found, at its place in the order of telling.
    pub(super) fn put(&mut self, place: usize, analysis: Option<Box<dyn Analysis>>) {
        self.0[place] = analysis;
    }

    /// All that found something to say.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn Analysis> {
        self.0.iter().filter_map(Option::as_deref)
    }

    /// One analysis by its type; `None` where it did not run or does not apply.
    pub(crate) fn get<A: Analysis>(&self) -> Option<&A> {
        self.iter().find_map(|analysis| {
            let any: &dyn Any = analysis;
            any.downcast_ref()
        })
    }

    /// One analysis by its type, to be changed by what a later one learnt.
    pub(crate) fn get_mut<A: Analysis>(&mut self) -> Option<&mut A> {
        let analyses = self.0.iter_mut().filter_map(Option::as_deref_mut);
        analyses.into_iter().find_map(|analysis| {
            let any: &mut dyn Any = analysis;
            any.downcast_mut()
        })
    }
}

/// Whether an analysis of a component is about what is asked for: one component, or all.
pub(crate) fn is_about(component: Component, about: Option<Component>) -> bool {
    about.is_none_or(|asked| asked == component)
}
