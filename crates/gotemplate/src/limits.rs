//! What an execution may use, and the counters that watch it.

use std::time::Instant;

/// What a [`Context`](crate::Context) may use, over all executions that it runs.
///
/// The defaults suit templates that are not trusted: they are far above what real templates need and keep memory
/// and time bounded. [`Limits::NONE`] leaves only the depth limit, which is Go's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes evaluated, functions called and rounds of `range` begun.
    pub steps: u64,
    /// Bytes written to outputs.
    pub output_bytes: u64,
    /// Bytes of the values that functions gave, roughly and without subtracting what was freed.
    pub allocated_bytes: u64,
    /// Templates that call one another, and a tenth of the statements and parentheses inside one another in them.
    /// Each takes about a kilobyte of memory.
    pub depth: u32,
    /// When to stop.
    pub deadline: Option<Instant>,
}

impl Limits {
    /// No limits but Go's own of 100,000 templates that call one another.
    pub const NONE: Limits = Limits {
        steps: u64::MAX,
        output_bytes: u64::MAX,
        allocated_bytes: u64::MAX,
        depth: 100_000,
        deadline: None,
    };
}

impl Default for Limits {
    /// 100 million steps, 256 MiB of output, 2 GiB allocated, depth 10,000, no deadline.
    fn default() -> Self {
        Self {
            steps: 100_000_000,
            output_bytes: 256 << 20,
            allocated_bytes: 2 << 30,
            depth: 10_000,
            deadline: None,
        }
    }
}

/// The limit that stopped an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// See [`Limits::steps`].
    #[error("the template needs more than {0} steps")]
    Steps(u64),
    /// See [`Limits::output_bytes`].
    #[error("the output is larger than {0} bytes")]
    OutputBytes(u64),
    /// See [`Limits::allocated_bytes`].
    #[error("the template makes values of more than {0} bytes")]
    AllocatedBytes(u64),
    /// See [`Limits::depth`].
    #[error("exceeded maximum template depth ({0})")]
    Depth(u32),
    /// A value holds too many others inside one another, or itself.
    #[error("a value is nested deeper than {0} levels, or contains itself")]
    Nesting(u32),
    /// See [`Limits::deadline`].
    #[error("the template did not end before its deadline")]
    Deadline,
}

/// Steps between two looks at the clock.
const SLICE: u64 = 1024;

/// Counts what an execution uses. Once a limit is passed, every later question fails with the same limit.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    /// Steps until the next refill.
    slice: u64,
    /// Steps after the current slice.
    steps_left: u64,
    output_left: u64,
    allocation_left: u64,
    passed: Option<Limit>,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            slice: 0,
            steps_left: limits.steps,
            output_left: limits.output_bytes,
            allocation_left: limits.allocated_bytes,
            passed: None,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    pub(crate) fn step(&mut self) -> Result<(), Limit> {
        match self.slice.checked_sub(1) {
            Some(slice) => {
                self.slice = slice;
                Ok(())
            }
            None => self.refill(),
        }
    }

    #[cold]
    fn refill(&mut self) -> Result<(), Limit> {
        if let Some(limit) = self.passed {
            return Err(limit);
        }
        if self.steps_left == 0 {
            return Err(self.pass(Limit::Steps(self.limits.steps)));
        }
        if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(self.pass(Limit::Deadline));
        }
        self.slice = self.steps_left.min(SLICE);
        self.steps_left -= self.slice;
        self.slice -= 1;
        Ok(())
    }

    pub(crate) fn steps(&mut self, count: u64) -> Result<(), Limit> {
        if count <= self.slice {
            self.slice -= count;
            return Ok(());
        }
        let beyond = count - self.slice;
        self.slice = 0;
        self.steps_left = self.steps_left.saturating_sub(beyond);
        self.refill()
    }

    #[inline]
    pub(crate) fn output(&mut self, bytes: usize) -> Result<(), Limit> {
        match self.output_left.checked_sub(bytes as u64) {
            Some(left) => {
                self.output_left = left;
                Ok(())
            }
            None => Err(self.pass(Limit::OutputBytes(self.limits.output_bytes))),
        }
    }

    #[inline]
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), Limit> {
        match self.allocation_left.checked_sub(bytes as u64) {
            Some(left) => {
                self.allocation_left = left;
                Ok(())
            }
            None => Err(self.pass(Limit::AllocatedBytes(self.limits.allocated_bytes))),
        }
    }

    pub(crate) fn output_left(&self) -> u64 {
        self.output_left
    }

    pub(crate) fn allocation_left(&self) -> u64 {
        self.allocation_left
    }

    #[cold]
    pub(crate) fn pass(&mut self, limit: Limit) -> Limit {
        self.slice = 0;
        *self.passed.get_or_insert(limit)
    }
}
