//! What a host says it is: `/etc/os-release` with the architecture, `hostname`, the machine id.

use super::text::unquoted;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatingSystem {
    pub name: Option<String>,
    pub version: Option<String>,
    pub id: Option<String>,
    pub id_like: Option<String>,
    pub architecture: Option<String>,
}

/// os-release(5); the architecture follows as `ARCHITECTURE=`, or `ARCHITECURE=` as an earlier tool spelt it.
pub fn os_release(text: &str) -> OperatingSystem {
    let mut found = OperatingSystem::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = Some(unquoted(value.trim()).trim_matches('\'').to_owned());
        match key.trim() {
            "NAME" => found.name = value,
            "VERSION" => found.version = value,
            "ID" => found.id = value,
            "ID_LIKE" => found.id_like = value,
            "ARCHITECTURE" | "ARCHITECURE" => found.architecture = value,
            _ => {}
        }
    }
    found
}

/// A host's names as `hostname -f; hostname -s` prints them: non-empty lines that are host names (RFC 1123).
pub fn host_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|name| is_host_name(name))
        .map(str::to_ascii_lowercase)
        .collect();
    names.dedup();
    names
}

pub fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_of_both_kinds() {
        let os = os_release(
            "NAME=\"Debian GNU/Linux\"\nID='debian'\nARCHITECTURE=x86_64\n=x\nID_LIKE\n",
        );
        assert_eq!(os.name.as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(os.id.as_deref(), Some("debian"));
        assert_eq!(
            host_names("hostname: Name or service not known\nNode-1\nnode-1\n"),
            ["node-1"]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = (os_release(&text), host_names(&text));
        }
    }
}
