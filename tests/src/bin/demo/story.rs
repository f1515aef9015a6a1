//! The story itself.

use tiphys_api::{Phase, SyncState, Trigger};
use tiphys_tests::within;

use crate::look::{Entry, image_of};
use crate::shell::Place::{Deploy, Tiphys};
use crate::stage::{Stage, TARGET};
use crate::teller::{Failure, Teller, say};

/// The Application, and its Deployment.
pub const APPLICATION: &str = "web";

/// How many steps there are.
pub const STEPS: usize = 13;

/// Tells all of it, or ends at the first step that did not do what it says.
pub async fn tell(teller: &Teller, stage: &mut Stage) -> Result<(), Failure> {
    teller.step("A Kubernetes control plane", stage.raise()).await?;
    teller.step("A Git repository, served over http", stage.serve_git()).await?;
    teller.step("Tiphys is installed", stage.install()).await?;
    teller
        .step("The controller starts with exactly the rights that it ships with", stage.start_controller())
        .await?;
    let stage = &*stage;
    teller.step("An Application is created and synced for the first time", create(stage)).await?;
    teller.step("A commit is pushed, looked at, and synced", review(stage)).await?;
    teller.step("From now on a push is enough", automate(stage)).await?;
    teller.step("Somebody edits the live Deployment, and it is healed", drift(stage)).await?;
    teller.step("A broken commit fails, and the old version goes on running", break_it(stage)).await?;
    teller.step("A rollback goes back, and holds", roll_back(stage)).await?;
    teller.step("A commit that corrects it ends the hold", correct(stage)).await?;
    teller.step("Who did what, and when", history(stage)).await?;
    teller.step("A Helm chart beside it, with a password that nobody wrote down", helm(stage)).await
}

/// The image of the example chart.
async fn good_image(stage: &Stage) -> Result<String, Failure> {
    let image = image_of(&stage.look().deployment().await?);
    if image.starts_with("docker.io/nginxinc/") { Ok(image) } else { Err(format!("the image is {image}")) }
}

async fn create(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    let secret =
        format!("kubectl create secret generic deploy-webhook --from-literal=token={}", stage.webhook_secret);
    shell.run(Tiphys, &secret).await?;
    let repository = format!(
        "kubectl apply -f - <<END\n\
         apiVersion: tiphys.dev/v1alpha1\n\
         kind: Repository\n\
         metadata:\n  name: deploy\n\
         spec:\n  url: {}\n  insecure: true # plain http, which never leaves this machine\n  \
         webhook: {{secretRef: {{name: deploy-webhook}}}}\n\
         END",
        stage.repo().url()
    );
    shell.run(Tiphys, &repository).await?;
    let create = format!(
        "tiphys create web --repo deploy --revision main --path web --type tera --value-file values-dev.yaml \\\n  \
         --to-namespace {TARGET} --create-namespace --self-heal --prune --timeout {}",
        stage.sync_timeout()
    );
    shell.run(Tiphys, &create).await?;
    shell.run(Tiphys, "tiphys sync web").await?;
    shell
        .run(
            Tiphys,
            &format!("kubectl -n {TARGET} get deployments,services,configmaps -l tiphys.dev/application"),
        )
        .await?;
    stage.look().healthy_at(&stage.head().await?).await?;
    stage.look().rolled_out(&good_image(stage).await?, 1).await
}

async fn review(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    let edit = "sed -i -e 's/replicas: 1/replicas: 2/' -e 's/Hello from dev/Hello from two pods/' web/values-dev.yaml";
    shell.run(Deploy, edit).await?;
    push(stage, "Run two pods").await?;
    stage
        .look()
        .application("the new commit is seen", |it| {
            it.status.as_ref().and_then(|it| it.sync) == Some(SyncState::OutOfSync)
        })
        .await?;
    webhook_was_accepted(stage).await?;
    shell.run(Tiphys, "kubectl get application web").await?;
    shell.run_to(Tiphys, "tiphys diff web", 1).await?;
    stage.look().rolled_out(&good_image(stage).await?, 1).await?;
    say("Nothing has changed so far. Now it does:");
    shell.run(Tiphys, "tiphys sync web").await?;
    stage.look().healthy_at(&stage.head().await?).await?;
    stage.look().rolled_out(&good_image(stage).await?, 2).await?;
    shell.run(Tiphys, &format!("kubectl -n {TARGET} get deployment web")).await
}

