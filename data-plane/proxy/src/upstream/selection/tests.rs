use std::time::Duration;

use proptest::prelude::*;

use super::*;

const HEALTHY: Condition = Condition {
    usable: true,
    in_use_since_ms: 0,
    trial_at_ms: None,
};
const DOWN: Condition = Condition {
    usable: false,
    ..HEALTHY
};
const PLAIN: Policy = Policy {
    when_all_unhealthy: WhenAllUnhealthy::UseAll,
    slow_start: None,
    locality: false,
};

fn node(weight: u32, group: usize, distance: u8) -> Standing {
    Standing {
        weight,
        group,
        distance,
    }
}

fn selected(nodes: &[(Standing, Condition)], policy: &Policy, now_ms: u64) -> Selection {
    let nodes: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(|(at, (standing, condition))| (at, *standing, *condition))
        .collect();
    select(&nodes, nodes.len(), policy, true, now_ms)
}

fn tiers(nodes: &[(Standing, Condition)], policy: &Policy) -> Vec<Vec<usize>> {
    let selection = selected(nodes, policy, 0);
    selection
        .tiers
        .into_iter()
        .map(|tier| tier.members)
        .collect()
}

#[test]
fn unhealthy_nodes_are_left_out_and_lower_priorities_come_after() {
    let nodes = |conditions: [Condition; 4]| {
        let groups = [0, 0, 1, 1].map(|group| node(1, group, ELSEWHERE));
        groups.into_iter().zip(conditions).collect::<Vec<_>>()
    };
    for (conditions, expected) in [
        ([HEALTHY; 4], vec![vec![0, 1], vec![2, 3]]),
        ([HEALTHY, DOWN, HEALTHY, HEALTHY], vec![vec![0], vec![2, 3]]),
        ([DOWN, DOWN, DOWN, HEALTHY], vec![vec![3]]),
        // None is healthy: health is ignored.
        ([DOWN; 4], vec![vec![0, 1], vec![2, 3]]),
    ] {
        assert_eq!(
            tiers(&nodes(conditions), &PLAIN),
            expected,
            "{conditions:?}"
        );
    }
    let fail = Policy {
        when_all_unhealthy: WhenAllUnhealthy::Fail,
        ..PLAIN
    };
    assert!(tiers(&nodes([DOWN; 4]), &fail).is_empty());
    assert!(selected(&nodes([DOWN; 4]), &fail, 0).all_unhealthy);
    assert_eq!(tiers(&nodes([DOWN, HEALTHY, DOWN, DOWN]), &fail), [[1]]);
}

#[test]
fn near_nodes_come_first_while_half_of_their_weight_is_healthy() {
    // Zone: weights 1 and 1; region besides: 2; a named region: 4; elsewhere: 4.
    let distances = [(1, ZONE), (1, ZONE), (2, REGION), (4, 2), (4, ELSEWHERE)];
    let policy = Policy {
        locality: true,
        ..PLAIN
    };
    let up = HEALTHY;
    for (conditions, expected) in [
        // The zone, then, for further tries, the rest.
        ([up, up, up, up, up], vec![vec![0, 1], vec![2, 3, 4]]),
        // Half of the zone is enough.
        ([up, DOWN, up, up, up], vec![vec![0], vec![2, 3, 4]]),
        // None of the zone: half of the region is healthy.
        ([DOWN, DOWN, up, up, up], vec![vec![2], vec![3, 4]]),
        // A quarter of the region, half of the zone: the zone is asked first.
        ([up, DOWN, DOWN, up, up], vec![vec![0], vec![3, 4]]),
        // Nothing near: the named region.
        ([DOWN, DOWN, DOWN, up, up], vec![vec![3], vec![4]]),
        // Not even that: whatever there is.
        ([DOWN, DOWN, DOWN, DOWN, up], vec![vec![4]]),
        // None is healthy: all count as usable, the near ones first.
        ([DOWN; 5], vec![vec![0, 1], vec![2, 3, 4]]),
    ] {
        let nodes: Vec<_> = distances
            .into_iter()
            .zip(conditions)
            .map(|((weight, distance), condition)| (node(weight, 0, distance), condition))
            .collect();
        assert_eq!(tiers(&nodes, &policy), expected, "{conditions:?}");
    }
}

