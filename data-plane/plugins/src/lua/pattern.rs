//! Patterns of Lua (reference manual of Lua 5.1, section 5.4.1). Lua's own matcher may run for hours on
//! a short text without a single instruction; this one counts its steps.

/// Captures that a pattern may have.
const MOST_CAPTURES: usize = 32;

/// How deep a match may call itself.
const DEEPEST: u32 = 200;

/// Members of a set that are looked at in one step.
const MEMBERS: usize = 16;

/// What a capture holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Capture {
    /// Bytes from one place to another.
    Bytes(usize, usize),
    /// A position.
    Position(usize),
    /// Begun, and never ended: that is an error where it is told.
    Open(usize),
}

/// Why there is no outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The pattern is none.
    Malformed(&'static str),
    /// It took more steps than it may.
    TooManySteps,
}

type Outcome<T> = Result<T, Fault>;

/// A match: where it begins and ends, and its captures.
pub(super) type Found = (usize, usize, Vec<Capture>);

/// Whether a pattern stands for itself: Lua then looks for it as a text, whatever else is in it.
pub(super) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// Finds the first match at or after `from`, with at most `steps` steps, of which those that it took are
/// taken away. With `literal` a `^` stands for itself, as in `gmatch`.
pub(super) fn find(
    text: &[u8],
    pattern: &[u8],
    from: usize,
    literal: bool,
    steps: &mut u64,
) -> Outcome<Option<Found>> {
    let anchored = !literal && pattern.first() == Some(&b'^');
    let mut matcher = Matcher {
        text,
        pattern,
        captures: Vec::new(),
        depth: 0,
        steps,
    };
    for start in from..=text.len() {
        matcher.captures.clear();
        if let Some(end) = matcher.run(start, usize::from(anchored))? {
            return Ok(Some((start, end, matcher.captures)));
        }
        if anchored {
            break;
        }
    }
    Ok(None)
}

struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Capture>,
    depth: u32,
    steps: &'a mut u64,
}

