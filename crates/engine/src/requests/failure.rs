//! Why a request did not do what it should, told apart by what one can do about it.

use std::time::Duration;

use kube::core::Status;
use thiserror::Error;

use crate::error::Class;

/// Why a request failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The API server answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// There was no answer in time. What was asked for may have happened.
    #[error("the API server did not answer within {} s", limit.as_secs())]
    TimedOut {
        /// How long we waited.
        limit: Duration,
    },
    /// The connection could not be made, or broke before the answer was there. What was asked for may have
    /// happened.
    #[error("the connection to the API server failed")]
    Connection {
        /// What happened to it.
        #[source]
        source: Box<kube::Error>,
    },
    /// The answer is larger than any object of Kubernetes can be.
    #[error("the API server's answer is larger than {limit} bytes")]
    TooLarge {
        /// The largest answer that we read, in bytes.
        limit: usize,
    },
    /// The answer is not what the API promises.
    #[error("the API server's answer cannot be read")]
    Unreadable {
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The account in whose name it was to be sent was deleted.
    #[error("ServiceAccount {account} was deleted: nothing more is done in its name")]
    AccountGone {
        /// Its namespace and name.
        account: String,
    },
    /// The object cannot be named in a request.
    #[error("{problem}")]
    Name {
        /// What is wrong with its name or namespace.
        problem: String,
    },
}

/// An error that the API server answered with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// The reason in one word, such as `Invalid`; empty when the answer was not the API server's own.
    pub reason: String,
    /// The server's sentence. Values of Secrets are hidden in it.
    pub message: String,
    /// The fields that are wrong, if the server named any.
    pub causes: Vec<Cause>,
    /// How long the server asks us to wait.
    pub retry_after: Option<Duration>,
}

/// One field that the API server objects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its path, such as `spec.selector`; may be empty.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Failure {
    /// What one can do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused(refusal) => refusal.class(),
            Self::TimedOut { .. } | Self::Connection { .. } => Class::Transient,
            Self::AccountGone { .. } => Class::Forbidden,
            Self::TooLarge { .. } | Self::Unreadable { .. } | Self::Name { .. } => Class::Invalid,
        }
    }

    /// The API server's own words, if it answered.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the object, its namespace or its kind does not exist.
    pub fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == 404)
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        Self::TimedOut { limit }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(Box::new(Refusal::from(*status))),
            kube::Error::SerdeError(source) => Self::Unreadable { source: Box::new(source) },
            kube::Error::FromUtf8(source) => Self::Unreadable { source: Box::new(source) },
            other => Self::Connection { source: Box::new(other) },
        }
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.details;
        let retry_after = details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let causes = details.into_iter().flat_map(|details| details.causes);
        Self {
            code: status.code,
            reason: status.reason,
            message: status.message,
            causes: causes.map(|cause| Cause { field: cause.field, message: cause.message }).collect(),
            retry_after: (retry_after > 0).then(|| Duration::from_secs(u64::from(retry_after))),
        }
    }
}

/// Phrases with which the API server's own validation says that a field cannot be changed after creation.
const IMMUTABLE: &[&str] = &[
    "immutable",
    "may not be changed",
    "may not change once set",
    "may not change fields other than",
    "cannot change roleref",
    "updates to statefulset spec for fields other than",
    "updates to parameters are forbidden",
    "updates to provisioner are forbidden",
    "updates to reclaimpolicy are forbidden",
    "updates to volumebindingmode are forbidden",
];

impl Refusal {
    /// What one can do about it.
    pub fn class(&self) -> Class {
        match self.code {
            500 if self.is_schema_error() => Class::Invalid,
            408 | 425 | 429 | 500 | 502..=504 => Class::Transient,
            409 => Class::Conflict,
            // The namespace is on its way out; what comes after that is decided by whoever deletes it.
            403 if self.is_terminating_namespace() => Class::Conflict,
            401 | 403 => Class::Forbidden,
            _ => Class::Invalid,
        }
    }

    /// Whether all that is wrong is that fields changed that cannot change after creation.
    ///
    /// Only then does deleting and creating the object help. Anything else that is wrong beside it, an admission
    /// webhook's opinion, or an error that merely has the same status code, makes this false.
    pub fn is_immutable(&self) -> bool {
        self.code == 422
            && self.reason == "Invalid"
            && !self.message.contains("denied request")
            && !self.message.contains("denied the request")
            && !self.causes.is_empty()
            && self.causes.iter().all(|cause| {
                let message = cause.message.to_lowercase();
                IMMUTABLE.iter().any(|phrase| message.contains(phrase))
            })
    }

    /// Whether a webhook stands in the way only because it cannot be asked without effect.
    pub fn is_dry_run_unsupported(&self) -> bool {
        self.code == 400 && self.message.contains("does not support dry run")
    }

    /// Whether a ResourceQuota does not let the object be: it is exhausted, or demands what the object does not say.
    pub fn is_quota(&self) -> bool {
        self.code == 403 && ["exceeded quota", "failed quota"].iter().any(|it| self.message.contains(it))
    }

