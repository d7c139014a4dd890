//! The subnets of a network as its attribute `subnets` holds them.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Subnets by name. Names need not be there, and may repeat or be another's id: such a subnet goes by its own id, whichever came first, so
/// that none hides another. `subnets` are pairs of id and what is to be listed; the name is its member `name`.
pub fn subnets_by_name(subnets: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    let subnets: BTreeMap<String, Value> = subnets.into_iter().collect();
    let (mut once, mut several) = (BTreeSet::new(), BTreeSet::new());
    for name in subnets.values().filter_map(name) {
        if !once.insert(name) {
            several.insert(name);
        }
    }
    let listed = subnets.iter().map(|(id, subnet)| {
        let own = |name: &&str| *name == id.as_str();
        let clear = |name: &&str| !several.contains(name) && !subnets.contains_key(*name);
        let name = name(subnet).filter(|name| own(name) || clear(name));
        (name.unwrap_or(id).to_owned(), subnet.clone())
    });
    listed.collect()
}

fn name(subnet: &Value) -> Option<&str> {
    let name = subnet.get("name")?.as_str()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::subnets_by_name;
    use serde_json::json;

    #[test]
    fn a_name_that_is_not_clear_hides_nothing() {
        let subnets = ["web", "db", "db", "", "e", "e"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f"]);
        let listed = subnets_by_name(
            subnets.map(|(name, id)| (id.to_owned(), json!({"name": name, "id": id}))),
        );
        let keys: Vec<_> = listed
            .iter()
            .map(|(key, s)| (key.as_str(), &s["id"]))
            .collect();
        let by_id = ["b", "c", "d", "e", "f"].map(|id| (id, json!(id)));
        let by_id: Vec<_> = by_id.iter().map(|(key, id)| (*key, id)).collect();
        assert_eq!(keys, [by_id, vec![("web", &json!("a"))]].concat());
    }
}
