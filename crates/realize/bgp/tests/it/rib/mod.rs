//! The RIB as a whole: what its peers end up with, against a model that computes everything from scratch.

mod history;
mod lab;
mod model;
