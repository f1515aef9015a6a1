//! Slices and maps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::rc::Rc;

use crate::value::{Key, Str, Type, Value, capacity, scope};

/// A Go slice: immutable to templates, shared between clones.
#[derive(Clone)]
pub struct List {
    typ: &'static Type,
    data: Rc<ListData>,
}

struct ListData {
    /// The elements, then those that only the capacity covers.
    items: Vec<Value>,
    len: usize,
    /// At least the number of `items`. What follows them is zero.
    capacity: usize,
}

impl List {
    /// A `[]interface {}`.
    pub fn new(items: Vec<Value>) -> Self {
        Self::with_type(&Type::ANY_LIST, items)
    }

    /// A slice of the given slice type. The elements must be of its element type.
    pub fn with_type(typ: &'static Type, items: Vec<Value>) -> Self {
        let len = items.len();
        Self { typ, data: Rc::new(ListData { items, len, capacity: len }) }
    }

    /// A `[]string` that Go made with a capacity and appended the elements to, one by one.
    pub fn of_appended_strings<T: Into<Str>>(
        items: impl IntoIterator<Item = T>,
        first_capacity: usize,
    ) -> Self {
        let items: Vec<Value> = items.into_iter().map(|item| Value::String(item.into())).collect();
        let len = items.len();
        let capacity = capacity::after_appends(first_capacity, len);
        Self { typ: &Type::STRING_LIST, data: Rc::new(ListData { items, len, capacity }) }
    }

    /// A `[]string`.
    pub fn of_strings<T: Into<Str>>(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(|item| Value::String(item.into())).collect();
        Self::with_type(&Type::STRING_LIST, items)
    }

    /// The slice type.
    pub fn type_of(&self) -> &'static Type {
        self.typ
    }

    /// The type of the elements.
    #[inline]
    pub fn element_type(&self) -> &'static Type {
        match self.typ {
            Type::Slice(element) | Type::Map(element) => element,
            defined => defined.element().unwrap_or(&Type::Interface),
        }
    }

    /// The elements.
    #[inline]
    pub fn as_slice(&self) -> &[Value] {
        self.data.items.get(..self.data.len).unwrap_or_default()
    }

    /// How many elements slicing can reach.
    pub fn capacity(&self) -> usize {
        self.data.capacity
    }

    /// A slice with the elements `low..high` of this one's capacity, and capacity up to `max`.
    #[must_use]
    pub fn reslice(&self, low: usize, high: usize, max: usize) -> Self {
        let known = self.data.items.get(low..).unwrap_or_default();
        let (len, capacity) = (high.saturating_sub(low), max.saturating_sub(low));
        let mut items = known.get(..capacity).unwrap_or(known).to_vec();
        if items.len() < len {
            items.resize(len, self.element_type().zero());
        }
        Self { typ: self.typ, data: Rc::new(ListData { items, len, capacity }) }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.len == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.as_slice().iter()
    }

    /// The same elements under another slice type, as when Go converts between a defined type and the plain one.
    #[must_use]
    pub fn retyped(&self, typ: &'static Type) -> Self {
        Self { typ, data: Rc::clone(&self.data) }
    }

    /// Bytes on the heap that nobody else holds, without what the elements hold.
    pub(crate) fn own_bytes(&self) -> usize {
        if Rc::strong_count(&self.data) == 1 {
            self.data.items.len().saturating_mul(size_of::<Value>())
        } else {
            0
        }
    }

    /// Whether both share the same elements in memory.
    pub fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.data, &other.data)
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Value::List(self.clone()), f)
    }
}

/// Deeply nested lists must not overflow the stack when they are freed.
impl Drop for ListData {
    fn drop(&mut self) {
        if self.items.iter().any(is_container) {
            free(mem::take(&mut self.items));
        }
    }
}

/// A Go map with string keys. Clones share the entries, and changes show through all of them.
///
/// Iteration is in the order of the keys' bytes, as in a template's `range`.
#[derive(Clone)]
pub struct Map {
    typ: &'static Type,
    data: Rc<MapData>,
}

pub(crate) struct MapData(RefCell<Entries>);

impl MapData {
    pub(crate) fn clear(&self) {
        let entries = self.0.try_borrow_mut().map(|mut entries| mem::take(&mut *entries));
        drop(entries);
    }
}

/// Maps of up to this many entries are sorted vectors; above, trees.
const SMALL: usize = 32;

enum Entries {
    Small(Vec<(Str, Value)>),
    Large(BTreeMap<Str, Value>),
}

impl Default for Entries {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl Entries {
    #[inline]
    fn get(&self, key: &[u8]) -> Option<&Value> {
        match self {
            Self::Small(entries) if entries.len() <= 8 => {
                entries.iter().find(|(name, _)| name.as_bytes() == key).map(|(_, value)| value)
            }
            Self::Small(entries) => {
                let index = entries.binary_search_by(|(name, _)| name.as_bytes().cmp(key)).ok()?;
                entries.get(index).map(|(_, value)| value)
            }
            Self::Large(entries) => entries.get(key),
        }
    }

    #[inline]
    fn get_key(&self, key: &Key) -> Option<&Value> {
        match self {
            Self::Small(entries) => entries.iter().find(|(name, _)| key.is(name)).map(|(_, value)| value),
            Self::Large(entries) => entries.get(key.as_bytes()),
        }
    }

