//! The planner against a real store that is changed through `operations`.

mod cloud;
mod histories;
mod units;
