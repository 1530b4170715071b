//! What the commands answer, typed: made by `pipeline`, read by `report`.
//!
//! One file a command. What the answers are made of — findings, the verdict, the words of the
//! contract — is gathered in [`terms`].

pub mod arch;
pub mod checkpoint;
pub mod compare;
pub mod hash;
pub mod inspect;
pub mod matrix;
pub mod rank;
pub mod settings;
pub mod sketch;
pub mod terms;
