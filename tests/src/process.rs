//! Programs under test.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kit;
use crate::wait::eventually_blocking;

/// How much of a log a failing test shows.
const TAIL_LINES: usize = 60;

/// The path of a program of this workspace, for example `program("tiphys-controller")`.
///
/// `make test` builds all programs first and says where they are (`TIPHYS_PROGRAMS`). Otherwise the program is built when
/// it is first asked for, so that it is not older than its sources.
pub fn program(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    if let Some(folder) = std::env::var_os("TIPHYS_PROGRAMS") {
        return Path::new(&folder).join(name);
    }
    // Whoever comes second waits and finds it.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = built.get(name) {
        return program.clone();
    }
    let release = !cfg!(debug_assertions);
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(kit::repository_root()).args(["build", "--quiet", "--bin", name]);
    if release {
        build.arg("--release");
    }
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "cargo build --bin {name} failed");
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| kit::repository_root().join("target"), PathBuf::from);
    let program = folder.join(if release { "release" } else { "debug" }).join(name);
    built.insert(name.to_owned(), program.clone());
    program
}

/// What to start: a program, its arguments and its environment.
#[derive(Debug)]
pub struct ProcessBuilder {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    log: Option<PathBuf>,
}

/// The command line as a person would type it, without the environment.
impl fmt::Display for ProcessBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program.file_name().unwrap_or(self.program.as_os_str());
        write!(f, "{}", program.display())?;
        self.arguments.iter().try_for_each(|it| write!(f, " {}", it.display()))
    }
}

impl ProcessBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<Argument: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = Argument>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|it| it.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment; the rest is that of the test.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder instead of the test's own.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Appends what it prints to this file, which stays; otherwise the log is in a temporary folder and goes with it.
    #[must_use]
    pub fn log_file(mut self, file: impl AsRef<Path>) -> Self {
        self.log = Some(file.as_ref().to_owned());
        self
    }

    /// Starts it.
    pub fn start(self) -> Process {
        let scratch = kit::scratch(&self.name);
        let log = self.log.unwrap_or_else(|| scratch.path().join("log"));
        let output =
            File::options().create(true).append(true).open(&log).expect("the log file can be written");
        let mut command = kit::bound_command(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment)
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a file can be used twice"))
            .stdout(output);
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        let child = kit::spawn(command);
        Process {
            pid: Pid::from_child(&child),
            child: Mutex::new(child),
            name: self.name,
            log,
            _scratch: scratch,
        }
    }
}

/// A running program. Dropping it kills it; when the test is failing, the end of its log is shown.
///
/// The kernel kills it too when the test program itself is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    pid: Pid,
    log: PathBuf,
    _scratch: TempDir,
}

impl Process {
    /// Describes a process to start; the name is for messages.
    pub fn builder(name: &str, program: impl AsRef<Path>) -> ProcessBuilder {
        ProcessBuilder {
            name: name.to_owned(),
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            log: None,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How it ended, or `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().expect("a child can be waited for")
    }

    /// `kill -9`, and waits until it is gone. Nothing happens when it has ended already.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        // An error says that it is gone already.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// SIGTERM; it may take its time. Use [`Self::wait`] for its end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it does not do anything until [`Self::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // The lock keeps the process id ours: nobody reaps it meanwhile.
        let mut child = self.child.lock().unwrap();
        if child.try_wait().expect("a child can be waited for").is_none() {
            kill_process(self.pid, signal).expect("a child can be signalled");
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&self, within: Duration) -> ExitStatus {
        eventually_blocking(&format!("{} ends", self.name), within, || {
            self.exit_status().ok_or_else(|| self.tail())
        })
    }

    /// Everything that it printed so far, to both outputs.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The file with everything that it prints.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Waits until it has printed a line that matches the pattern, and gives the first such line.
    #[track_caller]
    pub fn wait_for_line(&self, pattern: &str, within: Duration) -> String {
        let pattern = Regex::new(pattern).expect("the pattern is a regular expression");
        eventually_blocking(&format!("{} prints a line like {pattern}", self.name), within, || {
            let ended = self.exit_status();
            match self.log().lines().find(|line| pattern.is_match(line)) {
                Some(line) => Ok(line.to_owned()),
                None if ended.is_some() => {
                    panic!("{} ended instead ({ended:?}):\n{}", self.name, self.tail())
                }
                None => Err(self.tail()),
            }
        })
    }

    /// Waits until something listens on this port of 127.0.0.1.
    #[track_caller]
    pub fn wait_for_port(&self, port: u16, within: Duration) {
        eventually_blocking(&format!("{} listens on port {port}", self.name), within, || {
            let ended = self.exit_status();
            assert!(ended.is_none(), "{} ended instead ({ended:?}):\n{}", self.name, self.tail());
            TcpStream::connect(("127.0.0.1", port)).map(drop)
        });
    }

    /// Resident memory in bytes, of this process without its children; 0 when it has ended.
    pub fn resident_bytes(&self) -> u64 {
        usage_of(self.pid()).resident_bytes
    }

    /// Processor time used so far, user and system, of this process and of those of its children that have ended.
    pub fn cpu_time(&self) -> Duration {
        usage_of(self.pid()).cpu_time
    }

    fn tail(&self) -> String {
        format!("the log of {} ends with\n{}", self.name, kit::last_lines(&self.log(), TAIL_LINES))
    }
}

/// What a process uses of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes, without children.
    pub resident_bytes: u64,
    /// The most resident memory that there ever was, in bytes.
    pub peak_bytes: u64,
    /// Processor time so far, user and system, with those children that have ended.
    pub cpu_time: Duration,
}

/// What the process of this id uses; nothing when it has ended.
pub fn usage_of(pid: u32) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes = |field: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        value.and_then(|it| it.parse::<u64>().ok()).unwrap_or_default()
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the name in parentheses and may hold anything; the times are fields 14 to 17.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = fields.split_whitespace().skip(11).take(4);
    let ticks: u64 = times.filter_map(|it| it.parse::<u64>().ok()).sum();
    Usage {
        resident_bytes: kibibytes("VmRSS:") * 1024,
        peak_bytes: kibibytes("VmHWM:") * 1024,
        cpu_time: Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}
