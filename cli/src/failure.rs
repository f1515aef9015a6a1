//! What the API server, or the way to it, answered instead of a result.

use kube::runtime::watcher;

/// What the API server, or the way to it, answered instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The API server answered, and said no.
    #[error("{message}")]
    Refused {
        /// Which kind of no.
        class: Class,
        /// What the API server said.
        message: String,
    },
    /// No answer came.
    #[error("no answer from the API server: {cause}")]
    Unreachable {
        /// The innermost cause.
        cause: String,
    },
    /// The credentials of the kubeconfig cannot be used.
    #[error("the credentials of the kubeconfig cannot be used: {cause}")]
    Credentials {
        /// The innermost cause.
        cause: String,
    },
    /// The answer is not what this version expects.
    #[error("the answer of the API server cannot be read")]
    Answer(#[source] serde_json::Error),
    /// Anything else that the client met.
    #[error("the Kubernetes client failed: {cause}")]
    Client {
        /// The innermost cause.
        cause: String,
    },
}

/// The kinds of no that need different next steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 401: the server does not know who asks.
    Unauthenticated,
    /// 403: whoever asks may not.
    Forbidden,
    /// 404, for an object.
    NotFound,
    /// 404, for a kind.
    NotServed,
    /// 409, at creation.
    AlreadyExists,
    /// 409, at a change.
    Conflict,
    /// 400 or 422.
    Invalid,
    /// 429, 5xx.
    Overloaded,
    /// Any other.
    Other,
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                class: Class::of(status.code, &status.reason, &status.message),
                message: status.message,
            },
            kube::Error::SerdeError(source) => Self::Answer(source),
            kube::Error::Auth(error) => Self::Credentials { cause: innermost(&error) },
            kube::Error::Service(error) => Self::Unreachable { cause: innermost(error.as_ref()) },
            kube::Error::HyperError(error) => Self::Unreachable { cause: innermost(&error) },
            other => Self::Client { cause: innermost(&other) },
        }
    }
}

impl From<watcher::Error> for Failure {
    fn from(error: watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => kube::Error::Api(status).into(),
            watcher::Error::NoResourceVersion => Self::Client { cause: error.to_string() },
        }
    }
}

impl Failure {
    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { class, .. } => {
                matches!(class, Class::Overloaded | Class::Conflict | Class::Other)
            }
            Self::Unreachable { .. } => true,
            Self::Credentials { .. } | Self::Answer(_) | Self::Client { .. } => false,
        }
    }

    /// The kind of no, when the API server said no.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Refused { class, .. } => Some(*class),
            _ => None,
        }
    }

    /// What to do next, when that does not depend on what was asked for.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { class, .. } => class.hint(),
            Self::Unreachable { .. } => Some(
                "check that the cluster is up and that `--context` (or the current context) names the right one",
            ),
            Self::Credentials { .. } => Some("log in again, or choose another user with `--context`"),
            Self::Answer(_) => {
                Some("client and server may be of different versions: `tiphys version --server` shows both")
            }
            Self::Client { .. } => None,
        }
    }
}

impl Class {
    fn of(code: u16, reason: &str, message: &str) -> Self {
        match (code, reason) {
            (401, _) => Self::Unauthenticated,
            (403, _) => Self::Forbidden,
            // A kind that is not served is answered in plain text, not with the name of an object.
            (404, _)
                if message.contains("could not find the requested resource")
                    || message.starts_with("404 page") =>
            {
                Self::NotServed
            }
            (404, _) => Self::NotFound,
            (409, "AlreadyExists") => Self::AlreadyExists,
            (409, _) => Self::Conflict,
            (400 | 422, _) => Self::Invalid,
            (429 | 500..=599, _) => Self::Overloaded,
            _ => Self::Other,
        }
    }

    const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated => Some("log in again, or choose another user with `--context`"),
            Self::Forbidden => Some(
                "ask who runs the cluster for this right; `tiphys check` lists the rights that you need and have",
            ),
            Self::NotServed => Some("Tiphys is not installed in this cluster: `tiphys install` does that"),
            Self::Conflict => Some("somebody else changed it at the same moment: try again"),
            Self::Invalid => Some("correct the value that is named and try again"),
            Self::Overloaded => Some("try again in a moment"),
            Self::NotFound | Self::AlreadyExists | Self::Other => None,
        }
    }
}

/// The last error of a chain: the others only repeat that something went wrong on the way.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        for (code, reason, message, class) in [
            (401, "Unauthorized", "Unauthorized", Class::Unauthenticated),
            (403, "Forbidden", "syncs.tiphys.dev is forbidden", Class::Forbidden),
            (404, "NotFound", "applications.tiphys.dev \"web\" not found", Class::NotFound),
            (404, "NotFound", "the server could not find the requested resource", Class::NotServed),
            (404, "", "404 page not found\n", Class::NotServed),
            (409, "AlreadyExists", "already exists", Class::AlreadyExists),
            (409, "Conflict", "the object has been modified", Class::Conflict),
            (422, "Invalid", "spec.path: Invalid value", Class::Invalid),
            (429, "TooManyRequests", "", Class::Overloaded),
            (503, "ServiceUnavailable", "", Class::Overloaded),
        ] {
            assert_eq!(Class::of(code, reason, message), class, "{code} {reason} {message}");
        }
    }
}
