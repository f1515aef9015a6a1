use std::time::{Duration, Instant};

use futures::StreamExt;
use hyper::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::json;
use tiphys_tests::{
    After, Cluster, Fault, FaultProxy, Identity, RecordedRequest, Rule, TestNamespace, Verb, WatchEnd,
    eventually,
};

/// A test's namespace, and the same namespace through a proxy.
struct Stage {
    ns: TestNamespace<'static>,
    proxy: FaultProxy,
    maps: Api<ConfigMap>,
}

impl Stage {
    async fn set() -> Self {
        let cluster = Cluster::shared();
        let ns = TestNamespace::create(cluster, "proxy").await;
        let proxy = FaultProxy::start(cluster, 1);
        let maps = Api::namespaced(client(&proxy), ns.name());
        Self { ns, proxy, maps }
    }

    async fn create(&self, name: &str) -> kube::Result<ConfigMap> {
        self.maps.create(&PostParams::default(), &config_map(name)).await
    }

    /// The names that are really there.
    async fn names(&self) -> Vec<String> {
        let list = self.ns.api::<ConfigMap>().list(&ListParams::default()).await.unwrap();
        let names = list.items.into_iter().filter_map(|it| it.metadata.name);
        names.filter(|it| it != "kube-root-ca.crt").collect()
    }
}

/// A client that shows every error instead of trying again by itself.
fn client(proxy: &FaultProxy) -> Client {
    let mut config = proxy.config(&proxy.admin_identity());
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

fn code<T: std::fmt::Debug>(result: kube::Result<T>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("not a refusal of the API server: {other:?}"),
    }
}

#[tokio::test]
async fn without_rules_it_passes_on_and_counts() {
    let stage = Stage::set().await;
    stage.create("a").await.unwrap();
    stage.maps.get("a").await.unwrap();
    let patch = Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "k": "v" } }));
    stage.maps.patch("a", &PatchParams::apply("test"), &patch).await.unwrap();
    stage.maps.patch("a", &PatchParams::apply("test").dry_run(), &patch).await.unwrap();

    let counts = stage.proxy.counts();
    let of = |verb| counts.get(&(verb, "configmaps".to_owned())).copied().unwrap_or_default();
    assert_eq!((of(Verb::Create), of(Verb::Get), of(Verb::Apply)), (1, 1, 2), "{counts:?}");
    assert_eq!(stage.proxy.count(RecordedRequest::is_write), 2);
    assert_eq!(stage.proxy.count(|it| it.status == Some(201) && it.namespace == stage.ns.name()), 1);
    stage.proxy.forget();
    assert!(stage.proxy.requests().is_empty());

    // Who one is goes through unchanged, and kubectl finds its way.
    let stranger = Identity::token("nobody", "wrong");
    let maps: Api<ConfigMap> = Api::namespaced(stage.proxy.client(&stranger), stage.ns.name());
    assert_eq!(code(maps.get("a").await), 401);
    let seen =
        stage.proxy.kubectl(["get", "configmap", "a", "--namespace", stage.ns.name(), "--output=name"]);
    assert_eq!(seen, "configmap/a\n");
}

