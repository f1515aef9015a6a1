//! `Chart.yaml` and `requirements.yaml`.

use std::collections::HashSet;

use gotemplate::{List, Map, Type, Value as Template};
use serde_json::Value;

use super::decode::{self, Fields};
use crate::semver::Version;

/// What a chart says of itself.
///
/// Helm's templates see all of it as `.Chart`, under the names that Go gives the fields.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of Chart.yaml")]
pub struct Metadata {
    pub name: String,
    pub home: String,
    pub sources: Vec<String>,
    pub version: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub maintainers: Vec<Maintainer>,
    pub icon: String,
    pub api_version: String,
    pub condition: String,
    pub tags: String,
    pub app_version: String,
    pub deprecated: bool,
    pub annotations: Option<Vec<(String, String)>>,
    pub kube_version: String,
    /// `None` is no list at all, which Helm tells from an empty one.
    pub dependencies: Option<Vec<Dependency>>,
    /// `application`, `library`, or nothing, which means `application`.
    pub kind: String,
    /// The list that has a null in it.
    null_in: Option<&'static str>,
}

/// A person or a team that keeps a chart.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of Chart.yaml")]
pub struct Maintainer {
    pub name: String,
    pub email: String,
    pub url: String,
}

/// A chart that another one declares as its dependency.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependency {
    /// The name in the `Chart.yaml` of the dependency.
    pub name: String,
    /// The version, or a range of versions.
    pub version: String,
    /// Where it can be got.
    pub repository: String,
    /// Paths in the values, divided by commas; the first one that holds a boolean enables or disables.
    pub condition: String,
    /// Names under `tags` in the values that enable or disable.
    pub tags: Vec<String>,
    /// Whether the chart takes part; what a file says here does not count.
    pub enabled: bool,
    /// What of the values of the dependency becomes values of the parent.
    pub import_values: Vec<Value>,
    /// Another name for the dependency in this chart.
    pub alias: String,
}

impl Metadata {
    /// Fills in what `Chart.yaml` or `requirements.yaml` says; what it does not name stays.
    pub(crate) fn read(&mut self, document: &Value) -> Result<(), String> {
        let Some(fields) = Fields::of(document, "v2.Metadata", "")? else {
            return Ok(());
        };
        fields.string("name", &mut self.name)?;
        fields.string("home", &mut self.home)?;
        fields.strings("sources", &mut self.sources)?;
        fields.string("version", &mut self.version)?;
        fields.string("description", &mut self.description)?;
        fields.strings("keywords", &mut self.keywords)?;
        if let Some(list) = fields.list("maintainers", "[]*v2.Maintainer")? {
            self.note_null("maintainers", list);
            self.maintainers = list.iter().map(Maintainer::read).collect::<Result<_, _>>()?;
        }
        fields.string("icon", &mut self.icon)?;
        fields.string("apiVersion", &mut self.api_version)?;
        fields.string("condition", &mut self.condition)?;
        fields.string("tags", &mut self.tags)?;
        fields.string("appVersion", &mut self.app_version)?;
        fields.boolean("deprecated", &mut self.deprecated)?;
        fields.string_map("annotations", &mut self.annotations)?;
        fields.string("kubeVersion", &mut self.kube_version)?;
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            self.note_null("dependencies", items);
            let dependencies = items.iter().map(Dependency::read).collect::<Result<_, _>>()?;
            self.dependencies = Some(dependencies).filter(|_| !fields.is_null("dependencies"));
        }
        fields.string("type", &mut self.kind)
    }

    fn note_null(&mut self, list: &'static str, items: &[Value]) {
        if items.contains(&Value::Null) {
            self.null_in.get_or_insert(list);
        }
    }

    /// Whether this is a library chart, of which only the named templates take part.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Cleans texts of control characters and checks what Helm checks when it loads a chart.
    pub(super) fn validate(&mut self) -> Result<(), String> {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            decode::sanitize(text);
        }
        self.sources.iter_mut().chain(&mut self.keywords).for_each(decode::sanitize);
        let problem = |message: String| Err(format!("validation: {message}"));
        if self.api_version.is_empty() {
            return problem("chart.metadata.apiVersion is required".to_owned());
        }
        if self.name.is_empty() {
            return problem("chart.metadata.name is required".to_owned());
        }
        let name = gotemplate::quote(&self.name);
        if self.name == "." || self.name == ".." {
            return problem(format!("chart.metadata.name {name} is not allowed"));
        }
        if self.name.contains('/') {
            return problem(format!("chart.metadata.name {name} is invalid"));
        }
        if self.version.is_empty() {
            return problem("chart.metadata.version is required".to_owned());
        }
        if self.version.parse::<Version>().is_err() {
            let version = gotemplate::quote(&self.version);
            return problem(format!("chart.metadata.version {version} is invalid"));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return problem("chart.metadata.type must be application or library".to_owned());
        }
        if let Some(list) = self.null_in {
            return problem(format!("{list} must not contain empty or null nodes"));
        }
        self.maintainers.iter_mut().for_each(Maintainer::sanitize);
        self.validate_dependencies()
    }

    fn validate_dependencies(&mut self) -> Result<(), String> {
        let mut names = HashSet::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            dependency.validate()?;
            if !names.insert(dependency.key()) {
                let key = gotemplate::quote(dependency.key());
                return Err(format!("validation: more than one dependency with name or alias {key}"));
            }
        }
        Ok(())
    }

    /// `.Chart`, without `Dependencies` and `IsRoot`.
    pub(crate) fn to_template(&self) -> Map {
        let strings =
            |texts: &[String]| Template::from(texts.iter().map(|item| text(item)).collect::<Vec<_>>());
        let annotations = match &self.annotations {
            None => Template::TypedNil(&Type::STRING_MAP),
            Some(entries) => {
                let map = Map::with_type(&Type::STRING_MAP);
                for (key, value) in entries {
                    map.insert(key.as_str(), value.as_str());
                }
                Template::Map(map)
            }
        };
        let maintainers: Vec<Template> = self.maintainers.iter().map(Maintainer::to_template).collect();
        Map::from([
            ("APIVersion", text(&self.api_version)),
            ("Annotations", annotations),
            ("AppVersion", text(&self.app_version)),
            ("Condition", text(&self.condition)),
            ("Deprecated", self.deprecated.into()),
            ("Description", text(&self.description)),
            ("Home", text(&self.home)),
            ("Icon", text(&self.icon)),
            ("Keywords", strings(&self.keywords)),
            ("KubeVersion", text(&self.kube_version)),
            ("Maintainers", maintainers.into()),
            ("Name", text(&self.name)),
            ("Sources", strings(&self.sources)),
            ("Tags", text(&self.tags)),
            ("Type", text(&self.kind)),
            ("Version", text(&self.version)),
        ])
    }
}

