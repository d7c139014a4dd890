//! The map as its users see it: fixtures of the earlier system, properties, and the promises one by one.

mod alerts;
mod cloud;
mod declarations;
mod event_fixtures;
mod fixtures;
mod graph_fixtures;
mod health;
mod history;
mod monitoring_fixtures;
mod notifications;
mod order;
mod properties;
mod questions;
mod readings;
mod support;
