//! Words that training libraries put into the middle of names, around a module that they wrap.

use std::borrow::Cow;

/// Words that wrap a module wherever they stand: `torch.compile`, activation checkpointing, FSDP,
/// DDP, PEFT.
const WRAPPING: &[&[u8]] = &[b"module", b"base_layer"];

/// `name` without wrapper words: `layers.3._orig_mod.mlp.weight` is `layers.3.mlp.weight`, and
/// `parametrizations.weight.original` is `weight`.
pub(crate) fn unwrapped(name: &str) -> Cow<'_, str> {
    let is_special = |word: &[u8]| matches!(word, b"parametrizations" | b"modules_to_save");
    let mut words = name.as_bytes().split(|byte| *byte == b'.');
    if !words.any(|word| is_special(word) || is_wrapping(word)) {
        return Cow::Borrowed(name);
    }
    let mut segments: Vec<&str> = name.split('.').collect();
    let count = segments.len();
    if let Some(at) = segments.iter().position(|word| *word == "parametrizations")
        && at + 3 == count
        && segments[at + 2] == "original"
    {
        segments.remove(at + 2);
        segments.remove(at);
    }
    if let Some(at) = segments.iter().position(|word| *word == "modules_to_save")
        && at + 2 < segments.len()
    {
        segments.drain(at..at + 2);
    }
    let last = segments.len().saturating_sub(1);
    let mut at = 0;
    segments.retain(|word| {
        at += 1;
        at > last || !is_wrapping(word.as_bytes())
    });
    if segments.len() == count {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(segments.join("."))
    }
}

/// Whether the name is that of a factor of a low-rank change, stored beside what it changes.
pub(crate) fn is_adapter_factor(name: &str) -> bool {
    let mut words = name.as_bytes().split(|byte| *byte == b'.');
    words.any(|word| word.starts_with(b"lora_"))
}

fn is_wrapping(word: &[u8]) -> bool {
    let is_private =
        word.starts_with(b"_") && (word.ends_with(b"module") || word.ends_with(b"_mod"));
    is_private || WRAPPING.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapper_words_go_wherever_they_stand() {
        let cases = [
            ("_orig_mod.layers.0.q.weight", "layers.0.q.weight"),
            ("layers.0._orig_mod.q.weight", "layers.0.q.weight"),
            (
                "layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.q.weight",
                "layers.0.q.weight",
            ),
            ("q.base_layer.weight", "q.weight"),
            ("q.parametrizations.weight.original", "q.weight"),
            (
                "q.parametrizations.weight.0.base",
                "q.parametrizations.weight.0.base",
            ),
            ("score.modules_to_save.default.weight", "score.weight"),
            ("layers.0.module", "layers.0.module"),
            ("layers.0.q.weight", "layers.0.q.weight"),
        ];
        for (name, expected) in cases {
            assert_eq!(unwrapped(name), expected, "{name}");
        }
    }
}
