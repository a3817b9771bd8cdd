//! The rules that keep the tree readable: what each file is for, and what it may know.

use std::fs;
use std::path::{Path, PathBuf};

/// Files, or folders of them, and what must not be in their code.
struct Rule {
    files: &'static [&'static str],
    except: &'static [&'static str],
    forbidden: &'static [&'static str],
}

const CLOCK_AND_ENVIRONMENT: &[&str] = &["SystemTime", "Instant::now", "std::env", "env::var"];
const CLOUD: &[&str] = &["aws_config", "aws_sdk", "aws_smithy", "aws_lambda", "lambda_http", "lambda_runtime"];
const RUNTIME: &[&str] = &["tokio", "axum", "reqwest", "rand::"];

const RULES: &[Rule] = &[
    // What decides is pure: it could run in a simulation, or in a proof.
    Rule {
        files: &[
            "shared/src/actor.rs",
            "shared/src/actors/",
            "shared/src/batch.rs",
            "shared/src/envelope.rs",
            "shared/src/limits.rs",
            "shared/src/outbox.rs",
            "shared/src/outcome.rs",
            "shared/src/registry.rs",
            "shared/src/wake.rs",
            "shared/src/mailbox/image.rs",
            "shared/src/table.rs",
        ],
        except: &[],
        forbidden: &[
            "crate::host",
            "crate::client",
            "crate::visit",
            "crate::live",
            "crate::http",
            "async fn",
            ".await",
        ],
    },
    // An actor knows the trait and nothing of how it is run.
    Rule {
        files: &["shared/src/actors/"],
        except: &[],
        forbidden: &["crate::mailbox", "crate::store", "crate::table", "crate::batch", "crate::outbox", "serde_dynamo"],
    },
    // The protocol reaches the world through its host only.
    Rule {
        files: &["shared/src/"],
        except: &["shared/src/lambda.rs", "shared/src/live.rs", "shared/src/push.rs", "shared/src/store/dynamodb"],
        forbidden: CLOUD,
    },
    Rule { files: &["shared/src/"], except: &["shared/src/live.rs", "shared/src/push.rs"], forbidden: RUNTIME },
    Rule {
        files: &["shared/src/"],
        except: &["shared/src/lambda.rs", "shared/src/live.rs"],
        forbidden: CLOCK_AND_ENVIRONMENT,
    },
    Rule { files: &["shared/src/"], except: &["shared/src/http/", "shared/src/lib.rs"], forbidden: &["crate::http"] },
    // The SDK behind the store decides nothing.
    Rule {
        files: &["shared/src/store.rs", "shared/src/store/"],
        except: &[],
        forbidden: &["crate::mailbox", "crate::visit", "crate::client", "crate::host", "crate::actor"],
    },
    // Expressions are on one screen.
    Rule {
        files: &["shared/src/", "functions/", "local/src/"],
        except: &["shared/src/table.rs"],
        forbidden: &[
            "SET #",
            "REMOVE #",
            "ADD #",
            "attribute_not_exists",
            "attribute_exists",
            "list_append",
            "if_not_exists",
        ],
    },
    // A handler is called with all that it needs; main.rs only wires.
    Rule {
        files: &["functions/"],
        except: &["functions/ingest/src/main.rs", "functions/drain/src/main.rs", "functions/status/src/main.rs"],
        forbidden: CLOCK_AND_ENVIRONMENT,
    },
    Rule { files: &["functions/"], except: &[], forbidden: &["aws_sdk_dynamodb", "axum", "reqwest", "rand::"] },
    Rule { files: &["functions/ingest/"], except: &[], forbidden: &["drain::", "status::", "aws_sdk_sqs"] },
    Rule { files: &["functions/status/"], except: &[], forbidden: &["drain::", "ingest::", "aws_sdk_sqs"] },
    Rule { files: &["functions/drain/"], except: &[], forbidden: &["ingest::", "status::", "lambda_http"] },
    // What reads has no way to write.
    Rule {
        files: &["functions/status/"],
        except: &[],
        forbidden: &[
            ".update(",
            ".transact(",
            "mailbox::post",
            "mailbox::commit",
            "mailbox::takeover",
            "shared::visit",
            "shared::look",
            ".delete(",
            "redrive",
            "resume::",
            "sweep::",
        ],
    },
    // The development server calls the handlers, and takes no part in the protocol.
    Rule {
        files: &["local/src/"],
        except: &[],
        forbidden: &["shared::mailbox", "shared::visit", "shared::batch", "shared::table", "SystemTime"],
    },
    Rule {
        files: &["local/src/"],
        except: &["local/src/main.rs", "local/src/fixture.rs"],
        forbidden: &["std::env", "env::var"],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of the project with this name or ending, by its path from the root.
fn files(ending: &str) -> Vec<(String, String)> {
    let (mut folders, mut found) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(ending) && path.is_file() {
                let place = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((place, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The code of a file: without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_file_says_first_what_it_is() {
    let sources = files(".rs");
    assert!(sources.len() > 50, "{}", sources.len());
    for (path, text) in sources {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{path}: {first}");
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    for (path, text) in files(".rs") {
        let lines = text.lines().count();
        assert!(path.starts_with("tests/") || lines <= 400, "{path} has {lines} lines");
    }
}

#[test]
fn every_file_knows_only_what_it_may() {
    let sources = files(".rs");
    for Rule { files, except, forbidden } in RULES {
        for file in files.iter().chain(*except) {
            assert!(sources.iter().any(|(path, _)| path.starts_with(file)), "a rule names {file}, which is not there");
        }
        for (path, text) in &sources {
            let ruled = files.iter().any(|file| path.starts_with(file));
            if !ruled || except.iter().any(|file| path.starts_with(file)) {
                continue;
            }
            let code = code(text);
            let found = forbidden.iter().find(|word| code.contains(**word));
            assert_eq!(found, None, "{path} must not know this");
        }
    }
}

#[test]
fn main_files_only_wire() {
    for (path, text) in files("main.rs") {
        let limit = if path.starts_with("functions/") { 40 } else { 80 };
        assert!(text.lines().count() <= limit, "{path}");
    }
}

#[test]
fn every_crate_is_a_member_and_nothing_stands_on_the_development_server() {
    let manifests = files("Cargo.toml");
    let (_, workspace) = manifests.iter().find(|(path, _)| path == "Cargo.toml").unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")?.strip_suffix(']')).unwrap();
    let mut members: Vec<String> =
        members.split(", ").map(|name| format!("{}/Cargo.toml", name.trim_matches('"'))).collect();
    members.push("Cargo.toml".to_owned());
    members.sort();
    let there: Vec<&String> = manifests.iter().map(|(path, _)| path).collect();
    assert_eq!(there, members.iter().collect::<Vec<_>>());
    for (path, text) in manifests.iter().filter(|(path, _)| path != "Cargo.toml") {
        assert!(text.contains("[lints]\nworkspace = true"), "{path} does not take the workspace's lints");
        let stands = text.lines().any(|line| line.starts_with("local.workspace") || line.starts_with("local ="));
        let may = ["tests/Cargo.toml", "tests/bench/Cargo.toml"].contains(&path.as_str());
        assert!(!stands || may, "{path}: nothing but tests may import local");
    }
}
