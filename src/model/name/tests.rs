//! One block of lines a family: stored name, shape, and what it means. All lines of a block are one
//! checkpoint.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// `NAME [SHAPE] DTYPE? = COMPONENT, BLOCK, ROLE, SLOT, CLASS (, expert N | , shared)?`
pub(super) fn check(family: &str, config: Option<serde_json::Value>, lines: &str) {
    let config = config.map(|value| Config {
        raw: value.as_object().unwrap().clone(),
    });
    let rows: Vec<_> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let parsed: Vec<_> = rows
        .iter()
        .map(|row| {
            let (tensor, expected) = row
                .split_once(" = ")
                .unwrap_or_else(|| panic!("{family}: {row}"));
            let mut parts = tensor.split_whitespace();
            let (name, shape) = (parts.next().unwrap(), parts.next().unwrap());
            let dtype = parts
                .next()
                .map_or(Dtype::Bf16, |word| Dtype::parse(word).unwrap());
            let shape: Vec<u64> = serde_json::from_str(shape).unwrap();
            (name, shape, dtype, expected)
        })
        .collect();
    let namer = Namer::new(parsed.iter().map(|row| row.0), config.as_ref());
    let mut places = BTreeSet::new();
    for (name, shape, dtype, expected) in &parsed {
        let meaning = namer.meaning(name, shape, *dtype);
        assert_eq!(&said(&meaning), expected, "{family}: {name}");
        assert_eq!(
            meaning.layer,
            if let Some(Block::Layer(n)) = meaning.block {
                Some(n)
            } else {
                None
            },
            "{name}"
        );
        let Meaning {
            component,
            block,
            expert,
            shared_expert,
            slot,
            ..
        } = meaning;
        assert!(
            places.insert((component, block, expert, shared_expert, slot)),
            "{family}: {name} is not unique"
        );
    }
}

fn said(meaning: &Meaning) -> String {
    let Meaning {
        component,
        block,
        role,
        slot,
        class,
        expert,
        shared_expert,
        ..
    } = meaning;
    let block = block.map_or("-".to_owned(), |block| block.to_string());
    let expert = expert.map_or(String::new(), |index| format!(", expert {index}"));
    let shared = if *shared_expert { ", shared" } else { "" };
    format!("{component}, {block}, {role}, {slot}, {class}{expert}{shared}")
}

