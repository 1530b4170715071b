//! Every level that decides something, once: what is found, what is nothing, what a share must be.
//!
//! They lie here because statistics ask for them as well as analyses and the verdict. The table at
//! the end of guide/contract.md, section 7, is held to this file by a test.

/// Declares levels, and the list of them.
macro_rules! levels {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: f64 = $value;)*

        /// Every level by its name.
        #[cfg(test)]
        const LEVELS: &[(&str, f64)] = &[$((stringify!($name), $name),)*];
    };
}

levels! {
    /// log10 p at which units, blocks, layers and parts count as found, and at which a bound is
    /// strong, once the number of looks is paid for (guide/contract.md, section 4).
    FOUND_LOG10 = -6.0;
    /// log10 p above which a test found nothing: such a part may be independent, such a block is
    /// looked at through a disguise (guide/methods.md, section 6).
    NOTHING_LOG10 = -2.0;
    /// log10 p at which a family of tests speaks for descent, and at which a bound is moderate
    /// (guide/contract.md, section 4).
    MODERATE_LOG10 = -3.0;
    /// log10 p at which a bound is conclusive (guide/contract.md, section 4).
    CONCLUSIVE_LOG10 = -20.0;

    /// Least excess of what is alike: of matrices, of a part without a test, of a witness, of the
    /// check of a recovered change (guide/methods.md, sections 4 and 6).
    ALIKE_EXCESS = 0.3;
    /// Least excess by which a part without a test with power is reused (guide/methods.md, section
    /// 8.6).
    ALIKE_ALONE = 0.9;
    /// Least likeness that a formula is asked to explain (guide/methods.md, section 8.6).
    LIKE_AT_ALL = 0.05;
    /// Excess below which matrices are unlike (guide/methods.md, section 6).
    UNLIKE_EXCESS = 0.1;
    /// Excess from which on a re-ordering explains the residual stream (guide/methods.md, section
    /// 4).
    REORDERED_EXCESS = 0.7;
    /// By how much a rotation of the residual stream must do better than a re-ordering
    /// (guide/methods.md, section 4).
    ROTATED_GAIN = 0.1;
    /// Matrix excess from which on a derived model is fine-tuned (guide/contract.md, section 4).
    FINE_TUNED_EXCESS = 0.8;
    /// Matrix excess below which a shared initialisation explains hits as well as descent does
    /// (guide/methods.md, section 8.8).
    SHARED_START_EXCESS = 0.95;
    /// Centred cosine from which on gains and biases of a layer agree: both start as constants
    /// (guide/methods.md, section 8.8).
    GAINS_AGREE = 0.5;
    /// Median excess from which on principal subspaces are clustered (guide/methods.md, section 5).
    CLUSTERED_EXCESS = 0.5;
    /// Median excess up to which principal subspaces are orthogonal (guide/methods.md, section 5).
    ORTHOGONAL_EXCESS = 0.1;

    /// Probability with which a reuse of the stated share is seen (guide/methods.md, section 6).
    CERTAINTY = 0.95;
    /// Largest share seen that gives a null result of one part power (guide/methods.md, section 6).
    PART_SHARE_SEEN = 0.35;
    /// Largest share seen that gives a null result of all blocks power (guide/methods.md, section
    /// 6).
    POOLED_SHARE_SEEN = 0.25;

    /// Least share of independent parameters for from scratch (guide/contract.md, section 4).
    INDEPENDENT_SHARE = 0.5;
    /// Largest share of unclear parameters for from scratch (guide/contract.md, section 4).
    UNCLEAR_SHARE = 0.2;
    /// Share of the target's matrix parameters without a counterpart, while matrices of their shape
    /// are left in the base, above which no confidence is more than moderate (guide/methods.md,
    /// section 9).
    UNPAIRED_SHARE = 0.1;
    /// Share of independent parameters above which a reuse is partial (guide/contract.md, section
    /// 4).
    PARTIAL_SHARE = 0.02;
    /// Least share of reused parameters for derived (guide/contract.md, section 4).
    REUSED_SHARE = 2.0 / 3.0;
    /// Share of the target's matrices below which each confidence is one word lower
    /// (guide/contract.md, section 4).
    COVERED_SHARE = 0.5;
    /// Least share tested for conclusive (guide/contract.md, section 4).
    CONCLUSIVE_TESTED = 0.9;
    /// Largest share seen for conclusive (guide/contract.md, section 4).
    CONCLUSIVE_SHARE_SEEN = 0.05;
    /// Least share tested for strong (guide/contract.md, section 4).
    STRONG_TESTED = 0.75;
    /// Largest share seen for strong (guide/contract.md, section 4).
    STRONG_SHARE_SEEN = 0.1;
    /// Least share tested for moderate (guide/contract.md, section 4).
    MODERATE_TESTED = 0.5;
    /// Largest share seen for moderate (guide/contract.md, section 4).
    MODERATE_SHARE_SEEN = 0.25;

    /// Share of the target's matrix parameters from which on byte-identical matrices that a formula
    /// may compute speak for themselves (guide/methods.md, section 4).
    LARGE_SHARE = 0.05;

    /// Plain mean above which the origin document is almost certain (guide/contract.md, section 3).
    BAND_CERTAIN = 0.95;
    /// Plain mean above which the origin document sees fine-tuning, and matrix cosine from which on
    /// a layer is high (guide/contract.md, section 3).
    BAND_HIGH = 0.8;
    /// Plain mean below which the origin document sees training from scratch, and matrix cosine
    /// below which a layer is low (guide/contract.md, section 3).
    BAND_LOW = 0.5;
    /// Spread of the layers' cosines that makes some of them high (guide/contract.md, section 3).
    PATTERN_SPREAD = 0.3;
    /// Fall from the first third of the layers to the last (guide/contract.md, section 3).
    PATTERN_FALL = 0.02;
    /// Mean cosine from which on the origin document takes a model for a base of the target
    /// (guide/methods.md, section 1).
    NEAR_COSINE = 0.9;
    /// Share of informative tensors that are many (guide/methods.md, section 1).
    MANY_IDENTICAL = 0.25;

    /// Share of the squared distance to the nearest base that a sum of several may leave
    /// (guide/methods.md, section 10.1).
    MERGE_LEFT = 0.02;
    /// Standard error from which on a share is not told (guide/methods.md, section 10.1).
    SHARE_ERROR = 0.05;
    /// Share of the target's energy that a sum of bases may leave (guide/methods.md, section 10.1).
    SHARE_UNEXPLAINED = 0.01;
}

