//! Tokens: `POST` and `DELETE /auth/tokens`.

use super::answer::Answer;
use super::documents::Documents;
use serde_json::{Map, Value, json};

/// `{"auth": {"methods": ["credentials" or "token"], "credentials": {"username", "password"}, "token"}}`.
pub(super) fn log_in(
    body: &Map<String, Value>,
    documents: &dyn Documents,
) -> Result<Answer, Answer> {
    let auth = body
        .get("auth")
        .and_then(Value::as_object)
        .ok_or_else(|| Answer::refuse(400, "auth must be specified"))?;
    let methods = auth
        .get("methods")
        .and_then(Value::as_array)
        .ok_or_else(|| Answer::refuse(400, "auth.methods must be a list"))?;
    let denied = |reason: String| Answer::refuse(401, reason);
    let mut method = "none";
    let mut known = Err("none of the methods was answered: send credentials or a token".to_owned());
    for wanted in methods.iter().filter_map(Value::as_str) {
        match (
            wanted,
            auth.get("credentials"),
            auth.get("token").and_then(Value::as_str),
        ) {
            ("credentials", Some(credentials), _) => {
                let text = |name: &str| {
                    credentials
                        .get(name)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                known = documents.login(text("username"), text("password"));
                method = "credentials";
            }
            ("token", _, Some(token)) => {
                known = documents.check_token(Some(token));
                method = "token";
            }
            _ => continue,
        }
        if known.is_ok() {
            break;
        }
    }
    known.map_err(denied)?;
    let (token, issued_at, expires_at) = documents.issue().map_err(denied)?;
    Ok(Answer {
        status: 201,
        body: json!({"token": token, "issued_at": issued_at, "expires_at": expires_at, "method": method}),
    })
}

pub(super) fn log_out(token: Option<&str>, documents: &dyn Documents) -> Result<Answer, Answer> {
    documents
        .check_token(token)
        .map_err(|reason| Answer::refuse(401, reason))?;
    documents.forget_token(token.unwrap_or_default());
    Ok(Answer::ok(
        json!({"message": "the token is no longer valid"}),
    ))
}
