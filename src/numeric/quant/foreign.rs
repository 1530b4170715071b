//! Schemes that are known by name and not read, so that a user is told which one it is.

use std::sync::Arc;

use super::Built;
use super::scheme::{Candidate, Registration, Scheme, refused};
use crate::model::dtype::{Dtype, Kind};

/// Schemes by the tensors they have, the first of them integers.
const MARKS: &[(&[&str], &str)] = &[
    (&["codes", "codebooks"], "AQLM"),
    (&["indices", "centroids"], "VPTQ"),
    (&["Qidxs"], "QuIP#"),
    (&["dense_weights"], "SpQR"),
    (&["weight", "tables2"], "HIGGS"),
    (&["q_weight", "q_scale"], "EXL2"),
    (&["trellis"], "EXL3"),
    (&["W_q"], "HQQ"),
    (&["B", "s"], "Marlin"),
    (
        &["bitmask", "compressed"],
        "compressed-tensors sparse-bitmask",
    ),
    (&["weight_packed", "meta"], "compressed-tensors marlin-24"),
    (&["data_of_data"], "quanto with packed codes"),
];

/// Those of [`MARKS`].
pub(super) const NAMED: Registration = Registration {
    endings: &[
        (".weight", "weight"),
        (".weight_packed", "weight_packed"),
        (".codes", "codes"),
        (".codebooks", "codebooks"),
        (".centroids", "centroids"),
        (".indices", "indices"),
        (".Qidxs", "Qidxs"),
        (".dense_weights", "dense_weights"),
        (".tables2", "tables2"),
        (".q_weight", "q_weight"),
        (".q_scale", "q_scale"),
        (".q_groups", "q_groups"),
        (".q_invperm", "q_invperm"),
        (".trellis", "trellis"),
        (".suh", "suh"),
        (".svh", "svh"),
        (".W_q", "W_q"),
        (".B", "B"),
        (".s", "s"),
        (".compressed", "compressed"),
        (".bitmask", "bitmask"),
        (".meta", "meta"),
        (".weight._data._data", "data_of_data"),
        (".weight._shift", "shift"),
    ],
    stacks: None,
    detect: named,
};

/// Weights tiled for one kind of processor.
pub(super) const EETQ: Registration = Registration {
    endings: &[(".weight", "weight"), (".weight_scales", "weight_scales")],
    stacks: None,
    detect: eetq,
};

/// Codes with scales that no scheme before it takes.
pub(super) const UNKNOWN: Registration = Registration {
    endings: &[],
    stacks: None,
    detect: unknown,
};

fn named(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let has_all = |marks: &[&str]| {
        let holds_codes = candidate
            .dtype(marks[0])
            .is_some_and(|dtype| dtype.kind() == Kind::Integer);
        holds_codes && marks.iter().all(|mark| candidate.has(mark))
    };
    let (_, scheme) = MARKS.iter().find(|(marks, _)| has_all(marks))?;
    refused(format!("{scheme}, which is not read"))
}

fn eetq(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let is_eetq = candidate.dtype("weight") == Some(Dtype::I8) && candidate.has("weight_scales");
    if !is_eetq {
        return None;
    }
    refused("EETQ, whose tiling of the weights is not read")
}

fn unknown(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let weight = candidate.dtype("weight")?;
    candidate.scale()?;
    if !matches!(weight, Dtype::U8 | Dtype::F4 | Dtype::I32) {
        return None;
    }
    refused(format!(
        "{weight} with scales in a layout that is not known"
    ))
}
