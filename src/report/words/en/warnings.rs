//! Warnings in sentences.

use crate::error::{escape_controls, quoted};
use crate::model::sides::Side;
use crate::model::warning::{
    About, AdapterSetting, Among, Fused, NoWeight, NoWeights, NotRead, Noted, Warning,
};
use crate::report::number;

/// The sentence of a warning, with whose it is before it.
pub(in crate::report) fn noted(noted: &Noted) -> String {
    let sentence = warning(&noted.warning);
    match &noted.about {
        About::Comparison => sentence,
        About::Side(Side::Base) => format!("base: {sentence}"),
        About::Side(Side::Target) => format!("target: {sentence}"),
        About::Model(name) => format!("{name}: {sentence}"),
    }
}

/// The sentence of a warning.
pub(in crate::report) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::ConfigNotJson { file } => format!(
            "{} has NaN or Infinity, which is no JSON; read as null",
            escape_controls(file)
        ),
        Warning::TokenizerUnreadable { file, why } => {
            format!("{file} is passed over: {}", escape_controls(why))
        }
        Warning::ExtraHeaderField {
            file,
            fields,
            tensor,
            field,
        } => format!(
            "{}: {fields} unknown header field(s), the first {} of tensor {}; ignored",
            escape_controls(file),
            quoted(field),
            quoted(tensor)
        ),
        Warning::RepeatedMetadataKey { file, key } => format!(
            "{}: the header's __metadata__ repeats the key {}",
            escape_controls(file),
            quoted(key)
        ),
        Warning::ReferenceReaderDisagrees { file, why } => format!(
            "{}: the reference reader of the format refuses the file, so that other programs may \
             not load it: {}",
            escape_controls(file),
            escape_controls(why)
        ),
        Warning::NotInIndex { first, tensors } => format!(
            "{tensors} tensor(s) that the index does not name, the first {}; they are read like \
             the others",
            quoted(first)
        ),
        Warning::TensorTwice { first, tensors } => format!(
            "{tensors} tensor(s) stand in two files with equal bytes, the first {}; one is read",
            quoted(first)
        ),
        Warning::ShardsMissing { found, expected } => {
            format!(
                "{found} of {expected} shards were read: what the others hold is missing, and no change"
            )
        }
        Warning::PartMissing { folder, listed_in } => format!(
            "{} names the sub-folder {}, of which no weights are there: what is missing is no \
             change",
            escape_controls(listed_in),
            quoted(folder)
        ),
        Warning::LayersMissing { found, declared } => format!(
            "config.json counts {declared} layers, and the files hold {found}: what is missing \
             is no change"
        ),
        Warning::FilesJoined { files, more } => format!(
            "files of different names, {}, were read as one model",
            listed(files, *more)
        ),
        Warning::AnotherModelBeside { files } => format!(
            "another model lies beside what was read, in {}",
            listed(files, 0)
        ),
        Warning::TiedTensor { .. } => "the same storage as another tensor: counted once".to_owned(),
        Warning::PickleGlobals { names, more } => {
            let names = listed(names, *more);
            format!(
                "the pickle names {names}, which is not known: passed over, and nothing was run"
            )
        }
        Warning::PickleParts { read, keys } => format!(
            "several models in one file: {} is read, {} left aside; --include 'KEY.*' chooses",
            quoted(read),
            listed(keys, 0)
        ),
        Warning::TensorNotRead { what, .. } => format!("{}, which is not read", not_read(*what)),
        Warning::AdapterTokens { .. } => {
            "rows of single tokens that the adapter trained are not compared".to_owned()
        }
        Warning::AdapterConfig(setting) => adapter_setting(setting),
        Warning::GptqZeroPoints {
            first,
            wrapped,
            matrices,
        } => format!(
            "{matrices} of the GPTQ matrices looked at, the first {} with {wrapped}, have zero \
             points stored as the largest code: read as 0 here, by other programs as an overflow",
            quoted(first)
        ),
        Warning::UnsupportedQuantization {
            first,
            matrices,
            why,
        } => format!(
            "{matrices} matrices, the first {}, are not compared: {why}",
            quoted(first)
        ),
        Warning::RotaryOrder => tried(
            "the rows of q and k are not in the order that the other file's layout stands for",
        ),
        Warning::FusedOrder(Fused::QueryKeyValue) => tried(
            "query, key and value stand in one tensor, in another order than its name stands for",
        ),
        Warning::FusedOrder(Fused::GateUp) => {
            tried("gate and up stand in one tensor, in another order than its name stands for")
        }
        Warning::IdenticalPerhapsFormula { .. } => {
            "identical, as a formula that explains it makes it in any model: no evidence by itself"
                .to_owned()
        }
        Warning::DeclaredBaseContradicted { .. } => {
            "the target declares this base, and no test found its weights in it".to_owned()
        }
        Warning::DeclaredBaseConfirmed { .. } => {
            "the target declares this base, and the weights agree".to_owned()
        }
        Warning::FromSketch => {
            "a sketch stands for weights: cosines are estimated from the values that it keeps, and \
             what takes others is not tested"
                .to_owned()
        }
        Warning::DeclaredBaseDiffers { .. } => {
            "the target declares another base than the one whose weights it shares".to_owned()
        }
        Warning::ConfigConflict {
            model, conflict, ..
        } => format!(
            "config.json of {model} says {} {}, its tensors {}",
            conflict.field, conflict.config, conflict.tensors
        ),
        Warning::NoWeights(what) => no_weights(what),
        Warning::UnmergedAdapter { first, tensors } => format!(
            "an adapter that was not merged: {tensors} LoRA factors, the first {}, are left aside, \
             and what they change is compared without them",
            quoted(first)
        ),
        Warning::NormsPlusOne { first, tensors } => format!(
            "{tensors} gains of norms are the other side's with 1 added, the first {}: one norm in two \
             conventions, read without it",
            quoted(first)
        ),
        Warning::FewLevels {
            first,
            tensors,
            matrices,
            levels,
            among,
        } => {
            let among = match among {
                Among::Neighbours => "neighbours",
                Among::Row => "a row",
                Among::Matrix => "a matrix",
            };
            format!(
                "values on a grid: {tensors} of {matrices} matrices, the first {}, hold at most {levels} \
                 levels among {among}, as codes of few bits do that were written out; their rounding is \
                 part of every difference",
                quoted(first)
            )
        }
        Warning::ScaleMissing { first, tensors } => format!(
            "{tensors} FP8 matrices without their scale, the first {}: they hold codes, and are \
             compared but for a factor",
            quoted(first)
        ),
        Warning::BaseSetAside { path, is_target } => {
            let what = if *is_target {
                "the target itself"
            } else {
                "an adapter, which holds changes and no model"
            };
            format!("{} is {what}: set aside among the bases", quoted(path))
        }
        Warning::MixtureNotUnique {
            bases: [one, other],
        } => format!(
            "{} and {} cannot be told apart here: a mixture has either of them as a term, so it has \
             no shares",
            quoted(one),
            quoted(other)
        ),
        Warning::SumNotTold {
            bases: [one, other],
        } => format!(
            "{}, {} and the target lie on a line: one of the three may be a sum of the other two, and \
             which is not told",
            quoted(one),
            quoted(other)
        ),
    }
}

