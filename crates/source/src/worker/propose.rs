//! Makes the commit of a proposal and pushes it to a branch of its own.
//!
//! What is made is kept in memory: a mirror holds what the server has, and nothing else.

use git2::{Commit, ObjectType, Repository, Signature, Time, Tree};

use super::refs::{Refs, Resolved};
use super::session::push;
use super::{Failure, Fetches};
use crate::wire::Revert;
use crate::{CommitId, Error, Proposal, Proposed, Revision, RevisionSpec};

/// Who makes commits. Who asked for it is in the message.
const NAME: &str = "Tiphys";
const MAIL: &str = "noreply@tiphys.dev";

/// The mode of an entry that is a directory, and of one that is a link.
const DIRECTORY: i32 = 0o040_000;
const LINK: i32 = 0o120_000;

/// Before all that is on disk.
const IN_MEMORY: i32 = 1_000;

/// An entry of a tree: what it is, and its mode.
type Entry = (git2::Oid, i32);

/// Pushes a proposal, unless it is there already or not needed. What is against the rules is the inner error.
pub(super) fn propose(
    fetches: &mut Fetches<'_>,
    refs: &Refs,
    revert: &Revert,
) -> Result<Result<Proposed, Error>, Failure> {
    let proposal = &revert.proposal;
    let tracked = match tracked_branch(fetches, refs, revert) {
        Ok(tracked) => tracked,
        Err(error) => return Ok(Err(error)),
    };
    let base = match fetches.fetch(tracked)? {
        Ok(base) => base,
        Err(error) => return Ok(Err(error)),
    };
    let to = Resolved { revision: Revision::of_commit(proposal.to), reference: None };
    if let Err(error) = fetches.fetch(to)? {
        return Ok(Err(error));
    }
    if let Some(commit) = refs.branch_at(&proposal.branch) {
        return earlier(fetches, proposal, commit);
    }
    let repository = fetches.store.repository();
    let odb = repository.odb().map_err(|error| Failure::damaged(&error))?;
    odb.add_new_mempack_backend(IN_MEMORY).map_err(|error| Failure::local(&error))?;
    match make(repository, proposal, base.commit()).map_err(|error| Failure::damaged(&error))? {
        Made::Commit(commit) => {
            push(repository, fetches.request, fetches.chains, commit, &proposal.branch)?;
            Ok(Ok(Proposed::Pushed { commit }))
        }
        Made::Same => Ok(Ok(Proposed::Unneeded { at: base })),
        Made::Link(path) => Ok(Err(fetches.not_proposed(format!(
            "{path} is a link or lies behind one, and what it leads to is not taken back; change the files by hand"
        )))),
    }
}

/// The branch that is tracked, if the proposal may be made for it.
fn tracked_branch(fetches: &Fetches<'_>, refs: &Refs, revert: &Revert) -> Result<Resolved, Error> {
    let branch = &revert.proposal.branch;
    let reference = format!("refs/heads/{branch}");
    if !git2::Reference::is_valid_name(&reference) {
        return Err(fetches.not_proposed(format!(
            "{branch:?} is no name for a branch; change spec.proposals.branchPrefix of the Repository"
        )));
    }
    let tracked = refs.resolve(&revert.tracked, &fetches.request.url)?;
    match &tracked.reference {
        Some(name) if *name == reference => Err(fetches.not_proposed(format!(
            "{branch} is the branch that is deployed from; change spec.proposals.branchPrefix of the Repository"
        ))),
        Some(name) if name.starts_with("refs/heads/") && !matches!(revert.tracked, RevisionSpec::Commit(_)) => {
            Ok(tracked)
        }
        _ => Err(fetches.not_proposed(format!(
            "{} is no branch that a proposal could be merged into; change what is deployed by hand",
            revert.tracked
        ))),
    }
}

/// What a branch of the proposal's name means: one that an earlier try has pushed, or somebody else's.
fn earlier(
    fetches: &mut Fetches<'_>,
    proposal: &Proposal,
    commit: CommitId,
) -> Result<Result<Proposed, Error>, Failure> {
    let reference = Some(format!("refs/heads/{}", proposal.branch));
    let there = Resolved { revision: Revision::of_commit(commit), reference };
    if fetches.fetch(there)?.is_ok() {
        let oid = commit.to_oid().map_err(|error| Failure::local(&error))?;
        let found = fetches.store.repository().find_commit(oid).map_err(|error| Failure::damaged(&error))?;
        if is_ours(&found, proposal) {
            return Ok(Ok(Proposed::Pushed { commit }));
        }
    }
    Ok(Err(fetches.not_proposed(format!(
        "the branch {} exists already, at {commit}, and is left as it is; delete it, or merge it if it is what you want",
        proposal.branch
    ))))
}

