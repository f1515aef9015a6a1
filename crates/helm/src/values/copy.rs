use gotemplate::{List, Map, Value};

/// A map of its own with copies of everything in it.
pub(crate) fn deep_copy(map: &Map) -> Map {
    let copy = Map::with_type(map.type_of());
    map.for_each(|key, value| {
        copy.insert(key.clone(), copy_value(value));
    });
    copy
}

/// A value of its own with copies of everything in it that can change.
pub(crate) fn copy_value(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(deep_copy(map)),
        Value::List(list) if list.iter().any(|item| matches!(item, Value::Map(_) | Value::List(_))) => {
            Value::List(List::with_type(list.type_of(), list.iter().map(copy_value).collect()))
        }
        other => other.clone(),
    }
}
