//! Matrices of every role are tested: state-space layers, convolutions that are feed-forwards,
//! kernels stored with their channels last, feed-forwards outside the numbered layers. A copy is
//! found in them, and a stranger is found to be one.
use wcmp::results::terms::{Label, State, UnitKind};
use wcmp::schema::Compare;

use crate::simulated::assert_at_or_above_uniform;
use crate::support::rows::compared_models;
use crate::support::weights::Model;

fn compared(test: &str, base: &Model, target: &Model) -> Compare {
    compared_models("roles", test, base, target)
}

/// A Mamba language model: everything but the norms is in its mixers and its embedding.
fn mamba(seed: &str) -> Model {
    let (hidden, inner, states, rank) = (96, 192, 8, 12);
    let mut model = Model::default();
    model.matrix(seed, "backbone.embeddings.weight", 160, hidden);
    for layer in 0..4 {
        let name = |name: &str| format!("backbone.layers.{layer}.mixer.{name}");
        model.matrix(seed, &name("in_proj.weight"), 2 * inner, hidden);
        model.shaped(seed, &name("conv1d.weight"), &[inner, 1, 4]);
        model.matrix(seed, &name("x_proj.weight"), rank + 2 * states, inner);
        model.matrix(seed, &name("dt_proj.weight"), inner, rank);
        model.bias(seed, &name("dt_proj.bias"), inner);
        model.matrix(seed, &name("out_proj.weight"), hidden, inner);
        model.gain(
            seed,
            &format!("backbone.layers.{layer}.norm.weight"),
            hidden,
        );
    }
    model.gain(seed, "backbone.norm_f.weight", hidden);
    model.matrix(seed, "lm_head.weight", 160, hidden);
    model
}

/// A PoolFormer as timm names it: convolutions of one position are its feed-forwards.
fn pool_former(seed: &str) -> Model {
    let mut model = Model::default();
    model.shaped(seed, "stem.conv.weight", &[48, 3, 7, 7]);
    for block in 0..4 {
        let name = |name: &str| format!("stages.0.blocks.{block}.{name}");
        model.gain(seed, &name("norm1.weight"), 48);
        model.gain(seed, &name("norm2.weight"), 48);
        model.shaped(seed, &name("mlp.fc1.weight"), &[192, 48, 1, 1]);
        model.shaped(seed, &name("mlp.fc2.weight"), &[48, 192, 1, 1]);
    }
    model
}

/// A VGG as timm names it: most of it is a feed-forward in no layer.
fn vgg(seed: &str) -> Model {
    let mut model = Model::default();
    model.shaped(seed, "features.0.weight", &[32, 3, 3, 3]);
    model.shaped(seed, "features.3.weight", &[64, 32, 3, 3]);
    model.shaped(seed, "pre_logits.fc1.weight", &[256, 64, 3, 3]);
    model.shaped(seed, "pre_logits.fc2.weight", &[256, 256, 1, 1]);
    model.matrix(seed, "head.fc.weight", 10, 256);
    model
}

/// An EfficientNet as timm names it, whose last convolution is called a head.
fn efficient_net(seed: &str) -> Model {
    let mut model = Model::default();
    model.shaped(seed, "conv_stem.weight", &[64, 3, 3, 3]);
    for block in 0..2 {
        let name = |name: &str| format!("blocks.0.{block}.{name}.weight");
        model.shaped(seed, &name("conv_pw"), &[128, 64, 1, 1]);
        model.shaped(seed, &name("conv_dw"), &[128, 1, 3, 3]);
        model.shaped(seed, &name("conv_pwl"), &[64, 128, 1, 1]);
    }
    model.shaped(seed, "conv_head.weight", &[320, 64, 1, 1]);
    model.matrix(seed, "classifier.weight", 10, 320);
    model
}

/// A convolutional network as Keras stores it: (height, width, in, out).
fn channels_last(seed: &str) -> Model {
    let mut model = Model::default();
    let mut inputs = 3;
    for (layer, outputs) in [32, 64, 128, 96].into_iter().enumerate() {
        let name = format!("conv2d_{layer}.kernel");
        model.shaped(seed, &name, &[3, 3, inputs, outputs]);
        // Kernels are smooth, alike in all networks: positions are no units.
        let tensor = model.0.get_mut(&name).expect("the kernel");
        let squares: f64 = tensor.values.iter().map(|value| value * value).sum();
        let size = (squares / tensor.values.len() as f64).sqrt();
        for (at, value) in tensor.values.iter_mut().enumerate() {
            let (row, column) = (at / (3 * inputs * outputs), at / (inputs * outputs) % 3);
            *value += size * [1.0, 0.0, -1.0][row] * [1.0, 2.0, 1.0][column];
        }
        inputs = outputs;
    }
    model
}

const ALL: [(&str, fn(&str) -> Model); 5] = [
    ("mamba", mamba),
    ("pool former", pool_former),
    ("vgg", vgg),
    ("efficient net", efficient_net),
    ("channels last", channels_last),
];