/// Whether a commit is this proposal, for whatever the tracked branch held then.
fn is_ours(commit: &Commit<'_>, proposal: &Proposal) -> bool {
    commit.author().name().is_ok_and(|it| it == NAME)
        && commit.message().is_ok_and(|it| it == proposal.message)
        && commit.time().seconds() == proposal.date
}

/// What became of making a commit.
enum Made {
    Commit(CommitId),
    /// The files are as they were.
    Same,
    /// This path leads through a link.
    Link(String),
}

fn make(repository: &Repository, proposal: &Proposal, base: CommitId) -> Result<Made, git2::Error> {
    let base = repository.find_commit(base.to_oid()?)?;
    let earlier = repository.find_commit(proposal.to.to_oid()?)?.tree()?;
    let mut tree = base.tree()?;
    for path in &proposal.paths {
        let parts: Vec<_> = path.split('/').filter(|it| !it.is_empty() && *it != ".").collect();
        if leads_through_link(repository, &earlier, &parts)? || leads_through_link(repository, &tree, &parts)?
        {
            return Ok(Made::Link(path.clone()));
        }
        let id = if parts.is_empty() {
            earlier.id()
        } else {
            let wanted = entry(repository, &earlier, &parts)?;
            match with(repository, Some(&tree), &parts, wanted)? {
                Some(id) => id,
                None => repository.treebuilder(None)?.write()?,
            }
        };
        tree = repository.find_tree(id)?;
    }
    if tree.id() == base.tree_id() {
        return Ok(Made::Same);
    }
    let who = Signature::new(NAME, MAIL, &Time::new(proposal.date, 0))?;
    let commit = repository.commit(None, &who, &who, &proposal.message, &tree, &[&base])?;
    Ok(CommitId::from_oid(commit).map_or(Made::Same, Made::Commit))
}

/// What lies at a path.
fn entry(repository: &Repository, tree: &Tree<'_>, path: &[&str]) -> Result<Option<Entry>, git2::Error> {
    let Some((name, rest)) = path.split_first() else { return Ok(None) };
    match (tree.get_name(name), rest) {
        (Some(found), []) => Ok(Some((found.id(), found.filemode()))),
        (Some(found), rest) if found.kind() == Some(ObjectType::Tree) => {
            entry(repository, &repository.find_tree(found.id())?, rest)
        }
        (Some(_) | None, _) => Ok(None),
    }
}

fn leads_through_link(repository: &Repository, tree: &Tree<'_>, path: &[&str]) -> Result<bool, git2::Error> {
    for count in 1..=path.len() {
        let Some(part) = path.get(..count) else { continue };
        if entry(repository, tree, part)?.is_some_and(|(_, mode)| mode == LINK) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tree with another entry at a path; none when nothing is left of it.
fn with(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    path: &[&str],
    wanted: Option<Entry>,
) -> Result<Option<git2::Oid>, git2::Error> {
    let Some((name, rest)) = path.split_first() else {
        return Ok(tree.map(Tree::id));
    };
    let entry = if rest.is_empty() {
        wanted
    } else {
        let found = tree.and_then(|it| it.get_name(name)).filter(|it| it.kind() == Some(ObjectType::Tree));
        let below = found.map(|it| repository.find_tree(it.id())).transpose()?;
        if below.is_none() && wanted.is_none() {
            // It is not there, and should not be.
            return Ok(tree.map(Tree::id));
        }
        with(repository, below.as_ref(), rest, wanted)?.map(|id| (id, DIRECTORY))
    };
    let mut builder = repository.treebuilder(tree)?;
    match entry {
        Some((id, mode)) => drop(builder.insert(*name, id, mode)?),
        None if builder.get(*name)?.is_some() => builder.remove(*name)?,
        None => {}
    }
    if builder.is_empty() { Ok(None) } else { builder.write().map(Some) }
}
