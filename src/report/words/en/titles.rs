//! Headings, labels and remarks.

use super::super::{Caption, Heading, Remark, Term, Titles};
use super::English;

impl Titles for English {
    fn code(&self) -> &'static str {
        "en"
    }

    fn as_a_table(&self) -> &'static str {
        "as a table"
    }

    fn caption(&self, caption: Caption) -> &'static str {
        match caption {
            Caption::Heat => "Cosine by layer and role; grey: nothing was compared",
            Caption::Depth => "Cosines of all tensors along the depth",
            Caption::LayerMap => "Layers of the target above, of the base below",
            Caption::UnitsInPlace => "Share of the probed units in their own places, by layer",
            Caption::Bases => "Excess of each base over chance",
            Caption::Mixture => "Share of each parent, by layer",
        }
    }

    fn glossary(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "unit",
                "one neuron, head or dimension: a row or column that belongs together",
            ),
            (
                "probe",
                "a unit that was drawn to be looked for on the other side",
            ),
            (
                "hit",
                "a probe whose most similar unit is the one in its own place",
            ),
            (
                "excess",
                "a cosine beyond what a random order of the dimensions would give",
            ),
            (
                "chance",
                "a bound on the probability that unrelated models agree like this",
            ),
            (
                "log10 p",
                "the same bound as a power of ten: -6 is one in a million",
            ),
            (
                "direct",
                "form of a test: units in the places that names give them",
            ),
            (
                "order",
                "form of a test: units matched by content, asked whether in one order",
            ),
            (
                "projected",
                "form of a test: units seen through what tokens both sides share",
            ),
            (
                "matched",
                "form of a test: units matched by one matrix, checked on another",
            ),
            (
                "s95",
                "least share of reused units that would have been seen with 95 % probability",
            ),
            (
                "plain scale",
                "the mean of all cosines by equal name, with fixed thresholds",
            ),
        ]
    }

    fn heading(&self, heading: Heading) -> &'static str {
        match heading {
            Heading::Adapter => "What the adapter changes",
            Heading::ArchFacts => "Facts",
            Heading::Bases => "The bases",
            Heading::Blocks => "Blocks",
            Heading::Comparable => "Can the weights be compared?",
            Heading::Components => "Components",
            Heading::Conclusion => "Conclusion",
            Heading::Config => "config.json",
            Heading::Conflicts => "config.json of the target contradicts its tensors",
            Heading::Controls => "Controls: the bases against one another",
            Heading::Coordinates => "Principal coordinates: near points are alike in their weights",
            Heading::Coverage => "Coverage: parameters that have a counterpart",
            Heading::Criteria => "The origin document's criteria",
            Heading::Digests => "Model digests (SHA-256 of the lines of wcmp hash)",
            Heading::Evidence => "Evidence, the strongest first",
            Heading::Experts => "Experts, matched by content (target ← base)",
            Heading::Figures => "Figures (cosines)",
            Heading::Glossary => "What the verdicts say",
            Heading::Identical => "Identical tensors",
            Heading::LayerMap => "Layer map (target ← base)",
            Heading::Mixture => "Mixture: the target as a weighted sum of the bases",
            Heading::MixtureParts => "By role and by layer",
            Heading::LayerOrigins => "Origins of the layers",
            Heading::Relatives => "Relatives: which of the bases is nearest",
            Heading::NotTestable => "Not testable",
            Heading::Notes => "Notes",
            Heading::Origin => "The origin document's reading",
            Heading::Parts => "Parts of the target, by matrix parameters",
            Heading::Permutation => "Permutation test",
            Heading::Ranking => "Ranking, the best evidence first",
            Heading::Reproduce => "To reproduce",
            Heading::Roles => "Roles",
            Heading::Subspaces => "Principal subspaces",
            Heading::Tokenizer => "Tokenizer",
            Heading::Transformations => "Transformations found",
            Heading::Unmatched => "Unmatched tensors",
            Heading::Verdict => "Verdict",
            Heading::Pictures => "Pictures",
            Heading::Words => "Words explained",
        }
    }

    fn term(&self, term: Term) -> &'static str {
        match term {
            Term::Agreement => "agreement",
            Term::AllParameters => "all parameters",
            Term::Alpha => "alpha",
            Term::Approximate => "approximate",
            Term::Architecture => "architecture",
            Term::Base => "base",
            Term::Block => "block",
            Term::Bound => "bound",
            Term::Bytes => "bytes",
            Term::Centred => "centred",
            Term::Class => "class",
            Term::Comparable => "comparable",
            Term::Component => "component",
            Term::Confidence => "confidence",
            Term::ConfigJson => "config.json",
            Term::Cosine => "cosine",
            Term::Cosines => "cosines",
            Term::CouldBe => "to change",
            Term::Covered => "covered",
            Term::Criterion => "criterion",
            Term::Differs => "differs",
            Term::Dimension => "d",
            Term::Disclosed => "parameters in it",
            Term::Document => "document",
            Term::Dtype => "dtype",
            Term::Equal => "equal",
            Term::EqualShape => "equal shape",
            Term::Exact => "exact",
            Term::Excess => "excess",
            Term::ExcessToTarget => "excess to the target",
            Term::Expected => "expected",
            Term::Field => "field",
            Term::Files => "files",
            Term::Finding => "finding",
            Term::Form => "form",
            Term::Found => "found",
            Term::HighestToBase => "highest to a base",
            Term::Hits => "hits",
            Term::Holds => "holds",
            Term::Identical => "identical",
            Term::InEqualShapes => "in equal shapes",
            Term::K => "k",
            Term::Label => "label",
            Term::Largest => "largest",
            Term::Layer => "layer",
            Term::Layers => "layers",
            Term::LeastLog10P => "least log10 p",
            Term::Library => "library",
            Term::LeftOut => "left out",
            Term::LeftAside => "left aside",
            Term::Log10P => "log10 p",
            Term::Matrices => "matrices",
            Term::MatricesCovered => "matrices covered",
            Term::Matrix => "matrix",
            Term::Mean => "mean",
            Term::MeanCosine => "mean cosine",
            Term::Meaning => "meaning",
            Term::MedianChange => "median change",
            Term::Missing => "missing",
            Term::Model => "model",
            Term::ModelDigest => "model digest",
            Term::Name => "name",
            Term::NameInTarget => "name in the target",
            Term::Names => "names",
            Term::New => "new",
            Term::Norms => "norms",
            Term::NotTaken => "not taken",
            Term::NotTested => "not tested",
            Term::Number => "number",
            Term::OfEach => "of each",
            Term::OfTheBase => "of the base",
            Term::OfTheTarget => "of the target",
            Term::Overlap => "overlap",
            Term::Parameters => "parameters",
            Term::Parts => "parts",
            Term::Path => "path",
            Term::Pattern => "pattern",
            Term::Permutation => "permutation",
            Term::Probes => "probes",
            Term::Quantization => "quantization",
            Term::Rank => "rank",
            Term::Reads => "reads",
            Term::Reasons => "reasons",
            Term::Relation => "relation",
            Term::Role => "role",
            Term::Scale => "scale",
            Term::Sha256 => "SHA-256",
            Term::Shape => "shape",
            Term::Share => "share",
            Term::Side => "side",
            Term::Size => "size",
            Term::SpeaksFor => "speaks for",
            Term::Storage => "storage",
            Term::Subspaces => "subspaces",
            Term::Supports => "supports",
            Term::Target => "target",
            Term::Tensors => "tensors",
            Term::Tests => "tests",
            Term::ThisPair => "this pair",
            Term::Tokenizer => "tokenizer",
            Term::Unexplained => "unexplained",
            Term::Units => "units",
            Term::UnmatchedTensors => "unmatched tensors",
            Term::Verdict => "verdict",
            Term::Via => "via",
            Term::Weights => "weights",
            Term::Which => "which",
            Term::Why => "why",
            Term::Word => "word",
            Term::Least => "least",
            Term::Median => "median",

            Term::Change => "change",
            Term::UnitsInPlace => "units in place",
            Term::Reused => "reused",
            Term::Chance => "chance",
            Term::SeenBy => "seen by",
            Term::Controls => "controls",
            Term::Relatives => "relatives",
            Term::Kinship => "kinship",
            Term::Nearer => "nearer base",
            Term::BaseLayer => "its layer",
            Term::PlainScale => "plain scale",
        }
    }

    fn remark(&self, remark: Remark) -> &'static str {
        match remark {
            Remark::AdapterCoverage => {
                "The factors of an adapter, and what they change, are no counterparts: see below."
            }
            Remark::AdapterChange => {
                "change: ‖W' − W‖ / ‖W‖, W' being the base's matrix W with the change."
            }
            Remark::Bars => "Bar: matrix cosine, empty at 0, full at 1.",
            Remark::Layers => {
                "Norm gains lie near 1 in unrelated models too and are no evidence by themselves. \
                 equal: tensors with the same bytes."
            }
            Remark::NoFinding => "No finding: nothing could be tested.",
            Remark::NoBand => "No row applies: there is no mean cosine.",
            Remark::Shapes => {
                "Unequal shapes are no evidence for training from scratch, equal ones none for a \
                 common origin."
            }
            Remark::Relatives => {
                "Told by the angles among the differences of the models, for trainings apart from \
                 one another go nearly at right angles. A model near another that is not given has \
                 the same angles: the nearest is not told to be the parent."
            }
            Remark::Controls => {
                "Bases that are known to be unrelated show what unrelated models of this shape \
                 come to."
            }
            Remark::IdenticalMark => "= marks tensors with the same dtype, shape and bytes.",
            Remark::EqualFact => "equals the target's.",
            Remark::MeanCosine => "every pair counts once: the origin document's figure",
            Remark::MatrixCosine => "mean over matrices, weighted by parameters",
            Remark::Excess => "above what a random order would give; unrelated: near 0",
            Remark::NormCosine => "mean over norm gains and biases",
            Remark::Centred => "with their means taken off",
            Remark::Informative => "of these are informative: no constants, no buffers",
        }
    }
}