    fn insert(&mut self, key: Str, value: Value) -> Option<Value> {
        match self {
            Self::Small(entries) => {
                // Sources are mostly sorted already.
                if entries.last().is_some_and(|(last, _)| *last < key) && entries.len() < SMALL {
                    entries.push((key, value));
                    return None;
                }
                match entries.binary_search_by(|(name, _)| name.cmp(&key)) {
                    Ok(index) => entries.get_mut(index).map(|(_, old)| mem::replace(old, value)),
                    Err(index) if entries.len() < SMALL => {
                        entries.insert(index, (key, value));
                        None
                    }
                    Err(_) => {
                        let mut large: BTreeMap<Str, Value> = mem::take(entries).into_iter().collect();
                        large.insert(key, value);
                        *self = Self::Large(large);
                        None
                    }
                }
            }
            Self::Large(entries) => entries.insert(key, value),
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Value> {
        match self {
            Self::Small(entries) => {
                let index = entries.binary_search_by(|(name, _)| name.as_bytes().cmp(key)).ok()?;
                Some(entries.remove(index).1)
            }
            Self::Large(entries) => entries.remove(key),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Small(entries) => entries.len(),
            Self::Large(entries) => entries.len(),
        }
    }

    fn for_each(&self, mut visit: impl FnMut(&Str, &Value)) {
        match self {
            Self::Small(entries) => entries.iter().for_each(|(key, value)| visit(key, value)),
            Self::Large(entries) => entries.iter().for_each(|(key, value)| visit(key, value)),
        }
    }
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::with_type(&Type::ANY_MAP)
    }

    /// An empty map of the given map type, such as `map[string]string` or a defined type made from one.
    pub fn with_type(typ: &'static Type) -> Self {
        let data = Rc::new(MapData(RefCell::new(Entries::default())));
        scope::register(&data);
        Self { typ, data }
    }

    /// The same entries under another map type, as when Go converts between a defined type and the plain one.
    #[must_use]
    pub fn retyped(&self, typ: &'static Type) -> Self {
        Self { typ, data: Rc::clone(&self.data) }
    }

    /// The map type.
    pub fn type_of(&self) -> &'static Type {
        self.typ
    }

    /// The type of the elements.
    #[inline]
    pub fn element_type(&self) -> &'static Type {
        match self.typ {
            Type::Slice(element) | Type::Map(element) => element,
            defined => defined.element().unwrap_or(&Type::Interface),
        }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.data.0.borrow().get(key.as_ref()).cloned()
    }

    /// As [`get`](Map::get), for a key that was made ready.
    #[inline]
    pub(crate) fn get_key(&self, key: &Key) -> Option<Value> {
        self.data.0.borrow().get_key(key).cloned()
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.data.0.borrow().get(key.as_ref()).is_some()
    }

    /// Sets a key, for everybody who holds the map, and gives the value it had.
    pub fn insert(&self, key: impl Into<Str>, value: impl Into<Value>) -> Option<Value> {
        self.data.0.borrow_mut().insert(key.into(), value.into())
    }

    /// Removes a key, for everybody who holds the map, and gives the value it had.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.data.0.borrow_mut().remove(key.as_ref())
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.data.0.borrow().len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries as they are now, sorted by key.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        let mut entries = Vec::with_capacity(self.len());
        self.for_each(|key, value| entries.push((key.clone(), value.clone())));
        entries
    }

    /// The keys as they are now, sorted.
    pub fn keys(&self) -> Vec<Str> {
        let mut keys = Vec::with_capacity(self.len());
        self.for_each(|key, _| keys.push(key.clone()));
        keys
    }

    /// Shows every entry to `visit`, sorted by key, without copying.
    ///
    /// # Panics
    ///
    /// If `visit` changes this map. Use [`entries`](Map::entries) where it might.
    pub fn for_each(&self, visit: impl FnMut(&Str, &Value)) {
        self.data.0.borrow().for_each(visit);
    }

    /// A map of its own with the same entries; values are shared.
    #[must_use]
    pub fn shallow_copy(&self) -> Self {
        let copy = Self::with_type(self.typ);
        {
            let mut entries = copy.data.0.borrow_mut();
            *entries = match &*self.data.0.borrow() {
                Entries::Small(entries) => Entries::Small(entries.clone()),
                Entries::Large(entries) => Entries::Large(entries.clone()),
            };
        }
        copy
    }

    /// Whether both are the same map in memory.
    pub fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.data, &other.data)
    }

    /// Bytes on the heap that nobody else holds, without what the values hold.
    pub(crate) fn own_bytes(&self) -> usize {
        let unique = Rc::strong_count(&self.data) == 1;
        if unique { self.len().saturating_mul(size_of::<(Str, Value)>()) } else { 0 }
    }

    /// A number that tells maps of one moment apart.
    pub(crate) fn address(&self) -> usize {
        Rc::as_ptr(&self.data).addr()
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the type and the number of entries only, because a map can contain itself.
impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} entries)", self.typ, self.len())
    }
}

impl Drop for MapData {
    fn drop(&mut self) {
        let entries = mem::take(self.0.get_mut());
        let mut values = Vec::new();
        match entries {
            Entries::Small(entries) if !entries.iter().any(|(_, value)| is_container(value)) => {}
            Entries::Small(entries) => values.extend(entries.into_iter().map(|(_, value)| value)),
            Entries::Large(entries) => values.extend(entries.into_values()),
        }
        if !values.is_empty() {
            free(values);
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Frees values level by level instead of by recursion.
fn free(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut data) = Rc::into_inner(list.data) {
                    values.append(&mut data.items);
                }
            }
            Value::Map(map) => {
                if let Some(mut data) = Rc::into_inner(map.data) {
                    match mem::take(data.0.get_mut()) {
                        Entries::Small(entries) => values.extend(entries.into_iter().map(|(_, value)| value)),
                        Entries::Large(entries) => values.extend(entries.into_values()),
                    }
                }
            }
            _ => {}
        }
    }
}
