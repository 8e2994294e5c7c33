//! What is created is listed, read, deleted, and then gone.

use crate::wire::{Got, JSON, KEY, client, delete, get, send, start};
use serde_json::{Value, json};
use simulator::Running;

#[tokio::test]
async fn models() {
    let running = start().await;
    let list = get(&running, "/v1/models").await.json();
    let cards = list["data"].as_array().unwrap();
    let ids: Vec<&str> = cards.iter().map(|card| card["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"open-mistral-7b"), "{ids:?}");
    assert_eq!(get(&running, "/v1/models/open-mistral-7b").await.json()["id"], "open-mistral-7b");
    let latest = get(&running, "/v1/models/mistral-small-latest").await;
    assert!(ids.contains(&latest.json()["id"].as_str().unwrap()), "an alias: {}", latest.text());
    let tuned: Vec<&str> =
        cards.iter().filter(|card| card["type"] == "fine-tuned").map(|card| card["id"].as_str().unwrap()).collect();
    assert!(tuned.len() >= 2, "{ids:?}");
    let target = format!("/v1/models/{}", tuned[0]);
    assert_eq!(delete(&running, &target).await.json(), json!({"id": tuned[0], "object": "model", "deleted": true}));
    assert_eq!(get(&running, &target).await.status, 404);
    assert_eq!(delete(&running, &target).await.status, 404);
    let left = get(&running, "/v1/models").await.json();
    assert_eq!(left["data"].as_array().unwrap().len(), cards.len() - 1);
    let refused = delete(&running, "/v1/models/open-mistral-7b").await;
    assert_eq!((refused.status, &refused.json()["type"]), (403, &json!("forbidden")));
    assert_eq!(get(&running, "/v1/models/open-mistral-7b").await.status, 200);
    let filtered = get(&running, "/v1/models?model=codestral-latest").await.json();
    assert_eq!(filtered["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn fine_tuned_models_change() {
    let (running, client) = (start().await, client());
    let id = "ft:open-mistral-7b:daf5e488:20260114:c1bed559";
    let target = format!("{}/v1/fine_tuning/models/{id}", running.url());
    let changed =
        send(&client, "PATCH", target.clone(), &[KEY, JSON], r#"{"name": "New", "description": "Better"}"#).await;
    assert_eq!((changed.status, &changed.json()["name"]), (200, &json!("New")), "{}", changed.text());
    assert_eq!(changed.json()["model_type"], "completion");
    let archived = send(&client, "POST", format!("{target}/archive"), &[KEY], "").await;
    assert_eq!(archived.json(), json!({"id": id, "object": "model", "archived": true}));
    let card = get(&running, &format!("/v1/models/{id}")).await.json();
    assert_eq!((&card["description"], &card["archived"]), (&json!("Better"), &json!(true)));
    send(&client, "DELETE", format!("{target}/archive"), &[KEY], "").await;
    assert_eq!(get(&running, &format!("/v1/models/{id}")).await.json()["archived"], false);
}

pub(crate) async fn upload(running: &Running, name: &str, purpose: &str, content: &[u8]) -> Got {
    let mut body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--b\r\nContent-Disposition: \
        form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/jsonl\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let headers = [KEY, ("content-type", "multipart/form-data; boundary=b")];
    send(&client(), "POST", format!("{}/v1/files", running.url()), &headers, body).await
}

#[tokio::test]
async fn files() {
    let running = start().await;
    let content = b"{\"a\": 1}\n\r\n--\0\xff";
    let file = upload(&running, "é 🌬.jsonl", "batch", content).await.json();
    assert_eq!((&file["filename"], &file["bytes"]), (&json!("é 🌬.jsonl"), &json!(content.len())));
    assert_eq!((&file["sample_type"], &file["num_lines"]), (&json!("batch_request"), &json!(2)));
    let id = file["id"].as_str().unwrap().to_owned();
    let same = upload(&running, "é 🌬.jsonl", "batch", content).await.json();
    assert_ne!(same["id"], *id, "each upload is an object of its own");
    // What is shown says besides that it is not deleted.
    let mut shown = file.clone();
    shown["deleted"] = json!(false);
    assert_eq!(get(&running, &format!("/v1/files/{id}")).await.json(), shown);
    let read = get(&running, &format!("/v1/files/{id}/content")).await;
    assert_eq!((read.header("content-type"), &read.body[..]), (Some("application/octet-stream"), &content[..]));
    let url = get(&running, &format!("/v1/files/{id}/url")).await.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(send(&client(), "GET", url.clone(), &[], "").await.body, read.body, "no key is needed");
    assert_eq!(send(&client(), "GET", format!("{url}0"), &[], "").await.status, 404, "but the signature is");
    assert_eq!(delete(&running, &format!("/v1/files/{id}")).await.json()["deleted"], true);
    for rest in ["", "/content", "/url"] {
        assert_eq!(get(&running, &format!("/v1/files/{id}{rest}")).await.status, 404);
    }
    assert_eq!(delete(&running, &format!("/v1/files/{id}")).await.status, 404);
}

#[tokio::test]
async fn lists_of_files() {
    let running = start().await;
    for number in 0..5 {
        let purpose = if number < 2 { "ocr" } else { "batch" };
        assert_eq!(upload(&running, &format!("file-{number}"), purpose, b"x").await.status, 200);
    }
    let cases: [(&str, &[&str], Value); 6] = [
        ("", &["file-4", "file-3", "file-2", "file-1", "file-0"], json!(5)),
        ("?page_size=2", &["file-4", "file-3"], json!(5)),
        ("?page_size=2&page=2&include_total=false", &["file-0"], Value::Null),
        ("?page_size=2&page=3", &[], json!(5)),
        ("?purpose=ocr", &["file-1", "file-0"], json!(2)),
        ("?search=-3&mimetypes=application%2Fjsonl", &["file-3"], json!(1)),
    ];
    for (query, names, total) in cases {
        let list = get(&running, &format!("/v1/files{query}")).await.json();
        let found: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|file| file["filename"].as_str().unwrap()).collect();
        assert_eq!((&found[..], &list["total"]), (names, &total), "{query}");
    }
}
