//! `virsh list` and `virsh dumpxml`: domains and their interfaces.
//!
//! The XML is read as a stream with bounds on depth and size. No entity but the five of XML itself is expanded and a document
//! type is refused, so neither a billion laughs nor an external entity is possible.

use super::ParseError;
use model::Mac;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};

const FORMAT: &str = "virsh dumpxml";
const MAX_DEPTH: usize = 64;
/// Interfaces of one domain, and keys of one interface.
const MAX_PARTS: usize = 4_096;

/// A line of `virsh list --all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Absent for a domain that is not running.
    pub id: Option<u32>,
    pub name: String,
    pub state: String,
}

/// The domains of `virsh list`, with or without `--all`. Headings in any language have no number or dash in front.
///
/// # Errors
/// The rule below the headings is missing, which is there even when no domain is.
pub fn list(text: &str) -> Result<Vec<Listed>, ParseError> {
    if !text.lines().any(|line| line.trim().starts_with("---")) {
        return Err(ParseError::Shape {
            format: "virsh list",
            what: "heading",
        });
    }
    let listed = text
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [id, name, state @ ..] = words.as_slice() else {
                return None;
            };
            let id = if *id == "-" {
                None
            } else {
                Some(id.parse().ok()?)
            };
            Some(Listed {
                id,
                name: (*name).to_owned(),
                state: state.join(" "),
            })
        })
        .take(super::MAX_ENTRIES)
        .collect();
    Ok(listed)
}

/// A domain: one virtual machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domain {
    pub name: String,
    pub uuid: String,
    pub interfaces: Vec<DomainInterface>,
}

/// A network interface of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainInterface {
    /// The element as JSON: attributes as `@name`, child elements by their name, text as `#text`.
    pub element: Map<String, Value>,
}

impl DomainInterface {
    fn part(&self, element: &str, attribute: &str) -> Option<&str> {
        self.element.get(element)?.get(attribute)?.as_str()
    }

