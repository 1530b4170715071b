//! Families outside the Llama line: diffusion transformers, recurrent networks, speech, vision,
//! projectors, and lists of layers under any word.

use serde_json::json;

use super::tests::check;
use crate::model::dtype::Dtype;

#[test]
fn diffusion_transformers() {
    check(
        "Flux as diffusers names it",
        None,
        "
        transformer_blocks.0.attn.to_q.weight [8,8] = text, layer 0, q, q.weight, matrix
        transformer_blocks.0.attn.add_q_proj.weight [8,8] = text, layer 0, q, add.q.weight, matrix
        transformer_blocks.0.attn.to_add_out.weight [8,8] = text, layer 0, o, add.o.weight, matrix
        transformer_blocks.0.attn.norm_added_q.weight [4] = text, layer 0, q_norm, add.q_norm.weight, norm
        transformer_blocks.1.ff.net.0.proj.weight [32,8] = text, layer 1, fc1, fc1.weight, matrix
        transformer_blocks.1.ff.net.2.weight [8,32] = text, layer 1, fc2, fc2.weight, matrix
        transformer_blocks.1.ff_context.net.0.proj.weight [32,8] = text, layer 1, fc1, ff_context.fc1.weight, matrix
        single_transformer_blocks.0.attn.to_q.weight [8,8] = text, layer 2, q, single_transformer_blocks.q.weight, matrix
        single_transformer_blocks.0.proj_mlp.weight [32,8] = text, layer 2, fc1, single_transformer_blocks.fc1.weight, matrix
        single_transformer_blocks.3.attn.to_q.weight [8,8] = text, layer 5, q, single_transformer_blocks.q.weight, matrix
        single_transformer_blocks.3.proj_out.weight [8,40] = text, layer 5, linear, single_transformer_blocks.proj_out.weight, matrix
        ",
    );
    check(
        "Flux as released",
        None,
        "
        double_blocks.0.img_attn.qkv.weight [24,8] = text, layer 0, qkv, double_blocks.img_attn.qkv.weight, matrix
        double_blocks.0.img_attn.proj.weight [8,8] = text, layer 0, o, double_blocks.img.o.weight, matrix
        double_blocks.0.txt_mlp.0.weight [32,8] = text, layer 0, fc1, double_blocks.txt.fc1.weight, matrix
        double_blocks.1.img_attn.qkv.weight [24,8] = text, layer 1, qkv, double_blocks.img_attn.qkv.weight, matrix
        double_blocks.1.img_mod.lin.weight [48,8] = text, layer 1, linear, double_blocks.img_mod.lin.weight, matrix
        single_blocks.0.linear1.weight [56,8] = text, layer 2, linear, single_blocks.qkv_mlp.weight, matrix
        single_blocks.0.linear2.weight [8,40] = text, layer 2, linear, single_blocks.proj_out.weight, matrix
        ",
    );
}

#[test]
fn a_list_of_any_word_holds_layers_if_its_members_are_alike() {
    check(
        "a list of single tensors is none, and of unlike modules none",
        None,
        "
        model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        model.altup_projections.0.weight [8,8] = text, -, linear, altup_projections.0.weight, matrix
        model.altup_projections.1.weight [8,8] = text, -, linear, altup_projections.1.weight, matrix
        model.box_head.layers.0.weight [8,8] = text, -, linear, box_head.layers.0.weight, matrix
        model.stem.0.conv.weight [8,3,3,3] = text, -, conv, stem.0.conv.weight, matrix
        model.stem.1.scale.weight [8] = text, -, other, stem.1.scale.weight, vector
        model.cells.0.mixer.weight [8,8] = text, layer 1, other, cells.mixer.weight, matrix
        model.cells.1.mixer.weight [8,8] = text, layer 2, other, cells.mixer.weight, matrix
        ",
    );
    check(
        "levels of a U-Net are stacks of their own",
        None,
        "
        conv_in.weight [8,4,3,3] = text, -, conv, conv_in.weight, matrix
        down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight [8,8] = text, layer 0, q, down_blocks.1.attentions.0.attn1.q.weight, matrix
        down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q.weight [8,8] = text, layer 1, q, down_blocks.1.attentions.0.attn1.q.weight, matrix
        down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q.weight [4,4] = text, layer 2, q, down_blocks.2.attentions.0.attn1.q.weight, matrix
        ",
    );
    check(
        "XLM",
        None,
        "
        transformer.attentions.0.q_lin.weight [8,8] = text, layer 0, q, q.weight, matrix
        transformer.attentions.1.q_lin.weight [8,8] = text, layer 1, q, q.weight, matrix
        transformer.ffns.0.lin1.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        transformer.ffns.1.lin1.weight [32,8] = text, layer 1, fc1, fc1.weight, matrix
        ",
    );
}

