//! What is said, whatever the destination.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tiphys_api::{Application, Phase, StatusProvider, Sync};

use crate::{MAX_TEXT, hex, shorten};

/// Everything that a destination may be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The same for every attempt at the same delivery, so that a receiver knows one that it has seen.
    pub id: String,
    /// The Notification.
    pub notification: Subject,
    /// The Application.
    pub application: Subject,
    /// Its Project.
    pub project: String,
    /// The Sync.
    pub sync: SyncFacts,
    /// The address of the repository.
    #[serde(skip)]
    pub repository: String,
    /// What is said, for people.
    pub text: String,
}

/// Names an object of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What is told of a Sync.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncFacts {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: Option<u64>,
    /// The phase that it reached.
    pub phase: Phase,
    /// What it applies.
    pub revision: Option<String>,
    /// The commit of it.
    pub commit: Option<String>,
    /// What made it start.
    pub trigger: &'static str,
    /// Who asked for it.
    pub by: Option<String>,
    /// When it started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// What it says of itself.
    pub message: Option<String>,
}

impl Message {
    /// What is to be said of a Sync in a phase, in the words of a template if there are any.
    pub fn new(
        (notification, uid): (Subject, &str),
        application: &Application,
        repository: String,
        sync: &Sync,
        phase: Phase,
        words: Option<String>,
    ) -> Self {
        let status = sync.status.clone().unwrap_or_default();
        let subject = Subject {
            namespace: application.metadata.namespace.clone().unwrap_or_default(),
            name: application.metadata.name.clone().unwrap_or_default(),
        };
        let name = sync.metadata.name.clone().unwrap_or_default();
        let ended = matches!(phase, Phase::Succeeded | Phase::Failed | Phase::Superseded);
        let message = status.message.filter(|_| ended || status.phase == phase);
        let text = words.unwrap_or_else(|| sentence(&subject, &name, phase, message.as_deref()));
        Self {
            id: delivery_id(uid, sync.metadata.uid.as_deref().unwrap_or_default(), phase),
            notification,
            project: application.spec.project.clone(),
            application: subject,
            sync: SyncFacts {
                name,
                number: status.number,
                phase,
                commit: status.revision.as_deref().and_then(commit_of).map(str::to_owned),
                revision: status.revision,
                trigger: sync.spec.initiated_by.trigger.as_str(),
                by: status.by,
                started_at: status.started_at,
                finished_at: status.finished_at.filter(|_| ended),
                message,
            },
            repository,
            text,
        }
    }

    /// In a few words: the subject of a mail.
    pub fn title(&self) -> String {
        let Subject { namespace, name } = &self.application;
        format!("{namespace}/{name}: {} {}", self.sync.name, verb(self.sync.phase))
    }
}

/// Identifies one delivery: the same Notification, Sync and phase give the same one, also after a restart.
pub fn delivery_id(notification_uid: &str, sync_uid: &str, phase: Phase) -> String {
    let digest = Sha256::digest(format!("{notification_uid}/{sync_uid}/{}", phase.as_str()));
    hex(&digest[..16])
}

fn sentence(application: &Subject, sync: &str, phase: Phase, message: Option<&str>) -> String {
    let Subject { namespace, name } = application;
    let message = message.map(|it| format!(": {it}")).unwrap_or_default();
    shorten(&format!("{namespace}/{name}: {sync} {}{message}", verb(phase)), MAX_TEXT)
}

/// What a Sync does that is in this phase.
pub(crate) fn verb(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "waits for its turn",
        Phase::Running => "runs",
        Phase::Waiting => "is applied and waits for health",
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Superseded => "was superseded",
    }
}

/// The commit in a revision such as `main@sha1:0123…`.
pub fn commit_of(revision: &str) -> Option<&str> {
    let commit = revision.strip_prefix("sha1:").or_else(|| revision.rsplit_once("@sha1:").map(|it| it.1))?;
    let is_commit = commit.len() >= 7 && commit.bytes().all(|it| it.is_ascii_hexdigit());
    is_commit.then_some(commit)
}

