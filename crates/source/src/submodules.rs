//! Submodules: repositories inside repositories, fetched under the same rules.

use tiphys_tree::{Entry, Tree as _, TreePath};

use crate::error::{Result, describe};
use crate::git_tree::GitTree;
use crate::{CommitId, Error, Mirrors, Remote, Revision, RevisionSpec, Submodules};

/// Repositories inside each other.
const MAX_DEPTH: usize = 4;
/// Submodules of one repository.
const MAX_COUNT: usize = 64;
/// Bytes of `.gitmodules`.
const MAX_BYTES: u64 = 256 << 10;

/// One section of `.gitmodules`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Declaration {
    path: Option<String>,
    url: Option<String>,
}

/// Fetches the submodules of `tree` and puts them at their places, if the remote asks for it.
///
/// A submodule that cannot be had is an error only for those who read files in it.
pub(crate) async fn mount_all(
    mirrors: &Mirrors,
    remote: &Remote,
    tree: &mut GitTree,
    place: &TreePath,
    depth: usize,
) -> Result<()> {
    if remote.submodules == Submodules::Refuse {
        return Ok(());
    }
    for (path, url, commit) in declared(tree, remote)? {
        let shown = place.join(path.as_str()).unwrap_or_else(|_| path.clone());
        let mounted = mount(mirrors, remote, &url, commit, &shown, depth).await;
        let mounted =
            mounted.map_err(|error| Error::Submodule { path: shown.to_string(), detail: describe(&error) });
        tree.mount(path, mounted);
    }
    Ok(())
}

async fn mount(
    mirrors: &Mirrors,
    remote: &Remote,
    url: &str,
    commit: CommitId,
    place: &TreePath,
    depth: usize,
) -> Result<std::sync::Arc<GitTree>> {
    if depth >= MAX_DEPTH {
        let detail = format!("submodules are nested more than {MAX_DEPTH} deep");
        return Err(Error::Submodule { path: place.to_string(), detail });
    }
    let remote = remote.submodule(remote.url.join(url)?);
    let tracked = mirrors.track(&remote, &RevisionSpec::Commit(commit))?;
    let revision = tracked.resolve().await?;
    tracked.tree_at(Revision::of_commit(revision.commit()), place.clone(), depth + 1).await
}

/// The submodules that `.gitmodules` declares and that are really there, with their addresses and commits.
fn declared(tree: &GitTree, remote: &Remote) -> Result<Vec<(TreePath, String, CommitId)>> {
    let failed = |error: tiphys_tree::Error| Error::Submodule {
        path: ".gitmodules".to_owned(),
        detail: describe(&error),
    };
    let file = TreePath::parse(".gitmodules").map_err(|error| failed(error.into()))?;
    // A link at this place has been used for attacks on Git, and nobody needs one.
    if !matches!(tree.entry(&file).map_err(failed)?, Some(Entry::File { .. })) {
        return Ok(Vec::new());
    }
    let content = tree.read(&file, MAX_BYTES).map_err(failed)?;
    let mut found = Vec::new();
    for declaration in parse(&String::from_utf8_lossy(&content)) {
        let (Some(path), Some(url)) = (declaration.path, declaration.url) else {
            continue;
        };
        let path = TreePath::parse(&path).map_err(|error| failed(error.into()))?;
        if let Some(commit) = tree.submodule_commit(&path).map_err(failed)? {
            found.push((path, url, commit));
        }
    }
    if found.len() > MAX_COUNT {
        let problem = format!("it has {} submodules, more than {MAX_COUNT}", found.len());
        return Err(Error::Configuration { url: remote.url.to_string(), problem });
    }
    Ok(found)
}

/// Reads the sections of a file in the format of git-config(1), as far as `.gitmodules` uses it.
fn parse(text: &str) -> Vec<Declaration> {
    let mut sections: Vec<Declaration> = Vec::new();
    let mut in_submodule = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_submodule = line.to_ascii_lowercase().starts_with("[submodule ");
            if in_submodule {
                sections.push(Declaration::default());
            }
            continue;
        }
        let (true, Some((key, value))) = (in_submodule, line.split_once('=')) else {
            continue;
        };
        let Some(section) = sections.last_mut() else {
            continue;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "path" => section.path = Some(parse_value(value)),
            "url" => section.url = Some(parse_value(value)),
            _ => {}
        }
    }
    sections
}

/// A value: quotes are taken off, `\` escapes, a comment ends it.
fn parse_value(text: &str) -> String {
    let mut value = String::new();
    let mut quoted = false;
    let mut characters = text.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => value.extend(characters.next()),
            '#' | ';' if !quoted => break,
            other => value.push(other),
        }
    }
    if quoted { value } else { value.trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitmodules() {
        let text = "# comment\n[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git # here\n\tbranch = main\n\
                    [other]\n path = x\n[submodule \"b\"]\nurl=\"https://h/b;c\"\nPath = \"a \\\"b\\\"\"\n[Submodule \"c\"]\n";
        let declaration =
            |path: &str, url: &str| Declaration { path: Some(path.into()), url: Some(url.into()) };
        let expected = [
            declaration("vendor/lib", "../lib.git"),
            declaration("a \"b\"", "https://h/b;c"),
            Declaration::default(),
        ];
        assert_eq!(parse(text), expected);
        assert_eq!(parse("path = x"), []);
    }
}