fn text(text: &str) -> Template {
    Template::from(text)
}

impl Maintainer {
    fn read(value: &Value) -> Result<Self, String> {
        let Some(fields) = Fields::of(value, "v2.Maintainer", "maintainers")? else {
            return Ok(Self::default());
        };
        let mut maintainer = Self::default();
        fields.string("name", &mut maintainer.name)?;
        fields.string("email", &mut maintainer.email)?;
        fields.string("url", &mut maintainer.url)?;
        Ok(maintainer)
    }

    fn sanitize(&mut self) {
        [&mut self.name, &mut self.email, &mut self.url].into_iter().for_each(decode::sanitize);
    }

    fn to_template(&self) -> Template {
        Template::from([("Email", text(&self.email)), ("Name", text(&self.name)), ("URL", text(&self.url))])
    }
}

impl Dependency {
    fn read(value: &Value) -> Result<Self, String> {
        let Some(fields) = Fields::of(value, "v2.Dependency", "dependencies")? else {
            return Ok(Self::default());
        };
        let mut dependency = Self::default();
        fields.string("name", &mut dependency.name)?;
        fields.string("version", &mut dependency.version)?;
        fields.string("repository", &mut dependency.repository)?;
        fields.string("condition", &mut dependency.condition)?;
        fields.strings("tags", &mut dependency.tags)?;
        fields.boolean("enabled", &mut dependency.enabled)?;
        if let Some(items) = fields.list("import-values", "[]interface {}")? {
            dependency.import_values = items.to_vec();
        }
        fields.string("alias", &mut dependency.alias)?;
        Ok(dependency)
    }

    /// The name under which the dependency is known in its parent.
    pub fn key(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    fn validate(&mut self) -> Result<(), String> {
        for text in [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition] {
            decode::sanitize(text);
        }
        self.tags.iter_mut().for_each(decode::sanitize);
        let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if !self.alias.chars().all(allowed) {
            let name = gotemplate::quote(&self.name);
            return Err(format!("validation: dependency {name} has disallowed characters in the alias"));
        }
        Ok(())
    }

    pub(crate) fn to_template(&self) -> Template {
        let tags: Vec<Template> = self.tags.iter().map(|tag| text(tag)).collect();
        let imports: Vec<Template> = self.import_values.iter().map(import_to_template).collect();
        Template::from([
            ("Alias", text(&self.alias)),
            ("Condition", text(&self.condition)),
            ("Enabled", self.enabled.into()),
            ("ImportValues", Template::List(List::new(imports))),
            ("Name", text(&self.name)),
            ("Repository", text(&self.repository)),
            ("Tags", tags.into()),
            ("Version", text(&self.version)),
        ])
    }
}

/// An entry of `import-values` as templates see it: Helm has made it a map of strings before.
fn import_to_template(import: &Value) -> Template {
    let map = Map::with_type(&Type::STRING_MAP);
    for (key, value) in import.as_object().into_iter().flatten() {
        map.insert(key.as_str(), value.as_str().unwrap_or_default());
    }
    Template::Map(map)
}
