//! `extra_dhcp_opts`: what a port's DHCP answers carry beside what its subnet says.

use super::DhcpOptionRequest;
use crate::OpError;
use model::DhcpOption;

/// The most that one DHCPv4 option carries (RFC 2132 section 2).
const MAX_VALUE: usize = 255;

/// Sets the requested options and removes those requested without a value.
pub(super) fn merge(
    options: &mut Vec<DhcpOption>,
    requests: Vec<DhcpOptionRequest>,
) -> Result<(), OpError> {
    for request in requests {
        let option = DhcpOption {
            name: request.name,
            value: request.value.clone().unwrap_or_default(),
            family: request.family,
        };
        let Some(code) = option.code() else {
            return Err(OpError::DhcpOptionUnknown(option.name));
        };
        options.retain(|other| other.family != option.family || other.code() != Some(code));
        if request.value.is_some() {
            check_value(&option)?;
            options.push(option);
        }
    }
    Ok(())
}

/// A line break in a value would be a line of a server's configuration (CVE-2021-40085).
fn check_value(option: &DhcpOption) -> Result<(), OpError> {
    let value = &option.value;
    if value.is_empty() || value.len() > MAX_VALUE || value.chars().any(char::is_control) {
        return Err(OpError::DhcpOptionValue(option.name.clone()));
    }
    Ok(())
}
