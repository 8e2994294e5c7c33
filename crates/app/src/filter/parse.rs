//! Reads a filter. Pure: which routes and models there are is not asked here.

use super::{Filter, Is, KEYS, LONGEST, MOST, Times, Word, wrong};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::definition::Span;
use model::{Millis, Money, Problem, TaskKind, TaskState, suggest};
use store::Compare;

/// Names of a path at most.
const DEEPEST: usize = 32;

/// Reads a filter.
///
/// # Errors
/// `filter_wrong`, with the place in the text.
pub(crate) fn parse(text: &str) -> Result<Filter, Problem> {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() > LONGEST {
        return Err(wrong(LONGEST, format!("a filter has at most {LONGEST} letters")));
    }
    let mut reader = Reader { letters: &letters, at: 0 };
    let mut words = Vec::new();
    while reader.skip_spaces() {
        reader.word(&mut words)?;
        if words.len() > MOST {
            return Err(wrong(reader.at, format!("a filter has at most {MOST} words and values")));
        }
    }
    Ok(Filter { words })
}

struct Reader<'a> {
    letters: &'a [char],
    /// The next letter's place, from 0.
    at: usize,
}

/// A piece of text, whether it was quoted, and where it stands.
struct Piece {
    text: String,
    is_quoted: bool,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    /// Whether there is more.
    fn skip_spaces(&mut self) -> bool {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        self.at < self.letters.len()
    }

    /// One word, which is as many as it has values.
    fn word(&mut self, words: &mut Vec<Word>) -> Result<(), Problem> {
        let at = self.at + 1;
        let is_not = self.peek() == Some('-');
        if is_not {
            self.at += 1;
        }
        let first = self.piece(&[':'])?;
        if self.peek() != Some(':') || first.is_quoted {
            if first.text.is_empty() {
                return Err(
                    wrong(at, "there is nothing to look for").hint("write a word, or a key and a value: status:failed")
                );
            }
            words.push(Word { is_not, is: Is::Text(first.text), at });
            return Ok(());
        }
        let key = Key::read(&first)?;
        loop {
            self.at += 1;
            let compare = self.compare();
            let value = self.piece(&[','])?;
            if value.text.is_empty() && !value.is_quoted {
                return Err(wrong(value.at, format!("{} has no value", first.text)).hint(key.example()));
            }
            words.push(Word { is_not, is: key.is(compare, &value)?, at });
            if self.peek() != Some(',') {
                return Ok(());
            }
        }
    }

    /// Text up to a space or one of these letters, or between quotation marks.
    fn piece(&mut self, ends: &[char]) -> Result<Piece, Problem> {
        let at = self.at + 1;
        if self.peek() == Some('"') {
            return self.quoted(at);
        }
        let mut text = String::new();
        while let Some(letter) = self.peek().filter(|letter| !letter.is_whitespace() && !ends.contains(letter)) {
            text.push(letter);
            self.at += 1;
        }
        Ok(Piece { text, is_quoted: false, at })
    }

    fn quoted(&mut self, at: usize) -> Result<Piece, Problem> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let letter = self.peek().ok_or_else(|| wrong(at, "a quotation mark is not closed"))?;
            self.at += 1;
            match letter {
                '"' => return Ok(Piece { text, is_quoted: true, at }),
                '\\' => {
                    let escaped = self.peek().filter(|letter| matches!(letter, '"' | '\\'));
                    let hint = "write \\\" for a quotation mark and \\\\ for a backslash";
                    text.push(escaped.ok_or_else(|| wrong(self.at, "a backslash stands before nothing").hint(hint))?);
                    self.at += 1;
                }
                other => text.push(other),
            }
        }
    }

    fn compare(&mut self) -> Option<Compare> {
        let (compare, length) = match (self.peek()?, self.letters.get(self.at + 1)) {
            ('>', Some('=')) => (Compare::AtLeast, 2),
            ('<', Some('=')) => (Compare::AtMost, 2),
            ('>', _) => (Compare::More, 1),
            ('<', _) => (Compare::Less, 1),
            ('=', _) => (Compare::Equal, 1),
            _ => return None,
        };
        self.at += length;
        Some(compare)
    }
}

/// A key that is known.
struct Key {
    name: &'static str,
    /// Of `data`.
    path: Vec<String>,
}

impl Key {
    fn read(piece: &Piece) -> Result<Self, Problem> {
        let (name, path) = match piece.text.split_once('.') {
            Some(("data", path)) => ("data", path.split('.').map(str::to_owned).collect()),
            _ => (piece.text.as_str(), Vec::new()),
        };
        let known = || KEYS.iter().map(|(name, _)| *name);
        let Some(name) = known().find(|known| *known == name) else {
            let problem = wrong(piece.at, format!("there is no key \"{}\"", piece.text.escape_debug()));
            let near = suggest::nearest(&piece.text, known()).map(|near| format!("did you mean {near}:? "));
            let text = "text with a colon in it stands between quotation marks";
            return Err(problem.hint(format!(
                "{}keys are {}; {text}",
                near.unwrap_or_default(),
                known().collect::<Vec<_>>().join(", ")
            )));
        };
        if name == "data" && (path.is_empty() || path.len() > DEEPEST || path.iter().any(String::is_empty)) {
            return Err(wrong(piece.at, "data has no path").hint("write data.order.id:1234"));
        }
        Ok(Self { name, path })
    }

