//! A safetensors writer that does what it is told: any name, any dtype, any bytes.

/// A tensor as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    /// Name as stored.
    pub(crate) name: String,
    /// Dtype as the format spells it.
    pub(crate) dtype: &'static str,
    /// Axes, slowest first.
    pub(crate) shape: Vec<u64>,
    /// Stored bytes.
    pub(crate) bytes: Vec<u8>,
}

/// The bytes of a safetensors file with these tensors, in this order, its header padded with spaces
/// to 8 bytes.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut entries = vec![r#""__metadata__":{"format":"pt"}"#.to_owned()];
    let mut at = 0;
    for tensor in tensors {
        let (name, shape) = (
            serde_json::json!(tensor.name),
            serde_json::json!(tensor.shape),
        );
        let end = at + tensor.bytes.len();
        entries.push(format!(
            r#"{name}:{{"dtype":"{}","shape":{shape},"data_offsets":[{at},{end}]}}"#,
            tensor.dtype
        ));
        at = end;
    }
    let mut header = format!("{{{}}}", entries.join(","));
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    tensors.iter().for_each(|tensor| file.extend(&tensor.bytes));
    file
}
