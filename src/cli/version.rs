//! What `--version` says.

/// Version, the kernel that this CPU gets, and the formats that are read, a line each.
pub(super) fn long(kernel: &str, formats: &[&str]) -> String {
    format!("{}\nkernel:  {kernel}\nformats: {}", env!("CARGO_PKG_VERSION"), formats.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_comes_first() {
        let text = long("portable", &["safetensors", "gguf"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, [env!("CARGO_PKG_VERSION"), "kernel:  portable", "formats: safetensors, gguf"]);
    }
}
