//! A template of a few lines, and what becomes of it.

use serde_json::Value;
use shared::actor::{Actor, Event, Fault, Turn};
use web::app::App;
use web::role::Whole;
use web::route::{Access, Route};
use web::routing::Routes;

use super::*;

/// What stands around the routes.
const TEMPLATE: &str = "paths:
          # routes: begin (written by `cargo run -- template`)
          # routes: end
          $default: {}
";

async fn reads(_: shared::erased::Reader, _: web::request::Request) -> Result<String, web::problem::Problem> {
    Ok(String::new())
}

fn get(path: &'static str, access: Access) -> Route {
    Route::get(path, access, reads)
}

async fn acts(
    _: shared::client::Client<shared::erased::AnyHost>,
    _: web::request::Request,
) -> Result<String, web::problem::Problem> {
    Ok(String::new())
}

fn act(method: &'static str, path: &'static str, access: Access) -> Route {
    Route::act(method, path, access, acts)
}

fn routes(list: impl IntoIterator<Item = Route>) -> Routes {
    Routes::new(list).unwrap()
}

fn shop() -> Vec<Route> {
    vec![
        get("/stock/{id}", Access::Signed),
        get("/", Access::Open),
        act("POST", "/stock/{id}/reserve", Access::Owner("id")),
        act("DELETE", "/stock/{id}", Access::Operator),
        get("/me", Access::User),
    ]
}

/// A kind that nobody has heard of.
#[derive(Debug)]
struct Stock;

impl Actor for Stock {
    const KIND: &'static str = "stock";
    type State = Value;
    type Command = Value;
    type Reply = Value;

    fn handle(_: &Value, event: &Event<'_, Value>) -> Result<Turn<Self>, Fault> {
        Ok(Turn::reply(event.command.clone(), event.command.clone()))
    }
}

