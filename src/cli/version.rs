//! What `--version` says.

/// What is read, as people call it.
const FORMATS: [&str; 4] = [
    "safetensors",
    "GGUF",
    "PyTorch (.bin, .pt, .pth)",
    "PEFT LoRA adapters",
];

/// Version, the kernel that this CPU gets, and the formats that are read, a line each.
pub(super) fn long(kernel: &str) -> String {
    format!(
        "{}\nkernel:  {kernel}\nformats: {}",
        env!("CARGO_PKG_VERSION"),
        FORMATS.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_comes_first() {
        let text = long("portable");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                env!("CARGO_PKG_VERSION"),
                "kernel:  portable",
                "formats: safetensors, GGUF, PyTorch (.bin, .pt, .pth), PEFT LoRA adapters"
            ]
        );
    }
}
