//! Keys: how a row's identity becomes a readable path (`ports/<network>/<port>`) and comes back. A path holds
//! segments joined by `/`; a segment never holds a bare `/`, so a parent's path is a prefix of exactly its children.

use std::fmt::Display;
use std::str::FromStr;

/// One part of a key: anything with a text form that parses back to itself.
pub trait Segment: Clone + Send + Sync + 'static {
    fn write(&self, path: &mut String);
    fn parse(segment: &str) -> Option<Self>;
}

impl<T: Display + FromStr + Clone + Send + Sync + 'static> Segment for T {
    fn write(&self, path: &mut String) {
        for c in self.to_string().chars() {
            if c == '/' || c == '%' || c.is_ascii_control() {
                path.push_str(&format!("%{:02x}", u32::from(c)));
            } else {
                path.push(c);
            }
        }
    }

    fn parse(segment: &str) -> Option<T> {
        unescape(segment)?.parse().ok()
    }
}

fn unescape(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        if !code.is_ascii() {
            return None;
        }
        text.push(char::from(code));
        text.push_str(&part[2..]);
    }
    Some(text)
}

/// The identity of a row within its table: one segment, or a tuple that nests the row under its parents.
pub trait Key: Clone + Send + Sync + 'static {
    /// The segments joined by `/`, with `/`, `%` and control characters escaped as `%xx`.
    fn encode(&self) -> String;
    /// The inverse of [`Key::encode`]; `None` if the path has another shape.
    fn decode(path: &str) -> Option<Self>;
}

// A blanket implementation over `Segment` would overlap with the tuples below, so single keys are listed.
macro_rules! single_keys {
    ($($name:ty),* $(,)?) => {$(
        impl Key for $name {
            fn encode(&self) -> String {
                let mut path = String::new();
                self.write(&mut path);
                path
            }

            fn decode(path: &str) -> Option<Self> {
                if path.contains('/') { None } else { Segment::parse(path) }
            }
        }
    )*};
}

single_keys!(
    String,
    u16,
    u32,
    u64,
    std::net::IpAddr,
    model::AgentId,
    model::HostName,
    model::Mac,
    model::NetworkId,
    model::PortId,
    model::ProjectId,
    model::RuleId,
    model::SecurityGroupId,
    model::SubnetId,
);

impl<A: Segment, B: Segment> Key for (A, B) {
    fn encode(&self) -> String {
        let mut path = String::new();
        self.0.write(&mut path);
        path.push('/');
        self.1.write(&mut path);
        path
    }

    fn decode(path: &str) -> Option<Self> {
        let mut segments = path.split('/');
        let key = (A::parse(segments.next()?)?, B::parse(segments.next()?)?);
        segments.next().is_none().then_some(key)
    }
}

impl<A: Segment, B: Segment, C: Segment> Key for (A, B, C) {
    fn encode(&self) -> String {
        let mut path = String::new();
        self.0.write(&mut path);
        path.push('/');
        self.1.write(&mut path);
        path.push('/');
        self.2.write(&mut path);
        path
    }

    fn decode(path: &str) -> Option<Self> {
        let mut segments = path.split('/');
        let key = (
            A::parse(segments.next()?)?,
            B::parse(segments.next()?)?,
            C::parse(segments.next()?)?,
        );
        segments.next().is_none().then_some(key)
    }
}

/// What part of a table with key `K` a scan covers: `()` is the whole table, a reference to the leading parts of a
/// tuple key is everything under that parent.
pub trait Prefix<K> {
    /// The empty string, or the parent's path with a trailing `/`.
    fn path(&self) -> String;
}

impl<K> Prefix<K> for () {
    fn path(&self) -> String {
        String::new()
    }
}

impl<A: Segment, B: Segment> Prefix<(A, B)> for &A {
    fn path(&self) -> String {
        let mut path = String::new();
        Segment::write(*self, &mut path);
        path.push('/');
        path
    }
}

impl<A: Segment, B: Segment, C: Segment> Prefix<(A, B, C)> for &A {
    fn path(&self) -> String {
        Prefix::<(A, B)>::path(self)
    }
}

impl<A: Segment, B: Segment, C: Segment> Prefix<(A, B, C)> for &(A, B) {
    fn path(&self) -> String {
        let mut path = Key::encode(*self);
        path.push('/');
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_survives_as_a_segment(a in any::<String>(), b in any::<String>(), c in any::<String>()) {
            let pair = (a.clone(), b.clone());
            prop_assert_eq!(<(String, String)>::decode(&pair.encode()), Some(pair.clone()));
            let triple = (a, b, c.clone());
            let path = triple.encode();
            prop_assert!(path.starts_with(&Prefix::<(String, String, String)>::path(&&pair)));
            prop_assert_eq!(<(String, String, String)>::decode(&path), Some(triple));
            prop_assert_eq!(String::decode(&c.encode()), Some(c));
        }

        #[test]
        fn hostile_paths_never_panic(path in any::<String>()) {
            let _ = String::decode(&path);
            let _ = <(String, u32)>::decode(&path);
        }
    }

    #[test]
    fn another_shape_is_no_key() {
        assert_eq!(String::decode("a/b"), None);
        assert_eq!(<(String, String)>::decode("a"), None);
        assert_eq!(<(String, String)>::decode("a/b/c"), None);
        assert_eq!(String::decode("a%2"), None);
        assert_eq!(String::decode("a%é"), None);
        assert_eq!(u32::decode("x"), None);
    }
}
