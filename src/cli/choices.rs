//! Options that take one word of a fixed list.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::model::words::words;
use crate::pipeline::options::{Deep, Hashing, PcaMode, Switch};
use crate::report::schema::ReportKind;
use crate::report::{Lang, OutputFormat};
use crate::source::Io;
use crate::verdict::decide::Confidence;

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

impl ValueEnum for OutputFormat {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let value = PossibleValue::new(self.word());
        Some(match self {
            Self::Markdown => value.alias("md"),
            Self::Text | Self::Json | Self::Csv | Self::Html => value,
        })
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

selectable!(
    Confidence, Lang, When, Hashing, PcaMode, Switch, Deep, Io, ReportKind
);
