//! Path templates that people write: `/v1/things/{thing_id}`.

use super::catalogue::Entry;
use model::Problem;

/// The longest template, in bytes.
pub const MAX_BYTES: usize = 1_000;

/// What stands in a step of a template as it is, beside letters, digits and `-._~`.
const ALSO: &[u8] = b":@!$&'()*+,;=";

const CODE: &str = "path_template_wrong";

/// The slots of a template, in their order.
///
/// # Errors
/// `path_template_wrong`, with what to write instead: it does not begin with `/`, names a host, has a query, an empty
/// step, `.` or `..`, a brace that is no slot, a slot twice, a character that cannot stand there, or is too long.
pub fn slots(template: &str) -> Result<Vec<&str>, Problem> {
    whole(template)?;
    let mut slots = Vec::new();
    for step in template.split('/').skip(1) {
        let Some(slot) = slot(step)? else { continue };
        if slots.contains(&slot) {
            let problem = Problem::new(CODE, format!("the slot \"{slot}\" stands twice"));
            return Err(problem.hint("give each slot a name of its own"));
        }
        slots.push(slot);
    }
    Ok(slots)
}

/// What is wrong with a template before anybody looks at its steps.
fn whole(template: &str) -> Result<(), Problem> {
    let wrong = |reason: &str, hint: &str| Err(Problem::new(CODE, reason).hint(hint));
    if template.len() > MAX_BYTES {
        return wrong(&format!("it is longer than {MAX_BYTES} bytes"), "long values go into slots, query or payload");
    }
    if template.contains("://") || template.starts_with("//") {
        return wrong(
            "it names a host",
            "the host is the base_uri of the HTTP client, since a key belongs to its host: write the path alone",
        );
    }
    if !template.starts_with('/') {
        return wrong("it does not begin with \"/\"", "write the whole path: /v1/things/{thing_id}");
    }
    if template.contains('?') {
        return wrong("it has a query", "put the query into request_parameters.query");
    }
    if template.contains('#') {
        return wrong("it has a fragment, which is never sent", "leave \"#\" and what follows out");
    }
    Ok(())
}

/// The slot that a step is; `None` where it stands for itself.
fn slot(step: &str) -> Result<Option<&str>, Problem> {
    let wrong = |reason: String, hint: &str| Err(Problem::new(CODE, reason).hint(hint));
    if matches!(step, "" | "." | "..") {
        return wrong(
            "it has an empty step, \".\" or \"..\"".to_owned(),
            "write the path as the service has it, without a \"/\" at the end",
        );
    }
    let plain = |text: &str, also: &[u8]| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte))
    };
    if let Some(name) = step.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        if name.is_empty() || !plain(name, b"") {
            return wrong(
                format!("\"{step}\" is no slot"),
                "the name of a slot has letters, digits, \"_\", \".\" and \"-\"",
            );
        }
        return Ok(Some(name));
    }
    if step.contains(['{', '}']) {
        return wrong(
            format!("\"{step}\" is neither a step nor a slot"),
            "a slot takes a whole step: /v1/things/{thing_id}",
        );
    }
    if !plain(step, ALSO) {
        return wrong(
            format!("\"{}\" has a character that cannot stand in a path", super::answer::shorten(step, 60)),
            "put the value into a slot: it is percent-encoded there",
        );
    }
    Ok(None)
}

/// A template with its slots' names left out: two templates of one shape address the same things.
#[must_use]
pub fn shape(template: &str) -> String {
    let steps = template.split('/').map(|step| if step.starts_with('{') { "{}" } else { step });
    steps.collect::<Vec<_>>().join("/")
}

/// Whether a template addresses what an operation addresses.
#[must_use]
pub fn is_of(template: &str, entry: &Entry) -> bool {
    // Most differ early, and nothing has to be built to see that.
    let mut ours = template.split('/');
    let mut theirs = entry.path.split('/');
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || (a.starts_with('{') && b.starts_with('{')) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_or_refused_with_what_to_do() {
        let good: [(&str, &[&str]); 5] = [
            ("/v1/x", &[]),
            ("/v1/things/{thing_id}", &["thing_id"]),
            ("/v1/{b}/x/{a}", &["b", "a"]),
            ("/v1/things/{a}/run:now", &["a"]),
            ("/v1/@me/a+b,c", &[]),
        ];
        for (template, expected) in good {
            assert_eq!(slots(template).unwrap(), expected, "{template}");
        }
        let long = format!("/{}", "x".repeat(MAX_BYTES));
        let bad = [
            ("", "begin with", "/v1/things"),
            ("v1/x", "begin with", "/v1/things"),
            ("{a}/x", "begin with", "/v1/things"),
            ("/", "empty step", "at the end"),
            ("/v1/x/", "empty step", "at the end"),
            ("/v1//x", "empty step", "at the end"),
            ("/v1/../x", "\"..\"", ""),
            ("/v1/./x", "\".\"", ""),
            ("/v1/x?a=b", "query", "request_parameters.query"),
            ("/v1/x#a", "fragment", "leave"),
            ("https://example.com/v1/x", "host", "base_uri"),
            ("//example.com/v1/x", "host", "base_uri"),
            ("/v1/{a}/{b}/{a}", "\"a\" stands twice", "of its own"),
            ("/v1/{}", "no slot", "letters"),
            ("/v1/{a b}", "no slot", "letters"),
            ("/v1/{a", "neither", "whole step"),
            ("/v1/a}", "neither", "whole step"),
            ("/v1/x{a}", "neither", "whole step"),
            ("/v1/{a}{b}", "no slot", "letters"),
            ("/v1/a b", "character", "slot"),
            ("/v1/%2e%2e/x", "character", "slot"),
            ("/v1/a\\..\\b", "character", "slot"),
            ("/v1/\u{e9}", "character", "slot"),
            ("/v1/a\r\nHost: b", "character", "slot"),
            (&long, "longer than 1000", "slots"),
        ];
        for (template, reason, hint) in bad {
            let problem = slots(template).expect_err(template);
            assert_eq!(problem.code, "path_template_wrong", "{template}");
            assert!(problem.reason.contains(reason), "{template}: {problem}");
            assert!(problem.hint.as_deref().is_some_and(|told| told.contains(hint)), "{template}: {:?}", problem.hint);
        }
    }

    #[test]
    fn shapes_pass_over_the_names_of_slots_alone() {
        let same = [("/v1/a/{x}", "/v1/a/{y}"), ("/v1/a", "/v1/a")];
        let other = [("/v1/a/{x}", "/v1/a/b"), ("/v1/a", "/v1/a/{x}"), ("/v1/{x}/a", "/v1/{x}/b")];
        assert!(same.iter().all(|(a, b)| shape(a) == shape(b)));
        assert!(other.iter().all(|(a, b)| shape(a) != shape(b)));
    }
}
