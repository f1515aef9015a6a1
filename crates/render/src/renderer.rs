//! The renderer: finds out what a directory is, renders it once, and remembers it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tiphys_manifest::{Manifest, stream, yaml};
use tiphys_tree::{TreePath, View};
use tiphys_worker::{Pool, PoolConfig, Sandbox};
use tokio::sync::Semaphore;

use crate::cache::{Asked, Cache, Key, Outcome};
use crate::chart::{self, Chart, ChartError, Output, TextFile};
use crate::detect::{Detected, detect};
use crate::directory;
use crate::error::Error;
use crate::excerpt::excerpt;
use crate::helm;
use crate::rendering::{Kind, Rendering, RenderingDigest};
use crate::request::Request;
use crate::worker;

/// How many charts are prepared while all workers are busy.
const CHARTS_AHEAD: usize = 2;
/// Warnings about the text of manifests in one rendering; who has more than these reads the first ones.
const MAX_WARNINGS: usize = 50;
/// How many plain directories are read at the same time.
const DIRECTORIES: usize = 4;

/// The limits of a [`Renderer`].
#[derive(Debug, Clone)]
pub struct RendererConfig {
    /// The program to start as a worker, as a rule [`std::env::current_exe`]; its `main` serves
    /// [`worker::ROLE`](crate::worker::ROLE).
    pub program: PathBuf,
    /// How many charts are evaluated at the same time.
    pub workers: NonZeroUsize,
    /// A worker that had nothing to do for so long is ended, except the last one.
    pub worker_idle: Duration,
    /// What the evaluation of one chart may use.
    pub chart: tiphys_worker::Limits,
    /// What the functions of one Helm chart may allocate, in bytes, without what is given back meanwhile.
    pub helm_allocated_bytes: u64,
    /// How much of a tree one rendering may read.
    pub files: tiphys_tree::Limits,
    /// What one file of manifests, or the output of one template, may be.
    pub yaml: yaml::Limits,
    /// How many objects one rendering may have.
    pub objects: usize,
    /// What the render cache may hold, in bytes (compressed).
    pub cache_bytes: usize,
}

impl RendererConfig {
    /// The limits that Tiphys has unless it is told otherwise, with `program` as worker.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            workers: NonZeroUsize::MIN.saturating_add(3),
            worker_idle: Duration::from_mins(1),
            chart: tiphys_worker::Limits {
                memory_bytes: 256 << 20,
                cpu: Duration::from_secs(5),
                wall: Duration::from_secs(10),
                output_bytes: 32 << 20,
            },
            helm_allocated_bytes: 512 << 20,
            files: tiphys_tree::Limits { file_bytes: 8 << 20, files: 10_000, total_bytes: 32 << 20 },
            yaml: yaml::Limits { bytes: 8 << 20, nodes: 500_000, ..yaml::Limits::default() },
            objects: 10_000,
            cache_bytes: 16 << 20,
        }
    }
}

/// Renders directories. Clones share workers and cache.
#[derive(Clone)]
pub struct Renderer {
    shared: Arc<Shared>,
}

/// What a renderer has done since it was made, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that were answered from the cache.
    pub hits: u64,
    /// Requests that were not.
    pub misses: u64,
    /// Requests that ended in an error, from the cache or not.
    pub failures: u64,
    /// Entries in the cache.
    pub cache_entries: usize,
    /// What the cache holds, in bytes.
    pub cache_bytes: usize,
    /// What the workers have done.
    pub workers: tiphys_worker::Counters,
}

struct Shared {
    config: RendererConfig,
    pool: Pool,
    cache: Cache,
    chart_turns: Semaphore,
    directory_turns: Semaphore,
    hits: AtomicU64,
    misses: AtomicU64,
    failures: AtomicU64,
}

