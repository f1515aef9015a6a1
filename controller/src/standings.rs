//! How Applications stand that others depend on, and who these are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::application::Standing;
use crate::sync_index::ApplicationKey;

/// Who depends on whom, and how those stand on whom somebody depends.
#[derive(Debug, Default)]
pub struct Standings {
    followed: RwLock<HashMap<ApplicationKey, Followed>>,
}

#[derive(Debug, Default)]
struct Followed {
    by: HashSet<ApplicationKey>,
    standing: Option<Arc<Standing>>,
}

impl Standings {
    /// `application` wants to know how `other` stands. Says whether it is the first that does.
    pub fn follow(&self, application: &ApplicationKey, other: &ApplicationKey) -> bool {
        let mut followed = self.followed.write();
        let entry = followed.entry(other.clone()).or_default();
        entry.by.insert(application.clone());
        entry.by.len() == 1
    }

    /// `application` does not want to know any more how these stand.
    pub fn unfollow(&self, application: &ApplicationKey, others: &[ApplicationKey]) {
        let mut followed = self.followed.write();
        for other in others {
            if let Some(entry) = followed.get_mut(other) {
                entry.by.remove(application);
                if entry.by.is_empty() {
                    followed.remove(other);
                }
            }
        }
    }

    /// Whether anybody wants to know how an Application stands.
    pub fn is_followed(&self, application: &ApplicationKey) -> bool {
        self.followed.read().contains_key(application)
    }

    /// Who wants to know how an Application stands.
    pub fn followers(&self, application: &ApplicationKey) -> Vec<ApplicationKey> {
        self.followed.read().get(application).map(|it| it.by.iter().cloned().collect()).unwrap_or_default()
    }

    /// How an Application stands, if it has left word.
    pub fn of(&self, application: &ApplicationKey) -> Option<Arc<Standing>> {
        self.followed.read().get(application)?.standing.clone()
    }

    /// Notes how an Application stands, and says whom that concerns: nobody when it is as it was.
    pub fn note(&self, application: &ApplicationKey, standing: Standing) -> Vec<ApplicationKey> {
        let mut followed = self.followed.write();
        match followed.get_mut(application) {
            Some(entry) if entry.standing.as_deref() != Some(&standing) => {
                entry.standing = Some(Arc::new(standing));
                entry.by.iter().cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Forgets an Application that is gone, and says whom that concerns.
    pub fn forget(&self, application: &ApplicationKey) -> Vec<ApplicationKey> {
        let mut followed = self.followed.write();
        followed.retain(|_, it| {
            it.by.remove(application);
            !it.by.is_empty()
        });
        let Some(entry) = followed.get_mut(application) else {
            return Vec::new();
        };
        entry.standing = None;
        entry.by.iter().cloned().collect()
    }
}
