//! `index`, `slice` and `len`.

use crate::exec::Operand;
use crate::value::{Kind, Str, Type, Value};

/// A place in a list or string of `capacity` elements.
fn place(index: &Operand, capacity: usize) -> Result<usize, String> {
    let number = match index.value.plain() {
        Value::Int(_, number) => number,
        Value::Uint(_, number) => number.cast_signed(),
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        _ => {
            return Err(format!("cannot index slice/array with type {}", index.value.type_name()));
        }
    };
    match usize::try_from(number) {
        Ok(place) if place <= capacity => Ok(place),
        _ => Err(format!("index out of range: {number}")),
    }
}

/// `index item 1 2 3` is `item[1][2][3]`.
pub(crate) fn index(item: &Operand, indexes: &[Operand]) -> Result<Operand, String> {
    if matches!(item.value, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut current = item.clone();
    for index in indexes {
        current = index_once(&current, index)?;
    }
    Ok(current)
}

fn index_once(item: &Operand, index: &Operand) -> Result<Operand, String> {
    match &item.value {
        // Only an interface around nothing can be here.
        Value::Nil => Err("index of nil pointer".to_owned()),
        Value::List(list) => {
            let place = place(index, list.len())?;
            let element = list.as_slice().get(place).ok_or("reflect: slice index out of range")?;
            Ok(Operand::element(element.clone(), list.element_type()))
        }
        Value::Bytes(bytes) => {
            let place = place(index, bytes.len())?;
            let byte = bytes.get(place).ok_or("reflect: slice index out of range")?;
            Ok(Operand::concrete(Value::from(*byte)))
        }
        Value::String(text) => {
            let place = place(index, text.len())?;
            let byte = text.get(place).ok_or("reflect: string index out of range")?;
            Ok(Operand::concrete(Value::from(*byte)))
        }
        Value::Map(map) => {
            let key = key(index)?;
            let element_type = map.element_type();
            Ok(Operand::element(map.get(&key).unwrap_or_else(|| element_type.zero()), element_type))
        }
        Value::TypedNil(typ) => match typ.kind() {
            Kind::Map => {
                key(index)?;
                let element_type = typ.element().unwrap_or(&Type::Interface);
                Ok(Operand::element(element_type.zero(), element_type))
            }
            Kind::Slice => {
                place(index, 0)?;
                Err("reflect: slice index out of range".to_owned())
            }
            Kind::Pointer => Err("index of nil pointer".to_owned()),
            _ => Err(format!("can't index item of type {typ}")),
        },
        Value::Native(native) => match native.underlying() {
            Some(plain) if matches!(plain.kind(), Kind::Slice | Kind::String | Kind::Map) => {
                index_once(&Operand::concrete(plain), index)
            }
            _ => Err(format!("can't index item of type {}", item.value.pointee_type_name())),
        },
        other => Err(format!("can't index item of type {}", other.pointee_type_name())),
    }
}

/// The key of a map.
fn key(index: &Operand) -> Result<Str, String> {
    match &index.value {
        Value::String(key) => Ok(key.clone()),
        Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

/// `slice item 1 2` is `item[1:2]`, `slice item 1 2 3` is `item[1:2:3]`.
pub(crate) fn slice(item: &Operand, indexes: &[Operand]) -> Result<Operand, String> {
    let value = item.value.plain();
    let (length, capacity) = match &value {
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        _ if indexes.len() > 3 => return Err(format!("too many slice indexes: {}", indexes.len())),
        Value::String(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::String(text) => (text.len(), text.len()),
        Value::Bytes(bytes) => (bytes.len(), bytes.len()),
        Value::List(list) => (list.len(), list.capacity()),
        Value::TypedNil(typ) if typ.kind() == Kind::Slice => (0, 0),
        Value::TypedNil(typ) if typ.kind() == Kind::Pointer => return Err("slice of nil pointer".to_owned()),
        _ => return Err(format!("can't slice item of type {}", item.value.pointee_type_name())),
    };
    let mut bounds = [0, length, capacity];
    for (index, bound) in indexes.iter().zip(&mut bounds) {
        // Unlike `index`, Go's `slice` does not look into an interface.
        if index.boxed {
            return Err("cannot index slice/array with type interface {}".to_owned());
        }
        *bound = place(index, capacity)?;
    }
    let [low, high, max] = bounds;
    if low > high {
        return Err(format!("invalid slice index: {low} > {high}"));
    }
    if high > max {
        return Err(format!("invalid slice index: {high} > {max}"));
    }
    Ok(Operand::concrete(match &value {
        Value::String(text) => Value::String(Str::new(text.get(low..high).unwrap_or_default())),
        Value::Bytes(bytes) => Value::Bytes(bytes.get(low..high).unwrap_or_default().into()),
        Value::List(list) => Value::List(list.reslice(low, high, max)),
        _ => value,
    }))
}

/// The length of a string, slice or map.
pub(crate) fn len(item: &Operand) -> Result<Value, String> {
    let length = match item.value.plain() {
        Value::Nil if item.boxed => return Err("len of nil pointer".to_owned()),
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::TypedNil(typ) => match typ.kind() {
            Kind::Map | Kind::Slice => 0,
            Kind::Pointer => return Err("len of nil pointer".to_owned()),
            _ => return Err(format!("len of type {typ}")),
        },
        _ => return Err(format!("len of type {}", item.value.pointee_type_name())),
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}
