//! What the commands answer, typed: made by `pipeline`, read by `report`.

pub mod arch;
pub mod checkpoint;
pub mod compare;
pub mod hash;
pub mod inspect;
pub mod rank;
pub mod settings;
