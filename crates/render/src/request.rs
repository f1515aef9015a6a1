//! What is asked of a renderer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tiphys_api::{DirectorySource, HelmSource, Source, TeraSource};
use tiphys_helm::Lookup;
use tiphys_helm::chance::Chance;
use tiphys_tree::{Tree, TreePath};

/// One directory to render, and everything that the result depends on.
#[derive(Clone)]
pub struct Request {
    /// The files of the repository at one revision.
    pub tree: Arc<dyn Tree>,
    /// The directory in the tree.
    pub path: TreePath,
    /// How to render it.
    pub options: Options,
    /// For whom it is rendered. The options may name another release.
    pub release: Release,
    /// What the destination cluster can do.
    pub capabilities: Capabilities,
    /// Where Helm charts draw random values and the time from. Where it is withheld, a chart that asks for them is
    /// [`Error::ChanceWithheld`](crate::Error::ChanceWithheld).
    pub chance: Chance,
    /// Where the function `lookup` of Helm charts finds live objects. Without one it finds nothing.
    pub lookup: Option<Arc<dyn Lookup>>,
}

/// How a directory is rendered.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub enum Options {
    /// A directory with `Chart.yaml` is a chart, any other is plain manifests.
    #[default]
    Detect,
    /// It must be a Helm chart.
    Helm(HelmSource),
    /// It must be a Tera chart.
    Tera(TeraSource),
    /// Plain manifests, whatever else lies there.
    Directory(DirectorySource),
}

/// The name and the place that charts give their objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// As a rule the name of the Application.
    pub name: String,
    /// The namespace of the destination.
    pub namespace: String,
}

/// What a chart may know of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The version of Kubernetes, as in `v1.36.3`.
    pub kube_version: String,
    /// API versions (`policy/v1`) and, with a third part, kinds (`policy/v1/PodDisruptionBudget`) that are served.
    pub api_versions: BTreeSet<String>,
}

impl Default for Capabilities {
    /// What is assumed without a cluster: the Kubernetes version that Tiphys is built for, and no API versions.
    fn default() -> Self {
        Self { kube_version: "v1.36.0".to_owned(), api_versions: BTreeSet::new() }
    }
}

impl From<&Source> for Options {
    /// The options of an Application's source; admission lets at most one of them be set.
    fn from(source: &Source) -> Self {
        if let Some(helm) = &source.helm {
            Self::Helm(helm.clone())
        } else if let Some(tera) = &source.tera {
            Self::Tera(tera.clone())
        } else if let Some(directory) = &source.directory {
            Self::Directory(directory.clone())
        } else {
            Self::Detect
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may hold secrets, so the options are left out.
        f.debug_struct("Request")
            .field("path", &self.path)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}
