//! Acting in the name of a ServiceAccount: its rights count, and not ours.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Requests;

/// A ServiceAccount in whose name requests are sent.
///
/// Only the user is named in a request: the API server itself adds the groups of a ServiceAccount
/// (`system:serviceaccounts`, that of its namespace, and `system:authenticated`), and naming them would take the right to
/// impersonate groups, which cannot be bounded to namespaces.
///
/// The API server lets anybody who may impersonate act as an account that does not exist, with whatever roles are still
/// bound to its name. So whoever makes an `Account` has seen it, and [revokes](Account::revoke) it when it is gone: all
/// clones are refused from then on, before anything is sent.
#[derive(Clone)]
pub struct Account {
    namespace: Arc<str>,
    name: Arc<str>,
    gone: Arc<AtomicBool>,
}

impl Account {
    /// An account that is known to exist.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into(), gone: Arc::default() }
    }

    /// The name under which the API server knows it.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// Its name within its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It was deleted: nobody acts in its name any more. One that is created again under its name is another account.
    pub fn revoke(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Whether it was deleted.
    pub fn is_revoked(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// `namespace/name`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({self})")
    }
}

impl Requests {
    /// The same in the name of an account, with its rights and within the same bounds.
    #[must_use]
    pub fn acting_as(&self, account: Account) -> Self {
        Self { account: Some(account), ..self.clone() }
    }

    /// In whose name requests are sent; none: in that of the client.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_are_revoked_together() {
        let account = Account::new("shop", "deployer");
        let clone = account.clone();
        assert_eq!(clone.user(), "system:serviceaccount:shop:deployer");
        assert_eq!(clone.to_string(), "shop/deployer");
        assert!(!clone.is_revoked());
        account.revoke();
        assert!(clone.is_revoked());
        assert!(!Account::new("shop", "deployer").is_revoked(), "one of the same name is another one");
    }
}
