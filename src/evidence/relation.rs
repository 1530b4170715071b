//! In which way two models are related.

use crate::model::words::words;

words! {
    /// In which way the two are related.
    Relation {
        /// Matrix excess at 0.8 or more.
        FineTuned = "fine_tuned",
        /// Matrix excess below 0.8.
        ContinuedPretraining = "continued_pretraining",
        /// More rows in the embedding.
        VocabularyExtended = "vocabulary_extended",
        /// Units left out.
        Pruned = "pruned",
        /// Layers repeated.
        DepthUpscaled = "depth_upscaled",
        /// Layers left out.
        DepthPruned = "depth_pruned",
        /// Layers in another order.
        LayersReordered = "layers_reordered",
        /// Narrower: hidden dimensions or units left out.
        WidthPruned = "width_pruned",
        /// Wider than what it comes from.
        Widened = "widened",
        /// Dense feed-forward copied to experts.
        Upcycled = "upcycled",
        /// Units, heads, experts or the residual stream in another order.
        Permuted = "permuted",
        /// Residual stream rotated.
        Rotated = "rotated",
        /// Tensors under names that do not tell which they are.
        Renamed = "renamed",
        /// A quantised form of a fine-tune.
        QuantizedFineTune = "quantized_fine_tune",
        /// The target is an adapter.
        Adapter = "adapter",
        /// A mixture of several bases.
        Merged = "merged",
        /// The figures fit two trainings from one initialisation as well.
        SharedInitializationPossible = "shared_initialization_possible",
    }
}