/// The level of each of `looks` that are read one by one (Bonferroni).
pub(crate) fn found_among(looks: usize) -> f64 {
    FOUND_LOG10 - (looks.max(1) as f64).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a cell: a decimal, or a fraction.
    fn number(cell: &str) -> f64 {
        let cell = cell.trim().replace('−', "-");
        let parsed = |text: &str| text.trim().parse::<f64>().unwrap_or(f64::NAN);
        match cell.split_once('/') {
            Some((above, below)) => parsed(above) / parsed(below),
            None => parsed(&cell),
        }
    }

    #[test]
    fn the_guide_tells_every_level() {
        let page = include_str!("../guide/contract.md");
        let section = page.split("## 7. Levels").nth(1).unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let told: Vec<(&str, f64)> = rows
            .map(|row| {
                let mut cells = row.trim_matches('|').split('|');
                let name = cells.next().unwrap_or_default().trim().trim_matches('`');
                (name, number(cells.next().unwrap_or_default()))
            })
            .collect();
        assert_eq!(told, LEVELS);
    }

    #[test]
    fn a_level_is_paid_for_by_the_looks() {
        assert_eq!(found_among(0), FOUND_LOG10);
        assert_eq!(found_among(1), FOUND_LOG10);
        assert_eq!(found_among(100), -8.0);
    }
}
