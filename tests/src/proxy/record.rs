//! What was asked of the API server.

use std::sync::Mutex;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, StatusCode};

use super::rule::Fault;

/// What a request does, in the words of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads many.
    List,
    /// Asks for events.
    Watch,
    /// Makes a new object, or a review.
    Create,
    /// Replaces an object.
    Update,
    /// Changes an object by a patch that is not an apply.
    Patch,
    /// Server-side apply.
    Apply,
    /// Deletes one object.
    Delete,
    /// Deletes many.
    DeleteCollection,
    /// Anything that is not about objects: discovery, OpenAPI, health, version.
    Other,
}

impl Verb {
    /// All that change objects.
    pub const WRITES: [Self; 6] =
        [Self::Create, Self::Update, Self::Patch, Self::Apply, Self::Delete, Self::DeleteCollection];
}

/// One request as the proxy saw it.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// When it came.
    pub at: Instant,
    /// What it does.
    pub verb: Verb,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural name, such as `deployments`; empty when the verb is [`Verb::Other`].
    pub resource: String,
    /// Such as `status`, or empty.
    pub subresource: String,
    /// Empty for cluster-wide requests.
    pub namespace: String,
    /// Empty for requests about many objects.
    pub name: String,
    /// Whether it asks not to change anything.
    pub dry_run: bool,
    /// The target as it was sent.
    pub path_and_query: String,
    /// Who says it is, in the `User-Agent` header.
    pub user_agent: String,
    /// The status of the answer; `None` while there is none, and when the connection was cut instead.
    pub status: Option<u16>,
    /// What a rule did to it.
    pub fault: Option<Fault>,
}

impl RecordedRequest {
    /// `configmaps`, `deployments.apps`, `syncs.tiphys.dev/status`; the path when it is not about objects.
    pub fn resource_name(&self) -> String {
        if self.verb == Verb::Other {
            return self.path_and_query.split('?').next().unwrap_or_default().to_owned();
        }
        let mut text = self.resource.clone();
        for (separator, part) in [('.', &self.group), ('/', &self.subresource)] {
            if !part.is_empty() {
                text.push(separator);
                text.push_str(part);
            }
        }
        text
    }

    /// Whether it changes something in the cluster: no dry-run, and no review either, which is only a question.
    pub fn is_write(&self) -> bool {
        let review = self.resource.ends_with("reviews") || self.resource == "tokenrequests";
        Verb::WRITES.contains(&self.verb) && !self.dry_run && !review
    }

    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let path_and_query = request.uri().path_and_query().map_or("/", |it| it.as_str());
        Self::parse(request.method(), path_and_query, header(CONTENT_TYPE), header(USER_AGENT))
    }

    fn parse(method: &Method, path_and_query: &str, content_type: &str, user_agent: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let target = Target::parse(path);
        let has = |wanted: &str| query.split('&').any(|it| it == wanted);
        let verb = match (&target, method.as_str()) {
            (Some(_), "GET") if has("watch=true") || has("watch=1") => Verb::Watch,
            (Some(it), "GET") if it.name.is_empty() => Verb::List,
            (Some(_), "GET") => Verb::Get,
            (Some(_), "POST") => Verb::Create,
            (Some(_), "PUT") => Verb::Update,
            (Some(_), "PATCH") if content_type.starts_with("application/apply-patch") => Verb::Apply,
            (Some(_), "PATCH") => Verb::Patch,
            (Some(it), "DELETE") if it.name.is_empty() => Verb::DeleteCollection,
            (Some(_), "DELETE") => Verb::Delete,
            (None | Some(_), _) => Verb::Other,
        };
        let target = target.unwrap_or_default();
        Self {
            at: Instant::now(),
            verb,
            group: target.group.to_owned(),
            resource: target.resource.to_owned(),
            subresource: target.subresource.to_owned(),
            namespace: target.namespace.to_owned(),
            name: target.name.to_owned(),
            dry_run: query.split('&').any(|it| it.starts_with("dryRun=")),
            path_and_query: path_and_query.to_owned(),
            user_agent: user_agent.to_owned(),
            status: None,
            fault: None,
        }
    }
}

