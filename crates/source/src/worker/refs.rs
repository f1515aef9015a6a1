//! The branches and tags of a server, and what is meant by a name.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use git2::{Oid, RemoteHead};
use sha2::{Digest, Sha256};

use crate::range::{VersionRange, version_of_tag};
use crate::{CommitId, Error, Revision, RevisionSpec};

/// Branches and tags together that are looked at. What is over it is not a repository of deployments.
const MAX_REFS: usize = 200_000;

/// What the server listed.
#[derive(Debug, Default)]
pub(super) struct Refs {
    /// Where HEAD points: the id, and the name of its branch if the server tells it.
    head: Option<(Oid, Option<String>)>,
    branches: BTreeMap<String, Oid>,
    /// Tags with the id that they lead to in the end.
    tags: BTreeMap<String, Oid>,
}

/// What a name means: the revision, and the name under which the server hands it out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) revision: Revision,
    /// The full name of the reference; `None` for a commit that no reference points at.
    pub(super) reference: Option<String>,
}

impl Refs {
    pub(super) fn read(heads: &[RemoteHead<'_>], url: &str) -> Result<Self, Error> {
        let mut refs = Self::default();
        for head in heads {
            // git2 panics on a name that is not UTF-8, which Git allows. Such a name cannot be asked for here.
            let Ok(name) = catch_unwind(AssertUnwindSafe(|| head.name().to_owned())) else {
                continue;
            };
            refs.add(&name, head.oid(), || head.symref_target().map(str::to_owned));
            if refs.branches.len() + refs.tags.len() > MAX_REFS {
                return Err(Error::TooManyRefs { url: url.to_owned(), limit: MAX_REFS });
            }
        }
        Ok(refs)
    }

    fn add(&mut self, name: &str, oid: Oid, target: impl FnOnce() -> Option<String>) {
        if name == "HEAD" {
            let target = target().and_then(|it| it.strip_prefix("refs/heads/").map(str::to_owned));
            self.head = Some((oid, target));
        } else if let Some(branch) = name.strip_prefix("refs/heads/") {
            self.branches.insert(branch.to_owned(), oid);
        } else if let Some(tag) = name.strip_prefix("refs/tags/") {
            match tag.strip_suffix("^{}") {
                // What an annotated tag leads to comes after the tag itself.
                Some(tag) => self.tags.insert(tag.to_owned(), oid),
                None => self.tags.insert(tag.to_owned(), oid),
            };
        }
    }

    /// A hash over all names and ids: equal as long as nothing was pushed.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (kind, refs) in [("branch", &self.branches), ("tag", &self.tags)] {
            for (name, oid) in refs {
                hash.update(format!("{kind} {name}\0{oid}\n"));
            }
        }
        hash.update(format!("{:?}", self.head));
        STANDARD_NO_PAD.encode(hash.finalize())
    }

    /// The commit of a branch, if there is such a branch.
    pub(super) fn branch_at(&self, name: &str) -> Option<CommitId> {
        CommitId::from_oid(*self.branches.get(name)?)
    }

    /// Finds what a specification means now. Says nothing about whether the commit can be had.
    pub(super) fn resolve(&self, spec: &RevisionSpec, url: &str) -> Result<Resolved, Error> {
        if self.branches.is_empty() && self.tags.is_empty() && self.head.is_none() {
            return Err(Error::Empty { url: url.to_owned() });
        }
        let found = match spec {
            RevisionSpec::Default => self.default_branch(),
            RevisionSpec::Branch(name) => self.branch(name),
            RevisionSpec::Tag(name) => self.tag(name),
            RevisionSpec::Commit(commit) => Some(self.commit(*commit)),
            RevisionSpec::Range(range) => self.highest(range),
            RevisionSpec::Name(name) => self.branch(name).or_else(|| self.tag(name)).or_else(|| {
                let range: VersionRange = name.parse().ok()?;
                self.highest(&range)
            }),
        };
        found.ok_or_else(|| Error::RevisionNotFound {
            url: url.to_owned(),
            revision: match spec {
                RevisionSpec::Name(name) => format!("branch, tag or version {name:?}"),
                other => other.to_string(),
            },
            hint: self.hint(spec),
        })
    }

    fn default_branch(&self) -> Option<Resolved> {
        let (oid, target) = self.head.as_ref()?;
        if let Some(found) = target.as_ref().and_then(|branch| self.branch(branch)) {
            return Some(found);
        }
        let revision = Revision::named("HEAD", CommitId::from_oid(*oid)?);
        Some(Resolved { revision, reference: Some("HEAD".to_owned()) })
    }

    fn branch(&self, name: &str) -> Option<Resolved> {
        let commit = CommitId::from_oid(*self.branches.get(name)?)?;
        Some(Resolved {
            revision: Revision::named(name, commit),
            reference: Some(format!("refs/heads/{name}")),
        })
    }

    fn tag(&self, name: &str) -> Option<Resolved> {
        let commit = CommitId::from_oid(*self.tags.get(name)?)?;
        Some(Resolved {
            revision: Revision::named(name, commit),
            reference: Some(format!("refs/tags/{name}")),
        })
    }

    fn highest(&self, range: &VersionRange) -> Option<Resolved> {
        let versions = self.tags.keys().filter_map(|tag| version_of_tag(tag).map(|version| (version, tag)));
        let (_, tag) = versions.filter(|(version, _)| range.contains(version)).max()?;
        self.tag(tag)
    }

    fn commit(&self, commit: CommitId) -> Resolved {
        let points_here = |oid: &Oid| CommitId::from_oid(*oid) == Some(commit);
        let branch = self
            .branches
            .iter()
            .find(|(_, oid)| points_here(oid))
            .map(|(name, _)| format!("refs/heads/{name}"));
        let tag = || {
            self.tags.iter().find(|(_, oid)| points_here(oid)).map(|(name, _)| format!("refs/tags/{name}"))
        };
        Resolved { revision: Revision::of_commit(commit), reference: branch.or_else(tag) }
    }

    fn hint(&self, spec: &RevisionSpec) -> String {
        match spec {
            RevisionSpec::Range(_) if self.tags.is_empty() => "it has no tags at all".to_owned(),
            RevisionSpec::Range(range) => {
                format!("none of its {} tags is a version in {:?}", self.tags.len(), range.as_str())
            }
            RevisionSpec::Name(name)
                if (7..40).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_hexdigit()) =>
            {
                "if this is a shortened commit, give all of its 40 digits".to_owned()
            }
            _ => match self.default_branch().and_then(|it| it.revision.name().map(str::to_owned)) {
                Some(default) => format!("push it, or name another one (its main branch is {default:?})"),
                None => "push it, or name another one".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(lines: &[(&str, u8)]) -> Refs {
        let mut refs = Refs::default();
        for (name, byte) in lines {
            let target = || (*name == "HEAD").then(|| "refs/heads/main".to_owned());
            refs.add(name, Oid::from_bytes(&[*byte; 20]).unwrap(), target);
        }
        refs
    }

    fn found(refs: &Refs, text: &str) -> String {
        match refs.resolve(&RevisionSpec::parse(text), "https://h/r") {
            Ok(resolved) => {
                let digits = &resolved.revision.commit().to_string()[..2];
                format!(
                    "{}@{digits} {}",
                    resolved.revision.name().unwrap_or("-"),
                    resolved.reference.as_deref().unwrap_or("-")
                )
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_are_looked_up() {
        let refs = refs(&[
            ("HEAD", 1),
            ("refs/heads/main", 1),
            ("refs/heads/1.x", 2),
            ("refs/heads/feature/a@b", 3),
            ("refs/heads/both", 4),
            ("refs/tags/both", 5),
            ("refs/tags/v1.0.0", 6),
            ("refs/tags/v1.2.0", 7),
            ("refs/tags/v1.2.0^{}", 8),
            ("refs/tags/2.0.0-rc.1", 9),
            ("refs/tags/v2.1", 10),
            ("refs/tags/not-a-version", 11),
            ("refs/pull/1/head", 12),
        ]);
        let commit_8 = "08".repeat(20);
        let commit_15 = "15".repeat(20);
        for (text, expected) in [
            ("", "main@01 refs/heads/main"),
            ("HEAD", "main@01 refs/heads/main"),
            ("main", "main@01 refs/heads/main"),
            ("refs/heads/main", "main@01 refs/heads/main"),
            ("feature/a@b", "feature/a@b@03 refs/heads/feature/a@b"),
            ("both", "both@04 refs/heads/both"),
            ("refs/tags/both", "both@05 refs/tags/both"),
            ("v1.2.0", "v1.2.0@08 refs/tags/v1.2.0"),
            // A branch wins over a range of the same form, which can be forced.
            ("1.x", "1.x@02 refs/heads/1.x"),
            ("semver:1.x", "v1.2.0@08 refs/tags/v1.2.0"),
            ("~1.0", "v1.0.0@06 refs/tags/v1.0.0"),
            (">=1.0", "v2.1@0a refs/tags/v2.1"),
            ("2.0.0-rc.1", "2.0.0-rc.1@09 refs/tags/2.0.0-rc.1"),
            (">=2.0.0-0 <2.1", "2.0.0-rc.1@09 refs/tags/2.0.0-rc.1"),
            (commit_8.as_str(), "-@08 refs/tags/v1.2.0"),
            (commit_15.as_str(), "-@15 -"),
            (
                "nope",
                "https://h/r has no branch, tag or version \"nope\"; push it, or name another one (its main branch is \"main\")",
            ),
            (
                "semver:>3",
                "https://h/r has no version range \">3\"; none of its 6 tags is a version in \">3\"",
            ),
            (
                "0123abcd",
                "https://h/r has no branch, tag or version \"0123abcd\"; if this is a shortened commit, give all of its 40 digits",
            ),
        ] {
            assert_eq!(found(&refs, text), expected, "{text}");
        }
    }

    #[test]
    fn special_repositories() {
        assert_eq!(found(&refs(&[]), ""), "https://h/r is empty; push a first commit");
        // HEAD points at a branch that does not exist.
        assert!(found(&refs(&[("refs/heads/dev", 1)]), "").contains("has no HEAD"));
        let mut detached = Refs::default();
        detached.add("HEAD", Oid::from_bytes(&[7; 20]).unwrap(), || None);
        assert_eq!(found(&detached, ""), "HEAD@07 HEAD");
    }

    #[test]
    fn the_digest_changes_with_every_push_only() {
        let one = refs(&[("refs/heads/main", 1), ("refs/tags/a", 2), ("refs/pull/1/head", 3)]);
        let same = refs(&[("refs/tags/a", 2), ("refs/pull/1/head", 4), ("refs/heads/main", 1)]);
        assert_eq!(one.digest(), same.digest());
        for other in [
            [("refs/heads/main", 2), ("refs/tags/a", 2)],
            [("refs/heads/main", 1), ("refs/heads/a", 2)],
            [("refs/heads/main", 1), ("refs/tags/b", 2)],
        ] {
            assert_ne!(one.digest(), refs(&other).digest());
        }
    }
}
