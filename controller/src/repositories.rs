//! Which repositories there are, and how each is reached: Repository objects with their Secrets, as remotes.
//!
//! A plain index, fed by watch events. Secrets are read when a Repository appears or changes, and again when its
//! server refuses the credentials; they are not watched, so an unchanged repository costs no API call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use parking_lot::RwLock;
use tiphys_api::{RepositorySpec, RepositoryStatus};
use tiphys_source::{Credentials, Remote, RemoteUrl, Secret as SecretText, Submodules, Transport};

use crate::records::in_time;
use crate::webhook::repository_name;

/// A Repository: namespace and name.
pub type RepositoryKey = (String, String);

/// A Repository as it is known.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// What it asks for.
    pub spec: RepositorySpec,
    /// How it is reached, or why it cannot be.
    pub remote: Result<Arc<Remote>, String>,
    /// When somebody last asked for a look at it.
    pub refresh_requested: Option<String>,
    /// The status as it was last written or read.
    pub status: RepositoryStatus,
}

/// What a source's `repo` leads to.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A repository that can be asked.
    Found {
        /// How it is reached.
        remote: Arc<Remote>,
        /// The Repository behind it, if there is one.
        repository: Option<RepositoryKey>,
    },
    /// Nothing that can be asked; a sentence says why and what to do.
    Unusable(String),
}

/// All Repositories by namespace and name.
#[derive(Debug, Default)]
pub struct Repositories {
    entries: RwLock<HashMap<RepositoryKey, Entry>>,
}

impl Repositories {
    /// Takes in a Repository.
    pub fn insert(&self, key: RepositoryKey, entry: Entry) {
        self.entries.write().insert(key, entry);
    }

    /// Takes out a Repository.
    pub fn remove(&self, key: &RepositoryKey) {
        self.entries.write().remove(key);
    }

