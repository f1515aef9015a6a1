//! Directories of plain manifests.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use tiphys_api::DirectorySource;
use tiphys_tree::{EntryKind, TreePath, View};

use crate::error::Error;

/// The extensions of files that hold manifests.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The files with manifests in the directory at `path`, sorted by the bytes of their paths.
pub(crate) fn files(view: &View, path: &TreePath, options: &DirectorySource) -> Result<Vec<TreePath>, Error> {
    let include = globs(&options.include)?;
    let exclude = globs(&options.exclude)?;
    let mut files = if options.recurse { view.walk(path)? } else { list(view, path)? };
    files.retain(|file| {
        let Some(relative) = file.strip_prefix(path) else {
            return false;
        };
        let relative = relative.as_str();
        let included =
            if options.include.is_empty() { has_manifests(file) } else { include.is_match(relative) };
        included && !exclude.is_match(relative)
    });
    Ok(files)
}

/// Whether the name is one of a file with manifests.
pub(crate) fn has_manifests(file: &TreePath) -> bool {
    file.name()
        .and_then(|name| name.rsplit_once('.'))
        .is_some_and(|(stem, extension)| !stem.is_empty() && EXTENSIONS.contains(&extension))
}

fn list(view: &View, path: &TreePath) -> Result<Vec<TreePath>, Error> {
    let entries = view.list(path)?;
    let files = entries.into_iter().filter(|entry| entry.kind == EntryKind::File);
    Ok(files
        .map(|entry| path.child(&entry.name))
        .collect::<Result<_, _>>()
        .map_err(tiphys_tree::Error::from)?)
}

fn globs(patterns: &[String]) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    let error = |pattern: &str, source| Error::Pattern { pattern: pattern.to_owned(), source };
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .empty_alternates(true)
            .build()
            .map_err(|source| error(pattern, source))?;
        set.add(glob);
    }
    set.build().map_err(|source| error(&patterns.join(", "), source))
}
