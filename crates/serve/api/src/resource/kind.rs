//! The types an attribute can have: how a request's value is checked, how a filter's text is read, and how
//! the OpenAPI document describes it. Reasons for refusal are worded as Neutron words them, because clients
//! and their tests match on them.

use ipnet::IpNet;
use model::{Mac, Protocol};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use uuid::Uuid;

/// What an attribute's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text of at most so many characters.
    Text(usize),
    Uuid,
    /// Different UUIDs.
    Uuids,
    Bool,
    /// An integer within the bounds, both included.
    Integer(i64, i64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// 4 or 6.
    IpVersion,
    /// A boolean that is always false here.
    False,
    Ip,
    Cidr,
    /// An address or a CIDR, host bits allowed.
    Prefix,
    Mac,
    Protocol,
    FixedIps,
    AddressPairs,
    DhcpOptions,
    Pools,
    Nameservers,
    HostRoutes,
    /// Different short texts.
    Tags,
    /// Any object, passed through; at most [`OBJECT_MAX`] bytes of JSON.
    Object,
    /// A time in UTC; only ever read.
    Time,
    /// A list of objects; only ever read.
    Objects,
}

/// Names of the model's longest texts, as Neutron's database has them.
pub(crate) const NAME_MAX: usize = 255;
const TAG_MAX: usize = 255;
pub(crate) const TAGS_MAX: usize = 50;
const OBJECT_MAX: usize = 4_095;

impl Kind {
    /// Checks a request's value and brings it into its canonical form. The error is Neutron's reason.
    pub(crate) fn check(self, value: Value) -> Result<Value, String> {
        match self {
            Self::Text(max) => check_text(value, max),
            Self::Uuid => parsed::<Uuid>(value, "UUID").map(|id| id.to_string().into()),
            Self::Uuids => check_uuids(value),
            Self::Bool => check_bool(&value).map(Value::Bool),
            Self::False => match check_bool(&value)? {
                false => Ok(Value::Bool(false)),
                true => Err("'True' is not in [False]".to_owned()),
            },
            Self::Integer(min, max) => check_integer(&value, min, max).map(Value::from),
            Self::IpVersion => match check_integer(&value, 0, i64::MAX) {
                Ok(version @ (4 | 6)) => Ok(version.into()),
                _ => Err(format!("'{}' is not in [4, 6]", plain(&value))),
            },
            Self::OneOf(choices) => match value.as_str() {
                Some(text) if choices.contains(&text) => Ok(value),
                _ => Err(format!(
                    "'{}' is not in {}",
                    plain(&value),
                    python_list(choices)
                )),
            },
            Self::Ip => parsed::<IpAddr>(value, "IP address").map(|ip| ip.to_string().into()),
            Self::Cidr => check_cidr(value),
            Self::Prefix => check_prefix(&value).map(|net| net.to_string().into()),
            Self::Mac => check_mac(value),
            Self::Protocol => check_protocol(&value),
            Self::FixedIps => check_fixed_ips(value),
            Self::AddressPairs => distinct(value, "allowed address pair", check_address_pair),
            Self::DhcpOptions => distinct(value, "extra DHCP option", check_dhcp_option),
            Self::Pools => distinct(value, "IP pool", check_pool),
            Self::Nameservers => check_nameservers(value),
            Self::HostRoutes => distinct(value, "hostroute", check_host_route),
            Self::Tags => check_tags(value),
            Self::Object => match value {
                Value::Object(_) if value.to_string().len() <= OBJECT_MAX => Ok(value),
                Value::Object(_) => Err(format!("it has more than {OBJECT_MAX} bytes of JSON")),
                other => Err(format!("'{}' is not a dictionary", plain(&other))),
            },
            Self::Time | Self::Objects => Err("it is read only".to_owned()),
        }
    }

    /// The canonical form of a filter's text, to be compared with [`filter_text`] of an object's value.
    pub(crate) fn filter(self, text: &str) -> Result<String, String> {
        match self {
            Self::Bool | Self::False => check_bool(&Value::from(text)).map(|b| b.to_string()),
            Self::Uuid | Self::Uuids => Ok(text.to_ascii_lowercase()),
            Self::Mac => Ok(text
                .parse::<Mac>()
                .map_or_else(|_| text.to_owned(), |m| m.to_string())),
            Self::Ip => Ok(text
                .parse::<IpAddr>()
                .map_or_else(|_| text.to_owned(), |ip| ip.to_string())),
            _ => Ok(text.to_owned()),
        }
    }

