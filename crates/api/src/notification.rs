//! Who is told of what happened.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::repository::SecretReference;
use crate::sync::Phase;

/// Tells somebody when a Sync reaches a phase: about which Applications, on which condition, in which words, and where.
///
/// In the installation's namespace it may be about Applications of all namespaces; in any other one it sees only those of
/// its own.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tiphys.dev",
    version = "v1alpha1",
    kind = "Notification",
    plural = "notifications",
    category = "tiphys",
    namespaced,
    status = "NotificationStatus",
    derive = "PartialEq",
    doc = "Tells somebody when a Sync reaches a phase: about which Applications, on which condition, in which words, and where.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Delivered", type_ = "integer", json_path = ".status.delivered"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failed"),
    printcolumn(name = "Last", type_ = "date", json_path = ".status.lastDelivery.at"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.webhook), has(self.slack), has(self.email), has(self.commitStatus)].filter(it, it).size() == 1")
    .message("name exactly one destination: webhook, slack, email or commitStatus"))]
pub struct NotificationSpec {
    /// Which Applications it is about. Absent: all of this namespace.
    #[serde(default)]
    pub applications: ApplicationSelector,
    /// Condition in CEL over `application` and `sync`, asked each time that a Sync reaches a phase (`Running`, `Waiting`,
    /// `Succeeded`, `Failed`, `Superseded`). Absent: `Succeeded` and `Failed`; for commit statuses all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// What is said: text with CEL over `application` and `sync` in `${…}`, such as `${sync.status.message}`. Absent: a
    /// sentence that says everything. At most 4 KiB of what comes of it are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub template: Option<String>,
    /// Sends JSON to an address over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookDestination>,
    /// Sends to an incoming webhook of Slack, or of what takes the same messages (Mattermost, Rocket.Chat).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackDestination>,
    /// Sends an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailDestination>,
    /// Sets the status of the commit at the forge: context `tiphys/NAMESPACE/APPLICATION`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_status: Option<CommitStatusDestination>,
}

/// Which Applications. Every field that is set has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSelector {
    /// Globs of names. Empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    pub names: Vec<String>,
    /// Globs of namespaces, in the installation's namespace only. Empty: the Notification's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Labels that the Application has, with these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub labels: BTreeMap<String, String>,
    /// Globs of Projects. Empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    pub projects: Vec<String>,
}

/// An address that takes JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.url) || has(self.secretRef)")
        .message("say where to: url, or a secretRef to a Secret that has the key url"),
    validation = Rule::new("!has(self.url) || self.url.startsWith('https://') || (self.url.startsWith('http://') && has(self.insecure) && self.insecure)")
        .message("url must start with https://, or with insecure: true with http://, which everybody on the way can read"),
    validation = Rule::new("!has(self.url) || !self.url.matches('^https?://[^/]*@')")
        .message("do not put credentials into the url: put it into a Secret under the key url")
)]
pub struct WebhookDestination {
    /// The address. Absent: key `url` of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// How it is sent.
    #[serde(default)]
    pub method: WebhookMethod,
    /// Secret in this namespace: `url`, `hmacKey` (signs the body: `X-Signature: sha256=…`), `header.NAME` for each further
    /// header, `ca.crt` for a private authority. All are optional.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Allows `http://`.
    #[serde(default)]
    pub insecure: bool,
}

/// The method of a webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum WebhookMethod {
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
}

/// An incoming webhook of Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlackDestination {
    /// Secret in this namespace: `url`, the address of the incoming webhook; `ca.crt` for a private authority.
    pub secret_ref: SecretReference,
    /// Allows `http://`.
    #[serde(default)]
    pub insecure: bool,
}

/// A mail server and who gets mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.encryption) || self.encryption != 'None' || (has(self.insecure) && self.insecure)")
    .message("encryption: None sends everything in the clear: use StartTls or Tls, or set insecure: true"))]
pub struct EmailDestination {
    /// Host of the mail server.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Its port. Absent: 587 for StartTls, 465 for Tls, 25 for None.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// How the way is protected.
    #[serde(default)]
    pub encryption: Encryption,
    /// Who sends, such as `Tiphys <tiphys@example.com>`.
    #[schemars(length(min = 3, max = 320))]
    pub from: String,
    /// Who gets it.
    #[schemars(length(min = 1, max = 50), inner(length(min = 3, max = 320)))]
    pub to: Vec<String>,
    /// Secret in this namespace: `username` and `password`; `ca.crt` for a private authority. Absent: no credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Allows `encryption: None`.
    #[serde(default)]
    pub insecure: bool,
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encryption {
    /// In the clear first, then TLS, or nothing is sent.
    #[default]
    StartTls,
    /// TLS from the start.
    Tls,
    /// Not at all.
    None,
}

/// A forge that keeps statuses of commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.apiUrl.startsWith('https://') || (self.apiUrl.startsWith('http://') && has(self.insecure) && self.insecure)")
        .message("apiUrl must start with https://, or with insecure: true with http://, which sends the token in the clear"),
    validation = Rule::new("!self.apiUrl.matches('^https?://[^/]*@')")
        .message("do not put credentials into apiUrl: put the token into a Secret and name it in secretRef")
)]
pub struct CommitStatusDestination {
    /// Which forge it is.
    pub provider: StatusProvider,
    /// Its API, such as `https://api.github.com`, `https://gitlab.example.com/api/v4`, `https://codeberg.org/api/v1`,
    /// `https://api.bitbucket.org/2.0`, `https://bitbucket.example.com`, `https://dev.azure.com/ORGANISATION`.
    #[schemars(length(min = 8, max = 1024))]
    pub api_url: String,
    /// Secret in this namespace: `token`; for Bitbucket Cloud also `username` when the token is an app password; `ca.crt`
    /// for a private authority.
    pub secret_ref: SecretReference,
    /// The repository as the API names it: `OWNER/NAME`, `GROUP/SUBGROUP/NAME`, or `PROJECT/NAME`. Absent: as the address
    /// of the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 512), regex(pattern = r"^[^/?#\s]+(/[^/?#\s]+)+$"))]
    pub repository: Option<String>,
    /// Where the status links to. Absent: the address of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[^\s]+$"))]
    pub link: Option<String>,
    /// Allows `http://`.
    #[serde(default)]
    pub insecure: bool,
}

/// A kind of forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatusProvider {
    /// github.com and GitHub Enterprise.
    GitHub,
    /// gitlab.com and GitLab of one's own.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
    /// bitbucket.org.
    BitbucketCloud,
    /// Bitbucket Data Center.
    BitbucketServer,
    /// Azure DevOps.
    AzureDevOps,
}

/// What we know about a Notification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NotificationStatus {
    /// `Ready`, and `Reconciling` or `Stalled` while true (kstatus).
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many were delivered.
    pub delivered: u64,
    /// How many were given up.
    pub failed: u64,
    /// The last one that was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivery: Option<Transition>,
    /// What happened before this is the past, of which nothing is sent any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What is to be delivered still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub pending: Vec<Transition>,
    /// What happened after `since` and is done with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub recent: Vec<Transition>,
}

/// A Sync that reached a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// The Application, as `NAMESPACE/NAME`.
    pub application: String,
    /// Name of the Sync.
    pub sync: String,
    /// Its UID.
    pub uid: String,
    /// The phase.
    pub phase: Phase,
    /// When.
    pub at: Time,
}