#[test]
fn recurrent_networks() {
    check(
        "RWKV 5 to 7",
        None,
        "
        emb.weight [32,8] = text, embedding, embed, embed.weight, matrix
        blocks.0.att.receptance.weight [8,8] = text, layer 0, q, q.weight, matrix
        blocks.0.att.key.weight [8,8] = text, layer 0, k, k.weight, matrix
        blocks.0.att.value.weight [8,8] = text, layer 0, v, v.weight, matrix
        blocks.0.att.output.weight [8,8] = text, layer 0, o, o.weight, matrix
        blocks.0.att.time_mix_k [1,1,8] = text, layer 0, ssm, ssm.time_mix_k.weight, vector
        blocks.0.att.w1 [8,4] = text, layer 0, ssm, ssm.w1.weight, matrix
        blocks.0.ffn.key.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        blocks.0.ffn.value.weight [8,32] = text, layer 0, fc2, fc2.weight, matrix
        blocks.0.ffn.receptance.weight [8,8] = text, layer 0, linear, receptance.weight, matrix
        head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "a recurrent cell",
        None,
        "
        decoder.lstm.weight_ih_l0 [32,8] = other, -, linear, lstm.weight_ih_l0, matrix
        decoder.lstm.bias_ih_l0 [32] = other, -, bias, lstm.bias_ih_l0, vector
        ",
    );
}

#[test]
fn speech() {
    check(
        "wav2vec 2.0 conformer",
        None,
        "
        wav2vec2_conformer.encoder.layers.0.ffn1.intermediate_dense.weight [32,8] = audio, layer 0, fc1, ffn1.fc1.weight, matrix
        wav2vec2_conformer.encoder.layers.0.ffn1.output_dense.weight [8,32] = audio, layer 0, fc2, ffn1.fc2.weight, matrix
        wav2vec2_conformer.encoder.layers.0.ffn2.output_dense.weight [8,32] = audio, layer 0, fc2, ffn2.fc2.weight, matrix
        wav2vec2_conformer.encoder.layers.0.self_attn.linear_q.weight [8,8] = audio, layer 0, q, q.weight, matrix
        wav2vec2_conformer.encoder.layers.0.self_attn.pos_bias_u [2,4] = audio, layer 0, pos_embed, pos_bias_u.weight, matrix
        ",
    );
    check(
        "a conformer without a word for it",
        None,
        "
        encoder.subsampling.layers.0.weight [8,1,3,3] = audio, -, conv, subsampling.layers.0.weight, matrix
        encoder.layers.0.feed_forward1.linear1.weight [32,8] = audio, layer 0, fc1, feed_forward1.fc1.weight, matrix
        encoder.layers.0.norm_conv.weight [8] = audio, layer 0, norm, norm:norm_conv.weight, norm
        encoder.layers.0.conv.pointwise_conv1.weight [16,8,1] = audio, layer 0, conv, conv.pointwise_conv1.weight, matrix
        ",
    );
}

