//! Laws of patterns. What holds them is Lua's own matcher, which knows nothing of ours: it lives in C,
//! and nothing of the sandbox is loaded beside it.

use std::fmt::Write;

use mlua::{Function, Lua, MultiValue, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use weir_plugin_api::testkit::FakeHost;

use super::super::pattern::{self, Capture};
use super::{posted, problem, value, value_in};

/// Short texts of what the patterns below speak of.
const TEXT: &str = "[ab1 .\\-\\]^%]{0,8}";

/// Patterns, among them many that are none.
const PATTERN: &str = "(\\^)?([ab.$*+?\\-\\[\\]^()%]|%[adwsbAD1f]|\\[\\^?[ab1%\\]-]{1,3}\\]|\\(a|\\(\\)|%bab|%f\\[a\\]){0,7}";

/// What a matcher gives: places and captures, nothing, or that the pattern is none.
type Outcome = Result<Option<(usize, usize, Vec<Vec<u8>>)>, ()>;

fn ours(text: &str, pattern: &str) -> Outcome {
    // A pattern without signs is looked for as a text, where it would be malformed too.
    if pattern::is_plain(pattern.as_bytes()) {
        let at = text.find(pattern);
        return Ok(at.map(|at| (at + 1, at + pattern.len(), Vec::new())));
    }
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let found = pattern::find(text, pattern, 0, false, &mut 10_000_000);
    let Some((from, to, captures)) = found.map_err(|_| ())? else {
        return Ok(None);
    };
    let captures = captures.into_iter().map(|capture| match capture {
        Capture::Bytes(from, to) => Ok(text[from..to].to_vec()),
        Capture::Position(at) => Ok((at + 1).to_string().into_bytes()),
        // Lua finds out when it tells the capture.
        Capture::Open(_) => Err(()),
    });
    Ok(Some((from + 1, to, captures.collect::<Result<_, _>>()?)))
}

fn theirs(lua: &Lua, text: &str, pattern: &str) -> Outcome {
    let find: Function = lua.load("string.find").eval().unwrap();
    let found = find.call::<MultiValue>((text, pattern)).map_err(|_| ())?;
    let mut values = found.into_iter();
    let mut place = || match values.next() {
        Some(Value::Integer(at)) => usize::try_from(at).ok(),
        _ => None,
    };
    let (Some(from), Some(to)) = (place(), place()) else {
        return Ok(None);
    };
    let captures = values.map(|value| match value {
        Value::String(text) => text.as_bytes().to_vec(),
        other => other.to_string().unwrap().into_bytes(),
    });
    Ok(Some((from, to, captures.collect())))
}

/// All that Lua's library does with patterns, as one text.
const EVERYTHING: &str = r#"
    local out = {}
    local function say(...)
        for at = 1, select('#', ...) do
            out[#out + 1] = tostring((select(at, ...)))
        end
        out[#out + 1] = ';'
    end
    local function told(ok, ...)
        if ok then say(...) else say('error') end
    end
    local function count(...) return select('#', ...) .. tostring((...)) end
    told(pcall(string.find, s, p))
    told(pcall(string.find, s, p, 3))
    told(pcall(string.find, s, p, -2))
    told(pcall(string.find, s, p, 1, true))
    told(pcall(string.match, s, p))
    told(pcall(string.match, s, p, 2))
    told(pcall(string.gsub, s, p, '<%0>'))
    told(pcall(string.gsub, s, p, '%1', 2))
    told(pcall(string.gsub, s, p, count))
    told(pcall(string.gsub, s, p, {a = 'x', b = false, [1] = 'one'}))
    told(pcall(function()
        for one, two in string.gmatch(s, p) do say(one, two) end
    end))
    return table.concat(out, ',')
"#;

/// A text as Lua reads it.
fn literal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut quoted, byte| {
        let _ = write!(quoted, "\\{byte:03}");
        quoted
    })
}

fn program(text: &str, pattern: &str) -> String {
    let (text, pattern) = (literal(text), literal(pattern));
    format!("local s, p = '{text}', '{pattern}' {EVERYTHING}")
}

/// What a program is in the sandbox.
fn sandboxed(program: &str) -> String {
    let mut context = posted().context(FakeHost::shared());
    value_in(&mut context, &format!("(function() {program} end)()"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn matches_are_those_of_lua(text in TEXT, pattern in PATTERN) {
        let expected = theirs(&Lua::new(), &text, &pattern);
        prop_assert_eq!(ours(&text, &pattern), expected, "{:?} in {:?}", pattern, text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_library_is_that_of_lua(text in TEXT, pattern in PATTERN) {
        let program = program(&text, &pattern);
        let expected: String = Lua::new().load(&program).eval().unwrap();
        prop_assert_eq!(sandboxed(&program), expected, "{:?} in {:?}", pattern, text);
    }

    #[test]
    fn replacing_matches_by_themselves_changes_nothing(text in TEXT, pattern in PATTERN) {
        let (s, p) = (literal(&text), literal(&pattern));
        let same = sandboxed(&format!(
            "local s, p = '{s}', '{p}'
             local function whole(...) return nil end
             local is_text, by_text = pcall(string.gsub, s, p, '%0')
             local is_one, by_function = pcall(string.gsub, s, p, whole)
             local is_found, from, to = pcall(string.find, s, p)
             local plain = is_found and from and not p:find('(', 1, true)
             return (not is_text or by_text == s) and (not is_one or by_function == s)
                 and (not plain or s:match(p) == s:sub(from, to))"
        ));
        prop_assert_eq!(same, "true", "{:?} in {:?}", pattern, text);
    }

    #[test]
    fn whatever_the_pattern_the_steps_are_an_end(
        text in vec(prop::sample::select(b"ab1 \xff\0".to_vec()), 0..500),
        pattern in vec(prop::sample::select(b"ab.*+-?[](){}^$%1bf\xff\0".to_vec()), 0..300),
        given in 0_u64..20_000,
    ) {
        let mut left = given;
        let _ = pattern::find(&text, &pattern, 0, false, &mut left);
        prop_assert!(left <= given);
    }
}

#[test]
fn what_is_looked_at_is_paid_for() {
    let text = vec![b'a'; 1000];
    for (pattern, least) in [
        // Each byte is compared with each member.
        ([&b"["[..], &[b'b'; 10_000], b"]"].concat(), 500_000),
        ([&b"%f["[..], &[b'b'; 10_000], b"]"].concat(), 500_000),
        // Each place is begun at, and gone on from.
        (b"a-b".to_vec(), 400_000),
        (b"(a*)%1b".to_vec(), 400_000),
    ] {
        let given = 1_000_000_000;
        let mut left = given;
        let found = pattern::find(&text, &pattern, 0, false, &mut left);
        assert_eq!(found, Ok(None));
        assert!(given - left > least, "{} steps", given - left);
    }
}

#[test]
fn a_capture_without_an_end_is_an_error_where_it_is_told() {
    for (expression, expected) in [
        ("a text", "string.gsub('abc', '(b', 'x') == 'axc'"),
        ("a text alone", "string.gsub('abc', '(b', '%0%0') == 'abbc'"),
        (
            "the first is told",
            "string.gsub('abc', '(a)(b', '<%1>') == '<a>c'",
        ),
        (
            "a table looks up the first",
            "string.gsub('abc', '(a)(b', {a = 'x'}) == 'xc'",
        ),
    ] {
        assert_eq!(value(expected), "true", "{expression}");
    }
    for expression in [
        "string.gsub('abc', '(b', '%1')",
        "string.gsub('abc', '(b', {})",
        "string.gsub('abc', '(a)(b', function() end)",
        "string.find('abc', '(b')",
        "string.match('abc', '(b')",
        "string.gmatch('abc', '(b')()",
    ] {
        let told = problem(expression);
        assert!(told.contains("unfinished capture"), "{expression}: {told}");
    }
}

#[test]
fn what_is_not_found_is_nil_and_not_nothing() {
    for expression in [
        "tostring(('a'):find('b'))",
        "tostring(('a'):find('%d'))",
        "tostring(('a'):find('.', 1, true))",
        "tostring(('a'):match('b'))",
    ] {
        assert_eq!(value(expression), "nil", "{expression}");
    }
}
