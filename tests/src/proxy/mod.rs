//! A proxy in front of the API server that counts requests and spoils some of them.

pub(crate) mod record;
pub(crate) mod rule;
mod stream;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use self::record::{RecordedRequest, Recorder, Verb};
use self::rule::{Fault, Rule, RuleId, Rules};
use crate::access::Access;
use crate::cluster::Cluster;
use crate::serve::{Body, BoxError, Server, answer};
use crate::tls;

type Upstream = Client<HttpsConnector<HttpConnector>, Incoming>;

/// An address of the API server at which things go wrong. [`Access`] says how to talk to it: `proxy.admin()`,
/// `proxy.kubeconfig(…)` and so on, with the same users and tokens as the cluster behind it.
///
/// Without rules it passes everything on unchanged. It presents the API server's own certificate.
pub struct FaultProxy {
    access: Access,
    shared: Arc<Shared>,
    _server: Server,
}

struct Shared {
    target: String,
    upstream: Upstream,
    rules: Mutex<Rules>,
    recorder: Recorder,
}

impl FaultProxy {
    /// Starts a proxy. The seed decides which requests a rule with a probability hits, in the order in which they come.
    pub fn start(cluster: &Cluster, seed: u64) -> Self {
        let (certificate, key) = cluster.serving_certificate();
        let ca = std::fs::read_to_string(cluster.ca_file()).expect("the cluster's authority is there");
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(&ca))
            .https_only()
            .enable_http1()
            .build();
        let shared = Arc::new(Shared {
            target: cluster.server().to_owned(),
            upstream: Client::builder(TokioExecutor::new()).build(connector),
            rules: Mutex::new(Rules::seeded(seed)),
            recorder: Recorder::default(),
        });
        let handler = {
            let shared = Arc::clone(&shared);
            move |request| Arc::clone(&shared).handle(request)
        };
        let server = Server::start(Some(tls::server_config(&certificate, &key)), handler);
        let access = cluster.at(format!("https://{}", server.address()));
        Self { access, shared, _server: server }
    }

    /// Adds a rule. Of several rules that hit a request, the one that was added first wins.
    pub fn add(&self, rule: Rule) -> RuleId {
        self.shared.rules.lock().unwrap().add(rule)
    }

    /// Takes a rule away. A connection that it has already spoiled stays so.
    pub fn remove(&self, id: RuleId) {
        self.shared.rules.lock().unwrap().remove(id);
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// How many requests the rule has spoiled.
    pub fn hits(&self, id: RuleId) -> u64 {
        self.shared.rules.lock().unwrap().hits(id)
    }

    /// All requests since the start or since [`Self::forget`], in the order in which they came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.recorder.all()
    }

    /// How many of [`Self::requests`] are such.
    pub fn count(&self, wanted: impl Fn(&RecordedRequest) -> bool) -> usize {
        self.requests().iter().filter(|it| wanted(it)).count()
    }

    /// How many requests there were by verb and resource, such as `(Apply, "deployments.apps")` or
    /// `(Update, "syncs.tiphys.dev/status")`.
    pub fn counts(&self) -> BTreeMap<(Verb, String), usize> {
        let mut counts = BTreeMap::new();
        for request in self.requests() {
            *counts.entry((request.verb, request.resource_name())).or_default() += 1;
        }
        counts
    }

    /// Starts counting anew.
    pub fn forget(&self) {
        self.shared.recorder.forget();
    }
}

impl Deref for FaultProxy {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl Shared {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let mut record = RecordedRequest::of(&request);
        let fault = self.rules.lock().unwrap().fault_for(&record);
        record.fault.clone_from(&fault);
        let number = self.recorder.begin(record);
        let result = self.spoiled(request, fault).await;
        if let Ok(response) = &result {
            self.recorder.answered(number, response.status());
        }
        result
    }

    /// Passes the request on and spoils it on the way there or back.
    async fn spoiled(
        &self,
        request: Request<Incoming>,
        fault: Option<Fault>,
    ) -> Result<Response<Body>, BoxError> {
        match fault {
            None => self.forward(request).await,
            Some(Fault::Status(status)) => {
                drain(request).await;
                Ok(refusal(status, "the fault proxy says so"))
            }
            Some(Fault::TooManyRequests { retry_after }) => {
                drain(request).await;
                let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "the fault proxy is busy");
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
                Ok(response)
            }
            Some(Fault::Latency(delay)) => {
                tokio::time::sleep(delay).await;
                self.forward(request).await
            }
            Some(Fault::Refuse) => Err("the fault proxy does not take this request".into()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::DropAnswer) => {
                // The write is done once the API server has answered in full.
                self.forward(request).await?.into_body().collect().await?;
                Err("the fault proxy lost the answer".into())
            }
            Some(Fault::EndWatch { after, how }) => {
                let response = self.forward(request).await?;
                Ok(response.map(|body| stream::cut(body, after, how)))
            }
        }
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
        *request.uri_mut() = format!("{}{path}", self.target).parse::<Uri>()?;
        // These speak of the connection, not of the request.
        for name in [HeaderName::from_static("host"), hyper::header::CONNECTION] {
            request.headers_mut().remove(name);
        }
        let mut response = match self.upstream.request(request).await {
            Ok(response) => response,
            // A real connection would break too when the API server is away.
            Err(error) => return Err(error.into()),
        };
        response.headers_mut().remove(hyper::header::CONNECTION);
        Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
    }
}

/// Reads the request to its end, so that the client is ready to read the answer.
async fn drain(request: Request<Incoming>) {
    let _ = request.into_body().collect().await;
}

/// An error in the form in which the API server puts it.
fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = answer(status, stream::status_object(status, message).to_string());
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
