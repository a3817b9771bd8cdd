//! A server whose database file was cut short or overwritten: it says so, and does not answer as if it were whole.

use std::fs;
use std::path::Path;

use reqwest::Client;
use serde_json::json;

use crate::answer::get;
use crate::server::{Server, run};

const ENTITIES: usize = 300;
const FILE: &str = "dynamodb.sqlite";

/// A directory that a server has filled, and what is in the database's file.
async fn filled(directory: &Path) -> Vec<u8> {
    let http = Client::new();
    let server = Server::start(&[Path::new("--data"), directory]);
    for counter in 0..ENTITIES {
        let posted = http.post(format!("{}/counter/c{counter}/increment", server.url())).send().await.unwrap();
        assert_eq!(posted.status(), 200);
    }
    server.stop().await;
    fs::read(directory.join(FILE)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let whole = filled(dir.path()).await;
    let half = whole.len() / 2;
    let over = |with: &dyn Fn(usize) -> u8| {
        let mut damaged = whole.clone();
        damaged[half..half + 32 * 1024].iter_mut().enumerate().for_each(|(at, byte)| *byte = with(at));
        damaged
    };
    let cases = [
        ("cut in half", whole[..half].to_vec()),
        ("cut within a page", whole[..half - 100].to_vec()),
        ("garbage in the middle", over(&|at| (at * 31 + at / 251) as u8)),
        ("zeros in the middle", over(&|_| 0)),
        ("no database", b"this is a letter, and a long one at that".repeat(500)),
    ];
    for (what, damaged) in cases {
        fs::write(dir.path().join(FILE), &damaged).unwrap();
        let refused = run(&[Path::new("--data"), dir.path(), Path::new("--port"), Path::new("0")]);
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
        for told in [FILE, "is damaged", "copy that is whole", "move it away"] {
            assert!(refused.stderr.contains(told), "{what}: no {told:?} in {refused:?}");
        }
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), damaged, "{what}: it was changed");
    }
    // Beside a log that was not taken over yet, the first page is in the log, and nothing looks at the file's length.
    fs::write(dir.path().join(FILE), &whole).unwrap();
    let (http, server) = (Client::new(), Server::start(&[Path::new("--data"), dir.path()]));
    let posted = http.post(format!("{}/counter/more/increment", server.url())).send().await.unwrap();
    assert_eq!(posted.status(), 200);
    server.kill();
    assert!(fs::metadata(dir.path().join(format!("{FILE}-wal"))).unwrap().len() > 0);
    let file = fs::OpenOptions::new().write(true).open(dir.path().join(FILE)).unwrap();
    file.set_len(half as u64).unwrap();
    let refused = run(&[Path::new("--data"), dir.path(), Path::new("--port"), Path::new("0")]);
    assert!(refused.code == Some(1) && refused.stderr.contains("is damaged"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_database_is_served_after_a_kill_as_well() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let http = Client::new();
    for value in 2..4 {
        let server = Server::start(&[Path::new("--data"), dir.path()]);
        let posted = http.post(format!("{}/counter/c7/increment", server.url())).send().await.unwrap();
        assert_eq!(posted.json::<serde_json::Value>().await.unwrap(), json!({"counter_id": "c7", "value": value}));
        assert_eq!(get(&http, &format!("{}/counter/c{}", server.url(), ENTITIES - 1)).await["value"], 1);
        server.kill();
    }
}
