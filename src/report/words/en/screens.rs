//! What is said on one screen.

use super::super::{
    Apart, Caveat, Chance, InPlace, Meanings, Pairs, PlainScale, Screens, Sure, Typed, files_aside,
};
use super::{English, findings, merges, ranking};
use crate::evidence::finding::{NoiseFloor, Statement};
use crate::evidence::part::State;
use crate::evidence::relation::Relation;
use crate::evidence::tests_of_units::UnitKind;
use crate::model::architecture::Comparability;
use crate::report::document::Line;
use crate::report::number::{self, count};
use crate::report::schema::{LibraryRow, Rank};
use crate::verdict::decide::Label;

/// Two names with words around them.
fn between(first: &str, between: &str, second: &str, after: &str) -> Line {
    Line::name(first)
        .text(between)
        .then(Line::name(second))
        .text(after)
}

/// What two models are that are related so.
fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::FineTuned => "a model and its fine-tune",
        Relation::ContinuedPretraining => "a model and its continued pre-training",
        Relation::VocabularyExtended => "a model and one with more tokens",
        Relation::Pruned => "a model and one with units left out",
        Relation::DepthUpscaled => "a model and one with layers repeated",
        Relation::DepthPruned => "a model and one with layers left out",
        Relation::LayersReordered => "a model and one with its layers in another order",
        Relation::WidthPruned => "a model and a narrower one made of it",
        Relation::Widened => "a model and a wider one made of it",
        Relation::Upcycled => "a dense model and a mixture of experts made of it",
        Relation::Permuted => "a model and one with units in another order",
        Relation::Rotated => "a model and one with its residual stream rotated",
        Relation::QuantizedFineTune => "a model and a quantised fine-tune of it",
        Relation::Adapter => "a model and an adapter of it",
        Relation::Renamed => "a model and one whose tensors have other names",
        Relation::Merged => "a model and a merge that it went into",
        Relation::SharedInitializationPossible => "two trainings from one start",
    }
}

impl Screens for English {
    fn compared(&self, label: Label, base: &str, target: &str) -> Line {
        match label {
            Label::Identical => between(target, " is ", base, ", byte for byte"),
            Label::ReEncoded => {
                between(target, " holds the values of ", base, ", stored otherwise")
            }
            Label::Derived => between(target, " shares its weights with ", base, ""),
            Label::PartialReuse => between(target, " shares some weights with ", base, ", not all"),
            Label::FromScratch => between(target, " is independent of ", base, ""),
            Label::Inconclusive => Line::from("whether ").then(between(
                target,
                " shares weights with ",
                base,
                " cannot be told",
            )),
        }
    }

    fn concluded(&self, report: &Rank) -> Line {
        let conclusion = &report.conclusion;
        let target = &report.target.name;
        let bases = report.ranking.len() as u64;
        let others = bases.saturating_sub(conclusion.related.max(1));
        let others = match (bases, conclusion.related, others) {
            (1, ..) | (_, _, 0) => String::new(),
            (_, 0 | 1, 1) => ", and not with the other base".to_owned(),
            (_, 0 | 1, n) => format!(", and with none of the other {} bases", count(n)),
            (_, related, _) => {
                format!("; {} of {} bases are related", count(related), count(bases))
            }
        };
        if let (Some(merge), Label::Derived | Label::PartialReuse) =
            (&conclusion.merge, conclusion.label)
        {
            return Line::name(target)
                .text(" is a merge of several bases: ")
                .then(Line::name(merges::merge(merge)));
        }
        if let Some(nearest) = report.nearest() {
            return between(target, " is a relative of ", nearest, "")
                .text(", the nearest of the bases given")
                .text("; whether that is its parent cannot be told");
        }
        match (conclusion.candidates.as_slice(), conclusion.label) {
            ([], _) => {}
            ([only], _) => return between(target, " is a relative of ", only, &others),
            (several, Label::PartialReuse) => {
                let several = listed(several);
                return between(target, " shares some weights with each of ", &several, "")
                    .text("; which of them is nearest cannot be told");
            }
            (several, _) => {
                return between(target, " is a relative of ", &listed(several), "")
                    .text("; which of them is nearest cannot be told");
            }
        }
        let base = conclusion.base.as_deref().unwrap_or_default();
        match (conclusion.label, bases) {
            (Label::FromScratch, 1) => {
                let only = report
                    .ranking
                    .first()
                    .map_or("", |row| row.base.name.as_str());
                self.compared(Label::FromScratch, only, target)
            }
            (Label::FromScratch, n) => Line::name(target).text(format!(
                " is independent of each of the {} bases given",
                count(n)
            )),
            (Label::Inconclusive, _) => Line::from("whether ")
                .then(Line::name(target))
                .text(" shares weights with any of the bases given cannot be told"),
            (label, _) => self.compared(label, base, target).text(others),
        }
    }