    /// Whether the kind itself is not served: the answer does not come from a storage of objects.
    pub fn is_missing_kind(&self) -> bool {
        self.code == 404 && self.reason != "NotFound"
    }

    /// Whether the namespace `namespace` does not exist.
    pub fn is_missing_namespace(&self, namespace: &str) -> bool {
        self.code == 404 && self.message.contains(&format!("namespaces \"{namespace}\" not found"))
    }

    /// Whether something called `name` was looked for and not found.
    pub fn misses(&self, name: &str) -> bool {
        let words = [format!("\"{name}\" not found"), format!("no PriorityClass with name {name} was found")];
        (self.code == 404 || self.code == 403) && words.iter().any(|words| self.message.contains(words))
    }

    /// Whether the object that we meant (by its uid) is not the one that has the name now.
    pub fn is_other_object(&self) -> bool {
        self.code == 409
            && ["Precondition failed: UID", "the UID in the precondition"]
                .iter()
                .any(|phrase| self.message.contains(phrase))
    }

    /// Whether the object does not fit the schema of its kind, which server-side apply answers with the status 500.
    fn is_schema_error(&self) -> bool {
        [
            "failed to create typed patch object",
            "failed to create typed live object",
            "field not declared in schema",
            // Such as data of a Secret that is not base64.
            "failed to convert new object",
        ]
        .iter()
        .any(|phrase| self.message.contains(phrase))
    }

    fn is_terminating_namespace(&self) -> bool {
        self.message.contains("because it is being terminated")
    }
}

/// The message of a status and of its causes, for finding words in it.
pub(crate) fn describe_status(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut text = status.message.clone();
    for cause in causes {
        text.push(' ');
        text.push_str(&cause.field);
        text.push(' ');
        text.push_str(&cause.message);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, reason: &str, message: &str, causes: &[(&str, &str)]) -> Refusal {
        Refusal {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            causes: causes
                .iter()
                .map(|(field, message)| Cause { field: (*field).to_owned(), message: (*message).to_owned() })
                .collect(),
            retry_after: None,
        }
    }

    #[test]
    fn classes_follow_the_status() {
        for (code, reason, message, expected) in [
            (429, "TooManyRequests", "slow down", Class::Transient),
            (500, "InternalError", "failed calling webhook", Class::Transient),
            (
                500,
                "",
                "failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.x: field not declared in schema",
                Class::Invalid,
            ),
            (503, "", "no endpoints", Class::Transient),
            (504, "Timeout", "", Class::Transient),
            (409, "Conflict", "", Class::Conflict),
            (403, "Forbidden", "cannot patch", Class::Forbidden),
            (403, "Forbidden", "exceeded quota: small", Class::Forbidden),
            (
                403,
                "Forbidden",
                "unable to create new content in namespace a because it is being terminated",
                Class::Conflict,
            ),
            (401, "Unauthorized", "", Class::Forbidden),
            (422, "Invalid", "", Class::Invalid),
            (400, "BadRequest", "", Class::Invalid),
            (404, "NotFound", "", Class::Invalid),
            (413, "RequestEntityTooLarge", "", Class::Invalid),
        ] {
            assert_eq!(refusal(code, reason, message, &[]).class(), expected, "{code} {message}");
        }
    }

    #[test]
    fn only_immutable_fields_count_as_immutable() {
        let selector = ("spec.selector", "Invalid value: {\"matchLabels\":{}}: field is immutable");
        let stateful =
            ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden");
        let replicas = ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0");
        for (causes, expected) in [
            (vec![selector], true),
            (vec![selector, stateful], true),
            (vec![selector, replicas], false),
            (vec![replicas], false),
            (vec![], false),
        ] {
            assert_eq!(refusal(422, "Invalid", "x", &causes).is_immutable(), expected, "{causes:?}");
        }
        let policy = "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: immutable";
        assert!(!refusal(422, "Invalid", policy, &[("", "immutable")]).is_immutable());
        assert!(!refusal(409, "Conflict", "field is immutable", &[selector]).is_immutable());
        assert!(!refusal(403, "Forbidden", "webhook: field is immutable", &[selector]).is_immutable());
    }

    #[test]
    fn what_is_missing_is_recognised() {
        let kind = refusal(404, "Failed to parse error data", "404 page not found", &[]);
        assert!(kind.is_missing_kind());
        let namespace = refusal(404, "NotFound", "namespaces \"web\" not found", &[]);
        assert!(namespace.is_missing_namespace("web") && !namespace.is_missing_namespace("we"));
        assert!(!namespace.is_missing_kind());
        let account = refusal(
            403,
            "Forbidden",
            "pods \"a\" is forbidden: error looking up service account web/bot: serviceaccount \"bot\" not found",
            &[],
        );
        assert!(account.misses("bot") && !account.misses("bo"));
    }
}