/// Share of the parameters of parts in that state.
fn share(report: &Compare, state: State) -> f64 {
    let parts = &report.parts;
    let all: u64 = parts.iter().map(|part| part.parameters).sum();
    let these = parts.iter().filter(|part| part.state == state);
    these.map(|part| part.parameters).sum::<u64>() as f64 / all as f64
}

#[test]
fn copies_are_found_in_matrices_of_every_role() {
    for (name, model) in ALL {
        let base = model("one");
        let target = base.trained("more", |_| 0.5);
        let report = compared(&format!("copy of {name}"), &base, &target);
        assert_eq!(report.verdict.label, Label::Derived, "{name}");
        let reused = share(&report, State::Reused);
        assert!(reused > 0.85, "{name}: {reused}");
    }
}

#[test]
fn strangers_are_told_in_matrices_of_every_role() {
    for (name, model) in ALL {
        let report = compared(&format!("strange {name}"), &model("one"), &model("another"));
        assert_eq!(report.verdict.label, Label::FromScratch, "{name}");
        let independent = share(&report, State::Independent);
        assert!(independent > 0.8, "{name}: {independent}");
        assert_eq!(share(&report, State::Reused), 0.0, "{name}");
    }
}

/// One bound a model, so that the outcomes are independent of one another: each by turns from
/// another tensor.
#[test]
fn bounds_of_strangers_are_no_smaller_than_chance() {
    let mut log10_p = Vec::new();
    for trial in 0..60 {
        for (name, model) in ALL {
            let seeds = [0, 1].map(|side| format!("{name} {trial} {side}"));
            let report = compared(
                &format!("chance {name}"),
                &model(&seeds[0]),
                &model(&seeds[1]),
            );
            let mut tests = report.permutation.expect("tests").tests;
            // Partners found twice have no bound.
            tests.retain(|test| test.exact);
            log10_p.extend(tests[trial % tests.len()].log10_p);
        }
    }
    assert_at_or_above_uniform(&log10_p, 300, "matrices of every role");
}

/// A T5 whose encoder and decoder have a number of layers each under the same numbers.
fn two_halves(encoder: &str, decoder: &str) -> Model {
    let mut model = Model::default();
    model.matrix(encoder, "shared.weight", 160, 64);
    for (half, seed) in [("encoder", encoder), ("decoder", decoder)] {
        for block in 0..3 {
            let name = |name: &str| format!("{half}.block.{block}.layer.{name}.weight");
            for matrix in ["q", "k", "v", "o"] {
                model.matrix(seed, &name(&format!("0.SelfAttention.{matrix}")), 64, 64);
            }
            let feed_forward = if half == "encoder" { 1 } else { 2 };
            let matrix = |word: &str| name(&format!("{feed_forward}.DenseReluDense.{word}"));
            model.matrix(seed, &matrix("wi"), 160, 64);
            model.matrix(seed, &matrix("wo"), 64, 160);
        }
    }
    model
}

#[test]
fn an_encoder_that_was_copied_says_nothing_of_the_decoder_beside_it() {
    let (base, target) = (two_halves("one", "one"), two_halves("one", "another"));
    let report = compared("halves", &base, &target);
    assert_eq!(report.verdict.label, Label::PartialReuse);
    let reused = share(&report, State::Reused);
    let independent = share(&report, State::Independent);
    assert!((0.45..0.65).contains(&reused), "{reused}");
    assert!(independent > 0.2, "{independent}");
}

/// A transformer as diffusers names it, its gates and what they gate in one matrix.
fn gated(seed: &str, units: usize) -> Model {
    let mut model = Model::default();
    for block in 0..3 {
        let name = |name: &str| format!("transformer_blocks.{block}.{name}");
        for matrix in ["to_q", "to_k", "to_v", "to_out.0"] {
            model.matrix(seed, &name(&format!("attn1.{matrix}.weight")), 64, 64);
        }
        model.matrix(seed, &name("ff.net.0.proj.weight"), 2 * units, 64);
        model.bias(seed, &name("ff.net.0.proj.bias"), 2 * units);
        model.matrix(seed, &name("ff.net.2.weight"), 64, units);
    }
    model
}

#[test]
fn a_gate_and_what_it_gates_are_one_unit() {
    let base = gated("one", 96);
    let report = compared("gated", &base, &base.trained("more", |_| 0.5));
    assert_eq!(report.verdict.label, Label::Derived);
    let tests = report
        .permutation
        .as_ref()
        .map(|units| units.tests.as_slice());
    let of_feed_forwards: Vec<u64> = tests
        .unwrap_or_default()
        .iter()
        .filter(|test| test.kind == UnitKind::Ffn)
        .map(|test| test.units.base)
        .collect();
    assert!(!of_feed_forwards.is_empty());
    assert!(
        of_feed_forwards.iter().all(|units| *units == 96),
        "{of_feed_forwards:?}"
    );
}
