//! Patterns that were compiled a moment ago: charts use the same few again and again.

use std::cell::RefCell;
use std::rc::Rc;

use foldhash::HashMap;

/// How many are kept.
const MOST: usize = 32;

/// What was compiled last, by its text.
#[derive(Debug)]
pub(crate) struct Recent<T>(RefCell<HashMap<Vec<u8>, Rc<T>>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Recent<T> {
    /// What was made of this text.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Rc<T>> {
        self.0.borrow().get(text).cloned()
    }

    /// Keeps what was made of a text. All others are let go of when there are too many.
    pub(crate) fn keep(&self, text: &[u8], made: &Rc<T>) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(text.to_vec(), Rc::clone(made));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_bounded() {
        let recent = Recent::default();
        for number in 0..=MOST * 2 {
            recent.keep(number.to_string().as_bytes(), &Rc::new(number));
            assert_eq!(recent.find(number.to_string().as_bytes()).as_deref(), Some(&number));
        }
        assert!(recent.0.borrow().len() <= MOST);
        assert!(recent.find(b"0").is_none());
    }
}
