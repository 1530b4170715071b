//! Names of the tensors that make up a quantised matrix.

use std::collections::BTreeMap;

use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::{Dtype, Kind};

/// The tensors of one stem: what each is for, and where it is in the list of tensors.
pub(super) type Members = BTreeMap<&'static str, usize>;

/// Endings of names and what the tensor is for; a name belongs to the longest ending that it has.
const ENDINGS: &[(&str, &str)] = &[
    (".weight", "weight"),
    (".weight_scale_inv", "weight_scale_inv"),
    (".weight_scale", "weight_scale"),
    (".weight_scale_2", "weight_scale_2"),
    (".weight_zero_point", "weight_zero_point"),
    (".weight_packed", "weight_packed"),
    (".weight_shape", "weight_shape"),
    (".weight_g_idx", "weight_g_idx"),
    (".weight_global_scale", "weight_global_scale"),
    (".scale", "scale"),
    (".qweight", "qweight"),
    (".qzeros", "qzeros"),
    (".scales", "scales"),
    (".g_idx", "g_idx"),
    (".biases", "biases"),
    (".SCB", "SCB"),
    (".weight_format", "weight_format"),
    (".weight_scales", "weight_scales"),
    (".weight.absmax", "absmax"),
    (".weight.quant_map", "quant_map"),
    (".weight.nested_absmax", "nested_absmax"),
    (".weight.nested_quant_map", "nested_quant_map"),
    (".weight.quant_state.bitsandbytes__nf4", "quant_state"),
    (".weight.quant_state.bitsandbytes__fp4", "quant_state"),
    // gpt-oss
    ("_blocks", "blocks"),
    ("_scales", "stack_scales"),
    // torchao and quanto, one matrix in two tensors
    ("._weight_qdata", "weight"),
    ("._weight_scale", "weight_scale"),
    ("._weight_zero_point", "weight_zero_point"),
    (".weight._data", "weight"),
    (".weight._scale", "weight_scale"),
    // Activation side
    (".input_scale", "input_scale"),
    (".input_zero_point", "input_zero_point"),
    (".input_global_scale", "input_global_scale"),
    (".output_scale", "output_scale"),
    (".activation_scale", "activation_scale"),
    (".activation_scale_ub", "activation_scale_ub"),
    (".pre_quant_scale", "pre_quant_scale"),
    // Layouts that are named and not read
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
];

/// Endings of the scales of stacks of experts that are stored without ".weight".
const STACK_ENDINGS: [(&str, &str); 3] = [
    ("_scale_inv", "weight_scale_inv"),
    ("_weight_scale", "weight_scale"),
    ("_scale", "weight_scale"),
];

/// The tensors of one stem.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// What each is for.
    pub(super) members: Members,
    /// Whether the unquantised tensor is called by the stem alone, as stacks of experts are.
    pub(super) is_stack: bool,
}

/// Layouts that are known by the tensors they have, the first of them integers, and that are not
/// read.
const FOREIGN: &[(&[&str], &str)] = &[
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

/// Groups the tensors by stem, sorted; stems with no more than a weight are left out.
pub(super) fn by_stem(tensors: &[TensorInfo]) -> BTreeMap<&str, Group> {
    let mut stems: BTreeMap<&str, Group> = BTreeMap::new();
    let mut weights = Vec::new();
    for (at, tensor) in tensors.iter().enumerate() {
        match ending(&tensor.name) {
            None => {}
            // Of most tensors: only those beside others are looked at.
            Some((stem, "weight")) => weights.push((stem, at)),
            Some((stem, member)) => {
                let group = stems.entry(stem).or_default();
                group.members.insert(member, at);
                group.is_stack |= member == "blocks";
            }
        }
    }
    for (stem, at) in weights {
        if let Some(group) = stems.get_mut(stem) {
            group.members.insert("weight", at);
        }
    }
    add_stacks(tensors, &mut stems);
    stems
}

/// Stem of a name, and what the tensor is for, by the longest ending that it has.
fn ending(name: &str) -> Option<(&str, &'static str)> {
    let last = name.as_bytes().last();
    let endings = ENDINGS
        .iter()
        .filter(|(ending, _)| ending.as_bytes().last() == last);
    let endings =
        endings.filter_map(|(ending, member)| Some((name.strip_suffix(ending)?, *member)));
    endings.min_by_key(|(stem, _)| stem.len())
}

/// Stacks of experts: "X" in 8-bit floats beside "X_scale" or "X_scale_inv".
fn add_stacks<'a>(tensors: &'a [TensorInfo], stems: &mut BTreeMap<&'a str, Group>) {
    let is_float8 = |dtype| {
        matches!(
            dtype,
            Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz
        )
    };
    let stacks: BTreeMap<&str, usize> = tensors
        .iter()
        .enumerate()
        .filter(|(_, tensor)| is_float8(tensor.dtype) && tensor.shape.len() == 3)
        .map(|(at, tensor)| (tensor.name.as_str(), at))
        .collect();
    for (at, tensor) in tensors.iter().enumerate() {
        let scales = STACK_ENDINGS
            .iter()
            .filter_map(|(ending, member)| Some((tensor.name.strip_suffix(ending)?, *member)));
        let stack = scales
            .filter_map(|(stem, member)| Some((stem, stacks.get(stem)?, member)))
            .next();
        if let Some((stem, &stack, member)) = stack {
            let members = BTreeMap::from([("weight", stack), (member, at)]);
            stems.insert(
                stem,
                Group {
                    members,
                    is_stack: true,
                },
            );
        }
    }
}

/// Why the members are not read, where they belong to a layout that is only known by name.
pub(super) fn foreign(members: &Members, tensors: &[TensorInfo]) -> Option<String> {
    let has = |marks: &[&str]| {
        let first = members.get(marks[0]).and_then(|&at| tensors.get(at));
        let all = marks.iter().all(|mark| members.contains_key(mark));
        all && first.is_some_and(|tensor| tensor.dtype.kind() == Kind::Integer)
    };
    let (_, layout) = FOREIGN.iter().find(|(marks, _)| has(marks))?;
    Some(format!("{layout}, which is not read"))
}

/// Tensors that describe activations or key-value caches.
pub(super) fn activation_side(tensors: &[TensorInfo]) -> Vec<usize> {
    const ENDINGS: [&str; 11] = [
        ".input_scale",
        ".output_scale",
        ".input_zero_point",
        ".input_global_scale",
        ".activation_scale",
        ".q_scale",
        ".k_scale",
        ".v_scale",
        ".kv_scale",
        ".prob_output_scale",
        ".prob_scale",
    ];
    let is_aside = |tensor: &TensorInfo| ENDINGS.iter().any(|ending| tensor.name.ends_with(ending));
    tensors
        .iter()
        .enumerate()
        .filter(|(_, tensor)| is_aside(tensor))
        .map(|(at, _)| at)
        .collect()
}