/// What holds no weights, how much, and where first.
pub(super) fn no_weights(what: &NoWeights) -> String {
    let tensors = match what.tensors {
        1 => "1 tensor".to_owned(),
        count => format!("{} tensors", number::count(count as u64)),
    };
    let values = number::count(what.values);
    let said = match &what.kind {
        NoWeight::NotFinite => format!("{values} NaN or infinite values in {tensors}"),
        NoWeight::Zero => format!("{tensors} all zero"),
        NoWeight::Constant => format!("{tensors} of one value throughout"),
        NoWeight::Empty => format!("{tensors} without any element"),
        NoWeight::EndsInZeros { file } => {
            return format!(
                "{} ends in {values} bytes of zeros, which reach into {tensors}: perhaps an \
                 unfinished download",
                escape_controls(file)
            );
        }
    };
    let names: Vec<String> = what.names.iter().map(|name| quoted(name)).collect();
    let more = if what.tensors > names.len() {
        ", …"
    } else {
        ""
    };
    let left_out = match what.parameters {
        0 => String::new(),
        count => format!(
            "; {} parameters are left out of the comparison",
            number::count(count)
        ),
    };
    format!("{said} ({}{more}){left_out}", names.join(", "))
}

fn tried(what: &str) -> String {
    format!("{what}; the possible orders were tried, and the one that fits was taken")
}

fn not_read(what: NotRead) -> &'static str {
    match what {
        NotRead::Quantised => "a quantised tensor",
        NotRead::Sparse => "a sparse tensor",
        NotRead::WithoutValues => "a tensor without values",
        NotRead::Nested => "a nested tensor",
        NotRead::Subclass => "a tensor of a subclass",
        NotRead::ForeignDtype => "a tensor of a dtype that no other format has",
        NotRead::LazyView => "a conjugated or negated view",
    }
}

