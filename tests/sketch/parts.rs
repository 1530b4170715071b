//! A sketch taken apart, so that it can be read and damaged.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::{Value, json};

/// Header and tensors of a sketch, its facts as JSON.
#[derive(Clone)]
pub(super) struct Parts {
    /// What the metadata says.
    pub(super) head: Value,
    /// Facts.
    pub(super) facts: Value,
    /// The other tensors, in the order of the file: name, dtype, shape, bytes.
    pub(super) tensors: Vec<(String, String, Vec<u64>, Vec<u8>)>,
}

impl Parts {
    /// Takes the sketch at `path` apart.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("a sketch");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let metadata = header.metadata().as_ref().expect("metadata");
        let head = serde_json::from_str(&metadata["wcmp.sketch"]).expect("JSON");
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let mut tensors: Vec<_> = file.tensors();
        tensors.sort_by_key(|(_, tensor)| tensor.data().as_ptr() as usize);
        let mut facts = None;
        let mut out = Vec::new();
        for (name, tensor) in tensors {
            if name == "sketch.facts" {
                facts = serde_json::from_slice(tensor.data()).ok();
                continue;
            }
            let shape = tensor.shape().iter().map(|axis| *axis as u64).collect();
            let dtype = tensor.dtype().to_string();
            out.push((name, dtype, shape, tensor.data().to_vec()));
        }
        Self {
            head,
            facts: facts.expect("facts"),
            tensors: out,
        }
    }

    /// The tensor of that name.
    pub(super) fn tensor(&mut self, name: &str) -> &mut (String, String, Vec<u64>, Vec<u8>) {
        let mut tensors = self.tensors.iter_mut();
        tensors.find(|tensor| tensor.0 == name).expect(name)
    }

    /// What is kept of the model's tensor of that name.
    pub(super) fn kept(&mut self, name: &str) -> &mut Value {
        let tensors = self.facts["tensors"].as_array_mut().expect("a list");
        let mut tensors = tensors.iter_mut();
        tensors.find(|tensor| tensor["name"] == name).expect(name)
    }

    fn told(&self, name: &str) -> &Value {
        let tensors = self.facts["tensors"].as_array().expect("a list");
        let mut tensors = tensors.iter();
        tensors.find(|tensor| tensor["name"] == name).expect(name)
    }

    fn bytes(&self, name: &str) -> &[u8] {
        let mut tensors = self.tensors.iter();
        &tensors.find(|tensor| tensor.0 == name).expect(name).3
    }

    /// What is kept of a tensor: patches, then those of the largest units.
    fn patches(&self, name: &str) -> Vec<&Value> {
        let tensor = self.told(name);
        let lists = ["patches", "largest"].map(|key| tensor[key].as_array());
        lists.into_iter().flatten().flatten().collect()
    }

    /// How many patches those are.
    pub(super) fn count(&self, name: &str) -> usize {
        self.patches(name).len()
    }

    /// Rows and columns of a patch.
    pub(super) fn patch(&self, name: &str, at: usize) -> (Vec<u32>, Vec<u32>) {
        let tensor = self.told(name);
        let shape = tensor["shape"].as_array().expect("a shape");
        let elements: u64 = shape.iter().filter_map(Value::as_u64).product();
        let width = tensor["width"].as_u64().expect("a width");
        let patch = self.patches(name)[at];
        let list = |name: &Value, all: u64| match name.as_str() {
            None => (0..all as u32).collect(),
            Some(name) => {
                let words = self.bytes(name).chunks_exact(4);
                words
                    .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
                    .collect()
            }
        };
        (
            list(&patch["rows"], elements / width.max(1)),
            list(&patch["columns"], width),
        )
    }

    /// The bytes of the values of a patch.
    pub(super) fn values(&self, name: &str, at: usize) -> &[u8] {
        let patch = self.patches(name)[at];
        self.bytes(patch["values"].as_str().expect("a name"))
    }

    /// The file of these parts.
    pub(super) fn file(&self) -> Vec<u8> {
        self.file_with(self.facts.to_string().as_bytes())
    }

    /// The file with other bytes for facts.
    pub(super) fn file_with(&self, facts: &[u8]) -> Vec<u8> {
        let head = match &self.head {
            Value::String(text) => text.clone(),
            head => head.to_string(),
        };
        let mut entries = vec![format!(
            "\"__metadata__\":{}",
            json!({ "wcmp.sketch": head })
        )];
        let mut content: Vec<u8> = Vec::new();
        let facts = (
            "sketch.facts".to_owned(),
            "U8".to_owned(),
            vec![facts.len() as u64],
            facts.to_vec(),
        );
        for (name, dtype, shape, bytes) in self.tensors.iter().chain([&facts]) {
            let begin = content.len();
            content.extend(bytes);
            entries.push(format!(
                "{}:{}",
                json!(name),
                json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, content.len()]})
            ));
        }
        let header = format!("{{{}}}", entries.join(","));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(content);
        file
    }
}
