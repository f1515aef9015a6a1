//! The sums over all cases.

use serde::Serialize;

use crate::case::Side;
use crate::mask::Agreement;
use crate::refusal::Refusal;
use crate::verdict::Verdict;

/// How many cases ended in which way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sums {
    /// All.
    pub cases: usize,
    /// The same bytes.
    pub equal: usize,
    /// Equal after masking what differs between two runs of Helm.
    pub masked: usize,
    /// The same words in another order, where Helm's order is chance.
    pub reordered: usize,
    /// Other bytes.
    pub different: usize,
    /// Ours is not the same every time and Helm's is.
    pub unsteady: usize,
    /// Both refuse with the same text.
    pub same_text: usize,
    /// Both refuse and name the same place.
    pub same_place: usize,
    /// Both refuse in other words.
    pub other_refusal: usize,
    /// Helm renders what ours refuses.
    pub only_ours_refuses: usize,
    /// Ours renders what Helm refuses.
    pub only_helm_refuses: usize,
    /// No answer of one of the two.
    pub unanswered: usize,
    /// How fast ours is.
    pub speed: Option<Speed>,
}

impl Sums {
    /// Adds up.
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let mut sums = Self::default();
        for verdict in verdicts {
            sums.cases += 1;
            *sums.place(verdict) += 1;
        }
        sums
    }

    fn place(&mut self, verdict: &Verdict) -> &mut usize {
        match verdict {
            Verdict::Equal => &mut self.equal,
            Verdict::EqualButForChance { agreement: Agreement::Masked } => &mut self.masked,
            Verdict::EqualButForChance { agreement: Agreement::Reordered } => &mut self.reordered,
            Verdict::Different { .. } => &mut self.different,
            Verdict::Unsteady => &mut self.unsteady,
            Verdict::BothRefuse { refusal: Refusal::SameText, .. } => &mut self.same_text,
            Verdict::BothRefuse { refusal: Refusal::SamePlace, .. } => &mut self.same_place,
            Verdict::BothRefuse { refusal: Refusal::Other, .. } => &mut self.other_refusal,
            Verdict::OnlyOursRefuses { .. } => &mut self.only_ours_refuses,
            Verdict::OnlyHelmRefuses { .. } => &mut self.only_helm_refuses,
            Verdict::Unanswered => &mut self.unanswered,
        }
    }
}

/// Our time divided by Helm's, over the cases that both render: of each case the median of its runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Speed {
    /// The number of cases.
    pub cases: usize,
    /// The ratio in the middle.
    pub median: f64,
    /// The ratio that 99 of 100 cases do not exceed.
    pub p99: f64,
    /// The largest ratio and its case.
    pub worst: (f64, String),
    /// All our medians together, in milliseconds.
    pub our_milliseconds: f64,
    /// All of Helm's.
    pub helm_milliseconds: f64,
}

impl Speed {
    /// That of two programs; nothing when no case was measured in both.
    pub fn of(ours: &Side, helm: &Side) -> Option<Self> {
        let mut measured = Vec::new();
        for (id, ours) in &ours.answers {
            let helm = helm.answers.get(id).filter(|helm| helm.ok && ours.ok);
            let times = helm.and_then(|helm| median(&ours.milliseconds).zip(median(&helm.milliseconds)));
            measured.extend(times.filter(|(_, helm)| *helm > 0.0).map(|(ours, helm)| (ours, helm, id)));
        }
        let ratios: Vec<f64> = measured.iter().map(|(ours, helm, _)| ours / helm).collect();
        let (ours, helm, id) = measured.iter().max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))?;
        Some(Self {
            cases: ratios.len(),
            median: median(&ratios)?,
            p99: percentile(&ratios, 99)?,
            worst: (ours / helm, (*id).clone()),
            our_milliseconds: measured.iter().map(|(ours, ..)| ours).sum(),
            helm_milliseconds: measured.iter().map(|(_, helm, _)| helm).sum(),
        })
    }
}

/// The middle one, or between the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *sorted.get(middle)?))
    } else {
        sorted.get(middle).copied()
    }
}

/// The smallest value that is not below so many of a hundred of them.
fn percentile(values: &[f64], hundredths: usize) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Answer;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 99), Some(99.0));
        assert_eq!(percentile(&[7.0], 99), Some(7.0));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn each_verdict_is_counted_once() {
        let refusal = |refusal| Verdict::BothRefuse { refusal, ours: String::new(), helm: String::new() };
        let verdicts = [
            Verdict::Equal,
            Verdict::EqualButForChance { agreement: Agreement::Masked },
            Verdict::EqualButForChance { agreement: Agreement::Reordered },
            Verdict::Different { difference: None },
            Verdict::Unsteady,
            refusal(Refusal::SameText),
            refusal(Refusal::SamePlace),
            refusal(Refusal::Other),
            Verdict::OnlyOursRefuses { ours: String::new() },
            Verdict::OnlyHelmRefuses { helm: String::new() },
            Verdict::Unanswered,
        ];
        let sums = Sums::of(&verdicts);
        let json = serde_json::to_value(&sums).unwrap();
        let counts: Vec<_> = json
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| !["cases", "speed"].contains(&key.as_str()))
            .collect();
        assert_eq!((sums.cases, counts.len()), (verdicts.len(), verdicts.len()));
        assert!(counts.iter().all(|(_, count)| **count == 1), "{counts:?}");
    }

    #[test]
    fn speed_is_the_ratio_of_medians_where_both_rendered() {
        let side = |answers: &[(&str, bool, &[f64])]| Side {
            answers: answers
                .iter()
                .map(|(id, ok, times)| {
                    let answer = Answer {
                        id: (*id).to_owned(),
                        ok: *ok,
                        error: String::new(),
                        sha256: String::new(),
                        bytes: 0,
                        milliseconds: times.to_vec(),
                        stable: true,
                    };
                    ((*id).to_owned(), answer)
                })
                .collect(),
            outputs: None,
        };
        let ours = side(&[
            ("a", true, &[1.0, 9.0, 2.0]),
            ("b", true, &[1.0]),
            ("c", false, &[5.0]),
            ("d", true, &[]),
        ]);
        let helm =
            side(&[("a", true, &[20.0]), ("b", true, &[2.0]), ("c", true, &[5.0]), ("d", true, &[5.0])]);
        let speed = Speed::of(&ours, &helm).unwrap();
        assert_eq!((speed.cases, speed.median, speed.p99), (2, 0.3, 0.5));
        assert_eq!(speed.worst, (0.5, "b".to_owned()));
        assert_eq!((speed.our_milliseconds, speed.helm_milliseconds), (3.0, 22.0));
        assert_eq!(Speed::of(&ours, &side(&[])), None);
    }
}
