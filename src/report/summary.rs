//! What `hash` says of a checkpoint, as the types of the schema.

use super::schema::HashTensor;
use crate::measure::record::Digest;
use crate::view::model::Model;

pub use super::schema::VERSION;

/// The tensors of a manifest, in the order of the checkpoint.
pub fn hash_tensors(model: &Model, digests: &[Digest]) -> Vec<HashTensor> {
    let tensors = model.checkpoint().tensors.iter().zip(digests);
    let row = tensors.map(|(t, digest)| HashTensor {
        name: t.name.clone(),
        dtype: t.dtype.to_string(),
        shape: t.shape.clone(),
        sha256: hex::encode(digest),
    });
    row.collect()
}
