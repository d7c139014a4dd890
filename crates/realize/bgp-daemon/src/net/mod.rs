//! Sockets of BGP and BFD: made, bound and guarded as the configuration says. It knows addresses, keys and hop
//! limits; it must never look into what is sent.

mod admission;
mod bfd;
mod discovery;
mod interfaces;
mod options;
mod tcp;

pub(crate) use admission::{Admission, Refusal};
pub(crate) use bfd::{BfdSockets, Received, Route as BfdRoute};
pub(crate) use discovery::{Discovery, Heard};
pub(crate) use interfaces::{Link, link_of};
pub(crate) use options::{Md5Key, Md5Peer, set_md5};
pub(crate) use tcp::{Dial, accept, connect, interface_index, interface_name, listen, share_port};
