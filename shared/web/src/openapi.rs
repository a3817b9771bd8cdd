//! The OpenAPI document, made of the routes and of the types that they take and answer with.
//!
//! A route of all kinds stands in it once for each kind, with the schemas of that kind's commands, state and replies: a
//! client that is generated from it is typed.

use std::collections::BTreeMap;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use shared::actor::Actor;
use shared::limits;

use crate::problem;
use crate::query::{Parameter, Takes};
use crate::role::Role;
use crate::route::{Access, Route, Shape};
use crate::routing::Routes;

/// Where the document keeps what has a name.
const COMPONENTS: &str = "#/components/schemas/";

/// The name of the scheme that operator routes ask for. Deployed, they ask for AWS_IAM signatures, like other routes.
const OPERATORS: &str = "operator-token";
/// The name of the scheme that users' routes ask for, unless the deployment is open to everyone.
const USERS: &str = "user-token";

/// The types of a kind.
#[derive(Clone, Copy)]
pub(crate) struct KindSchemas {
    name: &'static str,
    command: fn(&mut SchemaGenerator) -> Schema,
    state: fn(&mut SchemaGenerator) -> Schema,
    reply: fn(&mut SchemaGenerator) -> Schema,
}

impl KindSchemas {
    pub(crate) fn of<R, A>() -> Self
    where
        R: Role,
        A: Actor<State: JsonSchema, Command: JsonSchema, Reply: JsonSchema>,
    {
        Self {
            name: A::KIND,
            command: Shape::of::<R, A::Command>().schema,
            state: Shape::of::<R, A::State>().schema,
            reply: Shape::of::<R, A::Reply>().schema,
        }
    }
}

/// A problem as RFC 9457 has it.
#[derive(JsonSchema)]
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

/// The document.
pub(crate) fn document(routes: &Routes, kinds: &[KindSchemas]) -> Value {
    let mut document = Document {
        answers: generator(Contract::Serialize),
        bodies: generator(Contract::Deserialize),
        components: Map::new(),
        kinds: kinds.to_vec(),
    };
    let problem = document.answers.subschema_for::<ProblemAnswer>();
    document.answers.subschema_for::<crate::answer::ReceiptAnswer>();
    document.answers.subschema_for::<crate::answer::EntityAnswer>();
    for kind in kinds {
        document.add_kind(kind);
    }
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in routes.iter() {
        for (path, operation) in document.operations(route, &problem) {
            paths.entry(path).or_default().insert(route.method.to_lowercase(), operation);
        }
    }
    let schemas = document.finish(&mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Leasebox",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Actors on Lambda and DynamoDB: events in, state out, strictly sequential per entity.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                OPERATORS: {"type": "http", "scheme": "bearer"},
                USERS: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    })
}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = COMPONENTS.trim_start_matches('#').trim_end_matches('/').to_owned().into();
        settings.meta_schema = None;
        settings.contract = contract;
    });
    settings.into_generator()
}

struct Document {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
    components: Map<String, Value>,
    kinds: Vec<KindSchemas>,
}

impl Document {
    /// The types of a kind, each under the kind's name: there may be a `Command` of every one.
    fn add_kind(&mut self, kind: &KindSchemas) {
        let name = type_name(kind.name);
        let types = [
            ("Command", kind.command, Contract::Deserialize),
            ("State", kind.state, Contract::Serialize),
            ("Reply", kind.reply, Contract::Serialize),
        ];
        for (what, schema, contract) in types {
            let mut generator = generator(contract);
            let mut schema = schema(&mut generator).to_value();
            let of_the_kind = |other: &str| format!("{name}{other}");
            for (other, mut definition) in generator.take_definitions(true) {
                rename(&mut definition, &of_the_kind);
                self.components.insert(of_the_kind(&other), definition);
            }
            rename(&mut schema, &of_the_kind);
            let own = of_the_kind(what);
            if schema != reference(&own) {
                self.components.insert(own, schema);
            }
        }
    }

