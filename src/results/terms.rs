//! What the answers are made of.

pub use crate::align::{Pair, Unmatched};
pub use crate::evidence::adaptation::MatrixChange;
pub use crate::evidence::experts::ExpertLayer;
pub use crate::evidence::figures::{Coverage, LayerFigures, Similarity};
pub use crate::evidence::finding::{Finding, PcaSummary, Supports};
pub use crate::evidence::layer_map::Placed;
pub use crate::evidence::part::{Part, PartKind, State};
pub use crate::evidence::pca::{Pca, Stream};
pub use crate::evidence::permutation::{PowerKind, PowerOf};
pub use crate::evidence::relation::Relation;
pub use crate::evidence::several::kinship::{Between, Kinship, Nearer};
pub use crate::evidence::several::origins::LayerOrigin;
pub use crate::evidence::several::shares::{Rule, Share, Shares, SparseMerge};
pub use crate::evidence::tests_of_units::{Form, Test, UnitKind};
pub use crate::evidence::transformation::{Transformation, TransformationKind};
pub use crate::evidence::untested::Untested;
pub use crate::measure::record::{Digest, Figures};
pub use crate::model::architecture::{
    ArchReason, Assumption, Comparability, ComponentComparison, ComponentShapes, Conflict, Fact,
    FromTo, Kind, PossibleChange, RoleComparison, Shape, ShapeComparison, Source, UnequalRole,
    Width, WidthChange,
};
pub use crate::model::checkpoint::{
    Checkpoint, Format, TensorInfo, WeightFiles, WeightSet, WhyAside,
};
pub use crate::model::dtype::Dtype;
pub use crate::model::sides::{Side, Sides};
pub use crate::model::tokenizer::Overlap;
pub use crate::model::warning::{About, Fused, NotRead, Noted, Warning};
pub use crate::model::words::{Block, Class, Component, Role};
pub use crate::stats::coordinates::Coordinates;
pub use crate::verdict::Verdict;
pub use crate::verdict::decide::Label;
pub use crate::verdict::origin::{Band, Pattern, Reading};
pub use crate::verdict::ranking::{Criterion, CriterionId};
pub use crate::verdict::reasons::Reason;
