//! Names of users inside distinguished names (RFC 4514 section 2.4).

/// A value that stands for itself, whatever is in it: nobody gets into another part of the tree by
/// a name.
pub(super) fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len() + 8);
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_syntax() {
        assert_eq!(escaped("jack"), "jack");
        assert_eq!(escaped("jäck o"), "jäck o");
        assert_eq!(escaped("a,ou=admins"), "a\\,ou\\=admins");
        assert_eq!(escaped("a+b\"<>;\\"), "a\\+b\\\"\\<\\>\\;\\\\");
        assert_eq!(escaped("# a #"), "\\# a #");
        assert_eq!(escaped(" a "), "\\ a\\ ");
        assert_eq!(escaped("a\u{0}\r\n"), "a\\00\\0d\\0a");
    }
}
