//! Query parameters, each taken once as what it should be; what nobody takes is refused. A list is a parameter that is repeated: a value may
//! hold any character.

use crate::live::error::LiveError;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

pub(crate) struct Params(BTreeMap<String, Vec<String>>);

impl Params {
    /// Empty values are as if not given.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, LiveError> {
        let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !value.is_empty() {
                params
                    .entry(key.into_owned())
                    .or_default()
                    .push(value.into_owned());
            }
        }
        Ok(Self(params))
    }

    pub(crate) fn take<T>(&mut self, name: &str) -> Result<Option<T>, LiveError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let mut all = self.take_all(name)?;
        match all.len() {
            0 | 1 => Ok(all.pop()),
            _ => Err(LiveError::Malformed(format!(
                "parameter '{name}' is given twice"
            ))),
        }
    }

    /// Every value of a parameter that may be repeated.
    pub(crate) fn take_all<T>(&mut self, name: &str) -> Result<Vec<T>, LiveError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let parse = |text: String| {
            text.parse().map_err(|error| {
                LiveError::Malformed(format!("parameter '{name}={text}': {error}"))
            })
        };
        let all = self.0.remove(name).unwrap_or_default();
        all.into_iter().map(parse).collect()
    }

    pub(crate) fn need<T>(&mut self, name: &str) -> Result<T, LiveError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.take(name)?
            .ok_or_else(|| LiveError::Malformed(format!("parameter '{name}' is missing")))
    }

    /// As [`Params::take_all`], at least one.
    pub(crate) fn need_all<T>(&mut self, name: &str) -> Result<Vec<T>, LiveError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let all = self.take_all(name)?;
        match all.is_empty() {
            true => Err(LiveError::Malformed(format!(
                "parameter '{name}' is missing"
            ))),
            false => Ok(all),
        }
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
