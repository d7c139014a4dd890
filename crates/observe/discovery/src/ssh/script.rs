//! Many commands as one shell script, and its output taken apart again.
//!
//! Each command's output stands between two lines that carry a random nonce, so that nothing a command prints can pass for a
//! frame; it is cut on the host at a limit, has its own time-out and its own exit status. The script is POSIX sh, needs `timeout`, `head`
//! and `tail` of coreutils, and writes no file.

use super::Means;
use super::command::Command;
use crate::parse::text::clean;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Seconds one command may take.
pub const COMMAND_SECONDS: u32 = 15;
/// Bytes of output one command may give; one byte more shows that there was more.
pub const OUTPUT_BYTES: usize = 4 << 20;

/// What becomes of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The exit status; 124 is a time-out, 126 and 127 a command that cannot run or is not there.
    pub status: i32,
    pub output: String,
    /// The end of what it wrote to its standard error.
    pub complaint: String,
    /// There was more than the limit, and the output is not whole.
    pub cut: bool,
}

/// Answers by command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<Command, Vec<Answer>>);

/// Why a command gave no usable output. Text for the coverage of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap(pub String);

impl Answers {
    pub fn insert(&mut self, command: &Command, answer: Answer) {
        self.0.entry(command.plain()).or_default().push(answer);
    }

    pub fn merge(&mut self, other: Self) {
        for (command, answers) in other.0 {
            self.0.entry(command).or_default().extend(answers);
        }
    }

    /// The whole output of a command that succeeded; of several that stand for it, all outputs that did, one after the other.
    pub fn output(&self, words: &[&str]) -> Result<String, Gap> {
        let command = Command::new(words).map_err(|error| Gap(error.to_string()))?;
        let answers = self.0.get(&command).map_or(&[][..], Vec::as_slice);
        let Some(first) = answers.first() else {
            return Err(Gap(format!("'{command}' was not asked")));
        };
        if let Some(cut) = answers.iter().find(|answer| answer.cut) {
            let bytes = cut.output.len();
            return Err(Gap(format!("'{command}' printed more than {bytes} bytes")));
        }
        let good: Vec<&str> = answers
            .iter()
            .filter(|answer| answer.status == 0)
            .map(|answer| answer.output.as_str())
            .collect();
        if good.len() < answers.len() {
            return Err(Gap(fault(&command, first)));
        }
        Ok(good.concat())
    }

    /// The answer as it came, for commands whose failure says something.
    pub fn raw(&self, words: &[&str]) -> Option<&Answer> {
        self.0.get(&Command::new(words).ok()?)?.first()
    }

    /// As [`Answers::output`], but a failing `ls` or `cat` of something that does not exist says that there is nothing.
    pub fn listing(&self, words: &[&str]) -> Result<String, Gap> {
        match self.raw(words) {
            Some(answer) if answer.status != 0 && answer.complaint.contains("No such file") => {
                Ok(String::new())
            }
            _ => self.output(words),
        }
    }
}

fn fault(command: &Command, answer: &Answer) -> String {
    let what = match answer.status {
        124 | 137 => "took too long".to_owned(),
        126 => "may not be run".to_owned(),
        127 => "is not installed".to_owned(),
        status => format!("failed with status {status}"),
    };
    let complaint = answer.complaint.lines().last().unwrap_or("").trim();
    match complaint {
        "" => format!("'{command}' {what}"),
        complaint => format!("'{command}' {what}: {complaint}"),
    }
}

/// A script for commands, under a nonce that must be new for each.
#[derive(Debug, Clone)]
pub struct Script<'a> {
    commands: &'a [Command],
    nonce: String,
    means: &'a Means,
}

/// `r <index> <words>`: stdout goes to the frame through `head`, stderr and the status to a variable through `tail`.
const RUNNER: &str = r#"r() {
i=$1; shift
printf '\n%s b %s\n' "$N" "$i"
{ x=$( { { timeout -k 2 "$T" "$@" </dev/null 3>&- 4>&-; printf '\n%s' "$?" >&3; } 2>&3 | head -c "$L" >&4; } 3>&1 | tail -c 600 ); } 4>&1
printf '\n%s e %s\n%s\n%s .\n' "$N" "$i" "$x" "$N"
}
"#;

impl<'a> Script<'a> {
    pub fn new(commands: &'a [Command], nonce: String, means: &'a Means) -> Self {
        Self {
            commands,
            nonce,
            means,
        }
    }

