//! The functions that templates have.

/// What `require` gives, and what stands under a global name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    /// `string`.
    Text,
    /// `cjson`, `cjson.safe`, and `json` of `apisix.core`.
    Json,
    /// `apisix.core`.
    Core,
    /// `tinyyaml`.
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    EscapeXml,
    EscapeJson,
    DecodeJson,
    ParseYaml,
    ToNumber,
    ToText,
    Type,
    Lower,
    Upper,
    Sub,
    Length,
}

/// What may stand behind a `:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Lower,
    Upper,
    Sub,
    Length,
    /// Of `_multipart`.
    Get,
    SetSimple,
    Delete,
    ToText,
}

impl Module {
    /// What `require(name)` gives.
    ///
    /// # Errors
    /// Which names there are.
    pub(super) fn required(name: &[u8]) -> Result<Self, String> {
        match name {
            b"apisix.core" => Ok(Self::Core),
            b"cjson" | b"cjson.safe" => Ok(Self::Json),
            b"tinyyaml" => Ok(Self::Yaml),
            b"string" => Ok(Self::Text),
            other => Err(format!(
                "require(\"{}\") is not supported, expected \"apisix.core\", \"cjson\", \
                 \"cjson.safe\" or \"tinyyaml\"",
                String::from_utf8_lossy(other)
            )),
        }
    }

    /// A module inside of this one.
    pub(super) fn inner(self, name: &str) -> Option<Self> {
        (self == Self::Core && name == "json").then_some(Self::Json)
    }

    /// A function of this module; `gsub` is none of them, it is compiled.
    pub(super) fn function(self, name: &str) -> Option<Function> {
        Some(match (self, name) {
            (Self::Text, "lower") => Function::Lower,
            (Self::Text, "upper") => Function::Upper,
            (Self::Text, "sub") => Function::Sub,
            (Self::Text, "len") => Function::Length,
            (Self::Json, "encode") => Function::EscapeJson,
            (Self::Json, "decode") => Function::DecodeJson,
            (Self::Yaml, "parse") => Function::ParseYaml,
            _ => return None,
        })
    }
}

impl Function {
    /// A function under a global name.
    pub(super) fn global(name: &str) -> Option<Self> {
        Some(match name {
            "_escape_xml" => Self::EscapeXml,
            "_escape_json" => Self::EscapeJson,
            "tonumber" => Self::ToNumber,
            "tostring" => Self::ToText,
            "type" => Self::Type,
            _ => return None,
        })
    }
}

impl Method {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "sub" => Self::Sub,
            "len" => Self::Length,
            "get" => Self::Get,
            "set_simple" => Self::SetSimple,
            "delete" => Self::Delete,
            "tostring" => Self::ToText,
            _ => return None,
        })
    }
}
