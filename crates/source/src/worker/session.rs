//! One connection to a Git server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use git2::{
    AutotagOption, CertificateCheckStatus, Cred, CredentialType, FetchOptions, PushOptions, RemoteCallbacks,
    RemoteHead, RemoteRedirect, Repository,
};

use git2::cert::Cert;

use super::failure::harmless;
use super::{Authority, Chains, Failure};
use crate::credentials::Authentication;
use crate::known_hosts::{HostKey, KnownHosts, Verdict, host_name};
use crate::wire::Request;
use crate::{CommitId, Error, Scheme};

/// A reference that no server has. Asking for it connects and lists, and transfers nothing.
const NOTHING: &str = "refs/tiphys/nothing";

/// How much history is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The commit alone.
    Tip,
    /// All of it, into a mirror that has all of it or nothing.
    Full,
    /// All of it, into a mirror that has only tips.
    Unshallow,
}

/// A connection that has been made. It ends when it is dropped.
pub(super) struct Session<'a> {
    remote: git2::Remote<'a>,
    // In a box, because libgit2 keeps the address of the callbacks in it between calls.
    options: Box<FetchOptions<'a>>,
    notes: Rc<Notes>,
    request: &'a Request,
}

/// What callbacks found out, since libgit2 only hands on texts.
#[derive(Default)]
struct Notes {
    received_bytes: Cell<u64>,
    refused: RefCell<Option<Error>>,
    asked_for_key: Cell<bool>,
}

impl<'a> Session<'a> {
    /// Connects and lets the server list its references.
    pub(super) fn connect(
        repository: &'a Repository,
        request: &'a Request,
        chains: &Chains,
    ) -> Result<Self, Failure> {
        let notes = Rc::new(Notes::default());
        let mut options = Box::new(FetchOptions::new());
        options.remote_callbacks(callbacks(request, &notes, chains)?);
        options.download_tags(AutotagOption::None);
        // Within one host a redirect is followed, to another never: headers with credentials would go there too.
        options.follow_redirects(RemoteRedirect::None);
        if let Authentication::Header(line) = &request.authentication {
            options.custom_headers(&[line]);
        }
        let remote = repository.remote_anonymous(&request.address).map_err(|error| Failure::local(&error))?;
        let mut session = Self { remote, options, notes, request };
        tiphys_worker::note("it was to list its branches and tags");
        session.fetch(&[NOTHING])?;
        Ok(session)
    }

    /// The references of the server.
    pub(super) fn list(&self) -> Result<&[RemoteHead<'_>], Failure> {
        self.remote.list().map_err(|error| self.explain(&error))
    }

    /// Fetches what the names stand for.
    pub(super) fn download(&mut self, names: &[&str], depth: Depth) -> Result<(), Failure> {
        tiphys_worker::note("it was to send files");
        self.options.depth(match depth {
            Depth::Tip => 1,
            Depth::Full => 0,
            // The number by which Git means all of the history.
            Depth::Unshallow => i32::MAX,
        });
        self.fetch(names)
    }

    /// Bytes that came in packs on this connection.
    pub(super) fn received_bytes(&self) -> u64 {
        self.notes.received_bytes.get()
    }

    fn fetch(&mut self, names: &[&str]) -> Result<(), Failure> {
        let result = self.remote.download(names, Some(&mut self.options));
        result.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &git2::Error) -> Failure {
        match self.notes.refused.take() {
            Some(refused) => Failure::Error(refused),
            None => Failure::of_network(error, self.request),
        }
    }
}

/// Pushes a commit to a branch that is not there. Without force: one that came meanwhile stays as it is.
pub(super) fn push(
    repository: &Repository,
    request: &Request,
    chains: &Chains,
    commit: CommitId,
    branch: &str,
) -> Result<(), Failure> {
    tiphys_worker::note("it was to take a branch");
    let notes = Rc::new(Notes::default());
    let mut callbacks = callbacks(request, &notes, chains)?;
    let (refused, url, name) = (Rc::clone(&notes), request.url.clone(), branch.to_owned());
    callbacks.push_update_reference(move |_, problem| {
        if let Some(problem) = problem {
            let (url, branch, detail) = (url.clone(), name.clone(), problem.to_owned());
            refused.refuse(Error::PushRefused { url, branch, detail });
        }
        Ok(())
    });
    let mut options = PushOptions::new();
    options.remote_callbacks(callbacks);
    options.packbuilder_parallelism(1);
    options.follow_redirects(RemoteRedirect::None);
    if let Authentication::Header(line) = &request.authentication {
        options.custom_headers(&[line]);
    }
    let mut remote = repository.remote_anonymous(&request.address).map_err(|error| Failure::local(&error))?;
    let pushed = remote.push(&[format!("{commit}:refs/heads/{branch}")], Some(&mut options));
    match (notes.refused.take(), pushed) {
        (Some(Error::PushRefused { url, branch, detail }), _) => {
            Err(Failure::Error(Error::PushRefused { url, branch, detail: harmless(&detail, request) }))
        }
        (Some(refused), _) => Err(Failure::Error(refused)),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(Failure::of_network(&error, request)),
    }
}

fn callbacks(
    request: &Request,
    notes: &Rc<Notes>,
    chains: &Chains,
) -> Result<RemoteCallbacks<'static>, Failure> {
    let mut callbacks = RemoteCallbacks::new();
    limit_bytes(&mut callbacks, request, notes);
    if let Authentication::SshKey { user, private_key, passphrase } = &request.authentication {
        offer_key(&mut callbacks, request, notes, (user, private_key, passphrase.as_deref()));
    }
    match request.scheme {
        Scheme::Ssh => check_host_key(&mut callbacks, request, notes)?,
        Scheme::Https | Scheme::Http => check_certificate(&mut callbacks, request, notes, chains)?,
    }
    Ok(callbacks)
}

