//! The templates of a chart as they were compiled: once for each place that the chart has in a rendering, since their
//! names, which messages show, begin with it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gotemplate::Unit;

use super::File;

/// Places of which compiled templates are kept. More than one has only a chart that is in several others.
const MAX_PLACES: usize = 8;

/// The places that a chart had so far.
#[derive(Default)]
pub(super) struct Compiled(Mutex<Vec<Arc<Place>>>);

impl Compiled {
    /// The templates of a chart under a path such as `web/charts/db`.
    pub(super) fn at(&self, path: &str, templates: &[File]) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.iter().find(|place| place.path == path) {
            return Arc::clone(place);
        }
        let place = Arc::new(Place::new(path, templates));
        if places.len() >= MAX_PLACES {
            places.remove(0);
        }
        places.push(Arc::clone(&place));
        place
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

/// A chart in one place.
#[derive(Debug)]
pub(crate) struct Place {
    path: String,
    /// The folder of the templates, for `.Template.BasePath`.
    pub(crate) base_path: String,
    /// In the order of the files.
    pub(crate) templates: Vec<PlacedTemplate>,
}

/// A template file in one place.
#[derive(Debug)]
pub(crate) struct PlacedTemplate {
    /// Such as `web/templates/service.yaml`.
    pub(crate) path: Arc<str>,
    /// Its text, once it was compiled without an error.
    pub(crate) unit: OnceLock<Arc<Unit>>,
}

impl Place {
    fn new(path: &str, templates: &[File]) -> Self {
        let placed =
            |file: &File| PlacedTemplate { path: join(path, &file.path).into(), unit: OnceLock::new() };
        Self {
            path: path.to_owned(),
            base_path: join(path, "templates"),
            templates: templates.iter().map(placed).collect(),
        }
    }
}

/// A path below a folder, as Go's `path.Join` writes it.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
