//! What the kit keeps for the whole life of the test program: its runtime, the thread that starts processes, and the
//! way to folders of the repository.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::Duration;

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("test-kit")
        .enable_all()
        .build()
        .expect("the runtime of the test kit starts")
});

/// The runtime on which all servers of the kit run. It outlives every test, unlike the runtime of `#[tokio::test]`.
pub(crate) fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// Runs a future on the runtime of the kit and waits for it, for code that cannot wait itself: the runtime of the test may
/// be blocked by this very call. None: it took too long.
pub fn blocking<T: Send + 'static>(
    within: Duration,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, asked) = mpsc::channel();
    runtime().spawn(async move {
        // Nobody listens any more after `within`.
        let _ = done.send(future.await);
    });
    asked.recv_timeout(within).ok()
}

type Spawn = (Command, mpsc::Sender<std::io::Result<Child>>);

static SPAWNER: LazyLock<Mutex<mpsc::Sender<Spawn>>> = LazyLock::new(|| {
    let (requests, inbox) = mpsc::channel::<Spawn>();
    std::thread::Builder::new()
        .name("test-kit-spawner".to_owned())
        .spawn(move || {
            for (mut command, reply) in inbox {
                // The caller waits for the reply, so it is there to take it.
                let _ = reply.send(command.spawn());
            }
        })
        .expect("a thread starts");
    Mutex::new(requests)
});

/// A command whose process the kernel kills together with this test program, however that ends.
///
/// `setpriv` asks for the signal and then becomes the program, so the process id is the program's own.
pub(crate) fn bound_command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a command of [`bound_command`].
///
/// The kernel means the thread that started the process when it says "parent", and a test's thread ends with its test;
/// so one thread that never ends starts them all.
pub(crate) fn spawn(command: Command) -> Child {
    let words = format!("{command:?}");
    let (reply, answer) = mpsc::channel();
    SPAWNER
        .lock()
        .expect("nobody panics while asking for a process")
        .send((command, reply))
        .expect("the spawner never ends");
    let started = answer.recv().expect("the spawner answers");
    started.unwrap_or_else(|error| panic!("{words}: {error}"))
}

/// The top folder of this repository.
pub(crate) fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// A folder that is removed when the value is dropped; its name starts with `tiphys-test-` and the hint.
pub(crate) fn scratch(hint: &str) -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix(&format!("tiphys-test-{hint}-"))
        .tempdir()
        .expect("a temporary folder can be made")
}

/// A short text that is different at each call, for names: lower-case letters and digits.
pub(crate) fn unique() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).map(|it| it.to_ascii_lowercase()).take(8).collect()
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