#[test]
fn llama_line() {
    check(
        "Llama, Mistral, Qwen, SOLAR",
        None,
        "
        model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.layers.3.self_attn.q_proj.weight [8,8] = text, layer 3, q, q.weight, matrix
        model.layers.3.self_attn.q_proj.bias [8] = text, layer 3, bias, q.bias, vector
        model.layers.3.self_attn.k_proj.weight [4,8] = text, layer 3, k, k.weight, matrix
        model.layers.3.self_attn.v_proj.weight [4,8] = text, layer 3, v, v.weight, matrix
        model.layers.3.self_attn.o_proj.weight [8,8] = text, layer 3, o, o.weight, matrix
        model.layers.3.self_attn.q_norm.weight [4] = text, layer 3, q_norm, q_norm.weight, norm
        model.layers.3.self_attn.k_norm.weight [4] = text, layer 3, k_norm, k_norm.weight, norm
        model.layers.3.self_attn.rotary_emb.inv_freq [2] = text, layer 3, buffer, inv_freq, uninformative
        model.layers.3.mlp.gate_proj.weight [16,8] = text, layer 3, gate, gate.weight, matrix
        model.layers.3.mlp.up_proj.weight [16,8] = text, layer 3, up, up.weight, matrix
        model.layers.3.mlp.down_proj.weight [8,16] = text, layer 3, down, down.weight, matrix
        model.layers.3.input_layernorm.weight [8] = text, layer 3, norm, norm:pre_attn.weight, norm
        model.layers.3.post_attention_layernorm.weight [8] = text, layer 3, norm, norm:pre_mlp.weight, norm
        model.norm.weight [8] = text, final, norm, norm:final.weight, norm
        lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
}

#[test]
fn norms_after_a_step() {
    check(
        "Gemma 2 and later",
        None,
        "
        model.layers.0.input_layernorm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        model.layers.0.post_attention_layernorm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        model.layers.0.pre_feedforward_layernorm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        model.layers.0.post_feedforward_layernorm.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        ",
    );
    check(
        "EXAONE-4, OLMo 2",
        None,
        "
        model.layers.0.post_attention_layernorm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        model.layers.0.post_feedforward_layernorm.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        ",
    );
    check(
        "VAETKI",
        None,
        "
        model.layers.0.input_layernorm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        model.layers.0.post_attention_layernorm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        model.layers.0.pre_mlp_layernorm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        model.layers.0.post_mlp_layernorm.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        ",
    );
    check(
        "GLM-4",
        None,
        "
        model.layers.0.input_layernorm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        model.layers.0.post_self_attn_layernorm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        model.layers.0.post_attention_layernorm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        model.layers.0.post_mlp_layernorm.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        model.layers.0.mlp.gate_up_proj.weight [32,8] = text, layer 0, gate_up, gate_up.weight, matrix
        ",
    );
    check(
        "HyperCLOVA X",
        None,
        "
        model.language_model.layers.0.post_norm1.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        model.language_model.layers.0.post_norm2.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        model.vision_model.blocks.0.attn.qkv.weight [24,8] = vision, layer 0, qkv, qkv.weight, matrix
        model.vision_model.merger.ln_q.weight [8] = vision, -, norm, norm:merger.weight, norm
        model.vision_projector.weight [8,8] = projector, -, projector, projector.weight, matrix
        model.vision_projector.bias [8] = projector, -, bias, projector.bias, vector
        ",
    );
}

#[test]
fn mixtures_of_experts() {
    check(
        "DeepSeek-V3, Kimi-K2, A.X-K1",
        None,
        "
        model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.layers.1.self_attn.q_a_proj.weight [4,8] = text, layer 1, q_a, q_a.weight, matrix
        model.layers.1.self_attn.q_a_layernorm.weight [4] = text, layer 1, norm, norm:q_a.weight, norm
        model.layers.1.self_attn.q_b_proj.weight [8,4] = text, layer 1, q_b, q_b.weight, matrix
        model.layers.1.self_attn.kv_a_proj_with_mqa.weight [5,8] = text, layer 1, kv_a, kv_a.weight, matrix
        model.layers.1.self_attn.kv_a_layernorm.weight [4] = text, layer 1, norm, norm:kv_a.weight, norm
        model.layers.1.self_attn.kv_b_proj.weight [8,4] = text, layer 1, kv_b, kv_b.weight, matrix
        model.layers.1.self_attn.o_proj.weight [8,8] = text, layer 1, o, o.weight, matrix
        model.layers.1.self_attn.indexer.wq_b.weight [8,4] = text, layer 1, linear, indexer.q_b.weight, matrix
        model.layers.1.self_attn.indexer.k_norm.bias [8] = text, layer 1, norm, norm:indexer_k.bias, norm
        model.layers.1.input_layernorm.weight [8] = text, layer 1, norm, norm:pre_attn.weight, norm
        model.layers.1.post_attention_layernorm.weight [8] = text, layer 1, norm, norm:pre_mlp.weight, norm
        model.layers.1.post_mlp_layernorm.weight [8] = text, layer 1, norm, norm:post_mlp.weight, norm
        model.layers.1.mlp.gate.weight [4,8] = text, layer 1, router, router.weight, matrix
        model.layers.1.mlp.gate.e_score_correction_bias [4] = text, layer 1, router_bias, router_bias, vector
        model.layers.1.mlp.experts.2.gate_proj.weight [16,8] = text, layer 1, gate, gate.weight, matrix, expert 2
        model.layers.1.mlp.experts.2.down_proj.weight [8,16] = text, layer 1, down, down.weight, matrix, expert 2
        model.layers.1.mlp.shared_experts.up_proj.weight [16,8] = text, layer 1, up, up.weight, matrix, shared
        model.layers.61.enorm.weight [8] = text, mtp, norm, norm:mtp_embed.weight, norm
        model.layers.61.hnorm.weight [8] = text, mtp, norm, norm:mtp_hidden.weight, norm
        model.layers.61.eh_proj.weight [8,16] = text, mtp, linear, eh_proj.weight, matrix
        model.layers.61.embed_tokens.weight [32,8] = text, mtp, embed, embed.weight, matrix
        model.layers.61.shared_head.norm.weight [8] = text, mtp, norm, norm:final.weight, norm
        model.layers.61.shared_head.head.weight [32,8] = text, mtp, lm_head, lm_head.weight, matrix
        model.layers.61.self_attn.o_proj.weight [8,8] = text, mtp, o, o.weight, matrix
        model.layers.61.mlp.experts.0.up_proj.weight [16,8] = text, mtp, up, up.weight, matrix, expert 0
        ",
    );
    check(
        "Qwen2-MoE",
        None,
        "
        model.layers.0.mlp.shared_expert.down_proj.weight [8,16] = text, layer 0, down, down.weight, matrix, shared
        model.layers.0.mlp.shared_expert_gate.weight [1,8] = text, layer 0, router, shared_gate.weight, vector, shared
        model.layers.0.mlp.experts.63.up_proj.weight [16,8] = text, layer 0, up, up.weight, matrix, expert 63
        ",
    );
    check(
        "K-EXAONE",
        Some(json!({"num_hidden_layers": 48})),
        "
        model.layers.47.mlp.e_score_correction_bias [4] = text, layer 47, router_bias, router_bias, vector
        model.layers.47.mlp.experts.0.up_proj.weight [16,8] = text, layer 47, up, up.weight, matrix, expert 0
        mtp.layers.0.self_attn.q_proj.weight [8,8] = text, mtp, q, q.weight, matrix
        mtp.layers.1.self_attn.q_proj.weight [8,8] = text, mtp, q, 1.q.weight, matrix
        mtp.fc.weight [8,16] = text, mtp, linear, eh_proj.weight, matrix
        mtp.norm.weight [8] = text, mtp, norm, norm:final.weight, norm
        mtp.pre_fc_norm_embedding.weight [8] = text, mtp, norm, norm:mtp_embed.weight, norm
        mtp.pre_fc_norm_hidden.weight [8] = text, mtp, norm, norm:mtp_hidden.weight, norm
        ",
    );
    check(
        "Mixtral, Phi-3.5-MoE",
        None,
        "
        model.layers.0.block_sparse_moe.gate.weight [4,8] = text, layer 0, router, router.weight, matrix
        model.layers.0.block_sparse_moe.experts.1.w1.weight [16,8] = text, layer 0, gate, gate.weight, matrix, expert 1
        model.layers.0.block_sparse_moe.experts.1.w2.weight [8,16] = text, layer 0, down, down.weight, matrix, expert 1
        model.layers.0.block_sparse_moe.experts.1.w3.weight [16,8] = text, layer 0, up, up.weight, matrix, expert 1
        model.layers.0.input_layernorm.bias [8] = text, layer 0, norm, norm:pre_attn.bias, norm
        ",
    );
    check(
        "gpt-oss",
        None,
        "
        model.layers.0.self_attn.sinks [4] = text, layer 0, bias, sinks, vector
        model.layers.0.mlp.router.weight [4,8] = text, layer 0, router, router.weight, matrix
        model.layers.0.mlp.router.bias [4] = text, layer 0, bias, router.bias, vector
        model.layers.0.mlp.experts.gate_up_proj [4,8,32] = text, layer 0, gate_up, experts.gate_up.weight, matrix
        model.layers.0.mlp.experts.gate_up_proj_bias [4,32] = text, layer 0, bias, experts.gate_up.bias, matrix
        model.layers.0.mlp.experts.down_proj [4,16,8] = text, layer 0, down, experts.down.weight, matrix
        ",
    );
    check(
        "Llama-4",
        None,
        "
        language_model.model.layers.0.feed_forward.router.weight [4,8] = text, layer 0, router, router.weight, matrix
        language_model.model.layers.0.feed_forward.experts.down_proj [4,16,8] = text, layer 0, down, experts.down.weight, matrix
        language_model.model.layers.0.feed_forward.shared_expert.gate_proj.weight [16,8] = text, layer 0, gate, gate.weight, matrix, shared
        ",
    );
    check(
        "Granite-MoE",
        None,
        "
        model.layers.0.block_sparse_moe.input_linear.weight [4,32,8] = text, layer 0, gate_up, experts.gate_up.weight, matrix
        model.layers.0.block_sparse_moe.output_linear.weight [4,8,16] = text, layer 0, down, experts.down.weight, matrix
        model.layers.0.block_sparse_moe.router.layer.weight [4,8] = text, layer 0, router, router.weight, matrix
        model.layers.0.shared_mlp.input_linear.weight [32,8] = text, layer 0, gate_up, gate_up.weight, matrix, shared
        ",
    );
    check(
        "ERNIE-4.5-MoE, HunYuan, LongCat",
        None,
        "
        model.layers.1.mlp.moe_statics.e_score_correction_bias [1,4] = text, layer 1, router_bias, router_bias, vector
        model.layers.1.mlp.experts.0.up_proj.weight [16,8] = text, layer 1, up, up.weight, matrix, expert 0
        model.layers.1.mlp.shared_mlp.up_proj.weight [16,8] = text, layer 1, up, up.weight, matrix, shared
        model.layers.1.mlp.gate.wg.weight [4,8] = text, layer 1, router, router.weight, matrix
        model.layers.2.mlp.router.classifier.weight [4,8] = text, layer 2, router, router.weight, matrix
        model.layers.2.self_attn.0.q_b_proj.weight [8,4] = text, layer 2, q_b, 0.q_b.weight, matrix
        model.layers.2.self_attn.1.q_b_proj.weight [8,4] = text, layer 2, q_b, 1.q_b.weight, matrix
        model.layers.2.mlps.1.up_proj.weight [16,8] = text, layer 2, up, mlps.1.up.weight, matrix
        model.layers.2.input_layernorm.1.weight [8] = text, layer 2, norm, 1.norm:pre_attn.weight, norm
        model.mtp.layers.0.enorm.weight [8] = text, mtp, norm, norm:mtp_embed.weight, norm
        ",
    );
}

#[test]
fn plain_transformers() {
    check(
        "Phi-3",
        None,
        "
        model.layers.0.self_attn.qkv_proj.weight [16,8] = text, layer 0, qkv, qkv.weight, matrix
        model.layers.0.mlp.gate_up_proj.weight [32,8] = text, layer 0, gate_up, gate_up.weight, matrix
        ",
    );
    check(
        "GPT-2",
        None,
        "
        transformer.wte.weight [32,8] = text, embedding, embed, embed.weight, matrix
        transformer.wpe.weight [16,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        transformer.h.0.ln_1.bias [8] = text, layer 0, norm, norm:pre_attn.bias, norm
        transformer.h.0.ln_2.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        transformer.h.0.attn.bias [1,1,16,16] = text, layer 0, buffer, attn.bias, uninformative
        transformer.h.0.attn.masked_bias [] = text, layer 0, buffer, masked_bias, uninformative
        transformer.h.0.attn.c_attn.weight [8,24] = text, layer 0, qkv, qkv.weight, matrix
        transformer.h.0.attn.c_attn.bias [24] = text, layer 0, bias, qkv.bias, vector
        transformer.h.0.attn.c_proj.weight [8,8] = text, layer 0, o, o.weight, matrix
        transformer.h.0.mlp.c_fc.weight [8,32] = text, layer 0, fc1, fc1.weight, matrix
        transformer.h.0.mlp.c_proj.weight [32,8] = text, layer 0, fc2, fc2.weight, matrix
        transformer.ln_f.weight [8] = text, final, norm, norm:final.weight, norm
        lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "GPT-2 without wrapper, mask as bytes",
        None,
        "
        wte.weight [32,8] = text, embedding, embed, embed.weight, matrix
        h.11.attn.bias [1,1,16,16] U8 = text, layer 11, buffer, attn.bias, uninformative
        h.11.attn.c_attn.weight [8,24] = text, layer 11, qkv, qkv.weight, matrix
        ln_f.bias [8] = text, final, norm, norm:final.bias, norm
        ",
    );
    check(
        "GPT-NeoX",
        None,
        "
        gpt_neox.embed_in.weight [32,8] = text, embedding, embed, embed.weight, matrix
        gpt_neox.layers.0.input_layernorm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        gpt_neox.layers.0.post_attention_layernorm.bias [8] = text, layer 0, norm, norm:pre_mlp.bias, norm
        gpt_neox.layers.0.attention.bias [1,1,8,8] BOOL = text, layer 0, buffer, attention.bias, uninformative
        gpt_neox.layers.0.attention.masked_bias [] = text, layer 0, buffer, masked_bias, uninformative
        gpt_neox.layers.0.attention.rotary_emb.inv_freq [4] = text, layer 0, buffer, inv_freq, uninformative
        gpt_neox.layers.0.attention.query_key_value.weight [24,8] = text, layer 0, qkv, qkv.weight, matrix
        gpt_neox.layers.0.attention.dense.weight [8,8] = text, layer 0, o, o.weight, matrix
        gpt_neox.layers.0.mlp.dense_h_to_4h.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        gpt_neox.layers.0.mlp.dense_4h_to_h.bias [8] = text, layer 0, bias, fc2.bias, vector
        gpt_neox.final_layer_norm.weight [8] = text, final, norm, norm:final.weight, norm
        embed_out.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "BLOOM, Falcon",
        None,
        "
        transformer.word_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        transformer.word_embeddings_layernorm.weight [8] = text, embedding, norm, norm:embed.weight, norm
        transformer.h.0.self_attention.query_key_value.weight [24,8] = text, layer 0, qkv, qkv.weight, matrix
        transformer.h.0.self_attention.dense.weight [8,8] = text, layer 0, o, o.weight, matrix
        transformer.h.0.mlp.dense_h_to_4h.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        transformer.h.0.ln_attn.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        transformer.h.0.ln_mlp.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        ",
    );
    check(
        "OPT",
        None,
        "
        model.decoder.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.decoder.embed_positions.weight [18,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        model.decoder.layers.0.self_attn.out_proj.weight [8,8] = text, layer 0, o, o.weight, matrix
        model.decoder.layers.0.self_attn_layer_norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        model.decoder.layers.0.fc1.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        model.decoder.layers.0.fc2.bias [8] = text, layer 0, bias, fc2.bias, vector
        model.decoder.layers.0.final_layer_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        model.decoder.final_layer_norm.weight [8] = text, final, norm, norm:final.weight, norm
        ",
    );
    check(
        "Phi-1, GPT-J, GPT-Neo",
        None,
        "
        model.layers.0.self_attn.dense.weight [8,8] = text, layer 0, o, o.weight, matrix
        model.layers.0.mlp.fc1.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        transformer.h.1.mlp.fc_in.weight [32,8] = text, layer 1, fc1, fc1.weight, matrix
        transformer.h.1.mlp.fc_out.weight [8,32] = text, layer 1, fc2, fc2.weight, matrix
        transformer.h.1.attn.embed_positions [32,4] = text, layer 1, buffer, embed_positions.weight, uninformative
        transformer.h.2.attn.attention.out_proj.weight [8,8] = text, layer 2, o, o.weight, matrix
        transformer.h.2.attn.attention.bias [1,1,8,8] BOOL = text, layer 2, buffer, attn.attention.bias, uninformative
        ",
    );
    check(
        "GPT-BigCode",
        None,
        "
        transformer.bias [8,8] BOOL = text, -, buffer, bias, uninformative
        transformer.wte.weight [32,8] = text, embedding, embed, embed.weight, matrix
        ",
    );
}

#[test]
fn encoders() {
    check(
        "BERT, RoBERTa, MiniLM",
        None,
        "
        bert.embeddings.word_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        bert.embeddings.position_embeddings.weight [16,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        bert.embeddings.token_type_embeddings.weight [2,8] = text, embedding, pos_embed, token_type.weight, matrix
        bert.embeddings.position_ids [1,16] I64 = text, -, buffer, position_ids, uninformative
        bert.embeddings.LayerNorm.gamma [8] = text, embedding, norm, norm:embed.weight, norm
        bert.embeddings.LayerNorm.beta [8] = text, embedding, norm, norm:embed.bias, norm
        bert.encoder.layer.0.attention.self.query.weight [8,8] = text, layer 0, q, q.weight, matrix
        bert.encoder.layer.0.attention.self.key.bias [8] = text, layer 0, bias, k.bias, vector
        bert.encoder.layer.0.attention.output.dense.weight [8,8] = text, layer 0, o, o.weight, matrix
        bert.encoder.layer.0.attention.output.LayerNorm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        bert.encoder.layer.0.intermediate.dense.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        bert.encoder.layer.0.output.dense.weight [8,32] = text, layer 0, fc2, fc2.weight, matrix
        bert.encoder.layer.0.output.LayerNorm.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        bert.pooler.dense.weight [8,8] = text, final, linear, pooler.weight, matrix
        cls.predictions.bias [32] = text, final, bias, lm_head.bias, vector
        cls.predictions.transform.dense.weight [8,8] = text, final, linear, head.dense.weight, matrix
        cls.predictions.transform.LayerNorm.weight [8] = text, final, norm, norm:head.weight, norm
        cls.seq_relationship.weight [2,8] = text, final, linear, seq_relationship.weight, matrix
        ",
    );
    check(
        "DistilBERT",
        None,
        "
        distilbert.transformer.layer.0.attention.q_lin.weight [8,8] = text, layer 0, q, q.weight, matrix
        distilbert.transformer.layer.0.attention.out_lin.weight [8,8] = text, layer 0, o, o.weight, matrix
        distilbert.transformer.layer.0.sa_layer_norm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        distilbert.transformer.layer.0.ffn.lin1.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        distilbert.transformer.layer.0.output_layer_norm.bias [8] = text, layer 0, norm, norm:post_mlp.bias, norm
        vocab_projector.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "MPNet",
        None,
        "
        mpnet.encoder.layer.0.attention.attn.q.weight [8,8] = text, layer 0, q, q.weight, matrix
        mpnet.encoder.layer.0.attention.attn.o.weight [8,8] = text, layer 0, o, o.weight, matrix
        mpnet.encoder.layer.0.attention.LayerNorm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        mpnet.encoder.relative_attention_bias.weight [32,4] = text, embedding, pos_embed, rel_bias.weight, matrix
        ",
    );
    check(
        "ModernBERT",
        None,
        "
        model.embeddings.tok_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.embeddings.norm.weight [8] = text, embedding, norm, norm:embed.weight, norm
        model.layers.1.attn_norm.weight [8] = text, layer 1, norm, norm:pre_attn.weight, norm
        model.layers.1.attn.Wqkv.weight [24,8] = text, layer 1, qkv, qkv.weight, matrix
        model.layers.1.attn.Wo.weight [8,8] = text, layer 1, o, o.weight, matrix
        model.layers.1.mlp_norm.weight [8] = text, layer 1, norm, norm:pre_mlp.weight, norm
        model.layers.1.mlp.Wi.weight [32,8] = text, layer 1, gate_up, gate_up.weight, matrix
        model.layers.1.mlp.Wo.weight [8,16] = text, layer 1, down, down.weight, matrix
        model.final_norm.weight [8] = text, final, norm, norm:final.weight, norm
        head.dense.weight [8,8] = text, final, linear, head.dense.weight, matrix
        head.norm.weight [8] = text, final, norm, norm:head.weight, norm
        decoder.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "NomicBERT",
        None,
        "
        encoder.layers.0.attn.Wqkv.weight [24,8] = text, layer 0, qkv, qkv.weight, matrix
        encoder.layers.0.mlp.fc11.weight [16,8] = text, layer 0, up, up.weight, matrix
        encoder.layers.0.mlp.fc12.weight [16,8] = text, layer 0, gate, gate.weight, matrix
        encoder.layers.0.mlp.fc2.weight [8,16] = text, layer 0, down, down.weight, matrix
        encoder.layers.0.norm1.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        emb_ln.weight [8] = text, embedding, norm, norm:embed.weight, norm
        ",
    );
}

#[test]
fn encoder_decoders() {
    check(
        "T5",
        None,
        "
        shared.weight [32,8] = text, embedding, embed, embed.weight, matrix
        encoder.embed_tokens.weight [32,8] = text, embedding, embed, encoder.embed.weight, matrix
        decoder.embed_tokens.weight [32,8] = text, embedding, embed, decoder.embed.weight, matrix
        encoder.block.0.layer.0.SelfAttention.q.weight [8,8] = text, layer 0, q, encoder.q.weight, matrix
        encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight [32,4] = text, layer 0, pos_embed, encoder.rel_bias.weight, matrix
        encoder.block.0.layer.0.layer_norm.weight [8] = text, layer 0, norm, encoder.norm:pre_attn.weight, norm
        encoder.block.0.layer.1.DenseReluDense.wi_0.weight [16,8] = text, layer 0, gate, encoder.gate.weight, matrix
        encoder.block.0.layer.1.DenseReluDense.wi_1.weight [16,8] = text, layer 0, up, encoder.up.weight, matrix
        encoder.block.0.layer.1.DenseReluDense.wo.weight [8,16] = text, layer 0, down, encoder.down.weight, matrix
        encoder.block.0.layer.1.layer_norm.weight [8] = text, layer 0, norm, encoder.norm:pre_mlp.weight, norm
        encoder.final_layer_norm.weight [8] = text, final, norm, encoder.norm:final.weight, norm
        decoder.block.0.layer.0.SelfAttention.o.weight [8,8] = text, layer 0, o, o.weight, matrix
        decoder.block.0.layer.1.EncDecAttention.o.weight [8,8] = text, layer 0, o, cross.o.weight, matrix
        decoder.block.0.layer.0.layer_norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        decoder.block.0.layer.1.layer_norm.weight [8] = text, layer 0, norm, norm:pre_cross.weight, norm
        decoder.block.0.layer.2.layer_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        decoder.block.0.layer.2.DenseReluDense.wo.weight [8,16] = text, layer 0, down, down.weight, matrix
        decoder.final_layer_norm.weight [8] = text, final, norm, norm:final.weight, norm
        lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "BART",
        None,
        "
        model.shared.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.encoder.embed_positions.weight [16,8] = text, embedding, pos_embed, encoder.pos_embed.weight, matrix
        model.encoder.layernorm_embedding.weight [8] = text, embedding, norm, encoder.norm:embed.weight, norm
        model.encoder.layers.0.self_attn.k_proj.weight [8,8] = text, layer 0, k, encoder.k.weight, matrix
        model.decoder.layers.0.self_attn.k_proj.weight [8,8] = text, layer 0, k, k.weight, matrix
        model.decoder.layers.0.encoder_attn.k_proj.weight [8,8] = text, layer 0, k, cross.k.weight, matrix
        model.decoder.layers.0.encoder_attn_layer_norm.weight [8] = text, layer 0, norm, norm:pre_cross.weight, norm
        final_logits_bias [1,32] = text, -, buffer, final_logits_bias, uninformative
        ",
    );
    check(
        "Whisper",
        None,
        "
        model.encoder.conv1.weight [8,80,3] = audio, -, conv, conv1.weight, matrix
        model.encoder.conv2.bias [8] = audio, -, bias, conv2.bias, vector
        model.encoder.embed_positions.weight [1500,8] = audio, -, buffer, pos_embed.weight, uninformative
        model.encoder.layers.0.self_attn.q_proj.weight [8,8] = audio, layer 0, q, q.weight, matrix
        model.encoder.layer_norm.weight [8] = audio, final, norm, norm:final.weight, norm
        model.decoder.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.decoder.embed_positions.weight [448,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        model.decoder.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        model.decoder.layers.0.encoder_attn.q_proj.weight [8,8] = text, layer 0, q, cross.q.weight, matrix
        proj_out.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
}

#[test]
fn vision_towers() {
    check(
        "CLIP, SigLIP",
        None,
        "
        text_model.embeddings.token_embedding.weight [32,8] = text, embedding, embed, embed.weight, matrix
        text_model.embeddings.position_embedding.weight [16,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        text_model.encoder.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        text_model.final_layer_norm.weight [8] = text, final, norm, norm:final.weight, norm
        vision_model.embeddings.class_embedding [8] = vision, embedding, pos_embed, cls_token.weight, vector
        vision_model.embeddings.patch_embedding.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        vision_model.embeddings.position_embedding.weight [17,8] = vision, embedding, pos_embed, pos_embed.weight, matrix
        vision_model.pre_layrnorm.weight [8] = vision, embedding, norm, norm:embed.weight, norm
        vision_model.encoder.layers.0.layer_norm1.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        vision_model.encoder.layers.0.layer_norm2.bias [8] = vision, layer 0, norm, norm:pre_mlp.bias, norm
        vision_model.encoder.layers.0.self_attn.out_proj.weight [8,8] = vision, layer 0, o, o.weight, matrix
        vision_model.encoder.layers.0.mlp.fc1.weight [32,8] = vision, layer 0, fc1, fc1.weight, matrix
        vision_model.post_layernorm.bias [8] = vision, final, norm, norm:final.bias, norm
        vision_model.head.attention.in_proj_weight [24,8] = vision, -, qkv, head.qkv.weight, matrix
        vision_model.head.attention.in_proj_bias [24] = vision, -, bias, head.qkv.bias, vector
        vision_model.head.mlp.fc1.weight [32,8] = vision, -, fc1, head.fc1.weight, matrix
        visual_projection.weight [8,8] = projector, -, projector, projector.visual.weight, matrix
        text_projection.weight [8,8] = projector, -, projector, projector.text.weight, matrix
        logit_scale [] = other, -, other, logit_scale.weight, vector
        ",
    );
    check(
        "OpenCLIP",
        None,
        "
        visual.conv1.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        visual.class_embedding [8] = vision, embedding, pos_embed, cls_token.weight, vector
        visual.positional_embedding [17,8] = vision, embedding, pos_embed, pos_embed.weight, matrix
        visual.ln_pre.weight [8] = vision, embedding, norm, norm:embed.weight, norm
        visual.transformer.resblocks.0.attn.in_proj_weight [24,8] = vision, layer 0, qkv, qkv.weight, matrix
        visual.transformer.resblocks.0.mlp.c_fc.weight [32,8] = vision, layer 0, fc1, fc1.weight, matrix
        transformer.resblocks.0.mlp.c_proj.bias [8] = text, layer 0, bias, fc2.bias, vector
        token_embedding.weight [32,8] = text, embedding, embed, embed.weight, matrix
        text_projection [8,8] = projector, -, projector, projector.text.weight, matrix
        visual.proj [8,8] = projector, -, projector, projector.visual.weight, matrix
        ",
    );
    check(
        "Whisper, OpenAI's names",
        None,
        "
        encoder.conv1.weight [8,4,3] = audio, -, conv, conv1.weight, matrix
        encoder.positional_embedding [20,8] = audio, -, buffer, pos_embed.weight, uninformative
        encoder.blocks.0.attn.query.weight [8,8] = audio, layer 0, q, q.weight, matrix
        encoder.blocks.0.attn.out.bias [8] = audio, layer 0, bias, o.bias, vector
        encoder.blocks.0.attn_ln.weight [8] = audio, layer 0, norm, norm:pre_attn.weight, norm
        encoder.blocks.0.mlp.0.weight [32,8] = audio, layer 0, fc1, fc1.weight, matrix
        encoder.blocks.0.mlp.2.weight [8,32] = audio, layer 0, fc2, fc2.weight, matrix
        encoder.ln_post.weight [8] = audio, final, norm, norm:final.weight, norm
        decoder.token_embedding.weight [32,8] = text, embedding, embed, embed.weight, matrix
        decoder.positional_embedding [20,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        decoder.blocks.0.cross_attn.out.weight [8,8] = text, layer 0, o, cross.o.weight, matrix
        decoder.blocks.0.cross_attn_ln.weight [8] = text, layer 0, norm, norm:pre_cross.weight, norm
        decoder.blocks.0.mlp_ln.bias [8] = text, layer 0, norm, norm:pre_mlp.bias, norm
        decoder.ln.weight [8] = text, final, norm, norm:final.weight, norm
        ",
    );
    check(
        "ViT, DINOv2",
        None,
        "
        vit.embeddings.cls_token [1,1,8] = vision, embedding, pos_embed, cls_token.weight, vector
        vit.embeddings.patch_embeddings.projection.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        vit.embeddings.position_embeddings [1,17,8] = vision, embedding, pos_embed, pos_embed.weight, matrix
        vit.encoder.layer.0.attention.attention.query.weight [8,8] = vision, layer 0, q, q.weight, matrix
        vit.encoder.layer.0.attention.output.dense.weight [8,8] = vision, layer 0, o, o.weight, matrix
        vit.encoder.layer.0.intermediate.dense.weight [32,8] = vision, layer 0, fc1, fc1.weight, matrix
        vit.encoder.layer.0.output.dense.bias [8] = vision, layer 0, bias, fc2.bias, vector
        vit.encoder.layer.0.layernorm_before.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        vit.encoder.layer.0.layernorm_after.weight [8] = vision, layer 0, norm, norm:pre_mlp.weight, norm
        vit.encoder.layer.0.layer_scale1.lambda1 [8] = vision, layer 0, norm, layer_scale1.weight, norm
        vit.layernorm.weight [8] = vision, final, norm, norm:final.weight, norm
        classifier.weight [10,8] = vision, final, linear, classifier.weight, matrix
        ",
    );
    check(
        "timm ViT",
        None,
        "
        cls_token [1,1,8] = vision, embedding, pos_embed, cls_token.weight, vector
        pos_embed [1,17,8] = vision, embedding, pos_embed, pos_embed.weight, matrix
        patch_embed.proj.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        patch_embed.proj.bias [8] = vision, embedding, bias, patch_embed.bias, vector
        blocks.0.norm1.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        blocks.0.attn.qkv.weight [24,8] = vision, layer 0, qkv, qkv.weight, matrix
        blocks.0.attn.proj.weight [8,8] = vision, layer 0, o, o.weight, matrix
        blocks.0.ls1.gamma [8] = vision, layer 0, norm, layer_scale1.weight, norm
        blocks.0.mlp.fc1.weight [32,8] = vision, layer 0, fc1, fc1.weight, matrix
        norm.weight [8] = vision, final, norm, norm:final.weight, norm
        head.weight [10,8] = vision, final, linear, classifier.weight, matrix
        ",
    );
    check(
        "Qwen2-VL, Qwen2.5-VL",
        None,
        "
        model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        visual.patch_embed.proj.weight [8,3,2,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        visual.blocks.0.attn.qkv.weight [24,8] = vision, layer 0, qkv, qkv.weight, matrix
        visual.blocks.0.attn.proj.weight [8,8] = vision, layer 0, o, o.weight, matrix
        visual.blocks.0.mlp.gate_proj.weight [16,8] = vision, layer 0, gate, gate.weight, matrix
        visual.blocks.1.mlp.fc1.weight [32,8] = vision, layer 1, fc1, fc1.weight, matrix
        visual.blocks.0.norm1.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        visual.merger.ln_q.weight [8] = vision, -, norm, norm:merger.weight, norm
        visual.merger.mlp.0.weight [32,32] = vision, -, projector, merger.0.weight, matrix
        visual.merger.mlp.2.bias [8] = vision, -, bias, merger.2.bias, vector
        ",
    );
    check(
        "Qwen3-VL",
        None,
        "
        model.visual.blocks.0.mlp.linear_fc1.weight [32,8] = vision, layer 0, fc1, fc1.weight, matrix
        model.visual.pos_embed.weight [64,8] = vision, embedding, pos_embed, pos_embed.weight, matrix
        model.visual.merger.linear_fc1.weight [32,32] = vision, -, projector, merger.0.weight, matrix
        model.visual.deepstack_merger_list.1.norm.weight [32] = vision, -, norm, norm:deepstack_merger_list.1.norm.weight, norm
        model.visual.deepstack_merger_list.1.linear_fc2.weight [8,32] = vision, -, projector, deepstack_merger_list.1.linear_fc2.weight, matrix
        model.language_model.layers.0.mlp.experts.gate_up_proj [4,8,32] = text, layer 0, gate_up, experts.gate_up.weight, matrix
        lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "LLaVA, Gemma-3",
        None,
        "
        language_model.model.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        language_model.lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight [8,8] = vision, layer 0, q, q.weight, matrix
        multi_modal_projector.linear_1.weight [8,8] = projector, -, projector, projector.linear_1.weight, matrix
        multi_modal_projector.linear_1.bias [8] = projector, -, bias, projector.linear_1.bias, vector
        multi_modal_projector.mm_input_projection_weight [8,8] = projector, -, projector, projector.input_projection.weight, matrix
        multi_modal_projector.mm_soft_emb_norm.weight [8] = projector, -, norm, projector.norm:soft_emb_norm.weight, norm
        mlp1.0.weight [8] = projector, -, norm, projector.norm:layer_norm.weight, norm
        mlp1.3.weight [8,8] = projector, -, projector, projector.linear_2.weight, matrix
        ",
    );
    check(
        "Pixtral, Mistral-3",
        None,
        "
        vision_tower.patch_conv.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        vision_tower.ln_pre.weight [8] = vision, embedding, norm, norm:embed.weight, norm
        vision_tower.transformer.layers.0.attention.q_proj.weight [8,8] = vision, layer 0, q, q.weight, matrix
        vision_tower.transformer.layers.0.feed_forward.gate_proj.weight [16,8] = vision, layer 0, gate, gate.weight, matrix
        vision_tower.transformer.layers.0.attention_norm.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        vision_tower.transformer.layers.0.ffn_norm.weight [8] = vision, layer 0, norm, norm:pre_mlp.weight, norm
        multi_modal_projector.patch_merger.merging_layer.weight [8,32] = projector, -, projector, projector.patch_merger.merging_layer.weight, matrix
        language_model.model.layers.0.post_attention_layernorm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        ",
    );
    check(
        "Kimi-K2.5",
        None,
        "
        vision_tower.encoder.blocks.0.wqkv.weight [24,8] = vision, layer 0, qkv, qkv.weight, matrix
        vision_tower.encoder.blocks.0.wo.weight [8,8] = vision, layer 0, o, o.weight, matrix
        vision_tower.encoder.blocks.0.norm0.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        vision_tower.encoder.blocks.0.norm1.weight [8] = vision, layer 0, norm, norm:pre_mlp.weight, norm
        vision_tower.encoder.blocks.0.mlp.fc0.weight [32,8] = vision, layer 0, fc1, fc1.weight, matrix
        vision_tower.encoder.blocks.0.mlp.fc1.weight [8,32] = vision, layer 0, fc2, fc2.weight, matrix
        mm_projector.proj.0.weight [8,8] = projector, -, projector, projector.proj.0.weight, matrix
        language_model.model.layers.0.mlp.experts.383.up_proj.weight [16,8] = text, layer 0, up, up.weight, matrix, expert 383
        ",
    );
    check(
        "Qwen2.5-Omni",
        None,
        "
        thinker.model.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        thinker.audio_tower.layers.0.self_attn.q_proj.weight [8,8] = audio, layer 0, q, q.weight, matrix
        thinker.audio_tower.proj.weight [8,8] = audio, -, linear, proj.weight, matrix
        thinker.visual.blocks.0.mlp.gate_proj.weight [16,8] = vision, layer 0, gate, gate.weight, matrix
        talker.model.layers.0.self_attn.q_proj.weight [8,8] = other, layer 0, q, talker.q.weight, matrix
        thinker.lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
}

#[test]
fn convolutional_nets() {
    check(
        "ResNet, names of transformers",
        None,
        "
        resnet.embedder.embedder.convolution.weight [8,3,7,7] = vision, -, conv, embedder.embedder.convolution.weight, matrix
        resnet.embedder.embedder.normalization.weight [8] = vision, -, norm, norm:embedder.embedder.normalization.weight, norm
        resnet.embedder.embedder.normalization.running_mean [8] = vision, -, buffer, embedder.embedder.normalization.running_mean, vector
        resnet.embedder.embedder.normalization.num_batches_tracked [] I64 = vision, -, buffer, embedder.embedder.normalization.num_batches_tracked, uninformative
        resnet.encoder.stages.0.layers.0.layer.0.convolution.weight [8,8,1,1] = vision, layer 0, conv, layer.0.convolution.weight, matrix
        resnet.encoder.stages.0.layers.1.layer.0.convolution.weight [8,8,1,1] = vision, layer 1, conv, layer.0.convolution.weight, matrix
        resnet.encoder.stages.1.layers.0.shortcut.normalization.running_var [8] = vision, layer 2, buffer, shortcut.normalization.running_var, vector
        classifier.1.weight [10,8] = vision, final, linear, 1.classifier.weight, matrix
        ",
    );
    check(
        "ResNet, names of torchvision and timm",
        None,
        "
        conv1.weight [8,3,7,7] = vision, -, conv, conv1.weight, matrix
        bn1.weight [8] = vision, -, norm, norm:bn1.weight, norm
        bn1.running_mean [8] = vision, -, buffer, bn1.running_mean, vector
        layer1.0.conv1.weight [8,8,3,3] = vision, layer 0, conv, conv1.weight, matrix
        layer1.1.bn2.bias [8] = vision, layer 1, norm, norm:bn2.bias, norm
        layer2.0.downsample.0.weight [8,8,1,1] = vision, layer 2, conv, downsample.0.weight, matrix
        layer2.0.downsample.1.weight [8] = vision, layer 2, norm, norm:downsample.1.weight, norm
        layer2.0.downsample.1.running_var [8] = vision, layer 2, buffer, downsample.1.running_var, vector
        fc.weight [10,8] = vision, final, linear, classifier.weight, matrix
        ",
    );
    check(
        "NaFlexViT",
        None,
        "
        embeds.proj.weight [64,768] = vision, embedding, patch_embed, patch_embed.weight, matrix
        embeds.pos_embed [1,16,16,64] = vision, embedding, pos_embed, embeds.pos_embed.weight, matrix
        blocks.0.attn.qkv.weight [192,64] = vision, layer 0, qkv, qkv.weight, matrix
        ",
    );
    check(
        "FasterNet, whose feed-forward is a sequence with a normalisation in it",
        None,
        "
        stages.0.blocks.0.mlp.0.weight [64,32,1,1] = vision, layer 0, fc1, fc1.weight, matrix
        stages.0.blocks.0.mlp.3.weight [32,64,1,1] = vision, layer 0, fc2, fc2.weight, matrix
        ",
    );
    check(
        "Swin",
        None,
        "
        swin.encoder.layers.0.blocks.0.attention.self.query.weight [8,8] = vision, layer 0, q, q.weight, matrix
        swin.encoder.layers.0.blocks.1.attention.self.query.weight [8,8] = vision, layer 1, q, q.weight, matrix
        swin.encoder.layers.0.blocks.1.attention.self.relative_position_index [4,4] I64 = vision, layer 1, buffer, relative_position_index, uninformative
        swin.encoder.layers.1.blocks.0.attention.self.relative_position_bias_table [9,2] = vision, layer 2, pos_embed, rel_bias.weight, matrix
        swin.encoder.layers.0.downsample.reduction.weight [16,32] = vision, -, linear, 0.downsample.reduction.weight, matrix
        ",
    );
}

#[test]
fn recurrent_and_hybrid() {
    check(
        "Mamba",
        None,
        "
        backbone.embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        backbone.layers.0.norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        backbone.layers.0.mixer.in_proj.weight [32,8] = text, layer 0, ssm, ssm.in_proj.weight, matrix
        backbone.layers.0.mixer.conv1d.weight [16,1,4] = text, layer 0, ssm, ssm.conv1d.weight, matrix
        backbone.layers.0.mixer.conv1d.bias [16] = text, layer 0, bias, ssm.conv1d.bias, vector
        backbone.layers.0.mixer.x_proj.weight [4,16] = text, layer 0, ssm, ssm.x_proj.weight, matrix
        backbone.layers.0.mixer.dt_proj.bias [16] = text, layer 0, bias, ssm.dt_proj.bias, vector
        backbone.layers.0.mixer.A_log [16,4] = text, layer 0, ssm, ssm.A_log.weight, matrix
        backbone.layers.0.mixer.D [16] = text, layer 0, ssm, ssm.D.weight, vector
        backbone.layers.0.mixer.out_proj.weight [8,16] = text, layer 0, ssm, ssm.out_proj.weight, matrix
        backbone.norm_f.weight [8] = text, final, norm, norm:final.weight, norm
        ",
    );
    check(
        "Nemotron-H",
        None,
        "
        backbone.layers.0.mixer.dt_bias [4] = text, layer 0, bias, ssm.dt_proj.bias, vector
        backbone.layers.0.mixer.norm.weight [16] = text, layer 0, norm, norm:ssm.weight, norm
        backbone.layers.1.mixer.q_proj.weight [8,8] = text, layer 1, q, q.weight, matrix
        backbone.layers.2.mixer.experts.3.up_proj.weight [16,8] = text, layer 2, up, up.weight, matrix, expert 3
        backbone.layers.2.mixer.gate.weight [4,8] = text, layer 2, router, router.weight, matrix
        backbone.layers.2.mixer.shared_experts.down_proj.weight [8,16] = text, layer 2, down, down.weight, matrix, shared
        ",
    );
    check(
        "Jamba",
        None,
        "
        model.layers.0.mamba.in_proj.weight [32,8] = text, layer 0, ssm, ssm.in_proj.weight, matrix
        model.layers.0.mamba.dt_layernorm.weight [4] = text, layer 0, norm, norm:ssm_dt.weight, norm
        model.layers.0.pre_ff_layernorm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        model.layers.1.feed_forward.experts.0.gate_proj.weight [16,8] = text, layer 1, gate, gate.weight, matrix, expert 0
        model.layers.1.feed_forward.router.weight [4,8] = text, layer 1, router, router.weight, matrix
        ",
    );
    check(
        "Qwen3-Next, Qwen3.5",
        None,
        "
        model.layers.0.linear_attn.in_proj_qkvz.weight [32,8] = text, layer 0, ssm, ssm.in_proj.weight, matrix
        model.layers.0.linear_attn.in_proj_ba.weight [8,8] = text, layer 0, ssm, ssm.in_proj_ba.weight, matrix
        model.layers.0.linear_attn.conv1d.weight [16,1,4] = text, layer 0, ssm, ssm.conv1d.weight, matrix
        model.layers.0.linear_attn.A_log [4] = text, layer 0, ssm, ssm.A_log.weight, vector
        model.layers.0.linear_attn.norm.weight [4] = text, layer 0, norm, norm:ssm.weight, norm
        model.layers.0.linear_attn.out_proj.weight [8,16] = text, layer 0, ssm, ssm.out_proj.weight, matrix
        model.layers.3.self_attn.o_proj.weight [8,8] = text, layer 3, o, o.weight, matrix
        ",
    );
}

#[test]
fn less_common_families() {
    check(
        "OLMo 1, OpenELM, JinaBERT",
        None,
        "
        model.transformer.blocks.0.att_proj.weight [24,8] = text, layer 0, qkv, qkv.weight, matrix
        model.transformer.blocks.0.attn_out.weight [8,8] = text, layer 0, o, o.weight, matrix
        model.transformer.blocks.0.ff_proj.weight [32,8] = text, layer 0, gate_up, gate_up.weight, matrix
        model.transformer.blocks.0.ff_out.weight [8,16] = text, layer 0, down, down.weight, matrix
        model.transformer.ff_out.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        transformer.layers.1.ffn.proj_1.weight [32,8] = text, layer 1, gate_up, gate_up.weight, matrix
        encoder.layer.2.mlp.gated_layers.weight [32,8] = text, layer 2, gate_up, gate_up.weight, matrix
        ",
    );
    check(
        "DBRX, Step-3, Kimi-Linear, PLaMo 2",
        None,
        "
        transformer.blocks.0.norm_attn_norm.attn.Wqkv.weight [24,8] = text, layer 0, qkv, qkv.weight, matrix
        transformer.blocks.0.norm_attn_norm.norm_2.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        transformer.blocks.0.ffn.experts.mlp.v1 [64,8] = text, layer 0, up, experts.up.weight, matrix
        transformer.blocks.0.ffn.router.layer.weight [4,8] = text, layer 0, router, router.weight, matrix
        model.layers.1.moe.gate_proj.weight [4,16,8] = text, layer 1, gate, experts.gate.weight, matrix
        model.layers.1.share_expert.gate_proj.weight [16,8] = text, layer 1, gate, gate.weight, matrix, shared
        model.layers.1.self_attn.g_proj.weight [8,8] = text, layer 1, linear, attn_gate.weight, matrix
        model.layers.2.self_attn.f_a_proj.weight [4,8] = text, layer 2, ssm, ssm.f_a.weight, matrix
        model.layers.layers.3.mixer.o_proj.weight [8,8] = text, layer 3, o, o.weight, matrix
        ",
    );
}

#[test]
fn makers_own_names() {
    check(
        "Meta, Mistral consolidated",
        None,
        "
        tok_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        layers.0.attention.wq.weight [8,8] = text, layer 0, q, q.weight, matrix
        layers.0.attention.wo.weight [8,8] = text, layer 0, o, o.weight, matrix
        layers.0.feed_forward.w1.weight [16,8] = text, layer 0, gate, gate.weight, matrix
        layers.0.feed_forward.w2.weight [8,16] = text, layer 0, down, down.weight, matrix
        layers.0.feed_forward.w3.weight [16,8] = text, layer 0, up, up.weight, matrix
        layers.0.attention_norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        layers.0.ffn_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        norm.weight [8] = text, final, norm, norm:final.weight, norm
        output.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        rope.freqs_cis [16] = text, -, buffer, rope.freqs_cis, uninformative
        ",
    );
    check(
        "EXAONE 3",
        None,
        "
        transformer.h.0.attn.attention.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        transformer.h.0.attn.attention.out_proj.weight [8,8] = text, layer 0, o, o.weight, matrix
        transformer.h.0.mlp.c_fc_0.weight [16,8] = text, layer 0, gate, gate.weight, matrix
        transformer.h.0.mlp.c_fc_1.weight [16,8] = text, layer 0, up, up.weight, matrix
        transformer.h.0.mlp.c_proj.weight [8,16] = text, layer 0, down, down.weight, matrix
        ",
    );
    check(
        "Qwen-1",
        None,
        "
        transformer.h.0.attn.c_attn.weight [24,8] = text, layer 0, qkv, qkv.weight, matrix
        transformer.h.0.mlp.w1.weight [16,8] = text, layer 0, up, up.weight, matrix
        transformer.h.0.mlp.w2.weight [16,8] = text, layer 0, gate, gate.weight, matrix
        transformer.h.0.mlp.c_proj.weight [8,16] = text, layer 0, down, down.weight, matrix
        ",
    );
    check(
        "InternLM2, Baichuan",
        None,
        "
        model.tok_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.layers.0.attention.wqkv.weight [16,8] = text, layer 0, qkv, qkv.weight, matrix
        model.layers.0.attention.wo.weight [8,8] = text, layer 0, o, o.weight, matrix
        model.layers.0.feed_forward.w3.weight [16,8] = text, layer 0, up, up.weight, matrix
        output.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        model.layers.1.self_attn.W_pack.weight [24,8] = text, layer 1, qkv, qkv.weight, matrix
        ",
    );
    check(
        "ChatGLM",
        None,
        "
        transformer.embedding.word_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        transformer.encoder.layers.0.self_attention.query_key_value.weight [16,8] = text, layer 0, qkv, qkv.weight, matrix
        transformer.encoder.layers.0.mlp.dense_h_to_4h.weight [32,8] = text, layer 0, gate_up, gate_up.weight, matrix
        transformer.encoder.layers.0.mlp.dense_4h_to_h.weight [8,16] = text, layer 0, down, down.weight, matrix
        transformer.encoder.final_layernorm.weight [8] = text, final, norm, norm:final.weight, norm
        transformer.output_layer.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        transformer.rotary_pos_emb.inv_freq [4] = text, -, buffer, inv_freq, uninformative
        ",
    );
    check(
        "DeepSeek-V4",
        None,
        "
        embed.weight [32,8] = text, embedding, embed, embed.weight, matrix
        layers.0.attn.wo.weight [8,8] = text, layer 0, o, o.weight, matrix
        layers.0.attn.wq_a.weight [4,8] = text, layer 0, q_a, q_a.weight, matrix
        layers.0.attn.wq_b.weight [8,4] = text, layer 0, q_b, q_b.weight, matrix
        layers.0.attn.q_norm.weight [4] = text, layer 0, norm, norm:q_a.weight, norm
        layers.0.attn.wkv.weight [4,8] = text, layer 0, kv_a, kv.weight, matrix
        layers.0.attn.wo_a.weight [8,8] = text, layer 0, o, o_a.weight, matrix
        layers.0.ffn.experts.0.w1.weight [16,8] = text, layer 0, gate, gate.weight, matrix, expert 0
        layers.0.ffn.gate.weight [4,8] = text, layer 0, router, router.weight, matrix
        layers.0.ffn.gate.bias [4] F32 = text, layer 0, router_bias, router_bias, vector
        layers.0.ffn.gate.tid2eid [32,2] I64 = text, layer 0, other, router.tid2eid, uninformative
        layers.0.hc_attn_fn [4,8] = text, layer 0, other, hc_attn_fn, matrix
        head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
}

#[test]
fn gguf() {
    check(
        "llama",
        None,
        "
        token_embd.weight [32,8] = text, embedding, embed, embed.weight, matrix
        blk.0.attn_norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        blk.0.attn_q.weight [8,8] = text, layer 0, q, q.weight, matrix
        blk.0.attn_output.weight [8,8] = text, layer 0, o, o.weight, matrix
        blk.0.ffn_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        blk.0.ffn_gate.weight [16,8] = text, layer 0, gate, gate.weight, matrix
        blk.0.ffn_up.weight [16,8] = text, layer 0, up, up.weight, matrix
        blk.0.ffn_down.weight [8,16] = text, layer 0, down, down.weight, matrix
        output_norm.weight [8] = text, final, norm, norm:final.weight, norm
        output.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        rope_freqs.weight [4] F32 = text, -, buffer, rope_freqs.weight, uninformative
        ",
    );
    check(
        "deepseek2",
        None,
        "
        blk.1.attn_q_a.weight [4,8] = text, layer 1, q_a, q_a.weight, matrix
        blk.1.attn_q_a_norm.weight [4] = text, layer 1, norm, norm:q_a.weight, norm
        blk.1.attn_kv_a_mqa.weight [5,8] = text, layer 1, kv_a, kv_a.weight, matrix
        blk.1.attn_k_b.weight [4,8,4] = text, layer 1, kv_b, k_b.weight, matrix
        blk.1.attn_v_b.weight [4,4,8] = text, layer 1, kv_b, v_b.weight, matrix
        blk.1.ffn_gate_inp.weight [4,8] = text, layer 1, router, router.weight, matrix
        blk.1.exp_probs_b.bias [4] = text, layer 1, router_bias, router_bias, vector
        blk.1.ffn_gate_exps.weight [4,16,8] = text, layer 1, gate, experts.gate.weight, matrix
        blk.1.ffn_down_shexp.weight [8,16] = text, layer 1, down, down.weight, matrix, shared
        blk.61.nextn.eh_proj.weight [8,16] = text, mtp, linear, eh_proj.weight, matrix
        blk.61.nextn.shared_head_norm.weight [8] = text, mtp, norm, norm:final.weight, norm
        blk.61.attn_q_a.weight [4,8] = text, mtp, q_a, q_a.weight, matrix
        ",
    );
    check(
        "gemma3, exaone4",
        None,
        "
        blk.0.attn_norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        blk.0.post_attention_norm.weight [8] = text, layer 0, norm, norm:post_attn.weight, norm
        blk.0.ffn_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        blk.0.post_ffw_norm.weight [8] = text, layer 0, norm, norm:post_mlp.weight, norm
        blk.0.attn_q_norm.weight [4] = text, layer 0, q_norm, q_norm.weight, norm
        ",
    );
    check(
        "glm4moe, gpt-oss",
        None,
        "
        blk.0.attn_norm.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        blk.0.post_attention_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        blk.0.attn_sinks.weight [4] = text, layer 0, bias, sinks, vector
        ",
    );
    check(
        "gpt2",
        None,
        "
        blk.0.ffn_up.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        blk.0.ffn_down.weight [8,32] = text, layer 0, fc2, fc2.weight, matrix
        position_embd.weight [16,8] = text, embedding, pos_embed, pos_embed.weight, matrix
        ",
    );
    check(
        "phi3",
        Some(json!({"model_type": "phi3"})),
        "
        blk.0.ffn_up.weight [32,8] = text, layer 0, gate_up, gate_up.weight, matrix
        blk.0.ffn_down.weight [8,16] = text, layer 0, down, down.weight, matrix
        ",
    );
    check(
        "mamba",
        None,
        "
        blk.0.ssm_in.weight [32,8] = text, layer 0, ssm, ssm.in_proj.weight, matrix
        blk.0.ssm_a [16,4] = text, layer 0, ssm, ssm.A_log.weight, matrix
        blk.0.ssm_dt.bias [16] = text, layer 0, bias, ssm.dt_proj.bias, vector
        ",
    );
    check(
        "t5",
        None,
        "
        enc.blk.0.attn_o.weight [8,8] = text, layer 0, o, encoder.o.weight, matrix
        dec.blk.0.attn_o.weight [8,8] = text, layer 0, o, o.weight, matrix
        dec.blk.0.cross_attn_o.weight [8,8] = text, layer 0, o, cross.o.weight, matrix
        dec.blk.0.cross_attn_norm.weight [8] = text, layer 0, norm, norm:pre_cross.weight, norm
        dec.output_norm.weight [8] = text, final, norm, norm:final.weight, norm
        ",
    );
    check(
        "falcon",
        None,
        "
        blk.0.attn_norm.weight [8] = text, layer 0, norm, norm:pre_mlp.weight, norm
        blk.0.attn_norm_2.weight [8] = text, layer 0, norm, norm:pre_attn.weight, norm
        ",
    );
    check(
        "mmproj",
        None,
        "
        v.patch_embd.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        v.blk.0.ln1.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        v.blk.0.attn_out.weight [8,8] = vision, layer 0, o, o.weight, matrix
        v.post_ln.weight [8] = vision, final, norm, norm:final.weight, norm
        mm.0.weight [8,8] = projector, -, projector, projector.linear_1.weight, matrix
        mm.2.bias [8] = projector, -, bias, projector.linear_2.bias, vector
        mm.input_projection.weight [8,8] = projector, -, projector, projector.input_projection.weight, matrix
        mm.soft_emb_norm.weight [8] = projector, -, norm, projector.norm:soft_emb_norm.weight, norm
        ",
    );
}

#[test]
fn a_class_is_decided_by_role_shape_and_dtype() {
    check(
        "odd tensors",
        None,
        "
        model.layers.0.self_attn.q_proj.weight [1,8] = text, layer 0, q, q.weight, vector
        model.layers.0.attn.bias [8] = text, layer 0, bias, attn.bias, vector
        model.layers.0.bn.running_mean [8] = text, layer 0, buffer, bn.running_mean, vector
        model.layers.0.table [8] I32 = text, layer 0, other, table, uninformative
        model.layers.0.flag [] BOOL = text, layer 0, other, flag, uninformative
        model.layers.0.self_attn.k_norm.weight [2,4] = text, layer 0, k_norm, k_norm.weight, norm
        ",
    );
}

#[test]
fn unknown_names_keep_their_layer_and_are_other() {
    check(
        "unknown",
        None,
        "
        net.cells.7.thing.weight [8,8] = other, layer 7, other, cells.thing.weight, matrix
        net.cells.8.thing.bias [8] = other, layer 8, bias, cells.thing.bias, vector
        net.a.free [3] = other, -, other, a.free, vector
        ",
    );
}

#[test]
fn config_tells_prediction_layers_only_where_it_declares_them() {
    let config = |extra| Some(json!({"num_hidden_layers": 2, "num_nextn_predict_layers": extra}));
    check(
        "one",
        config(1),
        "model.layers.2.self_attn.q_proj.weight [8,8] = text, mtp, q, q.weight, matrix",
    );
    check(
        "none",
        config(0),
        "model.layers.2.self_attn.q_proj.weight [8,8] = text, layer 2, q, q.weight, matrix",
    );
}

#[test]
fn a_layer_number_beyond_u32_is_no_layer() {
    check(
        "overflow",
        None,
        "
        model.layers.4294967296.mlp.up_proj.weight [8,8] = text, -, other, model.layers.4294967296.mlp.up_proj.weight, matrix
        model.layers.4294967295.mlp.up_proj.weight [8,8] = text, layer 4294967295, up, up.weight, matrix
        model.layers.0.mlp.experts.99999999999.up_proj.weight [8,8] = text, -, other, model.layers.0.mlp.experts.99999999999.up_proj.weight, matrix
        ",
    );
    check(
        "stages that overflow together",
        None,
        "
        stages.0.blocks.4294967295.conv.weight [8,8,3,3] = vision, layer 4294967295, conv, conv.weight, matrix
        stages.1.blocks.0.conv.weight [8,8,3,3] = vision, -, other, stages.1.blocks.0.conv.weight, matrix
        ",
    );
}

#[test]
fn two_names_in_one_place_keep_their_whole_names() {
    check(
        "a wrapper that says nothing",
        None,
        "
        model.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, model.layers.0.self_attn.q_proj.weight, matrix
        transformer.layers.0.attn.q_proj.weight [8,8] = text, layer 0, q, transformer.layers.0.attn.q_proj.weight, matrix
        ",
    );
}

#[test]
fn a_hundred_and_forty_thousand_names_have_six_slots() {
    let mut names = Vec::new();
    for layer in 0..61 {
        for expert in 0..384 {
            for matrix in ["gate", "up", "down"] {
                names.push(format!(
                    "model.layers.{layer}.mlp.experts.{expert}.{matrix}_proj.weight"
                ));
                names.push(format!(
                    "model.layers.{layer}.mlp.experts.{expert}.{matrix}_proj.weight_scale_inv"
                ));
            }
        }
    }
    assert!(names.len() > 140_000);
    let namer = Namer::new(names.iter().map(String::as_str), None);
    let slots: BTreeSet<_> = names
        .iter()
        .map(|name| namer.meaning(name, &[8, 8], Dtype::F32).slot)
        .collect();
    assert_eq!(slots.len(), 6);
}

#[test]
fn a_whole_name_as_slot_is_no_other_tensors_slot() {
    let names = [".model.gamma", "gamma", "model.weight"];
    let namer = Namer::new(names, None);
    let places = names.map(|name| {
        let meaning = namer.meaning(name, &[2, 2], Dtype::F32);
        (meaning.component, meaning.block, meaning.slot)
    });
    assert_eq!(
        places.iter().collect::<BTreeSet<_>>().len(),
        3,
        "{places:?}"
    );
}

proptest::proptest! {
    #[test]
    fn any_names_get_distinct_places(names in proptest::collection::btree_set("(model\\.|v\\.|blk\\.|mtp\\.|encoder\\.|stages\\.|layers\\.|experts\\.|norm\\.|attn\\.|q_proj\\.|[0-9]{1,11}\\.|\\.|é){0,6}(weight|bias|gamma|D|)", 0..20)) {
        let namer = Namer::new(names.iter().map(String::as_str), None);
        let mut places = BTreeSet::new();
        for name in &names {
            let Meaning { component, block, layer, expert, shared_expert, slot, .. } = namer.meaning(name, &[2, 2], Dtype::F32);
            proptest::prop_assert!(places.insert((component, block, layer, expert, shared_expert, slot)), "{}", name);
        }
    }
}
