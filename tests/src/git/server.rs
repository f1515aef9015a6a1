//! Git over http and https.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use tempfile::TempDir;

use super::cgi;
use super::repo::TestRepo;
use super::run;
use super::webhook::Webhook;
use crate::kit;
use crate::serve::{Body, BoxError, Server, answer, cut_off};
use crate::tls::TestCertificate;

/// Who may read and write a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    #[default]
    Anonymous,
    /// Whoever sends this user name and password.
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// Whoever sends this token as `Authorization: Bearer`.
    Bearer(String),
}

/// What goes wrong with the requests for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitFault {
    /// No answer ever comes.
    Hang,
    /// The answer comes one byte at a time with this pause before each.
    Trickle(Duration),
    /// This status with a short HTML page, as from a proxy in between.
    Status(u16),
    /// The answer is cut after this many bytes.
    CutAfter(usize),
    /// The answer goes on without end after what git sent.
    Endless,
    /// 302 to this address.
    Redirect(String),
}

/// What a client asks git for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Which branches and tags are there (`info/refs`), for a fetch or an `ls-remote`. With protocol version 2 this gives
    /// only the capabilities, and an `ls-remote` is one [`Service::UploadPack`] more.
    Refs,
    /// A fetch, or a list of refs by protocol version 2 (`git-upload-pack`).
    UploadPack,
    /// A push (`git-receive-pack`, and its `info/refs`).
    ReceivePack,
    /// Anything else.
    Other,
}

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct GitRequest {
    /// Such as `acme/deploy.git`.
    pub repository: String,
    /// What was asked for.
    pub service: Service,
    /// Path and query.
    pub path_and_query: String,
    /// The `Authorization` header, as it was sent.
    pub authorization: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

#[derive(Default)]
struct Policy {
    auth: Auth,
    fault: Option<GitFault>,
    webhook: Option<Webhook>,
}

struct Shared {
    root: PathBuf,
    base: Mutex<String>,
    policies: Mutex<BTreeMap<String, Policy>>,
    requests: Mutex<Vec<GitRequest>>,
}

/// A real Git server (`git http-backend`) with any number of repositories, each with its own authentication and faults.
pub struct GitServer {
    shared: Arc<Shared>,
    certificate: Option<TestCertificate>,
    _server: Server,
    _scratch: TempDir,
}

impl GitServer {
    /// Serves plain http.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Serves https with this certificate; its [`ca_pem`](TestCertificate::ca_pem) is for the clients.
    pub fn start_tls(certificate: TestCertificate) -> Self {
        Self::launch(Some(certificate))
    }

    fn launch(certificate: Option<TestCertificate>) -> Self {
        let scratch = kit::scratch("git");
        let shared = Arc::new(Shared {
            root: scratch.path().to_owned(),
            base: Mutex::default(),
            policies: Mutex::default(),
            requests: Mutex::default(),
        });
        let handler = {
            let shared = Arc::clone(&shared);
            move |request| Arc::clone(&shared).handle(request)
        };
        let server = Server::start(certificate.as_ref().map(TestCertificate::server_config), handler);
        let scheme = if certificate.is_some() { "https" } else { "http" };
        *shared.base.lock().unwrap() = format!("{scheme}://{}", server.address());
        Self { shared, certificate, _server: server, _scratch: scratch }
    }

    /// The address without a path, such as `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        self.shared.base.lock().unwrap().clone()
    }

    /// The authority of the server's certificate, when it serves https.
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificate.as_ref().map(TestCertificate::ca_pem)
    }

    /// Makes an empty repository with a name such as `acme/deploy`, served as `<url>/acme/deploy.git`.
    pub fn create_repo(&self, name: &str, auth: Auth) -> TestRepo {
        let name = format!("{name}.git");
        let repo = TestRepo::create_at(self.shared.root.join(&name), format!("{}/{name}", self.url()));
        self.policy(&repo, |it| it.auth = auth);
        repo
    }

    /// Changes who may use the repository.
    pub fn set_auth(&self, repo: &TestRepo, auth: Auth) {
        self.policy(repo, |it| it.auth = auth);
    }

    /// Lets all requests for the repository go wrong, or none any more.
    pub fn set_fault(&self, repo: &TestRepo, fault: Option<GitFault>) {
        self.policy(repo, |it| it.fault = fault);
    }

    /// Sends this webhook for each branch that a real `git push` to this server changes.
    pub fn set_webhook(&self, repo: &TestRepo, webhook: Option<Webhook>) {
        self.policy(repo, |it| it.webhook = webhook);
    }

    fn policy(&self, repo: &TestRepo, change: impl FnOnce(&mut Policy)) {
        let name = repo.path().strip_prefix(&self.shared.root).expect("the repository is one of this server");
        let name = name.to_string_lossy().into_owned();
        change(self.shared.policies.lock().unwrap().entry(name).or_default());
    }

    /// All requests for this repository since the start or since [`Self::forget`].
    pub fn requests(&self, repo: &TestRepo) -> Vec<GitRequest> {
        let requests = self.shared.requests.lock().unwrap();
        let of_repo = |it: &&GitRequest| repo.path().ends_with(&it.repository);
        requests.iter().filter(of_repo).cloned().collect()
    }

    /// How many requests for this service of the repository there were.
    pub fn count(&self, repo: &TestRepo, service: Service) -> usize {
        self.requests(repo).iter().filter(|it| it.service == service).count()
    }

    /// Starts counting anew.
    pub fn forget(&self) {
        self.shared.requests.lock().unwrap().clear();
    }
}

