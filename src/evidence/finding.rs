//! A finding: one sentence, its number, what it supports.

use crate::model::words::words;

use crate::stats::chance;

words! {
    /// Family of a finding.
    Family {
        /// Equal bytes.
        Bytes = "bytes",
        /// Cosines of matrices.
        Cosine = "cosine",
        /// Permutation tests.
        Permutation = "permutation",
        /// Principal subspaces.
        Pca = "pca",
        /// Norm gains.
        Norms = "norms",
        /// Layers found at another depth.
        LayerMap = "layer_map",
        /// Experts.
        Experts = "experts",
        /// A recovered transformation.
        Transformation = "transformation",
        /// Tokenizers.
        Tokenizer = "tokenizer",
        /// Shapes and configuration.
        Architecture = "architecture",
    }
}

words! {
    /// What a finding speaks for.
    Supports {
        /// Descent.
        Derived = "derived",
        /// Reuse of some parts.
        PartialReuse = "partial_reuse",
        /// Independence.
        FromScratch = "from_scratch",
        /// The same values in another format.
        ReEncoded = "re_encoded",
        /// Nothing by itself.
        Nothing = "nothing",
    }
}

/// One line of the forensic summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Family.
    pub kind: Family,
    /// The sentence.
    pub statement: String,
    /// The number in it.
    pub value: Option<f64>,
    /// Bound on the probability of the like by chance, base 10, after Bonferroni over the families
    /// that ran.
    pub log10_p: Option<f64>,
    /// What it speaks for.
    pub supports: Supports,
    /// What it is about: "model", a component, a part.
    pub scope: String,
}

/// Pays for the families that gave a bound (Bonferroni) and puts the strongest first: bounds by
/// size, then equal bytes, then what supports something, then the rest.
pub fn order(findings: &mut [Finding]) {
    let families = findings.iter().filter(|f| f.log10_p.is_some()).count();
    for finding in findings.iter_mut() {
        finding.log10_p = finding.log10_p.map(|p| chance::bonferroni(p, families));
    }
    let rank = |f: &Finding| match (f.log10_p, f.kind, f.supports) {
        (Some(p), ..) if p <= -3.0 => 0,
        (_, Family::Bytes, _) => 1,
        (_, _, Supports::Nothing) => 3,
        _ => 2,
    };
    findings.sort_by(|a, b| {
        let bound = |f: &Finding| f.log10_p.unwrap_or(0.0);
        rank(a).cmp(&rank(b)).then(bound(a).total_cmp(&bound(b)))
    });
}
