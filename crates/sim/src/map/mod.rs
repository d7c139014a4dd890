//! Clouds at the scale of real ones, and the benchmarks of the map on top of them: simulated hosts and an API to scan, and a generated
//! cloud to derive, compare and ask.

mod cloud;
mod diff;
mod events;
mod first_screen;
mod generated;
mod graph;
mod hosts;
mod impact;
mod scan;

pub use diff::diff;
pub use events::events;
pub use first_screen::first_screen;
pub use graph::graph;
pub use impact::impact;
pub use scan::scan;
