//! How a place in a payload is written: `a.b[0].c`.
//!
//! ```text
//! path  = "."                                  the whole payload
//!       | step { "." key | "[" … "]" }
//! step  = key | "[" … "]"
//! key   = name                                 a member of an object: letters, digits, _ - $ @ : and all beyond ASCII
//!       | "\"…\""                              the same, for every other name, written as in JSON
//!       | "*"                                  every member of an object
//! "[" … "]" = "[" number "]"                   an item of a list, from 0; from the end if negative
//!           | "[*]"                            every item of a list
//! ```

use model::{Problem, suggest};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// The most steps of a path.
const MAX_STEPS: usize = 50;

/// What is done with a value, and the steps that lead on from it.
type Put<'p> = dyn FnMut(&mut Value, &[Step]) -> Result<(), Problem> + 'p;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Key(String),
    /// An item of a list.
    Index(i64),
    /// Every member of an object: `*`.
    Members,
    /// Every item of a list: `[*]`.
    Items,
}

/// A place in a payload, or with wildcards several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

impl Path {
    /// A path of these steps.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// Its steps, from the outside.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many wildcards it has.
    #[must_use]
    pub fn wildcards(&self) -> usize {
        self.steps.iter().filter(|step| step.is_wildcard()).count()
    }

    /// The same path with its wildcards replaced in order.
    #[must_use]
    pub fn bind(&self, bound: &[Step]) -> Self {
        let mut bound = bound.iter();
        let steps = self.steps.iter();
        let bind = |step: &Step| if step.is_wildcard() { bound.next().unwrap_or(step) } else { step }.clone();
        Self { steps: steps.map(bind).collect() }
    }

    /// The value there, if there is one. A path with wildcards has none.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(root, |value, step| step.child(value))
    }

    /// Every value there, each with what its wildcards stand for.
    #[must_use]
    pub fn find_all<'v>(&self, root: &'v Value) -> Vec<(Vec<Step>, &'v Value)> {
        let mut found = Vec::new();
        collect(&self.steps, root, &mut Vec::new(), &mut found);
        found
    }

    /// Changes every value there. Nothing is made that is not there.
    ///
    /// # Errors
    /// What `change` says; the place is the JSON pointer of the value.
    pub fn change(
        &self,
        root: &mut Value,
        change: &mut dyn FnMut(&mut Value) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        change_at(&self.steps, root, change)
    }

    /// Puts a value there. Objects and lists on the way are made where there is nothing (or `null`), a list grows by one
    /// at most, and wildcards stand for what there is.
    ///
    /// # Errors
    /// `wrong_type` where something else stands on the way, `list_too_short` where a list has no such item.
    pub fn set(&self, root: &mut Value, value: Value) -> Result<(), Problem> {
        if self.wildcards() == 0 {
            return put(&self.steps, root, value);
        }
        self.place(root, &mut |place, steps| put(steps, place, value.clone()))
    }

    /// Puts a value there as [`Path::set`] does, but only where there is none or `null`.
    ///
    /// # Errors
    /// As for [`Path::set`].
    pub fn set_missing(&self, root: &mut Value, value: &Value) -> Result<(), Problem> {
        self.place(root, &mut |place, steps| match steps.iter().try_fold(&*place, |here, step| step.child(here)) {
            None | Some(Value::Null) => put(steps, place, value.clone()),
            Some(_) => Ok(()),
        })
    }

    /// Calls `put` with every value that the path fits up to its last wildcard, and the steps after that.
    fn place(&self, root: &mut Value, put: &mut Put<'_>) -> Result<(), Problem> {
        let wild = self.steps.iter().rposition(Step::is_wildcard).map_or(0, |last| last + 1);
        let (outer, inner) = self.steps.split_at(wild);
        change_at(outer, root, &mut |place| put(place, inner))
    }

    /// The value there, made (as `null`) if it is missing, with all on the way.
    ///
    /// # Errors
    /// As for [`Path::set`]. A path with wildcards cannot be made.
    pub fn make<'v>(&self, root: &'v mut Value) -> Result<&'v mut Value, Problem> {
        make(&self.steps, root)
    }

    /// The same place as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> String {
        pointer(&self.steps)
    }

    /// Takes out every value there, each with what its wildcards stand for. The rest of a list moves up.
    pub fn take(&self, root: &mut Value) -> Vec<(Vec<Step>, Value)> {
        let mut taken = Vec::new();
        take_at(&self.steps, root, &mut Vec::new(), &mut taken);
        taken
    }

    /// The problem that there is no value there.
    #[must_use]
    pub fn missing(&self, root: &Value) -> Problem {
        let mut here = root;
        let mut place = String::new();
        for step in &self.steps {
            let Some(next) = step.child(here) else {
                let problem = Problem::new("missing_value", format!("there is no \"{self}\" in the payload")).at(place);
                return match (step, here) {
                    (Step::Key(name), Value::Object(map)) => hinted(problem, name, map),
                    _ => problem,
                };
            };
            place.push_str(&step.token());
            here = next;
        }
        Problem::new("missing_value", format!("there is no \"{self}\" in the payload")).at(place)
    }
}

