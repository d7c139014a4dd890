//! What answers are made from: documents in collections. Behind it are the maps; tests put recorded documents there.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Which documents are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Attribute or parameter, and the value it must have.
    pub filters: Map<String, Value>,
    /// Values of parameters that may be given several times: all must be there.
    pub all_of: BTreeMap<String, Vec<String>>,
    /// Attributes of links.
    pub attributes: BTreeMap<String, String>,
    pub page: usize,
    pub page_size: usize,
}

/// Why a login or token is no good.
pub type Login = Result<(), String>;

pub trait Documents {
    /// Documents of a collection, by the endpoint's name, in a stable order; one page of them.
    fn read(&self, endpoint: &str, query: &Query) -> Vec<Value>;

    fn environment_exists(&self, name: &str) -> bool;

    /// Takes a posted document in; the id it is kept under, or why it is refused.
    fn write(&self, endpoint: &str, document: &Map<String, Value>)
    -> Result<String, (u16, String)>;

    /// Counts: of objects by type in an environment, of messages by level and environment, of constants by name.
    fn aggregate(&self, kind: &str, environment: Option<&str>) -> Vec<BTreeMap<String, u64>>;

    /// Whether scanning, listening and monitoring are supported for such an environment.
    fn supports(&self, document: &Map<String, Value>) -> [bool; 3];

    fn login(&self, user: &str, password: &str) -> Login;

    /// A new token for someone who logged in: token, issued and expiry time.
    fn issue(&self) -> Result<(String, String, String), String>;

    fn check_token(&self, token: Option<&str>) -> Login;

    fn forget_token(&self, token: &str);
}
