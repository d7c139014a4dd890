//! What several resources do with the attributes of a request.

use crate::OpError;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::fmt::Display;

/// Overwrites an attribute that the request gives.
pub(crate) fn set<T>(attribute: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *attribute = value;
    }
}

/// Refuses the first value that stands there twice.
pub(crate) fn check_distinct<T: Ord + Copy + Display>(
    attribute: &'static str,
    values: impl Iterator<Item = T>,
) -> Result<(), OpError> {
    let mut seen = BTreeSet::new();
    for value in values {
        if !seen.insert(value) {
            return Err(OpError::Duplicate {
                attribute,
                value: value.to_string(),
            });
        }
    }
    Ok(())
}

pub(crate) fn without_host_bits(cidr: IpNet) -> Result<IpNet, OpError> {
    match cidr.trunc() {
        corrected if corrected == cidr => Ok(cidr),
        corrected => Err(OpError::CidrHostBits {
            given: cidr,
            corrected,
        }),
    }
}
