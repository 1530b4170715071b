//! What `arch` says: reasons, assumptions, possible changes.

use crate::model::architecture::{
    ArchReason, Assumption, ComponentShapes, FromTo, PossibleChange, UnequalRole, Width,
    WidthChange,
};
use crate::model::sides::Sides;
use crate::report::number::{count, shape};

/// Longest list of roles in a reason.
const LISTED: usize = 12;

/// A reason as a sentence.
pub(in crate::report) fn reason(reason: &ArchReason) -> String {
    match reason {
        ArchReason::Component { component, shapes } => {
            let sentence = component_shapes(shapes);
            match component {
                Some(component) => format!("{component}: {sentence}"),
                None => sentence,
            }
        }
        ArchReason::OnlyInBase(component) => {
            format!("{component}: only the base has this component")
        }
        ArchReason::CountDiffers { field, values } => format!(
            "{field}: {} against {}",
            count(values.target),
            count(values.base)
        ),
        ArchReason::WordDiffers { field, values } => {
            format!("{field}: {} against {}", values.target, values.base)
        }
        ArchReason::EqualEmbeddingWidths => {
            "embeddings are equally wide: their rows can be paired by token where both tokenizers \
             are at hand"
                .to_owned()
        }
        ArchReason::EqualVocabularySizes { rows } => format!(
            "both vocabularies have {} rows: an equal number, of which only the tokenizers tell \
             more",
            count(*rows)
        ),
        ArchReason::UnknownShapes {
            side,
            roles,
            missing,
        } => format!(
            "the {}'s shapes of {} are not known: no {}",
            side.word(),
            listed(roles),
            missing.join(", ")
        ),
        ArchReason::Assumed { side, assumption } => {
            format!("{}: {}", side.word(), self::assumption(assumption))
        }
        ArchReason::SaysNothingAboutOrigin => {
            "different shapes rule out an elementwise comparison and say nothing about where the \
             weights come from"
                .to_owned()
        }
    }
}

fn component_shapes(shapes: &ComponentShapes) -> String {
    match shapes {
        ComponentShapes::NotInBase => "the base has no such component".to_owned(),
        ComponentShapes::Equal => {
            "every matrix has an equal shape and as many copies on both sides".to_owned()
        }
        ComponentShapes::OtherCopies { roles, differing } => format!(
            "all {roles} roles have equal shapes; the number of tensors differs: {}",
            listed(differing)
        ),
        ComponentShapes::PartlyEqual {
            roles,
            equal,
            unequal,
        } => {
            let unequal: Vec<String> = unequal.iter().map(unequal_role).collect();
            format!(
                "{} of {roles} roles have equal shapes: {}; not {}",
                equal.len(),
                listed(equal),
                listed(&unequal)
            )
        }
        ComponentShapes::NoneEqual => "no role has an equal shape".to_owned(),
        ComponentShapes::NoMatrixEqual { equal } => format!(
            "no matrix has an equal shape; only {} have, which say nothing by themselves",
            listed(equal)
        ),
    }
}

fn unequal_role(role: &UnequalRole) -> String {
    let name = &role.name;
    match &role.shapes {
        Sides {
            target: Some(target),
            base: Some(base),
        } => format!("{name} {} against {}", shape(target), shape(base)),
        Sides {
            target: Some(_), ..
        } => format!("{name} (target only)"),
        _ => format!("{name} (base only)"),
    }
}

/// An assumption as a sentence.
pub(in crate::report) fn assumption(assumption: &Assumption) -> String {
    match assumption {
        Assumption::ClassDefaults {
            component,
            values,
            model_type,
        } => {
            let values: Vec<String> = values
                .iter()
                .map(|(field, value)| format!("{field} {value}"))
                .collect();
            format!(
                "shapes of the {component} part rest on {}, as in the maker's code for \
                 {model_type}: config.json does not say",
                values.join(", ")
            )
        }
        Assumption::UnknownLayout { model_type } => {
            let named = match model_type.as_str() {
                "" => "no model_type".to_owned(),
                model_type => format!("model_type {model_type}"),
            };
            format!(
                "{named} is not one whose layout is known: matrices as in the Llama line, norms \
                 and biases left out"
            )
        }
        Assumption::UnknownTower { model_type } => {
            let named = match model_type.as_str() {
                "" => "of no model_type",
                model_type => model_type,
            };
            format!(
                "the layout of a vision tower {named} is not known: its shapes need the weights \
                 themselves"
            )
        }
    }
}

