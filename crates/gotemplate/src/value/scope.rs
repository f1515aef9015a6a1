//! Maps can be made to contain themselves; a scope frees them all the same.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::{Rc, Weak};

use crate::value::collections::MapData;

thread_local! {
    static REGISTRY: RefCell<Option<Registry>> = const { RefCell::new(None) };
}

struct Registry {
    maps: Vec<Weak<MapData>>,
    /// The length at which dead entries are next thrown out.
    prune_at: usize,
}

/// Frees every map of this thread that was made while the scope was open, when it closes.
///
/// Values are reference counted, and a template can make a map contain itself (`set $m "self" $m`). Such a map
/// would never be freed. A program that runs templates it does not trust opens a scope before it builds the values
/// and closes it after it has taken the output. Maps that are still referred to then become empty, so no value may
/// be kept beyond the scope. A scope inside another one does nothing of its own.
///
/// ```
/// use gotemplate::{Map, Scope, Value};
///
/// let scope = Scope::enter();
/// let map = Map::new();
/// map.insert("self", Value::Map(map.clone()));
/// drop(scope);
/// assert!(map.is_empty());
/// ```
#[derive(Debug)]
#[must_use = "a scope frees maps when it is dropped"]
pub struct Scope {
    owner: bool,
    /// The registry belongs to the thread, so the scope must stay on it.
    _thread: PhantomData<Rc<()>>,
}

impl Scope {
    /// Opens a scope on this thread.
    pub fn enter() -> Self {
        let owner = REGISTRY.with_borrow_mut(|registry| {
            if registry.is_some() {
                return false;
            }
            *registry = Some(Registry { maps: Vec::new(), prune_at: 1024 });
            true
        });
        Self { owner, _thread: PhantomData }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.owner {
            return;
        }
        let registry = REGISTRY.with_borrow_mut(Option::take);
        for map in registry.into_iter().flat_map(|registry| registry.maps) {
            if let Some(map) = map.upgrade() {
                map.clear();
            }
        }
    }
}

/// Remembers a new map if a scope is open.
pub(crate) fn register(map: &Rc<MapData>) {
    REGISTRY.with_borrow_mut(|registry| {
        if let Some(registry) = registry {
            if registry.maps.len() >= registry.prune_at {
                registry.maps.retain(|map| map.strong_count() > 0);
                registry.prune_at = (registry.maps.len() * 2).max(1024);
            }
            registry.maps.push(Rc::downgrade(map));
        }
    });
}
