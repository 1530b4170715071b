//! What keys of training files stand for, as data.

/// Keys under which programs put the weights, the preferred first.
const WRAPPERS: &[&str] = &[
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "network_state_dict",
    "net_state_dict",
    "model_dict",
    "model_weights",
    "weights",
    "params",
    "params_ema",
    "pytorch_model",
    "base_model",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "ema",
];

/// Keys of models that stand beside others in one file.
const MODELS: &[&str] = &[
    "generator",
    "discriminator",
    "netg",
    "netd",
    "net_g",
    "net_d",
    "g",
    "d",
    "g_ema",
    "gen",
    "disc",
    "actor",
    "critic",
    "policy",
    "reward_model",
    "ref_model",
    "reference",
    "reference_model",
    "student",
    "teacher",
    "target_network",
    "online",
    "momentum_encoder",
];

/// Beginnings of keys of what training keeps beside the weights.
const TRAINING: &[&str] = &[
    "optim",
    "opt_state",
    "lr_sched",
    "scheduler",
    "sched",
    "rng",
    "cuda_rng",
    "random_",
    "rerun_state",
    "grad_scaler",
    "scaler",
    "loss_scaler",
    "dataloader",
    "sampler",
    "grads",
    "gradients",
];

/// Keys that only an optimizer's state of a parameter has.
const MOMENTS: &[&str] = &[
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "momentum_buffer",
    "square_avg",
    "acc_delta",
    "exp_inf",
    "param_groups",
    "single_partition_of_fp32_groups",
    "fp32_flat_groups",
    "fp32_groups",
    "base_optimizer_state",
];

/// What a key says of the dictionary under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An optimizer's, scheduler's or random generator's state.
    Training,
    /// A model among others.
    Model,
    /// Nothing that is known.
    Unknown,
}

/// Place of `key` among those that programs wrap weights in, the least preferred; none of another.
pub(super) fn wrapper_rank(key: &str) -> Option<usize> {
    WRAPPERS.iter().position(|wrapper| *wrapper == key)
}

/// What `key` says.
pub(super) fn kind(key: &str) -> Kind {
    let lower = key.to_ascii_lowercase();
    // The names of tensors hold dots: "scaler.weight" is one.
    if lower.contains('.') {
        return Kind::Unknown;
    }
    let is_training = TRAINING.iter().any(|start| lower.starts_with(start));
    if is_training || lower.contains("optimizer") || lower.ends_with("_optim") {
        return Kind::Training;
    }
    let stem = [
        "_state_dict",
        "_state",
        "_dict",
        "_weights",
        "_params",
        "_ema",
    ]
    .iter()
    .find_map(|ending| lower.strip_suffix(ending))
    .unwrap_or(&lower);
    match MODELS.contains(&lower.as_str()) || MODELS.contains(&stem) {
        true => Kind::Model,
        false => Kind::Unknown,
    }
}

/// Whether `key` is that of an optimizer.
pub(super) fn names_optimizer(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.starts_with("opt") || lower.contains("optim")
}

/// Whether a dictionary with these keys is the state of an optimizer.
pub(super) fn is_optimizer<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    keys.any(|key| MOMENTS.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_training_are_told_from_names_of_modules() {
        for key in [
            "optimizer",
            "optimizer_states",
            "optim_g",
            "d_optimizer",
            "lr_scheduler",
            "rng_state",
        ] {
            assert_eq!(kind(key), Kind::Training, "{key}");
        }
        for key in [
            "generator",
            "netG",
            "netD_state_dict",
            "student_state",
            "ref_model",
        ] {
            assert_eq!(kind(key), Kind::Model, "{key}");
        }
        for key in ["encoder", "scaler.weight", "embedding", "decoder", ""] {
            assert_eq!(kind(key), Kind::Unknown, "{key}");
        }
    }
}
