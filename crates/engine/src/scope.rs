//! Where an Application may deploy.
//!
//! * One in the installation's own namespace: anywhere its Project allows.
//! * One in any other namespace: only into that namespace, and namespaced kinds only, unless a Project of the
//!   installation's namespace names its namespace and grants it more.
//!
//! So the right to create Applications in a namespace is never more than the rights over that namespace. From other
//! namespaces, the installation's own namespace is out of reach even of a Project that grants `*`: whoever writes
//! there is the installation. A Project has to name it in full.
//!
//! What a Project takes away (what it denies, and its rules about ServiceAccounts) holds for every Application that names
//! it, also for one that gets nothing from it. A denial wins over whatever allows the same.

use tiphys_api::{AllowedKind, Application, ApplicationSpec, ProjectSpec, Sync};
use tiphys_manifest::{Manifest, ObjectId};

use crate::error::Class;
use crate::glob;
use crate::plan::Refusal;

/// What there is to check.
#[derive(Clone, Debug)]
pub struct ScopeInput<'a> {
    /// Namespace of the Application.
    pub application_namespace: &'a str,
    /// Namespace in which Tiphys itself is installed.
    pub installation_namespace: &'a str,
    /// Name of the Project that the Application names.
    pub project_name: &'a str,
    /// That Project; none when there is no such object in the installation's namespace.
    pub project: Option<&'a ProjectSpec>,
    /// URL of the repository, without credentials.
    pub source: &'a str,
    /// Name of the destination cluster.
    pub cluster: &'a str,
    /// Namespace of the destination.
    pub namespace: &'a str,
    /// The ServiceAccount with whose rights the Application works ([`account`]); none: with those of the controller.
    pub account: Option<&'a str>,
    /// All objects of the rendering. Those of namespaced kinds have a namespace, others have none.
    pub objects: &'a [ObjectId],
}

