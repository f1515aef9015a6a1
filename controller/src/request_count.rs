//! Counts what we ask of the API server.

use std::sync::Arc;

use http::{Method, Request};
use kube::Client;
use kube::client::Body;

use crate::metrics::Metrics;

/// A client whose requests are counted when they are answered, or known not to be.
pub fn counted(client: Client, metrics: Arc<Metrics>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, metrics) = (client.clone(), Arc::clone(&metrics));
        async move {
            let (verb, dry_run) = describe(request.method(), request.uri().query().unwrap_or_default());
            let answer = client.send(request).await;
            metrics.requested(verb, dry_run, answer.as_ref().ok().map(|it| it.status().as_u16()));
            answer
        }
    });
    Client::new(service, namespace)
}

/// The verb, and whether nothing is written.
fn describe(method: &Method, query: &str) -> (&'static str, bool) {
    let has = |name: &str| query.split('&').any(|it| it.split('=').next() == Some(name));
    let verb = match *method {
        Method::GET if has("watch") => "watch",
        Method::GET => "get",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    (verb, has("dryRun"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let cases = [
            (Method::GET, "limit=500", ("get", false)),
            (Method::GET, "watch=true&resourceVersion=1", ("watch", false)),
            (Method::GET, "labelSelector=watch", ("get", false)),
            (Method::PATCH, "fieldManager=tiphys&dryRun=All", ("patch", true)),
            (Method::POST, "", ("post", false)),
        ];
        for (method, query, expected) in cases {
            assert_eq!(describe(&method, query), expected, "{method} {query}");
        }
    }
}
