//! What the comparison of one case gives.

use serde::Serialize;

use crate::case::{Answer, Side};
use crate::difference::Difference;
use crate::mask::{self, Agreement};
use crate::refusal::{self, Refusal};

/// How ours stands to Helm's in one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// The same bytes.
    Equal,
    /// Helm's output depends on chance or time, and ours agrees with it in all else.
    EqualButForChance {
        /// In which way.
        agreement: Agreement,
    },
    /// Other bytes.
    Different {
        /// Where, when the outputs are at hand.
        #[serde(flatten)]
        difference: Option<Difference>,
    },
    /// Helm gives the same every time and ours does not.
    Unsteady,
    /// Both refuse the chart.
    BothRefuse {
        /// How far they agree.
        refusal: Refusal,
        /// What ours says.
        ours: String,
        /// What Helm says.
        helm: String,
    },
    /// Helm renders the chart.
    OnlyOursRefuses {
        /// What ours says.
        ours: String,
    },
    /// Ours renders the chart.
    OnlyHelmRefuses {
        /// What Helm says.
        helm: String,
    },
    /// One of the two gave no answer, or ours has no output where one is needed.
    Unanswered,
}

impl Verdict {
    /// Whether ours is what it should be.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Equal | Self::EqualButForChance { .. } => true,
            Self::BothRefuse { refusal, .. } => *refusal != Refusal::Other,
            _ => false,
        }
    }
}

/// Judges a case.
pub fn judge(id: &str, ours: &Side, helm: &Side) -> Verdict {
    let (Some(our_answer), Some(helm_answer)) = (ours.answers.get(id), helm.answers.get(id)) else {
        return Verdict::Unanswered;
    };
    match (our_answer.ok, helm_answer.ok) {
        (true, true) => {
            rendered(our_answer, helm_answer, || ours.output(id), || (helm.output(id), helm.other_output(id)))
        }
        (false, false) => Verdict::BothRefuse {
            refusal: refusal::compare(&our_answer.error, &helm_answer.error),
            ours: our_answer.error.clone(),
            helm: helm_answer.error.clone(),
        },
        (false, true) => Verdict::OnlyOursRefuses { ours: our_answer.error.clone() },
        (true, false) => Verdict::OnlyHelmRefuses { helm: helm_answer.error.clone() },
    }
}

/// Judges a case that both render. The outputs are only asked for when the digests do not settle it.
fn rendered(
    ours: &Answer,
    helm: &Answer,
    our_output: impl FnOnce() -> Option<Vec<u8>>,
    helm_outputs: impl FnOnce() -> (Option<Vec<u8>>, Option<Vec<u8>>),
) -> Verdict {
    if ours.sha256 == helm.sha256 && !ours.sha256.is_empty() {
        return if helm.stable && !ours.stable { Verdict::Unsteady } else { Verdict::Equal };
    }
    match (our_output(), helm_outputs()) {
        (Some(ours), (Some(one), Some(two))) if !helm.stable => match mask::compare(&ours, &one, &two) {
            Ok(agreement) => Verdict::EqualButForChance { agreement },
            Err(difference) => Verdict::Different { difference: Some(difference) },
        },
        (Some(ours), (Some(helm), _)) => Verdict::Different { difference: Difference::between(&ours, &helm) },
        _ => Verdict::Different { difference: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ok: bool, text: &str, stable: bool) -> Answer {
        let (error, sha256) =
            if ok { (String::new(), text.to_owned()) } else { (text.to_owned(), String::new()) };
        Answer { id: "a".to_owned(), ok, error, sha256, bytes: 0, milliseconds: vec![1.0], stable }
    }

    fn side(answer: Option<Answer>) -> Side {
        Side {
            answers: answer.into_iter().map(|answer| (answer.id.clone(), answer)).collect(),
            outputs: None,
        }
    }

    #[test]
    fn every_pair_of_answers_has_its_verdict() {
        let different = Verdict::Different { difference: None };
        for (ours, helm, expected, good) in [
            (answer(true, "x", true), answer(true, "x", true), Verdict::Equal, true),
            (answer(true, "x", false), answer(true, "x", true), Verdict::Unsteady, false),
            (answer(true, "x", true), answer(true, "y", true), different.clone(), false),
            (
                answer(true, "x", true),
                answer(false, "no", true),
                Verdict::OnlyHelmRefuses { helm: "no".to_owned() },
                false,
            ),
            (
                answer(false, "no", true),
                answer(true, "x", true),
                Verdict::OnlyOursRefuses { ours: "no".to_owned() },
                false,
            ),
        ] {
            let verdict = judge("a", &side(Some(ours)), &side(Some(helm)));
            assert_eq!((verdict.is_good(), verdict), (good, expected));
        }
        assert_eq!(judge("a", &side(None), &side(Some(answer(true, "x", true)))), Verdict::Unanswered);
        assert_eq!(judge("a", &side(Some(answer(true, "x", true))), &side(None)), Verdict::Unanswered);
        let verdict =
            judge("a", &side(Some(answer(false, "no", true))), &side(Some(answer(false, "no", true))));
        assert!(verdict.is_good(), "{verdict:?}");
        let verdict =
            judge("a", &side(Some(answer(false, "no", true))), &side(Some(answer(false, "never", true))));
        assert!(!verdict.is_good(), "{verdict:?}");
    }

    #[test]
    fn empty_digests_are_not_equal() {
        let verdict = judge("a", &side(Some(answer(true, "", true))), &side(Some(answer(true, "", true))));
        assert_eq!(verdict, Verdict::Different { difference: None });
    }

    #[test]
    fn outputs_of_chance_are_compared_by_what_two_runs_have_in_common() {
        let (ours, helm) = (answer(true, "1", false), answer(true, "2", false));
        let outputs = || (Some(b"a: 1\nb: x\n".to_vec()), Some(b"a: 1\nb: z\n".to_vec()));
        let judged = |text: &[u8]| rendered(&ours, &helm, || Some(text.to_vec()), outputs);
        assert_eq!(judged(b"a: 1\nb: q\n"), Verdict::EqualButForChance { agreement: Agreement::Masked });
        assert!(matches!(
            judged(b"a: 2\nb: q\n"),
            Verdict::Different { difference: Some(Difference { line: 1, .. }) }
        ));
        let stable = answer(true, "2", true);
        let verdict = rendered(&ours, &stable, || Some(b"a: 1\nb: q\n".to_vec()), outputs);
        assert!(
            matches!(verdict, Verdict::Different { difference: Some(Difference { line: 2, .. }) }),
            "{verdict:?}"
        );
    }
}
