//! The secret from which a chart of an Application draws what templates leave to chance: passwords, keys, the time.
//!
//! It is a Secret beside the Application, made when a chart first needs it. With the same Secret the same revision
//! renders the same bytes, always; two Applications never share one. It goes with the objects: an Application that is
//! deleted and leaves its objects leaves the Secret too, so that one that comes back under its name draws the same
//! passwords again.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use tiphys_api::{Application, STATUS_FIELD_MANAGER};
use tiphys_render::{Chance, Seed};

use super::{Error, name_of, namespace_of};
use crate::context::Context;
use crate::records::in_time;

/// Type of the Secret.
const SEED_TYPE: &str = "tiphys.dev/seed";
/// Key of the random bytes.
const SEED_KEY: &str = "seed";
/// Key of the time at which the clock of templates stands.
const TIME_KEY: &str = "at";
/// Label that names the Application.
const SEED_LABEL: &str = "tiphys.dev/seed-of";
/// Annotation that names the Sync, by its uid, for which the secret was renewed last.
const RENEWED_FOR: &str = "tiphys.dev/renewed-for";

/// A secret as it was read or made.
#[derive(Clone, Debug)]
pub struct KnownSeed {
    /// What charts draw from.
    pub chance: Chance,
    /// Version of the Secret: another one gives another rendering.
    pub version: String,
}

/// Name of the Secret of an Application.
fn secret_name(application: &Application) -> String {
    format!("{}-tiphys-seed", name_of(application))
}

fn secrets(ctx: &Context, application: &Application) -> Api<Secret> {
    Api::namespaced(ctx.client.clone(), &namespace_of(application))
}

/// Reads the secret of an Application, or makes it.
pub async fn ensure(ctx: &Context, application: &Application) -> Result<KnownSeed, Error> {
    let name = secret_name(application);
    let secrets = secrets(ctx, application);
    let failed = |operation| Error::write(operation, &name);
    if let Some(secret) = in_time(secrets.get_opt(&name)).await.map_err(failed("read"))? {
        return known(&secret);
    }
    let secret = fresh(application, None)?;
    let params = PostParams { field_manager: Some(STATUS_FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match in_time(secrets.create(&params, &secret)).await {
        Ok(secret) => known(&secret),
        // Another replica, or this one before it was killed, was faster.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            known(&in_time(secrets.get(&name)).await.map_err(failed("read"))?)
        }
        Err(error) => Err(failed("create")(error)),
    }
}

/// Makes a new secret for a Sync. A Sync that is taken up again after a crash finds the one that it made.
pub async fn renew(ctx: &Context, application: &Application, sync: &str) -> Result<KnownSeed, Error> {
    let name = secret_name(application);
    let secrets = secrets(ctx, application);
    let failed = |operation| Error::write(operation, &name);
    let before = in_time(secrets.get_opt(&name)).await.map_err(failed("read"))?;
    if let Some(secret) = &before
        && secret.annotations().get(RENEWED_FOR).is_some_and(|it| it == sync)
    {
        return known(secret);
    }
    let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    let secret = fresh(application, Some(sync))?;
    let written = in_time(secrets.patch(&name, &params, &Patch::Apply(&secret))).await;
    known(&written.map_err(failed("renew"))?)
}

/// Deletes the secret of an Application whose objects are deleted.
pub async fn delete(ctx: &Context, application: &Application) -> Result<(), Error> {
    let name = secret_name(application);
    match in_time(secrets(ctx, application).delete(&name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::write("delete", &name)(error)),
    }
}

fn fresh(application: &Application, sync: Option<&str>) -> Result<Secret, Error> {
    let seed = Seed::random().map_err(|error| Error::Seed { message: error.to_string() })?;
    let at = Timestamp::now().to_string();
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(application)),
            namespace: Some(namespace_of(application)),
            annotations: sync.map(|it| BTreeMap::from([(RENEWED_FOR.to_owned(), it.to_owned())])),
            labels: Some(BTreeMap::from([(SEED_LABEL.to_owned(), name_of(application))])),
            ..ObjectMeta::default()
        },
        type_: Some(SEED_TYPE.to_owned()),
        data: Some(BTreeMap::from([
            (SEED_KEY.to_owned(), ByteString(seed.expose().to_vec())),
            (TIME_KEY.to_owned(), ByteString(at.into_bytes())),
        ])),
        ..Secret::default()
    })
}

fn known(secret: &Secret) -> Result<KnownSeed, Error> {
    let name = secret.name_any();
    let unusable = |message: &str| Error::Seed {
        message: format!(
            "Secret {name} {message}; restore it, or delete it and sync with renewSecrets to make a new one"
        ),
    };
    let value = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|it| it.0.as_slice());
    let seed = value(SEED_KEY).filter(|it| it.len() >= Seed::LEN);
    let seed = seed.ok_or_else(|| unusable("has no key `seed` of 32 bytes or more"))?;
    let at = value(TIME_KEY).and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
    let at: Timestamp =
        at.ok_or_else(|| unusable("has no key `at` with a time such as 2026-11-29T12:00:00Z"))?;
    Ok(KnownSeed {
        chance: Chance::Seeded { seed: Seed::new(seed), at },
        version: secret.resource_version().unwrap_or_default(),
    })
}
