//! One file a command: a function from settings to an answer.

pub(super) mod arch;
pub(super) mod compare;
pub(super) mod hash;
pub(super) mod inspect;
pub(super) mod rank;
pub(super) mod show;
pub(super) mod sketch;
pub(super) mod verify;
