//! What the tests share: models made up from seeds, writers of each format, the binary run away
//! from the terminal, and its JSON with every key known.

pub(crate) mod awq;
pub(crate) mod command;
pub(crate) mod compared;
pub(crate) mod draws;
pub(crate) mod encoded;
pub(crate) mod file;
pub(crate) mod gguf;
pub(crate) mod gptq;
pub(crate) mod hostile_gguf;
pub(crate) mod hostile_torch;
pub(crate) mod mlx;
pub(crate) mod rows;
pub(crate) mod weights;
pub(crate) mod zoo;
