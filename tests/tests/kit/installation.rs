//! Tiphys is installed as it is shipped.

use tiphys_tests::{Cluster, Installation, repository_manifests};

#[tokio::test]
async fn the_account_may_deploy_and_not_more_than_it_ships_with() {
    let cluster = Cluster::shared();
    let installation = Installation::apply(cluster).await;
    let may = |verb: &str, resource: &str| {
        let question = ["auth", "can-i", verb, resource, "--namespace=default"];
        let (_, answer) = cluster.try_kubectl(installation.identity(), question, "");
        answer.trim().to_owned()
    };
    assert_eq!(may("create", "deployments.apps"), "yes");
    // Only the admin is in the group that the API server does not ask about.
    let (_, who) = cluster.try_kubectl(installation.identity(), ["auth", "whoami"], "");
    assert!(who.contains("system:serviceaccount:tiphys:tiphys-controller"), "{who}");
    assert!(!who.contains("system:masters"), "{who}");
}

#[tokio::test]
async fn a_repository_for_tests_is_accepted() {
    let cluster = Cluster::shared();
    Installation::apply(cluster).await;
    let manifests = repository_manifests("default", "deploy", "http://127.0.0.1:1/acme/deploy.git");
    let arguments = ["apply", "--dry-run=server", "--filename=-"];
    let answer = cluster.kubectl_with_input(arguments, &manifests);
    assert!(answer.contains("repository.tiphys.dev/deploy created"), "{answer}");
}
