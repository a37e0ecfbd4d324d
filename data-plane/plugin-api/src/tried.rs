//! The tries of one request, as plugins are told of them when there were several.

use std::time::Duration;

use crate::address::NodeAddress;

/// One try of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Address of the node, or its name when that led to none.
    pub node: Box<str>,
    /// Time to connect; zero on a kept connection, `None` when there was no connection.
    pub connect: Option<Duration>,
    /// Time from the request being sent to the head of the answer, if one came.
    pub first_byte: Option<Duration>,
    /// Time until it was over; zero until then.
    pub total: Duration,
}

impl Tried {
    /// The nodes of all tries, as nginx lists them (`ngx_http_upstream_module`): `10.0.0.1:80, 10.0.0.2:80`.
    /// `last` is the node where there was one try.
    #[must_use]
    pub fn addresses(tries: &[Self], last: Option<&NodeAddress>) -> Option<String> {
        Self::listed(tries, |tried| tried.node.to_string())
            .or_else(|| last.map(ToString::to_string))
    }

    /// Times to connect; `-` where there was no connection.
    #[must_use]
    pub fn connect_times(tries: &[Self]) -> Option<String> {
        Self::listed(tries, |tried| if_any(tried.connect))
    }

    /// Times to the heads of answers; `-` where none came.
    #[must_use]
    pub fn header_times(tries: &[Self]) -> Option<String> {
        Self::listed(tries, |tried| if_any(tried.first_byte))
    }

    /// Times of the whole tries.
    #[must_use]
    pub fn totals(tries: &[Self]) -> Option<String> {
        Self::listed(tries, |tried| seconds(tried.total))
    }

    fn listed(tries: &[Self], tell: impl Fn(&Self) -> String) -> Option<String> {
        let list: Vec<String> = tries.iter().map(tell).collect();
        (!list.is_empty()).then(|| list.join(", "))
    }
}

fn if_any(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}

/// A time as nginx tells it.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
