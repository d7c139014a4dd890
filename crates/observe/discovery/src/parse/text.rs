//! The first thing done to any output: bytes to text without colours, carriage returns and invalid UTF-8.
//! It must never lengthen its input.

/// Bytes of one command's output that are looked at; more is cut, and the caller is told by the framing.
pub const MAX_BYTES: usize = 8 << 20;

/// Text without terminal escapes (ECMA-48 CSI and OSC), carriage returns and other control characters but tab and line feed.
pub fn clean(raw: &[u8]) -> String {
    let raw = raw.get(..MAX_BYTES).unwrap_or(raw);
    let text = String::from_utf8_lossy(raw);
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.peek() {
                Some('[') => {
                    characters.next();
                    skip_while(&mut characters, |c| !('@'..='~').contains(&c));
                    characters.next();
                }
                Some(']') => {
                    skip_while(&mut characters, |c| c != '\u{7}' && c != '\u{1b}');
                    characters.next_if_eq(&'\u{7}');
                }
                _ => {
                    characters.next();
                }
            },
            '\u{9b}' => {
                skip_while(&mut characters, |c| !('@'..='~').contains(&c));
                characters.next();
            }
            '\n' | '\t' => cleaned.push(character),
            other if other.is_control() => {}
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// A terminal escape never spans lines, so a broken one hides at most the rest of its line.
fn skip_while(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    inside: impl Fn(char) -> bool,
) {
    while characters.next_if(|c| *c != '\n' && inside(*c)).is_some() {}
}

/// `key: value` of a line, both trimmed; `None` without a colon or with an empty key.
pub fn key_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim();
    (!key.is_empty()).then(|| (key, value.trim()))
}

/// The number of leading white-space characters, a tab counting as eight.
pub fn indent(line: &str) -> usize {
    line.chars()
        .take_while(|c| c.is_whitespace())
        .map(|c| if c == '\t' { 8 } else { 1 })
        .sum()
}

/// The word after `keyword` in a line of words.
pub fn after<'a>(words: &[&'a str], keyword: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == keyword)?;
    words.get(at + 1).copied()
}

/// Text without one pair of double quotes around it.
pub fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_carriage_returns_go() {
        assert_eq!(
            clean(b"\x1b[1;32m2: eth0\x1b[0m: up\r\n\x1b]0;title\x07x"),
            "2: eth0: up\nx"
        );
    }

    #[test]
    fn a_broken_escape_hides_only_its_line() {
        assert_eq!(clean(b"a\x1b[12\nb"), "ab");
        assert_eq!(clean(b"a\x1b]12\nb"), "a\nb");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_no_longer_text(raw: Vec<u8>) {
            let cleaned = clean(&raw);
            proptest::prop_assert!(cleaned.chars().count() <= raw.len());
            let clear = cleaned.chars().all(|c| c == '\n' || c == '\t' || !c.is_control());
            proptest::prop_assert!(clear);
        }
    }
}
