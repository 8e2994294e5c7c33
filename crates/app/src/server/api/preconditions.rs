//! Preconditions: a definition is changed by those who know what it is now (RFC 9110, 13.1).

use super::problem::Refused;
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use model::Problem;
use store::StoredDefinition;

/// What must hold for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// There is none yet: `If-None-Match: *`.
    Absent,
    /// It is at this revision: `If-Match: "12"`.
    At(i64),
}

impl Precondition {
    /// Reads the headers.
    ///
    /// # Errors
    /// 428 where there is none, 400 for what is none of the two forms.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        match (only(headers, IF_MATCH)?, only(headers, IF_NONE_MATCH)?) {
            (Some(tag), None) => number(tag).map(Self::At).ok_or_else(wrong),
            (None, Some("*")) => Ok(Self::Absent),
            (None, None) => {
                let problem = Problem::new("precondition_missing", "this asks for a precondition");
                let hint = "send If-Match with the ETag of the definition, or If-None-Match: * for a new one";
                Err(Refused::new(StatusCode::PRECONDITION_REQUIRED, problem.hint(hint)))
            }
            _ => Err(wrong()),
        }
    }

    /// Whether it holds for what is stored under this name.
    ///
    /// # Errors
    /// 412, with the present revision; 404 where it is to be changed and is not there.
    pub(super) fn holds(self, stored: Option<&StoredDefinition>) -> Result<(), Refused> {
        let failed = |reason: String| {
            let problem = Problem::new("precondition_failed", reason).hint("look at it again, then change it");
            Refused::new(StatusCode::PRECONDITION_FAILED, problem)
        };
        match (self, stored) {
            (Self::Absent, None) => Ok(()),
            (Self::At(expected), Some(one)) if one.revision == expected => Ok(()),
            (Self::Absent, Some(one)) => {
                Err(failed(format!("it is there, at revision {}", one.revision)).with_revision(one.revision))
            }
            (Self::At(expected), Some(one)) => {
                let reason = format!("it is at revision {} now, not at {expected}", one.revision);
                Err(failed(reason).with_revision(one.revision))
            }
            (Self::At(_), None) => {
                Err(Refused::not_found("definition_unknown", "there is no definition of this kind and name"))
            }
        }
    }
}

/// The header that says at which revision a definition is.
pub(super) fn tag(revision: i64) -> [(HeaderName, HeaderValue); 1] {
    let tag = HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    [(ETAG, tag)]
}

fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let (first, None) = (values.next(), values.next()) else { return Err(wrong()) };
    first.map(|value| value.to_str().map_err(|_| wrong())).transpose()
}

fn number(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn wrong() -> Refused {
    let problem = Problem::new("precondition_wrong", "this is no precondition that is understood here");
    Refused::new(StatusCode::BAD_REQUEST, problem.hint("If-Match: \"12\", or If-None-Match: *"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_forms_is_understood() {
        type Headers<'a> = &'a [(HeaderName, &'a str)];
        let cases: [(Headers<'_>, Result<Precondition, u16>); 14] = [
            (&[], Err(428)),
            (&[(IF_MATCH, "\"7\"")], Ok(Precondition::At(7))),
            (&[(IF_NONE_MATCH, "*")], Ok(Precondition::Absent)),
            (&[(IF_MATCH, "*")], Err(400)),
            (&[(IF_MATCH, "7")], Err(400)),
            (&[(IF_MATCH, "\"\"")], Err(400)),
            (&[(IF_MATCH, "\"-7\"")], Err(400)),
            (&[(IF_MATCH, "W/\"7\"")], Err(400)),
            (&[(IF_MATCH, "\"7\", \"8\"")], Err(400)),
            (&[(IF_MATCH, "\"99999999999999999999\"")], Err(400)),
            (&[(IF_MATCH, "\"7\""), (IF_MATCH, "\"8\"")], Err(400)),
            (&[(IF_NONE_MATCH, "\"7\"")], Err(400)),
            (&[(IF_MATCH, "\"7\""), (IF_NONE_MATCH, "*")], Err(400)),
            (&[(IF_MATCH, "\"７\"")], Err(400)),
        ];
        for (sent, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let found = Precondition::of(&headers).map_err(|refused| refused.status().as_u16());
            assert_eq!(found, expected, "{sent:?}");
        }
    }
}
