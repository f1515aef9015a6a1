//! Which requests to spoil, and how.

use std::time::Duration;

use hyper::StatusCode;
use regex::Regex;

use super::record::{RecordedRequest, Verb};

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `Retry-After` in whole seconds, at least one; the API server does not see the request.
    TooManyRequests {
        /// How long the client is asked to wait.
        retry_after: Duration,
    },
    /// Another status such as 500, 503 or 410 (a watch whose version is too old); the API server does not see the
    /// request.
    Status(StatusCode),
    /// The request is passed on after this time.
    Latency(Duration),
    /// The connection is cut without an answer; the API server does not see the request.
    Refuse,
    /// No answer ever comes; the API server does not see the request.
    Hang,
    /// The API server does what was asked, and then the connection is cut instead of the answer being passed on.
    DropAnswer,
    /// The answer, usually a watch, is passed on and ends early.
    EndWatch {
        /// When it ends.
        after: After,
        /// What the client sees at the end.
        how: WatchEnd,
    },
}

/// When a stream is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// After this many watch events (lines).
    Events(usize),
    /// After this time.
    Time(Duration),
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// In order, as when the API server's own time limit of a watch is over.
    Closed,
    /// In the middle: the connection is cut.
    Cut,
    /// With an ERROR event of status 410: the version is too old, list again.
    Expired,
}

/// Which requests a fault hits. Without conditions it is all of them.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    verbs: Vec<Verb>,
    writes_only: bool,
    resource: Option<String>,
    path: Option<Regex>,
    probability: f64,
    skip: u64,
    times: u64,
}

impl Rule {
    /// Hits every request until it is narrowed.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            verbs: Vec::new(),
            writes_only: false,
            resource: None,
            path: None,
            probability: 1.0,
            skip: 0,
            times: u64::MAX,
        }
    }

    /// Only these verbs.
    #[must_use]
    pub fn verbs(mut self, verbs: &[Verb]) -> Self {
        self.verbs = verbs.to_vec();
        self
    }

    /// Only requests that change something: see [`RecordedRequest::is_write`].
    #[must_use]
    pub fn writes(mut self) -> Self {
        self.writes_only = true;
        self
    }

    /// Only this resource, as [`RecordedRequest::resource_name`] names it: `configmaps`, `deployments.apps`,
    /// `syncs.tiphys.dev/status`.
    #[must_use]
    pub fn resource(mut self, name: &str) -> Self {
        self.resource = Some(name.to_owned());
        self
    }

    /// Only requests whose path and query match this regular expression.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        self.path = Some(Regex::new(pattern).expect("the pattern is a regular expression"));
        self
    }

    /// Only this share of them, from 0 to 1, chosen by the proxy's seed.
    #[must_use]
    pub fn probability(mut self, share: f64) -> Self {
        self.probability = share;
        self
    }

    /// Not the first so many of them.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// At most so many of them.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.times = requests;
        self
    }

    fn applies_to(&self, request: &RecordedRequest) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&request.verb))
            && (!self.writes_only || request.is_write())
            && self.resource.as_ref().is_none_or(|it| *it == request.resource_name())
            && self.path.as_ref().is_none_or(|it| it.is_match(&request.path_and_query))
    }
}

/// Names a rule that was added to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

struct Active {
    id: RuleId,
    rule: Rule,
    seen: u64,
    hits: u64,
}

/// The rules of one proxy.
pub(super) struct Rules {
    active: Vec<Active>,
    /// Rules that were taken away, with how often they hit.
    retired: Vec<(RuleId, u64)>,
    next: u64,
    random: fastrand::Rng,
}

impl Rules {
    pub(super) fn seeded(seed: u64) -> Self {
        Self { active: Vec::new(), retired: Vec::new(), next: 0, random: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.active.push(Active { id, rule, seen: 0, hits: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) {
        self.retire(|it| it.id == id);
    }

    pub(super) fn clear(&mut self) {
        self.retire(|_| true);
    }

    fn retire(&mut self, chosen: impl Fn(&Active) -> bool) {
        let retired = self.active.extract_if(.., |it| chosen(it)).map(|it| (it.id, it.hits));
        self.retired.extend(retired);
    }

    pub(super) fn hits(&self, id: RuleId) -> u64 {
        let active = self.active.iter().map(|it| (it.id, it.hits));
        let mut all = active.chain(self.retired.iter().copied());
        all.find(|(it, _)| *it == id).map_or(0, |(_, hits)| hits)
    }

    pub(super) fn fault_for(&mut self, request: &RecordedRequest) -> Option<Fault> {
        for Active { rule, seen, hits, .. } in &mut self.active {
            if !rule.applies_to(request) {
                continue;
            }
            *seen += 1;
            if *seen > rule.skip && *hits < rule.times && self.random.f64() < rule.probability {
                *hits += 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}
