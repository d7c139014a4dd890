//! Faults of declaration files, with file, line and reason.

use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclarationError {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for DeclarationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// All faults of a set of files, in the order of file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclarationErrors(Vec<DeclarationError>);

impl DeclarationErrors {
    pub(crate) fn new(mut errors: Vec<DeclarationError>) -> Self {
        errors.sort();
        errors.dedup();
        Self(errors)
    }

    pub fn iter(&self) -> impl Iterator<Item = &DeclarationError> {
        self.0.iter()
    }
}

impl fmt::Display for DeclarationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DeclarationErrors {}
