//! Sets of templates that can call each other.

use std::sync::Arc;

use foldhash::HashMap;

use crate::error::Error;
use crate::exec::Context;
use crate::function::Functions;
use crate::limits::Limits;
use crate::node::{Tree, Unit};
use crate::parse::{self, Delimiters};
use crate::print;
use crate::value::Value;

/// What a missing key of a map gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, which prints as `<no value>`; Go's `missingkey=default` and `invalid`.
    #[default]
    Invalid,
    /// The zero value of the map's element type; Go's `missingkey=zero`.
    Zero,
    /// An error; Go's `missingkey=error`.
    Error,
}

/// Templates that can call each other by name.
///
/// A set is built by parsing texts into it and then executed any number of times. It is `Send` and `Sync`.
/// [`Set::overlay`] makes a set on top of another one at almost no cost, as `tpl` of Helm needs it.
#[derive(Clone, Debug)]
pub struct Set {
    name: Arc<[u8]>,
    functions: Arc<Functions>,
    missing_key: MissingKey,
    delimiters: Delimiters,
    base: Option<Arc<Set>>,
    templates: HashMap<Arc<[u8]>, Template>,
}

/// A template of a set.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) unit: Arc<Unit>,
    pub(crate) index: usize,
}

impl Template {
    pub(crate) fn tree(&self) -> Option<&Tree> {
        self.unit.trees.get(self.index)
    }
}

impl Set {
    /// An empty set without functions of its own. The name shows in messages only.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self::with_functions(name, Functions::new())
    }

    /// An empty set with functions.
    pub fn with_functions(name: impl AsRef<[u8]>, functions: impl Into<Arc<Functions>>) -> Self {
        Self {
            name: name.as_ref().into(),
            functions: functions.into(),
            missing_key: MissingKey::default(),
            delimiters: Delimiters::default(),
            base: None,
            templates: HashMap::default(),
        }
    }

    /// An empty set that also has the templates of `base`, with the same functions and options. What is parsed into
    /// it hides templates of the same name in `base`, which stays as it is.
    pub fn overlay(base: &Arc<Set>) -> Self {
        // An overlay of an overlay is flattened, so that templates are found at once however deep `tpl` is nested.
        let (base, templates) = match &base.base {
            Some(below) => (below, base.templates.clone()),
            None => (base, HashMap::default()),
        };
        Self {
            name: Arc::clone(&base.name),
            functions: Arc::clone(&base.functions),
            missing_key: base.missing_key,
            delimiters: base.delimiters.clone(),
            base: Some(Arc::clone(base)),
            templates,
        }
    }

    /// Sets what a missing key of a map gives.
    pub fn missing_key(&mut self, missing_key: MissingKey) -> &mut Self {
        self.missing_key = missing_key;
        self
    }

    /// Sets the delimiters of texts parsed from now on. An empty one stands for `{{` or `}}`.
    pub fn delimiters(&mut self, left: impl AsRef<[u8]>, right: impl AsRef<[u8]>) -> &mut Self {
        self.delimiters = Delimiters::new(left.as_ref(), right.as_ref());
        self
    }

    /// Parses a text as a template of the given name, and with it the templates that it defines.
    ///
    /// As in Go, a template replaces one of the same name, but an empty one (white space and comments) does not.
    pub fn parse(&mut self, name: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Result<(), Error> {
        let unit = self.compile(name, text)?;
        self.add(&Arc::new(unit))
    }

    /// Compiles a text for this set's functions without adding it, so that it can be kept and added to many sets.
    pub fn compile(&self, name: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Result<Unit, Error> {
        self.compile_shared(name, &Arc::from(text.as_ref()))
    }

    /// As [`compile`](Set::compile), for a text that is kept anyway and so need not be copied.
    pub fn compile_shared(&self, name: impl AsRef<[u8]>, text: &Arc<[u8]>) -> Result<Unit, Error> {
        parse::parse(name.as_ref(), text, &self.delimiters, &self.functions).map_err(Error::Parse)
    }

    /// Adds the templates of a compiled text. It must have been compiled with the same functions.
    pub fn add(&mut self, unit: &Arc<Unit>) -> Result<(), Error> {
        if !Arc::ptr_eq(&unit.functions, &self.functions) {
            return Err(Error::OtherFunctions { name: String::from_utf8_lossy(&unit.name).into_owned() });
        }
        for (index, tree) in unit.trees.iter().enumerate() {
            if tree.empty && self.contains(&tree.name) {
                continue;
            }
            self.templates.insert(Arc::clone(&tree.name), Template { unit: Arc::clone(unit), index });
        }
        Ok(())
    }

    /// The name of the set.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether there is a template of the name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.find(name.as_ref()).is_some()
    }

    /// The names of all templates, sorted.
    pub fn names(&self) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = self.templates.keys().map(|name| &**name).collect();
        if let Some(base) = &self.base {
            names.extend(base.names());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A template as it was understood; see [`Unit::source`].
    pub fn source(&self, template: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let template = self.find(template.as_ref())?;
        Some(print::list(&template.unit, template.tree()?.body))
    }

    /// The functions of the set.
    pub fn functions(&self) -> &Arc<Functions> {
        &self.functions
    }

    /// Executes a template with the default limits and gives its output.
    ///
    /// This copies the table of templates. [`Context`] does not, and can do the same with other limits, with a state for
    /// functions, and for many templates.
    pub fn render(&self, name: impl AsRef<[u8]>, data: Value) -> Result<Vec<u8>, Error> {
        Context::new(&Arc::new(self.clone()), Limits::default()).execute(name, data)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Template> {
        let mut set = self;
        loop {
            if let Some(template) = set.templates.get(name) {
                return Some(template);
            }
            set = set.base.as_deref()?;
        }
    }

    pub(crate) fn on_missing_key(&self) -> MissingKey {
        self.missing_key
    }
}
