//! Texts: free ones, those of a format, those that match a pattern.

use super::Seed;
use regex_syntax::hir::{Class, Hir, HirKind};

/// What an odd text holds.
const ODD: &str = "\"quoted\" 'single' ${HOME} 🌬 a+b&c=d%20 #1?\nnew line\\ é<b>";

/// Characters of [`ODD`] that no class such as `\w` means.
const ODD_CHARS: [char; 8] = ['"', '🌬', '$', '+', '&', '=', '%', '\n'];

/// A text that says what it stands for: `name 17`.
pub(super) fn free(name: &str, seed: Seed, odd: bool, least: usize, most: usize) -> String {
    let number = seed.below(1000);
    let mut text = if odd { format!("{name} {ODD} {number}") } else { format!("{name} {number}") };
    let length = text.chars().count();
    text.extend(std::iter::repeat_n('x', least.saturating_sub(length)));
    if length > most { text.chars().take(most).collect() } else { text }
}

/// A text of a format of JSON Schema or OpenAPI; `None` for those that allow any text.
pub(super) fn of_format(format: &str, name: &str, seed: Seed) -> Option<String> {
    let n = |place: &str, end: usize| seed.next(place).below(end);
    let date = || format!("2026-{:02}-{:02}", 1 + n("month", 12), 1 + n("day", 28));
    Some(match format {
        "uuid" => {
            let (high, low) = (seed.next("high").0, seed.next("low").0);
            format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                high >> 32,
                (high >> 16) & 0xffff,
                high & 0xfff,
                low >> 52,
                low & 0xffff_ffff_ffff
            )
        }
        "date" => date(),
        "date-time" => format!("{}T{:02}:{:02}:{:02}Z", date(), n("hour", 24), n("minute", 60), n("second", 60)),
        "time" => format!("{:02}:{:02}:{:02}Z", n("hour", 24), n("minute", 60), n("second", 60)),
        "duration" => format!("PT{}M", 1 + n("minutes", 59)),
        "uri" | "url" => format!("https://example.com/{name}/{}?a=b%26c", n("page", 1000)),
        "email" => format!("{name}{}@example.com", n("person", 1000)),
        // Base64: four letters are three bytes.
        "byte" | "binary" => {
            let letter = |i: usize| char::from(b'a' + u8::try_from(seed.nth(i).below(26)).unwrap_or(0));
            (0..16).map(letter).collect()
        }
        _ => return None,
    })
}

/// A text that matches a pattern within bounds of length; `None` where the pattern has what a plain regular
/// expression has not (looking ahead, back references), or where no try fits the bounds.
pub(super) fn matching(pattern: &str, seed: Seed, odd: bool, least: usize, most: usize) -> Option<String> {
    let pattern = regex_syntax::parse(pattern).ok()?;
    (0..64).find_map(|attempt| {
        let mut text = String::new();
        sample(&pattern, seed.nth(attempt), odd, least.max(attempt), &mut text);
        let length = text.chars().count();
        (length >= least && length <= most).then_some(text)
    })
}

fn sample(pattern: &Hir, seed: Seed, odd: bool, room: usize, text: &mut String) {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.push(member(class, seed, odd)),
        HirKind::Capture(group) => sample(&group.sub, seed, odd, room, text),
        HirKind::Concat(parts) => {
            for (n, part) in parts.iter().enumerate() {
                sample(part, seed.nth(n), odd, room, text);
            }
        }
        HirKind::Alternation(parts) => {
            if let Some(part) = parts.get(seed.below(parts.len())) {
                sample(part, seed.next("|"), odd, room, text);
            }
        }
        HirKind::Repetition(repetition) => {
            let least = repetition.min as usize;
            let most = repetition.max.map_or(usize::MAX, |max| max as usize).min(least + room.max(4));
            for n in 0..least + seed.next("*").below(most - least + 1) {
                sample(&repetition.sub, seed.nth(n), odd, room, text);
            }
        }
    }
}

/// A character of a class: a plain one, or an odd one where asked for and allowed.
fn member(class: &Class, seed: Seed, odd: bool) -> char {
    let holds = |c: char| match class {
        Class::Unicode(class) => class.iter().any(|range| (range.start()..=range.end()).contains(&c)),
        Class::Bytes(class) => {
            u8::try_from(c).is_ok_and(|c| class.iter().any(|range| (range.start()..=range.end()).contains(&c)))
        }
    };
    let pick = |from: &mut dyn Iterator<Item = char>| {
        let fit: Vec<char> = from.filter(|c| holds(*c)).collect();
        fit.get(seed.below(fit.len())).copied()
    };
    let odd_one = if odd { pick(&mut ODD_CHARS.into_iter()) } else { None };
    let first = || match class {
        Class::Unicode(class) => class.iter().next().map(|range| range.start()),
        Class::Bytes(class) => class.iter().next().map(|range| char::from(range.start())),
    };
    odd_one
        .or_else(|| pick(&mut ('a'..='z').chain('0'..='9')))
        .or_else(|| pick(&mut (' '..='~')))
        .or_else(first)
        .unwrap_or('x')
}
