use proptest::prelude::*;

use super::*;

fn failed(reason: Reason, sent: bool) -> Ended {
    Ended::Failed(Failure {
        reason,
        sent,
        stale: false,
    })
}

fn facts<'a>(method: &'a Method, on: &'a RetryOn, ended: Ended) -> Facts<'a> {
    Facts {
        method,
        on,
        ended,
        body: Ok(()),
        tries_left: 1,
        elapsed: Duration::ZERO,
        pause: Duration::ZERO,
        retry_timeout: None,
    }
}

/// objects.md section 8, line by line.
#[test]
fn what_is_retried_by_default() {
    use Reason::*;
    let lock = Method::from_bytes(b"LOCK").unwrap();
    let on = RetryOn::default();
    for (ended, get, post) in [
        (failed(ConnectRefused, false), Ok(()), Ok(())),
        (failed(ConnectFailed, false), Ok(()), Ok(())),
        (failed(DnsFailure, false), Ok(()), Ok(())),
        (failed(TimeoutConnect, false), Ok(()), Ok(())),
        (failed(SendFailed, true), Ok(()), Err(Stop::Method)),
        (failed(SendFailed, false), Ok(()), Ok(())),
        (failed(TimeoutSend, true), Ok(()), Err(Stop::Method)),
        (failed(TimeoutRead, true), Ok(()), Err(Stop::Method)),
        (failed(ResetBeforeHeader, true), Ok(()), Err(Stop::Method)),
        (failed(ResetBeforeHeader, false), Ok(()), Ok(())),
        (
            failed(BadResponse, true),
            Err(Stop::Final),
            Err(Stop::Final),
        ),
        (
            failed(ClientTimeout, true),
            Err(Stop::Final),
            Err(Stop::Final),
        ),
        (failed(ClientGone, true), Err(Stop::Final), Err(Stop::Final)),
        (Ended::Answered(200), Err(Stop::Final), Err(Stop::Final)),
        (Ended::Answered(502), Err(Stop::Final), Err(Stop::Final)),
        (Ended::Answered(503), Err(Stop::Final), Err(Stop::Final)),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
            assert_eq!(
                decide(&facts(&method, &on, ended)),
                get,
                "{method} {ended:?}"
            );
        }
        for method in [&Method::POST, &Method::PATCH, &lock] {
            assert_eq!(
                decide(&facts(method, &on, ended)),
                post,
                "{method} {ended:?}"
            );
        }
    }
}

#[test]
fn conditions_statuses_and_methods_replace_the_default() {
    use Reason::*;
    let only = |conditions: &[RetryCondition]| RetryOn {
        conditions: conditions.to_vec(),
        ..RetryOn::default()
    };
    let get = |on: &RetryOn, ended| decide(&facts(&Method::GET, on, ended));
    let timeouts = only(&[RetryCondition::Timeout]);
    assert_eq!(get(&timeouts, failed(TimeoutRead, true)), Ok(()));
    assert_eq!(get(&timeouts, failed(TimeoutConnect, false)), Ok(()));
    assert_eq!(
        get(&timeouts, failed(ConnectRefused, false)),
        Err(Stop::Final)
    );
    let errors = only(&[RetryCondition::Error]);
    assert_eq!(get(&errors, failed(ConnectRefused, false)), Ok(()));
    assert_eq!(get(&errors, failed(TimeoutRead, true)), Err(Stop::Final));
    let statuses = RetryOn {
        statuses: vec![503],
        ..only(&[])
    };
    assert_eq!(get(&statuses, Ended::Answered(503)), Ok(()));
    assert_eq!(get(&statuses, Ended::Answered(500)), Err(Stop::Final));
    assert_eq!(
        decide(&facts(&Method::POST, &statuses, Ended::Answered(503))),
        Err(Stop::Method)
    );
    let posts = RetryOn {
        methods: Some(vec!["POST".to_owned()]),
        ..statuses
    };
    assert_eq!(
        decide(&facts(&Method::POST, &posts, Ended::Answered(503))),
        Ok(())
    );
    assert_eq!(get(&posts, Ended::Answered(503)), Err(Stop::Method));
}