    /// What is fed to `sh` on its standard input.
    pub fn text(&self) -> String {
        let mut text = format!(
            "LC_ALL=C; LANGUAGE=; TERM=dumb; PATH=\"$PATH:/usr/sbin:/sbin\"; export LC_ALL LANGUAGE TERM PATH\n\
             N={} T={COMMAND_SECONDS} L={}\n{RUNNER}",
            self.nonce,
            OUTPUT_BYTES + 1
        );
        for (index, command) in self.commands.iter().enumerate() {
            let sudo = if self.means.sudo && command.needs_root() {
                " sudo -n"
            } else {
                ""
            };
            let _ = write!(text, "r {index}{sudo}");
            for word in command.words_for(self.means.libvirt.as_ref()) {
                let _ = write!(text, " '{word}'");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "printf '\\n%s end\\n' \"$N\"\nexit 0");
        text
    }

    /// Answers from the output. Output without the last line is refused as a whole: the session broke, and what is missing is not known.
    pub fn read(&self, host: &str, output: &[u8]) -> Result<Answers> {
        let fault = |reason: String| Error::Framing {
            host: host.to_owned(),
            reason,
        };
        let end = format!("\n{} end\n", self.nonce).into_bytes();
        if find(output, &end, 0).is_none() {
            return Err(fault("the end is missing".to_owned()));
        }
        let mut answers = Answers::default();
        let mut at = 0;
        for (index, command) in self.commands.iter().enumerate() {
            let begin = format!("\n{} b {index}\n", self.nonce).into_bytes();
            let middle = format!("\n{} e {index}\n", self.nonce).into_bytes();
            let close = format!("\n{} .\n", self.nonce).into_bytes();
            let frame = || {
                let begin = find(output, &begin, at)? + begin.len();
                let middle_at = find(output, &middle, begin)?;
                let tail = middle_at + middle.len();
                let close_at = find(output, &close, tail)?;
                Some((begin..middle_at, tail..close_at, close_at))
            };
            let (body, tail, next) =
                frame().ok_or_else(|| fault(format!("no answer to '{command}'")))?;
            at = next;
            answers.insert(command, answer(output, body, tail).map_err(fault)?);
        }
        Ok(answers)
    }
}

fn answer(
    output: &[u8],
    body: std::ops::Range<usize>,
    tail: std::ops::Range<usize>,
) -> Result<Answer, String> {
    let body = output.get(body).unwrap_or_default();
    let tail = clean(output.get(tail).unwrap_or_default());
    let (complaint, status) = tail.rsplit_once('\n').unwrap_or(("", &tail));
    Ok(Answer {
        status: status
            .trim()
            .parse()
            .map_err(|_| format!("'{}' is no exit status", status.trim()))?,
        cut: body.len() > OUTPUT_BYTES,
        output: clean(body.get(..OUTPUT_BYTES).unwrap_or(body)),
        complaint: complaint.trim().to_owned(),
    })
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = from;
    loop {
        let rest = haystack.get(at..)?;
        at += rest.iter().position(|byte| *byte == first)?;
        if haystack.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Vec<Command> {
        [
            &["hostname"][..],
            &["uname", "-m"],
            &["cat", "/proc/net/bonding/none"],
            &["vppctl", "show", "mode"],
        ]
        .iter()
        .map(|words| Command::new(words).expect("on the list"))
        .collect()
    }

    fn run(text: &str) -> Vec<u8> {
        let mut shell = std::process::Command::new("sh")
            .arg("-s")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("sh");
        let mut input = shell.stdin.take().expect("piped");
        std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
        drop(input);
        shell.wait_with_output().expect("sh ends").stdout
    }

    #[test]
    fn a_real_shell_frames_output_status_and_complaint() {
        let (commands, means) = (commands(), Means::default());
        let script = Script::new(&commands, "n0nce".to_owned(), &means);
        let answers = script.read("here", &run(&script.text())).expect("framed");
        assert!(
            !answers
                .output(&["hostname"])
                .expect("it succeeds")
                .trim()
                .is_empty()
        );
        assert_eq!(
            answers.listing(&["cat", "/proc/net/bonding/none"]),
            Ok(String::new())
        );
        let gap = answers
            .output(&["cat", "/proc/net/bonding/none"])
            .expect_err("no such file");
        assert!(gap.0.contains("No such file"), "{gap:?}");
        let missing = answers
            .output(&["vppctl", "show", "mode"])
            .expect_err("not installed here");
        assert!(missing.0.contains("not installed"), "{missing:?}");
        assert!(
            answers.output(&["brctl", "show"]).is_err(),
            "it was not asked"
        );
    }

    #[test]
    fn a_broken_session_gives_no_answer_at_all() {
        let (commands, means) = (commands(), Means::default());
        let script = Script::new(&commands, "n0nce".to_owned(), &means);
        let whole = run(&script.text());
        let half = whole.get(..whole.len() / 2).expect("half");
        assert!(script.read("here", half).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_output_is_refused_or_read(body: Vec<u8>) {
            let (commands, means) = (commands(), Means { sudo: true, ..Means::default() });
            let script = Script::new(&commands[..1], "n".to_owned(), &means);
            let framed = [b"\nn b 0\n", body.as_slice(), b"\nn e 0\n\n0\nn .\n\nn end\n"].concat();
            let answers = script.read("h", &framed).expect("framed");
            proptest::prop_assert!(answers.output(&["hostname"]).is_ok());
            proptest::prop_assert!(script.read("h", &body).is_err());
        }
    }
}