/// The object or the objects that a path means.
#[derive(Default)]
struct Target<'a> {
    group: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
}

impl<'a> Target<'a> {
    /// `None` when the path is not about objects.
    fn parse(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _version, rest @ ..] => ("", rest),
            ["apis", group, _version, rest @ ..] => (*group, rest),
            _ => return None,
        };
        // `namespaces/NAME/status` and `namespaces/NAME/finalize` are about the namespace itself.
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => ("", rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            _ => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default();
        (!rest.is_empty()).then(|| Self {
            group,
            namespace,
            resource: part(0),
            name: part(1),
            subresource: part(2),
        })
    }
}

/// All requests of one proxy.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Log>);

#[derive(Default)]
struct Log {
    requests: Vec<RecordedRequest>,
    /// How many were forgotten: the number of the first one kept.
    first: usize,
}

impl Recorder {
    /// Notes a request and gives its number.
    pub(super) fn begin(&self, request: RecordedRequest) -> usize {
        let mut log = self.0.lock().unwrap();
        log.requests.push(request);
        log.first + log.requests.len() - 1
    }

    pub(super) fn answered(&self, number: usize, status: StatusCode) {
        let mut log = self.0.lock().unwrap();
        let index = number.checked_sub(log.first);
        if let Some(request) = index.and_then(|it| log.requests.get_mut(it)) {
            request.status = Some(status.as_u16());
        }
    }

    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        self.0.lock().unwrap().requests.clone()
    }

    pub(super) fn forget(&self) {
        let mut log = self.0.lock().unwrap();
        log.first += log.requests.len();
        log.requests.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, path, verb, name of the resource, name of the object (`-` for none). `APPLY` is a PATCH of that type.
    const PATHS: &str = "
        GET    /api/v1/namespaces/a/configmaps                             List             configmaps             -
        GET    /api/v1/namespaces/a/configmaps/b                           Get              configmaps             b
        GET    /api/v1/pods?limit=3&watch=true                             Watch            pods                   -
        GET    /api/v1/namespaces                                          List             namespaces             -
        GET    /api/v1/namespaces/a                                        Get              namespaces             a
        PUT    /api/v1/namespaces/a/finalize                               Update           namespaces/finalize    a
        APPLY  /apis/apps/v1/namespaces/a/deployments/b?force=true         Apply            deployments.apps       b
        PATCH  /apis/apps/v1/namespaces/a/deployments/b                    Patch            deployments.apps       b
        PUT    /apis/apps/v1/namespaces/a/deployments/b/scale              Update           deployments.apps/scale b
        POST   /apis/x.example.com/v1/things                               Create           things.x.example.com   -
        DELETE /apis/x.example.com/v1/things/a                             Delete           things.x.example.com   a
        DELETE /apis/x.example.com/v1/things                               DeleteCollection things.x.example.com   -
        GET    /apis/apps/v1                                               Other            /apis/apps/v1          -
        GET    /openapi/v3?hash=1                                          Other            /openapi/v3            -
        GET    /readyz                                                     Other            /readyz                -
    ";

    #[test]
    fn paths_are_told_apart_as_kubernetes_does() {
        for line in PATHS.lines().filter(|it| !it.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (method, content_type) = match words[0] {
                "APPLY" => ("PATCH", "application/apply-patch+yaml"),
                other => (other, "application/json"),
            };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let seen = RecordedRequest::parse(&method, words[1], content_type, "");
            let name = if seen.name.is_empty() { "-" } else { &seen.name };
            assert_eq!([&format!("{:?}", seen.verb), &seen.resource_name(), name], words[2..], "{line}");
        }
    }

    #[test]
    fn a_dry_run_is_no_write() {
        let path = "/api/v1/namespaces/a/configmaps?dryRun=All&fieldManager=x";
        let dry = RecordedRequest::parse(&Method::POST, path, "", "kubectl");
        assert!(dry.dry_run && !dry.is_write());
        assert_eq!(dry.namespace, "a");
        assert_eq!(dry.user_agent, "kubectl");
    }
}
