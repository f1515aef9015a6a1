//! `tiphys check`.

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope as KindScope, oneshot};
use serde_json::Value;
use tiphys_api::{Application, Repository};
use tiphys_manifest::Manifest;

use super::Context;
use super::list::form;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::cluster::{Cluster, Scope};
use crate::embedded::{self, Part};
use crate::error::Error;
use crate::exit::Exit;
use crate::failure::{Class, Failure};
use crate::output::documents;
use crate::output::findings::{
    Finding, Leader, Verdict, is_covered, of_applications, of_deployment, of_leader, of_repositories, text,
};
use crate::output::words::count;
use crate::terminal;

/// The first version of Kubernetes with everything that our CRDs and policies use.
const OLDEST_MINOR: u32 = 31;

/// Where to look.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// Look at Applications and Repositories of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Namespace of the controller
    #[arg(long, value_name = "NAMESPACE", default_value = embedded::NAMESPACE)]
    installation: String,
    #[command(flatten)]
    output: OutputArgument,
}

/// Looks at everything that has to be in place.
pub async fn run(context: &Context, arguments: &CheckArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let mut findings = vec![server(&cluster).await?];
    findings.push(crds(&cluster).await?);
    findings.extend(installation(&cluster, &arguments.installation).await?);
    findings.extend(controller(&cluster, &arguments.installation).await);
    findings.push(rights(&cluster).await?);
    let scope = if arguments.all_namespaces { Scope::AllNamespaces } else { Scope::Namespace };
    findings.extend(ours(&cluster, scope).await);
    let output = match arguments.output.output {
        OutputFormat::Table | OutputFormat::Wide => text(&findings, context.terminal.out),
        format => documents::document(&documents::value(&findings)?, form(format))?,
    };
    terminal::data(&output)?;
    let is_good = findings.iter().all(|it| it.verdict != Verdict::Bad);
    Ok(if is_good { Exit::Done } else { Exit::Failed })
}

async fn server(cluster: &Cluster) -> Result<Finding, Error> {
    let version = cluster.client.apiserver_version().await;
    let version = version.map_err(|error| Error::request("ask the API server for its version", error))?;
    let digits: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
    let is_recent = digits.parse::<u32>().is_ok_and(|it| it >= OLDEST_MINOR);
    let detail = format!("Kubernetes {} at {}", version.git_version, cluster.server);
    Ok(if is_recent {
        Finding::good("API server", detail)
    } else {
        let advice = format!("Tiphys needs Kubernetes 1.{OLDEST_MINOR} or newer");
        Finding::new("API server", Verdict::Bad, detail, advice)
    })
}

async fn crds(cluster: &Cluster) -> Result<Finding, Error> {
    const CHECK: &str = "custom resources";
    const INSTALL: &str = "`tiphys install --crds-only` brings them up to date";
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let manifests = embedded::manifests(Part::Crds)?;
    let mut problems = Vec::new();
    for manifest in &manifests {
        match api.get(manifest.name()).await.map_err(Failure::from) {
            Ok(live) => problems.extend(crd_problem(manifest, &live)),
            Err(failure) if failure.class() == Some(Class::NotFound) => {
                problems.push(format!("{} is missing", manifest.name()));
            }
            Err(failure) if failure.class() == Some(Class::Forbidden) => {
                return Ok(unseen(CHECK, "custom resource definitions"));
            }
            Err(failure) => return Err(Error::request("read the custom resource definitions", failure)),
        }
    }
    Ok(if problems.is_empty() {
        Finding::good(CHECK, format!("{}, all served", count(manifests.len(), "kind")))
    } else {
        Finding::new(CHECK, Verdict::Bad, first_few(&problems), INSTALL)
    })
}

fn crd_problem(manifest: &Manifest, live: &CustomResourceDefinition) -> Option<String> {
    let conditions = live.status.as_ref().and_then(|it| it.conditions.as_ref());
    let is_established =
        conditions.is_some_and(|it| it.iter().any(|it| it.type_ == "Established" && it.status == "True"));
    if !is_established {
        return Some(format!("{} is not served", manifest.name()));
    }
    let live = serde_json::to_value(live).unwrap_or_default();
    let desired = Value::Object(manifest.object().clone());
    let is_current = is_covered(&desired["spec"], &live["spec"]);
    (!is_current).then(|| format!("{} is of another version", manifest.name()))
}

