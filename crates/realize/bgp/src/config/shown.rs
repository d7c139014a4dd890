//! Values in the words of a configuration file, for people who read what changed.

use super::{Hops, OnStop, RemoteAs};
use crate::message::{AddPathMode, Role};
use crate::policy::PolicyName;
use crate::{Asn, FamilySet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// `None`: secret, or too long for a line.
pub(super) trait Shown {
    fn shown(&self) -> Option<String>;
}

macro_rules! as_displayed {
    ($($type:ty),+) => {
        $(impl Shown for $type {
            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }
        })+
    };
}

as_displayed!(
    &str,
    u8,
    u16,
    Asn,
    usize,
    bool,
    String,
    IpAddr,
    Ipv4Addr,
    FamilySet,
    RemoteAs,
    Hops,
    OnStop,
    Role,
    AddPathMode,
    PolicyName
);

macro_rules! too_long {
    ($($type:ty),+) => {
        $(impl Shown for $type {
            fn shown(&self) -> Option<String> {
                None
            }
        })+
    };
}

too_long!(
    super::Password,
    super::BfdConfig,
    super::Export,
    super::MaxPrefix,
    super::GracefulMode,
    crate::rib::BestPathOptions
);

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Option<String> {
        match self {
            Some(value) => value.shown(),
            None => Some("none".to_owned()),
        }
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> Option<String> {
        let values: Option<Vec<String>> = self.iter().map(Shown::shown).collect();
        Some(values?.join(", "))
    }
}

impl fmt::Display for RemoteAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(asn) => write!(f, "{asn}"),
            Self::External => f.write_str("external"),
            Self::Internal => f.write_str("internal"),
        }
    }
}

impl fmt::Display for Hops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("none"),
            Self::Multihop(hops) => write!(f, "ebgp-multihop {hops}"),
            Self::Security(hops) => write!(f, "ttl-security {hops}"),
        }
    }
}

impl fmt::Display for OnStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "restart",
            Self::Shutdown => "shutdown",
        })
    }
}
