//! What functions reach while the templates of a chart run.

/// The state of one rendering, given to every function as the host of its [`gotemplate::Context`].
#[derive(Debug, Default)]
pub(crate) struct Host {}
