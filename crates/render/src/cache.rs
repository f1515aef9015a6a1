//! The render cache: what was rendered before from the same inputs is not rendered again.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tiphys_helm::chance::Chance;
use tiphys_manifest::{Manifest, Origin};
use tiphys_tree::{Inputs, Tree};

use crate::chart::ChartError;
use crate::error::Error;
use crate::rendering::{Kind, Rendering, RenderingDigest};
use crate::request::{Capabilities, Request};

/// Speed matters more than size here: the texts are small and very repetitive.
const COMPRESSION_LEVEL: i32 = 1;
/// What an entry costs beside its compressed text, roughly, in bytes.
const ENTRY_BYTES: usize = 512;
/// What one recorded input costs, roughly, in bytes.
const INPUT_BYTES: usize = 160;
/// Entries with the same question but other inputs: revisions between which an Application goes back and forth.
const REVISIONS: usize = 4;

/// Everything in a request but the tree and the capabilities, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn of(request: &Request) -> Self {
        let seed = match &request.chance {
            Chance::Seeded { seed, at } => Some((digest(&seed.expose()), at.as_nanosecond())),
            Chance::System | Chance::Withheld => None,
        };
        Self(digest(&(request.path.as_str(), &request.options, &request.release, seed)))
    }
}

/// What a rendering asked the cluster about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    Capabilities([u8; 32]),
}

impl Asked {
    /// What a Helm chart asked. `None`: it depends on live objects or on chance, and is another one the next time.
    pub(crate) fn by(used: tiphys_helm::Used, request: &Request) -> Option<Self> {
        if used.lookup || (used.chance && matches!(request.chance, Chance::System)) {
            return None;
        }
        Some(if used.capabilities { Self::capabilities(&request.capabilities) } else { Self::Nothing })
    }

    pub(crate) fn capabilities(capabilities: &Capabilities) -> Self {
        Self::Capabilities(digest(capabilities))
    }
}

/// What is known about a request.
pub(crate) type Outcome = Result<Arc<Rendering>, ChartError>;

/// A cache bounded by bytes; what was not used for longest goes first.
///
/// A rendering that somebody holds costs nothing extra: it is shared. One that nobody holds is kept compressed.
/// Charts that failed are remembered too: the same chart fails in the same way.
pub(crate) struct Cache {
    limit_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Vec<Entry>>,
    /// How many entries there are, of all keys together.
    count: usize,
    bytes: usize,
    uses: u64,
}

struct Entry {
    inputs: Inputs,
    asked: Asked,
    known: Known,
    bytes: usize,
    last_use: u64,
}

#[derive(Clone)]
enum Known {
    Rendering { shared: Weak<Rendering>, stored: Arc<[u8]> },
    Failure(ChartError),
}

