//! The RIB as a whole: what its peers end up with, against a model that computes everything from scratch; and each rule of
//! best path, export, import, route targets and VRFs by itself.

mod best;
mod default_route;
mod dry_run;
mod export;
mod history;
mod import;
mod lab;
mod model;
mod rtc;
mod sending;
mod shape;
mod vrf;
mod vrf_history;