fn limit_bytes(callbacks: &mut RemoteCallbacks<'static>, request: &Request, notes: &Rc<Notes>) {
    let (notes, limit, url) = (Rc::clone(notes), request.max_bytes, request.url.clone());
    callbacks.transfer_progress(move |progress| {
        let received = u64::try_from(progress.received_bytes()).unwrap_or(u64::MAX);
        notes.received_bytes.set(received);
        if received > limit {
            notes.refuse(Error::TooLarge { url: url.clone(), limit });
        }
        received <= limit
    });
}

fn offer_key(
    callbacks: &mut RemoteCallbacks<'static>,
    request: &Request,
    notes: &Rc<Notes>,
    (user, private_key, passphrase): (&str, &str, Option<&str>),
) {
    let (notes, url) = (Rc::clone(notes), request.url.clone());
    let (user, private_key, passphrase) =
        (user.to_owned(), private_key.to_owned(), passphrase.map(str::to_owned));
    callbacks.credentials(move |_, name, allowed| {
        let user = name.unwrap_or(&user);
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(user);
        }
        // libgit2 asks again and again until it is told no.
        if !allowed.contains(CredentialType::SSH_MEMORY) || notes.asked_for_key.replace(true) {
            let detail = format!("the server does not accept this key for the user {user:?}");
            notes.refuse(Error::Authentication { url: url.clone(), detail });
            return Err(git2::Error::from_str("the key was refused"));
        }
        Cred::ssh_key_from_memory(user, None, &private_key, passphrase.as_deref())
    });
}

fn check_host_key(
    callbacks: &mut RemoteCallbacks<'static>,
    request: &Request,
    notes: &Rc<Notes>,
) -> Result<(), Failure> {
    let known_hosts = request.known_hosts.as_deref().unwrap_or_default();
    let known_hosts = KnownHosts::parse(known_hosts)
        .map_err(|problem| Failure::Error(request.configuration_error(&problem)))?;
    let (notes, host, port) = (Rc::clone(notes), request.host.clone(), request.port);
    callbacks.certificate_check(move |certificate, _| {
        match judge_host_key(certificate, &known_hosts, &host, port) {
            Ok(()) => Ok(CertificateCheckStatus::CertificateOk),
            Err(error) => {
                notes.refuse(error);
                Err(git2::Error::from_str("the host key was refused"))
            }
        }
    });
    Ok(())
}

fn judge_host_key(
    certificate: &Cert<'_>,
    known_hosts: &KnownHosts,
    host: &str,
    port: u16,
) -> Result<(), Error> {
    let name = host_name(host, port);
    let refuse = |problem: String, advice: String| Err(Error::HostKey { problem, advice });
    let Some(key) = certificate.as_hostkey().and_then(|it| it.hostkey()).map(HostKey::new) else {
        return refuse(
            format!("{name} did not show its host key"),
            "check that it is an ssh server".to_owned(),
        );
    };
    let shown = format!("{} key {}", key.key_type(), key.fingerprint());
    let advice_to_add = format!(
        "compare the fingerprint with what the server's administrator says, and only then add this line to knownHosts \
         in the Secret: {}",
        key.line(&name)
    );
    match known_hosts.check(host, port, &key) {
        Verdict::Trusted => Ok(()),
        Verdict::Unknown => refuse(
            format!("the host key of {name} is not in knownHosts; it shows the {shown}"),
            advice_to_add,
        ),
        Verdict::OtherType { known } => refuse(
            format!("knownHosts has only {} for {name}, but it shows the {shown}", known.join(", ")),
            advice_to_add,
        ),
        Verdict::Changed { line } => refuse(
            format!(
                "THE HOST KEY OF {name} HAS CHANGED: it shows the {shown}, and line {line} of knownHosts has another one"
            ),
            format!(
                "somebody may be between us and the server; only if its administrator confirms the new key, replace \
                 that line by: {}",
                key.line(&name)
            ),
        ),
        Verdict::Revoked { line } => refuse(
            format!("{name} shows the {shown}, which line {line} of knownHosts revokes"),
            "do not use this server until its administrator has explained it".to_owned(),
        ),
        Verdict::AuthorityOnly { line } => refuse(
            format!("line {line} of knownHosts trusts {name} by @cert-authority, which is not supported"),
            advice_to_add,
        ),
    }
}

fn check_certificate(
    callbacks: &mut RemoteCallbacks<'static>,
    request: &Request,
    notes: &Rc<Notes>,
    chains: &Chains,
) -> Result<(), Failure> {
    let Some(authority) = &request.certificate_authority else {
        return Ok(());
    };
    let authority = Authority::parse(authority)
        .map_err(|problem| Failure::Error(request.configuration_error(&problem)))?;
    let (notes, chains, port) = (Rc::clone(notes), chains.clone(), request.port);
    callbacks.certificate_check(move |certificate, host| {
        let verified = match certificate.as_x509() {
            Some(certificate) => authority.verify(&chains, certificate.data(), host, port),
            None => Err("the server did not show one".to_owned()),
        };
        match verified {
            Ok(()) => Ok(CertificateCheckStatus::CertificateOk),
            Err(detail) => {
                notes.refuse(Error::Certificate { host: host.to_owned(), detail });
                Err(git2::Error::from_str("the certificate was refused"))
            }
        }
    });
    Ok(())
}

impl Notes {
    /// Keeps the first reason: what follows it is a consequence.
    fn refuse(&self, error: Error) {
        self.refused.borrow_mut().get_or_insert(error);
    }
}