async fn webhook_was_accepted(stage: &Stage) -> Result<(), Failure> {
    let accepted = r#"tiphys_webhooks_total{provider="github",result="accepted"}"#;
    let metrics = stage.controller().metrics().await?;
    match metrics.get(accepted) {
        Some(count) if *count >= 1.0 => Ok(()),
        other => Err(format!("the controller accepted no webhook: {accepted} is {other:?}")),
    }
}

async fn automate(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    shell
        .run(
            Tiphys,
            r#"kubectl patch application web --type=merge --patch='{"spec":{"sync":{"auto":true}}}'"#,
        )
        .await?;
    shell.run(Deploy, "sed -i 's/Hello from two pods/Hello from a push/' web/values-dev.yaml").await?;
    push(stage, "Say where it comes from").await?;
    stage.look().started(3, Trigger::Webhook).await?;
    shell.run(Tiphys, "tiphys wait web --sync web-3").await?;
    stage.look().healthy_at(&stage.head().await?).await?;
    stage.look().rolled_out(&good_image(stage).await?, 2).await?;
    shell.run(Tiphys, "kubectl get application web").await
}

async fn drift(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    let image = good_image(stage).await?;
    let edit = format!("kubectl -n {TARGET} set image deployment/web web=docker.io/library/httpd:2");
    shell.run(Tiphys, &edit).await?;
    stage.look().started(4, Trigger::SelfHeal).await?;
    shell.run(Tiphys, "tiphys wait web --sync web-4").await?;
    stage.look().rolled_out(&image, 2).await?;
    shell.run(Tiphys, &format!("kubectl -n {TARGET} get deployment web -o wide")).await
}

async fn break_it(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    let image = good_image(stage).await?;
    let edit = r"printf 'image:\n  repository: registry.invalid/web\n' >> web/values-dev.yaml";
    shell.run(Deploy, edit).await?;
    push(stage, "Use our own image").await?;
    stage.look().started(5, Trigger::Webhook).await?;
    // 3: the Sync ended without success.
    shell.run_to(Tiphys, "tiphys wait web --sync web-5", 3).await?;
    shell.run(Tiphys, &format!("kubectl -n {TARGET} get pods")).await?;
    let deployment = stage.look().deployment().await?;
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = image_of(&deployment);
    if wanted == image || status.available_replicas != Some(2) {
        return Err(format!(
            "the image is {wanted}, and of the old pods {:?} are available",
            status.available_replicas
        ));
    }
    shell.run(Tiphys, "tiphys get web").await
}

async fn roll_back(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    shell.run(Tiphys, "tiphys rollback web --yes").await?;
    let image = good_image(stage).await?;
    stage.look().rolled_out(&image, 2).await?;
    say("The next commit touches nothing that the Application reads, so the rollback holds:");
    let renders = renders(stage).await?;
    shell.run(Deploy, "echo 'What runs where.' > README.md && git add README.md").await?;
    push(stage, "Say what this is").await?;
    let seen = within("the commit is seen and rendered", std::time::Duration::from_secs(10), || async {
        let now = self::renders(stage).await?;
        if now > renders { Ok(()) } else { Err(format!("{now} renderings, as before")) }
    });
    seen.await.map_err(|error| error.to_string())?;
    let is_held = |it: &tiphys_api::Application| it.status.as_ref().is_some_and(|it| it.hold.is_some());
    stage.look().application("the Application holds", is_held).await?;
    stage.look().rolled_out(&image, 2).await?;
    shell.run(Tiphys, "tiphys get web").await
}

