use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use tiphys_tests::{Process, eventually, eventually_blocking, program};

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    Process::builder("shell", "/bin/sh").args(["-c", script]).env("GREETING", "hello").start()
}

#[test]
fn a_process_is_seen_through_its_log_and_its_end() {
    let process = shell("echo $GREETING out; echo $GREETING err >&2; exit 7");
    assert_eq!(process.wait_for_line("err$", SOON), "hello err");
    assert_eq!(process.wait(SOON).code(), Some(7));
    assert_eq!(process.log(), "hello out\nhello err\n");
    process.kill();
    process.terminate();
}

#[test]
fn a_process_can_be_told_to_end_or_be_killed() {
    let obedient = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    obedient.wait_for_line("ready", SOON);
    assert!(obedient.is_running());
    obedient.terminate();
    assert_eq!(obedient.wait(SOON).code(), Some(0));
    assert!(obedient.log().ends_with("bye\n"));

    let stubborn = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    stubborn.wait_for_line("ready", SOON);
    stubborn.terminate();
    stubborn.kill();
    assert_eq!(stubborn.exit_status().unwrap().signal(), Some(9));
}

#[test]
fn a_process_has_figures() {
    let process = shell("while :; do :; done");
    eventually_blocking("it uses the processor", SOON, || {
        let used = process.cpu_time();
        if used >= Duration::from_millis(50) { Ok(()) } else { Err(format!("{used:?}")) }
    });
    assert!((100_000..100_000_000).contains(&process.resident_bytes()), "{}", process.resident_bytes());
    let pid = process.pid();
    drop(process);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn waiting_ends_with_what_was_seen_last() {
    let message = |outcome: std::thread::Result<()>| *outcome.unwrap_err().downcast::<String>().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let brief = Duration::from_millis(30);
    let refused = std::panic::catch_unwind(|| {
        runtime.block_on(eventually("the moon is cheese", brief, || async { Err::<(), _>("stone") }));
    });
    let text = message(refused);
    assert!(text.contains("process.rs") && text.contains("the moon is cheese"), "{text}");
    assert!(text.ends_with("last seen: stone"), "{text}");

    let began = Instant::now();
    let hung = std::panic::catch_unwind(|| {
        runtime.block_on(eventually::<_, String, _, _>(
            "an answer",
            brief,
            std::future::pending::<Result<(), String>>,
        ));
    });
    assert!(message(hung).contains("did not come back"));
    assert!(began.elapsed() < SOON);
}

#[test]
fn the_programs_of_the_workspace_are_found() {
    let help = Process::builder("tiphys", program("tiphys")).arg("--help").start();
    assert!(help.wait(SOON).success(), "{}", help.log());
    assert!(help.log().contains("Usage"), "{}", help.log());
}
