//! What a model takes in that is no text: sound or pictures, by the keys of its config.json.

use serde_json::Value;

use super::Config;
use super::keys::{AUDIO_PART, TEXT_PART, VISION_PART};
use crate::model::words::Component;

/// Keys of a model that takes in sound.
const OF_SOUND: &[&str] = &[
    "num_mel_bins",
    "num_mels",
    "n_mels",
    "mel_bins",
    "spectrogram_bins",
    "input_feat_per_channel",
    "sampling_rate",
    "sample_rate",
    "audio_channels",
    "hop_length",
    "feat_extract_norm",
    "audio_token_id",
    "audio_token_index",
];

/// Keys of a model that takes in pictures. Of these a spectrogram has some, too.
const OF_PICTURES: &[&str] = &[
    "image_size",
    "img_size",
    "num_channels",
    "backbone_config",
    "pretrained_cfg",
    "image_token_id",
    "image_token_index",
];

impl Config {
    /// What the part that no word of its names tells of takes in, where the keys say so: sound or
    /// pictures. `has_text` says that the text is told by its names, so that the part is another.
    ///
    /// Nothing is said of diffusers' configs: their networks take in latents and text alike.
    pub(crate) fn taken_in(&self, has_text: bool) -> Option<Component> {
        let has_any = |keys: &[&str]| keys.iter().any(|key| self.raw.contains_key(*key));
        if has_any(&["_class_name"]) {
            return None;
        }
        // A config with a text part speaks of the whole; without its names nothing is known. One
        // shard of a model that writes has no embedding of tokens either.
        let writes = self.raw.get("is_encoder_decoder").and_then(Value::as_bool) == Some(true);
        if writes || has_any(TEXT_PART) && !has_text {
            return None;
        }
        let of_both = has_any(AUDIO_PART) && has_any(VISION_PART);
        let is_pictures = has_any(OF_PICTURES) || has_any(VISION_PART);
        if of_both {
            None
        } else if self.takes_in_sound() || has_any(AUDIO_PART) {
            Some(Component::Audio)
        } else if is_pictures && !has_any(TEXT_PART) && !has_any(&["vocab_size"]) {
            Some(Component::Vision)
        } else {
            None
        }
    }

    /// Whether keys of the top level are those of a model that takes in sound.
    pub(crate) fn takes_in_sound(&self) -> bool {
        OF_SOUND.iter().any(|key| self.raw.contains_key(*key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken_in(raw: serde_json::Value, has_text: bool) -> Option<Component> {
        let raw = raw.as_object().unwrap().clone();
        Config { raw }.taken_in(has_text)
    }

    #[test]
    fn keys_tell_what_a_model_takes_in() {
        let (audio, vision) = (Some(Component::Audio), Some(Component::Vision));
        // A transformer of spectrograms cuts them into patches, as one of pictures does.
        let spectrograms = json!({"num_mel_bins": 128, "patch_size": 16});
        assert_eq!(taken_in(spectrograms, false), audio);
        let detector = json!({"backbone_config": {"model_type": "resnet"}, "num_queries": 100});
        assert_eq!(taken_in(detector, false), vision);
        assert_eq!(taken_in(json!({"vocab_size": 100}), false), None);
        let denoiser = json!({"_class_name": "UNet2DModel", "sample_size": 32, "image_size": 64});
        assert_eq!(taken_in(denoiser, false), None);
        let speech = json!({"text_config": {}, "encoder_config": {}, "audio_token_index": 7});
        assert_eq!(taken_in(speech.clone(), true), audio);
        assert_eq!(taken_in(speech, false), None);
        let writer = json!({"num_mel_bins": 80, "is_encoder_decoder": true});
        assert_eq!(taken_in(writer, false), None);
        // What text and pictures meet in is of neither.
        let pair = json!({"vision_config": {}, "text_config": {}, "image_size": 64});
        assert_eq!(taken_in(pair, true), None);
        // One shard of a model that reads pictures and writes text.
        let reader = json!({"vocab_size": 100, "vision_config": {}, "image_token_id": 9});
        assert_eq!(taken_in(reader, false), None);
        let all = json!({"audio_config": {}, "vision_config": {}, "text_config": {}});
        assert_eq!(taken_in(all, true), None);
    }
}
