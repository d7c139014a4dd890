mod error;
mod kept;
mod live_map;
mod log;
pub use error::{InventoryError, Result};
pub use live_map::{LiveMap, Mark};
