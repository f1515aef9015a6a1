//! What everything was measured on.

use std::process::Command;

/// Date, processor, memory, version: a line for the README.
pub fn describe() -> String {
    let date = output("date", &["+%Y-%m-%d"]);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpuinfo, "model name").unwrap_or("unknown processor");
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = field(&meminfo, "MemTotal").and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
    let gibibytes = memory.unwrap_or_default() / 1024 / 1024;
    let commit = output("git", &["describe", "--always", "--dirty"]);
    format!(
        "Measured on {date} at {commit}: {processors} × {model}, {gibibytes} GiB, with Kubernetes 1.36.3 (etcd without \
         fsync, kwok) on the same machine."
    )
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}
