//! The command line as people see it: whole answers, word by word.
//!
//! What differs from run to run (ports, times, hashes) is replaced by its name. `cargo insta review` shows what changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary")]

mod world;

use insta::assert_snapshot;
use world::{Simulator, World};

const FLOW: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
incoming:
  products: { subscriber: { type: file, path: products.jsonl } }
  descriptions: { subscriber: { type: answers, route: describe } }
outgoing:
  describe:
    transformers:
      - type: jq
        filter: '{payload: {model: "mistral-small-latest", max_tokens: 8, messages: [{role: "user", content: .name}]}}'
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
  result: { publisher: { type: file, path: out.jsonl } }
routes:
  describe: { incoming: products, outgoing: describe }
  save: { incoming: descriptions, outgoing: result }
"#;

/// A person at a prompt.
struct Prompt {
    world: World,
    simulator: Simulator,
}

impl Prompt {
    fn new() -> Self {
        let world = World::new();
        let simulator = Simulator::start(&world, &[]);
        Self { world, simulator }
    }

    /// With the flow applied, and a second product that the service refuses: its name is no text.
    fn with_flow() -> Self {
        let prompt = Self::new();
        prompt.world.write("flow.yaml", FLOW);
        prompt.world.write("products.jsonl", "{\"name\": \"oak table\"}\n{\"name\": 7}\n");
        assert!(prompt.says(&["apply", "flow.yaml"]).starts_with("exit 0"));
        prompt
    }

    /// What a command says, with what differs from run to run replaced.
    fn says(&self, arguments: &[&str]) -> String {
        let mut command = self.world.command(arguments);
        command.env("MISTRAL_BASE_URI", &self.simulator.url);
        let ran = world::Ran::of(command.output().unwrap());
        let mut text = format!("exit {}\n", ran.code.unwrap());
        for (name, part) in [("stdout", ran.stdout), ("stderr", ran.stderr)] {
            if !part.is_empty() {
                text.push_str(&format!("-- {name}\n{part}"));
            }
        }
        let folder = std::fs::canonicalize(self.world.folder.path()).unwrap();
        text.replace(folder.to_str().unwrap(), "FOLDER").replace(&self.simulator.url, "http://SIMULATOR")
    }
}

/// Times and hashes, by their form.
fn steady(check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME");
    settings.add_filter(r"\b\d+\.\d\d\b", "SECONDS");
    settings.add_filter(r"\b[0-9a-f]{32,64}\b", "HASH");
    settings.bind(check);
}

