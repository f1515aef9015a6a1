//! Questions about what would come of a request, and whether we have the right to it. Nothing is stored.

use http::Method;
use serde_json::{Value, json};
use tiphys_manifest::ObjectId;
use tokio::time::Instant;

use super::failure::Failure;
use super::{Call, Requests, encode, path};
use crate::discovery::ServedKind;
use crate::error::{Error, Operation};

impl Requests {
    /// Tries, without deleting anything, whether an object may be deleted: rights and admission. One that is gone, or is
    /// another one than that of the uid, may.
    pub async fn try_delete(
        &self,
        kind: &ServedKind,
        id: &ObjectId,
        uid: Option<&str>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let attempt = async {
            // A server that reads the one may ignore the other.
            let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"] });
            if let Some(uid) = uid {
                options["preconditions"] = json!({"uid": uid});
            }
            let call = Call {
                method: Method::DELETE,
                uri: format!("{}?dryRun=All", path::object(kind, id.namespace.as_deref(), &id.name)?),
                content_type: "application/json",
                body: encode(&options)?,
                secret: None,
            };
            self.send(&call, deadline).await
        };
        match attempt.await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_not_found() => Ok(()),
            Err(Failure::Refused(refusal)) if refusal.is_other_object() => Ok(()),
            Err(failure) => Err(Error::request(Operation::Delete, id, failure)),
        }
    }

    /// Whether we have the right to `verb` an object, by the rules of the cluster alone: its kind need not be served yet.
    pub async fn may(
        &self,
        verb: &str,
        resource: &str,
        id: &ObjectId,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": verb, "group": id.group, "resource": resource, "namespace": id.namespace, "name": id.name,
            } },
        });
        let attempt = async {
            let call = Call {
                method: Method::POST,
                uri: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
                content_type: "application/json",
                body: encode(&review)?,
                secret: None,
            };
            self.send(&call, deadline).await
        };
        let answer = attempt.await.map_err(|failure| Error::request(Operation::AskRights, id, failure))?;
        Ok(answer.body.pointer("/status/allowed") == Some(&Value::Bool(true)))
    }
}