fn hinted(problem: Problem, name: &str, map: &Map<String, Value>) -> Problem {
    match suggest::hint(name, map.keys().map(String::as_str)) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

impl Step {
    /// Whether it stands for several.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Members | Self::Items)
    }

    fn child<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match (self, value) {
            (Self::Key(name), Value::Object(map)) => map.get(name),
            (Self::Index(at), Value::Array(list)) => list.get(position(*at, list.len())?),
            _ => None,
        }
    }

    /// As a part of a JSON pointer.
    fn token(&self) -> String {
        match self {
            Self::Key(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Index(at) => format!("/{at}"),
            Self::Members | Self::Items => "/*".to_owned(),
        }
    }
}

fn pointer(steps: &[Step]) -> String {
    steps.iter().map(Step::token).collect()
}

fn position(index: i64, length: usize) -> Option<usize> {
    let away = usize::try_from(index.unsigned_abs()).ok()?;
    let at = if index < 0 { length.checked_sub(away)? } else { away };
    (at < length).then_some(at)
}

fn item(at: usize) -> Step {
    Step::Index(i64::try_from(at).unwrap_or(i64::MAX))
}

fn collect<'v>(steps: &[Step], value: &'v Value, bound: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, &'v Value)>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push((bound.clone(), value));
        return;
    };
    let mut descend = |step, value| {
        bound.push(step);
        collect(rest, value, bound, found);
        bound.pop();
    };
    match (step, value) {
        (Step::Items, Value::Array(list)) => list.iter().enumerate().for_each(|(at, value)| descend(item(at), value)),
        (Step::Members, Value::Object(map)) => {
            map.iter().for_each(|(name, value)| descend(Step::Key(name.clone()), value));
        }
        _ => {
            if let Some(value) = step.child(value) {
                collect(rest, value, bound, found);
            }
        }
    }
}

fn change_at(
    steps: &[Step],
    value: &mut Value,
    change: &mut dyn FnMut(&mut Value) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let Some((step, rest)) = steps.split_first() else { return change(value) };
    each_child(step, value, &mut |_, child| change_at(rest, child, change))
}

/// Calls `each` with every child that a step stands for, and says in a problem which one it was.
fn each_child(
    step: &Step,
    value: &mut Value,
    each: &mut dyn FnMut(&Step, &mut Value) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut call = |step: Step, child: &mut Value| each(&step, child).map_err(|problem| problem.within(&step.token()));
    match (step, value) {
        (Step::Items, Value::Array(list)) => {
            list.iter_mut().enumerate().try_for_each(|(at, child)| call(item(at), child))
        }
        (Step::Members, Value::Object(map)) => {
            map.iter_mut().try_for_each(|(name, child)| call(Step::Key(name.clone()), child))
        }
        (Step::Key(name), Value::Object(map)) => match map.get_mut(name) {
            Some(child) => call(step.clone(), child),
            None => Ok(()),
        },
        (Step::Index(at), Value::Array(list)) => match position(*at, list.len()) {
            Some(at) => call(item(at), &mut list[at]),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Puts a value at the end of steps without wildcards.
fn put(steps: &[Step], target: &mut Value, value: Value) -> Result<(), Problem> {
    *make(steps, target)? = value;
    Ok(())
}

fn make<'v>(steps: &[Step], root: &'v mut Value) -> Result<&'v mut Value, Problem> {
    let mut here = root;
    for (at, step) in steps.iter().enumerate() {
        here = make_child(step, here).map_err(|problem| problem.at(pointer(&steps[..at])))?;
    }
    Ok(here)
}

/// The child that a step leads to, made if it is missing.
fn make_child<'v>(step: &Step, target: &'v mut Value) -> Result<&'v mut Value, Problem> {
    if target.is_null() {
        *target = if matches!(step, Step::Key(_)) { Value::Object(Map::new()) } else { Value::Array(Vec::new()) };
    }
    match (step, target) {
        (Step::Key(name), Value::Object(map)) => Ok(map.entry(name.as_str()).or_insert(Value::Null)),
        (Step::Index(at), Value::Array(list)) => {
            let length = list.len();
            if usize::try_from(*at) == Ok(length) {
                list.push(Value::Null);
            }
            let there = position(*at, list.len()).ok_or_else(|| {
                let reason = format!("the list has {length} items, so there is no place for item {at}");
                Problem::new("list_too_short", reason).hint("a list grows by one item at a time, from item 0 on")
            })?;
            Ok(&mut list[there])
        }
        (step, other) => {
            let needed = if matches!(step, Step::Key(_)) { "an object" } else { "a list" };
            Err(Problem::new("wrong_type", format!("{} stands where {needed} is needed", kind(other))))
        }
    }
}

