//! Query parameters, each taken once as what it should be; what nobody takes is refused.

use crate::live::error::LiveError;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Empty values are as if not given.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, LiveError> {
        let mut params = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if value.is_empty() {
                continue;
            }
            if params.insert(key.to_string(), value.into_owned()).is_some() {
                return Err(LiveError::Malformed(format!(
                    "parameter '{key}' is given twice"
                )));
            }
        }
        Ok(Self(params))
    }

    pub(crate) fn take<T>(&mut self, name: &str) -> Result<Option<T>, LiveError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let parse = |text: String| {
            text.parse().map_err(|error| {
                LiveError::Malformed(format!("parameter '{name}={text}': {error}"))
            })
        };
        self.0.remove(name).map(parse).transpose()
    }

    pub(crate) fn need<T>(&mut self, name: &str) -> Result<T, LiveError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.take(name)?
            .ok_or_else(|| LiveError::Malformed(format!("parameter '{name}' is missing")))
    }

    /// A number from 1 to `max`.
    pub(crate) fn limit(&mut self, default: usize, max: usize) -> Result<usize, LiveError> {
        match self.take("limit")?.unwrap_or(default) {
            limit if (1..=max).contains(&limit) => Ok(limit),
            limit => Err(LiveError::Malformed(format!(
                "parameter 'limit': {limit} is not in 1..={max}"
            ))),
        }
    }

    pub(crate) fn done(self) -> Result<(), LiveError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(LiveError::Malformed(format!(
                "there is no parameter '{name}'"
            ))),
        }
    }
}
