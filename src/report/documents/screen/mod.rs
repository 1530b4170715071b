//! The answer on one screen (guide/contract.md, section 5): what is said where nobody asked for
//! every test and table.

mod arch;
mod compare;
mod inspect;
mod rank;
mod runs;

pub(in crate::report) use arch::arch;
pub(in crate::report) use compare::compare;
pub(in crate::report) use inspect::inspect;
pub(in crate::report) use rank::{least, rank};

use super::verdict;
use crate::evidence::relation::Relation;
use crate::model::checkpoint::WhyAside;
use crate::report::document::{Block, Cell, Column, Document, Line, Opening, Table, cells};
use crate::report::number;
use crate::report::schema::{CheckpointRow, LeftAsideRow, SettingsRow, VerdictRow, WarningRow};
use crate::report::words::{Caveat, Language, Term};
use crate::report::{documents, reproduce};
use crate::verdict::decide::Label;

/// Digits of a digest that a quoted report needs to name its files.
const DIGEST_DIGITS: usize = 16;

/// What is to be said before anything is quoted, the gravest first.
fn caveats(
    say: Language,
    settings: Option<&SettingsRow>,
    verdicts: &[&VerdictRow],
    warnings: &[WarningRow],
    left_aside: &[LeftAsideRow],
) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    out.extend(settings.and_then(|settings| documents::filter(say, settings)));
    for warning in warnings.iter().filter(|warning| is_grave(warning)) {
        out.push(documents::warning(say, warning).into());
    }
    // Another model among them has been told of.
    let others: Vec<LeftAsideRow> = left_aside
        .iter()
        .filter(|row| row.why != WhyAside::AnotherModel)
        .cloned()
        .collect();
    if !others.is_empty() {
        out.push(say.caveat(&Caveat::LeftAside(&others)).into());
    }
    let related =
        |verdict: &&&VerdictRow| matches!(verdict.label, Label::Derived | Label::PartialReuse);
    let is_adapter = |verdict: &&VerdictRow| {
        verdict.label == Label::Inconclusive && verdict.relations.contains(&Relation::Adapter)
    };
    if !verdicts.is_empty() && verdicts.iter().all(is_adapter) {
        out.push(say.caveat(&Caveat::Adapter).into());
    }
    if let Some(verdict) = verdicts.iter().find(related) {
        out.push(say.caveat(&Caveat::Direction(&verdict.relations)).into());
    } else if verdicts.iter().all(|v| v.label == Label::FromScratch) && !verdicts.is_empty() {
        out.push(say.caveat(&Caveat::NoOtherModel).into());
    }
    out
}

/// Whether a reader who quotes the answer must know of it.
fn is_grave(warning: &WarningRow) -> bool {
    const GRAVE: [&str; 17] = [
        "from_sketch",
        "declared_base_contradicted",
        "declared_base_confirmed",
        "declared_base_differs",
        "shards_missing",
        "part_missing",
        "pickle_parts",
        "layers_missing",
        "another_model_beside",
        "unsupported_quantization",
        "scale_missing",
        "few_levels",
        "not_finite",
        "zero_matrix",
        "constant_matrix",
        "no_elements",
        "ends_in_zeros",
    ];
    GRAVE.contains(&warning.code.as_str())
}

/// How many warnings are told elsewhere.
fn other_warnings(say: Language, warnings: &[WarningRow]) -> Option<Block> {
    let others = warnings.iter().filter(|warning| !is_grave(warning)).count();
    (others > 0).then(|| Block::Paragraph(say.other_warnings(others as u64).into()))
}

/// Who was compared: a row a model, its digest in short.
fn who<'a>(models: impl IntoIterator<Item = (String, &'a CheckpointRow)>) -> Table {
    let mut table = Table::new([
        Column::words(""),
        Column::names(""),
        Column::numbers(""),
        Column::words(""),
        Column::names("").dropped(1),
        Column::words(""),
    ]);
    for (label, model) in models {
        let digest = model.model_digest.as_deref().map_or_else(
            || number::ABSENT.to_owned(),
            |digest| {
                let first: String = digest.chars().take(DIGEST_DIGITS).collect();
                format!("sha256 {first}…")
            },
        );
        table.row(cells![
            label,
            Line::name(&model.name),
            super::checkpoint::parameters(model),
            super::checkpoint::dtypes(&model.dtypes),
            super::optional(model.architecture.as_deref()),
            Line::word(digest),
        ]);
    }
    table
}

/// Ends the screen: which program, and how to see everything.
fn foot(
    document: &mut Document,
    version: &str,
    command: &'static str,
    paths: Vec<String>,
    settings: Option<&SettingsRow>,
) {
    document.foot = Some(document.words.foot(version).into());
    let settings = settings.cloned();
    document.command = Some(Box::new(move |columns| {
        let mut words = reproduce::words(command, &paths);
        words.extend(settings.iter().flat_map(reproduce::changed));
        words.push("--full".to_owned());
        reproduce::broken(&words, columns)
    }));
}

/// The opening of a verdict.
fn opened(verdict: &VerdictRow, sentence: Line, caveats: Vec<Line>) -> Opening {
    Opening {
        word: verdict.label.word(),
        confidence: verdict.confidence.map(|sure| sure.word()),
        tone: verdict::tone(verdict.label),
        sentence,
        caveats,
    }
}

/// A cell of a share, right-aligned.
fn share(part: u64, whole: u64) -> Cell {
    Cell::from(number::share(part, whole))
}

/// A label before a value.
fn label(say: Language, term: Term) -> String {
    say.term(term).to_owned()
}