fn lines(changes: &Changes) -> Vec<String> {
    changes.to_string().lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_routes_stand_between_the_marks_grouped_by_path_and_nothing_else_is_touched() {
    let Rewritten { text, changes } = rewritten(TEMPLATE, &routes(shop())).unwrap();
    assert_eq!(
        lines(&changes),
        ["+ GET /stock/{id}", "+ DELETE /stock/{id}", "+ GET /", "+ POST /stock/{id}/reserve", "+ GET /me"]
    );
    let integration = |function: &str| {
        format!(
            "              x-amazon-apigateway-integration: {{uri: !Sub \"arn:${{AWS::Partition}}:apigateway:\
             ${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{function}.Arn}}/invocations\", type: aws_proxy, \
             httpMethod: POST, payloadFormatVersion: \"2.0\"}}}}"
        )
    };
    let (ingest, status) = (integration("IngestFunction"), integration("StatusFunction"));
    let id = "parameters: [{name: id, in: path, required: true}]";
    let wanted = format!(
        r#"paths:
          # routes: begin (written by `cargo run -- template`)
          /stock/{{id}}:
            get: {{security: !If [AccessIsOpen, [{{NONE: []}}], [{{AWS_IAM: []}}]], {id}, responses: {{}},
{status}
            delete: {{security: [{{AWS_IAM: []}}], {id}, responses: {{}},
{ingest}
          /:
            get: {{security: !If [PagesAreOpen, [{{NONE: []}}], [{{AWS_IAM: []}}]], responses: {{}},
{status}
          /stock/{{id}}/reserve:
            post: {{security: !If [AccessIsOpen, [{{NONE: []}}], [{{USERS: []}}]], {id}, responses: {{}},
{ingest}
          /me:
            get: {{security: !If [AccessIsOpen, [{{NONE: []}}], [{{USERS: []}}]], responses: {{}},
{status}
          # routes: end
          $default: {{}}
"#
    );
    assert_eq!(text, wanted);
}

#[test]
fn what_is_written_again_stays_as_it_is() {
    let routes = routes(shop());
    for template in [TEMPLATE.to_owned(), TEMPLATE.replace('\n', "\r\n"), TEMPLATE.trim_end().to_owned()] {
        let once = rewritten(&template, &routes).unwrap();
        assert!(!once.changes.is_empty());
        let again = rewritten(&once.text, &routes).unwrap();
        assert_eq!((again.text, again.changes), (once.text, Changes::default()));
    }
}

#[test]
fn what_changed_is_told_by_route() {
    let before = rewritten(TEMPLATE, &routes(shop())).unwrap().text;
    let changes = |list: Vec<Route>| lines(&rewritten(&before, &routes(list)).unwrap().changes);
    let mut list = shop();
    list.push(get("/stock", Access::Signed));
    assert_eq!(changes(list), ["+ GET /stock"]);
    let mut list = shop();
    list.remove(1);
    assert_eq!(changes(list), ["- GET /"]);
    let mut list = shop();
    list[0].access = Access::Operator;
    assert_eq!(changes(list), ["~ GET /stock/{id}"]);
    let mut list = shop();
    list.swap(1, 4);
    assert_eq!(changes(list), ["the order of the routes, or how they are written"]);
    let commented = before.replace("          # routes: end", "          # by hand\n          # routes: end");
    assert_eq!(lines(&rewritten(&commented, &routes(shop())).unwrap().changes).len(), 1);
}

#[test]
fn marks_that_are_missing_doubled_or_reversed_are_told() {
    let wrong = |template: &str| rewritten(template, &routes(shop())).unwrap_err();
    let (begin, end) = ("          # routes: begin\n", "          # routes: end\n");
    assert_eq!(wrong("paths:\n"), MarksError::Missing(BEGIN));
    assert_eq!(wrong(end), MarksError::Missing(BEGIN));
    assert_eq!(wrong(begin), MarksError::Missing(END));
    assert_eq!(wrong(&format!("{begin}{end}{begin}")), MarksError::Doubled { mark: BEGIN, first: 1, second: 3 });
    assert_eq!(wrong(&format!("{begin}{end}{end}")), MarksError::Doubled { mark: END, first: 2, second: 3 });
    assert_eq!(wrong(&format!("{end}{begin}")), MarksError::Reversed { begin: 2, end: 1 });
    // Words that begin alike are no marks.
    assert_eq!(wrong(&format!("# routes: beginning\n{end}")), MarksError::Missing(BEGIN));
    assert!(wrong("").to_string().contains("put `# routes: begin` and `# routes: end` around the routes"));
}

#[test]
fn a_kind_needs_no_line_and_a_route_of_ones_own_does() {
    let of = |app: App<Whole>| app.build().unwrap().routes;
    let before = rewritten(TEMPLATE, &of(App::new())).unwrap().text;
    let kinds = rewritten(&before, &of(App::new().kind::<Stock>())).unwrap();
    assert!(kinds.changes.is_empty() && kinds.text == before, "{}", kinds.changes);
    let routed = rewritten(&before, &of(App::new().route(get("/stock/{id}", Access::Signed)))).unwrap();
    assert_eq!(lines(&routed.changes), ["+ GET /stock/{id}"]);
}

#[test]
fn a_check_changes_nothing_and_fails_with_the_command_that_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("template.yaml");
    fs::write(&file, TEMPLATE).unwrap();
    let run = |check: bool| run(&Options { file: file.clone(), check }, &routes(shop()));
    let refused = run(true).unwrap_err().to_string();
    assert!(refused.contains(&format!("`cargo run -- template {}`", file.display())), "{refused}");
    assert!(refused.contains("+ GET /stock/{id}"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), TEMPLATE);
    assert!(run(false).unwrap().contains("now has the 5 routes of the app:\n  + GET /stock/{id}\n"));
    for check in [true, false] {
        assert!(run(check).unwrap().ends_with("has the 5 routes of the app.\n"), "{check}");
    }
    fs::remove_file(&file).unwrap();
    assert!(run(true).unwrap_err().to_string().contains("name the file"));
}

#[test]
fn what_api_gateway_cannot_have_is_refused_before_anything_is_written() {
    let refused = |route: Route| check(&routes([route])).unwrap_err();
    assert!(refused(get("/files/{*rest}", Access::Open)).wrong.contains("a route for each path"));
    assert!(refused(get("/files/{name}.txt", Access::Open)).wrong.contains("between two slashes"));
    assert!(refused(get("/files/{the name}", Access::Open)).wrong.contains("letters"));
    let error = refused(act("PURGE", "/files", Access::Operator));
    assert!(error.to_string().starts_with("API Gateway has no such route as PURGE /files: its method"), "{error}");
    assert_eq!(check(&routes(shop())), Ok(()));
}

#[test]
fn a_path_that_yaml_could_take_for_something_else_is_quoted() {
    let list = || [get("/a: b", Access::Open), get("/c#d", Access::Open)];
    let text = rewritten(TEMPLATE, &routes(list())).unwrap().text;
    assert!(text.contains("          \"/a: b\":\n") && text.contains("          \"/c#d\":\n"), "{text}");
    assert!(rewritten(&text, &routes(list())).unwrap().changes.is_empty());
}

#[test]
fn more_routes_than_an_api_takes_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("template.yaml");
    let said = |count: usize| {
        fs::write(&file, TEMPLATE).unwrap();
        let path = |n: usize| -> &'static str { format!("/{n}").leak() };
        let list = (0..count).map(|n| get(path(n), Access::Open));
        run(&Options { file: file.clone(), check: false }, &routes(list)).unwrap()
    };
    assert!(!said(MOST - 1).contains("too many"));
    assert!(said(MOST).contains("too many"));
}
