//! Tensor name to meaning.
