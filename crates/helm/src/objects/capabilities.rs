//! `.Capabilities`: what the cluster and Helm can do.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use gotemplate::{Args, Context, FunctionError, List, Native, Signature, Str, Type, Value};

/// What templates are told of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// The API versions of the cluster, such as `apps/v1`, and kinds with their version, such as `apps/v1/Deployment`.
    pub api_versions: Arc<[String]>,
}

impl Default for Capabilities {
    /// What `helm template` takes for granted without a cluster: Kubernetes 1.37 and the API versions that its client
    /// library knows (Helm 4.3.1).
    fn default() -> Self {
        static KNOWN: LazyLock<Arc<[String]>> =
            LazyLock::new(|| API_VERSIONS.iter().map(ToString::to_string).collect());
        Self { kube_version: KubeVersion::default(), api_versions: Arc::clone(&KNOWN) }
    }
}

/// A version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    /// As the cluster says it, such as `v1.33.4-gke.1245000`.
    pub version: String,
    /// Without anything after the numbers, such as `v1.33.4`; charts' `kubeVersion` is compared with this.
    pub normalized: String,
    /// The first number.
    pub major: String,
    /// The second number.
    pub minor: String,
}

impl Default for KubeVersion {
    fn default() -> Self {
        Self {
            version: "v1.37.0".to_owned(),
            normalized: "v1.37.0".to_owned(),
            major: "1".to_owned(),
            minor: "37".to_owned(),
        }
    }
}

impl KubeVersion {
    /// Reads a version with two or more numbers; a `v` before and anything after them is allowed.
    ///
    /// The error is that of `helm template --kube-version`, without what Helm says before it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (numbers, rest) = split_numbers(text);
        let parts: Vec<&str> = numbers.split('.').collect();
        if numbers.is_empty() || parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
            return Err(format!("could not parse {} as version", gotemplate::quote(text)));
        }
        let _ = rest;
        let mut components = Vec::new();
        for part in &parts {
            if part.len() > 1 && part.starts_with('0') {
                return Err(format!(
                    "illegal zero-prefixed version component {} in {}",
                    gotemplate::quote(part),
                    gotemplate::quote(text)
                ));
            }
            let number: u32 = part
                .parse()
                .map_err(|_| format!("could not parse {} as version", gotemplate::quote(text)))?;
            components.push(number.to_string());
        }
        let component = |index: usize| components.get(index).cloned().unwrap_or_default();
        let version = if text.starts_with('v') { text.to_owned() } else { format!("v{text}") };
        Ok(Self {
            version,
            normalized: format!("v{}", components.join(".")),
            major: component(0),
            minor: component(1),
        })
    }
}

