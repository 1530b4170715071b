//! Names of the tensors that make up a quantised matrix.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::model::checkpoint::TensorInfo;
use crate::numeric::quant::REGISTERED;
use crate::numeric::quant::scheme::Stacks;

/// The tensors of one stem: what each is for, and where it is in the list of tensors.
pub(super) type Members = BTreeMap<&'static str, usize>;

/// Endings of names that describe activations, and what the tensor is for; they belong to a matrix
/// of any scheme.
const ACTIVATIONS: &[(&str, &str)] = &[
    (".input_scale", "input_scale"),
    (".scale_input", "input_scale"),
    (".input_zero_point", "input_zero_point"),
    (".input_global_scale", "input_global_scale"),
    (".output_scale", "output_scale"),
    (".activation_scale", "activation_scale"),
    (".activation_scale_ub", "activation_scale_ub"),
    (".pre_quant_scale", "pre_quant_scale"),
];

/// Endings of all schemes, each once, by the last two bytes of a name, the longest first: a name
/// belongs to the longest ending that it has.
static ENDINGS: LazyLock<BTreeMap<[u8; 2], Vec<Ending>>> = LazyLock::new(|| {
    let of_schemes = REGISTERED.iter().flat_map(|scheme| scheme.endings);
    let each: BTreeMap<&str, &str> = of_schemes.chain(ACTIVATIONS).copied().collect();
    let mut out: BTreeMap<[u8; 2], Vec<Ending>> = BTreeMap::new();
    for ending in each {
        if let Some(last) = ending.0.as_bytes().last_chunk() {
            out.entry(*last).or_default().push(ending);
        }
    }
    for endings in out.values_mut() {
        endings.sort_by_key(|(ending, _)| std::cmp::Reverse(ending.len()));
    }
    out
});

/// How a name ends, and what the tensor is for.
type Ending = (&'static str, &'static str);

/// The tensors of one stem.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// What each is for.
    pub(super) members: Members,
    /// Whether the unquantised tensor is called by the stem alone, as stacks of experts are.
    pub(super) is_stack: bool,
}

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
                group.is_stack |= makes_a_stack(member);
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
    let endings = ENDINGS.get(name.as_bytes().last_chunk()?)?;
    endings
        .iter()
        .find_map(|(ending, member)| Some((name.strip_suffix(ending)?, *member)))
}

/// Stacks of experts under a name without ".weight", beside their scales.
fn add_stacks<'a>(tensors: &'a [TensorInfo], stems: &mut BTreeMap<&'a str, Group>) {
    for scheme in REGISTERED {
        let Some(Stacks::Beside { dtypes, endings }) = scheme.stacks else {
            continue;
        };
        let is_stack =
            |tensor: &TensorInfo| dtypes.contains(&tensor.dtype) && tensor.shape.len() == 3;
        let stacks: BTreeMap<&str, usize> = tensors
            .iter()
            .enumerate()
            .filter(|(_, tensor)| is_stack(tensor))
            .map(|(at, tensor)| (tensor.name.as_str(), at))
            .collect();
        if stacks.is_empty() {
            continue;
        }
        for (at, tensor) in tensors.iter().enumerate() {
            let beside = endings.iter().find_map(|(ending, member)| {
                let stem = tensor.name.strip_suffix(ending)?;
                Some((stem, *stacks.get(stem)?, *member))
            });
            let Some((stem, stack, member)) = beside else {
                continue;
            };
            let group = Group {
                members: BTreeMap::from([("weight", stack), (member, at)]),
                is_stack: true,
            };
            stems.insert(stem, group);
        }
    }
}

/// Whether a tensor for this makes its group a stack of experts.
fn makes_a_stack(member: &str) -> bool {
    REGISTERED
        .iter()
        .any(|scheme| matches!(scheme.stacks, Some(Stacks::With(mark)) if mark == member))
}

/// Tensors that describe activations or key-value caches.
pub(super) fn activation_side(tensors: &[TensorInfo]) -> Vec<usize> {
    // The last two are ComfyUI's marks of what is quantised and how.
    const ENDINGS: [&str; 14] = [
        ".input_scale",
        ".scale_input",
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
        ".comfy_quant",
        "scaled_fp8",
    ];
    let is_aside = |tensor: &TensorInfo| ENDINGS.iter().any(|ending| tensor.name.ends_with(ending));
    tensors
        .iter()
        .enumerate()
        .filter(|(_, tensor)| is_aside(tensor))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_says_what_the_tensor_is_for_in_one_way() {
        let of_schemes = REGISTERED.iter().flat_map(|scheme| scheme.endings);
        for (known, member) in of_schemes.chain(ACTIVATIONS) {
            assert_eq!(
                ending(&format!("model.experts.7.w1{known}")),
                Some(("model.experts.7.w1", *member)),
                "{known}"
            );
        }
        assert_eq!(ending("weight"), None);
        assert_eq!(ending("s"), None);
    }
}
