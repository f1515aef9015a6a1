//! The Syncs that we ask for: built here, sent to the API server, owned by their Application.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use kube::Resource as _;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use tiphys_api::{Application, InitiatedBy, Sync, SyncSpec, Trigger};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::failure::{Class, Failure};

/// Who writes what we write into Applications.
pub const FIELD_MANAGER: &str = "tiphys-cli";

/// Letters that neither look alike nor form words; the API server uses the like for generated names.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Creates a Sync of `application` in the name of the person who runs this program.
pub async fn create_sync(
    cluster: &Cluster,
    application: &Application,
    spec: SyncSpec,
) -> Result<Sync, Error> {
    let user = cluster.user().await?;
    let sync = sync_of(application, spec, user, &random_suffix());
    let name = sync.metadata.name.clone().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match cluster.syncs().create(&parameters, &sync).await.map_err(Failure::from) {
        Ok(created) => Ok(created),
        // Nobody else draws this name: an earlier try got through and its answer was lost.
        Err(failure) if failure.class() == Some(Class::AlreadyExists) => {
            let found = cluster.syncs().get(&name).await;
            found.map_err(|error| Error::request(format!("read Sync `{name}`"), error))
        }
        Err(failure) => Err(Error::request(format!("create a Sync of `{}`", sync.spec.application), failure)),
    }
}

/// Deletes a Sync; that it is gone already is fine.
pub async fn delete_sync(cluster: &Cluster, name: &str) -> Result<(), Error> {
    match cluster.syncs().delete(name, &DeleteParams::background()).await.map_err(Failure::from) {
        Ok(_) => Ok(()),
        Err(failure) if failure.class() == Some(Class::NotFound) => Ok(()),
        Err(failure) => Err(Error::request(format!("delete Sync `{name}`"), failure)),
    }
}

fn sync_of(application: &Application, mut spec: SyncSpec, user: Option<String>, suffix: &str) -> Sync {
    let name = application.metadata.name.clone().unwrap_or_default();
    spec.application.clone_from(&name);
    spec.initiated_by = InitiatedBy { user, trigger: Trigger::User };
    Sync {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{suffix}")),
            namespace: application.metadata.namespace.clone(),
            owner_references: application.owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

fn random_suffix() -> String {
    // Each state is keyed from the randomness of the operating system.
    let mut random = RandomState::new().build_hasher().finish();
    let mut suffix = String::with_capacity(8);
    for _ in 0..8 {
        let index = usize::try_from(random % 27).unwrap_or_default();
        suffix.push(char::from(LETTERS[index]));
        random /= 27;
    }
    suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_owned_by_its_application_and_says_who_asked() {
        let mut application = Application::new("web", crate::output::samples::application("new").spec);
        application.metadata.namespace = Some("shop".to_owned());
        application.metadata.uid = Some("1b2c".to_owned());
        let spec = SyncSpec { dry_run: true, ..SyncSpec::default() };
        let sync = sync_of(&application, spec, Some("jane".to_owned()), "bcdfg");
        insta::assert_snapshot!("sync_request", serde_json::to_string_pretty(&sync).unwrap());
    }

    #[test]
    fn suffixes_differ_and_fit_a_name() {
        let (one, other) = (random_suffix(), random_suffix());
        assert_ne!(one, other);
        assert!(one.bytes().all(|it| LETTERS.contains(&it)), "{one}");
    }
}
