//! Names of variables, innermost last.

use foldhash::HashMap;

/// From this many names on they are found by a table instead of one by one.
const MANY: usize = 32;

/// A stack of names that finds the last of a name quickly.
#[derive(Default)]
pub(super) struct Names<'t> {
    stack: Vec<&'t [u8]>,
    /// The places of a name in the stack, ascending; only once there were many.
    places: Option<HashMap<&'t [u8], Vec<u32>>>,
}

impl<'t> Names<'t> {
    pub(super) fn len(&self) -> usize {
        self.stack.len()
    }

    /// Adds a name and gives its place.
    pub(super) fn declare(&mut self, name: &'t [u8]) -> u32 {
        let place = narrow(self.stack.len());
        self.stack.push(name);
        if let Some(places) = &mut self.places {
            places.entry(name).or_default().push(place);
        } else if self.stack.len() > MANY {
            let mut places: HashMap<&'t [u8], Vec<u32>> = HashMap::default();
            for (index, name) in self.stack.iter().enumerate() {
                places.entry(name).or_default().push(narrow(index));
            }
            self.places = Some(places);
        }
        place
    }

    /// The last place of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        match &self.places {
            Some(places) => places.get(name)?.last().copied(),
            None => self.stack.iter().rposition(|known| *known == name).map(narrow),
        }
    }

    /// Forgets the names after the first `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        if let Some(places) = &mut self.places {
            for name in self.stack.iter().skip(length) {
                if let Some(places) = places.get_mut(name) {
                    places.pop();
                }
            }
        }
        self.stack.truncate(length);
    }
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
