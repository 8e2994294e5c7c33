//! The proxy of docs/proxy.md, as it stands there, before a server.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use world::World;
use world::listener::Listener;
use world::serving::{Serving, request, wait_for};

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // Politely: it has processes of its own.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// The configuration of the page, between other addresses and without TLS, which is nginx's own.
fn configuration(world: &World, port: u16, server: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/proxy.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = page.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let block: String =
        block.lines().filter(|line| !line.trim().starts_with("ssl_")).map(|line| format!("{line}\n")).collect();
    let changed =
        block.replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port};")).replace("127.0.0.1:8420", server);
    assert!(changed != block && changed.contains(server));
    let folder = world.path("nginx");
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{changed}}}\n"
    )
}

#[test]
fn the_proxy_of_the_documentation_works() {
    let nginx =
        ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
    let Some(nginx) = nginx else {
        eprintln!("NOT TESTED: a proxy before the server; nginx is not installed here");
        return;
    };
    let world = World::new();
    world.run(&["people", "add", "ann", "--role", "admin"]).expect(0);
    let token = world.run(&["tokens", "add", "ann", "--json"]).expect(0).json()["token"].as_str().unwrap().to_owned();
    let serving =
        Serving::start_with(&mut world.command(&[]), &["--behind-proxy", "127.0.0.1", "--connections-each", "2"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let file = world.write("nginx.conf", configuration(&world, port, &serving.address));
    let child = Command::new(nginx).args(["-e", "stderr", "-c"]).arg(&file).stderr(Stdio::inherit()).spawn().unwrap();
    let _nginx = Nginx(child);
    let address = format!("127.0.0.1:{port}");
    wait_for("nginx", || request(&address, "GET", "/healthz", &[], b"").filter(|(status, _)| *status == 200));
    // An event comes at once, not when there are enough of them.
    let listener = Listener::begin(&address, "/api/v1/events", &token, None);
    listener.wait_for("reset");
    // Who asks is who asks nginx; what they claim to be is not passed on.
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.8")];
    assert_eq!(request(&address, "GET", "/api/v1/me", &headers, b"").unwrap().0, 200);
    let others: Vec<Listener> = (0..5).map(|_| Listener::begin(&address, "/api/v1/events", &token, None)).collect();
    others.iter().for_each(|listener| drop(listener.wait_for("reset")));
    world.run(&["people", "add", "bob", "--role", "viewer"]).expect(0);
    let bob = world.run(&["tokens", "add", "bob", "--json"]).expect(0).json()["token"].as_str().unwrap().to_owned();
    let as_bob = format!("Bearer {bob}");
    let denied = [("authorization", as_bob.as_str()), ("x-forwarded-for", "203.0.113.7")];
    assert_eq!(request(&address, "GET", "/api/v1/audit", &denied, b"").unwrap().0, 403);
    let audit = request(&address, "GET", "/api/v1/audit?what=denied", &headers, b"").unwrap().1;
    assert_eq!(audit["items"][0]["origin"], json!("127.0.0.1"), "{audit}");
    serving.stop();
}