fn take_at(steps: &[Step], value: &mut Value, bound: &mut Vec<Step>, taken: &mut Vec<(Vec<Step>, Value)>) {
    let Some((step, rest)) = steps.split_first() else {
        taken.push((bound.clone(), value.take()));
        return;
    };
    if !rest.is_empty() {
        let wild = step.is_wildcard();
        let descend = &mut |step: &Step, child: &mut Value| {
            if wild {
                bound.push(step.clone());
            }
            take_at(rest, child, bound, taken);
            if wild {
                bound.pop();
            }
            Ok(())
        };
        // Nothing in there can fail.
        let _ = each_child(step, value, descend);
        return;
    }
    let mut keep = |step: Option<Step>, value| taken.push((bound.iter().cloned().chain(step).collect(), value));
    match (step, value) {
        (Step::Key(name), Value::Object(map)) => map.shift_remove(name).into_iter().for_each(|value| keep(None, value)),
        (Step::Index(at), Value::Array(list)) => {
            position(*at, list.len()).into_iter().for_each(|at| keep(None, list.remove(at)));
        }
        (Step::Items, Value::Array(list)) => {
            list.drain(..).enumerate().for_each(|(at, value)| keep(Some(item(at)), value));
        }
        (Step::Members, Value::Object(map)) => {
            std::mem::take(map).into_iter().for_each(|(name, value)| keep(Some(Step::Key(name)), value));
        }
        _ => {}
    }
}

/// What a value is, with its article, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '@' | ':') || !c.is_ascii()
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str(".");
        }
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 && matches!(step, Step::Key(_) | Step::Members) {
                f.write_str(".")?;
            }
            match step {
                Step::Key(name) if !name.is_empty() && name.chars().all(is_bare) => f.write_str(name)?,
                Step::Key(name) => f.write_str(&Value::from(name.as_str()).to_string())?,
                Step::Members => f.write_str("*")?,
                Step::Index(at) => write!(f, "[{at}]")?,
                Step::Items => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text == "." {
            return Ok(Self::default());
        }
        let mut reader = Reader { text, at: 0 };
        let mut steps = Vec::new();
        while reader.at < text.len() {
            steps.push(reader.step(steps.is_empty())?);
        }
        match steps.len() {
            0 => Err(Problem::new("wrong_path", "the path is empty").hint("\".\" is the whole payload")),
            1..=MAX_STEPS => Ok(Self { steps }),
            more => Err(Problem::new("wrong_path", format!("the path has {more} steps, {MAX_STEPS} are allowed"))),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn eat(&mut self, c: char) -> bool {
        let there = self.rest().starts_with(c);
        self.at += if there { c.len_utf8() } else { 0 };
        there
    }

    fn step(&mut self, first: bool) -> Result<Step, Problem> {
        if self.eat('[') {
            return self.bracket();
        }
        if first && self.rest().starts_with('.') {
            return Err(self.wrong("a key").hint("leave out the leading dot; \".\" alone is the whole payload"));
        }
        if !first && !self.eat('.') {
            return Err(self.wrong("\".\" or \"[\""));
        }
        if self.eat('*') {
            return Ok(Step::Members);
        }
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let rest = self.rest();
        let end = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.wrong("a key").hint("a key of other letters is written in quotes: a.\"x.y\""));
        }
        let name = rest[..end].to_owned();
        self.at += end;
        Ok(Step::Key(name))
    }

    fn bracket(&mut self) -> Result<Step, Problem> {
        let rest = self.rest();
        let end = rest.find(']').ok_or_else(|| self.wrong("a number or * and then \"]\""))?;
        let inside = &rest[..end];
        let step = match inside {
            "*" => Step::Items,
            _ => Step::Index(inside.parse().map_err(|_| {
                let problem = self.wrong("a number or *");
                if inside.starts_with(['"', '\'']) { problem.hint("a key is written a.\"x.y\"") } else { problem }
            })?),
        };
        self.at += end + 1;
        Ok(step)
    }

    fn quoted(&mut self) -> Result<Step, Problem> {
        let mut names = serde_json::Deserializer::from_str(self.rest()).into_iter::<String>();
        let Some(Ok(name)) = names.next() else { return Err(self.wrong("a key in quotes, as in JSON,")) };
        self.at += names.byte_offset();
        Ok(Step::Key(name))
    }

    /// A problem with the place in the text, counted in characters from 1.
    fn wrong(&self, expected: &str) -> Problem {
        let character = self.text[..self.at].chars().count() + 1;
        let found = self.rest().chars().next().map_or("the end".to_owned(), |c| format!("\"{c}\""));
        let reason = format!("character {character} of the path \"{}\": expected {expected}, found {found}", self.text);
        Problem::new("wrong_path", reason)
    }
}