impl Matcher<'_> {
    fn step(&mut self) -> Outcome<()> {
        self.spend(1)
    }

    fn spend(&mut self, steps: usize) -> Outcome<()> {
        let left = self.steps.checked_sub(steps as u64);
        *self.steps = left.ok_or(Fault::TooManySteps)?;
        Ok(())
    }

    fn at(&self, place: usize) -> Option<u8> {
        self.pattern.get(place).copied()
    }

    /// Where a match of the pattern from `p` on, at `s`, ends.
    fn run(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::Malformed("pattern too complex"));
        }
        let end = self.run_on(s, p);
        self.depth -= 1;
        end
    }

    fn run_on(&mut self, mut s: usize, mut p: usize) -> Outcome<Option<usize>> {
        loop {
            self.step()?;
            match (self.at(p), self.at(p + 1)) {
                (None, _) => return Ok(Some(s)),
                (Some(b'('), Some(b')')) => {
                    return self.begin(Capture::Position(s), s, p + 2);
                }
                (Some(b'('), _) => return self.begin(Capture::Open(s), s, p + 1),
                (Some(b')'), _) => return self.end(s, p + 1),
                (Some(b'$'), None) => return Ok((s == self.text.len()).then_some(s)),
                (Some(b'%'), Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (Some(b'%'), Some(b'f')) => match self.frontier(s, p + 2)? {
                    Some(next) => p = next,
                    None => return Ok(None),
                },
                (Some(b'%'), Some(digit)) if digit.is_ascii_digit() => {
                    match self.back_reference(s, digit)? {
                        Some(end) => (s, p) = (end, p + 2),
                        None => return Ok(None),
                    }
                }
                _ => {
                    let next = self.class_end(p)?;
                    match self.at(next) {
                        Some(b'?') => {
                            if self.single(s, p, next)? {
                                let kept = self.captures.clone();
                                if let Some(end) = self.run(s + 1, next + 1)? {
                                    return Ok(Some(end));
                                }
                                self.captures = kept;
                            }
                            p = next + 1;
                        }
                        Some(b'*') => return self.most(s, p, next),
                        Some(b'+') => {
                            if !self.single(s, p, next)? {
                                return Ok(None);
                            }
                            return self.most(s + 1, p, next);
                        }
                        Some(b'-') => return self.least(s, p, next),
                        _ => {
                            if !self.single(s, p, next)? {
                                return Ok(None);
                            }
                            (s, p) = (s + 1, next);
                        }
                    }
                }
            }
        }
    }

    fn begin(&mut self, capture: Capture, s: usize, p: usize) -> Outcome<Option<usize>> {
        if self.captures.len() >= MOST_CAPTURES {
            return Err(Fault::Malformed("too many captures"));
        }
        let before = self.captures.len();
        self.captures.push(capture);
        let end = self.run(s, p)?;
        if end.is_none() {
            self.captures.truncate(before);
        }
        Ok(end)
    }

    fn end(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        let open = self
            .captures
            .iter()
            .rposition(|capture| matches!(capture, Capture::Open(_)));
        let at = open.ok_or(Fault::Malformed("invalid pattern capture"))?;
        let Some(capture) = self.captures.get_mut(at) else {
            return Ok(None);
        };
        let before = *capture;
        if let Capture::Open(from) = before {
            *capture = Capture::Bytes(from, s);
        }
        let end = self.run(s, p)?;
        if end.is_none()
            && let Some(capture) = self.captures.get_mut(at)
        {
            *capture = before;
        }
        Ok(end)
    }

    /// As many as match, then fewer until the rest does.
    fn most(&mut self, s: usize, p: usize, next: usize) -> Outcome<Option<usize>> {
        let mut count = 0;
        while self.single(s + count, p, next)? {
            count += 1;
        }
        loop {
            if let Some(end) = self.run(s + count, next + 1)? {
                return Ok(Some(end));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// None, then more until the rest matches.
    fn least(&mut self, mut s: usize, p: usize, next: usize) -> Outcome<Option<usize>> {
        loop {
            if let Some(end) = self.run(s, next + 1)? {
                return Ok(Some(end));
            }
            if !self.single(s, p, next)? {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn balanced(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        let (Some(open), Some(close)) = (self.at(p), self.at(p + 1)) else {
            return Err(Fault::Malformed("unbalanced pattern"));
        };
        if self.text.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        let mut at = s + 1;
        while let Some(&byte) = self.text.get(at) {
            self.step()?;
            at += 1;
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    fn frontier(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        if self.at(p) != Some(b'[') {
            return Err(Fault::Malformed("missing '[' after '%f' in pattern"));
        }
        let next = self.class_end(p)?;
        let before = s.checked_sub(1).and_then(|at| self.text.get(at)).copied();
        let here = self.text.get(s).copied().unwrap_or(0);
        let crosses =
            !self.in_set(before.unwrap_or(0), p, next - 1) && self.in_set(here, p, next - 1);
        Ok(crosses.then_some(next))
    }

    fn back_reference(&mut self, s: usize, digit: u8) -> Outcome<Option<usize>> {
        let at = usize::from(digit).wrapping_sub(usize::from(b'1'));
        let (from, to) = match self.captures.get(at).copied() {
            Some(Capture::Bytes(from, to)) => (from, to),
            Some(Capture::Position(_)) => return Ok(None),
            Some(Capture::Open(_)) | None => {
                return Err(Fault::Malformed("invalid capture index"));
            }
        };
        let wanted = self.text.get(from..to).unwrap_or_default();
        self.spend(wanted.len())?;
        let rest = self.text.get(s..).unwrap_or_default();
        Ok(rest.starts_with(wanted).then_some(s + wanted.len()))
    }

    /// Where the class that begins at `p` ends.
    fn class_end(&mut self, mut p: usize) -> Outcome<usize> {
        let Some(first) = self.at(p) else {
            return Ok(p);
        };
        let begin = p;
        p += 1;
        match first {
            b'%' => match self.at(p) {
                None => Err(Fault::Malformed("malformed pattern (ends with '%')")),
                Some(_) => Ok(p + 1),
            },
            b'[' => {
                if self.at(p) == Some(b'^') {
                    p += 1;
                }
                loop {
                    let unended = Fault::Malformed("malformed pattern (missing ']')");
                    let byte = self.at(p).ok_or(unended)?;
                    p += 1;
                    if byte == b'%' {
                        p += 1;
                    }
                    if self.at(p) == Some(b']') {
                        self.spend((p - begin) / MEMBERS)?;
                        return Ok(p + 1);
                    }
                }
            }
            _ => Ok(p),
        }
    }

    /// Whether the byte at `s` is in the class from `p` to `next`.
    fn single(&mut self, s: usize, p: usize, next: usize) -> Outcome<bool> {
        self.step()?;
        let Some(&byte) = self.text.get(s) else {
            return Ok(false);
        };
        Ok(match self.at(p) {
            Some(b'.') => true,
            Some(b'%') => self.at(p + 1).is_some_and(|class| is_of_class(byte, class)),
            Some(b'[') => {
                self.spend((next - p) / MEMBERS)?;
                self.in_set(byte, p, next - 1)
            }
            other => other == Some(byte),
        })
    }

    /// Whether a byte is in the set from the `[` at `p` to the `]` at `end`.
    fn in_set(&self, byte: u8, p: usize, end: usize) -> bool {
        let negated = self.at(p + 1) == Some(b'^');
        let mut p = p + 1 + usize::from(negated);
        while p < end {
            let here = self.at(p).unwrap_or(0);
            if here == b'%' {
                if self.at(p + 1).is_some_and(|class| is_of_class(byte, class)) {
                    return !negated;
                }
                p += 2;
            } else if self.at(p + 1) == Some(b'-') && p + 2 < end {
                if (here..=self.at(p + 2).unwrap_or(0)).contains(&byte) {
                    return !negated;
                }
                p += 3;
            } else {
                if here == byte {
                    return !negated;
                }
                p += 1;
            }
        }
        negated
    }
}

fn is_of_class(byte: u8, class: u8) -> bool {
    let within = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    within != class.is_ascii_uppercase()
}