    /// The JSON Schema of the attribute in OpenAPI 3.1.
    pub(crate) fn schema(self) -> Value {
        let text = |format: &str| json!({"type": "string", "format": format});
        let list = |items: Value| json!({"type": "array", "items": items});
        let object = |keys: &[&str]| {
            let properties: Map<String, Value> = keys
                .iter()
                .map(|key| ((*key).to_owned(), json!({"type": "string"})))
                .collect();
            json!({"type": "object", "properties": properties})
        };
        match self {
            Self::Text(max) => json!({"type": "string", "maxLength": max}),
            Self::Uuid => text("uuid"),
            Self::Uuids => list(text("uuid")),
            Self::Bool => json!({"type": "boolean"}),
            Self::False => json!({"type": "boolean", "const": false}),
            Self::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::IpVersion => json!({"type": "integer", "enum": [4, 6]}),
            Self::OneOf(choices) => json!({"type": "string", "enum": choices}),
            Self::Ip => text("ip"),
            Self::Cidr | Self::Prefix => text("cidr"),
            Self::Mac => text("mac"),
            Self::Protocol => json!({"type": "string", "examples": ["tcp", "icmp", "132"]}),
            Self::FixedIps => list(object(&["subnet_id", "ip_address"])),
            Self::AddressPairs => list(object(&["ip_address", "mac_address"])),
            Self::DhcpOptions => list(object(&["opt_name", "opt_value", "ip_version"])),
            Self::Pools => list(object(&["start", "end"])),
            Self::Nameservers => list(text("ip")),
            Self::HostRoutes => list(object(&["destination", "nexthop"])),
            Self::Tags => list(json!({"type": "string", "maxLength": TAG_MAX})),
            Self::Object => json!({"type": "object"}),
            Self::Time => text("date-time"),
            Self::Objects => list(json!({"type": "object"})),
        }
    }
}

/// How a value looks to a filter; `null` looks like the empty text.
pub(crate) fn filter_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A value as messages quote it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

fn python_list(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn parsed<T: std::str::FromStr>(value: Value, what: &str) -> Result<T, String> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("'{}' is not a valid {what}", plain(&value)))
}

fn check_text(value: Value, max: usize) -> Result<Value, String> {
    match &value {
        Value::String(text) if text.chars().count() <= max => Ok(value),
        Value::String(text) => Err(format!("'{text}' exceeds maximum length of {max}")),
        other => Err(format!("'{}' is not a valid string", plain(other))),
    }
}

fn check_bool(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        Value::String(text) if matches!(text.to_ascii_lowercase().as_str(), "true" | "1") => {
            Ok(true)
        }
        Value::String(text) if matches!(text.to_ascii_lowercase().as_str(), "false" | "0") => {
            Ok(false)
        }
        other => Err(format!("'{}' cannot be converted to boolean", plain(other))),
    }
}

fn check_integer(value: &Value, min: i64, max: i64) -> Result<i64, String> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match number {
        None => Err(format!("'{}' is not an integer", plain(value))),
        Some(number) if number < min => Err(format!(
            "'{number}' is too small - must be at least '{min}'"
        )),
        Some(number) if number > max => Err(format!(
            "'{number}' is too large - must be no larger than '{max}'"
        )),
        Some(number) => Ok(number),
    }
}

fn check_mac(value: Value) -> Result<Value, String> {
    let mac: Mac = parsed(value, "MAC address")?;
    if !mac.is_unicast() {
        return Err(format!("'{mac}' is not a valid MAC address"));
    }
    Ok(mac.to_string().into())
}

fn check_cidr(value: Value) -> Result<Value, String> {
    let net: IpNet = parsed(value.clone(), "IP subnet")?;
    if net.addr() != net.network() {
        let given = plain(&value);
        let trunc = net.trunc();
        return Err(format!(
            "'{given}' isn't a recognized IP subnet cidr, '{trunc}' is recommended"
        ));
    }
    Ok(net.to_string().into())
}

/// An address stands for the prefix of its whole length.
fn check_prefix(value: &Value) -> Result<IpNet, String> {
    let text = value.as_str().unwrap_or_default();
    text.parse::<IpNet>()
        .map(|net| net.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("'{}' is not a valid IP subnet", plain(value)))
}

fn check_protocol(value: &Value) -> Result<Value, String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        other => return Err(format!("'{}' is not a valid protocol", plain(other))),
    };
    text.parse::<Protocol>()
        .map(|protocol| protocol.to_string().into())
        .map_err(|_| {
            let names: Vec<&str> = Protocol::names().collect();
            format!(
                "Security group rule protocol {text} not supported. Only protocol values {} and integer \
                 representations [0 to 255] are supported.",
                python_list(&names)
            )
        })
}

