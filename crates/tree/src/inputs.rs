//! The record of what was consulted.

use std::collections::BTreeMap;

use crate::{Digest, Entry, EntryKind, Result, Tree, TreePath};

/// Everything that a [`View`](crate::View) was asked, and what the tree answered.
///
/// Two trees in which all recorded questions have the same answers give a deterministic reader the same result.
/// Absence is an answer too: a value file that is optional and missing makes its own appearance an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    answers: BTreeMap<(TreePath, Question), Option<Digest>>,
}

/// What was asked about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// The content: of a file or link, or of a directory with everything below it.
    Content,
    /// The names and kinds of the entries of a directory, not what they contain.
    Listing,
    /// Only whether it is a directory.
    IsDirectory,
}

impl Inputs {
    /// Whether a reader of `tree` would be given the same answers. No file is read for this.
    pub fn unchanged_in(&self, tree: &dyn Tree) -> Result<bool> {
        for ((path, question), known) in &self.answers {
            if ask(tree, path, *question)? != *known || (known.is_none() && passes_a_link(tree, path)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One digest over all questions and answers: equal for equal inputs, whatever the order they were asked in.
    pub fn digest(&self) -> Digest {
        let questions: Vec<_> = self
            .answers
            .iter()
            .map(|((path, question), answer)| (format!("{question:?} {}", path.as_str()), *answer))
            .collect();
        Digest::of_children(
            EntryKind::Directory,
            questions.iter().map(|(key, answer)| (key.as_str(), *answer)),
        )
    }

    /// The paths that were consulted, sorted, each once. A walked directory stands for everything below it.
    pub fn paths(&self) -> impl Iterator<Item = &TreePath> {
        let mut previous = None;
        self.answers.keys().map(|(path, _)| path).filter(move |path| previous.replace(*path) != Some(*path))
    }

    /// The files and directories whose content was read, sorted. A walked directory stands for everything below it.
    pub fn contents(&self) -> impl Iterator<Item = &TreePath> {
        let read =
            |question: &Question, answer: &Option<Digest>| *question == Question::Content && answer.is_some();
        self.answers
            .iter()
            .filter(move |((_, question), answer)| read(question, answer))
            .map(|((path, _), _)| path)
    }

    /// Adds the answer to a question, unless a recorded directory already stands for it.
    pub(crate) fn record(&mut self, tree: &dyn Tree, path: &TreePath, question: Question) -> Result<()> {
        let key = (path.clone(), question);
        if self.answers.contains_key(&key) || self.covers(path, question) {
            return Ok(());
        }
        let answer = ask(tree, path, question)?;
        self.answers.insert(key, answer);
        Ok(())
    }

    fn covers(&self, path: &TreePath, question: Question) -> bool {
        let stands_for = |directory: TreePath| {
            let answer = self.answers.get(&(directory, Question::Content)).copied().flatten();
            answer.is_some_and(|digest| digest.kind() == EntryKind::Directory)
        };
        (question != Question::Content && stands_for(path.clone())) || path.ancestors().any(stands_for)
    }
}

fn ask(tree: &dyn Tree, path: &TreePath, question: Question) -> Result<Option<Digest>> {
    if question == Question::Content {
        return tree.digest(path);
    }
    if tree.entry(path)? != Some(Entry::Directory) {
        return Ok(None);
    }
    if question == Question::IsDirectory {
        return Ok(Some(Digest::of(EntryKind::Directory, b"")));
    }
    let names: Vec<_> =
        tree.list(path)?.into_iter().map(|entry| (entry.name, Some(Digest::of(entry.kind, b"")))).collect();
    let names = names.iter().map(|(name, kind)| (name.as_str(), *kind));
    Ok(Some(Digest::of_children(EntryKind::Directory, names)))
}

/// Nothing at a path can also mean that a directory on the way has become a link, which a view would follow.
fn passes_a_link(tree: &dyn Tree, path: &TreePath) -> Result<bool> {
    for ancestor in path.ancestors() {
        if matches!(tree.entry(&ancestor)?, Some(Entry::Symlink { .. })) {
            return Ok(true);
        }
    }
    Ok(false)
}
