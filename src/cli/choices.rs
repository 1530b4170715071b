//! Options that take one word of a fixed list.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::model::words::words;
use crate::pipeline::options::{Deep, Hashing, Pca, Switch};
use crate::source::Io;

words! {
    /// Format of the report.
    OutputFormat {
        /// For people, in a terminal.
        Text = "text",
        /// For scripts: one object.
        Json = "json",
        /// For spreadsheets: RFC 4180.
        Csv = "csv",
        /// For a pull request or a model card.
        Markdown = "markdown",
    }
}

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

selectable!(OutputFormat, When, Hashing, Pca, Switch, Deep, Io);
