//! The codec: what goes out comes back in, what is malformed meets its rule, and nothing in a message can do harm.

mod arbitrary;
mod archive;
mod generate;
mod golden;
mod messages;
mod netgauze;
mod rfc7606;
mod round_trip;
mod text;
