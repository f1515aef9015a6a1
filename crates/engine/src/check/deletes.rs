//! Whether an account may delete what an earlier run of a hook left, before the hook is created. What is pruned or
//! recreated is asked about by a dry run of its deletion.

use tiphys_manifest::ObjectId;

use super::Round;
use crate::discovery::ServedKind;
use crate::error::{Class, Error};
use crate::plan::{Checked, Existed, Question};

impl Round<'_> {
    /// The answer about an object, unless it would have to be deleted first and may not be.
    pub(super) async fn unless_undeletable(
        &self,
        question: &Question<'_>,
        kind: &ServedKind,
        answered: Result<Checked, Error>,
    ) -> Result<Checked, Error> {
        let exists = matches!(
            answered,
            Ok(Checked::Predicted { existed: Existed::Yes, .. } | Checked::Immutable { .. })
        );
        if exists
            && question.deletes_first
            && let Some(message) = self.may_delete(kind, question.id).await?
        {
            return Ok(Checked::Refused { class: Class::Forbidden, message });
        }
        answered
    }

    /// Why the account that is acted for may not delete an object.
    pub(super) async fn may_delete(&self, kind: &ServedKind, id: &ObjectId) -> Result<Option<String>, Error> {
        let Some(account) = self.cluster.requests.account() else {
            return Ok(None);
        };
        if self.cluster.requests.may("delete", &kind.resource.plural, id, self.options.deadline).await? {
            return Ok(None);
        }
        Ok(Some(format!(
            "it would have to be deleted, and ServiceAccount {account} cannot delete resource \"{}\" in API group \"{}\"{}",
            kind.resource.plural,
            kind.resource.group,
            id.namespace.as_ref().map(|ns| format!(" in the namespace \"{ns}\"")).unwrap_or_default(),
        )))
    }
}