/// Something that the Application may not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The Project does not exist.
    #[error(
        "there is no Project {project} in namespace {namespace}: create it, or name another in spec.project"
    )]
    UnknownProject {
        /// Its name.
        project: String,
        /// Where it should be.
        namespace: String,
    },
    /// The Project may not be used from here.
    #[error(
        "Project {project} may not be used from namespace {namespace}: it would have to name that in spec.namespaces"
    )]
    ForeignProject {
        /// Its name.
        project: String,
        /// Namespace of the Application.
        namespace: String,
    },
    /// The Project does not allow the repository.
    #[error(
        "Project {project} does not allow the repository {source_url}: it would have to name it in spec.sources"
    )]
    Source {
        /// Its name.
        project: String,
        /// The repository.
        source_url: String,
    },
    /// The Project does not allow the destination.
    #[error(
        "{} may not be deployed to namespace {namespace} of cluster {cluster}: Project {project} would have to \
         name that in spec.destinations", object_words(object.as_ref())
    )]
    Destination {
        /// The object; none for the Application's own destination.
        object: Option<ObjectId>,
        /// The cluster.
        cluster: String,
        /// The namespace.
        namespace: String,
        /// The Project.
        project: String,
    },
    /// An Application outside the installation's namespace reaches out of its own.
    #[error(
        "{} may not be deployed to namespace {namespace}: an Application in namespace {own} deploys there only, \
         unless a Project of the installation grants it more", object_words(object.as_ref())
    )]
    OutsideNamespace {
        /// The object; none for the Application's own destination.
        object: Option<ObjectId>,
        /// The namespace that it is for.
        namespace: String,
        /// Namespace of the Application.
        own: String,
    },
    /// A cluster-wide object that is not allowed.
    #[error(
        "{object} belongs to the whole cluster: Project {project} would have to name its kind in spec.clusterKinds"
    )]
    ClusterKind {
        /// The object.
        object: ObjectId,
        /// The Project.
        project: String,
    },
    /// Only the Project of the installation grants cluster-wide kinds, and there is none for this namespace.
    #[error(
        "{object} belongs to the whole cluster: an Application in namespace {own} deploys namespaced kinds only, \
         unless a Project of the installation grants it more"
    )]
    ClusterWide {
        /// The object.
        object: ObjectId,
        /// Namespace of the Application.
        own: String,
    },
    /// The Project does not allow a namespaced kind.
    #[error(
        "Project {project} does not allow {object}: it would have to name its kind in spec.namespacedKinds"
    )]
    NamespacedKind {
        /// The object.
        object: ObjectId,
        /// The Project.
        project: String,
    },
    /// The Project denies the repository.
    #[error("Project {project} denies the repository {source_url} (spec.deniedSources)")]
    DeniedSource {
        /// Its name.
        project: String,
        /// The repository.
        source_url: String,
    },
    /// The Project denies the destination.
    #[error(
        "{} may not be deployed to namespace {namespace} of cluster {cluster}: Project {project} denies that \
         (spec.deniedDestinations)", object_words(object.as_ref())
    )]
    DeniedDestination {
        /// The object; none for the Application's own destination.
        object: Option<ObjectId>,
        /// The cluster.
        cluster: String,
        /// The namespace.
        namespace: String,
        /// The Project.
        project: String,
    },
    /// The Project denies a kind.
    #[error("Project {project} denies {object}, because of its kind (spec.deniedKinds)")]
    DeniedKind {
        /// The object.
        object: ObjectId,
        /// The Project.
        project: String,
    },
    /// The Project does not let Applications work with the controller's own rights.
    #[error(
        "Project {project} wants its Applications to work with the rights of a ServiceAccount: name one of your \
         namespace in spec.serviceAccountName"
    )]
    NoAccount {
        /// The Project.
        project: String,
    },
    /// The Project does not allow the ServiceAccount.
    #[error(
        "Project {project} does not allow ServiceAccount {account}: it would have to name it in \
         spec.serviceAccounts"
    )]
    Account {
        /// The Project.
        project: String,
        /// The account.
        account: String,
    },
    /// A Sync in a rendering.
    #[error("{object} is a request that somebody makes, and cannot be deployed: remove it from the source")]
    Request {
        /// The object.
        object: ObjectId,
    },
}

fn object_words(object: Option<&ObjectId>) -> String {
    object.map_or_else(|| "the Application".to_owned(), ToString::to_string)
}

/// The Project that exists without an object.
const DEFAULT: &str = "default";

impl Violation {
    /// The object that it is about; none when it is about the Application itself.
    pub fn object(&self) -> Option<&ObjectId> {
        match self {
            Self::UnknownProject { .. }
            | Self::ForeignProject { .. }
            | Self::Source { .. }
            | Self::DeniedSource { .. }
            | Self::NoAccount { .. }
            | Self::Account { .. } => None,
            Self::Destination { object, .. }
            | Self::DeniedDestination { object, .. }
            | Self::OutsideNamespace { object, .. } => object.as_ref(),
            Self::ClusterKind { object, .. }
            | Self::NamespacedKind { object, .. }
            | Self::DeniedKind { object, .. }
            | Self::ClusterWide { object, .. }
            | Self::Request { object } => Some(object),
        }
    }
}

/// Everything that the Application may not do; nothing when it may do all.
pub fn check(input: &ScopeInput<'_>) -> Vec<Violation> {
    let rights = match Rights::of(input) {
        Ok(rights) => rights,
        Err(violation) => return vec![*violation],
    };
    let mut violations = Vec::new();
    violations.extend(rights.account());
    violations.extend(rights.source(input.source));
    violations.extend(rights.namespace(None, input.namespace));
    for object in input.objects {
        violations.extend(rights.object(object));
    }
    violations
}

