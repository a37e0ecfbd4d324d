//! The states of a node and how reports move it between them (objects.md section 9, after
//! lua-resty-healthcheck): a function, no I/O.
//!
//! A success sets the failure counters to 0, a failure the success counter. A counter that reaches
//! its limit flips the state; before that a healthy node is *mostly* healthy, an unhealthy one
//! mostly unhealthy. Successes of a fully healthy node and failures of a fully unhealthy one are
//! not counted.

/// Where a node stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// In use; how every node begins.
    #[default]
    Healthy,
    /// In use; the last report was a failure, or too few successes followed one.
    MostlyHealthy,
    /// Not in use.
    Unhealthy,
    /// Not in use; the last report was a success, or too few failures followed one.
    MostlyUnhealthy,
}

impl Status {
    /// Whether the node gets traffic.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Status::Healthy | Status::MostlyHealthy)
    }

    /// Name as the control API shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::MostlyHealthy => "mostly_healthy",
            Status::Unhealthy => "unhealthy",
            Status::MostlyUnhealthy => "mostly_unhealthy",
        }
    }

    const fn code(self) -> u8 {
        self as u8
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Status::MostlyHealthy,
            2 => Status::Unhealthy,
            3 => Status::MostlyUnhealthy,
            _ => Status::Healthy,
        }
    }
}

/// What a probe or a request says about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// It works.
    Success,
    /// It answers badly.
    HttpFailure,
    /// It does not take the connection, or breaks it.
    TcpFailure,
    /// It takes too long.
    Timeout,
}

/// Reports in a row that flip a state; 0 means that such reports are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// To healthy.
    pub successes: u8,
    /// To unhealthy, by bad answers.
    pub http_failures: u8,
    /// To unhealthy, by broken connections.
    pub tcp_failures: u8,
    /// To unhealthy, by time limits.
    pub timeouts: u8,
}

/// Reports so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Successes.
    pub success: u8,
    /// Bad answers.
    pub http_failure: u8,
    /// Broken connections.
    pub tcp_failure: u8,
    /// Time limits.
    pub timeout: u8,
}

/// State of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// What led there.
    pub counters: Counters,
}

impl State {
    /// The state after one more report.
    #[must_use]
    pub fn after(self, signal: Signal, limits: &Limits) -> Self {
        let mut counters = self.counters;
        let (counter, limit) = match signal {
            Signal::Success => (&mut counters.success, limits.successes),
            Signal::HttpFailure => (&mut counters.http_failure, limits.http_failures),
            Signal::TcpFailure => (&mut counters.tcp_failure, limits.tcp_failures),
            Signal::Timeout => (&mut counters.timeout, limits.timeouts),
        };
        let good = signal == Signal::Success;
        let end = if good {
            Status::Healthy
        } else {
            Status::Unhealthy
        };
        if limit == 0 || self.status == end {
            return self;
        }
        *counter = counter.saturating_add(1);
        let full = *counter >= limit;
        if good {
            counters = Counters {
                success: counters.success,
                ..Counters::default()
            };
        } else {
            counters.success = 0;
        }
        let status = match self.status {
            _ if full => end,
            Status::Healthy => Status::MostlyHealthy,
            Status::Unhealthy => Status::MostlyUnhealthy,
            between => between,
        };
        Self { status, counters }
    }

    /// Both in one number, for an atomic.
    #[must_use]
    pub const fn pack(self) -> u64 {
        let Counters {
            success,
            http_failure,
            tcp_failure,
            timeout,
        } = self.counters;
        u64::from_le_bytes([
            self.status.code(),
            success,
            http_failure,
            tcp_failure,
            timeout,
            0,
            0,
            0,
        ])
    }