    fn example(&self) -> String {
        let meaning = KEYS.iter().find(|(name, _)| *name == self.name).map_or("", |(_, meaning)| meaning);
        format!("{}: {meaning}", self.name)
    }

    fn is(&self, compare: Option<Compare>, piece: &Piece) -> Result<Is, Problem> {
        let text = piece.text.as_str();
        let problem = |reason: String| wrong(piece.at, reason).hint(self.example());
        let number = || text.parse::<i64>().ok().filter(|number| *number >= 0);
        let number = || number().ok_or_else(|| problem(format!("\"{}\" is no number", text.escape_debug())));
        let needs = || compare.ok_or_else(|| problem(format!("{} is compared, with > or <", self.name)));
        let span = || text.parse::<Span>().map(|span| span.0).map_err(&problem);
        let is_compared = matches!(self.name, "cost" | "duration" | "attempts" | "created" | "finished" | "age");
        if !is_compared && compare.is_some_and(|compare| compare != Compare::Equal) {
            return Err(problem(format!("{} is not compared", self.name)));
        }
        Ok(match self.name {
            "status" => Is::Status(state(piece)?),
            "kind" => match text {
                "pull" => Is::Kind(TaskKind::Pull),
                "push" => Is::Kind(TaskKind::Push),
                _ => return Err(problem("kinds are pull and push".to_owned())),
            },
            "route" => Is::Route(text.to_owned()),
            "incoming" => Is::Incoming(text.to_owned()),
            "operation" => Is::Operation(text.to_owned()),
            "client" => Is::Client(text.to_owned()),
            "run" => Is::Run(number()?),
            "id" => Is::Id(number()?),
            "source" => Is::Source(number()?),
            "identifier" => Is::Identifier(text.to_owned()),
            "code" => code(text).ok_or_else(|| {
                problem("a code has small letters, digits and _, and a status three digits".to_owned())
            })?,
            "model" => Is::Model(text.to_owned()),
            "cost" => {
                let money = text.parse().ok().and_then(Money::from_units);
                Is::Cost(needs()?, money.ok_or_else(|| problem(format!("\"{}\" is no amount", text.escape_debug())))?)
            }
            "duration" => Is::Duration(needs()?, span()?),
            "attempts" => Is::Attempts(compare.unwrap_or(Compare::Equal), number()?),
            "created" => Is::Created(compare.unwrap_or(Compare::Equal), times(text).map_err(&problem)?),
            "finished" => Is::Finished(compare.unwrap_or(Compare::Equal), times(text).map_err(&problem)?),
            "age" => Is::Age(needs()?, span()?),
            "data" => Is::Data(self.path.clone(), text.to_owned()),
            _ => Is::Text(text.to_owned()),
        })
    }
}

fn state(piece: &Piece) -> Result<TaskState, Problem> {
    let words = || TaskState::ALL.iter().map(|state| state.as_str());
    TaskState::from_word(&piece.text).ok_or_else(|| {
        let near = suggest::nearest(&piece.text, words()).map(|near| format!("did you mean {near}? "));
        let all = words().collect::<Vec<_>>().join(", ");
        wrong(piece.at, format!("there is no status \"{}\"", piece.text.escape_debug()))
            .hint(format!("{}they are {all}", near.unwrap_or_default()))
    })
}

/// A code of a problem, or an HTTP status.
fn code(text: &str) -> Option<Is> {
    if let Ok(status) = text.parse::<u16>() {
        return (100..1_000).contains(&status).then_some(Is::HttpStatus(status));
    }
    let is_code = text.len() <= 100 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    is_code.then(|| Is::Code(text.to_owned()))
}

/// A day of UTC, or a moment.
fn times(text: &str) -> Result<Times, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        let from = moment.as_millisecond();
        return Ok(Times { from, before: from + 1 });
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let start = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond()).ok();
    let both = day.and_then(|day| Some((start(day)?, start(day.tomorrow().ok()?)?)));
    let wrong = || format!("\"{}\" is no time; write 2026-11-01 or 2026-11-01T12:00:00Z", text.escape_debug());
    both.map(|(from, before)| Times { from, before }).ok_or_else(wrong)
}

impl Times {
    /// As a comparison of a single time.
    pub(super) fn compared(self, compare: Compare) -> (Compare, Millis) {
        match compare {
            Compare::More => (Compare::AtLeast, self.before),
            Compare::AtLeast => (Compare::AtLeast, self.from),
            Compare::Less => (Compare::Less, self.from),
            Compare::AtMost | Compare::Equal => (Compare::Less, self.before),
        }
    }
}