/// Whether the rest of the installation is there. People change it, so only its being there counts.
async fn installation(cluster: &Cluster, namespace: &str) -> Result<Vec<Finding>, Error> {
    let (mut policies, mut others) = (Vec::new(), Vec::new());
    for manifest in embedded::manifests(Part::Controller)? {
        let manifest = embedded::relocate(manifest, namespace)?;
        match (manifest.gvk().group.as_str(), manifest.gvk().kind.as_str()) {
            ("admissionregistration.k8s.io", _) => policies.push(manifest),
            // What makes the controller run is looked at by whether it runs: it may do so elsewhere.
            (_, "Deployment" | "Service" | "PodDisruptionBudget") => {}
            _ => others.push(manifest),
        }
    }
    let install = "`tiphys install` creates what is missing";
    Ok(vec![
        presence(cluster, "admission policies", &policies, install).await?,
        presence(cluster, "installation", &others, install).await?,
    ])
}

async fn presence(
    cluster: &Cluster,
    check: &str,
    manifests: &[Manifest],
    advice: &str,
) -> Result<Finding, Error> {
    let (mut missing, mut unserved) = (Vec::new(), Vec::new());
    for manifest in manifests {
        match look(cluster, manifest).await {
            Ok(Look::There) => {}
            Ok(Look::Missing) => missing.push(manifest.id().to_string()),
            Ok(Look::NotServed) => unserved.push(manifest.gvk().kind.clone()),
            Err(failure) if failure.class() == Some(Class::Forbidden) => {
                return Ok(unseen(check, "parts of it"));
            }
            Err(failure) => return Err(Error::request(format!("read {}", manifest.id()), failure)),
        }
    }
    Ok(if !missing.is_empty() {
        Finding::new(check, Verdict::Bad, format!("missing: {}", first_few(&missing)), advice)
    } else if !unserved.is_empty() {
        let detail = format!("this server has no {}", unserved.join(", "));
        Finding::new(
            check,
            Verdict::Notice,
            detail,
            "a Sync made with kubectl then has to name its user itself, or nobody",
        )
    } else {
        Finding::good(check, format!("{} in place", count(manifests.len(), "object")))
    })
}

/// The first names of a list, and how many more there are.
fn first_few(names: &[String]) -> String {
    const FEW: usize = 3;
    let more = names.len().saturating_sub(FEW);
    let first = names[..names.len() - more].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

enum Look {
    There,
    Missing,
    NotServed,
}

async fn look(cluster: &Cluster, manifest: &Manifest) -> Result<Look, Failure> {
    let gvk = manifest.gvk();
    let gvk = GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind);
    let (resource, capabilities) = match oneshot::pinned_kind(&cluster.client, &gvk).await {
        Ok(found) => found,
        Err(kube::Error::Discovery(_)) => return Ok(Look::NotServed),
        Err(error) => {
            let failure = Failure::from(error);
            return match failure.class() {
                Some(Class::NotServed | Class::NotFound) => Ok(Look::NotServed),
                _ => Err(failure),
            };
        }
    };
    let api: Api<DynamicObject> = match (capabilities.scope, manifest.namespace()) {
        (KindScope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(cluster.client.clone(), namespace, &resource)
        }
        _ => Api::all_with(cluster.client.clone(), &resource),
    };
    match api.get_metadata(manifest.name()).await.map_err(Failure::from) {
        Ok(_) => Ok(Look::There),
        Err(failure) if failure.class() == Some(Class::NotFound) => Ok(Look::Missing),
        Err(failure) => Err(failure),
    }
}

