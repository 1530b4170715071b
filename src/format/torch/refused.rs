//! What a file is that holds no weights that are read, in words that help.

use super::globals::Meaning;
use super::keys;
use super::pickle::{Node, Pickle};
use super::state::State;
use crate::error::quoted;

/// What is wrong with an archive whose members have these names; none where it may be a file of
/// `torch.save`.
pub(super) fn archive<'a>(names: impl Iterator<Item = &'a String> + Clone) -> Option<&'static str> {
    let any = |test: &dyn Fn(&str) -> bool| names.clone().any(|name| test(name));
    if any(&|name| name.contains("/code/") || name.ends_with("/constants.pkl")) {
        return Some(TORCHSCRIPT);
    }
    if any(&|name| {
        name.ends_with("archive_format") || name.ends_with("serialized_exported_program.json")
    }) {
        return Some(
            "an exported PyTorch program (expected a state dictionary: torch.export.load(FILE).state_dict)",
        );
    }
    if any(&|name| name.ends_with(".npy")) {
        return Some(
            "an archive of numpy arrays, .npz (expected safetensors, GGUF or a file of torch.save)",
        );
    }
    if any(&|name| name.ends_with("model.weights.h5")) {
        return Some("a Keras archive (expected safetensors, GGUF or a file of torch.save)");
    }
    if any(&|name| {
        name.ends_with(".safetensors") || name.ends_with(".gguf") || name.ends_with(".bin")
    }) {
        return Some("a zip archive of model files (expected it unpacked)");
    }
    None
}

/// A program with its weights.
pub(crate) const TORCHSCRIPT: &str = "a TorchScript archive, a program with its weights (expected a \
     state dictionary: torch.save(torch.jit.load(FILE).state_dict(), OUT) makes one)";

/// Why a pickle in which no weights were found holds none.
pub(super) fn pickle(pickle: &Pickle, state: &State<'_>) -> String {
    let root = pickle.root.and_then(|root| pickle.node(root));
    let keys = keys_of(pickle, root);
    let inner = match root {
        Some(Node::Dictionary(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    let inner = inner.iter().map(|&(_, value)| pickle.node(value));
    let inner: Vec<&str> = inner.flat_map(|node| keys_of(pickle, node)).collect();
    let has = |wanted: &[&str]| keys.iter().chain(&inner).any(|key| wanted.contains(key));
    if has(&[
        "zero_stage",
        "partition_count",
        "param_slice_mappings",
        "ds_version",
        "ds_config",
    ]) && state.has_optimizer
    {
        return "a shard of a DeepSpeed ZeRO optimizer, not a model (expected its weights: zero_to_fp32.py DIRECTORY \
                OUT joins the shards)"
            .to_owned();
    }
    if let Some(class) = wrapped_module(pickle, root) {
        return pickled_module(class);
    }
    if state.has_optimizer {
        return "only an optimizer's state, no weights (expected the file of the model beside it)"
            .to_owned();
    }
    let class = match root {
        Some(Node::Object(class)) => pickle.global_name(*class),
        Some(Node::Tensor(_) | Node::Unread(_)) => {
            return "a single tensor without a name (expected a dictionary of tensors)".to_owned();
        }
        _ => None,
    };
    let module = || {
        pickle
            .globals()
            .find(|(_, meaning)| *meaning == Meaning::Module)
    };
    let holds_numpy = || {
        pickle
            .globals()
            .any(|(_, meaning)| meaning == Meaning::Numpy)
    };
    match class.or_else(|| module().map(|(name, _)| name)) {
        Some(class) => pickled_module(class),
        None if holds_numpy() => {
            "a pickle of numpy arrays, no PyTorch tensors (expected a dictionary of tensors)"
                .to_owned()
        }
        None => match keys.split_first() {
            Some((first, rest)) => format!(
                "a PyTorch file without a dictionary of tensors: {} (expected a state dictionary)",
                match rest.len() {
                    0 => format!("its one key is {}", quoted(first)),
                    more => format!("its keys are {} and {more} more", quoted(first)),
                }
            ),
            None => "a PyTorch file without a dictionary of tensors".to_owned(),
        },
    }
}

/// The keys of a dictionary; none of another value.
fn keys_of<'a>(pickle: &'a Pickle, node: Option<&Node>) -> Vec<&'a str> {
    let pairs = match node {
        Some(Node::Dictionary(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    let keys = pairs.iter().map(|&(key, _)| pickle.text(key));
    keys.flatten().collect()
}

/// The class of an object that lies under a key where programs keep the model.
fn wrapped_module<'a>(pickle: &'a Pickle, root: Option<&Node>) -> Option<&'a str> {
    let Some(Node::Dictionary(pairs)) = root else {
        return None;
    };
    let is_model = |key: &str| {
        keys::wrapper_rank(key).is_some() || matches!(keys::kind(key), keys::Kind::Model)
    };
    pairs.iter().find_map(|&(key, value)| {
        let Some(Node::Object(class)) = pickle.node(value) else {
            return None;
        };
        is_model(pickle.text(key)?).then(|| pickle.global_name(*class))?
    })
}

fn pickled_module(class: &str) -> String {
    format!(
        "a pickled module of class {}, a program and not a file of weights (expected its weights: \
         torch.save(module.state_dict(), OUT))",
        quoted(class)
    )
}