fn adapter_setting(setting: &AdapterSetting) -> String {
    match setting {
        AdapterSetting::NoMagnitude => "use_dora is set, and no module has a magnitude".to_owned(),
        AdapterSetting::RepeatedLayers => {
            "layer_replication: the adapter belongs to a model with repeated layers".to_owned()
        }
        AdapterSetting::ChangedBase { start } => format!(
            "init_lora_weights is {}: training began by changing the base too, which is not undone",
            quoted(start)
        ),
        AdapterSetting::PatternNotApplied { table, pattern } => format!(
            "{table}: {} is a regular expression that is not applied",
            quoted(pattern)
        ),
        AdapterSetting::OtherRank {
            declared,
            module,
            rank,
        } => format!(
            "r is {declared}, and {} has the rank {rank}",
            quoted(module)
        ),
    }
}

/// Names for people, and how many more there are.
fn listed(names: &[String], more: usize) -> String {
    let names: Vec<String> = names.iter().map(|name| escape_controls(name)).collect();
    let shown = names.join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::WarningRow;

    fn sentence_of(warning: Warning) -> String {
        super::warning(&warning)
    }

    #[test]
    fn names_are_escaped_and_cut_as_in_errors() {
        let name = || "a\u{1b}b".to_owned();
        assert_eq!(
            sentence_of(Warning::ExtraHeaderField {
                file: name(),
                fields: 2,
                tensor: "x".repeat(500),
                field: name(),
            }),
            format!(
                "a\\u001Bb: 2 unknown header field(s), the first \"a\\u001Bb\" of tensor \"{}…\"; \
                 ignored",
                "x".repeat(120)
            )
        );
        assert_eq!(
            sentence_of(Warning::ReferenceReaderDisagrees {
                file: "f.safetensors".to_owned(),
                why: "invalid \n header".to_owned(),
            }),
            "f.safetensors: the reference reader of the format refuses the file, so that other \
             programs may not load it: invalid \\n header"
        );
        assert_eq!(
            sentence_of(Warning::RepeatedMetadataKey {
                file: "f.safetensors".to_owned(),
                key: "k".to_owned(),
            }),
            "f.safetensors: the header's __metadata__ repeats the key \"k\""
        );
        assert_eq!(
            sentence_of(Warning::PickleGlobals {
                names: vec!["a.b".to_owned(), name()],
                more: 3,
            }),
            "the pickle names a.b, a\\u001Bb and 3 more, which is not known: passed over, and nothing was run"
        );
    }

    #[test]
    fn numbers_stand_in_the_sentence() {
        assert_eq!(
            sentence_of(Warning::ShardsMissing {
                found: 1,
                expected: 3
            }),
            "1 of 3 shards were read: what the others hold is missing, and no change"
        );
        assert_eq!(
            sentence_of(Warning::AdapterConfig(AdapterSetting::OtherRank {
                declared: 4,
                module: "q".to_owned(),
                rank: 5,
            })),
            "r is 4, and \"q\" has the rank 5"
        );
        assert_eq!(
            sentence_of(Warning::TensorNotRead {
                name: "x".to_owned(),
                what: NotRead::Sparse,
            }),
            "a sparse tensor, which is not read"
        );
    }

    #[test]
    fn whose_it_is_stands_before_it() {
        let shown = |noted: Noted| WarningRow::from(&noted).message;
        let sentence = sentence_of(Warning::RotaryOrder);
        assert_eq!(
            shown(Warning::RotaryOrder.on(Side::Base)),
            format!("base: {sentence}")
        );
        assert_eq!(
            shown(Warning::RotaryOrder.on(Side::Target)),
            format!("target: {sentence}")
        );
        assert_eq!(
            shown(Warning::RotaryOrder.of_model("org/M")),
            format!("org/M: {sentence}")
        );
        assert_eq!(shown(Warning::RotaryOrder.into()), sentence);
    }

    #[test]
    fn code_and_name_go_with_the_sentence() {
        let row = WarningRow::from(&Warning::DeclaredBaseDiffers {
            claims: vec!["a/b".to_owned(), "c/d".to_owned()],
        });
        assert_eq!(row.code, "declared_base_differs");
        assert_eq!(row.name.as_deref(), Some("a/b, c/d"));
        let row = WarningRow::from(&Warning::MixtureNotUnique {
            bases: ["a".to_owned(), "b".to_owned()],
        });
        assert_eq!((row.code.as_str(), row.name), ("mixture_not_unique", None));
    }
}
