//! What one Application wants of one repository.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tiphys_tree::TreePath;
use tokio::sync::watch;

use crate::error::{Result, describe};
use crate::git_tree::GitTree;
use crate::mirror::{Answer, Mirror};
use crate::wire::Revert;
use crate::{
    CommitId, Error, Mirrors, Proposal, Proposed, Remote, RemoteKey, Revision, RevisionSpec, Status,
    submodules,
};

/// The interest in one specification of one repository. Dropping it ends the interest; when nobody has any in a
/// repository, its server is not asked any more.
pub struct Tracked {
    mirrors: Mirrors,
    mirror: Arc<Mirror>,
    spec: RevisionSpec,
    answer: watch::Sender<Answer>,
}

impl Tracked {
    pub(crate) fn new(mirrors: Mirrors, mirror: Arc<Mirror>, spec: RevisionSpec) -> Self {
        let answer = mirror.want(&spec);
        Self { mirrors, mirror, spec, answer }
    }

    /// The key of the repository.
    pub fn key(&self) -> RemoteKey {
        self.mirror.key
    }

    /// The repository.
    pub fn remote(&self) -> &Remote {
        &self.mirror.remote
    }

    /// What is tracked.
    pub fn spec(&self) -> &RevisionSpec {
        &self.spec
    }

    /// What is known now, without waiting: nothing yet, a revision, or why there is none.
    pub fn known(&self) -> Option<Result<Revision>> {
        self.answer.borrow().clone()
    }

    /// What the specification means, as last seen. Waits only for the very first answer of the server.
    ///
    /// A server that cannot be reached does not take away a revision that was seen; [`Tracked::status`] tells of it.
    /// A branch that was deleted does.
    pub async fn resolve(&self) -> Result<Revision> {
        let mut answers = self.answer.subscribe();
        match answers.wait_for(Option::is_some).await.map(|it| it.clone()) {
            Ok(Some(answer)) => answer,
            // Both cannot be: we hold the sender, and waited for a value.
            Ok(None) | Err(_) => {
                self.mirror.refresh().await.and(Err(Error::Empty { url: self.remote().url.to_string() }))
            }
        }
    }

    /// Asks the server now. Everybody who asks at the same time is answered by the same look.
    pub async fn refresh(&self) -> Result<Revision> {
        self.mirror.refresh().await?;
        self.resolve().await
    }

    /// Pushes a proposal for the branch that is tracked, which itself gets nothing. It is made for what the branch holds
    /// now.
    pub async fn propose(&self, proposal: Proposal) -> Result<Proposed> {
        self.mirror.propose(Revert { tracked: self.spec.clone(), proposal }).await
    }

    /// Every answer that differs from the one before, beginning with the one that is known now.
    pub fn subscribe(&self) -> watch::Receiver<Option<Result<Revision>>> {
        self.answer.subscribe()
    }

    /// How it stands with the repository.
    pub fn status(&self) -> Status {
        self.mirror.status.borrow().clone()
    }

    /// The files of a revision of this repository, which is fetched if it is not there.
    pub async fn tree(&self, revision: &Revision) -> Result<Arc<GitTree>> {
        let commit = revision.commit();
        if let Some(tree) = self.mirror.tree_in_use(commit) {
            return Ok(tree);
        }
        let tree = self.tree_at(revision.clone(), TreePath::root(), 0).await?;
        self.mirror.share(commit, &tree);
        Ok(tree)
    }

    /// The files of a revision that will be shown as lying at `place`, which is inside `depth` other repositories.
    pub(crate) fn tree_at(
        &self,
        revision: Revision,
        place: TreePath,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<GitTree>>> + Send + '_>> {
        Box::pin(async move {
            let commit = revision.commit();
            let mut tree = self.open(commit, &place).await?;
            if tree.is_none() {
                let spec = RevisionSpec::Commit(commit);
                let fetched = self.mirrors.track(self.remote(), &spec)?;
                fetched.refresh().await?;
                tree = self.open(commit, &place).await?;
            }
            let url = || self.remote().url.to_string();
            let mut tree = tree.ok_or_else(|| Error::Mirror {
                url: url(),
                detail: format!("commit {commit} is not where it was put"),
            })?;
            submodules::mount_all(&self.mirrors, self.remote(), &mut tree, &place, depth).await?;
            Ok(Arc::new(tree))
        })
    }

    async fn open(&self, commit: CommitId, place: &TreePath) -> Result<Option<GitTree>> {
        let (directory, place) = (self.mirror.directory.clone(), place.clone());
        let in_use = self.mirror.usage.begin(commit);
        let url = self.remote().url.to_string();
        let opened =
            tokio::task::spawn_blocking(move || GitTree::open(&directory, commit, place, in_use)).await;
        match opened {
            Ok(Ok(tree)) => Ok(tree),
            Ok(Err(error)) => Err(Error::Mirror { url, detail: describe(&error) }),
            Err(error) => Err(Error::Mirror { url, detail: error.to_string() }),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.mirror.release(&self.spec);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked")
            .field("url", &self.remote().url)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
