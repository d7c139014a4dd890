//! Simulated hosts: agents that keep a copy of their plan and acknowledge it, and the clouds they stand in. They measure
//! what a change costs from the store to the last of many hosts, without a kernel in between.

mod agent;
mod cloud;
mod planner;
mod ripple;

pub use agent::SimHost;
pub use planner::planner_bench;
pub use ripple::group_ripple;
