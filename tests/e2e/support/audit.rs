//! Promise 8, at the end of every test: what is in a Secret of its namespace is nowhere else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, Config};
use tiphys_api::SNAPSHOT_TYPE;
use tiphys_tests::blocking;

/// Shorter values are found anywhere by chance.
const SHORTEST: usize = 8;
/// What is in Secrets without being one.
const PUBLIC: [&str; 5] = ["username", "known_hosts", "ca.crt", "tls.crt", "key.pub"];
/// A control plane that does not answer is one that its test has broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a value of a Secret may not be, and what is written there.
struct Place {
    name: String,
    text: String,
}

/// Panics when a value of a Secret of this namespace is in one of our objects or Events there, or in `log`.
pub fn secrets_stay_secret(config: Config, namespace: &str, log: &str) {
    let ns = namespace.to_owned();
    let Some(Ok((values, mut places))) = blocking(PATIENCE, async move { look(config, &ns).await }) else {
        return;
    };
    places.push(Place { name: "the log of the controller".to_owned(), text: log.to_owned() });
    for (secret, value) in &values {
        let found = places.iter().find_map(|it| Some((it, it.text.find(value.as_str())?)));
        if let Some((place, at)) = found {
            // Saying the value would be the very thing.
            let before = place.text[..at].lines().last().unwrap_or_default();
            panic!("a value of Secret {namespace}/{secret} is in {}, after: {before}", place.name);
        }
    }
}

async fn look(config: Config, ns: &str) -> Result<(Vec<(String, String)>, Vec<Place>), kube::Error> {
    let client = Client::try_from(config)?;
    let secrets = Api::<Secret>::namespaced(client.clone(), ns).list(&ListParams::default()).await?;
    let values = secrets.items.iter().flat_map(values_of).collect();
    let kinds = [
        ("tiphys.dev", "v1alpha1", "Application"),
        ("tiphys.dev", "v1alpha1", "Sync"),
        ("tiphys.dev", "v1alpha1", "Repository"),
        ("", "v1", "Event"),
    ];
    let mut places = Vec::new();
    for (group, version, kind) in kinds {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), ns, &resource);
        for object in api.list(&ListParams::default()).await?.items {
            let name = format!("{kind} {}", object.metadata.name.clone().unwrap_or_default());
            places.push(Place { name, text: serde_json::to_string(&object).unwrap_or_default() });
        }
    }
    Ok((values, places))
}

/// The values of a Secret as they are and in base64. Snapshots are compressed, and are no secret of anybody else.
fn values_of(secret: &Secret) -> Vec<(String, String)> {
    if secret.type_.as_deref() == Some(SNAPSHOT_TYPE) {
        return Vec::new();
    }
    let name = secret.metadata.name.clone().unwrap_or_default();
    let data = secret.data.iter().flatten().filter(|(key, _)| !PUBLIC.contains(&key.as_str()));
    let mut values = Vec::new();
    for (key, value) in data {
        let mut note = |text: &str| values.push((format!("{name} ({key})"), text.to_owned()));
        note(&STANDARD.encode(&value.0));
        match std::str::from_utf8(&value.0) {
            // A key is told by any of its lines.
            Ok(text) if text.starts_with("-----BEGIN") => text.lines().for_each(note),
            Ok(text) => note(text),
            Err(_) => {}
        }
    }
    values.retain(|(_, text)| text.len() >= SHORTEST && !text.starts_with("-----"));
    values
}