/// How often the controller rendered or found a rendering in its cache.
async fn renders(stage: &Stage) -> Result<f64, Failure> {
    let metrics = stage.controller().metrics().await?;
    Ok(metrics
        .iter()
        .filter(|(name, _)| name.starts_with("tiphys_renders_total"))
        .map(|(_, count)| count)
        .sum())
}

async fn correct(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    let image = good_image(stage).await?;
    let edit = "sed -i -e '/^image:/,$d' -e 's/replicas: 2/replicas: 3/' web/values-dev.yaml";
    shell.run(Deploy, edit).await?;
    push(stage, "Use an image that is there, run three pods").await?;
    stage.look().started(7, Trigger::Webhook).await?;
    shell.run(Tiphys, "tiphys wait web --sync web-7").await?;
    stage.look().healthy_at(&stage.head().await?).await?;
    let is_free = |it: &tiphys_api::Application| it.status.as_ref().is_some_and(|it| it.hold.is_none());
    stage.look().application("the hold has ended", is_free).await?;
    stage.look().rolled_out(&image, 3).await?;
    shell.run(Tiphys, &format!("kubectl get application web && kubectl -n {TARGET} get pods")).await
}

async fn history(stage: &Stage) -> Result<(), Failure> {
    stage.shell.run(Tiphys, "tiphys history web").await?;
    let expected: Vec<Entry> = [
        (Phase::Succeeded, Trigger::User),
        (Phase::Succeeded, Trigger::User),
        (Phase::Succeeded, Trigger::Webhook),
        (Phase::Succeeded, Trigger::SelfHeal),
        (Phase::Failed, Trigger::Webhook),
        (Phase::Succeeded, Trigger::User),
        (Phase::Succeeded, Trigger::Webhook),
    ]
    .into_iter()
    .zip(1..)
    .map(|((phase, trigger), number)| Entry { number, phase, trigger })
    .collect();
    let found = stage.look().history().await?;
    if found == expected { Ok(()) } else { Err(format!("expected {expected:?}\n   found {found:?}")) }
}

async fn helm(stage: &Stage) -> Result<(), Failure> {
    let shell = &stage.shell;
    let create = format!(
        "tiphys create shop --repo deploy --revision main --path shop --type helm --value-file values-dev.yaml \\\n  \
         --to-namespace {TARGET} --self-heal --prune --timeout {}",
        stage.sync_timeout()
    );
    shell.run(Tiphys, &create).await?;
    shell.run(Tiphys, "tiphys sync shop").await?;
    let password = stage.look().secret("shop-database", "password").await?;
    say(
        "The chart drew a password. The next commit changes something else: its migration runs, the password stays.",
    );
    shell.run(Deploy, "sed -i 's/Hello from dev/Hello from the shop/' shop/values-dev.yaml").await?;
    push(stage, "Greet from the shop").await?;
    shell.run(Tiphys, "tiphys sync shop").await?;
    shell
        .run(
            Tiphys,
            &format!("kubectl -n {TARGET} get deployment/shop job/shop-migration secret/shop-database"),
        )
        .await?;
    let now = stage.look().secret("shop-database", "password").await?;
    if now != password || password.len() != 24 {
        return Err("the chart drew another password".to_owned());
    }
    shell.run(Tiphys, "tiphys sync shop --renew-secrets").await?;
    if stage.look().secret("shop-database", "password").await? == password {
        return Err("the chart drew the same password again".to_owned());
    }
    say("That drew a new one.");
    Ok(())
}

/// Commits everything and pushes it; the Git server then calls the webhook, as a forge does.
async fn push(stage: &Stage, message: &str) -> Result<(), Failure> {
    stage.shell.run(Deploy, &format!("git commit --quiet --all --message '{message}'")).await?;
    stage.shell.run(Deploy, "git push --quiet origin main").await?;
    let (pushed, committed) = (stage.repo().id("main"), stage.head().await?);
    if pushed == committed { Ok(()) } else { Err(format!("the server has {pushed}, not {committed}")) }
}
