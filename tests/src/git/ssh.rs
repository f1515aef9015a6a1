//! Git over ssh.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::repo::TestRepo;
use crate::kit;
use crate::process::Process;

/// The kinds of keys that `ssh-keygen` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshKeyKind {
    /// Ed25519, today's default.
    Ed25519,
    /// RSA of 3072 bits.
    Rsa,
    /// ECDSA on P-256.
    Ecdsa,
}

/// A key pair of a person or a robot.
pub struct SshKey {
    private: String,
    public: String,
    passphrase: Option<String>,
    scratch: TempDir,
}

impl SshKey {
    /// Makes a key, encrypted when there is a passphrase.
    pub fn generate(kind: SshKeyKind, passphrase: Option<&str>) -> Self {
        let scratch = kit::scratch("key");
        let path = scratch.path().join("key");
        generate_key(&path, kind, passphrase.unwrap_or_default());
        Self {
            private: std::fs::read_to_string(&path).expect("ssh-keygen wrote the key"),
            public: std::fs::read_to_string(path.with_extension("pub"))
                .expect("ssh-keygen wrote the public key"),
            passphrase: passphrase.map(ToOwned::to_owned),
            scratch,
        }
    }

    /// The private key in OpenSSH's format.
    pub fn private(&self) -> &str {
        &self.private
    }

    /// The public key, one line.
    pub fn public(&self) -> &str {
        self.public.trim_end()
    }

    /// The passphrase of the private key.
    pub fn passphrase(&self) -> Option<&str> {
        self.passphrase.as_deref()
    }

    /// A file with the private key, for the ssh program.
    pub fn private_path(&self) -> PathBuf {
        self.scratch.path().join("key")
    }
}

fn generate_key(path: &Path, kind: SshKeyKind, passphrase: &str) {
    let kind: &[&str] = match kind {
        SshKeyKind::Ed25519 => &["ed25519"],
        SshKeyKind::Rsa => &["rsa", "-b", "3072"],
        SshKeyKind::Ecdsa => &["ecdsa", "-b", "256"],
    };
    let output = Command::new("ssh-keygen")
        .args(["-q", "-C", "tiphys-test", "-N", passphrase, "-f"])
        .arg(path)
        .arg("-t")
        .args(kind)
        .output()
        .expect("ssh-keygen runs");
    assert!(output.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&output.stderr));
}

/// A real OpenSSH server on a free port of 127.0.0.1, with its own host key. The user is the one who runs the test.
pub struct SshServer {
    port: u16,
    user: String,
    host_key: String,
    scratch: TempDir,
    process: Process,
}

impl SshServer {
    /// Starts a server that lets these keys in.
    pub fn start(keys: &[&SshKey]) -> Self {
        let scratch = kit::scratch("sshd");
        let folder = scratch.path();
        generate_key(&folder.join("host"), SshKeyKind::Ed25519, "");
        let host_key =
            std::fs::read_to_string(folder.join("host.pub")).expect("ssh-keygen wrote the public key");
        let authorized: Vec<&str> = keys.iter().map(|it| it.public()).collect();
        std::fs::write(folder.join("authorized_keys"), authorized.join("\n") + "\n")
            .expect("a file can be written");
        if rustix::process::geteuid().is_root() {
            // sshd insists on this empty folder when root runs it; the system's own service would make it.
            std::fs::create_dir_all("/run/sshd").expect("root can make /run/sshd");
        }
        // sshd takes a port, not a socket, so the port is free for a moment. Losing it to somebody is seen at once.
        for _ in 0..5 {
            let port = free_port();
            std::fs::write(folder.join("config"), configuration(folder, port))
                .expect("a file can be written");
            let process =
                Process::builder("sshd", sshd()).args(["-D", "-e", "-f"]).arg(folder.join("config")).start();
            let line =
                process.wait_for_line("Server listening|Cannot bind|error|fatal", Duration::from_secs(10));
            if line.contains("Server listening") {
                let user = user();
                let host_key = host_key.trim_end().to_owned();
                return Self { port, user, host_key, scratch, process };
            }
        }
        panic!("sshd does not start on any of five free ports");
    }

    /// Makes an empty repository with a name such as `acme/deploy`.
    pub fn create_repo(&self, name: &str) -> TestRepo {
        let path = self.scratch.path().join(format!("{name}.git"));
        let url = self.url_of(&path);
        TestRepo::create_at(path, url)
    }

    /// The address of any repository of this machine through this server.
    pub fn url_of(&self, repository: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repository.display())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The line that makes this server known.
    pub fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.host_key)
    }

    /// A line that says that this server has another key than it has.
    pub fn wrong_known_hosts(&self) -> String {
        let other = SshKey::generate(SshKeyKind::Ed25519, None);
        format!("[127.0.0.1]:{} {}", self.port, other.public())
    }

    /// The server's process: pausing it makes new connections hang.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "ListenAddress 127.0.0.1\n\
         Port {port}\n\
         HostKey {folder}/host\n\
         PidFile none\n\
         AuthorizedKeysFile {folder}/authorized_keys\n\
         StrictModes no\n\
         UsePAM no\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\n\
         PrintMotd no\n\
         UseDNS no\n\
         MaxStartups 100\n\
         LogLevel VERBOSE\n"
    )
}

/// sshd wants its own name as an absolute path, and lies where only root's PATH leads.
fn sshd() -> PathBuf {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"];
    let candidates = folders.iter().map(|it| Path::new(it).join("sshd"));
    candidates.into_iter().find(|it| it.exists()).expect("sshd is installed: scripts/setup.sh installs it")
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}
