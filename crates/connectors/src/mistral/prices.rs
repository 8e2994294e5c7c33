//! What calls are estimated to cost: a dated price book that people can edit.

use model::{Money, Problem, Usage};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The book that comes with the program.
pub const SHIPPED: &str = include_str!("prices.yaml");

/// The largest book that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Prices of models, by name and alias.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// When the prices were looked up.
    pub date: String,
    /// ISO 4217 code of the one currency of all prices.
    pub currency: String,
    /// What prices are multiplied by.
    pub factors: Factors,
    /// The models, by name.
    pub models: BTreeMap<String, Price>,
    /// Names of models, by alias.
    aliases: HashMap<String, String>,
}

/// What prices are multiplied by under some conditions. `None`: nothing changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factors {
    /// Of what a batch job asked.
    pub batch: Option<f64>,
    /// Of input that the service still had, for models without a `cached_input`.
    pub cached: Option<f64>,
    /// Of answers of the service tier `priority`.
    pub priority: Option<f64>,
    /// Of calls to the address of a region.
    pub regional: Option<f64>,
}

/// What one model costs, in the book's currency. `None`: nothing is asked for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Other names under which answers name the model.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Per million tokens of the prompt.
    pub input: Option<f64>,
    /// Per million tokens of the prompt that the service still had.
    pub cached_input: Option<f64>,
    /// Per million tokens of the answer.
    pub output: Option<f64>,
    /// Per thousand pages.
    pub pages: Option<f64>,
    /// Per thousand pages with annotations.
    pub annotated_pages: Option<f64>,
    /// Per minute of audio.
    pub audio: Option<f64>,
    /// Per million characters of text that is spoken.
    pub characters: Option<f64>,
}

/// What a price depends on beside counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Pages were annotated.
    pub annotated: bool,
    /// The answer came from a batch job.
    pub batch: bool,
    /// The answer is of the service tier `priority`.
    pub priority: bool,
    /// The call went to the address of a region.
    pub regional: bool,
}

/// A book as it lies in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    date: String,
    currency: String,
    #[serde(default)]
    factors: Factors,
    #[serde(default)]
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// The prices that come with the program.
    ///
    /// # Panics
    /// Never: the tests read the embedded book.
    #[must_use]
    #[allow(clippy::expect_used, reason = "the embedded book is part of the program")]
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("the embedded price book is readable")
    }

    /// The shipped prices with a book of one's own laid over them: its models, date and factors count. With another
    /// currency nothing of the shipped prices is left.
    ///
    /// # Errors
    /// `prices_wrong`, with the line or the place.
    pub fn with_own(text: &str) -> Result<Self, Problem> {
        let own = Self::parse(text)?;
        let mut all = Self::shipped();
        if own.currency != all.currency {
            return Ok(own);
        }
        for (name, price) in own.models {
            all.aliases.retain(|alias, of| *of != name && *alias != name && !price.aliases.contains(alias));
            all.aliases.extend(price.aliases.iter().map(|alias| (alias.clone(), name.clone())));
            all.models.insert(name, price);
        }
        Ok(Self { date: own.date, factors: own.factors.or(all.factors), ..all })
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            return Err(wrong(format!("the book is larger than {} KiB", MAX_BYTES >> 10)));
        }
        let book: Book = yaml_serde::from_str(text).map_err(|error| {
            let line = error.location().and_then(|location| u64::try_from(location.line()).ok());
            Problem { line, ..wrong(error.to_string()) }
        })?;
        let currency = book.currency;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong(format!("\"{currency}\" is no currency; write three capitals: EUR")).at("currency"));
        }
        if !is_date(&book.date) {
            return Err(wrong(format!("\"{}\" is no date; write 2026-11-23", book.date)).at("date"));
        }
        for (name, factor) in book.factors.named() {
            amount(factor.unwrap_or(1.0), &format!("factors.{name}"))?;
        }
        let mut aliases = HashMap::new();
        for (name, price) in &book.models {
            for (kind, asked) in price.named() {
                amount(asked.unwrap_or(0.0), &format!("models.{name}.{kind}"))?;
            }
            for alias in &price.aliases {
                let taken = book.models.contains_key(alias) || aliases.insert(alias.clone(), name.clone()).is_some();
                if taken {
                    let reason = format!("\"{alias}\" stands for more than one model");
                    return Err(wrong(reason).at(format!("models.{name}.aliases")));
                }
            }
        }
        Ok(Self { date: book.date, currency, factors: book.factors, models: book.models, aliases })
    }

    /// The price of a model, by its name or an alias.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.models.get(model).or_else(|| self.models.get(self.aliases.get(model)?))
    }

    /// What a call is estimated to cost; `None` where the book does not know the model, or has no price for anything
    /// that was counted.
    #[must_use]
    pub fn cost(&self, usage: &Usage, conditions: Conditions) -> Option<Money> {
        let price = self.of(usage.model.as_deref()?)?;
        let cached = usage.cached_tokens.map(|cached| cached.min(usage.prompt_tokens.unwrap_or(cached)));
        let fresh = usage.prompt_tokens.map(|all| all - cached.unwrap_or(0));
        let cached_input = price.cached_input.or_else(|| Some(price.input? * self.factors.cached.unwrap_or(1.0)));
        let pages = price.annotated_pages.filter(|_| conditions.annotated).or(price.pages);
        let parts = [
            (fresh, price.input, 1e6),
            (cached, cached_input, 1e6),
            (usage.completion_tokens, price.output, 1e6),
            (usage.pages, pages, 1e3),
            (usage.audio_seconds, price.audio, 60.0),
            (usage.characters, price.characters, 1e6),
        ];
        let counted = parts.into_iter().filter_map(|(count, asked, per)| Some(count? as f64 * asked? / per));
        let counted: Vec<f64> = counted.collect();
        if counted.is_empty() && !price.is_free() {
            return None;
        }
        let holds = [
            (conditions.batch, self.factors.batch),
            (conditions.priority, self.factors.priority),
            (conditions.regional, self.factors.regional),
        ];
        let factor: f64 = holds.into_iter().filter(|(holds, _)| *holds).filter_map(|(_, factor)| factor).product();
        Some(Money::from_units(counted.into_iter().sum::<f64>() * factor).unwrap_or(Money::MOST))
    }
}

