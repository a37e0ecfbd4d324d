//! Texts of the corpus: characters up to U+00FF are bytes, and `{...}` is short for something.
//!
//! `{get}` and `{post}` are a request line and a host, `{chunked}` a whole head, `{smuggled}` a
//! request that needs a key and has none, `{smuggled_open}` one that needs none, `{50*x}` is `x`
//! fifty times.

/// The bytes that a text stands for.
///
/// # Panics
/// When the text has a character that is no byte.
pub fn bytes(text: &str) -> Vec<u8> {
    expand(text)
        .chars()
        .map(|char| u8::try_from(u32::from(char)).expect("characters up to U+00FF"))
        .collect()
}

/// The text with everything written out.
pub fn expand(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, inner) = rest.split_at(open);
        out.push_str(before);
        match closing(inner).and_then(|end| Some((end, meaning(inner.get(1..end)?)?))) {
            Some((end, meaning)) => {
                out.push_str(&meaning);
                rest = inner.get(end + 1..).unwrap_or_default();
            }
            None => {
                out.push('{');
                rest = inner.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Place of the brace that closes the first one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn meaning(name: &str) -> Option<String> {
    if let Some((count, text)) = name.split_once('*')
        && let Ok(count) = count.parse()
    {
        return Some(expand(text).repeat(count));
    }
    let text = match name {
        "get" => "GET /p HTTP/1.1\r\nHost: a.test\r\n",
        "post" => "POST /p HTTP/1.1\r\nHost: a.test\r\n",
        "chunked" => "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        "smuggled" => "GET /guarded/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "smuggled_open" => "GET /p?second HTTP/1.1\r\nHost: a.test\r\n\r\n",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_written_out() {
        assert_eq!(expand("{3*ab}c{2*{2*x}y}"), "abababcxxyxxy");
        assert_eq!(expand("{X}: {nothing"), "{X}: {nothing");
        assert!(expand("{get}\r\n").starts_with("GET /p HTTP/1.1\r\n"));
        assert_eq!(bytes("\u{e9}\0"), [0xe9, 0]);
    }
}
