//! An API server and the ways to talk to it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use crate::kit;

/// Who talks to the API server.
#[derive(Clone, Debug)]
pub struct Identity {
    name: String,
    token: String,
    impersonate: Option<(String, Vec<String>)>,
}

impl Identity {
    /// Whoever this bearer token belongs to; the name is for the kubeconfig only.
    pub fn token(name: &str, token: &str) -> Self {
        Self { name: name.to_owned(), token: token.to_owned(), impersonate: None }
    }
}

/// An API server under a certain address: that of the cluster itself, or of a [`FaultProxy`](crate::FaultProxy).
pub struct Access {
    server: String,
    ca_file: PathBuf,
    tokens: Arc<BTreeMap<String, String>>,
    programs: PathBuf,
    /// Where kubeconfigs for tests are written: the folder of the cluster, which is removed with it.
    files: PathBuf,
}

impl Access {
    pub(crate) fn new(
        server: String,
        ca_file: PathBuf,
        tokens: BTreeMap<String, String>,
        programs: PathBuf,
        files: PathBuf,
    ) -> Self {
        Self { server, ca_file, tokens: Arc::new(tokens), programs, files }
    }

    /// The same cluster and users under another address, which presents a certificate of the same authority.
    pub(crate) fn at(&self, server: String) -> Self {
        Self {
            server,
            ca_file: self.ca_file.clone(),
            tokens: Arc::clone(&self.tokens),
            programs: self.programs.clone(),
            files: self.files.clone(),
        }
    }

    /// The address, for example `https://127.0.0.1:20000`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The file with the certificate authority of the API server, PEM.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Who may do everything (group `system:masters`).
    pub fn admin_identity(&self) -> Identity {
        self.user("admin")
    }

    /// A user with a token of his own: `admin`, or `alice` or `bob`, who have no rights but those that a test grants.
    pub fn user(&self, name: &str) -> Identity {
        let Some(token) = self.tokens.get(name) else {
            panic!("no user {name}; there are {:?}; see impersonate() for any other", self.tokens.keys());
        };
        Identity::token(name, token)
    }

    /// Any user at all: the admin's token, and the API server is asked to treat it as this user.
    pub fn impersonate(&self, user: &str, groups: &[&str]) -> Identity {
        Identity {
            name: user.to_owned(),
            impersonate: Some((user.to_owned(), groups.iter().map(ToString::to_string).collect())),
            ..self.admin_identity()
        }
    }

    /// A service account with a token from the TokenRequest API; it is created unless it is there.
    pub async fn service_account(&self, ns: &str, name: &str) -> Identity {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin(), ns);
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
            other => drop(other.expect("the service account can be created")),
        }
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(3600 * 24),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .expect("the API server gives a token for a service account");
        let token = answer.status.and_then(|it| it.token).expect("a token request is answered in its status");
        Identity::token(name, &token)
    }

    /// A client of the admin. Like every client it belongs to the runtime that it was made on.
    pub fn admin(&self) -> Client {
        self.client(&self.admin_identity())
    }

    /// A client of this identity.
    pub fn client(&self, identity: &Identity) -> Client {
        let _guard = tokio::runtime::Handle::try_current().is_err().then(|| kit::runtime().enter());
        Client::try_from(self.config(identity)).expect("the configuration is complete")
    }

    /// The configuration of a client.
    pub fn config(&self, identity: &Identity) -> Config {
        let kubeconfig: Kubeconfig = serde_json::from_value(self.kubeconfig_value(identity, "default"))
            .expect("our kubeconfig is one");
        let options = KubeConfigOptions::default();
        futures::executor::block_on(Config::from_custom_kubeconfig(kubeconfig, &options))
            .expect("our kubeconfig is complete")
    }

    /// Writes a kubeconfig with this default namespace and gives its path; it is removed with the cluster.
    pub fn kubeconfig(&self, identity: &Identity, ns: &str) -> PathBuf {
        let path = self.files.join(format!("{}.kubeconfig", kit::unique()));
        // JSON is YAML, and every client reads kubeconfigs as YAML.
        std::fs::write(&path, self.kubeconfig_value(identity, ns).to_string())
            .expect("a file can be written");
        path
    }

    fn kubeconfig_value(&self, identity: &Identity, ns: &str) -> serde_json::Value {
        let ca = std::fs::read(&self.ca_file).expect("the certificate authority of the cluster is there");
        let mut user = json!({ "token": identity.token });
        if let Some((name, groups)) = &identity.impersonate {
            user["as"] = json!(name);
            user["as-groups"] = json!(groups);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": {
                "server": self.server,
                "certificate-authority-data": base64::engine::general_purpose::STANDARD.encode(ca),
            }}],
            "users": [{ "name": identity.name, "user": user }],
            "contexts": [{ "name": "test", "context": {
                "cluster": "test", "user": identity.name, "namespace": ns,
            }}],
            "current-context": "test",
        })
    }

    /// Runs the real kubectl as admin and gives what it printed; panics with its words when it fails.
    #[track_caller]
    pub fn kubectl<Argument: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = Argument>) -> String {
        self.kubectl_with_input(arguments, "")
    }

    /// [`Self::kubectl`] with something on its standard input, for `apply -f -`.
    #[track_caller]
    pub fn kubectl_with_input<Argument: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = Argument>,
        input: &str,
    ) -> String {
        let (success, output) = self.try_kubectl(&self.admin_identity(), arguments, input);
        assert!(success, "kubectl failed:\n{output}");
        output
    }

    /// Runs the real kubectl as anybody; gives whether it succeeded, and both its outputs, stdout first.
    pub fn try_kubectl<Argument: AsRef<OsStr>>(
        &self,
        identity: &Identity,
        arguments: impl IntoIterator<Item = Argument>,
        input: &str,
    ) -> (bool, String) {
        let mut child = Command::new(self.kubectl_program())
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig(identity, "default"))
            // Its discovery cache would be shared between clusters and tests.
            .env("KUBECACHEDIR", self.files.join("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        // It may end without reading everything; what it says then tells more than the broken pipe.
        let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("kubectl ends");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// The path of the real kubectl.
    pub fn kubectl_program(&self) -> PathBuf {
        self.programs.join("kubectl")
    }
}
