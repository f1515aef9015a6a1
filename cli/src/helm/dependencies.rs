//! `--dependency-update`: charts in directories become archives in `charts/` of the chart that declares them, as
//! `helm dependency update` makes them. Nothing is fetched.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use gotemplate::quote;
use jiff::Timestamp;
use tiphys_helm::semver::{Constraint, Version};
use tiphys_helm::{Chart, Dependency, File, Limits, Lock, files_of_directory, write_archive};

use super::{Message, message, reason};

/// A declared dependency, and what was found for it.
struct Found {
    /// What the lock says of it.
    locked: Dependency,
    /// The name of the archive and what is in it; `None` for a chart that lies in `charts/` already.
    archive: Option<(String, Vec<u8>)>,
}

/// Puts what the chart in a directory declares into its `charts/`, and gives the chart as it is then.
pub fn update(chart: &Chart, directory: &Path, printed: &mut Vec<u8>) -> Result<Chart, Message> {
    let failed = |error: io::Error| format!("{}: {}", directory.display(), reason(&error));
    let directory = std::path::absolute(directory).map_err(failed)?;
    if !directory.is_dir() {
        return Err("only unpacked charts can be updated".to_owned());
    }
    let metadata = chart.metadata();
    let declared = metadata.dependencies.as_deref().unwrap_or_default();
    let found = find_all(&directory, declared)?;
    save(&directory.join("charts"), &found, printed)?;
    let lock = Lock::new(declared, found.into_iter().map(|found| found.locked).collect());
    let file = if metadata.api_version == "v1" { "requirements.lock" } else { "Chart.lock" };
    let file = directory.join(file);
    if !fs::read(&file).is_ok_and(|before| lock.is_in(&before)) {
        replace(&file, lock.write(Timestamp::now()).as_bytes())?;
    }
    load(&directory)
}

fn load(directory: &Path) -> Result<Chart, Message> {
    Chart::from_directory(directory, &Limits::default()).map_err(|error| message(&error))
}

fn find_all(directory: &Path, declared: &[Dependency]) -> Result<Vec<Found>, Message> {
    for dependency in declared.iter().filter(|it| !it.repository.is_empty()) {
        local_directory(directory, dependency)?;
    }
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for dependency in declared {
        match find(directory, dependency)? {
            Some(one) => found.push(one),
            None => missing.push(format!(
                "{} (repository {}, version {})",
                quote(&dependency.name),
                quote(&dependency.repository),
                quote(&dependency.version)
            )),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(format!(
        "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or \
         change the version constraint in Chart.yaml",
        missing.len(),
        missing.join(", ")
    ))
}

/// The directory that a dependency names, if it is there.
fn local_directory(directory: &Path, dependency: &Dependency) -> Result<PathBuf, Message> {
    let Some(path) = dependency.repository.strip_prefix("file://") else {
        return Err(format!(
            "dependency {} is in {}, and charts are not fetched here: `helm dependency update {}` brings it",
            quote(&dependency.name),
            dependency.repository,
            directory.display()
        ));
    };
    existing(directory, path)
}

/// A path that may be relative to a directory, cleaned as Go does before it looks at the disk.
fn existing(directory: &Path, path: &str) -> Result<PathBuf, Message> {
    let mut clean = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            component => clean.push(component),
        }
    }
    if clean.exists() { Ok(clean) } else { Err(format!("directory {} not found", clean.display())) }
}

/// `None` if no version fits.
fn find(directory: &Path, dependency: &Dependency) -> Result<Option<Found>, Message> {
    let Dependency { name, version, repository, .. } = dependency;
    let constraint: Constraint = version.parse().map_err(|error| {
        format!("dependency {} has an invalid version/constraint format: {error}", quote(name))
    })?;
    let [name, repository] = [name.clone(), repository.clone()];
    if repository.is_empty() {
        existing(directory, &format!("charts/{name}"))?;
        let locked = Dependency { name, version: version.clone(), ..Dependency::default() };
        return Ok(Some(Found { locked, archive: None }));
    }
    let source = local_directory(directory, dependency)?;
    let limits = Limits::default();
    let files = files_of_directory(&source, &limits).map_err(|error| message(&error))?;
    let chart = Chart::from_files(files.iter().cloned(), &limits).map_err(|error| message(&error))?;
    let version = chart.metadata().version.clone();
    if !version.parse().is_ok_and(|version: Version| constraint.matches(&version)) {
        return Ok(None);
    }
    let archive = (format!("{}-{version}.tgz", chart.metadata().name), pack(&chart, &files)?);
    Ok(Some(Found {
        locked: Dependency { name, version, repository, ..Dependency::default() },
        archive: Some(archive),
    }))
}