    /// What is known of a Repository.
    pub fn get(&self, key: &RepositoryKey) -> Option<Entry> {
        self.entries.read().get(key).cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<(RepositoryKey, Entry)> {
        self.entries.read().iter().map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    /// Notes how a Repository is reached from now on.
    pub fn note_remote(&self, key: &RepositoryKey, remote: Result<Arc<Remote>, String>) {
        if let Some(entry) = self.entries.write().get_mut(key) {
            entry.remote = remote;
        }
    }

    /// Notes that a look at a Repository is asked for.
    pub fn note_request(&self, key: &RepositoryKey, at: &str) {
        if let Some(entry) = self.entries.write().get_mut(key) {
            entry.refresh_requested = Some(at.to_owned());
        }
    }

    /// Notes a status that was written.
    pub fn note_status(&self, key: &RepositoryKey, status: RepositoryStatus) {
        if let Some(entry) = self.entries.write().get_mut(key) {
            entry.status = status;
        }
    }

    /// What `repo` of a source in `namespace` leads to: a Repository of that namespace, by name or by URL, or an
    /// address that can be asked without credentials.
    pub fn lookup(&self, namespace: &str, repo: &str) -> Lookup {
        let entries = self.entries.read();
        match entry_of(&entries, namespace, repo) {
            Some((key, entry)) => match &entry.remote {
                Ok(remote) => Lookup::Found { remote: Arc::clone(remote), repository: Some(key) },
                Err(problem) => Lookup::Unusable(format!("Repository {}: {problem}", key.1)),
            },
            None if is_name(repo) => Lookup::Unusable(format!(
                "there is no Repository {repo} in namespace {namespace}: create it, or write the URL into spec.source.repo"
            )),
            None => anonymous(repo),
        }
    }

    /// The Repository that `repo` of a source in `namespace` names, usable or not.
    pub fn find(&self, namespace: &str, repo: &str) -> Option<RepositoryKey> {
        entry_of(&self.entries.read(), namespace, repo).map(|(key, _)| key)
    }

    /// The Repositories whose address names the same repository as one of `urls`.
    pub fn by_address(&self, urls: &[String]) -> Vec<(RepositoryKey, Entry)> {
        let names: Vec<_> = urls.iter().filter_map(|it| repository_name(it)).collect();
        let entries = self.entries.read();
        let fits = |entry: &Entry| repository_name(&entry.spec.url).is_some_and(|it| names.contains(&it));
        entries.iter().filter(|(_, it)| fits(it)).map(|(key, it)| (key.clone(), it.clone())).collect()
    }
}

/// Whether `repo` of a source is the name of a Repository, and not an address.
fn is_name(repo: &str) -> bool {
    !repo.contains("://") && !repo.contains(':') && !repo.contains('/')
}

/// The Repository that `repo` of a source in `namespace` names.
fn entry_of<'a>(
    entries: &'a HashMap<RepositoryKey, Entry>,
    namespace: &str,
    repo: &str,
) -> Option<(RepositoryKey, &'a Entry)> {
    if is_name(repo) {
        let key = (namespace.to_owned(), repo.to_owned());
        return entries.get(&key).map(|entry| (key, entry));
    }
    let wanted = repository_name(repo)?;
    let mut fitting: Vec<_> = entries
        .iter()
        .filter(|(key, entry)| {
            key.0 == namespace && repository_name(&entry.spec.url).as_ref() == Some(&wanted)
        })
        .collect();
    // The same address may be there twice, with https and with ssh: the form that was written wins.
    fitting.sort_by_key(|(key, entry)| (entry.spec.url != repo, key.1.clone()));
    fitting.first().map(|(key, entry)| ((*key).clone(), *entry))
}

fn anonymous(repo: &str) -> Lookup {
    let remote = RemoteUrl::parse(repo).map_err(|error| error.to_string()).and_then(|url| {
        let remote = Remote::new(url);
        remote.validate().map_err(|error| error.to_string())?;
        Ok(remote)
    });
    match remote {
        Ok(remote) => Lookup::Found { remote: Arc::new(remote), repository: None },
        Err(problem) => Lookup::Unusable(format!("spec.source.repo: {problem}")),
    }
}

/// Reads the Secret of a Repository and makes the remote. The error is a sentence for its status.
pub async fn remote_of(
    client: &Client,
    namespace: &str,
    spec: &RepositorySpec,
) -> Result<Arc<Remote>, String> {
    let secret = match &spec.secret_ref {
        None => None,
        Some(reference) => Some(read_secret(client, namespace, &reference.name).await?),
    };
    let remote = assemble(spec, secret.as_ref())?;
    remote.validate().map_err(|error| error.to_string())?;
    Ok(Arc::new(remote))
}

/// Reads one key of a Secret, as bytes.
pub async fn read_key(client: &Client, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, String> {
    let secret = read_secret(client, namespace, name).await?;
    let value = secret.data.and_then(|mut data| data.remove(key));
    value.map(|it| it.0).ok_or_else(|| format!("Secret {name} has no key {key}"))
}

async fn read_secret(client: &Client, namespace: &str, name: &str) -> Result<Secret, String> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    match in_time(secrets.get_opt(name)).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(format!("Secret {name} does not exist in namespace {namespace}: create it")),
        Err(error) => Err(format!("Secret {name} cannot be read: {error}")),
    }
}

fn assemble(spec: &RepositorySpec, secret: Option<&Secret>) -> Result<Remote, String> {
    let url = RemoteUrl::parse(&spec.url).map_err(|error| format!("spec.url: {error}"))?;
    let text = |key: &str| -> Result<Option<String>, String> {
        let bytes = secret.and_then(|it| it.data.as_ref()).and_then(|it| it.get(key));
        let text = bytes.map(|it| String::from_utf8(it.0.clone()));
        text.transpose().map_err(|_| format!("key {key} of its Secret is not text"))
    };
    let credentials = if let Some(private_key) = text("sshPrivateKey")? {
        let passphrase = text("sshPassphrase")?.map(SecretText::new);
        Credentials::SshKey { private_key: SecretText::new(private_key), passphrase }
    } else if let Some(token) = text("bearerToken")? {
        Credentials::Bearer { token: SecretText::new(token.trim_end()) }
    } else if let Some(password) = text("password")? {
        let username = text("username")?.unwrap_or_default();
        Credentials::Basic {
            username: username.trim_end().to_owned(),
            password: SecretText::new(password.trim_end()),
        }
    } else {
        Credentials::Anonymous
    };
    Ok(Remote {
        credentials,
        transport: if spec.insecure { Transport::Insecure } else { Transport::Encrypted },
        known_hosts: text("knownHosts")?,
        certificate_authority: text("ca.crt")?,
        submodules: if spec.submodules { Submodules::Fetch } else { Submodules::Refuse },
        max_bytes: u64::from(spec.limits.repository_mib) << 20,
        interval: spec.interval.get().max(Duration::from_secs(1)),
        timeout: spec.timeout.get(),
        ..Remote::new(url)
    })
}