#[test]
fn what_a_part_without_a_word_takes_in_is_told_by_the_config() {
    check(
        "a transformer of spectrograms",
        Some(json!({"num_mel_bins": 128, "patch_size": 16})),
        "
        embeddings.cls_token [1,1,8] = audio, embedding, pos_embed, cls_token.weight, vector
        embeddings.patch_embeddings.projection.weight [8,1,4,4] = audio, embedding, patch_embed, patch_embed.weight, matrix
        encoder.layer.0.attention.attention.query.weight [8,8] = audio, layer 0, q, q.weight, matrix
        ",
    );
    check(
        "a detector",
        Some(json!({"num_channels": 3, "num_queries": 100})),
        "
        model.encoder.layers.0.self_attn.q_proj.weight [8,8] = vision, layer 0, q, q.weight, matrix
        model.decoder.layers.0.self_attn.q_proj.weight [8,8] = vision, layer 0, q, decoder.q.weight, matrix
        ",
    );
    check(
        "speech to text",
        Some(json!({"input_feat_per_channel": 80, "is_encoder_decoder": true})),
        "
        model.encoder.conv.conv_layers.0.weight [8,8,5] = audio, -, conv, conv.conv_layers.0.weight, matrix
        model.encoder.layers.0.self_attn.q_proj.weight [8,8] = audio, layer 0, q, q.weight, matrix
        model.decoder.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.decoder.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        ",
    );
    check(
        "an output head beside towers is the text's",
        Some(json!({"vision_config": {}, "text_config": {}, "image_token_id": 9})),
        "
        model.language_model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.vision_tower.encoder.layers.0.self_attn.q_proj.weight [8,8] = vision, layer 0, q, q.weight, matrix
        lm_head.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
}

#[test]
fn vision() {
    check(
        "Segformer",
        None,
        "
        segformer.encoder.block.0.0.mlp.dense1.weight [32,8] = vision, layer 0, fc1, 0.fc1.weight, matrix
        segformer.encoder.block.0.0.mlp.dense2.weight [8,32] = vision, layer 0, fc2, 0.fc2.weight, matrix
        ",
    );
    check(
        "dots.vlm, Gemma 4, PaliGemma in another's file",
        None,
        "
        vision_tower.blocks.0.mlp.fc1.weight [32,8] = vision, layer 0, gate, gate.weight, matrix
        vision_tower.blocks.0.mlp.fc3.weight [32,8] = vision, layer 0, up, up.weight, matrix
        vision_tower.blocks.0.mlp.fc2.weight [8,32] = vision, layer 0, down, down.weight, matrix
        vision_tower.blocks.0.attn.q_proj.linear.weight [8,8] = vision, layer 0, q, q.weight, matrix
        vlm.vision_tower.patch_embed.proj.weight [8,3,4,4] = vision, embedding, patch_embed, patch_embed.weight, matrix
        vlm.vision_tower.blocks.0.norm1.weight [8] = vision, layer 0, norm, norm:pre_attn.weight, norm
        vlm.language_model.layers.0.self_attn.q_proj.weight [8,8] = text, layer 0, q, q.weight, matrix
        ",
    );
}

#[test]
fn the_outermost_half_counts() {
    check(
        "two BERTs, of which one decodes",
        None,
        "
        encoder.embeddings.word_embeddings.weight [32,8] = text, embedding, embed, encoder.embed.weight, matrix
        encoder.encoder.layer.0.intermediate.dense.weight [32,8] = text, layer 0, fc1, encoder.fc1.weight, matrix
        decoder.bert.embeddings.word_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        decoder.bert.encoder.layer.0.intermediate.dense.weight [32,8] = text, layer 0, fc1, fc1.weight, matrix
        ",
    );
}

#[test]
fn projectors_and_mixtures() {
    check(
        "what joins two parts, by any name",
        None,
        "
        model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.speech_connector.fc.weight [8,8] = projector, -, projector, projector.speech_connector.fc.weight, matrix
        image_to_text_projection.dense.weight [8,8] = projector, -, projector, projector.image.dense.weight, matrix
        vocab_projector.weight [32,8] = text, final, lm_head, lm_head.weight, matrix
        ",
    );
    check(
        "Mistral's own names",
        None,
        "
        tok_embeddings.weight [32,8] = text, embedding, embed, embed.weight, matrix
        layers.0.attention.wq.weight [8,8] = text, layer 0, q, q.weight, matrix
        layers.0.gate.weight [2,8] = text, layer 0, router, router.weight, matrix
        layers.0.experts.1.w1.weight [16,8] = text, layer 0, gate, gate.weight, matrix, expert 1
        vision_language_adapter.w_in.weight [8,8] = projector, -, projector, projector.w_in.weight, matrix
        patch_merger.merging_layer.weight [8,32] = projector, -, projector, projector.patch_merger.merging_layer.weight, matrix
        ",
    );
    check(
        "Switch Transformers",
        None,
        "
        shared.weight [32,8] = text, embedding, embed, embed.weight, matrix
        encoder.block.1.layer.1.mlp.experts.expert_3.wi.weight [16,8] = text, layer 1, fc1, encoder.fc1.weight, matrix, expert 3
        encoder.block.1.layer.1.mlp.experts.expert_3.wo.weight [8,16] = text, layer 1, down, encoder.down.weight, matrix, expert 3
        decoder.block.1.layer.1.mlp.experts.expert_0.wi.weight [16,8] = text, layer 1, fc1, fc1.weight, matrix, expert 0
        ",
    );
    check(
        "JetMoE: experts of attention, and of the feed-forward",
        None,
        "
        model.embed_tokens.weight [32,8] = text, embedding, embed, embed.weight, matrix
        model.layers.0.self_attention.experts.input_linear.weight [4,8,8] = text, layer 0, q, experts.q.weight, matrix
        model.layers.0.self_attention.experts.output_linear.weight [4,8,8] = text, layer 0, o, experts.o.weight, matrix
        model.layers.0.self_attention.kv_proj.weight [16,8] = text, layer 0, kv_a, kv.weight, matrix
        model.layers.0.mlp.input_linear.weight [4,32,8] = text, layer 0, gate_up, gate_up.weight, matrix
        model.layers.0.mlp.output_linear.weight [4,8,16] = text, layer 0, down, down.weight, matrix
        ",
    );
    check(
        "gates and tables of their own names",
        None,
        "
        blocks.0.mlstm_layer.ogate_preact.weight [8,8] = text, layer 0, linear, ogate.weight, matrix
        blocks.0.mlstm_layer.q.weight [8,8] = text, layer 0, q, q.weight, matrix
        blocks.0.temporal_block.rg_lru.input_gate_weight [2,4,4] = text, layer 0, ssm, temporal_block.ssm.input_gate.weight, matrix
        char_embeddings.HashBucketCodepointEmbedder_3.weight [32,8] = text, -, linear, char_embeddings.HashBucketCodepointEmbedder_3.weight, matrix
        embeddings.xpath_embeddings.inner2emb.weight [8,32] = text, -, linear, xpath.out.weight, matrix
        ",
    );
    check(
        "SigLIP's text tower",
        None,
        "
        text_model.head.weight [8,8] = text, -, linear, head.projection.weight, matrix
        vision_model.encoder.layers.0.mlp.fc1.weight [16,8] = vision, layer 0, fc1, fc1.weight, matrix
        logit_scale [] = other, -, other, logit_scale.weight, vector
        ",
    );
}

#[test]
fn one_tensor_in_the_spellings_of_two_libraries() {
    for (family, config, names, others) in SPELLINGS {
        let read = |names: &[&str]| -> Vec<super::Meaning> {
            let config = config.map(|model_type| crate::model::config::Config {
                raw: json!({"model_type": model_type})
                    .as_object()
                    .unwrap()
                    .clone(),
            });
            let namer = super::Namer::new(names.iter().copied(), config.as_ref());
            let meaning = |name: &&str| {
                let is_vector = name.contains("norm") || name.contains("scal");
                let shape: &[u64] = if is_vector { &[8] } else { &[8, 8] };
                namer.meaning(name, shape, Dtype::Bf16)
            };
            names.iter().map(meaning).collect()
        };
        for ((one, other), name) in read(names).iter().zip(read(others)).zip(*names) {
            assert_eq!(one, &other, "{family}: {name}");
            assert_ne!(
                one.slot.as_ref(),
                *name,
                "{family}: {name} is not understood"
            );
        }
    }
}

type Spelling = (
    &'static str,
    Option<&'static str>,
    &'static [&'static str],
    &'static [&'static str],
);

