//! Texts quoted as Lua's `%q` quotes them.

/// Puts a text in double quotes; quotes, backslashes and line ends get a backslash.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' | '\\' | '\n' => {
                out.push('\\');
                out.push(symbol);
            }
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            _ => out.push(symbol),
        }
    }
    out.push('"');
    out
}
