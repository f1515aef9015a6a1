//! What the story is played on: a cluster, a Git server, the controller.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tiphys_tests::{
    Auth, ClusterOptions, Controller, ControllerBuilder, GitServer, Installation, OwnCluster, TestRepo,
    Webhook, program,
};

use crate::Existing;
use crate::look::Look;
use crate::shell::{Place, Shell, show};
use crate::teller::{Failure, say};

/// The namespace that is deployed into.
pub const TARGET: &str = "tiphys-demo";

/// What is applied beside `crds/`: everything that is shipped but the Deployment of the controller, which runs here.
const MANIFESTS: &str = "-f controller/manifests/namespace.yaml -f controller/manifests/rbac.yaml \
    -f controller/manifests/admission.yaml -f controller/manifests/admission-mutating.yaml";

/// Everything that runs. It ends when this is dropped.
pub struct Stage {
    existing: Option<Existing>,
    /// Runs all commands.
    pub shell: Shell,
    /// The shared secret of the webhook.
    pub webhook_secret: String,
    controller: Option<Controller>,
    git: Option<(GitServer, TestRepo)>,
    client: Option<Client>,
    /// Whether something on a cluster that is not ours has to be removed.
    installed: bool,
    cluster: Option<OwnCluster>,
    folder: TempDir,
}

impl Stage {
    /// A stage on which nothing runs yet.
    pub fn empty(existing: Option<Existing>) -> Self {
        let folder = tempfile::Builder::new().prefix("tiphys-demo-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let mut shell = Shell::new(folder.path());
        // Found next to each other: `make demo` builds them before.
        let programs = program("tiphys");
        shell.find_programs_in(&[programs.parent().expect("a program lies in a folder").to_owned()]);
        Self {
            existing,
            shell,
            webhook_secret: std::iter::repeat_with(fastrand::alphanumeric).take(24).collect(),
            controller: None,
            git: None,
            client: None,
            installed: false,
            cluster: None,
            folder,
        }
    }

    /// The cluster: one of our own, or the one that is there.
    pub async fn raise(&mut self) -> Result<(), Failure> {
        match self.existing {
            Some(Existing::Current) => {
                self.use_kubeconfig().await?;
                self.refuse_what_is_there().await?;
                self.shell.run(Place::Tiphys, "kubectl config current-context").await?;
            }
            None => {
                show(Place::Tiphys, "tiphys-cluster up");
                let cluster = OwnCluster::start(&ClusterOptions::default());
                let kubectl = cluster.kubectl_program();
                let folders = [program("tiphys"), kubectl].map(|it| it.with_file_name(""));
                self.shell.find_programs_in(&folders);
                self.shell.set("KUBECONFIG", cluster.admin_kubeconfig());
                self.cluster = Some(cluster);
                self.use_kubeconfig().await?;
            }
        }
        self.shell.run(Place::Tiphys, "kubectl version").await?;
        self.shell.run(Place::Tiphys, "kubectl get nodes").await
    }

    /// Everything uses a copy of the kubeconfig, whose default namespace is that of the installation.
    async fn use_kubeconfig(&mut self) -> Result<(), Failure> {
        let text = self.shell.ask("kubectl config view --raw --minify --flatten --output=json").await?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        config["contexts"][0]["context"]["namespace"] = json!(Installation::NAMESPACE);
        let path = self.write("kubeconfig", &config.to_string())?;
        let kubeconfig = Kubeconfig::read_from(&path).map_err(|error| error.to_string())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.map_err(|error| error.to_string())?);
        self.client = Some(client.map_err(|error| error.to_string())?);
        self.shell.set("KUBECONFIG", path);
        Ok(())
    }

    /// On somebody's cluster nothing that is there is touched.
    async fn refuse_what_is_there(&self) -> Result<(), Failure> {
        let there =
            "kubectl get --ignore-not-found --output=name customresourcedefinition/applications.tiphys.dev";
        let namespaces = format!("namespace/{TARGET} namespace/{}", Installation::NAMESPACE);
        let found = self.shell.ask(&format!("{there} {namespaces}")).await?;
        if found.is_empty() {
            return Ok(());
        }
        let found = found.split_whitespace().collect::<Vec<_>>().join(", ");
        Err(format!(
            "the cluster has {found} already, and the demo would remove it at the end: use another cluster"
        ))
    }

    /// The Git server, and a working copy with the example chart pushed to it.
    pub async fn serve_git(&mut self) -> Result<(), Failure> {
        let git = GitServer::start();
        let repo = git.create_repo("acme/deploy", Auth::Anonymous);
        let url = repo.url().to_owned();
        self.git = Some((git, repo));
        show(Place::Tiphys, &format!("git clone {url} deploy"));
        let target = self.shell.folder(Place::Deploy).display().to_string();
        // git says on standard error that the repository is empty, which is no news here.
        self.shell
            .ask(&format!("git clone --quiet {url} {target} && git -C {target} checkout --quiet -B main"))
            .await?;
        let charts = self.shell.folder(Place::Tiphys).join("charts-example").display().to_string();
        show(Place::Deploy, "cp -r ../tiphys/charts-example/web ../tiphys/charts-example/shop .");
        self.shell.ask(&format!("cp -r {charts}/web {charts}/shop {target}")).await?;
        self.shell.run(Place::Deploy, "git add .").await?;
        self.shell.run(Place::Deploy, "git commit --quiet --message 'The example charts'").await?;
        self.shell.run(Place::Deploy, "git push --quiet origin main").await?;
        let pushed = self.repo().id("main");
        let committed = self.head().await?;
        if pushed == committed { Ok(()) } else { Err(format!("the server has {pushed}, not {committed}")) }
    }