impl Renderer {
    /// Makes a renderer; no worker is started yet.
    pub fn new(config: RendererConfig) -> Self {
        let pool = Pool::new(PoolConfig {
            role: worker::ROLE,
            program: config.program.clone(),
            size: config.workers,
            limits: config.chart,
            idle: config.worker_idle,
            sandbox: Sandbox::Sealed,
        });
        let shared = Shared {
            pool,
            cache: Cache::new(config.cache_bytes),
            chart_turns: Semaphore::new(config.workers.get() + CHARTS_AHEAD),
            directory_turns: Semaphore::new(DIRECTORIES),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            config,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts one worker, so that the first chart finds it warm.
    pub async fn warm(&self) -> Result<(), tiphys_worker::Error> {
        self.shared.pool.warm().await
    }

    /// Renders a directory, or gives what it gave before when none of its inputs has changed.
    ///
    /// Dropping the future stops the rendering and kills its worker.
    pub async fn render(&self, request: Request) -> Result<Arc<Rendering>, Error> {
        let result = self.find_or_render(Arc::new(request)).await;
        if result.is_err() {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// What the renderer has done so far.
    pub fn counters(&self) -> Counters {
        let (cache_entries, cache_bytes) = self.shared.cache.size();
        Counters {
            hits: self.shared.hits.load(Ordering::Relaxed),
            misses: self.shared.misses.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
            cache_entries,
            cache_bytes,
            workers: self.shared.pool.counters(),
        }
    }

    async fn find_or_render(&self, request: Arc<Request>) -> Result<Arc<Rendering>, Error> {
        let key = Key::of(&request);
        let prepared = self
            .blocking(&request, move |shared, request| {
                if let Some(outcome) = shared.cache.find(key, &*request.tree, &request.capabilities)? {
                    return Ok(Prepared::Known(outcome));
                }
                let view = View::new(Arc::clone(&request.tree), shared.config.files);
                let detected = detect(&view, &request.path, &request.options)?;
                Ok(Prepared::New(view, detected))
            })
            .await?;
        match prepared {
            Prepared::Known(outcome) => {
                self.shared.hits.fetch_add(1, Ordering::Relaxed);
                Ok(outcome?)
            }
            Prepared::New(view, detected) => {
                self.shared.misses.fetch_add(1, Ordering::Relaxed);
                match detected {
                    Detected::Directory(options) => self.render_directory(&request, key, view, options).await,
                    Detected::Helm(options) => self.render_helm(&request, key, view, options).await,
                    Detected::Tera { options, templates } => {
                        self.render_chart(&request, key, view, options, templates).await
                    }
                }
            }
        }
    }

    async fn render_directory(
        &self,
        request: &Arc<Request>,
        key: Key,
        view: View,
        options: tiphys_api::DirectorySource,
    ) -> Result<Arc<Rendering>, Error> {
        // The semaphores are never closed, so there is always a turn.
        let _turn = self.shared.directory_turns.acquire().await;
        self.blocking(request, move |shared, request| {
            let mut collector = Collector::new(&shared.config, request);
            let files = directory::files(&view, &request.path, &options)?;
            for file in &files {
                collector.add_file(file.as_str(), &view.read(file)?)?;
            }
            let mut warnings = Vec::new();
            if files.is_empty() {
                warnings.push(format!("{} has no files with manifests", request.path));
            }
            let rendering = collector.finish(&view, Kind::Directory, warnings)?;
            let outcome = Ok(Arc::new(rendering));
            shared.cache.insert(key, view.inputs(), Asked::Nothing, &outcome);
            Ok(outcome?)
        })
        .await
    }

    async fn render_helm(
        &self,
        request: &Arc<Request>,
        key: Key,
        view: View,
        options: tiphys_api::HelmSource,
    ) -> Result<Arc<Rendering>, Error> {
        let _turn = self.shared.chart_turns.acquire().await;
        self.blocking(request, move |shared, request| {
            let gathered = helm::gather(&view, request, options, &shared.config)?;
            let (asked, outcome): (_, Outcome) = match helm::render(&gathered) {
                Ok(rendered) => {
                    let asked = Asked::by(rendered.used, request);
                    (asked, Ok(Arc::new(finish_helm(shared, request, &view, rendered)?)))
                }
                // It may have met a busy machine, or a live object that is another one the next time.
                Err(helm::Failure::ChanceWithheld) => {
                    return Err(Error::ChanceWithheld { path: request.path.clone() });
                }
                Err(helm::Failure::Chart(error @ ChartError::Helm { limit: true, .. })) => {
                    return Err(error.into());
                }
                Err(helm::Failure::Chart(error)) if request.lookup.is_some() => return Err(error.into()),
                Err(helm::Failure::Chart(error)) => {
                    (Some(Asked::capabilities(&request.capabilities)), Err(error))
                }
            };
            if let Some(asked) = asked {
                shared.cache.insert(key, view.inputs(), asked, &outcome);
            }
            Ok(outcome?)
        })
        .await
    }

    async fn render_chart(
        &self,
        request: &Arc<Request>,
        key: Key,
        view: View,
        options: tiphys_api::TeraSource,
        templates: Vec<TreePath>,
    ) -> Result<Arc<Rendering>, Error> {
        let _turn = self.shared.chart_turns.acquire().await;
        let (view, Chart { job, crds, asks_for_capabilities }) = self
            .blocking(request, move |shared, request| {
                let Request { path, release, capabilities, .. } = request;
                let output_bytes = shared.config.chart.output_bytes;
                let chart =
                    chart::gather(&view, path, options, &templates, release, capabilities, output_bytes)?;
                Ok((view, chart))
            })
            .await?;
        let evaluated: Result<Output, ChartError> =
            self.shared.pool.call(&job).await.map_err(|error| Error::of_worker(&request.path, error))?;
        drop(job);
        self.blocking(request, move |shared, request| {
            let asked = if asks_for_capabilities {
                Asked::capabilities(&request.capabilities)
            } else {
                Asked::Nothing
            };
            let outcome: Outcome = match evaluated {
                Ok(output) => Ok(Arc::new(finish_chart(shared, request, &view, crds, output)?)),
                Err(error) => Err(error),
            };
            shared.cache.insert(key, view.inputs(), asked, &outcome);
            Ok(outcome?)
        })
        .await
    }

    /// Runs what reads trees, or takes time, off the threads that drive the tasks.
    async fn blocking<T: Send + 'static>(
        &self,
        request: &Arc<Request>,
        work: impl FnOnce(&Shared, &Request) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        let request = Arc::clone(request);
        let path = request.path.clone();
        tokio::task::spawn_blocking(move || work(&shared, &request))
            .await
            .map_err(|source| Error::Interrupted { path, source })?
    }
}

enum Prepared {
    Known(Outcome),
    New(View, Detected),
}

fn finish_chart(
    shared: &Shared,
    request: &Request,
    view: &View,
    crds: Vec<TextFile>,
    output: Output,
) -> Result<Rendering, Error> {
    let mut collector = Collector::new(&shared.config, request);
    for file in crds {
        collector.add_file(&file.path, file.text.as_bytes())?;
    }
    for printed in output.texts {
        collector.add_output(&printed.template, &printed.text)?;
    }
    collector.finish(view, Kind::Tera, output.warnings)
}

fn finish_helm(
    shared: &Shared,
    request: &Request,
    view: &View,
    rendered: helm::Rendered,
) -> Result<Rendering, Error> {
    let mut collector = Collector::new(&shared.config, request);
    for file in rendered.crds {
        collector.add_file(&file.path, &file.data)?;
    }
    for manifest in rendered.manifests {
        collector.add(&manifest.path, manifest.line, manifest.text.as_bytes(), Text::Output)?;
    }
    collector.finish(view, Kind::Helm, Vec::new())
}

/// Collects the manifests of a rendering within its limits.
struct Collector<'a> {
    config: &'a RendererConfig,
    request: &'a Request,
    manifests: Vec<Manifest>,
    warnings: Vec<String>,
}

impl<'a> Collector<'a> {
    fn new(config: &'a RendererConfig, request: &'a Request) -> Self {
        Self { config, request, manifests: Vec::new(), warnings: Vec::new() }
    }

    fn add_file(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        self.add(file, 1, bytes, Text::File)
    }

    fn add_output(&mut self, template: &str, text: &str) -> Result<(), Error> {
        self.add(template, 1, text.as_bytes(), Text::Output)
    }

    fn add(&mut self, file: &str, first_line: u32, bytes: &[u8], text: Text) -> Result<(), Error> {
        let read = stream::read_part(file, first_line, bytes, &self.config.yaml)
            .map_err(|error| unreadable(file, first_line, bytes, text, error))?;
        self.manifests.extend(read.manifests);
        let room = MAX_WARNINGS.saturating_sub(self.warnings.len());
        self.warnings.extend(read.warnings.into_iter().take(room).map(|(origin, message)| match text {
            Text::File => format!("{origin}: {message}"),
            Text::Output => format!("in the output of {origin}: {message}"),
        }));
        let limit = self.config.objects;
        if self.manifests.len() > limit {
            return Err(Error::TooManyObjects { path: self.request.path.clone(), limit });
        }
        Ok(())
    }

    fn finish(mut self, view: &View, kind: Kind, warnings: Vec<String>) -> Result<Rendering, Error> {
        stream::reject_duplicates(&self.manifests, &self.request.release.namespace)
            .map_err(Error::Duplicate)?;
        self.warnings.extend(warnings);
        Ok(Rendering {
            digest: RenderingDigest::of(&self.manifests),
            manifests: self.manifests,
            inputs: view.inputs(),
            kind,
            warnings: self.warnings,
        })
    }
}

/// What a text with manifests is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    File,
    Output,
}

fn unreadable(file: &str, first_line: u32, bytes: &[u8], text: Text, error: tiphys_manifest::Error) -> Error {
    let excerpt = |line: u32| excerpt(&String::from_utf8_lossy(bytes), first_line, line);
    match error {
        tiphys_manifest::Error::Read { source, .. } => Error::Yaml {
            file: file.to_owned(),
            place: if text == Text::Output { "output " } else { "" },
            line: source.line(),
            column: source.column(),
            problem: source.problem().to_string(),
            excerpt: excerpt(source.line()),
        },
        tiphys_manifest::Error::Object { origin, problem } => Error::Object {
            place: if text == Text::Output { "in the output of " } else { "" },
            problem: format!("{origin}: {problem}"),
            excerpt: excerpt(origin.line),
        },
        other => Error::Duplicate(other),
    }
}
