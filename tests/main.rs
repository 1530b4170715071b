//! Every test that looks at the project from outside, in one program: a module a capability.
//!
//! `tests/README.md` says which is where and where a new one goes.

// A table of cases says more here than a type of its own.
#![allow(clippy::type_complexity)]
#![allow(clippy::unwrap_used)]

mod simulated;
mod support;

mod adapter;
mod arch;
mod browser;
mod cli;
mod compare;
mod composed;
mod conversions;
mod corpus;
mod determinism;
mod disguise;
mod encodings;
mod files;
mod fixtures;
mod formulas;
mod fused;
mod hash;
mod hostile;
mod house;
mod inspect;
mod laid;
mod layouts;
mod no_weights;
mod orders;
mod pairing;
mod power;
mod rank;
mod re_encoding;
mod readme;
mod report;
mod rescaled;
mod roles;
mod show;
mod sketch;
mod structure;
mod subspace_reference;
mod tokenizer;
mod truncated;
mod validity;
mod vocabulary;
mod zoo;
