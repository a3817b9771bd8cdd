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
        files: &[
            "shared/kinds/src/counter.rs",
            "shared/kinds/src/account.rs",
            "shared/kinds/src/account/rejections.rs",
            "shared/kinds/src/account/transfer.rs",
            "shared/kinds/src/user.rs",
            "shared/kinds/src/user/conversation.rs",
            "shared/kinds/src/user/frame.rs",
            "shared/kinds/src/user/presence.rs",
            "shared/kinds/src/user/rejections.rs",
        ],
        except: &[],
        forbidden: &[
            "shared::mailbox",
            "shared::store",
            "shared::table",
            "shared::batch",
            "shared::outbox",
            "shared::host",
            "serde_dynamo",
            "async fn",
            ".await",
        ],
    },
    // A kind has nothing that a kind of somebody else's repository could not have.
    Rule {
        files: &["shared/kinds/", "functions/", "local/src/"],
        except: &[],
        forbidden: &["aws_", "lambda_http", "lambda_runtime", "tokio", "axum", "clap", " shared::", " web::"],
    },
    // Nothing below the kinds knows one of them.
    Rule {
        files: &["shared/src/", "shared/web/", "leasebox/"],
        // A new project begins with a counter, and what is tested below the kinds has a toy of its own.
        except: &["shared/src/toys.rs", "leasebox/local/src/fixture.rs", "leasebox/local/src/scaffold"],
        forbidden: &[
            "kinds::",
            "Account",
            "/webhook",
            "/counter",
            "/accounts",
            "/transfers",
            "\"account\"",
            "\"counter\"",
        ],
    },
    // The protocol reaches the world through its host only.
    Rule {
        files: &["shared/src/"],
        except: &["shared/src/lambda.rs", "shared/src/live.rs", "shared/src/push.rs", "shared/src/store/dynamodb"],
        forbidden: CLOUD,
    },
    Rule {
        files: &["shared/src/"],
        // The last one names crates whose lines are left out.
        except: &["shared/src/live.rs", "shared/src/push.rs", "shared/src/log/subscriber.rs"],
        forbidden: RUNTIME,
    },
    Rule {
        files: &["shared/src/"],
        except: &["shared/src/lambda.rs", "shared/src/live.rs"],
        forbidden: CLOCK_AND_ENVIRONMENT,
    },
    Rule { files: &["shared/src/"], except: &[], forbidden: &["web::"] },
    Rule { files: &["shared/web/"], except: &[], forbidden: CLOUD },
    Rule { files: &["shared/web/"], except: &[], forbidden: RUNTIME },
    Rule { files: &["shared/web/"], except: &[], forbidden: CLOCK_AND_ENVIRONMENT },
    // The SDK behind the store decides nothing.
    Rule {
        files: &["shared/src/store.rs", "shared/src/store/"],
        except: &[],
        forbidden: &["crate::mailbox", "crate::visit", "crate::client", "crate::host", "crate::actor"],
    },
    // Expressions are on one screen.
    Rule {
        files: &["shared/", "functions/", "leasebox/", "local/src/"],
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
    // A handler is called with all that it needs; only the front door reads the environment.
    Rule {
        files: &["leasebox/ingest/", "leasebox/drain/", "leasebox/status/"],
        except: &[],
        forbidden: CLOCK_AND_ENVIRONMENT,
    },
    Rule {
        files: &["leasebox/ingest/", "leasebox/drain/", "leasebox/status/"],
        except: &[],
        forbidden: &["aws_sdk_dynamodb", "axum", "reqwest", "rand::"],
    },
    Rule { files: &["leasebox/ingest/"], except: &[], forbidden: &["drain::", "status::", "aws_sdk_sqs"] },
    Rule { files: &["leasebox/status/"], except: &[], forbidden: &["drain::", "ingest::", "aws_sdk_sqs"] },
    Rule { files: &["leasebox/drain/"], except: &[], forbidden: &["ingest::", "status::", "lambda_http"] },
    // The development server calls the handlers, and takes no part in the protocol.
    Rule {
        files: &["leasebox/local/src/"],
        except: &[],
        forbidden: &["shared::mailbox", "shared::visit", "shared::batch", "shared::table", "SystemTime"],
    },
    Rule {
        files: &["leasebox/local/src/"],
        except: &["leasebox/local/src/command.rs", "leasebox/local/src/fixture.rs"],
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
        // Tests may know whatever they need to test.
        for (path, text) in sources.iter().filter(|(path, _)| !path.ends_with("tests.rs") && !path.contains("/tests/"))
        {
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
    let mains = files("main.rs").into_iter().chain(files(".rs").into_iter().filter(|(path, _)| path.contains("/bin/")));
    for (path, text) in mains {
        let limit = if path.contains("tests/") || path.starts_with("leasebox/") { 80 } else { 15 };
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
        let may = [
            "leasebox/Cargo.toml",
            "leasebox/testing/Cargo.toml",
            "local/Cargo.toml",
            "tests/Cargo.toml",
            "tests/bench/Cargo.toml",
        ];
        assert!(
            !stands || may.contains(&path.as_str()),
            "{path}: nothing but tests, and the feature `dev`, may import local"
        );
        let knows = text.lines().any(|line| line.starts_with("kinds.workspace"));
        let may = ["functions/", "local/", "tests/"];
        assert!(
            !knows || may.iter().any(|may| path.starts_with(may)),
            "{path}: nothing that is published knows a kind"
        );
    }
}

/// Each package is published by itself: a file that is beside it, and not in it, is missing there. `cargo publish`
/// notices that of what it builds, and it builds no tests.
#[test]
fn no_library_includes_a_file_from_outside_its_package() {
    let packages = ["leasebox/drain", "leasebox/ingest", "leasebox/local", "leasebox/status", "shared/web"];
    let packages = || packages.iter().chain(&["leasebox", "shared"]);
    for (path, text) in files(".rs") {
        let Some(package) = packages().find(|package| path.starts_with(**package)) else { continue };
        for macro_name in ["include_str!(\"", "include_bytes!(\""] {
            for included in code(&text).split(macro_name).skip(1).filter_map(|rest| rest.split('"').next()) {
                let up = included.matches("../").count();
                let depth = path[package.len()..].matches('/').count() - 1;
                assert!(up <= depth, "{path} includes {included}, which is not in the package {package}");
            }
        }
    }
}

/// The first sentence of a public item's documentation, and where it is.
struct Sentence {
    place: String,
    text: String,
}

/// The first sentences of a file's public items: of all that is `pub`, and of all that is in a public enum or trait.
/// What only its own crate sees may say less.
fn first_sentences(path: &str, text: &str) -> Vec<Sentence> {
    let (mut found, mut doc, mut begins) = (Vec::new(), Vec::new(), 0);
    let (mut in_attribute, mut public_until) = (false, None::<String>);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim_start();
        if let Some(comment) = code.strip_prefix("///") {
            begins = if doc.is_empty() { number } else { begins };
            doc.push(comment.trim());
            continue;
        }
        // Attributes stand between documentation and item.
        if in_attribute || code.starts_with("#[") {
            in_attribute = !code.ends_with(']');
            continue;
        }
        if public_until.as_ref().is_some_and(|end| end == line) {
            public_until = None;
        }
        if !doc.is_empty() && (public_until.is_some() || code.starts_with("pub ")) {
            let paragraph = doc.split(|line| line.is_empty()).next().unwrap().join(" ");
            let text = paragraph.split(". ").next().unwrap().to_owned();
            found.push(Sentence { place: format!("{path}:{begins}"), text });
        }
        doc.clear();
        if (code.starts_with("pub enum ") || code.starts_with("pub trait ")) && !code.ends_with('}') {
            public_until = Some(format!("{}}}", &line[..line.len() - code.len()]));
        }
    }
    found
}

/// The first sentence is often all that a reader sees: in a list of items, in an editor, and in `/openapi.json`, where
/// the documentation of what has a schema is its description. "Which." or "The same with one more." say nothing there.
#[test]
fn the_first_sentence_of_every_public_item_can_be_understood_alone() {
    // What a new project is made of is its own.
    let library = |path: &str| {
        (path.starts_with("shared/") || path.starts_with("leasebox/")) && !path.contains("/scaffold/files/")
    };
    let sources = files(".rs").into_iter().filter(|(path, _)| library(path));
    let sentences: Vec<Sentence> = sources.flat_map(|(path, text)| first_sentences(&path, &text)).collect();
    assert!(sentences.len() > 2_000, "{}", sentences.len());
    for Sentence { place, text } in sentences {
        assert!(text.split_whitespace().count() >= 4, "{place}: {text:?} is too short to say what the item is for");
        assert!(!text.starts_with("The same"), "{place}: {text:?} leans on the item before it");
    }
}