/// The numbers of a version with the points between them, and what follows.
fn split_numbers(text: &str) -> (&str, &str) {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// What `.Capabilities.HelmVersion` says.
const HELM_VERSION: &str = "v4.3.1";
const HELM_GO_VERSION: &str = "go1.26.8";
const HELM_KUBE_CLIENT_VERSION: &str = "v1.37";

/// `.Capabilities`. `used` becomes true when a template looks at it.
pub(crate) fn to_template(capabilities: &Capabilities, used: &Rc<Cell<bool>>) -> Value {
    let kube_version = Value::Native(Rc::new(KubeVersionValue(capabilities.kube_version.clone())));
    let versions = Arc::clone(&capabilities.api_versions);
    let api_versions = Value::Native(Rc::new(VersionSet { versions, list: OnceCell::new() }));
    let helm_version = Value::Native(Rc::new(BuildInfo));
    let used = Rc::clone(used);
    Value::Native(Rc::new(CapabilitiesValue { kube_version, api_versions, helm_version, used }))
}

const VERSION_SET: Type = Type::Named("common.VersionSet", &Type::STRING_LIST);
const TEXT: Signature = Signature::fixed(&[], Type::String);
const HAS: Signature = Signature::fixed(&[Type::String], Type::Bool);

#[derive(Debug)]
struct CapabilitiesValue {
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
    used: Rc<Cell<bool>>,
}

impl Native for CapabilitiesValue {
    fn type_of(&self) -> &'static Type {
        const TYPE: Type = Type::Pointer(&Type::Struct("common.Capabilities"));
        &TYPE
    }

    fn field(&self, name: &[u8]) -> Option<Value> {
        self.used.set(true);
        Some(match name {
            b"KubeVersion" => self.kube_version.clone(),
            b"APIVersions" => self.api_versions.clone(),
            b"HelmVersion" => self.helm_version.clone(),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        self.used.set(true);
        vec![
            ("KubeVersion".into(), self.kube_version.clone()),
            ("APIVersions".into(), self.api_versions.clone()),
            ("HelmVersion".into(), self.helm_version.clone()),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct KubeVersionValue(KubeVersion);

impl Native for KubeVersionValue {
    fn type_of(&self) -> &'static Type {
        const TYPE: Type = Type::Struct("common.KubeVersion");
        &TYPE
    }

    fn field(&self, name: &[u8]) -> Option<Value> {
        Some(Value::from(match name {
            b"Version" => self.0.version.as_str(),
            b"Major" => self.0.major.as_str(),
            b"Minor" => self.0.minor.as_str(),
            _ => return None,
        }))
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let text = |text: &String| Value::from(text.as_str());
        vec![
            ("Version".into(), text(&self.0.version)),
            ("normalizedVersion".into(), text(&self.0.normalized)),
            ("Major".into(), text(&self.0.major)),
            ("Minor".into(), text(&self.0.minor)),
        ]
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        matches!(name, b"String" | b"GitVersion").then_some(&TEXT)
    }

    fn call(&self, name: &[u8], _: &mut Context<'_>, _: &mut Args<'_>) -> Result<Value, FunctionError> {
        Ok(Value::from(if name == b"String" { self.0.normalized.as_str() } else { self.0.version.as_str() }))
    }

    fn to_text(&self) -> Option<Str> {
        Some(Str::from(self.0.normalized.as_str()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct VersionSet {
    versions: Arc<[String]>,
    /// The same as a list of templates, made when one asks for more than whether a version is there.
    list: OnceCell<List>,
}

impl VersionSet {
    fn list(&self) -> &List {
        self.list.get_or_init(|| {
            let versions = self.versions.iter().map(|version| Value::from(version.as_str()));
            List::with_type(&VERSION_SET, versions.collect())
        })
    }
}

impl Native for VersionSet {
    fn type_of(&self) -> &'static Type {
        &VERSION_SET
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::List(self.list().retyped(&Type::STRING_LIST)))
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        (name == b"Has").then_some(&HAS)
    }

    fn call(&self, _: &[u8], _: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        let wanted = args.str(0);
        Ok(Value::Bool(self.versions.iter().any(|version| wanted == version.as_str())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct BuildInfo;

impl Native for BuildInfo {
    fn type_of(&self) -> &'static Type {
        const TYPE: Type = Type::Struct("version.BuildInfo");
        &TYPE
    }

    fn field(&self, name: &[u8]) -> Option<Value> {
        self.fields().into_iter().find(|(field, _)| field.as_bytes() == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        [
            ("Version", HELM_VERSION),
            ("GitCommit", ""),
            ("GitTreeState", ""),
            ("GoVersion", HELM_GO_VERSION),
            ("KubeClientVersion", HELM_KUBE_CLIENT_VERSION),
        ]
        .map(|(name, value)| (Cow::Borrowed(name), Value::from(value)))
        .into()
    }

    /// Under the names that the fields have in JSON, without the empty ones.
    fn to_json(&self) -> Option<Value> {
        Some(Value::from([
            ("go_version", HELM_GO_VERSION),
            ("kube_client_version", HELM_KUBE_CLIENT_VERSION),
            ("version", HELM_VERSION),
        ]))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The API versions of client-go 0.37 and of CustomResourceDefinitions, in the order in which Helm lists them.
const API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];
