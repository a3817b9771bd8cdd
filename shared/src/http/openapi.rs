//! The OpenAPI document, made from the routes and from the types of the answers.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr, Required, Schema,
};

use crate::actors::user::frame::Shown;
use crate::http::answer::{
    CounterAnswer, EntityAnswer, EntityPage, HealthAnswer, ReceiptAnswer, TicketAnswer, UserAnswer, UserPage,
    WebhookAnswer,
};
use crate::http::bank::{
    AccountAnswer, AccountEvents, AmountBody, OpenBody, TransferAnswer, TransferBody, VerifyAnswer,
};
use crate::http::chat::{
    ConversationPage, HistoryPage, LogPart, OnlinePage, PageConfig, PresenceAnswer, ReadAnswer, ReadBody, SendBody,
};
use crate::http::operator::{
    DeadLetterAnswer, DeadLetterPage, DeletedAnswer, RedriveAllAnswer, RedriveAnswer, ResumeAnswer, StuckPage,
    SweepAnswer,
};
use crate::http::problem;
use crate::http::routes::{Banking, Chatting, Endpoint, Function, Page, ROUTES, Route, Task};
use crate::limits;

/// A problem as RFC 9457 has it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct ProblemAnswer {
    /// `urn:leasebox:` and the problem's name.
    r#type: String,
    /// The name in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, and what would be right.
    detail: String,
}

/// The body of an increment.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct IncrementBody {
    /// How much to add.
    #[schema(required = false, default = 1)]
    amount: i64,
}

/// The body of a delta, when it is not in the query.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct WebhookBody {
    /// The user.
    user_id: Option<String>,
    /// How much to add.
    delta: Option<i64>,
}

/// The body of a resumption.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct ResumeBody {
    /// What becomes of the first event: `retry` runs it again, `park` puts it to the dead letters.
    #[schema(required = false, default = "retry")]
    head: HeadBody,
}

/// What becomes of the first event.
#[derive(serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum HeadBody {
    Retry,
    Park,
}

/// The name of the scheme that operator routes ask for. Deployed, they ask for AWS_IAM signatures, like other routes.
const OPERATORS: &str = "operator-token";
/// The name of the scheme that users' routes ask for, unless the deployment is open to everyone.
const USERS: &str = "user-token";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let paths = ROUTES.iter().fold(PathsBuilder::new(), |paths, route| {
        let method = match route.method {
            "POST" => HttpMethod::Post,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Get,
        };
        paths.path(route.path, PathItem::new(method, operation(route)))
    });
    let info = InfoBuilder::new()
        .title("Leasebox")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Actors on Lambda and DynamoDB: events in, state out, strictly sequential per entity."))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components().build())).build()
}

fn components() -> ComponentsBuilder {
    fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
    }
    let mut schemas = Vec::new();
    add::<WebhookAnswer>(&mut schemas);
    add::<CounterAnswer>(&mut schemas);
    add::<ReceiptAnswer>(&mut schemas);
    add::<UserAnswer>(&mut schemas);
    add::<UserPage>(&mut schemas);
    add::<EntityAnswer>(&mut schemas);
    add::<EntityPage>(&mut schemas);
    add::<HealthAnswer>(&mut schemas);
    add::<TicketAnswer>(&mut schemas);
    add::<PageConfig>(&mut schemas);
    add::<Shown>(&mut schemas);
    add::<ConversationPage>(&mut schemas);
    add::<HistoryPage>(&mut schemas);
    add::<LogPart>(&mut schemas);
    add::<PresenceAnswer>(&mut schemas);
    add::<OnlinePage>(&mut schemas);
    add::<ReadAnswer>(&mut schemas);
    add::<SendBody>(&mut schemas);
    add::<ReadBody>(&mut schemas);
    add::<AccountAnswer>(&mut schemas);
    add::<AccountEvents>(&mut schemas);
    add::<VerifyAnswer>(&mut schemas);
    add::<TransferAnswer>(&mut schemas);
    add::<OpenBody>(&mut schemas);
    add::<AmountBody>(&mut schemas);
    add::<TransferBody>(&mut schemas);
    add::<DeadLetterAnswer>(&mut schemas);
    add::<DeadLetterPage>(&mut schemas);
    add::<DeletedAnswer>(&mut schemas);
    add::<RedriveAnswer>(&mut schemas);
    add::<RedriveAllAnswer>(&mut schemas);
    add::<ResumeAnswer>(&mut schemas);
    add::<ResumeBody>(&mut schemas);
    add::<StuckPage>(&mut schemas);
    add::<SweepAnswer>(&mut schemas);
    add::<ProblemAnswer>(&mut schemas);
    add::<IncrementBody>(&mut schemas);
    add::<WebhookBody>(&mut schemas);
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let jwt = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
    ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme(OPERATORS, token).security_scheme(USERS, jwt)
}