impl Shared {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let path_and_query = request.uri().path_and_query().map_or("/", |it| it.as_str()).to_owned();
        let (repository, service) = recognise(&path_and_query);
        let sent =
            request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok()).map(ToOwned::to_owned);
        let (auth, fault, webhook) = {
            let policies = self.policies.lock().unwrap();
            match policies.get(&repository) {
                Some(it) => (it.auth.clone(), it.fault.clone(), it.webhook.clone()),
                None => return Ok(answer(StatusCode::NOT_FOUND, "no such repository\n")),
            }
        };
        let index = {
            let mut requests = self.requests.lock().unwrap();
            let (repository, authorization) = (repository.clone(), sent.clone());
            requests.push(GitRequest { repository, service, path_and_query, authorization, status: 0 });
            requests.len() - 1
        };
        let response = if let Some(refused) = auth.refusal(sent.as_deref()) {
            refused
        } else if service == Service::ReceivePack && webhook.is_some() {
            self.receive(&repository, request, webhook).await?
        } else {
            spoiled(&self.root, request, fault).await?
        };
        if let Some(noted) = self.requests.lock().unwrap().get_mut(index) {
            noted.status = response.status().as_u16();
        }
        Ok(response)
    }

    /// Takes a push and tells the webhook about it, as a forge does.
    async fn receive(
        &self,
        repository: &str,
        request: Request<Incoming>,
        webhook: Option<Webhook>,
    ) -> Result<Response<Body>, BoxError> {
        let path = self.root.join(repository);
        let before = branches(&path);
        let (parts, body) = cgi::answer(&self.root, request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let after = branches(&path);
        let url = format!("{}/{repository}", self.base.lock().unwrap());
        let touched: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let none = "0".repeat(40);
        for branch in touched {
            let old = before.get(branch).unwrap_or(&none);
            let new = after.get(branch).unwrap_or(&none);
            if let Some(webhook) = webhook.as_ref().filter(|_| old != new) {
                // A forge does not keep the person who pushes waiting, and forgets a hook that fails.
                let (webhook, url, branch) = (webhook.clone(), url.clone(), branch.clone());
                let (old, new) = (old.clone(), new.clone());
                tokio::spawn(async move { webhook.push(&url, &branch, &old, &new).await });
            }
        }
        Ok(Response::from_parts(parts, crate::serve::full(body)))
    }
}

/// The branches of a bare repository with their commits.
fn branches(repository: &std::path::Path) -> BTreeMap<String, String> {
    let listed =
        run(repository, &["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"], b"");
    let pairs = listed.lines().filter_map(|line| line.rsplit_once(' '));
    pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
}

/// The repository in a path, and what is asked of it.
fn recognise(path_and_query: &str) -> (String, Service) {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let path = path.trim_start_matches('/');
    let (repository, rest) = path.split_once(".git/").unwrap_or((path.trim_end_matches(".git"), ""));
    let service = match (rest, query) {
        ("info/refs", "service=git-receive-pack") | ("git-receive-pack", _) => Service::ReceivePack,
        ("info/refs", _) => Service::Refs,
        ("git-upload-pack", _) => Service::UploadPack,
        _ => Service::Other,
    };
    (format!("{repository}.git"), service)
}

impl Auth {
    /// The answer to a request without the right credentials.
    fn refusal(&self, sent: Option<&str>) -> Option<Response<Body>> {
        let (wanted, challenge) = match self {
            Self::Anonymous => return None,
            Self::Basic { user, password } => {
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                (format!("Basic {pair}"), "Basic realm=\"git\"")
            }
            Self::Bearer(token) => (format!("Bearer {token}"), "Bearer realm=\"git\""),
        };
        (sent != Some(wanted.as_str())).then(|| {
            let mut response = answer(StatusCode::UNAUTHORIZED, "wrong or missing credentials\n");
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            response
        })
    }
}

async fn spoiled(
    root: &std::path::Path,
    request: Request<Incoming>,
    fault: Option<GitFault>,
) -> Result<Response<Body>, BoxError> {
    match fault {
        None => cgi::answer(root, request).await,
        Some(GitFault::Hang) => std::future::pending().await,
        Some(GitFault::Status(status)) => {
            Ok(answer(StatusCode::from_u16(status)?, "<html><body>the test server says so</body></html>"))
        }
        Some(GitFault::Redirect(target)) => {
            let mut response = answer(StatusCode::FOUND, "");
            response.headers_mut().insert(LOCATION, HeaderValue::from_str(&target)?);
            Ok(response)
        }
        Some(GitFault::Trickle(pause)) => {
            let (parts, body) = cgi::answer(root, request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let slowly = stream::iter(bytes).then(move |byte| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, BoxError>(Frame::data(Bytes::from(vec![byte])))
            });
            Ok(Response::from_parts(parts, StreamBody::new(slowly).boxed_unsync()))
        }
        Some(GitFault::CutAfter(count)) => {
            let (parts, body) = cgi::answer(root, request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let start = bytes.slice(..count.min(bytes.len()));
            let start = stream::iter([Ok(Frame::data(start))]);
            let cut = start.chain(stream::once(cut_off("the test server cuts the answer")));
            Ok(Response::from_parts(parts, StreamBody::new(cut).boxed_unsync()))
        }
        Some(GitFault::Endless) => {
            let (mut parts, body) = cgi::answer(root, request).await?.into_parts();
            parts.headers.remove(CONTENT_LENGTH);
            let start = body.collect().await?.to_bytes();
            let more = stream::repeat_with(|| Bytes::from(vec![b'x'; 64 * 1024]));
            let endless = stream::iter([start]).chain(more).map(|it| Ok::<_, BoxError>(Frame::data(it)));
            Ok(Response::from_parts(parts, StreamBody::new(endless).boxed_unsync()))
        }
    }
}
