//! Channels whose scale was moved from norms to the matrices that read them, found and undone by
//! the alignment.

use crate::align::rescaled;
use crate::error::Result;

use super::analysis::{Analysis, Found, Setting};
use super::transformation::{Check, Transformation, TransformationKind};

/// Channels in another scale.
#[derive(Debug, Clone)]
pub(super) struct Rescaled(rescaled::Rescaled);

impl Analysis for Rescaled {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        Ok(Some(Self(setting.alignment.rescaled.clone())))
    }

    /// One transformation a component.
    fn transformations(&self) -> Vec<Transformation> {
        let by_component = self.0.layers.iter();
        by_component
            .map(|(component, layers)| Transformation {
                kind: TransformationKind::ChannelsRescaled,
                component: Some(*component),
                layers: layers.clone(),
                kept: None,
                check: Check::NormReaders,
                check_cosine: self.0.check_cosine,
            })
            .collect()
    }
}