fn operation(route: &Route) -> Operation {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let id = format!("{}{}", route.method.to_lowercase(), route.path.replace(['/', '{', '}', '.'], "_"));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(route.summary))
        .response("default", response("A problem", problem::MEDIA_TYPE, Some(reference::<ProblemAnswer>())));
    for name in names {
        operation = operation.parameter(parameter(name, ParameterIn::Path, Required::True, &json!({"type": "string"})));
    }
    for (name, schema) in query(route) {
        operation = operation.parameter(parameter(name, ParameterIn::Query, Required::False, &schema));
    }
    if let Endpoint::Operator(_) = route.endpoint {
        operation = operation.security(SecurityRequirement::new(OPERATORS, Vec::<String>::new()));
    }
    if let Endpoint::Chat(_) = route.endpoint {
        operation = operation
            .security(SecurityRequirement::default())
            .security(SecurityRequirement::new(USERS, Vec::<String>::new()));
    }
    if let Some(body) = body(route) {
        operation = operation.request_body(Some(body));
    }
    let posts = !matches!(route.endpoint, Endpoint::Operator(_) | Endpoint::Chat(Chatting::Ticket));
    if route.function == Function::Ingest && posts {
        let text = json!({"type": "string"});
        operation = operation
            .parameter(parameter("Idempotency-Key", ParameterIn::Header, Required::False, &text))
            .parameter(parameter("Prefer", ParameterIn::Header, Required::False, &text))
            .response("202", response("Stored, not yet processed", "application/json", Some(accepted(route))));
    }
    let boolean = json!({"type": "string", "enum": ["?1"]});
    operation = operation
        .parameter(parameter("Leasebox-Consumed", ParameterIn::Header, Required::False, &boolean))
        .parameter(parameter("traceparent", ParameterIn::Header, Required::False, &json!({"type": "string"})));
    operation.response("200", response("Done", media(route), success(route))).build()
}

fn media(route: &Route) -> &'static str {
    match route.endpoint {
        Endpoint::Page(Page::Index) => "text/html",
        Endpoint::Page(Page::Script) => "text/javascript",
        Endpoint::Page(Page::Style) => "text/css",
        _ => "application/json",
    }
}

fn query(route: &Route) -> Vec<(&'static str, Value)> {
    let text = || json!({"type": "string"});
    let limit = json!({"type": "integer", "minimum": 1, "maximum": limits::PAGE_MOST, "default": limits::PAGE});
    let events = json!({"type": "integer", "minimum": 1, "maximum": limits::EVENTS_MOST, "default": limits::EVENTS});
    let number = || json!({"type": "integer", "format": "int64", "minimum": 0});
    let time = json!({"type": "string", "format": "date-time"});
    match route.endpoint {
        Endpoint::Webhook => vec![("user_id", text()), ("delta", json!({"type": "integer", "format": "int64"}))],
        Endpoint::Users => vec![("user_id", text()), ("limit", limit), ("cursor", text())],
        Endpoint::List | Endpoint::Operator(Task::Letters) => vec![("limit", limit), ("cursor", text())],
        Endpoint::Bank(Banking::Account) => vec![("version", number()), ("at", time)],
        Endpoint::Bank(Banking::Events) => vec![("from", number()), ("limit", events)],
        Endpoint::Chat(Chatting::Conversations) => vec![("limit", limit), ("cursor", text())],
        Endpoint::Chat(Chatting::History) => vec![("before", number()), ("limit", limit)],
        Endpoint::Chat(Chatting::Log) => vec![("since", number()), ("limit", limit)],
        Endpoint::Chat(Chatting::Online) => vec![("online", text()), ("limit", limit), ("cursor", text())],
        Endpoint::Operator(Task::RedriveAll) => vec![("limit", limit)],
        Endpoint::Operator(Task::Stuck) => vec![("kind", text()), ("limit", limit), ("cursor", text())],
        Endpoint::Operator(Task::Sweep) => vec![("kind", text()), ("cursor", text())],
        _ => Vec::new(),
    }
}

