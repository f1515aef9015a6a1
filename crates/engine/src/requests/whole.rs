//! Writing whole objects: what is not applied field by field.

use http::Method;
use serde_json::{Map, Value};
use tiphys_api::FIELD_MANAGER;
use tokio::time::Instant;

use super::failure::Failure;
use super::{Applied, Call, Mode, Requests, TriedCreate, desired, encode, identify, path, secret_of};
use crate::discovery::ServedKind;
use crate::error::Error;

impl Requests {
    /// Tries, without storing anything, whether the object could be created.
    ///
    /// The server validates and admits before it looks whether the name is taken, so [`TriedCreate::Exists`] says
    /// that nothing else stands in the way.
    pub async fn try_create(
        &self,
        kind: &ServedKind,
        object: &Map<String, Value>,
        deadline: Instant,
    ) -> Result<TriedCreate, Error> {
        self.create(kind, object, Mode::DryRun, deadline).await
    }

    /// Creates an object, unless there is one of its name.
    pub async fn create(
        &self,
        kind: &ServedKind,
        object: &Map<String, Value>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<TriedCreate, Error> {
        self.create_as(FIELD_MANAGER, kind, object, mode, deadline).await
    }

    /// Like [`Requests::create`] for another field manager of ours.
    pub async fn create_as(
        &self,
        manager: &str,
        kind: &ServedKind,
        object: &Map<String, Value>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<TriedCreate, Error> {
        let id = identify(kind, object);
        let attempt = async {
            let path = path::collection(kind, id.namespace.as_deref())?;
            path::object(kind, id.namespace.as_deref(), &id.name)?;
            let dry_run = mode.parameter();
            let call = Call {
                method: Method::POST,
                uri: format!("{path}?{dry_run}fieldManager={manager}&fieldValidation=Strict"),
                content_type: "application/json",
                body: encode(&desired(object))?,
                secret: secret_of(kind, object),
            };
            self.send(&call, deadline).await
        };
        match attempt.await {
            Ok(answer) => Ok(TriedCreate::Created(answer.body)),
            Err(Failure::Refused(refusal)) if refusal.reason == "AlreadyExists" => Ok(TriedCreate::Exists),
            Err(failure) => Err(Error::request(mode.operation(), &id, failure)),
        }
    }

    /// Replaces a whole object. Its `resourceVersion` says which version of it is meant: another one is a conflict.
    pub async fn replace(
        &self,
        kind: &ServedKind,
        object: &Map<String, Value>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Applied, Error> {
        let id = identify(kind, object);
        let attempt = async {
            let path = path::object(kind, id.namespace.as_deref(), &id.name)?;
            let dry_run = mode.parameter();
            let mut body = desired(object);
            if let (Some(Value::Object(sent)), Some(Value::Object(metadata))) =
                (body.get_mut("metadata"), object.get("metadata"))
            {
                for field in ["resourceVersion", "uid"] {
                    sent.extend(metadata.get(field).map(|value| (field.to_owned(), value.clone())));
                }
            }
            let call = Call {
                method: Method::PUT,
                uri: format!("{path}?{dry_run}fieldManager={FIELD_MANAGER}&fieldValidation=Strict"),
                content_type: "application/json",
                body: encode(&body)?,
                secret: secret_of(kind, object),
            };
            self.send(&call, deadline).await
        };
        let answer = attempt.await.map_err(|failure| Error::request(mode.operation(), &id, failure))?;
        Ok(Applied { object: answer.body, existed: true, warnings: answer.warnings })
    }
}
