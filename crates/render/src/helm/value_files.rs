//! Value files of an Application: paths relative to the chart, or globs.

use globset::GlobBuilder;
use tiphys_helm::ValueFile;
use tiphys_tree::{Kind, TreePath, View};

use crate::error::Error;

/// What makes a name a glob.
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// Reads the value files that `names` stand for, in their order; those of one glob are sorted by path.
pub(super) fn read(
    view: &View,
    chart: &TreePath,
    names: &[String],
    ignore_missing: bool,
) -> Result<Vec<ValueFile>, Error> {
    let mut files = Vec::new();
    for name in names {
        let paths = if name.contains(WILDCARDS) {
            matching(view, chart, name)?
        } else {
            let path = resolve(chart, name, name)?;
            // A directory of that name is an error of its own.
            if view.kind(&path)?.is_some() { vec![path] } else { Vec::new() }
        };
        if paths.is_empty() && !ignore_missing {
            return Err(Error::ValueFileMissing { name: name.clone(), chart: chart.clone() });
        }
        for path in paths {
            files.push(ValueFile { name: path.as_str().to_owned(), data: view.read(&path)?.into() });
        }
    }
    Ok(files)
}

fn resolve(chart: &TreePath, relative: &str, name: &str) -> Result<TreePath, Error> {
    let of_name = |source| Error::ValueFilePath { field: "helm", name: name.to_owned(), source };
    chart.resolve(relative).map_err(of_name)
}

/// The files that a glob fits, sorted by path. Only the directory before the first wildcard is searched.
fn matching(view: &View, chart: &TreePath, name: &str) -> Result<Vec<TreePath>, Error> {
    let wildcard = name.find(WILDCARDS).unwrap_or(name.len());
    let literal = name.get(..wildcard).and_then(|start| start.rfind('/')).map_or(0, |slash| slash + 1);
    let (directory, pattern) = name.split_at(literal);
    let directory = if directory.is_empty() {
        chart.clone()
    } else {
        resolve(chart, directory.trim_end_matches('/'), name)?
    };
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|source| Error::ValueFilePattern { pattern: name.to_owned(), source })?
        .compile_matcher();
    if view.kind(&directory)? != Some(Kind::Directory) {
        return Ok(Vec::new());
    }
    let mut files = view.walk(&directory)?;
    files.retain(|file| {
        file.strip_prefix(&directory).is_some_and(|relative| glob.is_match(relative.as_str()))
    });
    Ok(files)
}