#[tokio::test]
async fn refusals_keep_the_request_from_the_api_server() {
    let stage = Stage::set().await;
    for (fault, expected) in [
        (Fault::TooManyRequests { retry_after: Duration::from_secs(1) }, 429),
        (Fault::Status(StatusCode::INTERNAL_SERVER_ERROR), 500),
        (Fault::Status(StatusCode::SERVICE_UNAVAILABLE), 503),
    ] {
        let rule = stage.proxy.add(Rule::new(fault).writes().times(1));
        assert_eq!(code(stage.create("refused").await), expected);
        assert_eq!(stage.proxy.hits(rule), 1);
        stage.proxy.remove(rule);
        assert_eq!(stage.proxy.hits(rule), 1);
    }
    stage.proxy.add(Rule::new(Fault::Refuse).verbs(&[Verb::Create]));
    assert!(!matches!(stage.create("refused").await, Ok(_) | Err(kube::Error::Api(_))));
    stage.proxy.clear();
    assert!(stage.names().await.is_empty());
    stage.create("taken").await.unwrap();

    // A client that tries again does so after a 429, and succeeds.
    stage.proxy.add(Rule::new(Fault::TooManyRequests { retry_after: Duration::from_secs(1) }).times(1));
    let began = Instant::now();
    let patient: Api<ConfigMap> = Api::namespaced(stage.proxy.admin(), stage.ns.name());
    patient.get("taken").await.unwrap();
    assert_eq!(
        stage.proxy.count(|it| it.status == Some(429) && it.fault.is_some() && it.verb == Verb::Get),
        1
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn slow_and_silent_answers() {
    let stage = Stage::set().await;
    let delay = Duration::from_millis(200);
    let rule = stage.proxy.add(Rule::new(Fault::Latency(delay)).path("/configmaps"));
    let began = Instant::now();
    stage.create("late").await.unwrap();
    assert!(began.elapsed() >= delay);
    stage.proxy.remove(rule);

    stage.proxy.add(Rule::new(Fault::Hang).resource("configmaps"));
    tokio::time::timeout(delay, stage.maps.get("late")).await.unwrap_err();
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_write() {
    let stage = Stage::set().await;
    stage.proxy.add(Rule::new(Fault::DropAnswer).writes().times(1));
    let error = stage.create("written").await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    assert_eq!(stage.names().await, ["written"]);
    assert_eq!(stage.proxy.count(|it| it.fault == Some(Fault::DropAnswer) && it.status.is_none()), 1);
}

/// Everything that a watch shows: names, the status of an error event, and `closed` at its end.
async fn watched(stage: &Stage) -> Vec<String> {
    let mut events = stage.maps.watch(&WatchParams::default().timeout(20), "0").await.unwrap().boxed();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        if matches!(event, Ok(WatchEvent::Bookmark(_))) {
            continue;
        }
        seen.push(match event {
            Ok(WatchEvent::Added(map)) => map.metadata.name.unwrap(),
            Ok(WatchEvent::Error(status)) => status.code.to_string(),
            Ok(other) => panic!("{other:?}"),
            Err(error) => panic!("{error}"),
        });
    }
    seen.push("closed".to_owned());
    seen
}

#[tokio::test]
async fn watches_end_early_in_three_ways() {
    let stage = Stage::set().await;
    for name in ["a", "b", "c"] {
        stage.create(name).await.unwrap();
    }
    let path = format!("/api/v1/namespaces/{}/configmaps?watch=true&timeoutSeconds=20", stage.ns.name());
    let events = |count, how| Fault::EndWatch { after: After::Events(count), how };
    // The library takes a cut for an end; kubectl does not.
    for (how, end, succeeds) in [
        (WatchEnd::Closed, &["closed"][..], true),
        (WatchEnd::Cut, &["closed"], false),
        (WatchEnd::Expired, &["410", "closed"], true),
    ] {
        let rule = stage.proxy.add(Rule::new(events(2, how)).verbs(&[Verb::Watch]));
        let seen = watched(&stage).await;
        assert_eq!(seen.len(), 2 + end.len(), "{how:?}: {seen:?}");
        assert_eq!(seen[2..], *end, "{how:?}: {seen:?}");
        let (success, output) =
            stage.proxy.try_kubectl(&stage.proxy.admin_identity(), ["get", "--raw", &path], "");
        assert_eq!(success, succeeds, "{how:?}: {output}");
        assert_eq!(output.matches("\"ADDED\"").count(), 2, "{how:?}: {output}");
        stage.proxy.remove(rule);
    }
    let time = Fault::EndWatch { after: After::Time(Duration::from_millis(300)), how: WatchEnd::Closed };
    stage.proxy.add(Rule::new(time).verbs(&[Verb::Watch]));
    assert_eq!(watched(&stage).await.last().unwrap(), "closed");
    stage.proxy.clear();
    stage.proxy.add(Rule::new(Fault::Status(StatusCode::GONE)).verbs(&[Verb::Watch]));
    let refused = stage.maps.watch(&WatchParams::default(), "1").await;
    assert_eq!(code(refused.map(|_| ())), 410);
}

#[tokio::test]
async fn rules_can_be_narrow_and_chance_is_repeatable() {
    let stage = Stage::set().await;
    let unavailable = || Rule::new(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    let elsewhere = stage.proxy.add(unavailable().resource("secrets"));
    let third = stage.proxy.add(unavailable().verbs(&[Verb::Create]).skip(2).times(1));
    let outcomes: Vec<bool> =
        [stage.create("a").await, stage.create("b").await, stage.create("c").await, stage.create("d").await]
            .iter()
            .map(Result::is_ok)
            .collect();
    assert_eq!(outcomes, [true, true, false, true]);
    assert_eq!((stage.proxy.hits(elsewhere), stage.proxy.hits(third)), (0, 1));

    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let proxy = FaultProxy::start(Cluster::shared(), seed);
        proxy.add(unavailable().verbs(&[Verb::Get]).probability(0.5));
        let maps: Api<ConfigMap> = Api::namespaced(client(&proxy), stage.ns.name());
        let mut run = Vec::new();
        for _ in 0..32 {
            run.push(maps.get("a").await.is_ok());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let hits = runs[0].iter().filter(|it| !**it).count();
    assert!((4..=28).contains(&hits), "{hits} of 32");
}

#[tokio::test]
async fn a_proxy_that_is_gone_answers_nobody() {
    let stage = Stage::set().await;
    stage.create("a").await.unwrap();
    drop(stage.proxy);
    eventually("the connections are cut", Duration::from_secs(5), || async {
        match stage.maps.get("a").await {
            Ok(_) => Err("still there"),
            Err(_) => Ok(()),
        }
    })
    .await;
}
