//! Options that take one word of a fixed list.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::model::words::words;
use crate::pipeline::options::{Deep, Hashing, PcaMode, Switch};
use crate::report::OutputFormat;
use crate::source::Io;

words! {
    /// When to use colours.
    When {
        /// In a terminal, unless the environment says otherwise.
        Auto = "auto",
        /// On standard output, terminal or not.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

macro_rules! selectable {
    ($($name:ident),*) => {$(
        impl ValueEnum for $name {
            fn value_variants<'a>() -> &'a [Self] {
                Self::ALL
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(PossibleValue::new(self.word()))
            }
        }
    )*};
}

selectable!(OutputFormat, When, Hashing, PcaMode, Switch, Deep, Io);