fn pack(chart: &Chart, files: &[File]) -> Result<Vec<u8>, Message> {
    let name = &chart.metadata().name;
    write_archive(name, files).map_err(|error| format!("cannot pack chart {}: {error}", quote(name)))
}

/// Writes archives into `charts/`, and removes those of charts that are no dependencies any more.
fn save(charts: &Path, found: &[Found], printed: &mut Vec<u8>) -> Result<(), Message> {
    let failed = |error: io::Error| format!("{}: {}", charts.display(), reason(&error));
    fs::create_dir_all(charts).map_err(failed)?;
    let mut say = |line: String| printed.extend([line.as_bytes(), b"\n"].concat());
    say(format!("Saving {} charts", found.len()));
    for Found { locked, .. } in found.iter().filter(|found| found.archive.is_none()) {
        say(format!(
            "Dependency {} did not declare a repository. Assuming it exists in the charts directory",
            locked.name
        ));
        if let Err(error) = check_in_place(charts, locked)? {
            say(format!("Save error occurred:  {error}"));
            return Err(error);
        }
    }
    let before = fs::read_dir(charts).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
    for (name, data) in found.iter().filter_map(|found| found.archive.as_ref()) {
        replace(&charts.join(name), data)?;
    }
    say("Deleting outdated charts".to_owned());
    before.iter().filter_map(|entry| delete_outdated(entry, found).err()).for_each(say);
    Ok(())
}

/// Removes a file in `charts/` that is a chart and no dependency. The error says why it stays.
fn delete_outdated(entry: &fs::DirEntry, found: &[Found]) -> Result<(), String> {
    let mut archives = found.iter().filter_map(|found| found.archive.as_ref());
    let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
    if is_directory || archives.any(|(name, _)| entry.file_name() == name.as_str()) {
        return Ok(());
    }
    let path = entry.path();
    let shown = path.display();
    let chart = Chart::from_path(&path, &Limits::default())
        .map_err(|error| format!("Could not verify {shown} for deletion: {} (Skipping)", message(&error)))?;
    if is_in_place(&chart, found) {
        return Ok(());
    }
    fs::remove_file(&path).map_err(|error| format!("Could not delete {shown}: {} (Skipping)", reason(&error)))
}

/// Whether a chart in `charts/` is a dependency without a repository.
fn is_in_place(chart: &Chart, found: &[Found]) -> bool {
    let mut in_place = found.iter().filter(|found| found.archive.is_none());
    in_place.any(|found| found.locked.name == chart.metadata().name)
}

/// Whether the chart in `charts/` has a version that fits; the inner error is one that Helm prints as well.
fn check_in_place(charts: &Path, locked: &Dependency) -> Result<Result<(), Message>, Message> {
    let path = charts.join(&locked.name);
    let chart = load(&path).map_err(|error| format!("unable to load chart '{}': {error}", path.display()))?;
    let version = &chart.metadata().version;
    let fits = version.parse::<Version>().is_ok_and(|version| {
        locked.version.parse().is_ok_and(|constraint: Constraint| constraint.matches(&version))
    });
    Ok(if fits {
        Ok(())
    } else {
        Err(format!(
            "dependency {} at version {version} does not satisfy the constraint {}",
            locked.name, locked.version
        ))
    })
}

/// Writes a file that others see as a whole or not at all.
fn replace(path: &Path, data: &[u8]) -> Result<(), Message> {
    let mut fresh = path.to_owned();
    fresh.set_file_name(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().display(),
        std::process::id()
    ));
    fs::write(&fresh, data).and_then(|()| fs::rename(&fresh, path)).map_err(|error| {
        let _ = fs::remove_file(&fresh);
        format!("cannot write {}: {}", path.display(), reason(&error))
    })
}