    /// The CRDs, the roles and the admission policies.
    pub async fn install(&mut self) -> Result<(), Failure> {
        self.installed = true;
        self.shell.run(Place::Tiphys, "kubectl apply -f crds/").await?;
        self.shell.run(Place::Tiphys, &format!("kubectl apply {MANIFESTS}")).await?;
        self.shell.run(Place::Tiphys, "kubectl wait --for=condition=Established --timeout=30s -f crds/").await
    }

    /// The controller, as a process here, with the token of its account and nothing else.
    pub async fn start_controller(&mut self) -> Result<(), Failure> {
        let account = Installation::ACCOUNT;
        let token = format!("kubectl create token {account} --duration=24h");
        let token = self.shell.ask(&token).await?;
        let text = std::fs::read_to_string(self.folder.path().join("kubeconfig"));
        let mut config: Value = serde_json::from_str(&text.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        config["users"] = json!([{ "name": account, "user": { "token": token } }]);
        config["contexts"][0]["context"]["user"] = json!(account);
        let path = self.write("controller.kubeconfig", &config.to_string())?;
        let log = self.log_path();
        let builder = ControllerBuilder::new(&path)
            .elected_as("demo")
            .data_dir(self.folder.path().join("controller-data"))
            .log_file(&log);
        say(&format!(
            "controller.kubeconfig holds the token of the ServiceAccount {account} and nothing else."
        ));
        show(Place::Tiphys, &format!("KUBECONFIG=controller.kubeconfig {builder} &"));
        let controller = builder.launch();
        controller.until_ready().await.map_err(|error| format!("{error}\n{}", controller.log()))?;
        say(&format!("It is ready; its log goes to {}.", log.display()));
        if let Some((git, repo)) = &self.git {
            git.set_webhook(repo, Some(Webhook::github(&controller.webhook_url(), &self.webhook_secret)));
        }
        self.controller = Some(controller);
        self.shell.run(Place::Tiphys, "kubectl get leases").await
    }

    /// Looks at the cluster.
    pub fn look(&self) -> Look {
        let patience = Duration::from_secs(if self.existing.is_some() { 180 } else { 20 });
        Look::new(self.client.as_ref().expect("the cluster comes first"), patience)
    }

    /// The longest time that a Sync may take: on a cluster of our own pods start at once.
    pub fn sync_timeout(&self) -> &'static str {
        if self.existing.is_some() { "60s" } else { "8s" }
    }

    /// The repository on the server.
    pub fn repo(&self) -> &TestRepo {
        &self.git.as_ref().expect("the Git server comes first").1
    }

    /// The controller.
    pub fn controller(&self) -> &Controller {
        self.controller.as_ref().expect("the controller comes first")
    }

    /// The newest commit of the working copy.
    pub async fn head(&self) -> Result<String, Failure> {
        let folder = self.shell.folder(Place::Deploy).display().to_string();
        self.shell.ask(&format!("git -C {folder} rev-parse HEAD")).await
    }

    /// The end of the controller's log.
    pub fn show_log(&self) {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        if !lines.is_empty() {
            say(&format!(
                "\nThe log of the controller ends with\n{}",
                lines[lines.len().saturating_sub(30)..].join("\n")
            ));
        }
    }

    /// Says how to reach everything.
    pub fn show_how_to_reach_it(&self) {
        let folder = self.folder.path().display();
        let path = [program("tiphys").with_file_name("")].into_iter();
        let kubectl = self.cluster.as_ref().map(|it| it.kubectl_program().with_file_name(""));
        let path: Vec<String> = path.chain(kubectl).map(|it| it.display().to_string()).collect();
        let path = path.iter().map(|it| it.trim_end_matches('/')).collect::<Vec<_>>().join(":");
        say("\nAll of it is still running:");
        anstream::println!("  export KUBECONFIG={folder}/kubeconfig PATH={path}:$PATH");
        anstream::println!("  tiphys get web; kubectl -n {TARGET} get all     # look around");
        anstream::println!("  cd {folder}/deploy                  # change something, commit, git push");
        if let Some(controller) = &self.controller {
            anstream::println!("  {}    # what it measures", controller.metrics_url());
        }
        anstream::println!("  {}   # what it says", self.log_path().display());
        anstream::println!("  kill {}                             # ends all of it", std::process::id());
    }

    /// Removes from a cluster that is not ours what was brought there. One of our own goes as a whole.
    pub async fn tidy_up(&mut self) {
        if self.existing.is_none() || !self.installed {
            return;
        }
        say("\nEverything is removed again.");
        self.installed = false;
        let commands = [
            "tiphys delete web --prune --yes".to_owned(),
            "tiphys delete shop --prune --yes".to_owned(),
            format!("kubectl delete namespace {TARGET} --ignore-not-found"),
            "kubectl delete --ignore-not-found -f crds/".to_owned(),
            format!("kubectl delete --ignore-not-found {MANIFESTS}"),
        ];
        for command in commands {
            if let Err(problem) = self.shell.run(Place::Tiphys, &command).await {
                say(&problem);
            }
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("controller.log")
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}