impl Cache {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, state: Mutex::default() }
    }

    /// What the request gave before, if its inputs are the same in `tree` and it asked nothing else of the cluster.
    pub(crate) fn find(
        &self,
        key: Key,
        tree: &dyn Tree,
        capabilities: &Capabilities,
    ) -> Result<Option<Outcome>, Error> {
        let now = LazyCell::new(|| Asked::capabilities(capabilities));
        let candidates: Vec<(Inputs, Known)> = {
            let state = self.state();
            let entries = state.entries.get(&key).into_iter().flatten();
            let entries = entries.filter(|entry| entry.asked == Asked::Nothing || entry.asked == *now);
            entries.map(|entry| (entry.inputs.clone(), entry.known.clone())).collect()
        };
        // The tree may have to read objects from disk, so the cache is not locked meanwhile.
        for (inputs, known) in candidates {
            if !inputs.unchanged_in(tree)? {
                continue;
            }
            let outcome = match known {
                Known::Failure(error) => Some(Err(error)),
                Known::Rendering { shared, stored } => {
                    shared.upgrade().or_else(|| restore(&stored, inputs.clone()).map(Arc::new)).map(Ok)
                }
            };
            if let Some(Ok(rendering)) = &outcome {
                self.share(key, &inputs, rendering);
            }
            if outcome.is_some() {
                return Ok(outcome);
            }
        }
        Ok(None)
    }

    /// Keeps what a request gave.
    pub(crate) fn insert(&self, key: Key, inputs: Inputs, asked: Asked, outcome: &Outcome) {
        let known = match outcome {
            Err(error) => Known::Failure(error.clone()),
            Ok(rendering) => match store(rendering) {
                Some(stored) => Known::Rendering { shared: Arc::downgrade(rendering), stored },
                None => return,
            },
        };
        let size = match &known {
            Known::Rendering { stored, .. } => stored.len(),
            Known::Failure(error) => error.to_string().len(),
        };
        let bytes = size + ENTRY_BYTES + inputs.paths().count() * INPUT_BYTES;
        if bytes > self.limit_bytes {
            return;
        }
        let mut state = self.state();
        state.uses += 1;
        let last_use = state.uses;
        state.remove_if(key, |entry| entry.inputs == inputs && entry.asked == asked);
        state.bytes += bytes;
        state.count += 1;
        state.entries.entry(key).or_default().push(Entry { inputs, asked, known, bytes, last_use });
        while state.entries.get(&key).is_some_and(|entries| entries.len() > REVISIONS) {
            state.remove_oldest_of(key);
        }
        while state.bytes > self.limit_bytes {
            let oldest = |entries: &Vec<Entry>| entries.iter().map(|entry| entry.last_use).min();
            let key = state.entries.iter().min_by_key(|(_, entries)| oldest(entries)).map(|(key, _)| *key);
            let Some(key) = key else { break };
            state.remove_oldest_of(key);
        }
    }

    /// How many entries there are, and what they cost in bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.count, state.bytes)
    }

    /// Marks an entry as used, and lets later finders share the rendering.
    fn share(&self, key: Key, inputs: &Inputs, rendering: &Arc<Rendering>) {
        let mut state = self.state();
        state.uses += 1;
        let now = state.uses;
        let entries = state.entries.get_mut(&key).into_iter().flatten();
        for entry in entries.filter(|entry| entry.inputs == *inputs) {
            entry.last_use = now;
            if let Known::Rendering { shared, .. } = &mut entry.known {
                *shared = Arc::downgrade(rendering);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic, and the counts are right at every moment that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove_oldest_of(&mut self, key: Key) {
        let entries = self.entries.get(&key).into_iter().flatten();
        if let Some(oldest) = entries.map(|entry| entry.last_use).min() {
            self.remove_if(key, |entry| entry.last_use == oldest);
        }
    }

    fn remove_if(&mut self, key: Key, condition: impl Fn(&Entry) -> bool) {
        let Some(entries) = self.entries.get_mut(&key) else {
            return;
        };
        entries.retain(|entry| {
            let remove = condition(entry);
            if remove {
                self.bytes -= entry.bytes;
                self.count -= 1;
            }
            !remove
        });
        if entries.is_empty() {
            self.entries.remove(&key);
        }
    }
}

/// A rendering without its inputs, as it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    objects: Vec<(Map<String, Value>, Origin)>,
    digest: RenderingDigest,
    kind: Kind,
    warnings: Vec<String>,
}

fn store(rendering: &Rendering) -> Option<Arc<[u8]>> {
    let objects =
        rendering.manifests.iter().map(|manifest| (manifest.object().clone(), manifest.origin().clone()));
    let stored = Stored {
        objects: objects.collect(),
        digest: rendering.digest,
        kind: rendering.kind,
        warnings: rendering.warnings.clone(),
    };
    let json = serde_json::to_vec(&stored).ok()?;
    Some(zstd::encode_all(json.as_slice(), COMPRESSION_LEVEL).ok()?.into())
}

fn restore(stored: &[u8], inputs: Inputs) -> Option<Rendering> {
    let json = zstd::decode_all(stored).ok()?;
    let stored: Stored = serde_json::from_slice(&json).ok()?;
    let manifests = stored.objects.into_iter().map(|(object, origin)| Manifest::new(object, origin));
    Some(Rendering {
        manifests: manifests.collect::<Result<_, _>>().ok()?,
        digest: stored.digest,
        inputs,
        kind: stored.kind,
        warnings: stored.warnings,
    })
}

fn digest(value: &impl Serialize) -> [u8; 32] {
    // Everything that is digested here is made of texts, lists and mappings, which JSON can always express.
    let json = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(json).into()
}