fn check_uuids(value: Value) -> Result<Value, String> {
    let Value::Array(items) = value else {
        return Err(format!("'{}' is not a list", plain(&value)));
    };
    let mut seen = BTreeSet::new();
    for item in items {
        let id: Uuid = parsed(item, "UUID")?;
        if !seen.insert(id) {
            return Err(format!("Duplicate items in the list: '{id}'"));
        }
    }
    Ok(seen.iter().map(Uuid::to_string).collect())
}

fn check_tags(value: Value) -> Result<Value, String> {
    let Value::Array(items) = value else {
        return Err(format!("'{}' is not a list", plain(&value)));
    };
    if items.len() > TAGS_MAX {
        return Err(format!("more than {TAGS_MAX} tags"));
    }
    let mut seen = BTreeSet::new();
    for item in items {
        seen.insert(check_tag(item)?);
    }
    Ok(seen.into_iter().collect())
}

/// One tag: a text without `,` and `/`, which would not survive a filter or a path.
pub(crate) fn check_tag(value: Value) -> Result<String, String> {
    match check_text(value, TAG_MAX)? {
        Value::String(tag) if !tag.is_empty() && !tag.contains([',', '/']) => Ok(tag),
        other => Err(format!(
            "'{}' is not a valid tag: 1 to {TAG_MAX} characters without ',' and '/'",
            plain(&other)
        )),
    }
}

/// A list whose items pass `check` and differ.
fn distinct(
    value: Value,
    what: &str,
    check: fn(&mut Fields<'_>) -> Result<Value, String>,
) -> Result<Value, String> {
    let checked = each(value, what, check)?;
    let mut seen = BTreeSet::new();
    match checked.iter().find(|item| !seen.insert(item.to_string())) {
        Some(repeated) => Err(format!("Duplicate {what} '{repeated}'")),
        None => Ok(Value::Array(checked)),
    }
}

/// A subnet alone may be named several times: each time it stands for one more of its addresses.
fn check_fixed_ips(value: Value) -> Result<Value, String> {
    let checked = each(value, "fixed IP", check_fixed_ip)?;
    let mut seen = BTreeSet::new();
    let mut addresses = checked
        .iter()
        .filter_map(|item| item["ip_address"].as_str());
    match addresses.find(|address| !seen.insert(*address)) {
        Some(repeated) => Err(format!("Duplicate IP address '{repeated}'")),
        None => Ok(Value::Array(checked)),
    }
}

/// The items of a list, each of which passes `check`.
fn each(
    value: Value,
    what: &str,
    check: fn(&mut Fields<'_>) -> Result<Value, String>,
) -> Result<Vec<Value>, String> {
    let malformed = |value: &Value| format!("Invalid data format for {what}: '{}'", plain(value));
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        other => return Err(malformed(&other)),
    };
    let mut checked = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(map) = item else {
            return Err(malformed(&item));
        };
        let mut fields = Fields { what, map };
        let value = check(&mut fields)?;
        if let Some(key) = fields.map.keys().next() {
            return Err(format!("Unexpected key '{key}' in {what}"));
        }
        checked.push(value);
    }
    Ok(checked)
}

/// The entries of one list item, taken out one by one so that what is left is known to be unexpected.
struct Fields<'a> {
    what: &'a str,
    map: Map<String, Value>,
}

impl Fields<'_> {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    fn optional(&mut self, key: &str, kind: Kind) -> Result<Option<Value>, String> {
        self.take(key).map(|value| kind.check(value)).transpose()
    }

    fn required(&mut self, key: &str, kind: Kind) -> Result<Value, String> {
        self.optional(key, kind)?
            .ok_or_else(|| format!("Invalid data format for {}: '{key}' is missing", self.what))
    }
}

fn check_fixed_ip(fields: &mut Fields<'_>) -> Result<Value, String> {
    let subnet = fields.optional("subnet_id", Kind::Uuid)?;
    let address = fields.optional("ip_address", Kind::Ip)?;
    let mut map = Map::new();
    for (key, value) in [("subnet_id", subnet), ("ip_address", address)] {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    }
    if map.is_empty() {
        return Err(
            "Invalid data format for fixed IP: neither 'subnet_id' nor 'ip_address' is given"
                .to_owned(),
        );
    }
    Ok(map.into())
}

