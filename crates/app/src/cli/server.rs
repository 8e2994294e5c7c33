//! A server that commands speak to in the place of a store: `--server URL --token TOKEN`.
//!
//! One request, one answer: nothing is repeated and no redirect followed, so that the token goes to this server alone.

use super::call_files::{Out, Typed};
use super::{Context, Failure};
use crate::exit::Exit;
use engine::exchange::{Client, Exchanged, Files, Keys};
use model::definition::HttpClient;
use model::{Credential, Evidence, HttpAnswer, HttpRequest, Problem, Severity};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use url::{Host, Url};

/// Items of a page, at most.
pub(super) const PAGE: u64 = 1_000;

/// Parameters of a request; those without a value are left out.
pub(super) type Query<'a> = &'a [(&'a str, Option<String>)];

/// A server of this program.
pub(super) struct Server {
    client: Client,
    url: String,
    /// The option that named it: where problems with it are.
    option: &'static str,
}

/// A list, or a page of one.
#[derive(Debug, Deserialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins.
    #[serde(default = "Option::default")]
    pub(super) next: Option<String>,
}

/// What a server of this program says where something is wrong.
#[derive(Debug, Deserialize)]
struct Refused {
    #[serde(rename = "type")]
    kind: String,
    code: String,
    title: String,
    place: Option<String>,
    hint: Option<String>,
    /// What is wrong with definitions, one by one.
    #[serde(default)]
    problems: Vec<Problem>,
}

impl Server {
    /// The server at an address that an option has named.
    ///
    /// # Errors
    /// `token_missing`, `base_uri_wrong`.
    pub(super) fn at(option: &'static str, url: &str, context: &Context) -> Result<Self, Failure> {
        let refused = |problem: Problem| Failure::refused(vec![Problem { place: option.to_owned(), ..problem }]);
        // An address that is typed is allowed by being typed.
        let definition = json!({ "prototype": "http", "base_uri": url, "allow_private_addresses": true });
        let definition: HttpClient = serde_json::from_value(definition)
            .map_err(|error| Failure::new(Exit::Trouble, Problem::new("client_broken", error.to_string())))?;
        let keys = Keys { api_key: context.token.clone(), ..Keys::default() };
        let client = Client::new(option, &definition, url, keys, Arc::default()).map_err(refused)?;
        if !client.has_key(Credential::ApiKey) {
            let problem = Problem::new("token_missing", "the server asks who comes").at("--token");
            let hint = "make one there with tramontane tokens add NAME, and put it into TRAMONTANE_TOKEN";
            return Err(Failure::refused(vec![problem.hint(hint)]));
        }
        if is_open(client.base()) {
            let problem = Problem::new("token_in_the_open", "the token is sent without encryption").at(option);
            context.printer.problem(&problem.hint("use an address that begins with https://").warning());
        }
        Ok(Self { url: client.base().to_owned(), client, option })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Gets what is at this path.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: Query<'_>) -> Result<T, Failure> {
        let answer = self.ask("GET", path, query, None).await?;
        self.read(&answer)
    }

    /// Gets what is there, if anything is.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &[&str], code: &str) -> Result<Option<T>, Failure> {
        match self.get(path, &[]).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.problems.iter().any(|problem| problem.code == code) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Gets a whole text.
    pub(super) async fn text(&self, path: &[&str], query: Query<'_>) -> Result<String, Failure> {
        let answer = self.ask("GET", path, query, None).await?;
        // A page of something else is a text too.
        let is_page = answer.header("content-type").is_none_or(|of| of.starts_with("text/html"));
        let text = String::from_utf8(answer.body.to_vec()).ok().filter(|_| !is_page);
        text.ok_or_else(|| self.strange(answer.status))
    }

    /// Gets the items of a list page by page, at most so many.
    pub(super) async fn items<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        most: u64,
    ) -> Result<Vec<T>, Failure> {
        let (mut found, mut cursor) = (Vec::new(), None);
        while let Some(left) = most.checked_sub(found.len() as u64).filter(|left| *left > 0) {
            let page = [("limit", Some(left.min(PAGE).to_string())), ("cursor", cursor)];
            let page: Items<T> = self.get(path, &[query, &page].concat()).await?;
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Changes something.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let answer = self.ask(method, path, &[], body).await?;
        self.read(&answer)
    }

    /// Deletes something.
    pub(super) async fn delete(&self, path: &[&str], query: Query<'_>) -> Result<(), Failure> {
        let answer = self.ask("DELETE", path, query, None).await?;
        if answer.status == 204 { Ok(()) } else { Err(self.strange(answer.status)) }
    }

    fn read<T: DeserializeOwned>(&self, answer: &HttpAnswer) -> Result<T, Failure> {
        serde_json::from_slice(&answer.body).map_err(|_| self.strange(answer.status))
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &[&str],
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Result<HttpAnswer, Failure> {
        let mut headers = vec![("accept", "application/json, */*;q=0.5".to_owned())];
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let request = HttpRequest {
            method,
            target: target(path, query).map_err(|problem| Failure::refused(vec![problem]))?,
            headers,
            body: body.map(|body| body.to_string().into()),
            form: None,
            until: None,
            keep: false,
        };
        let files: Arc<dyn Files> = Arc::new(Typed::new(&[], Out::Nowhere));
        match self.client.exchange(&request, Credential::ApiKey, None, &files).await {
            Exchanged::Answer(answer) if answer.truncated => {
                let problem = Problem::new("answer_too_large", "the server's answer is longer than 64 MiB");
                Err(Failure::new(Exit::Failed, problem.at(self.option).hint("ask for less at a time")))
            }
            Exchanged::Answer(answer) if (200..300).contains(&answer.status) => Ok(answer),
            Exchanged::Answer(answer) => Err(self.refusal(&answer)),
            Exchanged::Lost { evidence, problem, .. } => {
                let exit = match evidence {
                    Evidence::NotSent => Exit::NotSent,
                    // Nothing was to be changed.
                    _ if method == "GET" => Exit::Failed,
                    _ => Exit::Unknown,
                };
                Err(Failure::new(exit, Problem { place: self.option.to_owned(), ..problem }))
            }
            Exchanged::Unkept { error, .. } => Err(error.into()),
        }
    }

    /// What a server that does not do it says.
    fn refusal(&self, answer: &HttpAnswer) -> Failure {
        let refused: Option<Refused> = serde_json::from_slice(&answer.body).ok();
        let Some(refused) = refused.filter(|refused| refused.kind.ends_with(&format!("/{}", refused.code))) else {
            return self.strange(answer.status);
        };
        let exit = match answer.status {
            429 => Exit::TryLater,
            400..500 => Exit::Refused,
            _ => Exit::Failed,
        };
        if refused.problems.iter().any(Problem::is_error) {
            return Failure { exit, problems: refused.problems };
        }
        let later = || answer.header("retry-after").map(|seconds| format!("try again in {seconds} s"));
        let problem = Problem {
            code: refused.code.into(),
            place: refused.place.unwrap_or_default(),
            file: None,
            line: None,
            reason: refused.title,
            hint: refused.hint.or_else(later),
            request_id: None,
            severity: Severity::Error,
        };
        Failure::new(exit, problem)
    }

    /// What answers is none of ours, or none that we know.
    pub(super) fn strange(&self, status: u16) -> Failure {
        let reason = format!("what answers at {} is no server of this program (status {status})", self.url);
        Failure::new(Exit::Failed, Problem::new("answer_strange", reason).at(self.option))
    }
}

/// Path and query of a request. Whatever stands in a piece of the path stays in that piece.
fn target(path: &[&str], query: Query<'_>) -> Result<String, Problem> {
    let wrong = |reason: &str| Problem::new("name_wrong", reason);
    if path.iter().any(|piece| matches!(*piece, "" | "." | "..")) {
        return Err(wrong("an empty name, \".\" and \"..\" cannot be asked for"));
    }
    // Only what comes behind the host is used.
    let mut url = Url::parse("http://server/api/v1").map_err(|error| wrong(&error.to_string()))?;
    url.path_segments_mut().map_err(|()| wrong("this has no path"))?.extend(path);
    let said: Vec<_> = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
    if !said.is_empty() {
        url.query_pairs_mut().extend_pairs(said);
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{}{query}", url.path()))
}

/// Whether what is sent there can be read on the way.
fn is_open(base: &str) -> bool {
    let Ok(url) = Url::parse(base) else { return false };
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    url.scheme() == "http" && !is_here
}

impl Context {
    /// The server that is spoken to, where one is named.
    pub(super) fn server(&self) -> Result<Option<Server>, Failure> {
        self.server.as_deref().map(|url| Server::at("--server", url, self)).transpose()
    }

    /// Refuses what cannot be asked of a server, where one is named.
    pub(super) fn refuse_server(&self) -> Result<(), Failure> {
        match self.server {
            Some(_) => {
                Err(not_through_server("run it on the server's machine, without --server and TRAMONTANE_SERVER"))
            }
            None => Ok(()),
        }
    }
}

/// That something needs the machine that has the store, and what to do instead.
pub(super) fn not_through_server(hint: &str) -> Failure {
    let problem = Problem::new("not_through_server", "this needs the store itself, and cannot be asked of a server");
    Failure::refused(vec![problem.at("--server").hint(hint)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_is_it_stays_in_its_place() {
        let cases = [
            (&["people", "ann"][..], "/api/v1/people/ann"),
            (&["people", "a/../tokens"], "/api/v1/people/a%2F..%2Ftokens"),
            (&["people", "a?b#c%2e"], "/api/v1/people/a%3Fb%23c%252e"),
            (&["storages", "s", "ü \n\\"], "/api/v1/storages/s/%C3%BC%20%0A%5C"),
            (&["storages", "...", ".hidden"], "/api/v1/storages/.../.hidden"),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path, &[]).unwrap(), expected);
        }
        for piece in ["", ".", ".."] {
            assert_eq!(target(&["people", piece, "disable"], &[]).unwrap_err().code, "name_wrong", "{piece:?}");
        }
        let query = [("who", Some("a&b=c d".to_owned())), ("what", None), ("limit", Some("2".to_owned()))];
        assert_eq!(target(&["audit"], &query).unwrap(), "/api/v1/audit?who=a%26b%3Dc+d&limit=2");
    }

    #[test]
    fn a_token_is_in_the_open_where_others_may_read_along() {
        let open = ["http://engine.example", "http://10.0.0.1:8420", "http://[fd00::1]", "http://localhost.example"];
        open.iter().for_each(|url| assert!(is_open(url), "{url}"));
        let closed = [
            "https://engine.example",
            "http://127.0.0.1:8420",
            "http://127.8.8.8",
            "http://[::1]:1",
            "http://localhost",
            "http://engine.localhost:8420/there",
        ];
        closed.iter().for_each(|url| assert!(!is_open(url), "{url}"));
    }
}