impl Factors {
    /// Every factor with its name in the book.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<f64>); 4] {
        [("batch", self.batch), ("cached", self.cached), ("priority", self.priority), ("regional", self.regional)]
    }

    /// These, and others where one is missing.
    fn or(self, other: Self) -> Self {
        Self {
            batch: self.batch.or(other.batch),
            cached: self.cached.or(other.cached),
            priority: self.priority.or(other.priority),
            regional: self.regional.or(other.regional),
        }
    }
}

impl Price {
    /// Every price with its name in the book.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<f64>); 7] {
        [
            ("input", self.input),
            ("cached_input", self.cached_input),
            ("output", self.output),
            ("pages", self.pages),
            ("annotated_pages", self.annotated_pages),
            ("audio", self.audio),
            ("characters", self.characters),
        ]
    }

    fn is_free(&self) -> bool {
        let mut asked = self.named().into_iter().filter_map(|(_, asked)| asked).peekable();
        asked.peek().is_some() && asked.all(|asked| asked == 0.0)
    }
}

/// Whether a text has the form of a date (`2026-11-23`). It is for people to read, nothing is reckoned with it.
fn is_date(text: &str) -> bool {
    let digit = |(index, byte): (usize, u8)| if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(digit)
}

/// Prices and factors are not negative, and not so large that sums overflow.
fn amount(number: f64, place: &str) -> Result<(), Problem> {
    match (0.0..=1e6).contains(&number) {
        true => Ok(()),
        false => Err(wrong(format!("{number} is no price: it lies between 0 and 1,000,000")).at(place)),
    }
}

