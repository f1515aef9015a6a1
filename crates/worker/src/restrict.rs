//! How a worker restricts itself before it looks at its first request.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::set_no_new_privs;
use rustix::time::{ClockId, clock_gettime};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use crate::Sandbox;
use crate::frame::Setup;

/// Enough for a Git worker (sockets, packs, lock files) and few enough that a leak shows.
const OPEN_FILES: u64 = 256;

/// Puts this process under the limits of `setup`. Gives the restrictions that the kernel refused, in words.
pub(crate) fn restrict(setup: &Setup) -> io::Result<Vec<String>> {
    // When memory gets short, the kernel shall end a worker before its owner. Not vital, so errors do not matter.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    limit(Resource::Data, setup.memory_bytes)?;
    renew_cpu_limit(setup.cpu)?;
    set_no_new_privs(true)?;
    end_with_owner()?;
    let mut gaps = Vec::new();
    if let Err(error) = filter_system_calls(setup.sandbox) {
        gaps.push(format!("system calls are not filtered: {error}"));
    }
    Ok(gaps)
}

/// Grants CPU time for one more request. Passing it ends the process with SIGXCPU.
pub(crate) fn renew_cpu_limit(cpu: Duration) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = u64::try_from(used.tv_sec).unwrap_or_default();
    // Two seconds for the two fractions that are cut off: nobody gets less than the limit says.
    let whole = used + cpu.as_secs() + u64::from(cpu.subsec_nanos() > 0) + 1;
    setrlimit(Resource::Cpu, Rlimit { current: Some(whole), maximum: None })?;
    Ok(())
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Ends this process as soon as the owner closes its end of stdin, and so also when the owner was killed.
///
/// The parent-death signal of Linux would not do: it fires when the *thread* that started the worker ends.
fn end_with_owner() -> io::Result<()> {
    let (started, is_started) = mpsc::sync_channel(1);
    thread::Builder::new().name("owner".to_owned()).stack_size(64 << 10).spawn(move || {
        // It fails only when the other thread, and so the process, is gone.
        let _ = started.send(());
        let stdin = io::stdin();
        // Without an event asked for, poll returns only for the end of the pipe.
        let mut pipe = [PollFd::new(&stdin, PollFlags::empty())];
        while !matches!(poll(&mut pipe, None), Ok(count) if count > 0) {}
        #[expect(clippy::exit, reason = "the owner is gone and a template may still be running")]
        std::process::exit(0);
    })?;
    // The start of a thread needs system calls that the filter is about to forbid.
    is_started.recv().map_err(|_| io::ErrorKind::Other.into())
}

fn filter_system_calls(sandbox: Sandbox) -> Result<(), seccompiler::Error> {
    let architecture = TargetArch::try_from(ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = match sandbox {
        Sandbox::Sealed => SeccompFilter::new(sealed_rules()?, refuse, SeccompAction::Allow, architecture)?,
        Sandbox::Network => SeccompFilter::new(network_rules(), SeccompAction::Allow, refuse, architecture)?,
    };
    let program: BpfProgram = filter.try_into()?;
    apply_filter_all_threads(&program)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// All that a sealed worker may do: memory, time, and its three pipes.
///
/// What is not listed fails with EPERM instead of killing: the C library tries some calls that it can do without.
fn sealed_rules() -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = [
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_ppoll,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_poll, Vec::new());

    let own = u64::from(std::process::id());
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let not_executable = SeccompCmpOp::MaskedEq(executable);
    rules.insert(libc::SYS_read, vec![when(0, SeccompCmpOp::Eq, 0)?]);
    rules.insert(libc::SYS_write, vec![when(0, SeccompCmpOp::Eq, 1)?, when(0, SeccompCmpOp::Eq, 2)?]);
    rules.insert(libc::SYS_writev, vec![when(0, SeccompCmpOp::Eq, 2)?]);
    rules.insert(libc::SYS_mmap, vec![when(2, not_executable.clone(), 0)?]);
    rules.insert(libc::SYS_mprotect, vec![when(2, not_executable, 0)?]);
    rules.insert(libc::SYS_prlimit64, vec![when(0, SeccompCmpOp::Eq, 0)?]);
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
    Ok(rules)
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// What even a worker with network has no business with.
fn network_rules() -> Rules {
    [
        libc::SYS_bpf,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_kill,
        libc::SYS_mount,
        libc::SYS_pidfd_getfd,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_ptrace,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect()
}
