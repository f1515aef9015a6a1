//! Renders a local directory, as the controller would render it from Git.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tiphys_api::Source;
use tiphys_render::{
    Capabilities, Chance, Kind, Options, Release, Renderer, RendererConfig, Rendering, Request,
};
use tiphys_tree::{DirectoryTree, Tree, TreePath};

use crate::error::Error;
use crate::source_arguments::{SourceArguments, SourceType};
use crate::terminal::Terminal;

/// A directory on this machine inside the tree that it may read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The working copy: value files may lie anywhere in it, and nothing outside is read.
    pub root: PathBuf,
    /// The directory to render, relative to it.
    pub path: String,
}

impl Place {
    /// A directory that somebody names; its tree is the working copy around it, or itself.
    pub fn of(directory: &Path) -> Result<Self, Error> {
        let directory = absolute(directory)?;
        let root = directory.ancestors().find(|it| it.join(".git").exists()).unwrap_or(&directory);
        let path = directory.strip_prefix(root).unwrap_or(Path::new("")).to_string_lossy();
        let path = if path.is_empty() { ".".to_owned() } else { path.into_owned() };
        Ok(Self { root: root.to_owned(), path })
    }

    /// The directory that a source means in a working copy; `directory` is that copy, or already the source's path.
    pub fn of_source(directory: &Path, source: &Source) -> Result<Self, Error> {
        let root = absolute(directory)?;
        if root.join(&source.path).is_dir() {
            return Ok(Self { root, path: source.path.clone() });
        }
        Self::of(directory)
    }
}

fn absolute(directory: &Path) -> Result<PathBuf, Error> {
    let read = |source| Error::Read { path: directory.to_owned(), source };
    let absolute = directory.canonicalize().map_err(read)?;
    if !absolute.is_dir() {
        return Err(read(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
    }
    Ok(absolute)
}

/// Renders, and says what is allowed but hardly meant.
pub async fn render(
    terminal: Terminal,
    place: &Place,
    options: Options,
    release: Release,
    capabilities: Capabilities,
) -> Result<Arc<Rendering>, Error> {
    let request = request(place, options, release, capabilities)?;
    let rendering = renderer()?.render(request).await.map_err(|error| failed(place, error))?;
    for warning in &rendering.warnings {
        terminal.warn(warning);
    }
    Ok(rendering)
}

/// Renders as the command line says. Values that come without a kind of chart are for the kind that is found.
pub async fn render_as_typed(
    terminal: Terminal,
    place: &Place,
    arguments: &SourceArguments,
    release: Release,
    capabilities: Capabilities,
) -> Result<Arc<Rendering>, Error> {
    let mut source = Source::default();
    if arguments.source_type.is_some() || !arguments.is_for_charts() {
        arguments.apply(&mut source)?;
        return render(terminal, place, Options::from(&source), release, capabilities).await;
    }
    arguments.apply_as(SourceType::Tera, &mut source)?;
    let request = request(place, Options::from(&source), release.clone(), capabilities.clone())?;
    match renderer()?.render(request).await {
        Err(tiphys_render::Error::OtherOptions { found: Kind::Helm, .. }) => {
            source.tera = None;
            arguments.apply_as(SourceType::Helm, &mut source)?;
            render(terminal, place, Options::from(&source), release, capabilities).await
        }
        Err(error) => Err(failed(place, error)),
        Ok(rendering) => Ok(rendering),
    }
}

fn request(
    place: &Place,
    options: Options,
    release: Release,
    capabilities: Capabilities,
) -> Result<Request, Error> {
    let tree: Arc<dyn Tree> =
        Arc::new(DirectoryTree::open(&place.root).map_err(|error| failed(place, error))?);
    let path = TreePath::parse(&place.path).map_err(|error| failed(place, error))?;
    Ok(Request { tree, path, options, release, capabilities, chance: Chance::System, lookup: None })
}

fn renderer() -> Result<Renderer, Error> {
    let program = std::env::current_exe().map_err(Error::Process)?;
    Ok(Renderer::new(RendererConfig::new(program)))
}

fn failed(place: &Place, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let mut directory = place.root.clone();
    directory.extend(Path::new(&place.path).components().filter(|it| *it != Component::CurDir));
    Error::Render { directory, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_is_found_in_its_working_copy() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("apps/web")).unwrap();
        let web = root.join("apps/web");
        let source = Source { path: "apps/web".to_owned(), ..Source::default() };
        let alone = Place { root: web.clone(), path: ".".to_owned() };
        let inside = Place { root: root.clone(), path: "apps/web".to_owned() };

        assert_eq!(Place::of(&web).unwrap(), alone);
        assert_eq!(Place::of_source(&root, &source).unwrap(), inside);
        assert_eq!(Place::of_source(&web, &source).unwrap(), alone);
        fs::create_dir(root.join(".git")).unwrap();
        assert_eq!(Place::of(&web).unwrap(), inside);
        assert_eq!(Place::of_source(&web, &source).unwrap(), inside, "the path itself may be named");
        assert!(Place::of(&root.join("nothing")).is_err());
    }
}
