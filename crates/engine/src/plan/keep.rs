//! What annotations say about deleting an object, in our words and in those that charts carry for others.

use serde_json::Value;
use tiphys_api::{DELETE_ANNOTATION, PRUNE_ANNOTATION};

/// What Argo CD's options are a list of.
const ARGO: &str = "argocd.argoproj.io/sync-options";

/// They keep an object from being deleted, whether it left the rendering or its Application goes.
const KEEP: &[(&str, &str)] = &[
    (PRUNE_ANNOTATION, "Disabled"),
    (ARGO, "Prune=false"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ("helm.sh/resource-policy", "keep"),
];
/// They keep an object when its Application goes.
const KEEP_AT_END: &[(&str, &str)] = &[(DELETE_ANNOTATION, "Disabled"), (ARGO, "Delete=false")];
/// They ask before an object is deleted that left the rendering.
const CONFIRM: &[(&str, &str)] = &[(PRUNE_ANNOTATION, "Confirm"), (ARGO, "Prune=confirm")];
/// They ask before an object is deleted with its Application.
const CONFIRM_AT_END: &[(&str, &str)] = &[(DELETE_ANNOTATION, "Confirm"), (ARGO, "Delete=confirm")];

/// Why objects are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removing {
    /// They left the rendering.
    #[default]
    LeftRendering,
    /// Their Application is deleted, and they with it.
    WithApplication,
}

/// What an annotation says about deleting an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It stays. The annotation, as `key: value`.
    Keep(String),
    /// Somebody has to confirm it. The annotation, as `key: value`.
    Confirm(String),
}

/// What the annotations of an object say about deleting it. What keeps it wins.
pub fn wish(object: &Value, removing: Removing) -> Option<Wish> {
    let find = |list: &[(&str, &str)]| list.iter().find(|entry| says(object, entry)).map(words);
    let at_end = removing == Removing::WithApplication;
    find(KEEP)
        .or_else(|| find(KEEP_AT_END).filter(|_| at_end))
        .map(Wish::Keep)
        .or_else(|| find(if at_end { CONFIRM_AT_END } else { CONFIRM }).map(Wish::Confirm))
}

fn says(object: &Value, (key, value): &(&str, &str)) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let text = annotations.and_then(|annotations| annotations.get(key)?.as_str());
    // Argo CD's options come as a list with commas.
    text.is_some_and(|text| text.split(',').any(|option| option.trim() == *value))
}

fn words((key, value): &(&str, &str)) -> String {
    format!("{key}: {value}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_of_all_tools_are_understood() {
        let (left, end) = (Removing::LeftRendering, Removing::WithApplication);
        for (key, value, removing, expected) in [
            ("tiphys.dev/prune", "Disabled", left, "keep"),
            ("tiphys.dev/prune", "Disabled", end, "keep"),
            ("tiphys.dev/prune", "disabled", left, ""),
            ("tiphys.dev/prune", "Confirm", left, "confirm"),
            ("tiphys.dev/prune", "Confirm", end, ""),
            ("tiphys.dev/delete", "Disabled", left, ""),
            ("tiphys.dev/delete", "Disabled", end, "keep"),
            ("tiphys.dev/delete", "Confirm", left, ""),
            ("tiphys.dev/delete", "Confirm", end, "confirm"),
            (ARGO, "Validate=false, Prune=false", left, "keep"),
            (ARGO, "Prune=confirm", left, "confirm"),
            (ARGO, "Prune=confirm,Delete=false", end, "keep"),
            (ARGO, "Delete=false", left, ""),
            (ARGO, "Delete=confirm", end, "confirm"),
            ("kustomize.toolkit.fluxcd.io/prune", "disabled", left, "keep"),
            ("kustomize.toolkit.fluxcd.io/prune", "disabled", end, "keep"),
            ("helm.sh/resource-policy", "keep", left, "keep"),
            ("helm.sh/resource-policy", "keep", end, "keep"),
            ("helm.sh/resource-policy", "delete", left, ""),
        ] {
            let object = json!({ "metadata": { "annotations": { key: value } } });
            let found = match wish(&object, removing) {
                Some(Wish::Keep(_)) => "keep",
                Some(Wish::Confirm(_)) => "confirm",
                None => "",
            };
            assert_eq!(found, expected, "{key}: {value}, {removing:?}");
        }
    }

    #[test]
    fn what_keeps_wins_over_what_asks() {
        let object = json!({ "metadata": { "annotations": { ARGO: "Prune=confirm", "tiphys.dev/prune": "Disabled" } } });
        let keep = Wish::Keep("tiphys.dev/prune: Disabled".to_owned());
        assert_eq!(wish(&object, Removing::LeftRendering), Some(keep));
    }
}
