//! A simulated cloud to scan, at the scale of a real one: hosts that answer every command a scan may ask, an API that lists what runs on
//! them, and the benchmarks of scans and events on top of it.

mod cloud;
mod events;
mod hosts;
mod scan;

pub use events::events;
pub use scan::scan;
