//! The rules of an Application's Project, checked here for a plan that is made here. Who may not read the Project is told
//! that nobody checked; the controller checks in any case.

use kube::{Api, ResourceExt as _};
use tiphys_api::{Application, Project, Repository};
use tiphys_engine::plan::Refusal;
use tiphys_engine::scope;
use tiphys_manifest::{Manifest, ObjectId};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::failure::{Class, Failure};
use crate::terminal::Terminal;

/// What the Application may not do to these objects, and may not do at all.
pub async fn refusals(
    cluster: &Cluster,
    terminal: Terminal,
    application: &Application,
    installation: &str,
    placed: &[Manifest],
) -> Result<Vec<Refusal>, Error> {
    let name = &application.spec.project;
    let projects: Api<Project> = Api::namespaced(cluster.client.clone(), installation);
    let project = match projects.get_opt(name).await.map_err(Failure::from) {
        Ok(project) => project,
        Err(failure) if failure.class() == Some(Class::Forbidden) => {
            terminal.warn(&format!(
                "you may not read Project `{name}` in namespace `{installation}`: its rules are not checked here"
            ));
            return Ok(Vec::new());
        }
        Err(failure) => return Err(Error::request(format!("read Project `{name}`"), failure)),
    };
    let project = project.as_ref().map(|it| &it.spec);
    let spec = &application.spec;
    let objects: Vec<ObjectId> = placed.iter().map(Manifest::id).collect();
    let account = scope::account(spec, project);
    let input = scope::ScopeInput {
        application_namespace: &cluster.namespace,
        installation_namespace: installation,
        project_name: name,
        project,
        source: &address(cluster, &spec.source.repo).await?,
        cluster: &spec.destination.cluster,
        namespace: spec.destination.namespace.as_deref().unwrap_or(&cluster.namespace),
        account: account.as_deref(),
        objects: &objects,
    };
    Ok(scope::refusals(&input, &application.name_any(), placed))
}

/// The address of a repository that may be called by the name of a Repository.
async fn address(cluster: &Cluster, repo: &str) -> Result<String, Error> {
    if repo.contains([':', '/']) {
        return Ok(repo.to_owned());
    }
    let repositories: Api<Repository> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let repository = repositories.get_opt(repo).await;
    let repository =
        repository.map_err(|error| Error::request(format!("read Repository `{repo}`"), error))?;
    Ok(repository.map_or_else(|| repo.to_owned(), |it| it.spec.url))
}
