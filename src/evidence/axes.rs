//! Axes whose places have a meaning of their own (guide/methods.md, section 8.6): positions, classes
//! against tokens, frequencies of a filter bank. Two models that never met give them one order, so
//! no order says anything, and no cosine either.

use crate::model::words::{Class, Role};
use crate::view::logical::Logical;
use crate::view::model::Model;

/// Most gates of a cell, or halves of a gated layer, that are stacked in one matrix.
const STACKED: u64 = 4;

/// Words of a name, between dots and underscores, that say that both axes have a meaning, or that
/// one of them is positions or frequencies.
const WORDS: [&str; 33] = [
    "adj",
    "adjacency",
    "alibi",
    "cepstrum",
    "crf",
    "dct",
    "dft",
    "fb",
    "fbank",
    "filterbank",
    "fourier",
    "freqs",
    "hadamard",
    "leaf",
    "mel",
    "mfcc",
    "positional",
    "position",
    "positions",
    "pos",
    "pe",
    "seasonal",
    "sgu",
    "sinc",
    "spatial",
    "spectrogram",
    "stft",
    "temporal",
    "tokens",
    "transition",
    "transitions",
    "trend",
    "wsin",
];

/// Whether the places along an axis of a matrix have a meaning of their own.
pub(super) fn has_named_places(logical: &Logical) -> bool {
    if logical.meaning.class != Class::Matrix {
        return false;
    }
    match logical.meaning.role {
        Role::PosEmbed => true,
        // Where a role is known, its axes are: tokens or hidden units against the stream.
        Role::Conv | Role::Linear | Role::Other | Role::Buffer | Role::PatchEmbed => {
            named(&logical.name)
        }
        _ => false,
    }
}

/// Whether no other matrix of the model reads what this one gives, nor gives what it reads: its
/// rows are then outputs (classes), its columns inputs (features, tokens), each with a meaning.
pub(super) fn is_alone(model: &Model, logical: &Logical) -> bool {
    let Some((out, fan_in)) = ends(logical) else {
        return false;
    };
    let others = model
        .logicals
        .iter()
        .filter(|other| other.name != logical.name);
    let mut others = others.filter_map(|other| ends(other));
    !others.any(|(others_out, others_in)| {
        let reads = others_in.is_multiple_of(out);
        let feeds = fan_in.is_multiple_of(others_out)
            || others_out.is_multiple_of(fan_in) && others_out / fan_in <= STACKED;
        reads || feeds
    })
}

/// Numbers of outputs and inputs of a matrix.
fn ends(logical: &Logical) -> Option<(u64, u64)> {
    let is_matrix = logical.meaning.class == Class::Matrix;
    let ends = match logical.shape[..] {
        [.., fan_in, out] if logical.is_channels_last() => Some((out, fan_in)),
        [out, fan_in, ..] => Some((out, fan_in)),
        _ => None,
    };
    ends.filter(|(out, fan_in)| is_matrix && *out > 0 && *fan_in > 0)
}

/// Whether a module of a name, or the tensor itself, is called by one of the words. A block that
/// is called so (`temporal_res_block.conv1`) holds layers of any kind.
fn named(name: &str) -> bool {
    let name = name.to_lowercase();
    let modules = name.split(['.', '/']);
    let mut modules = modules.filter(|module| {
        let last = module.rsplit(['_', '-']).next();
        !matches!(last, Some("block" | "blocks"))
    });
    modules.any(|module| module.split(['_', '-']).any(|word| WORDS.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_block_called_by_a_word_of_places_holds_other_layers() {
        for name in [
            "decoder.mid_block.temporal_res_block.conv1.weight",
            "up_blocks.0.spatial-res-block.conv2.weight",
            "layers.0.temporal_block.linear_y.weight",
        ] {
            assert!(!named(name), "{name}");
        }
        for name in [
            "temporal_dense.weight",
            "blocks.0.spatial_proj.weight",
            "mel.fb",
            "frontend/filterbank/weight",
            "seasonal-head.weight",
        ] {
            assert!(named(name), "{name}");
        }
    }
}
