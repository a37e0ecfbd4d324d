//! Configuration of `consumer-restriction`.

use serde::{Deserialize, Serialize};

/// What is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Name of the consumer.
    #[default]
    ConsumerName,
    /// Id of the consumer's group.
    ConsumerGroupId,
    /// Id of the route's service.
    ServiceId,
    /// Id of the route.
    RouteId,
}

impl Subject {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsumerName => "consumer_name",
            Self::ConsumerGroupId => "consumer_group_id",
            Self::ServiceId => "service_id",
            Self::RouteId => "route_id",
        }
    }
}

/// Methods of one user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserMethods {
    /// Whom the list is for.
    pub user: Option<String>,
    /// What that user may do.
    pub methods: Option<Vec<String>>,
}

/// What an operator writes. At least one of the lists is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What is looked at.
    #[serde(rename = "type")]
    pub subject: Subject,
    /// These are refused.
    pub blacklist: Option<Vec<String>>,
    /// Only these pass.
    pub whitelist: Option<Vec<String>>,
    /// What may be done by users who are not on the white list; users that are not listed may do
    /// everything.
    pub allowed_by_methods: Option<Vec<UserMethods>>,
    /// Status of a refusal; 200 or more.
    pub rejected_code: u16,
    /// Message of a refusal.
    pub rejected_msg: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            subject: Subject::default(),
            blacklist: None,
            whitelist: None,
            allowed_by_methods: None,
            rejected_code: 403,
            rejected_msg: None,
        }
    }
}
