//! The live cache: it sees everything, whatever happens to its watches, and asks for little.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tiphys_engine::Class;
use tiphys_engine::live::{Change, LiveEvents};
use tiphys_engine::requests::Mode;
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tiphys_tests::{
    After, Cluster, ClusterOptions, Component, Fault, FaultProxy, OwnCluster, RecordedRequest, Rule,
    TestNamespace, Verb, WatchEnd, eventually,
};

use crate::support::{config_map, config_map_id, config_maps, connect, connect_as, definition, soon, watch};

/// Waits for a change of one object.
async fn change_of(events: &mut LiveEvents, id: &ObjectId) -> Change {
    let found = async {
        loop {
            let event = events.next().await;
            if event.id == *id {
                return event.change;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.unwrap_or_else(|_| panic!("no event of {id}"))
}

fn is_list(request: &RecordedRequest) -> bool {
    let streamed = request.verb == Verb::Watch && request.path_and_query.contains("sendInitialEvents");
    request.resource == "configmaps" && (streamed || request.verb == Verb::List)
}

fn is_watch(request: &RecordedRequest) -> bool {
    request.resource == "configmaps" && request.verb == Verb::Watch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lists_then_follows() {
    let ns = TestNamespace::create(Cluster::shared(), "live").await;
    let engine = connect(Cluster::shared()).await;
    ns.apply(&config_map(ns.name(), "a", "follow", "1").to_string());
    ns.apply(r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "unmarked"}}"#);
    let mut events = engine.live.events();
    watch(&engine, &[config_maps()]).await;

    let a = config_map_id(ns.name(), "a");
    assert_eq!(change_of(&mut events, &a).await, Change::Added);
    assert!(engine.live.get(&config_map_id(ns.name(), "unmarked")).is_none());
    let live = engine.live.get(&a).unwrap();
    assert_eq!(live.object().unwrap()["data"]["key"], "1");
    assert_eq!(live.gvk, config_maps());

    ns.kubectl(&["patch", "configmap", "a", "--patch", r#"{"data": {"key": "2"}}"#]);
    assert_eq!(change_of(&mut events, &a).await, Change::Modified);
    assert_eq!(engine.live.get(&a).unwrap().object().unwrap()["data"]["key"], "2");

    // Whoever takes the mark off takes the object out of sight.
    ns.kubectl(&["label", "configmap", "a", "tiphys.dev/application-"]);
    assert_eq!(change_of(&mut events, &a).await, Change::Removed);
    ns.kubectl(&["label", "configmap", "a", "tiphys.dev/application=follow"]);
    assert_eq!(change_of(&mut events, &a).await, Change::Added);
    ns.kubectl(&["delete", "configmap", "a"]);
    assert_eq!(change_of(&mut events, &a).await, Change::Removed);
    assert!(engine.live.by_owner("follow").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_write_is_there_at_once() {
    let ns = TestNamespace::create(Cluster::shared(), "live").await;
    let engine = connect(Cluster::shared()).await;
    watch(&engine, &[config_maps()]).await;
    let kind = engine.kinds.lookup(&config_maps()).served().unwrap();
    for value in 0..20 {
        let wanted = config_map(ns.name(), "a", "own", &value.to_string());
        let applied =
            engine.requests.apply(&kind, wanted.as_object().unwrap(), Mode::Write, soon(10)).await.unwrap();
        assert_eq!(applied.existed, value > 0);
        engine.live.observe(&applied.object).unwrap();
        let live = engine.live.get(&config_map_id(ns.name(), "a")).unwrap();
        assert_eq!(live.object().unwrap()["data"]["key"], value.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_are_cut_lose_nothing_and_do_not_list_again() {
    let ns = TestNamespace::create(Cluster::shared(), "live").await;
    let proxy = FaultProxy::start(Cluster::shared(), 7);
    let watches = |fault| Rule::new(fault).verbs(&[Verb::Watch]).resource("configmaps");
    // The watch that lists ends after a second; those that resume it are cut after each event.
    let closed = Fault::EndWatch { after: After::Time(Duration::from_secs(1)), how: WatchEnd::Closed };
    proxy.add(watches(closed).times(1));
    let cut = Fault::EndWatch { after: After::Events(1), how: WatchEnd::Cut };
    let cut = proxy.add(watches(cut).path("resourceVersion=[1-9]"));
    let engine = connect(&proxy).await;
    watch(&engine, &[config_maps()]).await;
    proxy.forget();
    eventually("the first watch has ended", Duration::from_secs(10), || async {
        if proxy.count(is_watch) > 0 { Ok(()) } else { Err("not yet") }
    })
    .await;
    for value in 1..=10 {
        let name = format!("cut-{}", value % 3);
        ns.apply(&config_map(ns.name(), &name, "cut", &value.to_string()).to_string());
    }
    for (name, value) in [("cut-0", "9"), ("cut-1", "10"), ("cut-2", "8")] {
        eventually("the last value is seen", Duration::from_secs(20), || async {
            let live = engine.live.get(&config_map_id(ns.name(), name)).ok_or("nothing")?;
            let seen = live.object().unwrap()["data"]["key"].clone();
            if seen == value { Ok(()) } else { Err("an older value") }
        })
        .await;
    }
    assert!(proxy.hits(cut) >= 3, "{:?}", proxy.counts());
    assert_eq!(proxy.count(is_list), 0, "{:?}", proxy.counts());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_end_at_once_are_not_opened_in_a_storm() {
    let proxy = FaultProxy::start(Cluster::shared(), 7);
    let rule = Rule::new(Fault::EndWatch { after: After::Events(0), how: WatchEnd::Closed });
    proxy.add(rule.verbs(&[Verb::Watch]).resource("configmaps"));
    let engine = connect(&proxy).await;
    let began = Instant::now();
    let error = engine.live.ensure(&[config_maps()], soon(3)).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(began.elapsed() >= Duration::from_secs(3));
    let watches = proxy.count(is_watch);
    assert!((2..=12).contains(&watches), "{watches} watches in 3 s");
    proxy.clear();
    watch(&engine, &[config_maps()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_version_lists_once_and_tells_what_was_missed() {
    let ns = TestNamespace::create(Cluster::shared(), "live").await;
    ns.apply(&config_map(ns.name(), "stays", "expired", "1").to_string());
    ns.apply(&config_map(ns.name(), "goes", "expired", "1").to_string());
    let proxy = FaultProxy::start(Cluster::shared(), 7);
    let engine = connect(&proxy).await;
    // The list and one event more, then an ERROR event; the watch after it is answered with the status 410.
    let expired = proxy.add(
        Rule::new(Fault::EndWatch { after: After::Time(Duration::from_secs(2)), how: WatchEnd::Expired })
            .verbs(&[Verb::Watch])
            .resource("configmaps")
            .times(1),
    );
    watch(&engine, &[config_maps()]).await;
    proxy.forget();
    let gone = proxy.add(
        Rule::new(Fault::Status(StatusCode::GONE)).verbs(&[Verb::Watch]).resource("configmaps").times(2),
    );
    let mut events = engine.live.events();
    eventually("the watch has expired three times", Duration::from_secs(10), || async {
        let hits = proxy.hits(expired) + proxy.hits(gone);
        // What happens while there is no watch:
        if hits == 1 && proxy.count(is_watch) == 0 {
            Err("waiting")
        } else if hits == 3 {
            Ok(())
        } else {
            Err("waiting")
        }
    })
    .await;
    ns.kubectl(&["delete", "configmap", "goes"]);
    assert_eq!(change_of(&mut events, &config_map_id(ns.name(), "goes")).await, Change::Removed);
    assert!(engine.live.get(&config_map_id(ns.name(), "stays")).is_some());
    let listed = proxy.count(|request| is_list(request) && request.status == Some(200));
    assert_eq!(listed, 1, "one list for three expiries: {:?}", proxy.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_streaming_lists_is_listed_plainly() {
    let ns = TestNamespace::create(Cluster::shared(), "live").await;
    ns.apply(&config_map(ns.name(), "a", "plain", "1").to_string());
    let cluster = OwnCluster::start(&ClusterOptions {
        apiserver_flags: vec!["--feature-gates=WatchList=false".to_owned()],
        ..ClusterOptions::default()
    });
    cluster.kubectl_with_input(["apply", "-f", "-"], &config_map("default", "a", "plain", "1").to_string());
    let proxy = FaultProxy::start(&cluster, 1);
    let engine = connect(&proxy).await;
    let mut events = engine.live.events();
    watch(&engine, &[config_maps()]).await;
    let a = config_map_id("default", "a");
    assert_eq!(change_of(&mut events, &a).await, Change::Added);
    cluster.kubectl(["delete", "configmap", "a"]);
    assert_eq!(change_of(&mut events, &a).await, Change::Removed);
    let lists = proxy.count(|request| request.resource == "configmaps" && request.verb == Verb::List);
    assert_eq!(lists, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbidden_kind_is_an_error_that_names_the_right_and_goes_away_with_it() {
    let cluster = Cluster::shared();
    let user = cluster.impersonate("live-forbidden", &[]);
    let engine = connect_as(cluster, &user).await;
    let began = Instant::now();
    let error = engine.live.ensure(&[config_maps()], soon(20)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "not waited for");
    assert_eq!(error.class(), Class::Forbidden);
    assert!(error.to_string().contains("list and watch configmaps"), "{error}");

    cluster.kubectl([
        "create",
        "clusterrole",
        "live-forbidden",
        "--verb=list,watch",
        "--resource=configmaps",
    ]);
    cluster.kubectl([
        "create",
        "clusterrolebinding",
        "live-forbidden",
        "--clusterrole=live-forbidden",
        "--user=live-forbidden",
    ]);
    eventually("the kind can be watched", Duration::from_secs(20), || async {
        engine.live.ensure(&[config_maps()], soon(5)).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_nobody_serves_is_said_to_be_so() {
    let engine = connect(Cluster::shared()).await;
    let unknown = GroupVersionKind::new("nobody.example.com", "v1", "Ghost");
    let ensured = engine.live.ensure(&[unknown.clone(), config_maps()], soon(20)).await.unwrap();
    assert_eq!(ensured.not_served.into_iter().collect::<Vec<_>>(), [unknown]);
    let review = GroupVersionKind::new("authorization.k8s.io", "v1", "SubjectAccessReview");
    let error = engine.live.ensure(&[review], soon(20)).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_go_and_come_with_their_definition() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "live").await;
    let engine = connect(cluster).await;
    let gadgets = GroupVersionKind::new("live.example.com", "v1", "Gadget");
    let gadget = json!({
        "apiVersion": "live.example.com/v1", "kind": "Gadget",
        "metadata": {"name": "a", "labels": {"tiphys.dev/application": "gadget"}},
    })
    .to_string();
    let id: ObjectId = format!("live.example.com/Gadget {}/a", ns.name()).parse().unwrap();
    let mut events = engine.live.events();
    for round in 0..2 {
        cluster.kubectl_with_input(["apply", "-f", "-"], &definition(&gadgets.group).to_string());
        cluster.kubectl(["wait", "--for=condition=Established", "crd/gadgets.live.example.com"]);
        if round == 0 {
            eventually("the kind is watched", Duration::from_secs(10), || async {
                let ensured =
                    engine.live.ensure([&gadgets], soon(5)).await.map_err(|error| error.to_string())?;
                if ensured.not_served.is_empty() { Ok(()) } else { Err("not served".to_owned()) }
            })
            .await;
        }
        eventually("the object is created", Duration::from_secs(10), || async {
            let (done, words) = cluster.try_kubectl(
                &cluster.admin_identity(),
                ["-n", ns.name(), "apply", "-f", "-"],
                &gadget,
            );
            if done { Ok(()) } else { Err(words) }
        })
        .await;
        assert_eq!(change_of(&mut events, &id).await, Change::Added, "round {round}");
        cluster.kubectl(["delete", "crd", "gadgets.live.example.com"]);
        assert_eq!(change_of(&mut events, &id).await, Change::Removed, "round {round}");
        assert!(engine.live.get(&id).is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_api_server_is_followed_again_without_a_list() {
    let cluster = OwnCluster::start(&ClusterOptions::default());
    let apply = |value: &str| {
        cluster.kubectl_with_input(
            ["apply", "-f", "-"],
            &config_map("default", "a", "restart", value).to_string(),
        );
    };
    apply("1");
    let proxy = FaultProxy::start(&cluster, 1);
    let engine = connect(&proxy).await;
    watch(&engine, &[config_maps()]).await;
    proxy.forget();
    cluster.kill(Component::ApiServer);
    cluster.restart(Component::ApiServer);
    apply("2");
    let began = Instant::now();
    eventually("the change is seen", Duration::from_secs(20), || async {
        let live = engine.live.get(&config_map_id("default", "a")).ok_or("nothing")?;
        if live.object().unwrap()["data"]["key"] == "2" { Ok(()) } else { Err("the old value") }
    })
    .await;
    eprintln!("seen {:?} after the write; {:?}", began.elapsed(), proxy.counts());
    let lists = proxy.count(|request| is_list(request) && request.status == Some(200));
    assert!(lists <= 1, "{lists} lists");
    assert!(proxy.count(is_watch) <= 30, "{:?}", proxy.counts());
}