/// [`check`] as refusals of a plan: about the object where there is one, else about the Application of this name.
pub fn refusals(input: &ScopeInput<'_>, name: &str, placed: &[Manifest]) -> Vec<Refusal> {
    let itself = application_id(input.application_namespace, name);
    let refusal = |violation: Violation| {
        let manifest = violation.object().and_then(|id| placed.iter().find(|it| it.id() == *id));
        let id = violation.object().unwrap_or(&itself).clone();
        let origin = manifest.map(|it| it.origin().clone());
        Refusal { id, origin, class: Class::Forbidden, message: violation.to_string() }
    };
    check(input).into_iter().map(refusal).collect()
}

/// An Application as an object that can be refused.
pub fn application_id(namespace: &str, name: &str) -> ObjectId {
    use kube::Resource as _;
    ObjectId {
        group: Application::group(&()).into_owned(),
        kind: Application::kind(&()).into_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

/// The ServiceAccount with whose rights an Application works: the one that it names, or that of its Project.
pub fn account(spec: &ApplicationSpec, project: Option<&ProjectSpec>) -> Option<String> {
    let default = || project.and_then(|it| it.default_service_account_name.clone());
    spec.service_account_name.clone().or_else(default)
}

/// What an Application may do.
struct Rights<'a> {
    input: &'a ScopeInput<'a>,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// Everything: the default Project without an object, in the installation's namespace.
    Open,
    /// What a Project allows. Applications of other namespaces have their own namespace in any case.
    Project(&'a ProjectSpec),
    /// Only the Application's own namespace.
    Own,
}

impl<'a> Rights<'a> {
    fn of(input: &'a ScopeInput<'a>) -> Result<Self, Box<Violation>> {
        let is_default = input.project_name == DEFAULT;
        let kind = match input.project {
            Some(project) if input.is_home() => Kind::Project(project),
            None if input.is_home() && is_default => Kind::Open,
            None if is_default => Kind::Own,
            None => {
                return Err(Box::new(Violation::UnknownProject {
                    project: input.project_name.to_owned(),
                    namespace: input.installation_namespace.to_owned(),
                }));
            }
            Some(project) => {
                let mut granted = project.namespaces.iter();
                match granted.any(|namespace| glob::matches(namespace, input.application_namespace)) {
                    true => Kind::Project(project),
                    // Nobody has to name a Project: what is not granted is not there.
                    false if is_default => Kind::Own,
                    false => {
                        return Err(Box::new(Violation::ForeignProject {
                            project: input.project_name.to_owned(),
                            namespace: input.application_namespace.to_owned(),
                        }));
                    }
                }
            }
        };
        Ok(Self { input, kind })
    }

    fn project_name(&self) -> String {
        self.input.project_name.to_owned()
    }

    fn account(&self) -> Option<Violation> {
        let project = self.input.project?;
        match self.input.account {
            None => {
                project.require_service_account.then(|| Violation::NoAccount { project: self.project_name() })
            }
            Some(account) => {
                let allowed = project.service_accounts.iter().any(|it| glob::matches(it, account));
                let violation =
                    || Violation::Account { project: self.project_name(), account: account.to_owned() };
                (!allowed).then(violation)
            }
        }
    }

    fn source(&self, source: &str) -> Option<Violation> {
        let source_url = source.to_owned();
        let matches = |globs: &[String]| globs.iter().any(|it| glob::matches(it, source));
        if self.input.project.is_some_and(|it| denies(&it.denied_sources, source)) {
            return Some(Violation::DeniedSource { project: self.project_name(), source_url });
        }
        let Kind::Project(project) = self.kind else {
            return None;
        };
        (!matches(&project.sources)).then(|| Violation::Source { project: self.project_name(), source_url })
    }

    fn object(&self, object: &ObjectId) -> Option<Violation> {
        if is_request(object) {
            return Some(Violation::Request { object: object.clone() });
        }
        if self.input.project.is_some_and(|it| names(&it.denied_kinds, object)) {
            return Some(Violation::DeniedKind { object: object.clone(), project: self.project_name() });
        }
        match &object.namespace {
            Some(namespace) => {
                self.namespace(Some(object), namespace).or_else(|| self.namespaced_kind(object))
            }
            None => self.cluster_wide(object),
        }
    }

    fn namespaced_kind(&self, object: &ObjectId) -> Option<Violation> {
        let Kind::Project(project) = self.kind else {
            return None;
        };
        let violation = || Violation::NamespacedKind { object: object.clone(), project: self.project_name() };
        (!names(&project.namespaced_kinds, object)).then(violation)
    }

    fn namespace(&self, object: Option<&ObjectId>, namespace: &str) -> Option<Violation> {
        let input = self.input;
        let mut denied = input.project.iter().flat_map(|it| &it.denied_destinations);
        if denied
            .any(|it| glob::matches(&it.namespace, namespace) && glob::matches(&it.cluster, input.cluster))
        {
            return Some(Violation::DeniedDestination {
                object: object.cloned(),
                cluster: input.cluster.to_owned(),
                namespace: namespace.to_owned(),
                project: self.project_name(),
            });
        }
        let is_own = !input.is_home() && namespace == input.application_namespace;
        let outside = || Violation::OutsideNamespace {
            object: object.cloned(),
            namespace: namespace.to_owned(),
            own: input.application_namespace.to_owned(),
        };
        match self.kind {
            Kind::Open => None,
            Kind::Own => (!is_own).then(outside),
            Kind::Project(project) => {
                let reaches_home = !input.is_home() && namespace == input.installation_namespace;
                let allowed = is_own
                    || project.destinations.iter().any(|destination| {
                        let named = if reaches_home {
                            destination.namespace == namespace
                        } else {
                            glob::matches(&destination.namespace, namespace)
                        };
                        named && glob::matches(&destination.cluster, input.cluster)
                    });
                (!allowed).then(|| Violation::Destination {
                    object: object.cloned(),
                    cluster: input.cluster.to_owned(),
                    namespace: namespace.to_owned(),
                    project: self.project_name(),
                })
            }
        }
    }

    fn cluster_wide(&self, object: &ObjectId) -> Option<Violation> {
        let project = match self.kind {
            Kind::Open => return None,
            Kind::Own => {
                return Some(Violation::ClusterWide {
                    object: object.clone(),
                    own: self.input.application_namespace.to_owned(),
                });
            }
            Kind::Project(project) => project,
        };
        if !names(&project.cluster_kinds, object) {
            return Some(Violation::ClusterKind { object: object.clone(), project: self.project_name() });
        }
        // Who has a namespace has what is in it.
        let is_namespace = object.group.is_empty() && object.kind == "Namespace";
        is_namespace.then(|| self.namespace(Some(object), &object.name)).flatten()
    }
}

/// Whether one of these names a repository, written with `.git` at its end or without.
fn denies(globs: &[String], source: &str) -> bool {
    let bare = source.trim_end_matches('/').trim_end_matches(".git");
    let forms = [source.to_owned(), bare.to_owned(), format!("{bare}.git")];
    globs.iter().any(|glob| forms.iter().any(|form| glob::matches(glob, form)))
}

/// Whether one of these names the kind of an object.
fn names(kinds: &[AllowedKind], object: &ObjectId) -> bool {
    kinds.iter().any(|it| glob::matches(&it.group, &object.group) && glob::matches(&it.kind, &object.kind))
}

impl ScopeInput<'_> {
    /// Whether the Application is in the installation's own namespace.
    fn is_home(&self) -> bool {
        self.application_namespace == self.installation_namespace
    }
}

/// A Sync says who asked for it; one that we apply would be asked for by us.
fn is_request(object: &ObjectId) -> bool {
    use kube::Resource as _;
    object.group == Sync::group(&()) && object.kind == Sync::kind(&())
}