const SPELLINGS: &[Spelling] = &[
    (
        "Gemma 3n",
        None,
        &[
            "model.embed_tokens.weight",
            "model.embed_tokens_per_layer.weight",
            "model.per_layer_model_projection.weight",
            "model.per_layer_projection_norm.weight",
            "model.layers.0.per_layer_input_gate.weight",
            "model.layers.0.per_layer_projection.weight",
            "model.layers.0.post_per_layer_input_norm.weight",
            "model.layers.0.layer_scalar",
            "model.layers.0.self_attn.q_proj.weight",
        ],
        &[
            "token_embd.weight",
            "per_layer_token_embd.weight",
            "per_layer_model_proj.weight",
            "per_layer_proj_norm.weight",
            "blk.0.inp_gate.weight",
            "blk.0.proj.weight",
            "blk.0.post_norm.weight",
            "blk.0.layer_output_scale.weight",
            "blk.0.attn_q.weight",
        ],
    ),
    (
        "a sparse attention's indexer",
        None,
        &[
            "model.embed_tokens.weight",
            "model.layers.0.self_attn.indexer.wq_b.weight",
            "model.layers.0.self_attn.indexer.wk.weight",
            "model.layers.0.self_attn.indexer.weights_proj.weight",
            "model.layers.0.self_attn.indexer.k_norm.weight",
        ],
        &[
            "token_embd.weight",
            "blk.0.indexer.attn_q_b.weight",
            "blk.0.indexer.attn_k.weight",
            "blk.0.indexer.proj.weight",
            "blk.0.indexer.k_norm.weight",
        ],
    ),
    (
        "latent attention of MLX",
        None,
        &[
            "model.embed_tokens.weight",
            "model.layers.0.self_attn.embed_q.weight",
            "model.layers.0.self_attn.unembed_out.weight",
        ],
        &[
            "token_embd.weight",
            "blk.0.attn_k_b.weight",
            "blk.0.attn_v_b.weight",
        ],
    ),
];
