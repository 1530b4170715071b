//! What `--version` says.

/// What is read, as people call it.
const FORMATS: [&str; 4] = [
    "safetensors",
    "GGUF",
    "PyTorch (.bin, .pt, .pth)",
    "PEFT LoRA adapters",
];

/// Version, the kernels of sums and digests that this CPU gets, and the formats that are read, a
/// line each.
pub(super) fn long(kernel: &str, digests: &str) -> String {
    format!(
        "{}\nkernel:  {kernel}\ndigests: {digests}\nformats: {}",
        env!("CARGO_PKG_VERSION"),
        FORMATS.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_comes_first() {
        let text = long("portable", "sha2");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                env!("CARGO_PKG_VERSION"),
                "kernel:  portable",
                "digests: sha2",
                "formats: safetensors, GGUF, PyTorch (.bin, .pt, .pth), PEFT LoRA adapters"
            ]
        );
    }
}
