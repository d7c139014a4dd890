//! `ls -l /sys/class/net`: which interfaces a device stands behind. Virtual ones link into `devices/virtual`.

use super::MAX_ENTRIES;

/// An interface with hardware behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Physical {
    pub name: String,
    /// PCI address of the device (`0000:02:00.0`), if the path has one.
    pub pci: Option<String>,
}

/// The physical interfaces of a listing, in its order.
pub fn physical(text: &str) -> Vec<Physical> {
    text.lines()
        .filter(|line| line.starts_with('l') && !line.contains("/virtual/"))
        .filter_map(|line| {
            let (_, target) = line.rsplit_once(" -> ")?;
            let (path, name) = target.trim_end().rsplit_once('/')?;
            (!name.is_empty() && name.len() <= 15).then(|| Physical {
                name: name.to_owned(),
                pci: path
                    .split('/')
                    .rev()
                    .find(|part| is_pci(part))
                    .map(str::to_owned),
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

/// `domain:bus:device.function` in hexadecimal.
fn is_pci(text: &str) -> bool {
    let mut parts = text.split([':', '.']);
    text.matches(':').count() == 2
        && text.matches('.').count() == 1
        && [4, 2, 2, 1].iter().all(|length| {
            parts.next().is_some_and(|part| {
                part.len() == *length && part.bytes().all(|b| b.is_ascii_hexdigit())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_interfaces_are_left_out() {
        let text = "total 0\n\
            lrwxrwxrwx 1 root root 0 Jul  5 17:17 eno1 -> ../../devices/pci0000:00/0000:02:00.0/net/eno1\n\
            lrwxrwxrwx 1 root root 0 Jul  5 17:17 lo -> ../../devices/virtual/net/lo\n\
            -rw-r--r-- 1 root root 4096 Jul  5 17:17 bonding_masters\n";
        let found = physical(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pci.as_deref(), Some("0000:02:00.0"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = physical(&text);
        }
    }
}