    /// `bridge`, `vhostuser`, `hostdev`, `direct`, `network`, `ethernet`.
    pub fn kind(&self) -> &str {
        self.element
            .get("@type")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    pub fn mac(&self) -> Option<Mac> {
        self.part("mac", "@address")?.parse().ok()
    }

    /// The device on the host, if it has one.
    pub fn device(&self) -> Option<&str> {
        self.part("target", "@dev")
    }

    pub fn bridge(&self) -> Option<&str> {
        self.part("source", "@bridge")
    }
}

/// Reads one or many domain documents that follow each other.
pub fn domains(text: &str) -> Result<Vec<Domain>, ParseError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk::default();
    loop {
        let event = reader.read_event().map_err(|error| ParseError::Broken {
            format: FORMAT,
            at: usize::try_from(reader.error_position()).unwrap_or(usize::MAX),
            reason: error.to_string(),
        })?;
        match event {
            Event::Start(start) => walk.open(&start)?,
            Event::End(_) => walk.close()?,
            Event::Text(text) => walk.text(&text.into_inner()),
            Event::DocType(_) => {
                return Err(ParseError::Shape {
                    format: FORMAT,
                    what: "document without a document type; one that has it is refused",
                });
            }
            Event::Eof if walk.path.is_empty() => return Ok(walk.domains),
            Event::Eof => {
                return Err(ParseError::Broken {
                    format: FORMAT,
                    at: text.len(),
                    reason: format!("the element '{}' is open", walk.path.join("/")),
                });
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    domains: Vec<Domain>,
    /// Elements open inside `domain/devices/interface`, outermost first.
    open: Vec<(String, Map<String, Value>)>,
    parts: usize,
}

impl Walk {
    fn at(&self, path: &[&str]) -> bool {
        self.path
            .iter()
            .map(String::as_str)
            .eq(path.iter().copied())
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), ParseError> {
        if self.path.len() == MAX_DEPTH {
            return Err(ParseError::TooDeep {
                format: FORMAT,
                limit: MAX_DEPTH,
            });
        }
        let name = start.name().as_ref().to_owned();
        self.path.push(name.clone());
        if self.at(&["domain"]) {
            self.domains.push(Domain::default());
            self.parts = 0;
        }
        if !self.open.is_empty() || self.at(&["domain", "devices", "interface"]) {
            self.parts += 1;
            if self.parts > MAX_PARTS {
                return Err(ParseError::TooMany {
                    format: FORMAT,
                    limit: MAX_PARTS,
                });
            }
            self.open.push((name, attributes(start)));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParseError> {
        if let Some((name, mut element)) = self.open.pop() {
            match self.open.last_mut() {
                Some((_, parent)) => insert(parent, name, element),
                None => {
                    element.retain(|_, value| !value.is_null());
                    if let Some(domain) = self.domains.last_mut() {
                        domain.interfaces.push(DomainInterface { element });
                    }
                }
            }
        }
        self.path.pop().map(drop).ok_or(ParseError::Broken {
            format: FORMAT,
            at: 0,
            reason: "an element is closed that was not open".to_owned(),
        })
    }

    fn text(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some((_, element)) = self.open.last_mut() {
            element.insert("#text".to_owned(), Value::from(text));
            return;
        }
        let (name, uuid) = (self.at(&["domain", "name"]), self.at(&["domain", "uuid"]));
        if let Some(domain) = self.domains.last_mut() {
            if name {
                text.clone_into(&mut domain.name);
            } else if uuid {
                text.clone_into(&mut domain.uuid);
            }
        }
    }
}

fn attributes(start: &BytesStart<'_>) -> Map<String, Value> {
    start
        .attributes()
        .filter_map(Result::ok)
        .take(MAX_PARTS)
        .map(|attribute| {
            let name = format!("@{}", attribute.key.as_ref());
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_or(Value::Null, |value| Value::from(value.as_ref()));
            (name, value)
        })
        .collect()
}

/// A child by its name; a second one of the name makes an array of both.
fn insert(parent: &mut Map<String, Value>, name: String, element: Map<String, Value>) {
    let element = Value::Object(element);
    match parent.get_mut(&name) {
        None => {
            parent.insert(name, element);
        }
        Some(Value::Array(many)) => many.push(element),
        Some(one) => {
            let first = one.take();
            *one = Value::Array(vec![first, element]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_and_a_stopped_domain() {
        let listed =
            list(" Id   Name   State\n------\n 3    vm-1   running\n -    vm-2   shut off\n");
        let listed = listed.expect("a list");
        assert_eq!(listed.len(), 2);
        assert_eq!((listed[1].id, listed[1].state.as_str()), (None, "shut off"));
    }

    #[test]
    fn entities_and_document_types_are_not_expanded() {
        let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><domain><name>&b;</name></domain>";
        assert!(domains(bomb).is_err());
        let undeclared = "<domain><uuid>&xxe;1</uuid></domain>";
        assert!(
            domains(undeclared).map_or(true, |found| found[0].uuid == "1"
                || found[0].uuid.is_empty())
        );
    }

    #[test]
    fn half_a_document_is_an_error() {
        assert!(domains("<domain><devices><interface type='bridge'>").is_err());
        assert!(domains(&"<a>".repeat(100)).is_err());
    }

    #[test]
    fn documents_may_follow_each_other() {
        let one = "<domain><uuid>1</uuid><devices><interface type='bridge'><mac address='fa:16:3e:00:00:01'/><target dev='tap1'/></interface></devices></domain>\n";
        let two = domains(&one.repeat(2)).expect("XML");
        assert_eq!(two.len(), 2);
        assert_eq!(two[1].interfaces[0].device(), Some("tap1"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = (domains(&text), list(&text));
        }

        #[test]
        fn shuffled_tags_are_read_without_a_panic(parts in proptest::collection::vec(
            proptest::sample::select(vec!["<domain>", "</domain>", "<devices>", "</devices>", "<interface type='x'>", "</interface>", "<mac/>", "&lt;", "&x;", "text", "<", "'", "<!--", "-->"]), 0..30)) {
            let _ = domains(&parts.concat());
        }
    }
}