/// The repository at the address of a source, as the API of a forge names it.
pub fn repository_of(provider: StatusProvider, address: &str) -> Option<String> {
    let rest = match address.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        // user@host:path
        None => address.replacen(':', "/", 1),
    };
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?.split(':').next()?.to_lowercase();
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let parts: Vec<_> = decoded.split('/').filter(|it| !it.is_empty()).collect();
    let parts: Vec<&str> = match provider {
        StatusProvider::GitLab => parts,
        StatusProvider::BitbucketServer => {
            // With http the repositories lie below `scm`, and that may lie deeper.
            let scm = parts.iter().position(|it| *it == "scm").map_or(0, |it| it + 1);
            parts.get(scm..)?.to_vec()
        }
        StatusProvider::AzureDevOps => azure(&host, &parts)?,
        StatusProvider::GitHub | StatusProvider::Gitea | StatusProvider::BitbucketCloud => {
            // A forge may lie below a path of its host.
            parts.get(parts.len().checked_sub(2)?..)?.to_vec()
        }
    };
    (parts.len() >= 2).then(|| parts.join("/"))
}

/// Project and repository in an address of Azure DevOps.
fn azure<'a>(host: &str, parts: &[&'a str]) -> Option<Vec<&'a str>> {
    if let ["v3", _, project, repository] = parts {
        return Some(vec![*project, *repository]);
    }
    let git = parts.iter().position(|it| *it == "_git")?;
    let repository = *parts.get(git + 1)?;
    // The organisation comes first, but for the old hosts, of which it is a part.
    let first = usize::from(!host.ends_with(".visualstudio.com"));
    // A repository of the name of its project is addressed without it.
    let project = if git > first { *parts.get(git - 1)? } else { repository };
    Some(vec![project, repository])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_found_in_revisions() {
        for (revision, commit) in [
            ("main@sha1:0123456789abcdef", Some("0123456789abcdef")),
            ("odd@name@sha1:0123456789abcdef", Some("0123456789abcdef")),
            ("sha1:0123456789abcdef", Some("0123456789abcdef")),
            ("main", None),
            ("main@sha1:../../evil", None),
            ("1.2.3", None),
        ] {
            assert_eq!(commit_of(revision), commit, "{revision}");
        }
    }

    #[test]
    fn repositories_are_found_in_addresses() {
        use StatusProvider as P;
        for (provider, address, repository) in [
            (P::GitHub, "https://github.com/acme/deploy.git", Some("acme/deploy")),
            (P::GitHub, "git@github.com:acme/deploy.git", Some("acme/deploy")),
            (P::GitHub, "ssh://git@github.com:22/acme/deploy", Some("acme/deploy")),
            (P::GitHub, "https://github.com/deploy", None),
            (P::GitHub, "nonsense", None),
            (P::Gitea, "https://example.com/git/acme/deploy.git", Some("acme/deploy")),
            (P::GitLab, "https://gitlab.com/acme/team/deploy.git", Some("acme/team/deploy")),
            (P::BitbucketCloud, "https://robot@bitbucket.org/acme/deploy.git", Some("acme/deploy")),
            (P::BitbucketServer, "https://bb.example.com/scm/ACME/deploy.git", Some("ACME/deploy")),
            (P::BitbucketServer, "https://example.com/bb/scm/~ann/deploy.git", Some("~ann/deploy")),
            (P::BitbucketServer, "ssh://git@bb.example.com:7999/ACME/deploy.git", Some("ACME/deploy")),
            (P::AzureDevOps, "https://acme@dev.azure.com/acme/My%20Shop/_git/deploy", Some("My Shop/deploy")),
            (P::AzureDevOps, "https://dev.azure.com/acme/_git/shop", Some("shop/shop")),
            (P::AzureDevOps, "https://acme.visualstudio.com/shop/_git/deploy", Some("shop/deploy")),
            (P::AzureDevOps, "https://acme.visualstudio.com/_git/shop", Some("shop/shop")),
            (P::AzureDevOps, "git@ssh.dev.azure.com:v3/acme/shop/deploy", Some("shop/deploy")),
            (P::AzureDevOps, "https://dev.azure.com/acme", None),
        ] {
            assert_eq!(repository_of(provider, address).as_deref(), repository, "{provider:?} {address}");
        }
    }
}
