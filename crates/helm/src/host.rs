//! What functions reach while the templates of a chart run.

use std::fmt;
use std::sync::Arc;

use gotemplate::{Str, Unit};

use crate::chance::Draws;
use crate::lookup::Lookup;

type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// How often a template may be open by `include` at the same time (Helm 4: `recursionMaxNums`).
const MAX_OPEN_INCLUDES: u32 = 1000;

/// The state of one rendering, given to every function as the host of its [`gotemplate::Context`].
#[derive(Default)]
pub(crate) struct Host {
    /// The file whose template is being executed, such as `web/templates/deployment.yaml`.
    pub(crate) file: Arc<str>,
    /// In a linter `required` and `fail` let the rendering go on.
    pub(crate) lint: bool,
    /// Where `lookup` looks; nothing is found without one.
    pub(crate) lookup: Option<Arc<dyn Lookup>>,
    /// Whether a template looked up live objects.
    pub(crate) looked_up: bool,
    /// Where random values and the time come from.
    pub(crate) chance: Draws,
    /// How often each template is open by `include`.
    open_includes: HashMap<Str, u32>,
    /// Texts that `tpl` has run.
    texts: HashMap<Str, Arc<Unit>>,
}

impl Host {
    /// Notes that `include` opens a template; `false` if it is open too often already.
    pub(crate) fn open_include(&mut self, name: &Str) -> bool {
        match self.open_includes.get_mut(name.as_bytes()) {
            // Helm counts before it looks, so one more than the constant says.
            Some(count) if *count > MAX_OPEN_INCLUDES => false,
            Some(count) => {
                *count += 1;
                true
            }
            None => {
                self.open_includes.insert(name.clone(), 1);
                true
            }
        }
    }

    /// Notes that a template opened by `include` has ended.
    pub(crate) fn close_include(&mut self, name: &Str) {
        if let Some(count) = self.open_includes.get_mut(name.as_bytes()) {
            *count = count.saturating_sub(1);
        }
    }

    /// The compiled form of a text that `tpl` ran before.
    pub(crate) fn text(&self, text: &Str) -> Option<Arc<Unit>> {
        self.texts.get(text.as_bytes()).cloned()
    }

    /// Keeps the compiled form of a text for the next `tpl`.
    pub(crate) fn keep_text(&mut self, text: Str, unit: Arc<Unit>) {
        self.texts.insert(text, unit);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("file", &self.file).field("lint", &self.lint).finish_non_exhaustive()
    }
}
