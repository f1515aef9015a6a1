//! Whether an account may delete what a plan deletes. A dry run of the deletion would tell as much, but a server that does
//! not know dry runs would delete.

use std::collections::BTreeMap;

use futures::{FutureExt as _, StreamExt as _};
use tiphys_manifest::{GroupVersionKind, ObjectId};

use super::{Round, refused};
use crate::discovery::{Lookup, ServedKind};
use crate::error::{Class, Error};
use crate::plan::{Checked, Draft, Existed, Question};

impl Round<'_> {
    /// What may not be pruned. Costs a request for each object when somebody is acted for, and nothing otherwise.
    pub(super) async fn ask_to_prune(&self, draft: &Draft) -> BTreeMap<ObjectId, Checked> {
        if self.cluster.requests.account().is_none() {
            return BTreeMap::new();
        }
        let asked: Vec<_> = draft
            .to_prune()
            .map(|(id, gvk)| async move { self.ask_to_delete(id, gvk).await }.boxed())
            .collect();
        let answers = futures::stream::iter(asked).buffer_unordered(self.options.concurrency.max(1));
        answers.filter_map(|answer| async move { answer }).collect().await
    }

    async fn ask_to_delete(&self, id: &ObjectId, gvk: &GroupVersionKind) -> Option<(ObjectId, Checked)> {
        let kind = match self.cluster.kinds.resolve(gvk).await {
            Ok(Lookup::Served(kind)) => kind,
            // What nobody serves is gone with its kind, and what does not answer now is told when it is deleted.
            Ok(Lookup::NotServed | Lookup::Unknown) => return None,
            Err(error) => return Some((id.clone(), refused(&error))),
        };
        match self.may_delete(&kind, id).await {
            Ok(None) => None,
            Ok(Some(message)) => Some((id.clone(), Checked::Refused { class: Class::Forbidden, message })),
            Err(error) => Some((id.clone(), refused(&error))),
        }
    }

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
        if self.cluster.requests.may(kind, id, "delete", self.options.deadline).await? {
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
