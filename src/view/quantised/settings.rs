//! What config.json says about quantisation.

use serde_json::{Map, Value};

use super::QuantState;
use crate::model::config::Config;
use crate::model::dtype::Dtype;
use crate::numeric::quant::Built;
use crate::numeric::quant::fp8::Block;
use crate::numeric::quant::gptq::Format;
use crate::numeric::quant::mlx::Mode;

/// The quantisation part of config.json.
pub(super) struct Settings<'a> {
    object: Option<&'a Map<String, Value>>,
}

impl<'a> Settings<'a> {
    pub(super) fn of(config: Option<&'a Config>) -> Self {
        let object = config.and_then(Config::quantisation);
        Self { object }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.object?.get(key)
    }

    /// `weights` of each group of compressed-tensors.
    fn weights(&self) -> impl Iterator<Item = &'a Value> {
        let groups = self.value("config_groups").and_then(Value::as_object);
        groups
            .into_iter()
            .flat_map(|groups| groups.values())
            .filter_map(|group| group.get("weights"))
    }

    /// Rows and columns that share a scale.
    pub(super) fn block(&self) -> Option<Block> {
        let structures = self
            .weights()
            .filter_map(|weights| weights.get("block_structure"));
        let pair = self
            .value("weight_block_size")
            .into_iter()
            .chain(structures)
            .find_map(|value| {
                let side = |at: usize| usize::try_from(value.get(at)?.as_u64()?).ok();
                Some(Block {
                    rows: side(0)?,
                    columns: side(1)?,
                })
            });
        pair.filter(|block| block.rows > 0 && block.columns > 0)
    }

    /// Columns in a group; none for one group over all columns (−1), or where groups of the config
    /// differ.
    pub(super) fn group_size(&self, stem: &str) -> Option<usize> {
        let own = self.value(stem).and_then(|module| module.get("group_size"));
        let size = |value: &Value| {
            value
                .as_u64()
                .and_then(|size| usize::try_from(size).ok())
                .filter(|&size| size > 0)
        };
        if let Some(size) = own
            .into_iter()
            .chain(self.value("group_size"))
            .chain(self.value("q_group_size"))
            .find_map(size)
        {
            return Some(size);
        }
        let mut sizes = self
            .weights()
            .filter_map(|weights| weights.get("group_size").and_then(size));
        let first = sizes.next()?;
        sizes.all(|size| size == first).then_some(first)
    }

    /// Widths that the config names for compressed-tensors, or else `all`.
    pub(super) fn bits(&self, all: &[usize]) -> Vec<usize> {
        let bits = self
            .weights()
            .filter_map(|weights| usize::try_from(weights.get("num_bits")?.as_u64()?).ok());
        let mut named: Vec<usize> = bits.filter(|bits| (1..=8).contains(bits)).collect();
        named.dedup();
        if named.is_empty() {
            all.to_vec()
        } else {
            named
        }
    }

    /// How GPTQ files are written.
    pub(super) fn gptq_format(&self) -> Built<Format> {
        match self.value("checkpoint_format").and_then(Value::as_str) {
            None | Some("gptq") => Ok(Format::V1),
            Some("gptq_v2") => Ok(Format::V2),
            Some("gptq_p") => Ok(Format::Planar),
            Some(other) => Err(format!("GPTQ in the form {other:?}, which is not read")),
        }
    }

    /// How MLX files are written.
    pub(super) fn mlx_mode(&self, stem: &str) -> Option<Mode> {
        let own = self.value(stem);
        let of = |key: &str| {
            own.and_then(|module| module.get(key))
                .or_else(|| self.value(key))
        };
        match of("mode").and_then(Value::as_str) {
            Some("mxfp4") => Some(Mode::Mxfp4),
            Some("mxfp8") => Some(Mode::Mxfp8),
            Some("nvfp4") => Some(Mode::Nvfp4),
            _ => Some(Mode::Affine(usize::try_from(of("bits")?.as_u64()?).ok()?)),
        }
    }
}

/// The quantisation state that bitsandbytes stores as JSON in a U8 tensor.
pub(super) fn quant_state(json: &[u8]) -> Option<QuantState> {
    let state: Value = serde_json::from_slice(json).ok()?;
    let size = |key: &str| usize::try_from(state.get(key)?.as_u64()?).ok();
    let shape = state
        .get("shape")?
        .as_array()?
        .iter()
        .map(Value::as_u64)
        .collect::<Option<Vec<_>>>()?;
    let nested = match state.get("nested_blocksize") {
        None | Some(Value::Null) => None,
        Some(_) => Some((
            size("nested_blocksize")?,
            state.get("nested_offset")?.as_f64()? as f32,
        )),
    };
    Some(QuantState {
        shape,
        block: size("blocksize")?,
        nested,
    })
}

/// Non-negative whole numbers of a tensor.
pub(super) fn integers(bytes: &[u8], dtype: Dtype) -> Option<Vec<u64>> {
    match dtype {
        Dtype::I64 => bytes
            .chunks_exact(8)
            .map(|b| u64::try_from(i64::from_le_bytes(b.try_into().ok()?)).ok())
            .collect(),
        Dtype::I32 => bytes
            .chunks_exact(4)
            .map(|b| u64::try_from(i32::from_le_bytes(b.try_into().ok()?)).ok())
            .collect(),
        _ => None,
    }
}
