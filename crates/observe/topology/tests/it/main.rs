//! The map as its users see it: fixtures of the earlier system, properties, and the promises one by one.

mod fixtures;
mod graph_fixtures;
mod support;
