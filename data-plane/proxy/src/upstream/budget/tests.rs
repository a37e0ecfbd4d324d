use proptest::prelude::*;

use super::*;

const DEFAULT: RetryBudget = RetryBudget {
    percent: 20.0,
    min: 3,
};

fn open(budget: &Arc<Budget>) -> Account {
    Account::open(Arc::clone(budget), DEFAULT, OWN)
}

/// Requests that all fail, each with as many tries as it gets; answers how many retries there were.
fn fail_in_turn(budget: &Arc<Budget>, requests: u32, retries: u32) -> u32 {
    (0..requests)
        .map(|_| {
            let mut account = open(budget);
            let made = (0..retries).take_while(|_| account.take()).count();
            account.failed();
            u32::try_from(made).unwrap()
        })
        .sum()
}

#[test]
fn idle_upstream_bears_a_few_retries() {
    let budget = Arc::default();
    let mut account = open(&budget);
    assert!((0..3).all(|_| account.take()));
    account.failed();
    assert!(!open(&budget).take());
}

#[test]
fn one_request_does_not_go_on_for_ever() {
    let budget = Arc::default();
    let mut account = open(&budget);
    let made = (0..1000).take_while(|_| account.take()).count();
    assert_eq!(
        made, 13,
        "those that do not count, and what an idle upstream bears"
    );
    account.answered();
    let mut account = Account::open(Arc::clone(&budget), DEFAULT, 40);
    assert!((0..40).all(|_| account.take()), "every node once");
}

#[test]
fn nothing_is_allowed_with_a_budget_of_nothing() {
    let policy = RetryBudget {
        percent: 0.0,
        min: 0,
    };
    assert!(!Account::open(Arc::default(), policy, OWN).take());
}

#[test]
fn dead_upstream_is_tried_a_fifth_more_often_than_it_is_asked() {
    let budget = Arc::default();
    let made = fail_in_turn(&budget, 1000, 2);
    assert!((195..=205).contains(&made), "{made}");
}

#[test]
fn answered_requests_take_their_retries_back() {
    let budget = Arc::default();
    for _ in 0..1000 {
        let mut account = open(&budget);
        assert!(account.take());
        assert!(account.take());
        account.answered();
    }
    assert_eq!(budget.debt.load(Ordering::Relaxed), 0);
    assert_eq!(budget.under_way.load(Ordering::Relaxed), 0);
}

#[test]
fn crowd_is_helped_while_nodes_answer_and_held_back_once_they_do_not() {
    let budget = Arc::default();
    let mut crowd: Vec<Account> = (0..50).map(|_| open(&budget)).collect();
    assert!(crowd.iter_mut().all(Account::take));
    crowd.iter_mut().for_each(Account::answered);
    drop(crowd);
    let mut crowd: Vec<Account> = (0..50).map(|_| open(&budget)).collect();
    crowd.iter_mut().take(3).for_each(Account::failed);
    let allowed = crowd
        .iter_mut()
        .map(Account::take)
        .filter(|taken| *taken)
        .count();
    assert_eq!(allowed, 10, "20 % of 50");
}

#[test]
fn first_answer_ends_the_silence() {
    let budget = Arc::default();
    fail_in_turn(&budget, 10, 0);
    open(&budget).answered();
    let mut crowd: Vec<Account> = (0..10).map(|_| open(&budget)).collect();
    assert!(crowd.iter_mut().all(Account::take));
}

#[test]
fn client_that_leaves_costs_nothing() {
    let budget = Arc::default();
    for _ in 0..100 {
        assert!(open(&budget).take());
    }
    assert_eq!(budget.active.load(Ordering::Relaxed), 0);
    assert_eq!(budget.under_way.load(Ordering::Relaxed), 0);
}

proptest! {
    /// However many clients ask a dead upstream at once, and in whatever order their tries fail:
    /// the tries stay within 1.25 times the requests.
    #[test]
    fn tries_of_a_dead_upstream_are_bounded(
        clients in 1usize..40,
        retries in 1u32..6,
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 5000..6000),
    ) {
        let budget = Arc::default();
        let mut open_requests: Vec<(Account, u32)> = Vec::new();
        let (mut requests, mut tries) = (0u32, 0u32);
        for index in order {
            // A new request comes while there are clients without one; else some try fails.
            if open_requests.len() < clients {
                open_requests.push((open(&budget), 0));
                requests += 1;
                tries += 1;
                continue;
            }
            let at = index.index(open_requests.len());
            let (account, made) = &mut open_requests[at];
            if *made < retries && account.take() {
                *made += 1;
                tries += 1;
            } else {
                account.failed();
                open_requests.swap_remove(at);
            }
        }
        prop_assert!(requests >= 2000, "{requests}");
        prop_assert!(f64::from(tries) <= 1.25 * f64::from(requests), "{tries} for {requests}");
        drop(open_requests);
        prop_assert_eq!(budget.active.load(Ordering::Relaxed), 0);
        prop_assert_eq!(budget.under_way.load(Ordering::Relaxed), 0);
    }
}
