//! The earlier system's REST API against its recorded requests: each case says what the documents answered, and what the client must get.

use api::calipso::{Documents, Login, Query, Request, answer};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Documents that answer as a case recorded.
struct Recorded {
    calls: BTreeMap<String, Value>,
    aggregates: Cell<usize>,
}

impl Recorded {
    fn of(case: &Value) -> Self {
        let calls = case["backend"].as_array().into_iter().flatten();
        Self {
            calls: calls
                .filter_map(|call| Some((call["name"].as_str()?.to_owned(), call["value"].clone())))
                .collect(),
            aggregates: Cell::new(0),
        }
    }

    fn verdict(&self, name: &str) -> Login {
        match self.calls.get(name) {
            Some(Value::Bool(true) | Value::Null) => Ok(()),
            Some(Value::String(reason)) => Err(reason.clone()),
            other => Err(format!("{other:?}")),
        }
    }
}

fn counts(rows: &Value) -> BTreeMap<String, u64> {
    let rows = rows.as_array().into_iter().flatten();
    rows.filter_map(|row| {
        let name = row.get("_id").or_else(|| row.get("name"))?.as_str()?;
        Some((name.to_owned(), row["total"].as_u64()?))
    })
    .collect()
}

impl Documents for Recorded {
    fn read(&self, _: &str, _: &Query) -> Vec<Value> {
        self.calls
            .get("read")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    fn environment_exists(&self, _: &str) -> bool {
        self.calls.get("check_environment_name") != Some(&Value::Bool(false))
    }

    fn write(&self, endpoint: &str, _: &Map<String, Value>) -> Result<String, (u16, String)> {
        match self.calls.contains_key("write") {
            true => Ok(endpoint.to_owned()),
            false => Err((500, "nothing was to be written".to_owned())),
        }
    }

    fn aggregate(&self, _: &str, _: Option<&str>) -> Vec<BTreeMap<String, u64>> {
        self.aggregates.set(self.aggregates.get() + 1);
        let rows = &self.calls["aggregate"];
        match rows[0].is_array() {
            true => rows.as_array().into_iter().flatten().map(counts).collect(),
            false => vec![counts(rows)],
        }
    }

    fn supports(&self, _: &Map<String, Value>) -> [bool; 3] {
        let features = self.calls.get("supported_features");
        ["scanning", "listening", "monitoring"]
            .map(|name| features.is_none_or(|features| features[name] == true))
    }

    fn login(&self, _: &str, _: &str) -> Login {
        self.verdict("validate_credentials")
    }

    fn issue(&self) -> Result<(String, String, String), String> {
        Ok(("t".to_owned(), "now".to_owned(), "then".to_owned()))
    }

    fn check_token(&self, _: Option<&str>) -> Login {
        self.verdict("validate_token")
    }

    fn forget_token(&self, _: &str) {}
}

fn request(case: &Value) -> Request {
    let parameters = case["params"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
    Request {
        method: case["method"].as_str().unwrap_or_default().to_owned(),
        endpoint: case["url"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        parameters: parameters.collect(),
        token: Some("t".to_owned()),
        body: case["body"]
            .as_str()
            .unwrap_or_default()
            .as_bytes()
            .to_vec(),
    }
}

#[test]
fn recorded_requests_get_their_recorded_answers() {
    let fixtures = std::env::var_os("NETWRIGHT_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures/calipso"),
        PathBuf::from,
    );
    let Ok(files) = std::fs::read_dir(fixtures.join("rest")) else {
        println!("skipped: no recorded requests in {}", fixtures.display());
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    for file in files {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let group: Value = serde_json::from_str(&text).expect("JSON");
        for case in group["cases"].as_array().expect("cases") {
            let got = answer(&request(case), &Recorded::of(case));
            let status = case["expected_status"]
                .as_str()
                .and_then(|status| status.parse::<u16>().ok());
            let body = &case["expected_body"];
            match Some(got.status) == status && (body.is_null() || got.body == *body) {
                true => passed += 1,
                false => failed.push(format!(
                    "{} {}: {} {}",
                    path.display(),
                    case["test"],
                    got.status,
                    got.body
                )),
            }
        }
    }
    println!("rest: {passed} of {} cases pass", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