fn wrong(reason: String) -> Problem {
    Problem::new("prices_wrong", reason).hint("set it right, or delete the file to go back to the shipped prices")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(model: &str, counts: &[(&str, u64)]) -> Usage {
        let counts: serde_json::Map<String, serde_json::Value> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        let usage: Usage = serde_json::from_value(counts.into()).unwrap();
        Usage { model: Some(model.to_owned()), ..usage }
    }

    #[test]
    fn costs_are_those_of_the_book() {
        const MILLION: u64 = 1_000_000;
        let none = Conditions::default();
        type Case<'a> = (&'a str, &'a [(&'a str, u64)], Conditions, Option<f64>);
        let cases: Vec<Case<'_>> = vec![
            ("mistral-large-2512", &[("prompt_tokens", MILLION), ("completion_tokens", MILLION)], none, Some(2.0)),
            ("mistral-large-latest", &[("prompt_tokens", 10), ("completion_tokens", 2)], none, Some(0.000_008)),
            ("mistral-small-latest", &[("prompt_tokens", MILLION), ("cached_tokens", MILLION)], none, Some(0.015)),
            ("mistral-small-latest", &[("prompt_tokens", 100), ("cached_tokens", 900)], none, Some(0.000_001_5)),
            ("zai-glm-5-2", &[("prompt_tokens", MILLION), ("cached_tokens", 500_000)], none, Some(0.77)),
            ("mistral-embed", &[("prompt_tokens", MILLION), ("completion_tokens", 0)], none, Some(0.1)),
            ("mistral-ocr-latest", &[("pages", 250)], none, Some(1.0)),
            ("mistral-ocr-latest", &[("pages", 1000)], Conditions { annotated: true, ..none }, Some(5.0)),
            ("mistral-ocr-4-0", &[("pages", 1000)], Conditions { batch: true, ..none }, Some(2.0)),
            ("voxtral-mini-latest", &[("audio_seconds", 90), ("prompt_tokens", 5)], none, Some(0.0045)),
            ("voxtral-small-2507", &[("prompt_tokens", MILLION), ("audio_seconds", 60)], none, Some(0.104)),
            ("voxtral-mini-tts-2603", &[("characters", 125)], none, Some(0.002)),
            ("mistral-moderation-2603", &[], none, Some(0.0)),
            (
                "codestral-latest",
                &[("prompt_tokens", MILLION)],
                Conditions { priority: true, regional: true, ..none },
                Some(0.577_5),
            ),
            ("codestral-latest", &[("pages", 5)], none, None),
            ("codestral-latest", &[], none, None),
            ("of-tomorrow", &[("prompt_tokens", 1)], none, None),
            ("mistral-large-2512", &[("prompt_tokens", u64::MAX)], none, Some(9_223_372_036.854_776)),
        ];
        let prices = Prices::shipped();
        for (model, counts, conditions, units) in cases {
            let cost = prices.cost(&used(model, counts), conditions);
            assert_eq!(cost, units.map(|units| Money::from_units(units).unwrap_or(Money::MOST)), "{model} {counts:?}");
        }
        assert_eq!(prices.cost(&Usage { prompt_tokens: Some(1), ..Usage::default() }, none), None);
    }

    #[test]
    fn a_book_of_ones_own_is_laid_over() {
        let head = "date: 2027-01-31\ncurrency: USD\n";
        let of = |text: &str, model: &str| Prices::with_own(text).unwrap().of(model).and_then(|price| price.input);
        let own = format!(
            "{head}models:\n  mistral-small-2603: {{ input: 9 }}\n  ft:mine: {{ aliases: [codestral-latest], input: 8 }}\n"
        );
        let cases = [
            ("mistral-small-2603", Some(9.0)),
            // The own entry has no alias, so the alias of the shipped one is gone with it.
            ("mistral-small-latest", None),
            ("codestral-latest", Some(8.0)),
            ("codestral-2508", Some(0.3)),
            ("mistral-large-latest", Some(0.5)),
        ];
        for (model, price) in cases {
            assert_eq!(of(&own, model), price, "{model}");
        }
        assert_eq!(of("date: 2027-01-31\ncurrency: EUR\nmodels: { m: { input: 1 } }\n", "mistral-large-2512"), None);
        let factors = Prices::with_own(&format!("{head}factors: {{ batch: 0.4 }}\n")).unwrap().factors;
        assert_eq!((factors.batch, factors.cached), (Some(0.4), Some(0.1)));
    }

    #[test]
    fn a_wrong_book_is_refused_with_its_place() {
        let with = |rest: &str| format!("date: 2027-01-31\ncurrency: USD\n{rest}");
        let cases = [
            (String::new(), "", None),
            ("date: yesterday\ncurrency: USD\n".to_owned(), "date", None),
            ("date: 2027-01-31\ncurrency: dollars\n".to_owned(), "currency", None),
            (with("models: { m: { inptu: 1 } }\n"), "", Some(3)),
            (with("models: { m: { input: -1 } }\n"), "models.m.input", None),
            (with("models: { m: { output: .nan } }\n"), "models.m.output", None),
            (with("models: { m: { pages: 1e300 } }\n"), "models.m.pages", None),
            (with("factors: { batch: -0.5 }\n"), "factors.batch", None),
            (with("factors: { bulk: 0.5 }\n"), "", Some(3)),
            (with("models: { a: { aliases: [c] }, b: { aliases: [c] } }\n"), "models.b.aliases", None),
            (with("models: { a: { aliases: [b] }, b: {} }\n"), "models.a.aliases", None),
            (with(&"# ".repeat(MAX_BYTES)), "", None),
        ];
        for (text, place, line) in cases {
            let start = text.get(..text.len().min(80)).unwrap_or_default().to_owned();
            let problem = Prices::with_own(&text).expect_err(&start);
            assert_eq!((problem.code.as_ref(), problem.place.as_str()), ("prices_wrong", place), "{start}: {problem}");
            if line.is_some() {
                assert_eq!(problem.line, line, "{start}: {problem}");
            }
        }
    }
}
