//! Puts what belongs to one wave into turns and ranks, so that nothing comes before what it needs.

use tiphys_manifest::order::Rank;

/// What comes first, and how much of it must have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    /// Place of what comes first.
    pub(super) to: usize,
    /// Whether it must be healthy, and not only be applied.
    pub(super) waits: bool,
}

/// When something comes within its wave. What compares less comes first, what is equal may come at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// So many times health has to be waited for before.
    pub(super) waits: usize,
    /// The rank of its kind, or the highest rank of what it needs.
    rank: Rank,
    /// So many steps after others of that rank.
    step: usize,
}

/// When each node comes: by the rank of its kind, but later than what it needs. Or else a cycle, as the places of its
/// nodes, each needing the next and the last needing the first.
pub(super) fn turns(ranks: &[Rank], needs: &[Vec<Edge>]) -> Result<Vec<Turn>, Vec<usize>> {
    let mut turns: Vec<_> = ranks.iter().map(|rank| Turn { waits: 0, rank: *rank, step: 0 }).collect();
    for node in sorted(needs)? {
        let (Some(edges), Some(mut turn)) = (needs.get(node), turns.get(node).copied()) else {
            continue;
        };
        let before = |edge: &Edge| turns.get(edge.to).map(|it| (*it, it.waits + usize::from(edge.waits)));
        turn.waits = edges.iter().filter_map(before).map(|(_, turn)| turn).max().unwrap_or(0);
        for (needed, _) in edges.iter().filter_map(before) {
            let not_after = (needed.waits, needed.rank, needed.step) >= (turn.waits, turn.rank, turn.step);
            if not_after {
                (turn.rank, turn.step) = (needed.rank, needed.step + 1);
            }
        }
        if let Some(slot) = turns.get_mut(node) {
            *slot = turn;
        }
    }
    Ok(turns)
}

/// All nodes, each after what it needs (Kahn's algorithm).
fn sorted(needs: &[Vec<Edge>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut open: Vec<_> = needs.iter().map(Vec::len).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (node, edges) in needs.iter().enumerate() {
        for edge in edges {
            if let Some(dependants) = needed_by.get_mut(edge.to) {
                dependants.push(node);
            }
        }
    }
    let mut order: Vec<_> = (0..needs.len()).filter(|node| open.get(*node) == Some(&0)).collect();
    let mut next = 0;
    while let Some(done) = order.get(next).copied() {
        next += 1;
        for dependant in needed_by.get(done).into_iter().flatten() {
            if let Some(count) = open.get_mut(*dependant) {
                *count -= 1;
                if *count == 0 {
                    order.push(*dependant);
                }
            }
        }
    }
    if order.len() == needs.len() { Ok(order) } else { Err(cycle(needs, &open)) }
}

/// A cycle among the nodes that still need something: follow what they need until one comes again.
fn cycle(needs: &[Vec<Edge>], open: &[usize]) -> Vec<usize> {
    let is_open = |node: usize| open.get(node).is_some_and(|count| *count > 0);
    let mut path: Vec<usize> = Vec::new();
    let mut seen = vec![false; needs.len()];
    let mut node = (0..needs.len()).find(|node| is_open(*node));
    while let Some(current) = node {
        if seen.get(current).copied().unwrap_or(true) {
            let start = path.iter().position(|it| *it == current).unwrap_or(0);
            return path.split_off(start);
        }
        if let Some(seen) = seen.get_mut(current) {
            *seen = true;
        }
        path.push(current);
        let edges = needs.get(current).into_iter().flatten();
        node = edges.map(|edge| edge.to).find(|to| is_open(*to));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: (&str, &str) = ("", "ConfigMap");
    const WORKLOAD: (&str, &str) = ("apps", "Deployment");

    fn ranks(kinds: &[(&str, &str)]) -> Vec<Rank> {
        kinds.iter().map(|(group, kind)| Rank::for_apply(group, kind)).collect()
    }

    fn needs(edges: &[&[(usize, bool)]]) -> Vec<Vec<Edge>> {
        let edge = |&(to, waits): &(usize, bool)| Edge { to, waits };
        edges.iter().map(|edges| edges.iter().map(edge).collect()).collect()
    }

    #[test]
    fn ranks_of_kinds_decide_where_nothing_else_does() {
        let turns = turns(&ranks(&[WORKLOAD, CONFIG, CONFIG]), &needs(&[&[(1, false)], &[], &[]])).unwrap();
        assert!(turns[1] < turns[0]);
        assert_eq!(turns[1], turns[2]);
    }

    #[test]
    fn what_is_needed_comes_first_whatever_its_kind() {
        // A ConfigMap that needs a Deployment, and another one that needs that.
        let turns = turns(&ranks(&[CONFIG, WORKLOAD, CONFIG]), &needs(&[&[(1, false)], &[], &[(0, false)]]));
        let turns = turns.unwrap();
        assert!(turns[1] < turns[0] && turns[0] < turns[2]);
        assert!(turns.iter().all(|it| it.waits == 0));
    }

    #[test]
    fn waiting_makes_a_turn_and_is_handed_on() {
        let turns = turns(
            &ranks(&[CONFIG, WORKLOAD, WORKLOAD, CONFIG]),
            &needs(&[&[(1, true)], &[], &[(0, false)], &[]]),
        );
        let turns = turns.unwrap();
        let numbers: Vec<_> = turns.iter().map(|it| it.waits).collect();
        assert_eq!(numbers, [1, 0, 1, 0]);
        assert!(turns[0] < turns[2], "the Deployment of the second turn needs the ConfigMap");
    }

    #[test]
    fn a_cycle_is_given_without_what_only_leads_to_it() {
        let kinds = ranks(&[CONFIG, CONFIG, CONFIG, CONFIG]);
        let cycle = turns(&kinds, &needs(&[&[(1, true)], &[(2, false)], &[(3, true)], &[(1, true)]]));
        assert_eq!(cycle, Err(vec![1, 2, 3]));
        assert_eq!(turns(&kinds[..1], &needs(&[&[(0, true)]])), Err(vec![0]));
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let count = 100_000;
        let kinds = vec![Rank::for_apply("", "ConfigMap"); count];
        let chain: Vec<_> =
            (0..count).map(|it| Vec::from_iter((it > 0).then(|| Edge { to: it - 1, waits: true }))).collect();
        assert_eq!(turns(&kinds, &chain).unwrap()[count - 1].waits, count - 1);
    }
}