/// Whether the controller runs, and somebody leads.
async fn controller(cluster: &Cluster, namespace: &str) -> Vec<Finding> {
    const CHECK: &str = "controller";
    let deployment = match embedded::deployment(cluster, namespace).await {
        Ok(deployment) => deployment,
        Err(failure) if failure.class() == Some(Class::Forbidden) => {
            return vec![unseen(CHECK, "its Deployment")];
        }
        Err(failure) => {
            let advice = failure.hint().unwrap_or("try again");
            return vec![Finding::new(CHECK, Verdict::Bad, failure.to_string(), advice)];
        }
    };
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    let lease = match leases.get_opt(LEASE).await.map_err(Failure::from) {
        Ok(lease) => lease,
        Err(failure) if failure.class() == Some(Class::Forbidden) => {
            return vec![of_deployment(deployment.as_ref(), Leader::Unseen, namespace)];
        }
        Err(failure) => {
            let advice = failure.hint().unwrap_or("try again");
            return vec![Finding::new(CHECK, Verdict::Bad, failure.to_string(), advice)];
        }
    };
    let leader = Leader::of(lease.as_ref(), Timestamp::now());
    let mut findings = vec![of_deployment(deployment.as_ref(), leader, namespace)];
    // Where there is no controller, that nobody leads is no news.
    if deployment.is_some() || leader != Leader::Nobody {
        findings.extend(of_leader(leader, namespace));
    }
    findings
}

/// The Lease that the leader holds.
const LEASE: &str = "tiphys-controller";

/// The rights that the commands of this program need.
const RIGHTS: [(&str, &str, &str, &str); 8] = [
    ("tiphys.dev", "applications", "get", "get"),
    ("tiphys.dev", "applications", "list", "list"),
    ("tiphys.dev", "applications", "watch", "wait"),
    ("tiphys.dev", "applications", "patch", "suspend"),
    ("tiphys.dev", "syncs", "list", "history"),
    ("tiphys.dev", "syncs", "create", "sync"),
    ("tiphys.dev", "syncs", "delete", "diff"),
    ("", "secrets", "get", "diff"),
];

async fn rights(cluster: &Cluster) -> Result<Finding, Error> {
    let mut missing = Vec::new();
    for (group, resource, verb, command) in RIGHTS {
        if !may(cluster, group, resource, verb).await? {
            missing.push(format!("{verb} {resource} (for `tiphys {command}`)"));
        }
    }
    let check = format!("your rights in namespace {}", cluster.namespace);
    Ok(if missing.is_empty() {
        Finding::good(&check, "all that the commands need")
    } else {
        let advice = "ask who runs the cluster for the ClusterRole `edit` in this namespace; it holds them";
        Finding::new(&check, Verdict::Notice, format!("you may not {}", missing.join(", ")), advice)
    })
}

async fn may(cluster: &Cluster, group: &str, resource: &str, verb: &str) -> Result<bool, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                namespace: Some(cluster.namespace.clone()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = api.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| Error::request("ask for our rights", error))?;
    Ok(answer.status.is_some_and(|it| it.allowed))
}

/// Applications and Repositories that need somebody.
async fn ours(cluster: &Cluster, scope: Scope) -> Vec<Finding> {
    let applications: Api<Application> = match scope {
        Scope::Namespace => cluster.applications(),
        Scope::AllNamespaces => Api::all(cluster.client.clone()),
    };
    let repositories: Api<Repository> = match scope {
        Scope::Namespace => Api::namespaced(cluster.client.clone(), &cluster.namespace),
        Scope::AllNamespaces => Api::all(cluster.client.clone()),
    };
    let mut findings = match applications.list(&ListParams::default()).await {
        Ok(list) => of_applications(&list.items),
        Err(error) => unreadable("Applications", error),
    };
    findings.extend(match repositories.list(&ListParams::default()).await {
        Ok(list) => of_repositories(&list.items),
        Err(error) => unreadable("Repositories", error),
    });
    findings
}

/// That a kind is not served was said before; that we may not look is no fault of the installation.
fn unreadable(check: &str, error: kube::Error) -> Vec<Finding> {
    let failure = Failure::from(error);
    match failure.class() {
        Some(Class::NotServed) => Vec::new(),
        Some(Class::Forbidden) => vec![unseen(check, "them")],
        _ => vec![Finding::new(
            check,
            Verdict::Unseen,
            failure.to_string(),
            failure.hint().unwrap_or("try again"),
        )],
    }
}

fn unseen(check: &str, what: &str) -> Finding {
    Finding::new(
        check,
        Verdict::Unseen,
        format!("you may not read {what}"),
        "somebody with more rights can run `tiphys check`, too",
    )
}
