//! How a source is rendered, as it is typed; the words are those of `spec.source`.

use clap::{Args, ValueEnum};
use tiphys_api::{DirectorySource, HelmSource, Source, TeraSource};

use crate::error::Error;

/// How a source is rendered.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How to render")]
pub struct SourceArguments {
    /// What the directory is; found out when absent
    #[arg(long = "type", value_enum, value_name = "helm|tera|directory", hide_possible_values = true)]
    pub source_type: Option<SourceType>,
    /// Value file, relative to the chart; can be repeated, later ones win
    #[arg(short = 'f', long = "value-file", value_name = "PATH")]
    pub value_files: Vec<String>,
    /// A single value, as path.to.key=value; can be repeated and wins over value files
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Name of the release; default: the name of the Application
    #[arg(long, value_name = "NAME")]
    pub release_name: Option<String>,
    /// Of a directory: read the directories below, too
    #[arg(long)]
    pub recurse: bool,
    /// Of a directory: only files that match this glob; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Of a directory: no files that match this glob; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
}

/// The ways in which a source can be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceType {
    /// A Helm chart.
    Helm,
    /// A Tera chart.
    Tera,
    /// Plain manifests.
    Directory,
}

impl SourceArguments {
    /// Whether there is an option that only charts have.
    pub fn is_for_charts(&self) -> bool {
        !self.value_files.is_empty() || !self.set.is_empty() || self.release_name.is_some()
    }

    fn is_for_directories(&self) -> bool {
        self.recurse || !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// Puts the options into a source; `None` for the type leaves it to be found out.
    pub fn apply(&self, source: &mut Source) -> Result<(), Error> {
        match self.source_type {
            Some(source_type) => self.apply_as(source_type, source),
            None if self.is_for_charts() && self.is_for_directories() => Err(mixed()),
            None if self.is_for_directories() => self.apply_as(SourceType::Directory, source),
            None if self.is_for_charts() => Err(Error::Options {
                problem: "values need to know what kind of chart they are for".to_owned(),
                instead: "add `--type helm` or `--type tera`".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Puts the options into a source of this type.
    pub fn apply_as(&self, source_type: SourceType, source: &mut Source) -> Result<(), Error> {
        let misplaced = match source_type {
            SourceType::Helm | SourceType::Tera => self.is_for_directories(),
            SourceType::Directory => self.is_for_charts(),
        };
        if misplaced {
            return Err(mixed());
        }
        match source_type {
            SourceType::Helm => {
                source.helm = Some(HelmSource {
                    release_name: self.release_name.clone(),
                    value_files: self.value_files.clone(),
                    set: self.set.clone(),
                    ..HelmSource::default()
                });
            }
            SourceType::Tera => {
                source.tera = Some(TeraSource {
                    release_name: self.release_name.clone(),
                    value_files: self.value_files.clone(),
                    set: self.set.clone(),
                    ..TeraSource::default()
                });
            }
            SourceType::Directory => {
                source.directory = Some(DirectorySource {
                    recurse: self.recurse,
                    include: self.include.clone(),
                    exclude: self.exclude.clone(),
                });
            }
        }
        Ok(())
    }
}

fn mixed() -> Error {
    Error::Options {
        problem: "some of these options are for charts and some for directories of plain manifests"
            .to_owned(),
        instead:
            "charts take --value-file, --set and --release-name; directories take --recurse, --include and \
                  --exclude"
                .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_where_their_type_has_them() {
        let values = SourceArguments { set: vec!["a=1".to_owned()], ..SourceArguments::default() };
        let mut source = Source::default();
        assert!(values.apply(&mut source).is_err(), "the kind of chart is not known");
        values.apply_as(SourceType::Tera, &mut source).unwrap();
        assert_eq!(source.tera.unwrap().set, ["a=1"]);

        let recurse = SourceArguments { recurse: true, ..SourceArguments::default() };
        let mut source = Source::default();
        recurse.apply(&mut source).unwrap();
        assert!(source.directory.unwrap().recurse);

        let mixed = SourceArguments { recurse: true, ..values };
        assert!(mixed.apply(&mut Source::default()).is_err());
        assert!(mixed.apply_as(SourceType::Directory, &mut Source::default()).is_err());
        assert!(mixed.apply_as(SourceType::Helm, &mut Source::default()).is_err());
    }
}