fn check_address_pair(fields: &mut Fields<'_>) -> Result<Value, String> {
    let address = fields.required("ip_address", Kind::Prefix)?;
    let mac = fields.optional("mac_address", Kind::Mac)?;
    Ok(json!({"ip_address": address, "mac_address": mac}))
}

fn check_dhcp_option(fields: &mut Fields<'_>) -> Result<Value, String> {
    let name = fields.required("opt_name", Kind::Text(64))?;
    let value = fields.optional("opt_value", Kind::Text(255))?;
    let version = fields.optional("ip_version", Kind::IpVersion)?;
    if name == "" {
        return Err("'' is not a valid opt_name".to_owned());
    }
    Ok(json!({"opt_name": name, "opt_value": value, "ip_version": version.unwrap_or(4.into())}))
}

fn check_pool(fields: &mut Fields<'_>) -> Result<Value, String> {
    let start = fields.required("start", Kind::Ip)?;
    let end = fields.required("end", Kind::Ip)?;
    Ok(json!({"start": start, "end": end}))
}

fn check_host_route(fields: &mut Fields<'_>) -> Result<Value, String> {
    let destination = fields.required("destination", Kind::Cidr)?;
    let nexthop = fields.required("nexthop", Kind::Ip)?;
    Ok(json!({"destination": destination, "nexthop": nexthop}))
}

fn check_nameservers(value: Value) -> Result<Value, String> {
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        other => {
            return Err(format!(
                "Invalid data format for nameserver: '{}'",
                plain(&other)
            ));
        }
    };
    let mut checked = Vec::with_capacity(items.len());
    for item in items {
        let given = plain(&item);
        let address = Kind::Ip
            .check(item)
            .map_err(|reason| format!("'{given}' is not a valid nameserver. {reason}"))?;
        if checked.contains(&address) {
            return Err(format!("Duplicate nameserver '{given}'"));
        }
        checked.push(address);
    }
    Ok(Value::Array(checked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_canonical() {
        for (kind, given, expected) in [
            (
                Kind::Mac,
                json!("FA-16-3E-00-00-01"),
                json!("fa:16:3e:00:00:01"),
            ),
            (Kind::Bool, json!("True"), json!(true)),
            (Kind::Integer(0, 10), json!("7"), json!(7)),
            (Kind::Ip, json!("2001:DB8:0::1"), json!("2001:db8::1")),
            (Kind::Prefix, json!("10.0.0.9"), json!("10.0.0.9/32")),
            (Kind::Protocol, json!(6), json!("6")),
            (
                Kind::AddressPairs,
                json!([{"ip_address": "10.0.0.0/24"}]),
                json!([{"ip_address": "10.0.0.0/24", "mac_address": null}]),
            ),
        ] {
            assert_eq!(kind.check(given), Ok(expected), "{kind:?}");
        }
    }

    #[test]
    fn reasons_are_neutrons() {
        for (kind, given, reason) in [
            (Kind::Uuid, json!("x"), "'x' is not a valid UUID"),
            (
                Kind::Text(2),
                json!("abc"),
                "'abc' exceeds maximum length of 2",
            ),
            (Kind::Text(2), json!(1), "'1' is not a valid string"),
            (
                Kind::Cidr,
                json!("10.0.0.1/24"),
                "'10.0.0.1/24' isn't a recognized IP subnet cidr, '10.0.0.0/24' is recommended",
            ),
            (Kind::IpVersion, json!(5), "'5' is not in [4, 6]"),
            (
                Kind::Mac,
                json!("01:00:5e:00:00:01"),
                "'01:00:5e:00:00:01' is not a valid MAC address",
            ),
            (
                Kind::FixedIps,
                json!("x"),
                "Invalid data format for fixed IP: 'x'",
            ),
            (
                Kind::FixedIps,
                json!([{"ip": "10.0.0.1"}]),
                "Invalid data format for fixed IP: neither 'subnet_id' nor 'ip_address' is given",
            ),
            (
                Kind::Pools,
                json!([{"start": "10.0.0.2"}]),
                "Invalid data format for IP pool: 'end' is missing",
            ),
            (
                Kind::Nameservers,
                json!(["x"]),
                "'x' is not a valid nameserver. 'x' is not a valid IP address",
            ),
            (
                Kind::Object,
                json!({"a": "x".repeat(OBJECT_MAX)}),
                "it has more than 4095 bytes of JSON",
            ),
            (
                Kind::Integer(0, 5),
                json!(1e30),
                "'1e+30' is not an integer",
            ),
        ] {
            assert_eq!(kind.check(given), Err(reason.to_owned()), "{kind:?}");
        }
    }
}
