//! Objects as JSON bytes. An object's own attributes are rendered once per row version and kept with the row;
//! a list is then little more than a copy of those bytes.

use crate::resource::attribute::{Attribute, Guard, Read};
use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};
use store::Snapshot;

/// An object's own attributes, those of administrators last, so that what others see is a prefix.
///
/// Layout: `{"a":1,"b":2` · `,"admin":3` · the length of the first part as 4 bytes, little endian.
#[derive(Clone)]
pub(crate) struct Rendered<B>(pub(crate) B);

const TRAILER: usize = 4;

impl Rendered<Bytes> {
    pub(crate) fn new<V>(table: &[Attribute<V>], object: &V) -> Self {
        let mut out = Vec::with_capacity(1024);
        out.push(b'{');
        let own = |admin_only: bool| {
            table
                .iter()
                .filter_map(move |attribute| match attribute.read {
                    Read::Object(read) if (attribute.guard == Guard::AdminOnly) == admin_only => {
                        Some((attribute.name, read(object)))
                    }
                    _ => None,
                })
        };
        own(false).for_each(|(name, value)| write_member(&mut out, name, &value));
        let public = out.len() as u32;
        own(true).for_each(|(name, value)| write_member(&mut out, name, &value));
        out.extend_from_slice(&public.to_le_bytes());
        Self(out.into())
    }
}

impl Rendered<&Bytes> {
    /// The object's members without the closing brace, as an administrator or another sees them.
    pub(crate) fn open(self, admin: bool) -> Bytes {
        self.0.slice(..end(self.0, admin))
    }
}

/// Where the rendered members that are shown end.
pub(crate) fn end(rendered: &[u8], admin: bool) -> usize {
    let members = rendered.len() - TRAILER;
    if admin {
        return members;
    }
    let trailer = rendered[members..].try_into().map(u32::from_le_bytes);
    trailer.map_or(0, |public| public as usize)
}

/// The members that come from other objects, each with a comma before it, and the closing brace.
pub(crate) fn close<V>(
    table: &[Attribute<V>],
    object: &V,
    snapshot: &Snapshot,
    admin: bool,
) -> Bytes {
    let mut out = Vec::new();
    for attribute in table.iter().filter(|attribute| attribute.shown_to(admin)) {
        if let Read::Joined(read) = attribute.read {
            out.push(b',');
            write_member(&mut out, attribute.name, &read(object, snapshot));
        }
    }
    if out.is_empty() {
        return Bytes::from_static(b"}");
    }
    out.push(b'}');
    out.into()
}

/// Whether [`close`] adds nothing but the brace.
pub(crate) fn stands_alone<V>(table: &[Attribute<V>]) -> bool {
    let mut reads = table.iter().map(|attribute| &attribute.read);
    reads.all(|read| matches!(read, Read::Object(_)))
}

/// The attributes that `fields` names, or all, as an administrator or another sees them.
pub(crate) fn members<V>(
    table: &[Attribute<V>],
    object: &V,
    snapshot: &Snapshot,
    admin: bool,
    fields: &[String],
) -> Value {
    let members: Map<String, Value> = table
        .iter()
        .filter(|attribute| attribute.shown_to(admin))
        .filter(|attribute| fields.is_empty() || fields.iter().any(|field| field == attribute.name))
        .map(|attribute| (attribute.name.to_owned(), attribute.value(object, snapshot)))
        .collect();
    Value::Object(members)
}

fn write_member(out: &mut Vec<u8>, name: &str, value: &Value) {
    if !matches!(out.last(), None | Some(b'{' | b',')) {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    serde_json::to_writer(out, value).expect("invariant: a JSON value writes to memory");
}

/// An object of a list, in two halves of JSON.
pub(crate) trait Part: Send + 'static {
    fn halves(&self) -> (&[u8], &[u8]);
}

impl Part for (Bytes, Bytes) {
    fn halves(&self) -> (&[u8], &[u8]) {
        (&self.0, &self.1)
    }
}

/// `{"ports":[…],"ports_links":[…]}`, joined while it is sent.
pub(crate) struct ListBody<P> {
    parts: Vec<P>,
    next: usize,
    head: Bytes,
    tail: Option<Bytes>,
}

/// How much is joined at a time: fits the second-level cache, stays below what the allocator asks the kernel for
/// (128 KiB), and is few writes for a long list.
const CHUNK: usize = 64 << 10;

impl<P: Part> ListBody<P> {
    pub(crate) fn new(collection: &str, parts: Vec<P>, links: Option<Value>) -> Self {
        let tail = match links {
            Some(links) => format!("],\"{collection}_links\":{links}}}").into(),
            None => Bytes::from_static(b"]}"),
        };
        Self {
            parts,
            next: 0,
            head: format!("{{\"{collection}\":[").into(),
            tail: Some(tail),
        }
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        let objects: usize = self
            .parts
            .iter()
            .map(|part| {
                let (open, close) = part.halves();
                open.len() + close.len()
            })
            .sum();
        let commas = self.parts.len().saturating_sub(1);
        self.head.len() + objects + commas + self.tail.as_ref().map_or(0, Bytes::len)
    }
}

impl<P: Part> Iterator for ListBody<P> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.tail.as_ref()?;
        let mut chunk = BytesMut::with_capacity(CHUNK + 4096);
        chunk.extend_from_slice(&std::mem::take(&mut self.head));
        while let Some(part) = self.parts.get(self.next) {
            let (open, close) = part.halves();
            if self.next > 0 {
                chunk.extend_from_slice(b",");
            }
            chunk.extend_from_slice(open);
            chunk.extend_from_slice(close);
            self.next += 1;
            if chunk.len() >= CHUNK {
                return Some(chunk.freeze());
            }
        }
        chunk.extend_from_slice(&self.tail.take()?);
        Some(chunk.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::kind::Kind;
    use serde_json::json;

    struct Thing(u64);

    const TABLE: &[Attribute<Thing>] = &[
        Attribute::new("size", Kind::Integer(0, 9), |thing: &Thing| thing.0.into()),
        Attribute::new("secret", Kind::Text(9), |_| "\"x\"".into()).guard(Guard::AdminOnly),
        Attribute::new("name", Kind::Text(9), |_| "n".into()),
    ];

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(&[bytes, b"}"].concat()).expect("JSON")
    }

    #[test]
    fn others_see_a_prefix() {
        let rendered = Rendered::new(TABLE, &Thing(7)).0;
        assert_eq!(
            parsed(&Rendered(&rendered).open(false)),
            json!({"size": 7, "name": "n"})
        );
        assert_eq!(
            parsed(&Rendered(&rendered).open(true)),
            json!({"size": 7, "name": "n", "secret": "\"x\""})
        );
    }

    #[test]
    fn a_list_in_chunks_has_the_length_it_says() {
        for count in [0, 1, 2, 20_000] {
            let part = (
                Rendered(&Rendered::new(TABLE, &Thing(3)).0).open(true),
                Bytes::from_static(b"}"),
            );
            let body = ListBody::new("things", vec![part; count], Some(json!([])));
            let length = body.len();
            let chunks: Vec<Bytes> = body.collect();
            let whole = chunks.concat();
            assert_eq!(whole.len(), length);
            let value: Value = serde_json::from_slice(&whole).expect("JSON");
            assert_eq!(value["things"].as_array().map(Vec::len), Some(count));
            assert_eq!(value["things_links"], json!([]));
        }
    }
}
