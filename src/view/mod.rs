//! What is stored, as logical matrices.

pub mod quantised;
