//! What discovery makes of recorded and of real inputs.

mod fake;
mod fixtures;
