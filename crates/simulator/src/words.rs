//! Texts of a model that is none: plain words in an order that a number decides, and how they are counted.

use crate::fingerprint::mix;

const OPENINGS: [&str; 6] = ["In short,", "As asked,", "Put simply,", "To begin with,", "On the whole,", "In a word,"];

const WORDS: [&str; 64] = [
    "wind", "from", "the", "north", "clears", "a", "wide", "valley", "and", "bright", "light", "falls", "on", "old",
    "stone", "walls", "where", "quiet", "streets", "lead", "down", "to", "an", "open", "harbour", "with", "small",
    "boats", "that", "carry", "fresh", "bread", "olive", "oil", "good", "paper", "for", "each", "house", "while",
    "children", "count", "steps", "of", "pale", "wood", "under", "tall", "trees", "near", "cool", "water", "before",
    "evening", "brings", "calm", "hours", "so", "people", "rest", "work", "talk", "plan", "again",
];

/// How much of the question an answer repeats, in characters.
const QUOTED: usize = 60;

/// An answer to a question: an opening, the beginning of the question, and three to five sentences.
pub(crate) fn reply(question: &str, seed: u64) -> String {
    let mut random = seed;
    let mut draw = |end: usize| {
        random = mix(random);
        usize::try_from(random % end as u64).unwrap_or(0)
    };
    let mut text = String::with_capacity(320);
    text.push_str(OPENINGS[draw(OPENINGS.len())]);
    text.push_str(" about “");
    let end = question.char_indices().nth(QUOTED).map_or(question.len(), |(at, _)| at);
    text.push_str(&question[..end]);
    text.push_str(if end < question.len() { "…”:" } else { "”:" });
    for _ in 0..3 + draw(3) {
        text.push(' ');
        sentence(&mut text, &mut draw);
    }
    text
}

/// So many sentences.
pub(crate) fn prose(seed: u64, sentences: usize) -> String {
    let mut random = seed;
    let mut draw = |end: usize| {
        random = mix(random);
        usize::try_from(random % end as u64).unwrap_or(0)
    };
    let mut text = String::new();
    for number in 0..sentences {
        text.push_str(if number == 0 { "" } else { " " });
        sentence(&mut text, &mut draw);
    }
    text
}

fn sentence(text: &mut String, draw: &mut impl FnMut(usize) -> usize) {
    for position in 0..5 + draw(7) {
        let word = WORDS[draw(WORDS.len())];
        if position == 0 {
            let (head, tail) = word.split_at(1);
            text.push_str(&head.to_uppercase());
            text.push_str(tail);
        } else {
            text.push(' ');
            text.push_str(word);
        }
    }
    text.push('.');
}

/// Longest token, in characters.
const TOKEN: usize = 6;

/// The tokens of a text: up to six characters of a word with the white space before them. Joined they are the
/// text again.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut letters = 0;
        let end = rest.char_indices().find(|(_, letter)| {
            // White space after a letter begins the next token.
            let ends = letters > 0 && (letter.is_whitespace() || letters == TOKEN);
            letters += usize::from(!letter.is_whitespace());
            ends
        });
        let (token, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        (!token.is_empty()).then_some(token)
    })
}

/// How many tokens a text has.
pub(crate) fn count(text: &str) -> u64 {
    tokens(text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_join_to_the_text() {
        let cases = [("", 0), ("word", 1), ("  two words ", 3), ("incomprehensible", 3), ("🌬🌬🌬🌬🌬🌬🌬", 2), ("a\n\nb", 2)];
        for (text, expected) in cases {
            assert_eq!(count(text), expected, "{text:?}");
            assert_eq!(tokens(text).collect::<String>(), text);
        }
    }

    #[test]
    fn replies_depend_on_question_and_number_alone() {
        let long = "é".repeat(100);
        assert_eq!(reply(&long, 7), reply(&long, 7));
        assert_ne!(reply("chair", 7), reply("chair", 8));
        assert!(reply("chair", 7).contains("“chair”"), "{}", reply("chair", 7));
        assert!(reply(&long, 7).contains("…”"));
    }
}
