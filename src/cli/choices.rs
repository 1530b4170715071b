//! Options that take one word of a fixed list.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::format::bytes::Io;
use crate::model::words::words;

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

words! {
    /// Digest of the stored bytes.
    Hashing {
        /// SHA-256 of each tensor on each side.
        Sha256 = "sha256",
        /// No digests; identical tensors are told from the bytes.
        None = "none",
    }
}

words! {
    /// Principal subspaces.
    Pca {
        /// A sample of matrices and rows.
        Fast = "fast",
        /// All matrices.
        Full = "full",
        /// Not at all.
        Off = "off",
    }
}

words! {
    /// Whether an analysis runs.
    Switch {
        /// It runs.
        On = "on",
        /// It does not.
        Off = "off",
    }
}

words! {
    /// Tests that see through a disguise.
    Deep {
        /// Where the cheap tests find nothing, on few layers.
        Auto = "auto",
        /// All of them, on all layers.
        On = "on",
        /// None.
        Off = "off",
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
