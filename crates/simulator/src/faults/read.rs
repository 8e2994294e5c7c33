//! From the text of a faults file to its rules, with all that is wrong said at once.

use super::yaml::{self, Content, Node};
use super::{Act, Faults, Limit, Rule, Status, Wanted};
use bytes::Bytes;
use connectors::mistral::catalogue::catalogue;
use model::definition::Span;
use model::{Problem, suggest};
use serde_json::Value;
use std::time::Duration;

const WANTED: [&str; 5] = ["operation", "row", "nth", "every", "probability"];
const LIMITS: [&str; 2] = ["requests_per_second", "tokens_per_minute"];
const BESIDE_STATUS: [&str; 3] = ["retry_after", "limit", "body"];
const ACTS: [&str; 12] = [
    "latency",
    "status",
    "reset",
    "cut",
    "silence",
    "drip",
    "wrong_json",
    "html",
    "body_size",
    "endless",
    "content_length",
    "error_event",
];

type Members = [(String, Node)];

/// Reads a file.
pub(super) fn read(text: &str) -> Result<Faults, Vec<Problem>> {
    let node = yaml::read(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader::default();
    let faults = reader.file(&node);
    reader.problems.dedup();
    if reader.problems.is_empty() { Ok(faults) } else { Err(reader.problems) }
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    /// Where the reader is: `rule 2: do.`, before the name of a member.
    place: String,
}

impl Reader {
    fn wrong(&mut self, name: &str, line: u64, reason: impl Into<String>, hint: Option<String>) {
        let place = format!("{}{name}", self.place);
        let mut problem = Problem::new("faults_wrong", reason).at(place.trim_end_matches(['.', ' ', ':'])).line(line);
        problem.hint = hint;
        self.problems.push(problem);
    }

    /// Says that a member should be something else.
    fn should_be<T>(&mut self, name: &str, node: &Node, wanted: &str) -> Option<T> {
        let given = node.value();
        let given = if given.to_string().len() <= 60 { format!(", not {given}") } else { String::new() };
        self.wrong(name, node.line, format!("must be {wanted}{given}"), None);
        None
    }

    /// The members of an object that may have these names and no others.
    fn object<'n>(&mut self, name: &str, node: &'n Node, known: &[&str]) -> &'n Members {
        let Content::Object(members) = &node.content else {
            self.should_be::<()>(name, node, &format!("an object with {}", listed(known)));
            return &[];
        };
        let before = self.place.clone();
        if !name.is_empty() {
            self.place = format!("{before}{name}.");
        }
        for (member, value) in members.iter().filter(|(member, _)| !known.contains(&member.as_str())) {
            let hint = suggest::hint(member, known.iter().copied());
            self.wrong(member, value.line, format!("there is no \"{member}\" here"), hint);
        }
        self.place = before;
        members
    }

    fn file(&mut self, node: &Node) -> Faults {
        let members = self.object("", node, &["seed", "rules", "rate_limit"]);
        let seed = self.whole(members, "seed", 0, u64::MAX).unwrap_or(0);
        let limit = of(members, "rate_limit").map(|node| self.limit(node));
        let mut rules = Vec::new();
        match of(members, "rules").map(|node| (node, &node.content)) {
            Some((_, Content::List(items))) => {
                for (place, item) in items.iter().enumerate() {
                    self.place = format!("rule {}: ", place + 1);
                    rules.extend(self.rule(item));
                }
                self.place.clear();
            }
            Some((node, _)) => drop(self.should_be::<()>("rules", node, "a list")),
            None if limit.is_none() => {
                let hint = Some("write rules or a rate_limit".to_owned());
                self.wrong("", node.line, "the file asks for nothing", hint);
            }
            None => {}
        }
        Faults { seed, rules, limit }
    }

    fn limit(&mut self, node: &Node) -> Limit {
        let members = self.object("rate_limit", node, &LIMITS);
        self.place = "rate_limit.".to_owned();
        let requests_per_second = of(members, LIMITS[0]).and_then(|node| match node.value().as_f64() {
            Some(rate) if rate > 0.0 => Some(rate),
            _ => self.should_be(LIMITS[0], node, "a number above 0"),
        });
        let tokens_per_minute = self.whole(members, LIMITS[1], 1, u64::MAX);
        self.place.clear();
        if members.is_empty() {
            let hint = Some(format!("give {}", listed(&LIMITS)));
            self.wrong("rate_limit", node.line, "there is no limit", hint);
        }
        Limit { requests_per_second, tokens_per_minute }
    }

    fn rule(&mut self, node: &Node) -> Option<Rule> {
        let members = self.object("", node, &["match", "do"]);
        let wanted = of(members, "match").map(|node| self.wanted(node)).unwrap_or_default();
        let Some(act) = of(members, "do") else {
            if matches!(node.content, Content::Object(_)) {
                self.wrong("", node.line, "the rule does nothing", Some(format!("give do: one of {}", listed(&ACTS))));
            }
            return None;
        };
        let line = act.line;
        let act = self.act(act)?;
        if matches!(act, Act::ResetBeforeReading) && wanted.row.is_some() {
            let hint = Some("leave row out, or reset after_reading".to_owned());
            self.wrong("do.reset", line, "before the body is read nobody knows whether it contains row", hint);
        }
        Some(Rule { wanted, act })
    }

    fn wanted(&mut self, node: &Node) -> Wanted {
        let members = self.object("match", node, &WANTED);
        let rule = std::mem::take(&mut self.place);
        self.place = format!("{rule}match.");
        let operations = of(members, "operation").and_then(|node| self.operation(node));
        let row = of(members, "row").and_then(|node| match node.value() {
            Value::String(row) if !row.is_empty() => Some(row),
            Value::Number(row) => Some(row.to_string()),
            _ => self.should_be("row", node, "a text that the body contains"),
        });
        let nth = of(members, "nth").and_then(|node| self.numbers(node)).unwrap_or_default();
        let every = self.whole(members, "every", 1, u64::MAX);
        let probability = of(members, "probability").and_then(|node| match node.value().as_f64() {
            Some(probability) if (0.0..=1.0).contains(&probability) => Some(probability),
            _ => self.should_be("probability", node, "a number from 0 to 1"),
        });
        self.place = rule;
        Wanted { operations, row, nth, every, probability }
    }

    fn operation(&mut self, node: &Node) -> Option<Vec<usize>> {
        let Value::String(name) = node.value() else {
            return self.should_be("operation", node, "a title or a method and a path");
        };
        let entries = || catalogue().operations.iter();
        let signature = |(method, path): (&str, &str)| format!("{method} {path}");
        let signatures: Vec<String> = entries().map(|entry| signature((entry.method.as_str(), &entry.path))).collect();
        let wanted = entries().zip(&signatures).enumerate();
        let wanted = wanted.filter(|(_, (entry, signature))| entry.title == name || **signature == name);
        let wanted: Vec<usize> = wanted.map(|(place, _)| place).collect();
        if wanted.is_empty() {
            let known = entries().map(|entry| entry.title.as_str()).chain(signatures.iter().map(String::as_str));
            let hint = suggest::nearest(&name, known).map(|near| format!("did you mean \"{near}\"?"));
            let hint = hint.or_else(|| Some("`tramontane entities` lists the operations".to_owned()));
            self.wrong("operation", node.line, format!("there is no operation \"{name}\""), hint);
            return None;
        }
        Some(wanted)
    }

    /// One number from 1, or a list of them.
    fn numbers(&mut self, node: &Node) -> Option<Vec<u64>> {
        let one = |node: &Node| node.value().as_u64().filter(|nth| *nth > 0);
        let numbers: Option<Vec<u64>> = match &node.content {
            Content::List(items) if !items.is_empty() => items.iter().map(one).collect(),
            _ => one(node).map(|nth| vec![nth]),
        };
        numbers.or_else(|| self.should_be("nth", node, "a number from 1, or a list of such numbers"))
    }

    fn act(&mut self, node: &Node) -> Option<Act> {
        let known: Vec<&str> = ACTS.into_iter().chain(BESIDE_STATUS).collect();
        let members = self.object("do", node, &known);
        let rule = std::mem::take(&mut self.place);
        self.place = format!("{rule}do.");
        let mut named = members.iter().filter(|(name, _)| ACTS.contains(&name.as_str()));
        let act = match (named.next(), named.next()) {
            (Some((name, value)), None) => {
                let alone = name == "status" || self.stands_alone(members, name);
                self.one_act(name, value, members).filter(|_| alone)
            }
            (Some((first, _)), Some((second, value))) => {
                let hint = Some("write a rule for each".to_owned());
                self.wrong(second, value.line, format!("a rule does one thing, and this one does {first}"), hint);
                None
            }
            (None, _) => {
                // An unknown name has been told already.
                if members.iter().all(|(name, _)| known.contains(&name.as_str())) {
                    self.wrong("", node.line, "the rule does nothing", Some(format!("give one of {}", listed(&ACTS))));
                }
                None
            }
        };
        self.place = rule;
        act
    }

    fn stands_alone(&mut self, members: &Members, name: &str) -> bool {
        let beside = members.iter().find(|(beside, _)| BESIDE_STATUS.contains(&beside.as_str()));
        if let Some((beside, node)) = beside {
            let hint = Some("it stands beside status".to_owned());
            self.wrong(beside, node.line, format!("means nothing beside {name}"), hint);
        }
        beside.is_none()
    }

    fn one_act(&mut self, name: &str, node: &Node, members: &Members) -> Option<Act> {
        match name {
            "latency" => self.duration(name, node).map(Act::Latency),
            "status" => self.status(node, members),
            "reset" => match node.value().as_str() {
                Some("before_reading") => Some(Act::ResetBeforeReading),
                Some("after_reading") => Some(Act::ResetAfterReading),
                _ => self.should_be(name, node, "before_reading or after_reading"),
            },
            "cut" => {
                let node = self.member(name, node, "after", &["after"])?;
                let bytes = self.size("cut.after", node)?;
                Some(Act::Cut(usize::try_from(bytes).unwrap_or(usize::MAX)))
            }
            "drip" => {
                let every = self.member(name, node, "every", &["every", "bytes"])?;
                let every = self.duration("drip.every", every)?;
                let bytes = match of(self.object(name, node, &["every", "bytes"]), "bytes") {
                    Some(node) => match self.size("drip.bytes", node)? {
                        0 => return self.should_be("drip.bytes", node, "at least 1"),
                        bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
                    },
                    None => 1,
                };
                Some(Act::Drip { every, bytes })
            }
            "body_size" => self.size(name, node).map(Act::Size),
            "content_length" => match node.value().as_i64() {
                Some(off) if off != 0 => Some(Act::Length(off)),
                _ => self.should_be(name, node, "how far off it is, for example +10 or -10"),
            },
            _ if node.value() != Value::Bool(true) => self.should_be(name, node, "true"),
            "silence" => Some(Act::Silence),
            "wrong_json" => Some(Act::WrongJson),
            "html" => Some(Act::Html),
            "endless" => Some(Act::Endless),
            _ => Some(Act::ErrorEvent),
        }
    }

    /// A member that an object must have.
    fn member<'n>(&mut self, name: &str, node: &'n Node, wanted: &str, known: &[&str]) -> Option<&'n Node> {
        let before = self.problems.len();
        let found = of(self.object(name, node, known), wanted);
        if found.is_none() && self.problems.len() == before {
            self.wrong(name, node.line, format!("\"{wanted}\" is missing"), None);
        }
        found
    }

    fn status(&mut self, node: &Node, members: &Members) -> Option<Act> {
        let status = node.value().as_u64().and_then(|status| u16::try_from(status).ok());
        let Some(status) = status.filter(|status| (200..600).contains(status)) else {
            return self.should_be("status", node, "a status code from 200 to 599");
        };
        let retry_after = of(members, "retry_after").and_then(|node| match node.value() {
            Value::Number(seconds) if seconds.is_u64() => Some(seconds.to_string()),
            Value::String(date) if jiff::fmt::rfc2822::parse(&date).is_ok() => Some(date),
            _ => self.should_be("retry_after", node, "seconds, or a date such as \"Wed, 21 Oct 2026 07:28:00 GMT\""),
        });
        let limit = self.whole(members, "limit", 0, u64::MAX);
        let body = of(members, "body").map(|node| match node.value() {
            Value::String(text) => (media_type(&text), Bytes::from(text)),
            value => ("application/json", value.to_string().into()),
        });
        Some(Act::Status(Status { status, retry_after, limit, body }))
    }

    fn whole(&mut self, members: &Members, name: &str, least: u64, most: u64) -> Option<u64> {
        let node = of(members, name)?;
        let number = node.value().as_u64().filter(|number| (least..=most).contains(number));
        number.or_else(|| self.should_be(name, node, &format!("a whole number from {least}")))
    }

    fn duration(&mut self, name: &str, node: &Node) -> Option<Duration> {
        let span = node.value().as_str().and_then(|text| text.parse::<Span>().ok());
        let span = span.and_then(|span| u64::try_from(span.0).ok()).map(Duration::from_millis);
        span.or_else(|| self.should_be(name, node, "a length of time such as 250ms, 10s, 5m"))
    }

    fn size(&mut self, name: &str, node: &Node) -> Option<u64> {
        let value = node.value();
        let size = value.as_u64().or_else(|| size(value.as_str()?));
        size.or_else(|| self.should_be(name, node, "a number of bytes such as 100, 64KiB, 10MiB, 1GiB"))
    }
}

fn of<'n>(members: &'n Members, name: &str) -> Option<&'n Node> {
    members.iter().find(|(known, _)| known == name).map(|(_, node)| node)
}

fn listed(names: &[&str]) -> String {
    names.join(", ")
}

/// A number with a unit, in bytes.
fn size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] = [("bytes", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// What a body of the file's own is said to be.
fn media_type(text: &str) -> &'static str {
    if text.trim_start().starts_with('<') {
        "text/html; charset=utf-8"
    } else if serde_json::from_str::<Value>(text).is_ok() {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    }
}
