//! A sketch as bytes.

use std::collections::{BTreeMap, HashMap};

use safetensors::Dtype as Stored;
use safetensors::tensor::{TensorView, serialize};

use crate::model::dtype::Dtype;
use crate::model::sketch::{FACTS, Facts, Head, METADATA, TOKEN_HASHES, TOKEN_IDS};
use crate::model::tokenizer::Tokenizer;

/// Tensors of a sketch under way.
#[derive(Default)]
pub(crate) struct Writer {
    tensors: BTreeMap<String, Tensor>,
    axes: BTreeMap<Vec<u32>, String>,
}

/// Values of some rows and columns, as bytes.
pub(crate) struct Values {
    dtype: Dtype,
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl Values {
    /// Values in row-major order, kept as F16, BF16 or else F32.
    pub(crate) fn new(dtype: Dtype, shape: [usize; 2], values: &[f32]) -> Self {
        let bytes = match dtype {
            Dtype::Bf16 => {
                let codes = values.iter().map(|x| half::bf16::from_f32(*x));
                codes.flat_map(|code| code.to_le_bytes()).collect()
            }
            Dtype::F16 => {
                let codes = values.iter().map(|x| half::f16::from_f32(*x));
                codes.flat_map(|code| code.to_le_bytes()).collect()
            }
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        Self {
            dtype,
            shape,
            bytes,
        }
    }
}

struct Tensor {
    dtype: Stored,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Writer {
    /// The name of a list of indices, ascending; equal lists are kept once.
    pub(crate) fn axis(&mut self, list: &[u32]) -> String {
        if let Some(name) = self.axes.get(list) {
            return name.clone();
        }
        let name = format!("sketch.indices.{}", self.axes.len());
        let bytes = list.iter().flat_map(|at| at.to_le_bytes()).collect();
        self.add(name.clone(), Stored::U32, vec![list.len()], bytes);
        self.axes.insert(list.to_vec(), name.clone());
        name
    }

    /// Keeps values under a name, which it gives back.
    pub(crate) fn values(&mut self, name: &str, values: Values) -> String {
        let dtype = match values.dtype {
            Dtype::Bf16 => Stored::BF16,
            Dtype::F16 => Stored::F16,
            _ => Stored::F32,
        };
        self.add(name.to_owned(), dtype, values.shape.to_vec(), values.bytes);
        name.to_owned()
    }

    /// Keeps a tokenizer, tokens by their hashes.
    pub(crate) fn tokenizer(&mut self, tokenizer: &Tokenizer) {
        let hashed = tokenizer.hashed();
        let tokens = hashed.tokens();
        let hashes = tokens.iter().flat_map(|(hash, _)| hash.to_vec()).collect();
        let ids = tokens.iter().flat_map(|(_, id)| id.to_le_bytes()).collect();
        let count = tokens.len();
        self.add(TOKEN_HASHES.to_owned(), Stored::U8, vec![count, 8], hashes);
        self.add(TOKEN_IDS.to_owned(), Stored::U32, vec![count], ids);
    }

    fn add(&mut self, name: String, dtype: Stored, shape: Vec<usize>, bytes: Vec<u8>) {
        let tensor = Tensor {
            dtype,
            shape,
            bytes,
        };
        self.tensors.insert(name, tensor);
    }
}

/// The file: the same bytes for the same content.
///
/// # Errors
/// What the crate that writes refuses.
pub(crate) fn bytes(mut writer: Writer, head: &Head, facts: &Facts) -> Result<Vec<u8>, String> {
    let json = |error: serde_json::Error| error.to_string();
    let facts = serde_json::to_vec(facts).map_err(json)?;
    let count = facts.len();
    writer.add(FACTS.to_owned(), Stored::U8, vec![count], facts);
    let metadata = HashMap::from([(
        METADATA.to_owned(),
        serde_json::to_string(head).map_err(json)?,
    )]);
    let views = writer.tensors.iter().map(|(name, tensor)| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
        view.map(|view| (name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>();
    let views = views.map_err(|error| error.to_string())?;
    serialize(views, Some(metadata)).map_err(|error| error.to_string())
}