    /// What stands in the document for a route: a path of its own for each kind, where it is one of all kinds.
    fn operations(&mut self, route: &Route, problem: &Schema) -> Vec<(String, Value)> {
        if !route.path.starts_with("/entities/{kind}") {
            let (body, answer) = (self.body(route), self.answer(route));
            return vec![(route.path.to_owned(), self.operation(route, route.path, (body, answer), problem))];
        }
        let kinds = self.kinds.clone();
        let operation = |kind: &KindSchemas| {
            let path = route.path.replace("{kind}", kind.name);
            let types = of_kind(route, &type_name(kind.name));
            let operation = self.operation(route, &path, types, problem);
            (path, operation)
        };
        kinds.iter().map(operation).collect()
    }

    fn operation(
        &mut self,
        route: &Route,
        path: &str,
        (body, answer): (Option<(Value, bool)>, Value),
        problem: &Schema,
    ) -> Value {
        let mut operation = Map::new();
        let id = format!("{}{}", route.method.to_lowercase(), path.replace(['/', '{', '}', '.', '-'], "_"));
        operation.insert("operationId".to_owned(), id.into());
        operation.insert("summary".to_owned(), route.summary.into());
        operation.insert("parameters".to_owned(), self.parameters(route, path).into());
        match route.access {
            Access::Operator => operation.insert("security".to_owned(), json!([{OPERATORS: []}])),
            Access::Owner(_) | Access::User => operation.insert("security".to_owned(), json!([{}, {USERS: []}])),
            Access::Open | Access::Signed => None,
        };
        if let Some((schema, optional)) = body {
            let content = json!({"application/json": {"schema": schema}});
            operation.insert("requestBody".to_owned(), json!({"required": !optional, "content": content}));
        }
        let mut responses = Map::new();
        // The document names a type without its parameters, such as a charset.
        let media = route.media.split(';').next().unwrap_or_default();
        responses.insert("200".to_owned(), response("Done", media, &answer));
        if route.posts {
            let accepted = match route.accepted {
                Some(Shape { schema, .. }) => schema(&mut self.answers).to_value(),
                // The generic route of a kind answers with the same receipts.
                None if path.starts_with("/entities/") => answer,
                None => reference("ReceiptAnswer"),
            };
            responses.insert("202".to_owned(), response("Stored, not yet processed", "application/json", &accepted));
        }
        responses.insert("default".to_owned(), response("A problem", problem::MEDIA_TYPE, &problem.clone().to_value()));
        operation.insert("responses".to_owned(), responses.into());
        operation.into()
    }

    fn parameters(&self, route: &Route, path: &str) -> Vec<Value> {
        let text = || json!({"type": "string"});
        let variable = |name: &'static str| match name {
            "kind" => {
                parameter(name, "path", &json!({"enum": self.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>()}))
            }
            name => parameter(name, "path", &text()),
        };
        let left = |name: &&'static str| path.contains(&format!("{{{name}}}"));
        let mut parameters: Vec<Value> = route.variables().filter(left).map(variable).collect();
        parameters.extend(route.query.iter().map(|asked| parameter(asked.name, "query", &takes(asked))));
        if route.posts {
            parameters.extend(["Idempotency-Key", "Prefer"].map(|name| parameter(name, "header", &text())));
        }
        parameters.push(parameter("Leasebox-Consumed", "header", &json!({"type": "string", "enum": ["?1"]})));
        parameters.push(parameter("traceparent", "header", &text()));
        parameters
    }

    fn body(&mut self, route: &Route) -> Option<(Value, bool)> {
        let Shape { schema, optional } = route.body?;
        Some((without_null(schema(&mut self.bodies).to_value()), optional))
    }

    fn answer(&mut self, route: &Route) -> Value {
        match route.answer {
            Some(Shape { schema, .. }) => schema(&mut self.answers).to_value(),
            None if route.media == "application/json" => json!({"type": "object"}),
            None => json!({"type": "string"}),
        }
    }

    /// All that has a name. What is taken and what is answered may be of one type and yet differ, in what may be left out:
    /// then what is taken has a name of its own.
    fn finish(mut self, paths: &mut BTreeMap<String, Map<String, Value>>) -> Map<String, Value> {
        let mut schemas = self.answers.take_definitions(true);
        let taken = self.bodies.take_definitions(true);
        let own = |name: &str| match schemas.get(name) {
            Some(other) if taken.get(name).is_some_and(|taken| taken != other) => format!("{name}Body"),
            _ => name.to_owned(),
        };
        let mut renamed = Vec::new();
        for (name, mut definition) in taken.clone() {
            rename(&mut definition, &own);
            renamed.push((own(&name), definition));
        }
        for operation in paths.values_mut().flat_map(Map::values_mut) {
            // What it takes is never one of a kind's types where those have been renamed: they have a prefix.
            if let Some(body) = operation.get_mut("requestBody") {
                rename(body, &own);
            }
        }
        schemas.extend(renamed);
        schemas.extend(self.components);
        schemas
    }
}