fn body(route: &Route) -> Option<RequestBody> {
    let event = json!({"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}});
    let array = json!({"type": "array", "minItems": 1, "maxItems": limits::POST_EVENTS, "items": event});
    let (schema, required) = match (route.method, route.endpoint) {
        (_, Endpoint::Increment) => (reference::<IncrementBody>(), Required::False),
        ("POST", Endpoint::Webhook) => (reference::<WebhookBody>(), Required::False),
        (_, Endpoint::Bank(Banking::Open)) => (reference::<OpenBody>(), Required::True),
        (_, Endpoint::Bank(Banking::Deposit | Banking::Withdraw)) => (reference::<AmountBody>(), Required::True),
        (_, Endpoint::Bank(Banking::Transfer)) => (reference::<TransferBody>(), Required::True),
        (_, Endpoint::Chat(Chatting::Send)) => (reference::<SendBody>(), Required::True),
        (_, Endpoint::Chat(Chatting::Read)) => (reference::<ReadBody>(), Required::False),
        (_, Endpoint::Operator(Task::Resume)) => (reference::<ResumeBody>(), Required::False),
        (_, Endpoint::Post) => (inline(&json!({"oneOf": [event, array]})), Required::True),
        _ => return None,
    };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    Some(RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build())
}

fn success(route: &Route) -> Option<RefOr<Schema>> {
    Some(match route.endpoint {
        Endpoint::Webhook => reference::<WebhookAnswer>(),
        Endpoint::Increment | Endpoint::Counter => reference::<CounterAnswer>(),
        Endpoint::Post => one_or_many("ReceiptAnswer"),
        Endpoint::Users => inline(&json!({"oneOf": [named("UserAnswer"), named("UserPage")]})),
        Endpoint::List => reference::<EntityPage>(),
        Endpoint::Entity => reference::<EntityAnswer>(),
        Endpoint::Event => reference::<ReceiptAnswer>(),
        Endpoint::Health => reference::<HealthAnswer>(),
        Endpoint::OpenApi => inline(&json!({"type": "object"})),
        Endpoint::Bank(banking) => banked(banking),
        Endpoint::Operator(task) => operated(task),
        Endpoint::Chat(chatting) => chatted(chatting),
        Endpoint::Page(Page::Config) => reference::<PageConfig>(),
        Endpoint::Page(_) => inline(&json!({"type": "string"})),
    })
}

fn banked(banking: Banking) -> RefOr<Schema> {
    match banking {
        Banking::Open | Banking::Deposit | Banking::Withdraw | Banking::Account => reference::<AccountAnswer>(),
        Banking::Events => reference::<AccountEvents>(),
        Banking::Verify => reference::<VerifyAnswer>(),
        Banking::Transfer | Banking::Tracked => reference::<TransferAnswer>(),
    }
}

fn chatted(chatting: Chatting) -> RefOr<Schema> {
    match chatting {
        Chatting::Conversations => reference::<ConversationPage>(),
        Chatting::History => reference::<HistoryPage>(),
        Chatting::Log => reference::<LogPart>(),
        Chatting::Presence => reference::<PresenceAnswer>(),
        Chatting::Online => reference::<OnlinePage>(),
        Chatting::Send => reference::<Shown>(),
        Chatting::Read => reference::<ReadAnswer>(),
        Chatting::Ticket => reference::<TicketAnswer>(),
    }
}

fn operated(task: Task) -> RefOr<Schema> {
    match task {
        Task::Letters => reference::<DeadLetterPage>(),
        Task::Letter => reference::<DeadLetterAnswer>(),
        Task::Delete => reference::<DeletedAnswer>(),
        Task::Redrive => reference::<RedriveAnswer>(),
        Task::RedriveAll => reference::<RedriveAllAnswer>(),
        Task::Resume => reference::<ResumeAnswer>(),
        Task::Stuck => reference::<StuckPage>(),
        Task::Sweep => reference::<SweepAnswer>(),
    }
}

fn accepted(route: &Route) -> RefOr<Schema> {
    match route.endpoint {
        Endpoint::Post => one_or_many("ReceiptAnswer"),
        Endpoint::Bank(Banking::Transfer) => reference::<TransferAnswer>(),
        _ => reference::<ReceiptAnswer>(),
    }
}

fn one_or_many(name: &str) -> RefOr<Schema> {
    inline(&json!({"oneOf": [named(name), {"type": "array", "items": named(name)}]}))
}

fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

fn inline(schema: &Value) -> RefOr<Schema> {
    // The schemas above are written out here and are what the type takes; a test reads the whole document.
    serde_json::from_value(schema.clone()).unwrap_or_else(|_| RefOr::Ref(Ref::from_schema_name("Unreadable")))
}

fn response(description: &str, media: &str, schema: Option<RefOr<Schema>>) -> Response {
    let consumed = Some("What the request consumed, write=2, read=0.5 in DynamoDB's units, when it was asked for.");
    ResponseBuilder::new()
        .description(description)
        .content(media, ContentBuilder::new().schema(schema).build())
        .header("Leasebox-Consumed", HeaderBuilder::new().description(consumed).build())
        .build()
}

fn parameter(name: &str, place: ParameterIn, required: Required, schema: &Value) -> Parameter {
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(inline(schema))).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document = serde_json::to_value(document()).unwrap();
        let text = document.to_string();
        for piece in text.split("#/components/schemas/").skip(1) {
            let name = piece.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
        assert_eq!(document["paths"].as_object().unwrap().len(), 36, "{}", document["paths"]);
    }
}
