//! What an object needs of others, as Kubernetes itself knows it.

use serde_json::Value;
use tiphys_manifest::{Manifest, ObjectId};

/// The objects that a manifest refers to. They may exist already, or nowhere.
pub(super) fn of(manifest: &Manifest) -> Vec<ObjectId> {
    let mut found = Found { namespace: manifest.namespace().map(str::to_owned), ids: Vec::new() };
    let object = manifest.object();
    if let Some(namespace) = manifest.namespace() {
        found.cluster_wide("", "Namespace", namespace);
    }
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match (manifest.gvk().group.as_str(), manifest.gvk().kind.as_str()) {
        ("", "Pod") => found.pod(spec),
        ("batch", "CronJob") => found.pod_at(spec, "/jobTemplate/spec/template/spec"),
        ("apps" | "batch" | "", _) if spec.pointer("/template/spec").is_some() => {
            found.pod_at(spec, "/template/spec");
            found.local("", "Service", text(spec, "/serviceName"));
        }
        ("", "PersistentVolumeClaim") => found.claim(spec),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => found.binding(manifest),
        ("networking.k8s.io", "Ingress") => found.ingress(spec),
        ("autoscaling", "HorizontalPodAutoscaler") => found.scaled(spec),
        ("apiregistration.k8s.io", "APIService") => found.service(spec.get("service")),
        ("admissionregistration.k8s.io", kind) => found.admission(kind, manifest),
        _ => {}
    }
    found.ids.sort();
    found.ids.dedup();
    found.ids
}

struct Found {
    namespace: Option<String>,
    ids: Vec<ObjectId>,
}

impl Found {
    fn add(&mut self, group: &str, kind: &str, namespace: Option<String>, name: Option<&str>) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let (group, kind, name) = (group.to_owned(), kind.to_owned(), name.to_owned());
            self.ids.push(ObjectId { group, kind, namespace, name });
        }
    }

    fn local(&mut self, group: &str, kind: &str, name: Option<&str>) {
        self.add(group, kind, self.namespace.clone(), name);
    }

    fn cluster_wide(&mut self, group: &str, kind: &str, name: &str) {
        self.add(group, kind, None, Some(name));
    }

    fn pod_at(&mut self, spec: &Value, pointer: &str) {
        if let Some(pod) = spec.pointer(pointer) {
            self.pod(pod);
        }
        for template in list(spec, "/volumeClaimTemplates") {
            self.claim(template.get("spec").unwrap_or(&Value::Null));
        }
    }

    fn pod(&mut self, pod: &Value) {
        for field in ["/serviceAccountName", "/serviceAccount"] {
            self.local("", "ServiceAccount", text(pod, field));
        }
        for (group, kind, field) in [
            ("scheduling.k8s.io", "PriorityClass", "/priorityClassName"),
            ("node.k8s.io", "RuntimeClass", "/runtimeClassName"),
        ] {
            self.add(group, kind, None, text(pod, field));
        }
        for secret in list(pod, "/imagePullSecrets") {
            self.local("", "Secret", text(secret, "/name"));
        }
        for volume in list(pod, "/volumes") {
            self.volume(volume);
            for source in list(volume, "/projected/sources") {
                self.volume(source);
            }
        }
        for containers in ["/containers", "/initContainers"] {
            for container in list(pod, containers) {
                self.container(container);
            }
        }
    }

    /// A volume, or a source of a projected one.
    fn volume(&mut self, volume: &Value) {
        for (kind, field) in [
            ("ConfigMap", "/configMap/name"),
            ("Secret", "/secret/secretName"),
            ("Secret", "/secret/name"),
            ("PersistentVolumeClaim", "/persistentVolumeClaim/claimName"),
        ] {
            self.local("", kind, text(volume, field));
        }
    }

    fn container(&mut self, container: &Value) {
        let from = list(container, "/env").iter().filter_map(|variable| variable.get("valueFrom"));
        for source in from.chain(list(container, "/envFrom")) {
            for (kind, field) in [
                ("ConfigMap", "/configMapKeyRef/name"),
                ("ConfigMap", "/configMapRef/name"),
                ("Secret", "/secretKeyRef/name"),
                ("Secret", "/secretRef/name"),
            ] {
                self.local("", kind, text(source, field));
            }
        }
    }

    fn claim(&mut self, spec: &Value) {
        self.add("storage.k8s.io", "StorageClass", None, text(spec, "/storageClassName"));
        self.add("", "PersistentVolume", None, text(spec, "/volumeName"));
    }

    fn binding(&mut self, manifest: &Manifest) {
        const RBAC: &str = "rbac.authorization.k8s.io";
        let object = manifest.object();
        if let Some(role) = object.get("roleRef") {
            match text(role, "/kind") {
                Some("ClusterRole") => self.add(RBAC, "ClusterRole", None, text(role, "/name")),
                _ => self.local(RBAC, "Role", text(role, "/name")),
            }
        }
        let subjects = object.get("subjects").and_then(Value::as_array);
        for subject in subjects.into_iter().flatten() {
            if text(subject, "/kind") == Some("ServiceAccount") {
                let namespace = text(subject, "/namespace").map(str::to_owned).or(self.namespace.clone());
                self.add("", "ServiceAccount", namespace, text(subject, "/name"));
            }
        }
    }

    fn ingress(&mut self, spec: &Value) {
        self.add("networking.k8s.io", "IngressClass", None, text(spec, "/ingressClassName"));
        for rule in list(spec, "/rules") {
            for path in list(rule, "/http/paths") {
                self.local("", "Service", text(path, "/backend/service/name"));
            }
        }
        for tls in list(spec, "/tls") {
            self.local("", "Secret", text(tls, "/secretName"));
        }
    }

    fn scaled(&mut self, spec: &Value) {
        let version = text(spec, "/scaleTargetRef/apiVersion").unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        if let Some(kind) = text(spec, "/scaleTargetRef/kind") {
            self.local(&group, kind, text(spec, "/scaleTargetRef/name"));
        }
    }

    /// `{namespace, name}` of a Service that the API server calls.
    fn service(&mut self, service: Option<&Value>) {
        if let Some(service) = service {
            let namespace = text(service, "/namespace").map(str::to_owned);
            self.add("", "Service", namespace, text(service, "/name"));
        }
    }

    fn admission(&mut self, kind: &str, manifest: &Manifest) {
        let object = manifest.object();
        let webhooks = object.get("webhooks").and_then(Value::as_array);
        for webhook in webhooks.into_iter().flatten() {
            self.service(webhook.pointer("/clientConfig/service"));
        }
        if let Some(policy) = kind.strip_suffix("Binding") {
            let name = object.get("spec").and_then(|spec| text(spec, "/policyName"));
            self.add("admissionregistration.k8s.io", policy, None, name);
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
