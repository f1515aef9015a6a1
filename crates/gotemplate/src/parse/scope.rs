//! Names of variables, innermost last.

use foldhash::HashMap;

/// A stack of names that finds the last of a name quickly.
#[derive(Default)]
pub(super) struct Names<'t> {
    stack: Vec<&'t [u8]>,
    /// The places of a name in the stack, ascending.
    places: HashMap<&'t [u8], Vec<u32>>,
}

impl<'t> Names<'t> {
    pub(super) fn len(&self) -> usize {
        self.stack.len()
    }

    /// Adds a name and gives its place.
    pub(super) fn declare(&mut self, name: &'t [u8]) -> u32 {
        let place = u32::try_from(self.stack.len()).unwrap_or(u32::MAX);
        self.stack.push(name);
        self.places.entry(name).or_default().push(place);
        place
    }

    /// The last place of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        self.places.get(name)?.last().copied()
    }

    /// Forgets the names after the first `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        while self.stack.len() > length {
            if let Some(places) = self.stack.pop().and_then(|name| self.places.get_mut(name)) {
                places.pop();
            }
        }
    }
}
