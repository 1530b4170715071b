//! `wcmp inspect` on one screen.

use super::{caveats, other_warnings};
use crate::report::document::{
    Block, Column, Document, Line, Opening, Section, Table, Tone, Value, cells,
};
use crate::report::documents::inspect as full;
use crate::report::documents::{checkpoint, optional};
use crate::report::number;
use crate::report::schema::Inspect;
use crate::report::words::{Language, Term};

/// Rows of blocks on a screen.
const BLOCKS: usize = 8;

/// What is in a checkpoint, by component and block.
pub(in crate::report) fn inspect(say: Language, report: &Inspect) -> Document {
    let model = &report.checkpoint;
    let mut document = Document::new(say, Line::default(), false);
    document.opening = Some(Opening {
        word: model.format.word(),
        confidence: None,
        tone: Tone::Said,
        sentence: say.inspected(
            &model.name,
            report.tensors.len() as u64,
            &checkpoint::parameters(model),
        ),
        caveats: caveats(say, None, &[], &report.warnings, &[]),
    });
    let mut values = vec![
        Value::new(
            say.term(Term::Architecture),
            optional(model.architecture.as_deref()),
        ),
        Value::new(say.term(Term::Dtype), checkpoint::dtypes(&model.dtypes)),
        Value::new(say.term(Term::Size), checkpoint::size(model)),
        Value::new(say.term(Term::Weights), full::weights(say, report)),
    ];
    if let Some(scheme) = &model.quantization {
        values.push(Value::new(say.term(Term::Quantization), Line::name(scheme)));
    }
    if !report.ignored_files.is_empty() {
        let names = report.ignored_files.iter().map(Line::name);
        values.push(Value::new(
            say.term(Term::LeftAside),
            Line::joined(names, ", "),
        ));
    }
    let mut blocks = vec![Block::Space, Block::Labelled(values)];
    if !report.components.is_empty() {
        blocks.push(Block::Space);
        blocks.push(Block::Table(components(say, report)));
    }
    if !report.blocks.is_empty() {
        let mut table = full::block_table(say, &report.blocks);
        table.limit = Some(BLOCKS);
        blocks.push(Block::Space);
        blocks.push(Block::Table(table));
    }
    blocks.extend(other_warnings(say, &report.warnings));
    blocks.push(Block::Space);
    document.grounds = vec![Section::untitled(blocks)];
    document.foot = Some(say.inspect_foot(&report.wcmp).into());
    document
}

fn components(say: Language, report: &Inspect) -> Table {
    let mut table = Table::new([
        Column::words(say.term(Term::Component)),
        Column::numbers(say.term(Term::Parameters)),
        Column::numbers(say.term(Term::Share)),
        Column::numbers(say.term(Term::Layers)),
    ]);
    for row in &report.components {
        table.row(cells![
            Line::name(&row.component),
            number::parameters(row.parameters),
            number::share(row.parameters, report.checkpoint.parameters),
            row.layers.to_string(),
        ]);
    }
    table
}
