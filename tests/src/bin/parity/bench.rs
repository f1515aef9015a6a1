//! `make bench-helm`: what rendering costs, ours and Helm's side by side.

use std::fmt::{self, Display, Formatter};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::case::{Answer, Case, Side};
use crate::run::Program;
use crate::sums::{Speed, median};
use crate::warm::Warm;

/// How often a program is started to see how long that takes.
const STARTS: usize = 21;

/// The figures.
#[derive(Debug)]
pub struct Figures {
    speed: Speed,
    /// The median over the cases of the median over the runs, in milliseconds: ours and Helm's.
    typical: (f64, f64),
    /// From start to end with a small chart, in milliseconds.
    cold: (f64, f64),
    small: String,
    /// The most memory of a process that renders the largest chart, in MiB.
    memory: (f64, f64),
    large: String,
    large_bytes: u64,
}

impl Figures {
    /// Measures. The two programs take turns, case by case, so that what else the machine does meets both.
    pub fn measure(ours: &Program, helm: &Program, cases: &[Case], runs: u32) -> Self {
        let (mut our_process, mut helm_process) = (Warm::start(ours, runs), Warm::start(helm, runs));
        let (mut our_answers, mut helm_answers) = (Vec::new(), Vec::new());
        for case in cases {
            our_answers.push(our_process.ask(case));
            helm_answers.push(helm_process.ask(case));
        }
        let rendered = || our_answers.iter().zip(&helm_answers).zip(cases).filter(|((a, b), _)| a.ok && b.ok);
        let ((_, largest), large) =
            rendered().max_by_key(|((_, helm), _)| helm.bytes).expect("a chart is rendered by both");
        let (_, small) =
            rendered().min_by_key(|((_, helm), _)| helm.bytes).expect("a chart is rendered by both");
        let times = |answers: &dyn Fn(&(&Answer, &Answer)) -> Option<f64>| {
            let times: Vec<f64> = rendered().filter_map(|(pair, _)| answers(&pair)).collect();
            median(&times).expect("a chart is rendered by both")
        };
        let typical =
            (times(&|(ours, _)| median(&ours.milliseconds)), times(&|(_, helm)| median(&helm.milliseconds)));
        let memory = (memory(ours, large), memory(helm, large));
        let cold = (
            cold(ours, &["template"], small),
            // The peer starts itself once more, in an environment of its own; Helm would not.
            cold(helm, &["helm", "template"], small),
        );
        let (small, large, large_bytes) = (small.id.clone(), large.id.clone(), largest.bytes);
        let speed = Speed::of(&side(our_answers), &side(helm_answers)).expect("a chart is rendered by both");
        Self { speed, typical, cold, small, memory, large, large_bytes }
    }
}

fn side(answers: Vec<Answer>) -> Side {
    Side { answers: answers.into_iter().map(|it| (it.id.clone(), it)).collect(), outputs: None }
}

/// The most memory of a process that renders nothing but this chart.
fn memory(program: &Program, case: &Case) -> f64 {
    let mut process = Warm::start(program, 1);
    process.ask(case);
    process.peak_memory()
}

/// The median time from the start of a program to its end.
fn cold(program: &Program, command: &[&str], case: &Case) -> f64 {
    let times: Vec<f64> = (0..STARTS)
        .map(|_| {
            let begin = Instant::now();
            let status = Command::new(&program.path)
                .args(command)
                .arg("demo")
                .arg(&case.chart)
                .args(["-n", "demo-ns"])
                .args(&case.args)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("the program starts");
            assert!(status.success(), "{} renders {}", program.path.display(), case.id);
            begin.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    median(&times).expect("it was started")
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { speed, typical, cold, memory, .. } = self;
        writeln!(f, "| {} charts that both render | Tiphys | Helm 4.3.1 | ratio | goal |", speed.cases)?;
        writeln!(f, "|---|---|---|---|---|")?;
        writeln!(
            f,
            "| warm, with loading: a typical chart; median ratio | {:.2} ms | {:.2} ms | {:.3} | 0.10 |",
            typical.0, typical.1, speed.median
        )?;
        writeln!(f, "| 99th percentile of the ratio | | | {:.3} | 0.20 |", speed.p99)?;
        writeln!(
            f,
            "| all together | {:.0} ms | {:.0} ms | {:.3} | |",
            speed.our_milliseconds,
            speed.helm_milliseconds,
            speed.our_milliseconds / speed.helm_milliseconds
        )?;
        writeln!(
            f,
            "| from start to end: `{}` | {:.1} ms | {:.1} ms | {:.3} | 20 ms |",
            self.small,
            cold.0,
            cold.1,
            cold.0 / cold.1
        )?;
        let mebibytes = self.large_bytes as f64 / f64::from(1 << 20);
        writeln!(
            f,
            "| peak memory: `{}`, {mebibytes:.1} MiB of output | {:.1} MiB | {:.1} MiB | {:.3} | 0.50 |",
            self.large,
            memory.0,
            memory.1,
            memory.0 / memory.1
        )?;
        writeln!(f, "\nThe largest ratio is {:.3}: {}.", speed.worst.0, speed.worst.1)
    }
}