    /// The reverse of [`State::pack`].
    #[must_use]
    pub const fn unpack(packed: u64) -> Self {
        let [status, success, http_failure, tcp_failure, timeout, ..] = packed.to_le_bytes();
        Self {
            status: Status::from_code(status),
            counters: Counters {
                success,
                http_failure,
                tcp_failure,
                timeout,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        successes: 2,
        http_failures: 3,
        tcp_failures: 2,
        timeouts: 1,
    };

    /// Applies reports, one letter each, and tells every state on the way.
    fn walk(reports: &str, limits: &Limits) -> Vec<(&'static str, [u8; 4])> {
        let mut state = State::default();
        let letters = reports.chars().map(|letter| match letter {
            's' => Signal::Success,
            'h' => Signal::HttpFailure,
            't' => Signal::TcpFailure,
            'o' => Signal::Timeout,
            other => panic!("{other}"),
        });
        letters
            .map(|signal| {
                state = state.after(signal, limits);
                let Counters {
                    success,
                    http_failure,
                    tcp_failure,
                    timeout,
                } = state.counters;
                let counters = [success, http_failure, tcp_failure, timeout];
                (state.status.as_str(), counters)
            })
            .collect()
    }

    #[test]
    fn reports_move_the_state_as_the_table_says() {
        const UP: &str = "healthy";
        const UP_: &str = "mostly_healthy";
        const DOWN: &str = "unhealthy";
        const DOWN_: &str = "mostly_unhealthy";
        for (reports, expected) in [
            // A success of a fully healthy node is not counted.
            ("ss", vec![(UP, [0, 0, 0, 0]), (UP, [0, 0, 0, 0])]),
            // Each kind of failure has its own counter and limit.
            ("o", vec![(DOWN, [0, 0, 0, 1])]),
            ("tt", vec![(UP_, [0, 0, 1, 0]), (DOWN, [0, 0, 2, 0])]),
            (
                "hhh",
                vec![
                    (UP_, [0, 1, 0, 0]),
                    (UP_, [0, 2, 0, 0]),
                    (DOWN, [0, 3, 0, 0]),
                ],
            ),
            // Counters of different kinds do not add up.
            (
                "hth",
                vec![
                    (UP_, [0, 1, 0, 0]),
                    (UP_, [0, 1, 1, 0]),
                    (UP_, [0, 2, 1, 0]),
                ],
            ),
            // A success sets all failures to 0 and counts towards healthy.
            (
                "htsth",
                vec![
                    (UP_, [0, 1, 0, 0]),
                    (UP_, [0, 1, 1, 0]),
                    (UP_, [1, 0, 0, 0]),
                    (UP_, [0, 0, 1, 0]),
                    (UP_, [0, 1, 1, 0]),
                ],
            ),
            (
                "tss",
                vec![(UP_, [0, 0, 1, 0]), (UP_, [1, 0, 0, 0]), (UP, [2, 0, 0, 0])],
            ),
            // A failure of a fully unhealthy node is not counted.
            ("oth", vec![(DOWN, [0, 0, 0, 1]); 3]),
            // A failure on the way up sets the successes to 0; its own counter has begun anew.
            (
                "osts",
                vec![
                    (DOWN, [0, 0, 0, 1]),
                    (DOWN_, [1, 0, 0, 0]),
                    (DOWN_, [0, 0, 1, 0]),
                    (DOWN_, [1, 0, 0, 0]),
                ],
            ),
            (
                "ososs",
                vec![
                    (DOWN, [0, 0, 0, 1]),
                    (DOWN_, [1, 0, 0, 0]),
                    (DOWN, [0, 0, 0, 1]),
                    (DOWN_, [1, 0, 0, 0]),
                    (UP, [2, 0, 0, 0]),
                ],
            ),
        ] {
            assert_eq!(walk(reports, &LIMITS), expected, "{reports}");
        }
    }

    #[test]
    fn a_limit_of_zero_switches_its_counter_off() {
        let off = Limits {
            successes: 0,
            http_failures: 0,
            tcp_failures: 0,
            timeouts: 1,
        };
        assert_eq!(walk("hthth", &off), vec![("healthy", [0, 0, 0, 0]); 5]);
        assert_eq!(walk("oss", &off), vec![("unhealthy", [0, 0, 0, 1]); 3]);
    }

    fn signals() -> impl Strategy<Value = Vec<Signal>> {
        let signal = prop_oneof![
            Just(Signal::Success),
            Just(Signal::HttpFailure),
            Just(Signal::TcpFailure),
            Just(Signal::Timeout)
        ];
        proptest::collection::vec(signal, 0..200)
    }

    fn limits() -> impl Strategy<Value = Limits> {
        (0..5_u8, 0..5_u8, 0..5_u8, 0..5_u8).prop_map(|(a, b, c, d)| Limits {
            successes: a,
            http_failures: b,
            tcp_failures: c,
            timeouts: d,
        })
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(code in 0..4_u8, s: u8, h: u8, t: u8, o: u8) {
            let counters = Counters { success: s, http_failure: h, tcp_failure: t, timeout: o };
            let state = State { status: Status::from_code(code), counters };
            prop_assert_eq!(State::unpack(state.pack()), state);
        }

        /// A state flips only by a report of the other side whose counter is full.
        #[test]
        fn flips_need_a_full_counter(signals in signals(), limits in limits()) {
            let mut state = State::default();
            for signal in signals {
                let next = state.after(signal, &limits);
                if next.status.is_usable() != state.status.is_usable() {
                    prop_assert_eq!(next.status.is_usable(), signal == Signal::Success);
                    let (count, limit) = match signal {
                        Signal::Success => (next.counters.success, limits.successes),
                        Signal::HttpFailure => (next.counters.http_failure, limits.http_failures),
                        Signal::TcpFailure => (next.counters.tcp_failure, limits.tcp_failures),
                        Signal::Timeout => (next.counters.timeout, limits.timeouts),
                    };
                    prop_assert!(limit > 0 && count >= limit);
                }
                state = next;
            }
        }
    }
}