/// A possible change in words.
pub(in crate::report) fn change(change: &PossibleChange) -> String {
    match change {
        PossibleChange::Depth(layers) => format!("depth change: {} layers", from_to(*layers)),
        PossibleChange::Width(widths) => {
            let widths: Vec<String> = widths.iter().map(width).collect();
            format!("width change: {}", widths.join(", "))
        }
        PossibleChange::Vocabulary(tokens) => {
            let word = if tokens.to > tokens.from {
                "extension"
            } else {
                "reduction"
            };
            format!("vocabulary {word}: {} tokens", from_to(*tokens))
        }
        PossibleChange::DenseToExperts { experts } => {
            format!("dense to mixture of experts: {} experts", count(*experts))
        }
        PossibleChange::ExpertsToDense { experts } => {
            format!("mixture of experts to dense: {} experts", count(*experts))
        }
        PossibleChange::ExpertCount(experts) => {
            format!("expert count change: {} experts", from_to(*experts))
        }
        PossibleChange::Attention { from, to } => format!("attention conversion: {from} to {to}"),
    }
}

fn width(change: &WidthChange) -> String {
    let named = match &change.width {
        Width::Field(field) => field.as_str(),
        Width::OfExperts => "width of experts",
    };
    format!("{named} {}", from_to(change.values))
}

fn from_to(numbers: FromTo) -> String {
    format!("{} to {}", count(numbers.from), count(numbers.to))
}

/// Names in a row, the first few where there are many.
fn listed(names: &[String]) -> String {
    match names.len().checked_sub(LISTED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::words::Component;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|at| format!("r{at}")).collect()
    }

    #[test]
    fn a_component_among_several_is_named() {
        let shapes = ComponentShapes::Equal;
        let sentence = |component| {
            reason(&ArchReason::Component {
                component,
                shapes: shapes.clone(),
            })
        };
        let plain = "every matrix has an equal shape and as many copies on both sides";
        assert_eq!(sentence(None), plain);
        assert_eq!(
            sentence(Some(Component::Vision)),
            format!("vision: {plain}")
        );
    }

    #[test]
    fn roles_stand_with_the_shapes_of_both_sides() {
        let unequal = |name: &str, target: Option<&[u64]>, base: Option<&[u64]>| UnequalRole {
            name: name.to_owned(),
            shapes: Sides {
                base: base.map(<[u64]>::to_vec),
                target: target.map(<[u64]>::to_vec),
            },
        };
        let shapes = ComponentShapes::PartlyEqual {
            roles: 13,
            equal: names(0..13),
            unequal: vec![
                unequal("router", Some(&[192, 7168]), Some(&[384, 7168])),
                unequal("norm", Some(&[1]), None),
                unequal("q", None, Some(&[1])),
            ],
        };
        assert_eq!(
            component_shapes(&shapes),
            "13 of 13 roles have equal shapes: r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11 \
             and 1 more; not router [192,7168] against [384,7168], norm (target only), \
             q (base only)"
        );
    }

    #[test]
    fn changes_go_from_the_base_to_the_target() {
        let said = |change_made| change(&change_made);
        assert_eq!(
            said(PossibleChange::Depth(FromTo { from: 32, to: 48 })),
            "depth change: 32 to 48 layers"
        );
        let widths =
            [Width::Field("hidden_size".to_owned()), Width::OfExperts].map(|width| WidthChange {
                width,
                values: FromTo {
                    from: 8192,
                    to: 5120,
                },
            });
        assert_eq!(
            said(PossibleChange::Width(widths.to_vec())),
            "width change: hidden_size 8,192 to 5,120, width of experts 8,192 to 5,120"
        );
        for (to, word) in [(9, "extension"), (7, "reduction")] {
            assert_eq!(
                said(PossibleChange::Vocabulary(FromTo { from: 8, to })),
                format!("vocabulary {word}: 8 to {to} tokens")
            );
        }
        assert_eq!(
            said(PossibleChange::DenseToExperts { experts: 8 }),
            "dense to mixture of experts: 8 experts"
        );
    }

    #[test]
    fn an_unknown_model_type_is_said_to_be_one() {
        let said = |model_type: &str| {
            assumption(&Assumption::UnknownLayout {
                model_type: model_type.to_owned(),
            })
        };
        assert!(said("new").starts_with("model_type new is not one whose layout is known"));
        assert!(said("").starts_with("no model_type is not one"));
    }
}