#[test]
fn help_names_every_command() {
    let prompt = Prompt::new();
    assert_snapshot!(prompt.says(&["--help"]), @r"
    exit 0
    -- stdout
    Connects a company's systems to Mistral AI: durable tasks, no call paid twice, everything can be
    tried offline

    Usage: tramontane [OPTIONS] <COMMAND>

    Commands:
      entities     Lists the operations of the Mistral API, or shows one
      catalogue    Takes newer documents of the API into use
      call         Makes one call and prints its answer. Nothing is stored
      plan         Shows what applying definitions would change
      apply        Applies definitions: all of them or none
      try          Shows what a definition does to data, step by step. Nothing is kept
      export       Writes the stored definitions as YAML
      run          Runs an incoming: takes its data in and works until all of it is through
      serve        Runs everything that is defined, until it is told to stop
      schedules    Shows schedules and when they run next, pauses them and lets them go on
      webhooks     Shows the addresses that others send to
      storages     Shows what transformers remembered, and changes it
      tasks        Looks at tasks and decides about them
      activities   Shows work about many tasks that goes on by itself, pauses it and stops it
      usage        Sums what calls used and are estimated to cost, by route, model or day
      people       Shows who may use the server, and changes what they may do
      tokens       Makes tokens for the API, lists and deletes them
      audit        Shows what people did, and were kept from doing
      environment  Says what this server is called, and in which colour it is shown
      alerts       Shows how alerts stand, tries and mutes them
      models       Shows which models are in use, and which of those go
      secrets      Keeps keys and other secrets sealed in the store, and changes the key that seals them
      prices       Shows the prices that costs are estimated by
      prune        Deletes old tasks, as routes and incoming say what is kept
      backup       Copies the whole store to one file, also while an engine works
      restore      Puts a backup into a new data folder
      store        Copies a whole store into another one, of PostgreSQL for example
      doctor       Looks the data folder over, and says what to do about what it finds
      openapi      Prints the API of `serve` as an OpenAPI document
      completion   Prints a script that completes commands in a shell
      man          Prints the manual page, or writes one for every verb
      simulator    Starts the stand-in for the Mistral API
      demo         Shows the product at work: 20 products, a simulator, 20 descriptions
      help         Print this message or the help of the given subcommand(s)

    Options:
          --data <DIR>              Folder of the store. Made on first use, readable by you alone [env:
                                    TRAMONTANE_DATA=FOLDER/data]
          --database <URL>          A PostgreSQL database instead of the folder's own:
                                    `postgres://user:password@host/name`. Blobs stay in the folder,
                                    which all machines must share [env: TRAMONTANE_DATABASE]
          --server <URL>            Speaks to this server in the place of a store: the same commands,
                                    the same output [env: TRAMONTANE_SERVER=]
          --token <TOKEN>           A token of that server. In the environment nobody reads it along
                                    [env: TRAMONTANE_TOKEN]
          --key-file <FILE>         File with the key that seals secrets; for its owner alone. Without
                                    one: secrets.key in the data folder [env: TRAMONTANE_KEY_FILE=]
          --json                    Prints JSON on stdout
          --no-color                Prints no colours [env: NO_COLOR]
          --log-format <text|json>  How what happens is written to stderr [env: TRAMONTANE_LOG_FORMAT=]
      -h, --help                    Print help
      -V, --version                 Print version

    Exit codes:
      0  done                                     5    the service said not now
      1  trouble: a disk, a store                 6    failed
      2  wrong command line                       7    outcome unknown
      3  refused before anything was sent         8    what is left comes due later
      4  not sent                                 130  stopped
    ");
    assert_snapshot!(prompt.says(&["call", "--help"]), @r#"
    exit 0
    -- stdout
    Makes one call and prints its answer. Nothing is stored

    Usage: tramontane call [OPTIONS] <ENTITY>

    Arguments:
      <ENTITY>  Title of an entity: "Retrieve Model"; or `custom`, with --method and --path-template

    Options:
          --data <DIR>              Folder of the store. Made on first use, readable by you alone [env:
                                    TRAMONTANE_DATA=FOLDER/data]
          --method <METHOD>         HTTP method, where several entities have the title
          --database <URL>          A PostgreSQL database instead of the folder's own:
                                    `postgres://user:password@host/name`. Blobs stay in the folder,
                                    which all machines must share [env: TRAMONTANE_DATABASE]
          --path-template <PATH>    Path of an operation that the catalogue does not know, with the
                                    entity `custom`
          --credential <KIND>       The kind of key that a `custom` operation asks for: api_key,
                                    admin_key, user_key
          --server <URL>            Speaks to this server in the place of a store: the same commands,
                                    the same output [env: TRAMONTANE_SERVER=]
          --path <K=V>              A value for a slot of the path
          --token <TOKEN>           A token of that server. In the environment nobody reads it along
                                    [env: TRAMONTANE_TOKEN]
          --key-file <FILE>         File with the key that seals secrets; for its owner alone. Without
                                    one: secrets.key in the data folder [env: TRAMONTANE_KEY_FILE=]
          --query <K=V>             A value for the query; JSON where it is JSON, else text
          --json                    Prints JSON on stdout
          --payload <JSON|@FILE>    The body
          --file <FIELD=PATH>       A file for a field of the form
          --no-color                Prints no colours [env: NO_COLOR]
          --log-format <text|json>  How what happens is written to stderr [env: TRAMONTANE_LOG_FORMAT=]
          --request <JSON|@FILE>    The whole request: {path, query, payload}
          --base-uri <URL>          Where to send it; not looked at with --client [env:
                                    MISTRAL_BASE_URI=http://SIMULATOR]
          --client <NAME>           Uses a stored HTTP client
          --out <PATH>              Writes an answer that is a file here instead of to stdout
          --dry-run                 Prints the request and sends nothing
      -h, --help                    Print help

    Examples: tramontane call "Retrieve Model" --path model_id=open-mistral-7b
              tramontane call "Chat Completion" --payload @body.json --dry-run
              tramontane call "Upload File" --file file=report.pdf --payload '{"purpose": "ocr"}'

    The key comes from MISTRAL_API_KEY; of operations that ask for those, from MISTRAL_ADMIN_KEY or
    MISTRAL_USER_KEY.
    The answer is on stdout.
    "#);
}

#[test]
fn operations_are_found_and_shown() {
    let prompt = Prompt::new();
    assert_snapshot!(prompt.says(&["entities", "--search", "model", "--method", "get"]), @r#"
    exit 0
    -- stdout
    method  entity                path                      effect  area
    GET     Retrieve Model        /v1/models/{model_id}     read    models
    GET     List Models           /v1/models                read    models
    GET     List Judges           /v1/observability/judges  read    beta.observability.judges
    GET     Retrieve Usage        /v1/admin/usage           read    beta.admin.billing
    GET     List Batch Jobs       /v1/batch/jobs            read    batch
    GET     Retrieve Rate Limits  /v1/admin/rate-limit      read    beta.admin.billing
    "#);
    assert_snapshot!(prompt.says(&["entities", "--search", "delete model", "--json"]), @r#"
    exit 0
    -- stdout
    [
      {
        "title": "Delete Model",
        "method": "DELETE",
        "path": "/v1/models/{model_id}",
        "area": "models",
        "effect": "idempotent",
        "summary": "Remove one of your fine-tuned models",
        "credential": "api_key",
        "paged": false,
        "stream": "none",
        "deprecated": false,
        "replaced_by": null,
        "variants": 1
      }
    ]
    "#);
    assert_snapshot!(prompt.says(&["entities", "show", "Retrieve Model"]), @r#"
    exit 0
    -- stdout
    Retrieve Model
    GET /v1/models/{model_id}
    Show what a model can do

    area models  effect read  credential api_key

    in    name                schema
    path  model_id  required  {"type":"string"}
    "#);
    assert_snapshot!(prompt.says(&["entities", "show", "Retreive Model"]), @r#"
    exit 3
    -- stderr
    error: there is no entity "Retreive Model" [entity_unknown]
      hint: did you mean "Retrieve Model"?
    "#);
    assert_snapshot!(prompt.says(&["entities", "--search", "nothing like it"]), @r#"
    exit 0
    -- stdout
    method  entity  path  effect  area
    -- stderr
    no entity fits
    "#);
}

#[test]
fn a_call_answers_or_says_why_not() {
    let prompt = Prompt::new();
    assert_snapshot!(prompt.says(&["call", "Retrieve Model", "--path", "model_id=open-mistral-7b", "--dry-run"]), @r#"
    exit 0
    -- stdout
    {
      "method": "GET",
      "url": "http://SIMULATOR/v1/models/open-mistral-7b",
      "headers": {
        "accept": "application/json"
      },
      "credential": "api_key",
      "body": null
    }
    "#);
    assert_snapshot!(prompt.says(&["call", "Retrieve Model", "--path", "model_id=.."]), @r#"
    exit 3
    -- stderr
    error: /path/model_id: ".." would lead to another path [path_traversal]
      hint: a slot takes one name, without "/", not "." or ".."
    "#);
    assert_snapshot!(prompt.says(&["call", "Retrieve Model", "--path", "model_id=not-there"]), @r#"
    exit 6
    -- stdout
    {
      "object": "error",
      "message": "the model not-there does not exist",
      "type": "not_found",
      "param": null,
      "code": "404",
      "raw_status_code": 404
    }
    -- stderr
    error: the service answered 404: the model not-there does not exist (404) [http_404]
      the service calls this request e220a839-7b1d-4daf-a3d2-dce41c588f8c
    "#);
    assert_snapshot!(prompt.says(&["call", "Chat Completion", "--payload", r#"{"model": "m", "mesages": []}"#]), @r#"
    exit 3
    -- stderr
    error: /payload/messages: is missing [schema_missing]
    warning: /payload/mesages: there is no field "mesages" here [schema_unknown_field]
      hint: did you mean "messages"?
    "#);
    assert_snapshot!(prompt.says(&["call", "Retrieve Model", "--path", "model_id=m", "--base-uri", "http://127.0.0.1:1"]), @r#"
    exit 4
    -- stderr
    error: cannot connect to http://127.0.0.1:1: Connection refused (os error 111) [connect_failed]
      hint: is the base URI right, and the service reachable from here?
    "#);
}

#[test]
fn definitions_are_planned_applied_and_exported() {
    let prompt = Prompt::new();
    prompt.world.write("flow.yaml", FLOW);
    assert_snapshot!(prompt.says(&["plan", "flow.yaml"]), @r#"
    exit 0
    -- stdout
    + http_clients.mistral
    + incoming.descriptions
    + incoming.products
    + outgoing.describe
    + outgoing.result
    + routes.describe
    + routes.save
    7 to create
    "#);
    assert_snapshot!(prompt.says(&["apply", "flow.yaml"]), @r#"
    exit 0
    -- stdout
    + http_clients.mistral
    + incoming.descriptions
    + incoming.products
    + outgoing.describe
    + outgoing.result
    + routes.describe
    + routes.save
    7 to create
    -- stderr
    applied: the definitions are at revision 1
    "#);
    assert_snapshot!(prompt.says(&["apply", "flow.yaml"]), @r#"
    exit 0
    -- stdout
    7 unchanged
    -- stderr
    applied: the definitions are at revision 1
    "#);
    prompt.world.write(
        "flow.yaml",
        FLOW.replace("incoming: products", "incoming: product").replace("transformers", "transformer"),
    );
    assert_snapshot!(prompt.says(&["plan", "flow.yaml"]), @r#"
    exit 3
    -- stderr
    error: flow.yaml:13: outgoing.describe.transformer: there is no field "transformer" here [schema_unknown_field]
      hint: did you mean "transformers"?
    error: flow.yaml:19: routes.describe.incoming: there is no incoming "product" [reference_unknown]
      hint: did you mean "products"?
    "#);
    assert_snapshot!(prompt.says(&["export"]), @r#"
    exit 0
    -- stdout
    http_clients:
      mistral:
        prototype: mistral
        base_uri: ${MISTRAL_BASE_URI}
        api_key: ${secret:MISTRAL_API_KEY}
        allow_private_addresses: true
    incoming:
      descriptions:
        subscriber:
          type: answers
          route: describe
      products:
        subscriber:
          type: file
          path: FOLDER/products.jsonl
    outgoing:
      describe:
        transformers:
          - type: jq
            filter: "{payload: {model: \"mistral-small-latest\", max_tokens: 8, messages: [{role: \"user\", content: .name}]}}"
        publisher:
          type: mistral
          http_client: mistral
          method: POST
          entity: Chat Completion
      result:
        publisher:
          type: file
          path: FOLDER/out.jsonl
    routes:
      describe:
        incoming: products
        outgoing: describe
      save:
        incoming: descriptions
        outgoing: result
    "#);
}

#[test]
fn a_run_tells_what_happened_and_tasks_tell_why() {
    let prompt = Prompt::with_flow();
    steady(|| {
        assert_snapshot!(prompt.says(&["run", "products"]), @r"
        exit 6
        -- stdout
        run  lane           finished  failed  seconds
        1    pull products  1         0       SECONDS
        1    push describe  1         1       SECONDS
        1    push save      1         0       SECONDS
        10 tokens (2 in, 8 out); estimated 0.0000051 USD
        result: FOLDER/out.jsonl
        -- stderr
        some tasks failed: tramontane tasks list --state failed
        ");
        assert_snapshot!(prompt.says(&["tasks", "list"]), @r#"
        exit 0
        -- stdout
        id  kind  lane      state     attempts  created                   problem
        4   push  save      finished  1         TIME
        3   push  describe  failed    1         TIME  /payload/messages/0/content: must be a text, a list or null, is a number
        2   push  describe  finished  1         TIME
        1   pull  products  finished  1         TIME
        "#);
        assert_snapshot!(prompt.says(&["tasks", "show", "2"]), @r#"
        exit 0
        -- stdout
        task 2  push describe  finished
        created TIME  run 1
        made from task 1
        cost estimated 0.0000051 USD
        payload {"name":"oak table"}

        attempt 1  started TIME  ended TIME
          evidence answered: the service answered completely
          status 200
          usage {"model":"mistral-small-latest","prompt_tokens":2,"completion_tokens":8,"total_tokens":10,"cost":5.1e-6}
          request {"payload":{"model":"mistral-small-latest","max_tokens":8,"messages":[{"role":"user","content":"oak table"}]}}
          answer {"id":"cmpl-HASH","object":"chat.completion","created":1767297783,"model":"mistral-small-latest","choices":[{"index":0,"message":{"role":"assistant","content":"As asked, about “oak table”: On before","tool_calls":null},"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":8,"total_tokens":10}}

        made tasks 4
        "#);
        assert_snapshot!(prompt.says(&["tasks", "show", "3"]), @r#"
        exit 0
        -- stdout
        task 3  push describe  failed
        created TIME  run 1
        made from task 1
        payload {"name":7}

        attempt 1  started -  ended TIME
          evidence not_sent: no byte of the request was sent
          request {"payload":{"model":"mistral-small-latest","max_tokens":8,"messages":[{"role":"user","content":7}]}}
          problem /payload/messages/0/content: must be a text, a list or null, is a number [schema_type]
        "#);
        assert_snapshot!(prompt.says(&["tasks", "show", "3", "--json"]), @r#"
        exit 0
        -- stdout
        {
          "id": 3,
          "kind": "push",
          "route": "describe",
          "incoming": null,
          "state": "failed",
          "attempts": [
            {
              "number": 1,
              "started_at": null,
              "ended_at": "TIME",
              "revision": null,
              "evidence": "not_sent",
              "evidence_in_words": "no byte of the request was sent",
              "status": null,
              "problem": {
                "code": "schema_type",
                "place": "/payload/messages/0/content",
                "reason": "must be a text, a list or null, is a number",
                "severity": "error"
              },
              "usage": null,
              "request": {
                "payload": {
                  "model": "mistral-small-latest",
                  "max_tokens": 8,
                  "messages": [
                    {
                      "role": "user",
                      "content": 7
                    }
                  ]
                }
              },
              "answer": null,
              "headers": null
            }
          ],
          "run": 1,
          "source": 1,
          "due_at": null,
          "created_at": "TIME",
          "finished_at": "TIME",
          "problem": {
            "code": "schema_type",
            "place": "/payload/messages/0/content",
            "reason": "must be a text, a list or null, is a number",
            "severity": "error"
          },
          "payload": {
            "name": 7
          },
          "decisions": [],
          "made": []
        }
        "#);
    });
}

#[test]
fn what_calls_used_is_summed() {
    let prompt = Prompt::with_flow();
    assert_snapshot!(prompt.says(&["usage"]), @r"
    exit 0
    -- stderr
    no call has used anything
    ");
    prompt.says(&["run", "products"]);
    assert_snapshot!(prompt.says(&["usage", "--by", "model"]), @r"
    exit 0
    -- stdout
    model                 calls  tokens in  tokens out  tokens  cost USD
    mistral-small-latest  1      2          8           10      0.0000051
    ");
    assert_snapshot!(prompt.says(&["usage", "--json", "--since", "2026-01-01"]), @r#"
    exit 0
    -- stdout
    [
      {
        "route": "describe",
        "calls": 1,
        "unpriced": 0,
        "prompt_tokens": 2,
        "completion_tokens": 8,
        "total_tokens": 10,
        "cost": 5.1e-6,
        "currency": "USD"
      }
    ]
    "#);
    assert_snapshot!(prompt.says(&["usage", "--since", "yesterday"]), @r#"
    exit 2
    -- stderr
    error: invalid value 'yesterday' for '--since <DATE>': "yesterday" is no date; write 2026-11-23

    For more information, try '--help'.
    "#);
}

#[test]
fn decisions_about_tasks_are_kept() {
    let prompt = Prompt::with_flow();
    steady(|| {
        prompt.says(&["run", "products"]);
        assert_snapshot!(prompt.says(&["tasks", "resolve", "3", "--as", "finished"]), @r#"
        exit 3
        -- stderr
        error: task 3: it is `failed`, and only `unknown` tasks can be resolved [decision_misfit]
          hint: retry it if it must run again
        "#);
        assert_snapshot!(prompt.says(&["tasks", "retry", "3", "99"]), @r"
        exit 3
        -- stderr
        1 task: done
        they are worked on by `tramontane serve`, or the next `tramontane run` of their incoming
        error: task 99: there is no such task [task_not_found]
          hint: list the tasks to see their numbers
        ");
        assert_snapshot!(prompt.says(&["run", "products"]), @r#"
        exit 6
        -- stdout
        run  lane           finished  failed  seconds
        1    pull products  1         0       SECONDS
        1    push describe  1         1       SECONDS
        1    push save      1         0       SECONDS
        2    pull products  1         0       SECONDS
        result: FOLDER/out.jsonl
        -- stderr
        some tasks failed: tramontane tasks list --state failed
        "#);
        assert_snapshot!(prompt.says(&["tasks", "cancel", "3"]), @r#"
        exit 3
        -- stderr
        error: task 3: it is `failed`, and only tasks that wait for their turn can be cancelled [decision_misfit]
          hint: retry it if it must run again
        "#);
        assert_snapshot!(prompt.says(&["run", "product"]), @r#"
        exit 3
        -- stderr
        error: there is no incoming "product" [incoming_unknown]
          hint: did you mean "products"?
        "#);
    });
}
