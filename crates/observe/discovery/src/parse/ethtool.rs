//! `ethtool <interface>`: settings as name and value, where a value may go on for several lines.

use super::text::indent;

/// A setting: its value, or its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    pub lines: Vec<String>,
}

/// Settings one interface may print; real ones have about forty.
const MAX_SETTINGS: usize = 256;

/// The settings in order.
pub fn settings(text: &str) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("Settings for ") {
            continue;
        }
        // A continuation stands under its value, further in than any name.
        let continues = indent(line) > 8;
        match (line.split_once(':'), settings.last_mut()) {
            (Some((name, value)), _) if !continues && !name.trim().is_empty() => {
                if settings.len() == MAX_SETTINGS {
                    break;
                }
                settings.push(Setting {
                    name: name.trim().to_owned(),
                    lines: vec![value.trim().to_owned()],
                });
            }
            (_, Some(last)) if continues && last.lines.len() < MAX_SETTINGS => {
                last.lines.push(line.trim().to_owned());
            }
            _ => {}
        }
    }
    settings
}

/// `Link detected`, if it was printed.
pub fn link_detected(settings: &[Setting]) -> Option<bool> {
    settings
        .iter()
        .find(|setting| setting.name == "Link detected")
        .and_then(|setting| match setting.lines.first()?.as_str() {
            "yes" => Some(true),
            value if value.starts_with("no") => Some(false),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_over_several_lines_stay_together() {
        let text = "Settings for eth0:\n\tSupported link modes:   10baseT/Half \n\t                        100baseT/Full \n\tLink detected: no (cable)\n";
        let settings = settings(text);
        assert_eq!(settings[0].lines, ["10baseT/Half", "100baseT/Full"]);
        assert_eq!(link_detected(&settings), Some(false));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = link_detected(&settings(&text));
        }
    }
}