    fn comparable_with(
        &self,
        comparability: Comparability,
        target: &str,
        base: &str,
        bases: u64,
        share: Option<&str>,
    ) -> Line {
        let best = if bases > 1 { "at best " } else { "" };
        match (comparability, share) {
            (Comparability::None, _) if bases > 1 => Line::from("no matrix of ")
                .then(Line::name(target))
                .text(format!(
                    " has the shape of one in any of the {} bases",
                    count(bases)
                )),
            (Comparability::None, _) => Line::from("no matrix of ").then(between(
                target,
                " has the shape of one in ",
                base,
                "",
            )),
            (_, Some(share)) => Line::from(format!("{best}{share} of the values of ")).then(
                between(target, " lie in tensors whose shapes ", base, " has too"),
            ),
            (_, None) => between(target, " has shapes that ", base, " has too"),
        }
    }

    fn inspected(&self, name: &str, tensors: u64, parameters: &str) -> Line {
        Line::name(name).text(format!(
            " holds {} tensors, {parameters} parameters",
            count(tensors)
        ))
    }

    fn caveat(&self, caveat: &Caveat<'_>) -> String {
        match caveat {
            Caveat::NoOtherModel => {
                "This says nothing of other models; distillation leaves no trace in weights."
                    .to_owned()
            }
            Caveat::Adapter => {
                "Verdict on an adapter: it holds changes to a model's matrices, of any base of \
                 these shapes, and no model."
                    .to_owned()
            }
            Caveat::LeftAside(files) => {
                let (shown, more) = files_aside(self, files);
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {} more", count(more)),
                };
                format!("Not read: {shown}{more}.")
            }
            Caveat::Direction(relations) => {
                let shared = relations.contains(&Relation::SharedInitializationPossible);
                let told = relations
                    .iter()
                    .filter(|relation| **relation != Relation::SharedInitializationPossible)
                    .map(|one| relation(*one))
                    .collect::<Vec<_>>();
                let told = match told.as_slice() {
                    [] => String::new(),
                    told => format!("As between {}. ", told.join("; ")),
                };
                if shared {
                    return format!(
                        "{told}One was made from the other, both from a third model, or both \
                         trained from one start; weights do not tell which."
                    );
                }
                format!(
                    "{told}One was made from the other, or both from a third model; \
                     weights do not tell which came first."
                )
            }
        }
    }

    fn other_warnings(&self, n: u64) -> String {
        match n {
            1 => "1 note under --full.".to_owned(),
            n => format!("{} notes under --full.", count(n)),
        }
    }

    fn state(&self, state: State) -> &'static str {
        state.word()
    }

    fn of_matrix_parameters(&self, parameters: &str) -> String {
        format!("of the target's {parameters} parameters in matrices (norms are never judged)")
    }

    fn roles_in(&self, roles: &str, layers: &str, n: usize) -> String {
        match n {
            0 => roles.to_owned(),
            1 => format!("{roles} in layer {layers}"),
            _ => format!("{roles} in layers {layers}"),
        }
    }

    fn changed(
        &self,
        roles: &str,
        more: bool,
        median: Option<&str>,
        identical: u64,
        aligned: u64,
    ) -> String {
        let more = if more { " and more" } else { "" };
        let median = median.map_or(String::new(), |median| {
            format!(" (median change of these {median})")
        });
        format!(
            "changed: {roles}{more}{median}; {} of {} tensors byte-identical",
            count(identical),
            count(aligned)
        )
    }

    fn cosines_from_to(&self, cosines: Option<[String; 2]>) -> String {
        match cosines {
            None => number::ABSENT.to_owned(),
            Some([low, high]) if low == high => low,
            Some([low, high]) => format!("{low} to {high}"),
        }
    }

    fn so_many_of(&self, part: u64, whole: u64) -> String {
        format!("{} of {}", count(part), count(whole))
    }

    fn more_runs(&self, n: u64) -> String {
        format!(
            "and {} more runs of layers; --full lists them all",
            count(n)
        )
    }

    fn more_bases(&self, n: u64) -> String {
        format!("and {} more bases; --full lists them all", count(n))
    }

    fn chance(&self, chance: &Chance) -> String {
        match (chance.log10_p, &chance.test) {
            (Some(bound), Some(test)) => {
                let bound = number::chance(Some(bound));
                let bound = bound.trim_start_matches("< ");
                format!("Chance that unrelated models agree like this: below {bound} ({test}).")
            }
            _ if chance.identical > 0 => format!(
                "{} informative tensors are byte-identical; no other test gave a bound on chance.",
                count(chance.identical)
            ),
            _ => match &chance.excess {
                Some(excess) => format!(
                    "No test gave a bound on chance; matrices are alike by {excess} beyond what a \
                     random order would give."
                ),
                None => "No test gave a bound on chance.".to_owned(),
            },
        }
    }

    fn seen_by(&self, statement: &Statement) -> String {
        match statement {
            Statement::EqualBytes { tensors, matrices } => {
                format!("byte-identical tensors: {tensors}, {matrices} of them matrices")
            }
            Statement::UnitsInPlace {
                probed: Some(hits), ..
            } => format!(
                "units in their own places: {} of {}",
                hits.hits, hits.probes
            ),
            Statement::UnitsInPlace { probed: None, .. } => "units in their own places".to_owned(),
            Statement::FoundTwice { hits, layers, .. } if *layers > 0 => format!(
                "units found by content, wherever they stand: {} of {}, in {layers} layers",
                hits.hits, hits.probes
            ),
            Statement::PlacedLayers { placed, layers, .. } => {
                format!("layers found by content: {placed} of {layers}")
            }
            Statement::RoutedExperts { found, all, .. } => {
                format!("experts found by content: {found} of {all}")
            }
            Statement::DenseAndExperts { found, experts, .. } => {
                format!(
                    "experts that share units with the dense feed-forward: {found} of {experts}"
                )
            }
            other => findings::statement(other),
        }
    }

    fn in_place(&self, units: &InPlace<'_>) -> String {
        let (hits, probes) = (count(units.hits), count(units.probes));
        let what = match (units.kind, units.name) {
            (UnitKind::Ffn, _) => "feed-forward units".to_owned(),
            (UnitKind::Expert, _) => "experts' units".to_owned(),
            (UnitKind::Residual, Some(name)) => format!("residual dimensions of {name}"),
            (UnitKind::Residual, None) => "residual dimensions".to_owned(),
            (_, Some(name)) => format!("rows of {name}"),
            (kind, None) => kind.word().replace('_', " "),
        };
        format!("{what} in place: {hits} of {probes}")
    }

    fn undone(&self, kinds: &[(&str, String, Option<String>)]) -> String {
        let one = |(kind, layers, cosine): &(&str, String, Option<String>)| {
            let layers = match layers.as_str() {
                "" => String::new(),
                layers => format!(" in layers {layers}"),
            };
            let cosine = cosine
                .as_deref()
                .map(|cosine| format!(" (cosine {cosine})"));
            format!("{kind}{layers}{}", cosine.unwrap_or_default())
        };
        let kinds: Vec<String> = kinds.iter().map(one).collect();
        format!("Undone: {}.", kinds.join("; "))
    }

    fn seen_by_word(&self, word: &str) -> String {
        match word {
            "permutation" => "units in place".to_owned(),
            "layer_map" => "layer map".to_owned(),
            "transformation" => "disguise undone".to_owned(),
            "ffn_permuted" => "units re-ordered".to_owned(),
            "heads_permuted" => "heads re-ordered".to_owned(),
            "residual_permuted" => "stream re-ordered".to_owned(),
            "residual_rotated" => "rotation".to_owned(),
            "experts_permuted" => "experts re-ordered".to_owned(),
            "channels_rescaled" => "channels rescaled".to_owned(),
            other => other.replace('_', " "),
        }
    }

    fn null_result(&self, sure: &Sure<'_>) -> String {
        let covered = format!(
            "{} of the target's matrices have a counterpart.",
            sure.covered
        );
        match sure.seen {
            Some(seen) => format!(
                "A reuse of {seen} of the units in place would have been seen with 95 % probability; \
                 {covered}"
            ),
            None => format!("No test of units had the power to see a reuse. {covered}"),
        }
    }

    fn within_formats(&self, floor: &NoiseFloor) -> String {
        let least = match floor.least_within {
            all if all >= 1.0 => "all".to_owned(),
            least => format!("at least {}", number::percent(Some(least))),
        };
        format!(
            "In each of the {} informative tensors {least} of the elements are within half a step \
             of both number formats{}.",
            floor.tensors,
            if floor.calibrated {
                ", or of what a calibrated quantiser does"
            } else {
                ""
            }
        )
    }

    fn plain_scale(&self, scale: &PlainScale<'_>) -> String {
        let pattern = scale.pattern.word().replace('_', " ");
        let meaning = self.pattern(scale.pattern);
        let read = match (scale.mean, scale.band) {
            (Some(mean), Some(band)) => format!(
                "Plain mean cosine {mean}: \"{}\" ({}); layer pattern {pattern}: {meaning}.",
                self.band(band),
                self.band_range(band)
            ),
            _ => "There is no plain mean cosine.".to_owned(),
        };
        match (scale.agrees, scale.why) {
            (Some(true), _) if scale.pattern_agrees == Some(false) => format!(
                "{read} The mean agrees with the verdict; the pattern does not, for it sees layers \
                 of equal number, as stored."
            ),
            (Some(true), _) if scale.pattern_agrees.is_none() => {
                format!("{read} The mean agrees with the verdict.")
            }
            (Some(true), _) => format!("{read} Both agree with the verdict."),
            (Some(false), Some(why)) => {
                let why = match why {
                    Apart::AlikeInUnrelated => {
                        "it counts norms and constants, which are alike in any two models"
                    }
                    Apart::PulledDown => "the independent parts pull it down",
                    Apart::AsStored => "it compares tensors of equal name, as stored",
                    Apart::MovedFar => "matrices moved far, while units kept their places",
                };
                format!("{read} The mean disagrees with the verdict: {why}.")
            }
            (Some(false), None) => format!("{read} The mean and the verdict disagree."),
            (None, _) => read,
        }
    }

    fn families(&self, models: u64, families: u64, alone: u64) -> String {
        let families = match families {
            1 => "1 family".to_owned(),
            more => format!("{} families", count(more)),
        };
        format!(
            "{} models: {families}, {} with no relative found. Units were looked for in their places, \
             and in any order in one layer: another basis would not be seen, so nothing found says \
             nothing.",
            count(models),
            count(alone)
        )
    }

    fn family(&self, models: u64) -> String {
        format!("{} models, each under its nearest relative", count(models))
    }

    fn library(&self, library: &LibraryRow, chance: Option<&str>) -> String {
        let deep = number::count(library.looked_at_deeply);
        let sketches = number::count(library.sketches);
        let beside = match library.checkpoints {
            0 => String::new(),
            more => format!(" and {} checkpoints", number::count(more)),
        };
        let looked = format!("{sketches} sketches{beside}, {deep} of them looked at in every form");
        match chance {
            Some(chance) => format!("{looked}; chance over all of them {chance}"),
            None => looked,
        }
    }

    fn controls(&self, highest: &str, lowest: &str, is_control: bool) -> String {
        let range = match lowest == highest {
            true => highest.to_owned(),
            false => format!("{lowest} to {highest}"),
        };
        let reached = format!("the bases among themselves reach an excess of {range}");
        if is_control {
            reached
        } else {
            format!("{reached}; none is unrelated, so the scale has no control")
        }
    }

    fn no_control(&self) -> &'static str {
        "one base alone: the scale has no control"
    }

    fn relatives(&self, nearest: &str, others: &[String]) -> String {
        format!(
            "{nearest}, or a model near it that is not given, stands between the target and {}",
            listed(others)
        )
    }

    fn between(&self, pairs: &Pairs<'_>) -> String {
        format!(
            "the target, or a model near it that is not given, stands between {}",
            ranking::between(pairs)
        )
    }

    fn sum_of_target(&self, base: &str, with: &str) -> String {
        format!(
            "{base} is a mean of the target and {with}: made from the target, not it from {base}"
        )
    }

    fn criteria(&self, scratch: (u64, u64), tuned: (u64, u64)) -> String {
        format!(
            "criteria of the plain mean-cosine scale: {} of {} for from scratch, {} of {} for \
             fine-tuning; they see the tensors as stored only",
            scratch.0, scratch.1, tuned.0, tuned.1
        )
    }

    fn criteria_in_short(&self, scratch: (u64, u64), tuned: (u64, u64)) -> String {
        format!(
            "{} of {} criteria for from scratch, {} of {} for fine-tuning",
            scratch.0, scratch.1, tuned.0, tuned.1
        )
    }

    fn would_have_had_to_change(&self, changes: &str) -> String {
        format!("would have had to change: {changes}")
    }

    fn verified(&self, report: &str, differences: u64) -> Line {
        let said = match differences {
            0 => " comes out the same from these files".to_owned(),
            1 => " does not come out the same: 1 field differs".to_owned(),
            n => format!(" does not come out the same: {} fields differ", count(n)),
        };
        Line::name(report).text(said)
    }

    fn other_version(&self, version: &str) -> String {
        format!(
            "The report is of another version than {version}: what both versions have was compared."
        )
    }

    fn foot(&self, version: &str) -> String {
        format!("wcmp {version}; every test and table:")
    }

    fn foot_of_many(&self, version: &str) -> String {
        format!("wcmp {version}; every test and table: the same command with --full")
    }

    fn inspect_foot(&self, version: &str) -> String {
        format!("wcmp {version}; config.json with --full, every tensor with --tensors.")
    }
}

/// Names one after the other, the last with "and"; of many the first ones.
fn listed(names: &[String]) -> String {
    /// Names that a line has room for.
    const MOST: usize = 5;
    match names {
        [only] => only.clone(),
        [first @ .., last] if names.len() <= MOST => format!("{} and {last}", first.join(", ")),
        _ => {
            let more = names.len().saturating_sub(MOST);
            format!(
                "{} and {more} more",
                names[..names.len().min(MOST)].join(", ")
            )
        }
    }
}
