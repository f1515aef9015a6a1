//! The result of a comparison, as text and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::case::Side;
use crate::difference::Difference;
use crate::mask::Agreement;
use crate::refusal::Refusal;
use crate::sums::{Speed, Sums};
use crate::verdict::{Verdict, judge};

/// The verdicts of all cases and their sums.
#[derive(Debug, Serialize)]
pub struct Report {
    /// By name.
    pub cases: Vec<Judged>,
    /// What they add up to.
    pub sums: Sums,
}

/// A case with its verdict.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// The name of the case.
    pub id: String,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Report {
    /// Compares two programs in all cases of which Helm or ours knows.
    pub fn of(ours: &Side, helm: &Side) -> Self {
        let mut ids: Vec<&String> = ours.answers.keys().chain(helm.answers.keys()).collect();
        ids.sort();
        ids.dedup();
        let judged = |id: &String| Judged { id: id.clone(), verdict: judge(id, ours, helm) };
        let cases: Vec<Judged> = ids.into_iter().map(judged).collect();
        let mut sums = Sums::of(cases.iter().map(|case| &case.verdict));
        sums.speed = Speed::of(ours, helm);
        Self { cases, sums }
    }

    /// Whether ours is what it should be in every case.
    pub fn is_good(&self) -> bool {
        self.cases.iter().all(|case| case.verdict.is_good())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            write!(f, "{case}")?;
        }
        write!(f, "\n{}", self.sums)
    }
}

impl Display for Judged {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (word, lines) = match &self.verdict {
            Verdict::Equal => ("equal", vec![]),
            Verdict::EqualButForChance { agreement: Agreement::Masked } => ("masked", vec![]),
            Verdict::EqualButForChance { agreement: Agreement::Reordered } => ("reordered", vec![]),
            Verdict::Different { difference: Some(difference) } => {
                ("different", difference_lines(difference))
            }
            Verdict::Different { difference: None } => {
                ("different", vec!["(the outputs were not kept)".to_owned()])
            }
            Verdict::Unsteady => {
                ("unsteady", vec!["ours differs from run to run, Helm's does not".to_owned()])
            }
            Verdict::BothRefuse { refusal: Refusal::SameText, .. } => ("same text", vec![]),
            Verdict::BothRefuse { refusal, ours, helm } => {
                let word = if *refusal == Refusal::SamePlace { "same place" } else { "refusals" };
                (word, vec![format!("ours: {}", ours.trim_end()), format!("helm: {}", helm.trim_end())])
            }
            Verdict::OnlyOursRefuses { ours } => ("refused", vec![format!("only ours: {}", ours.trim_end())]),
            Verdict::OnlyHelmRefuses { helm } => {
                ("rendered", vec![format!("only helm: {}", helm.trim_end())])
            }
            Verdict::Unanswered => ("unanswered", vec![]),
        };
        writeln!(f, "{word:<10} {}", self.id)?;
        for line in lines {
            writeln!(f, "           {}", line.replace('\n', "\n           "))?;
        }
        Ok(())
    }
}

fn difference_lines(difference: &Difference) -> Vec<String> {
    let shown = |line: &Option<String>| line.clone().unwrap_or_else(|| "(the end)".to_owned());
    vec![
        format!("line {}", difference.line),
        format!("ours: {}", shown(&difference.ours)),
        format!("helm: {}", shown(&difference.helm)),
    ]
}

impl Display for Sums {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rendered = self.equal + self.masked + self.reordered + self.different + self.unsteady;
        writeln!(f, "{} cases, {rendered} rendered by both:", self.cases)?;
        writeln!(
            f,
            "  {} equal, {} equal but for chance ({} masked, {} in another order), {} different, {} unsteady",
            self.equal,
            self.masked + self.reordered,
            self.masked,
            self.reordered,
            self.different,
            self.unsteady
        )?;
        let refused = self.same_text + self.same_place + self.other_refusal;
        writeln!(
            f,
            "{refused} refused by both:\n  {} with the same text, {} at the same place, {} otherwise",
            self.same_text, self.same_place, self.other_refusal
        )?;
        writeln!(
            f,
            "{} refused by ours alone, {} by Helm alone, {} without an answer",
            self.only_ours_refuses, self.only_helm_refuses, self.unanswered
        )?;
        if let Some(speed) = &self.speed {
            writeln!(
                f,
                "our time / Helm's over {} cases: median {:.3}, 99th percentile {:.3}, most {:.3} ({}); \
                 {:.0} ms / {:.0} ms in all",
                speed.cases,
                speed.median,
                speed.p99,
                speed.worst.0,
                speed.worst.1,
                speed.our_milliseconds,
                speed.helm_milliseconds
            )?;
        }
        Ok(())
    }
}
