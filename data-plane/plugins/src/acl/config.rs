//! Configuration of `acl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels with some of their values.
pub type Labels = BTreeMap<String, Vec<String>>;

/// How the labels of an external user are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parser {
    /// A text with separators.
    SegmentedText,
    /// A text that is a JSON array.
    Json,
    /// An array.
    Table,
}

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Who has one of these passes; nobody else does.
    #[serde(default)]
    pub allow_labels: Option<Labels>,
    /// Who has one of these is refused.
    #[serde(default)]
    pub deny_labels: Option<Labels>,
    /// Where the labels of an external user are: a name, or a JSON path.
    #[serde(default = "groups")]
    pub external_user_label_field: String,
    /// Which label they are; without it, the field is.
    #[serde(default)]
    pub external_user_label_field_key: Option<String>,
    /// How they are written; without it, that is seen by what they are.
    #[serde(default)]
    pub external_user_label_field_parser: Option<Parser>,
    /// Regular expression between segments of a text.
    #[serde(default)]
    pub external_user_label_field_separator: Option<String>,
    /// Status of a refusal.
    #[serde(default = "forbidden")]
    pub rejected_code: u16,
    /// Message of a refusal.
    #[serde(default)]
    pub rejected_msg: Option<String>,
}

fn groups() -> String {
    "groups".into()
}

const fn forbidden() -> u16 {
    403
}