/// What the routes of all kinds take and answer for one of them.
fn of_kind(route: &Route, name: &str) -> (Option<(Value, bool)>, Value) {
    let whole = |base: &str, typed: Value| json!({"allOf": [reference(base), typed]});
    // A reply is there once the event is processed; a state always is.
    let reply = json!({"type": "object", "properties": {"reply": reference(&format!("{name}Reply"))}});
    let state = json!({"state": reference(&format!("{name}State"))});
    let receipt = || whole("ReceiptAnswer", reply.clone());
    let entity =
        || whole("EntityAnswer", json!({"type": "object", "required": ["state"], "properties": state.clone()}));
    let or_many = |one: Value, most: Option<usize>| {
        let mut many = json!({"type": "array", "items": one});
        if let Some(most) = most {
            (many["minItems"], many["maxItems"]) = (json!(1), json!(most));
        }
        json!({"oneOf": [one, many]})
    };
    match (route.method, route.path.rsplit('/').next()) {
        ("POST", _) => {
            let body = or_many(reference(&format!("{name}Command")), Some(limits::POST_EVENTS));
            (Some((body, false)), or_many(receipt(), None))
        }
        (_, Some("{event_id}")) => (None, receipt()),
        (_, Some("{id}")) => (None, entity()),
        _ => {
            let properties =
                json!({"items": {"type": "array", "items": entity()}, "cursor": {"type": ["string", "null"]}});
            (None, json!({"type": "object", "required": ["items", "cursor"], "properties": properties}))
        }
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("{COMPONENTS}{name}")})
}

/// Gives every reference another name.
fn rename(schema: &mut Value, name: &impl Fn(&str) -> String) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(to) if key == "$ref" => {
                        if let Some(old) = to.strip_prefix(COMPONENTS) {
                            *to = format!("{COMPONENTS}{}", name(old));
                        }
                    }
                    value => rename(value, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, name)),
        _ => {}
    }
}

/// A body that may be left out is never `null`.
fn without_null(schema: Value) -> Value {
    let Some(choices) = schema.get("anyOf").and_then(Value::as_array) else {
        return schema;
    };
    match &choices[..] {
        [one, null] if null["type"] == "null" => one.clone(),
        _ => schema,
    }
}

/// What a kind is called where types have names, `ChatRoom` for `chat-room`: in the document, and in a project's code.
#[must_use]
pub fn type_name(kind: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    kind.split('-').map(part).collect()
}

fn response(description: &str, media: &str, schema: &Value) -> Value {
    let consumed = "What the request consumed, write=2, read=0.5 in DynamoDB's units, when it was asked for.";
    json!({
        "description": description,
        "content": {media: {"schema": schema}},
        "headers": {"Leasebox-Consumed": {"description": consumed, "schema": {"type": "string"}}},
    })
}

fn parameter(name: &str, place: &str, schema: &Value) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "schema": schema})
}

fn takes(parameter: &Parameter) -> Value {
    match parameter.takes {
        Takes::Text => json!({"type": "string"}),
        Takes::Number => json!({"type": "integer", "format": "int64", "minimum": 0}),
        Takes::Integer => json!({"type": "integer", "format": "int64"}),
        Takes::Limit { default, most } => json!({"type": "integer", "minimum": 1, "maximum": most, "default": default}),
        Takes::Time => json!({"type": "string", "format": "date-time"}),
    }
}
