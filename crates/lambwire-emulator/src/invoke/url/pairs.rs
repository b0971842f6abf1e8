//! Headers and parameters: names with values, some of which come more than once.

use serde_json::{Map, Value};

pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn raw_parameters(query: &str) -> Pairs {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// Values of the same name, joined.
pub(super) fn joined(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let mut joined: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let value = match joined.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value,
        };
        joined.insert(name, value.into());
    }
    joined
}

/// The name of a header as most clients send it, where API Gateway has it as it came: hyper hands it over in small letters alone.
pub(super) fn title_case(name: &str) -> String {
    let mut is_first = true;
    let cased = name.chars().map(|letter| {
        let was_first = std::mem::replace(&mut is_first, letter == '-');
        if was_first { letter.to_ascii_uppercase() } else { letter }
    });
    cased.collect()
}

/// The last value of each name.
pub(super) fn last(pairs: &Pairs) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
}

/// All values of each name.
pub(super) fn all(pairs: &Pairs) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in pairs {
        let values = all.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        values.as_array_mut().into_iter().for_each(|values| values.push(value.as_str().into()));
    }
    all
}
