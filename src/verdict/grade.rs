//! How a part is graded (guide/methods.md, section 6).

use crate::evidence::levels::{
    ALIKE_ALONE, ALIKE_EXCESS, NOTHING_LOG10, UNLIKE_EXCESS, found_among,
};
use crate::evidence::part::{Part, PartTest, State, is_table};

/// Grades a part. `parts_tested` is the number of parts that had a test; `tests_on` is false under
/// `--permutation off`, where bytes and excess have to do.
pub(crate) fn grade(part: &Part, parts_tested: usize, tests_on: bool) -> State {
    if part.new {
        return State::New;
    }
    if part.identical {
        return State::Reused;
    }
    // Finding is not confirming: an order or a rotation can be chosen (guide/methods.md, 8.1).
    let level = found_among(parts_tested);
    if part.found || part.test.is_some_and(|t| t.log10_p <= level) {
        let has_no_witness = is_table(part) || !part.found && !part.by_place;
        return match part.witness.is_some() || has_no_witness {
            true => State::Reused,
            false => State::Unclear,
        };
    }
    let powerful = part.test.filter(PartTest::has_power);
    match (powerful, part.excess) {
        (None, Some(excess)) if excess >= alike_alone(part) => State::Reused,
        (Some(test), excess)
            if !part.lacks_a_matrix
                && test.log10_p > NOTHING_LOG10
                && excess.is_none_or(|e| e.abs() < ALIKE_EXCESS) =>
        {
            State::Independent
        }
        (None, Some(excess)) if !part.lacks_a_matrix && !tests_on && excess < UNLIKE_EXCESS => {
            State::Independent
        }
        _ => State::Unclear,
    }
}

/// Excess from which on a part is reused where no test could tell; none would do where the places
/// along an axis have a meaning of their own, which two models may have in common.
fn alike_alone(part: &Part) -> f64 {
    if part.has_named_places {
        f64::INFINITY
    } else {
        ALIKE_ALONE.max(6.0 / (part.compared.max(1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::part::{PartKey, PartKind};
    use crate::evidence::witness::WitnessKind;
    use crate::model::words::{Block, Component};

    fn part() -> Part {
        Part {
            key: PartKey {
                component: Component::Text,
                block: Some(Block::Layer(0)),
                layer: Some(0),
                kind: PartKind::Ffn,
                expert: None,
                name: None,
                encoder: false,
            },
            base_layer: Some(0),
            parameters: 1000,
            compared: 1_000_000,
            identical: false,
            new: false,
            found: false,
            has_named_places: false,
            lacks_a_matrix: false,
            excess: Some(0.0),
            test: None,
            by_place: false,
            found_by: None,
            witness: None,
            geometry: None,
            state: State::Unclear,
        }
    }

    fn tested(log10_p: f64, share: f64) -> Option<PartTest> {
        Some(PartTest {
            log10_p,
            share_seen_95: Some(share),
        })
    }

    #[test]
    fn bytes_and_exact_finds_come_first() {
        assert_eq!(
            grade(
                &Part {
                    identical: true,
                    test: tested(0.0, 0.1),
                    ..part()
                },
                1,
                true
            ),
            State::Reused
        );
        assert_eq!(
            grade(
                &Part {
                    found: true,
                    test: tested(0.0, 0.1),
                    witness: Some(WitnessKind::Geometry),
                    ..part()
                },
                1,
                true
            ),
            State::Reused
        );
        assert_eq!(
            grade(
                &Part {
                    new: true,
                    identical: true,
                    ..part()
                },
                1,
                true
            ),
            State::New
        );
    }

    #[test]
    fn a_test_must_pass_the_level_of_all_parts() {
        let at = |p, count| {
            grade(
                &Part {
                    test: tested(p, 0.1),
                    by_place: true,
                    witness: Some(WitnessKind::Geometry),
                    ..part()
                },
                count,
                true,
            )
        };
        assert_eq!(at(-6.0, 1), State::Reused);
        assert_eq!(at(-6.5, 10), State::Unclear);
        assert_eq!(at(-7.0, 10), State::Reused);
        assert_eq!(at(-2.0, 1), State::Unclear);
        assert_eq!(at(-1.99, 1), State::Independent);
    }

    #[test]
    fn what_no_witness_confirms_is_unclear_but_for_tables_of_tokens() {
        let found = Part {
            found: true,
            excess: Some(0.95),
            test: tested(-200.0, 0.1),
            ..part()
        };
        assert_eq!(grade(&found, 1, true), State::Unclear);
        let mut table = found;
        table.key.kind = PartKind::Embedding;
        assert_eq!(grade(&table, 1, true), State::Reused);
    }

    #[test]
    fn excess_alone_never_accuses_where_a_test_with_power_saw_nothing() {
        let with = |excess, test| {
            grade(
                &Part {
                    excess,
                    test,
                    ..part()
                },
                1,
                true,
            )
        };
        assert_eq!(with(Some(0.43), tested(-0.5, 0.1)), State::Unclear);
        assert_eq!(with(Some(0.29), tested(-0.5, 0.1)), State::Independent);
        assert_eq!(with(None, tested(-0.5, 0.1)), State::Independent);
        assert_eq!(with(Some(0.9), None), State::Reused);
        assert_eq!(with(Some(0.9), tested(-0.5, 0.36)), State::Reused);
        assert_eq!(with(Some(0.89), None), State::Unclear);
    }

    #[test]
    fn small_parts_need_more_excess() {
        let small = |compared, excess| Part {
            compared,
            excess: Some(excess),
            ..part()
        };
        assert_eq!(grade(&small(40, 0.94), 1, true), State::Unclear);
        assert_eq!(grade(&small(40, 0.95), 1, true), State::Reused);
    }

    #[test]
    fn excess_says_nothing_where_places_have_a_meaning() {
        let positions = Part {
            excess: Some(0.99),
            has_named_places: true,
            ..part()
        };
        assert_eq!(grade(&positions, 1, true), State::Unclear);
        let identical = Part {
            identical: true,
            ..positions
        };
        assert_eq!(grade(&identical, 1, true), State::Reused);
    }

    #[test]
    fn no_feed_forward_is_independent_while_a_matrix_of_it_is_missing() {
        let whole = Part {
            test: tested(-0.5, 0.1),
            ..part()
        };
        let lacking = Part {
            lacks_a_matrix: true,
            ..whole.clone()
        };
        assert_eq!(grade(&whole, 1, true), State::Independent);
        assert_eq!(grade(&lacking, 1, true), State::Unclear);
        assert_eq!(grade(&lacking, 0, false), State::Unclear);
    }

    #[test]
    fn without_tests_a_low_excess_has_to_do() {
        assert_eq!(
            grade(
                &Part {
                    excess: Some(0.099),
                    ..part()
                },
                0,
                false
            ),
            State::Independent
        );
        assert_eq!(
            grade(
                &Part {
                    excess: Some(0.1),
                    ..part()
                },
                0,
                false
            ),
            State::Unclear
        );
        assert_eq!(
            grade(
                &Part {
                    excess: Some(0.099),
                    ..part()
                },
                0,
                true
            ),
            State::Unclear
        );
    }
}
