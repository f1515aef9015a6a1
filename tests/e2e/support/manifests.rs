//! Manifests as they lie in Git.

use std::fmt::Write as _;

/// A ConfigMap with one key.
pub fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: {value:?}\n")
}

/// A Secret with one value in plain text.
pub fn secret(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {value:?}\n")
}

/// A Deployment with one container and one replica, whose pods behave as `pod` says (see `tests/cluster/README.md`).
pub struct Deployment {
    name: String,
    image: String,
    replicas: u32,
    pod: Vec<(String, String)>,
    deadline: Option<u32>,
}

impl Deployment {
    /// One replica of an image that works.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: "registry.example.com/app:1".to_owned(),
            replicas: 1,
            pod: Vec::new(),
            deadline: None,
        }
    }

    /// Another image; of `registry.invalid/…` no pod ever becomes ready.
    pub fn image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    /// So many replicas.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Its pods do this: `never-ready`, `slow`, `crash`, `fail`, `run`.
    pub fn pod(mut self, behaviour: &str) -> Self {
        self.pod.push(("tests.tiphys.dev/pod".to_owned(), behaviour.to_owned()));
        self
    }

    /// Its pods become ready after so long, such as `3s`.
    pub fn slow(mut self, delay: &str) -> Self {
        self.pod.push(("tests.tiphys.dev/delay".to_owned(), delay.to_owned()));
        self.pod("slow")
    }

    /// It is failed when it makes no progress for so many seconds.
    pub fn deadline(mut self, seconds: u32) -> Self {
        self.deadline = Some(seconds);
        self
    }

    /// As YAML.
    pub fn yaml(&self) -> String {
        let Self { name, image, replicas, .. } = self;
        let mut text = format!("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n");
        let mut line = |line: &str| writeln!(text, "{line}").expect("a String takes everything");
        line(&format!("  replicas: {replicas}"));
        if let Some(seconds) = self.deadline {
            line(&format!("  progressDeadlineSeconds: {seconds}"));
        }
        line(&format!("  selector:\n    matchLabels:\n      app: {name}"));
        line(&format!("  template:\n    metadata:\n      labels:\n        app: {name}"));
        if !self.pod.is_empty() {
            line("      annotations:");
            self.pod.iter().for_each(|(key, value)| line(&format!("        {key}: {value}")));
        }
        line(&format!("    spec:\n      containers:\n        - name: app\n          image: {image}"));
        text
    }
}
