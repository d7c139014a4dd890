//! Speakers with each other: connections, collisions, restarts, commands, limits, configuration. Each on the [`World`].

mod connections;
mod operate;
mod originate;
mod ranges;
mod restart;
mod states;
mod torture;
mod updates;

use crate::world::address;
use std::fmt::Write;

/// A node's configuration: its AS, and for each neighbor its node, its AS and more lines.
pub(crate) fn config(node: usize, asn: u32, neighbors: &[(usize, u32, &str)]) -> String {
    let mut text = format!(
        "[global]\nasn = {asn}\nrouter-id = \"{}\"\nebgp-requires-policy = false\n",
        address(node)
    );
    for (neighbor, remote, more) in neighbors {
        let address = address(*neighbor);
        let entry =
            format!("[[neighbors]]\naddress = \"{address}\"\nremote-as = {remote}\n{more}\n");
        text.write_str(&entry).expect("a string takes it");
    }
    text
}
