//! What the commands answer, typed: made by `pipeline`, read by `report`.
