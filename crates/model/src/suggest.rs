//! "Did you mean": the nearest known name to an unknown one.

/// The nearest of `known` to `given`, if it is near enough to be a slip: at most a third of the letters differ,
/// without regard to case.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let limit = (given.chars().count().max(3)) / 3;
    known
        .into_iter()
        .map(|name| (distance(&given, &name.to_lowercase()), name))
        .filter(|(far, _)| *far <= limit)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// A hint for an unknown name: the nearest one, else all of them if they are few.
pub fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(given, known.clone()) {
        return Some(format!("did you mean \"{name}\"?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    (!all.is_empty() && all.len() <= 12).then(|| format!("known are: {}", all.join(", ")))
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one text into the other: the "optimal string
/// alignment" distance.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replace = last[j] + usize::from(x != y);
            let mut best = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["Retrieve Model", "Delete Model", "List Models", "Chat Completion"];
        let cases = [
            ("retrieve model", Some("Retrieve Model")),
            ("Retreive Model", Some("Retrieve Model")),
            ("Delete Models", Some("Delete Model")),
            ("ChatCompletion", Some("Chat Completion")),
            ("Upload File", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }

    #[test]
    fn swapped_neighbours_are_one_edit() {
        assert_eq!(distance("form", "from"), 1);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
