//! Expected values that the generator scripts under tests/reference wrote.

use safetensors::{Dtype, SafeTensors};

/// One file of expected values.
pub(crate) struct Reference(Vec<u8>);

impl Reference {
    /// The file `tests/reference/NAME.safetensors`.
    pub(crate) fn load(name: &str) -> Self {
        let path = format!(
            "{}/tests/reference/{name}.safetensors",
            env!("CARGO_MANIFEST_DIR")
        );
        Self(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("a safetensors file")
    }

    /// Stored bytes of a tensor.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        self.parsed()
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .data()
    }

    /// Values of an F32 tensor.
    pub(crate) fn f32(&self, name: &str) -> Vec<f32> {
        let parsed = self.parsed();
        let tensor = parsed
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        tensor
            .data()
            .chunks_exact(4)
            .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect()
    }

    /// Shape of a tensor.
    pub(crate) fn shape(&self, name: &str) -> Vec<u64> {
        let parsed = self.parsed();
        let tensor = parsed
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        tensor.shape().iter().map(|&axis| axis as u64).collect()
    }

    /// Names of all tensors.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .parsed()
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// Name of a tensor's dtype.
    pub(crate) fn dtype(&self, name: &str) -> String {
        let parsed = self.parsed();
        let tensor = parsed
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        tensor.dtype().to_string()
    }
}
