//! The keys of config.json and their synonyms: the one table that every reader of a config uses.
//!
//! A new spelling is a word in a row here, and nothing else.

/// What a value has to be to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// A whole number, not negative.
    Count,
    /// Any number.
    Number,
    /// A string.
    Word,
    /// True or false.
    Flag,
}

/// One meaning and the keys that makers give it.
#[derive(Debug)]
pub(crate) struct Key {
    /// The spelling that it goes by here.
    pub(crate) name: &'static str,
    /// What a value has to be.
    pub(crate) kind: ValueKind,
    /// Spellings in the order of preference.
    pub(crate) spellings: &'static [&'static str],
}

/// Declares a table, a row a meaning: its name, the kind of its value, its spellings.
macro_rules! keys {
    ($(#[$doc:meta])* $table:ident; $($name:ident: $kind:ident = $($spelling:ident)+;)*) => {
        $(#[$doc])*
        pub(crate) const $table: &[Key] = &[$(Key {
            name: stringify!($name),
            kind: ValueKind::$kind,
            spellings: &[$(stringify!($spelling)),+],
        }),*];
    };
}

keys! {
    /// Facts of the text part (guide/formats.md, section 4).
    TEXT;
    first_k_dense_replace: Count = first_k_dense_replace first_last_k_dense_replace;
    head_dim: Count = head_dim kv_channels attention_head_size;
    hidden_act: Word = hidden_act hidden_activation activation_function act_fn;
    hidden_size: Count = hidden_size n_embd d_model dim model_dim;
    intermediate_size: Count = intermediate_size ffn_dim n_inner ffn_hidden_size hidden_dim
        mlp_hidden_size d_ff;
    kv_lora_rank: Count = kv_lora_rank;
    max_position_embeddings: Count = max_position_embeddings n_positions max_seq_len seq_length
        n_ctx;
    moe_intermediate_size: Count = moe_intermediate_size expert_ffn_hidden_size;
    n_routed_experts: Count = n_routed_experts num_experts num_local_experts moe_num_experts
        n_experts;
    n_shared_experts: Count = n_shared_experts num_shared_experts moe_num_shared_experts;
    norm_eps: Number = rms_norm_eps layer_norm_eps layer_norm_epsilon norm_eps layernorm_epsilon;
    num_attention_heads: Count = num_attention_heads n_head n_heads num_heads;
    num_experts_per_tok: Count = num_experts_per_tok experts_per_token num_experts_per_token
        moe_top_k top_k moe_topk;
    num_hidden_layers: Count = num_hidden_layers n_layer n_layers num_layers depth;
    num_key_value_heads: Count = num_key_value_heads n_kv_heads num_kv_heads n_head_kv
        multi_query_group_num;
    num_nextn_predict_layers: Count = num_nextn_predict_layers num_mtp_layers nextn_predict_layers;
    q_lora_rank: Count = q_lora_rank;
    qk_nope_head_dim: Count = qk_nope_head_dim;
    qk_rope_head_dim: Count = qk_rope_head_dim;
    rope_theta: Number = rope_theta rotary_emb_base;
    rope_theta_global: Number = rope_theta_global;
    rope_local_base_freq: Number = rope_local_base_freq;
    shared_expert_intermediate_size: Count = shared_expert_intermediate_size
        moe_shared_expert_intermediate_size;
    sliding_window: Count = sliding_window;
    tie_word_embeddings: Flag = tie_word_embeddings tie_embeddings;
    v_head_dim: Count = v_head_dim;
    vocab_size: Count = vocab_size padded_vocab_size;
    dtype: Word = torch_dtype dtype;
    model_type: Word = model_type;
}

keys! {
    /// What the text part's tensors are read by and no fact of an architecture.
    LAYOUT;
    linear_num_key_heads: Count = linear_num_key_heads;
    linear_num_value_heads: Count = linear_num_value_heads;
    linear_key_head_dim: Count = linear_key_head_dim;
    linear_value_head_dim: Count = linear_value_head_dim;
    multi_query: Flag = multi_query;
    multi_query_attention: Flag = multi_query_attention;
    new_decoder_architecture: Flag = new_decoder_architecture;
    attention_bias: Flag = attention_bias;
    lm_head_bias: Flag = lm_head_bias;
    mlp_bias: Flag = mlp_bias;
    use_qk_norm: Flag = use_qk_norm;
    use_sliding_window: Flag = use_sliding_window;
    decoder_sparse_step: Count = decoder_sparse_step;
    interleave_moe_layer_step: Count = interleave_moe_layer_step;
    moe_layer_freq: Count = moe_layer_freq;
}

keys! {
    /// Facts of a vision or audio tower.
    TOWER;
    depth: Count = depth num_hidden_layers encoder_layers n_layer num_layers;
    hidden_size: Count = hidden_size embed_dim d_model n_embd width;
    intermediate_size: Count = intermediate_size encoder_ffn_dim ffn_dim;
    num_heads: Count = num_heads num_attention_heads encoder_attention_heads n_head;
    hidden_act: Word = hidden_act activation_function;
    image_size: Count = image_size;
    in_channels: Count = in_channels in_chans num_channels;
    model_type: Word = model_type;
    num_mel_bins: Count = num_mel_bins;
    out_hidden_size: Count = out_hidden_size output_dim;
    patch_size: Count = patch_size spatial_patch_size;
    spatial_merge_size: Count = spatial_merge_size;
    temporal_patch_size: Count = temporal_patch_size;
    window_size: Count = window_size;
}

/// Objects that say how a checkpoint is quantised, in the order of preference.
pub(super) const QUANTISATION: &[&str] =
    &["quantization_config", "compression_config", "quantization"];

/// Objects that describe the text part of a model of several, in the order of preference.
pub(super) const TEXT_PART: &[&str] = &["text_config", "language_config", "llm_config"];

/// The same for a vision tower.
pub(super) const VISION_PART: &[&str] = &[
    "vision_config",
    "vision_tower_config",
    "vit_config",
    "visual",
];

/// The same for an audio tower.
pub(super) const AUDIO_PART: &[&str] = &["audio_config", "audio_tower_config", "speech_config"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_has_one_meaning() {
        for tables in [&[TEXT, LAYOUT][..], &[TOWER]] {
            let mut seen = HashSet::new();
            let rows = tables.iter().copied().flatten();
            for spelling in rows.flat_map(|row| row.spellings) {
                assert!(seen.insert(spelling), "{spelling} stands twice");
            }
        }
    }
}
