//! The CRDs as files, so that `kubectl apply -f crds/` works without us.

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::Error;

/// The files that belong into `crds/`: name and content.
pub fn files() -> Result<Vec<(String, String)>, Error> {
    tiphys_api::crds().iter().map(file).collect()
}

/// Writes [`files`] into `directory`.
pub fn write(directory: &Path) -> Result<(), Error> {
    for (name, content) in files()? {
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(|source| Error::WriteFile { path, source })?;
    }
    Ok(())
}

fn file(crd: &CustomResourceDefinition) -> Result<(String, String), Error> {
    let name = format!("{}.yaml", crd.spec.names.plural);
    let yaml = serde_yaml::to_string(crd).map_err(Error::WriteYaml)?;
    Ok((name, format!("# Made by `tiphys-controller crds`; do not edit.\n{yaml}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_current() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
        for (name, content) in files().unwrap() {
            let committed = std::fs::read_to_string(directory.join(&name)).unwrap_or_default();
            assert_eq!(committed, content, "{name} is stale: cargo run -p tiphys-controller -- crds");
        }
        let expected = files().unwrap().len();
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), expected, "crds/ holds something else");
    }
}