#[test]
fn limits_end_the_tries() {
    let on = RetryOn::default();
    let ended = failed(Reason::ConnectRefused, false);
    let base = facts(&Method::PUT, &on, ended);
    let no_tries = Facts {
        tries_left: 0,
        ..base
    };
    assert_eq!(decide(&no_tries), Err(Stop::Retries));
    let no_body = Facts {
        body: Err(Lost::Size),
        ..base
    };
    assert_eq!(decide(&no_body), Err(Stop::Body(Lost::Size)));
    let second = Duration::from_secs(1);
    for (elapsed, pause, expected) in [
        (0, 0, Ok(())),
        (999, 0, Ok(())),
        (1000, 0, Err(Stop::Time)),
        (500, 499, Ok(())),
        (500, 500, Err(Stop::Time)),
    ] {
        let timed = Facts {
            elapsed: Duration::from_millis(elapsed),
            pause: Duration::from_millis(pause),
            retry_timeout: Some(second),
            ..base
        };
        assert_eq!(decide(&timed), expected, "{elapsed} + {pause}");
    }
}

#[test]
fn stale_connection_is_replaced_unless_the_request_may_have_had_its_effect() {
    let on = RetryOn::default();
    let stale = |sent| Failure {
        reason: Reason::ResetBeforeHeader,
        sent,
        stale: true,
    };
    assert!(may_replace(&on, &Method::GET, stale(true), true));
    assert!(may_replace(&on, &Method::POST, stale(false), true));
    assert!(!may_replace(&on, &Method::POST, stale(true), true));
    assert!(!may_replace(&on, &Method::GET, stale(true), false));
    let fresh = Failure {
        stale: false,
        ..stale(true)
    };
    assert!(!may_replace(&on, &Method::GET, fresh, true));
}

#[test]
fn pauses_double_up_to_the_longest() {
    let backoff = RetryBackoff {
        base: Duration::from_millis(100),
        max: Duration::from_millis(350),
        jitter: false,
    };
    let pauses: Vec<u128> = (1..=4)
        .map(|number| pause(Some(&backoff), number, 0).as_millis())
        .collect();
    assert_eq!(pauses, [100, 200, 350, 350]);
    assert_eq!(pause(None, 1, 0), Duration::ZERO);
}

proptest! {
    #[test]
    fn pauses_stay_between_half_and_whole(
        base in 1u64..10_000, max in 1u64..100_000, number in 1u32..200, random in any::<u64>(),
    ) {
        let mut backoff = RetryBackoff {
            base: Duration::from_millis(base),
            max: Duration::from_millis(max),
            jitter: false,
        };
        let whole = pause(Some(&backoff), number, random);
        prop_assert!(whole <= backoff.max);
        prop_assert!(whole >= backoff.base.min(backoff.max));
        backoff.jitter = true;
        let spread = pause(Some(&backoff), number, random);
        prop_assert!(spread <= whole);
        prop_assert!(spread >= whole.mul_f64(0.499));
    }

    /// Whatever happens: without tries left, after the time, or with a lost body nothing is
    /// repeated, and a method that may have had its effect is not repeated by default.
    #[test]
    fn nothing_is_repeated_beyond_its_limits(
        reason in proptest::sample::select(Reason::ALL.to_vec()),
        sent in any::<bool>(), whole in any::<bool>(), tries_left in 0u32..3,
        elapsed in 0u64..3000, timeout in proptest::option::of(1u64..2000),
        method in proptest::sample::select(vec![Method::GET, Method::POST, Method::PATCH]),
    ) {
        let on = RetryOn::default();
        let facts = Facts {
            body: if whole { Ok(()) } else { Err(Lost::Size) },
            tries_left,
            elapsed: Duration::from_millis(elapsed),
            retry_timeout: timeout.map(Duration::from_millis),
            ..facts(&method, &on, failed(reason, sent))
        };
        if decide(&facts).is_ok() {
            prop_assert!(whole && tries_left > 0 && reason.retry() != Retry::No);
            prop_assert!(timeout.is_none_or(|limit| elapsed < limit));
            prop_assert!(method == Method::GET || !sent || reason.retry() == Retry::Always);
        }
    }
}