#[test]
fn a_region_of_which_less_than_half_is_healthy_is_left_for_the_next() {
    let policy = Policy {
        locality: true,
        ..PLAIN
    };
    let nodes = |near: Condition| {
        vec![
            (node(1, 0, REGION), HEALTHY),
            (node(2, 0, REGION), near),
            (node(3, 0, 2), HEALTHY),
        ]
    };
    assert_eq!(tiers(&nodes(HEALTHY), &policy), [vec![0, 1], vec![2]]);
    assert_eq!(tiers(&nodes(DOWN), &policy), [vec![2], vec![0]]);
    // A third here, none there: everything that is left.
    let mut nodes = nodes(DOWN);
    nodes[2].1 = DOWN;
    assert_eq!(tiers(&nodes, &policy), [[0]]);
}

#[test]
fn priorities_go_before_distances() {
    let policy = Policy {
        locality: true,
        ..PLAIN
    };
    let nodes = [
        (node(1, 1, ZONE), HEALTHY),
        (node(1, 0, ELSEWHERE), HEALTHY),
    ];
    assert_eq!(tiers(&nodes, &policy), [[1], [0]]);
}

#[test]
fn a_young_node_gets_its_weight_step_by_step() {
    let policy = Policy {
        slow_start: Some(SlowStart {
            window: Duration::from_secs(10),
            min_weight_percent: 20,
        }),
        ..PLAIN
    };
    let young = Condition {
        in_use_since_ms: 100_000,
        ..HEALTHY
    };
    let weights = |now_ms| {
        let nodes = [
            (node(3, 0, ELSEWHERE), HEALTHY),
            (node(1, 0, ELSEWHERE), young),
        ];
        let selection = selected(&nodes, &policy, now_ms);
        (selection.tiers[0].weights.clone(), selection.until_ms)
    };
    assert_eq!(weights(100_000), (vec![300, 20], 100_200));
    assert_eq!(
        weights(101_000),
        (vec![300, 20], 101_200),
        "a tenth is less than the least"
    );
    assert_eq!(weights(105_000), (vec![300, 50], 105_200));
    assert_eq!(weights(109_999), (vec![300, 98], 110_199));
    assert_eq!(weights(110_000), (vec![3, 1], u64::MAX));
}

#[test]
fn nodes_to_be_tried_out_are_told_and_the_selection_ends_when_the_next_is_due() {
    let ejected = |at| Condition {
        trial_at_ms: Some(at),
        ..DOWN
    };
    let nodes = [
        (node(1, 0, ELSEWHERE), HEALTHY),
        (node(1, 0, ELSEWHERE), ejected(50)),
        (node(1, 0, ELSEWHERE), ejected(70)),
    ];
    let selection = selected(&nodes, &PLAIN, 60);
    assert_eq!(
        (selection.due.as_slice(), selection.until_ms),
        (&[1][..], 70)
    );
    assert_eq!(selection.tiers[0].members, [0]);
}

proptest! {
    /// Every healthy node is in exactly one tier, no other is, as long as one is healthy.
    #[test]
    fn the_healthy_nodes_are_selected_once_each(
        nodes in proptest::collection::vec((1..5_u32, 0..3_usize, 0..5_u8, any::<bool>()), 1..20),
        locality: bool,
    ) {
        let nodes: Vec<_> = nodes.into_iter().map(|(weight, group, distance, usable)| {
            let distance = if distance == 4 { ELSEWHERE } else { distance };
            (node(weight, group, distance), Condition { usable, ..HEALTHY })
        }).collect();
        let mut found = tiers(&nodes, &Policy { locality, ..PLAIN }).concat();
        found.sort_unstable();
        let any = nodes.iter().any(|(_, now)| now.usable);
        let expected: Vec<usize> = (0..nodes.len()).filter(|at| !any || nodes[*at].1.usable).collect();
        prop_assert_eq!(found, expected);
    }
}
