//! template.yaml as tests read it.

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// The template as it is written.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// The template, with CloudFormation's short tags as objects: `!Ref Table` is `{"Ref": "Table"}`.
pub fn template() -> Value {
    untagged(serde_yaml_ng::from_str(TEMPLATE).unwrap())
}

/// The properties of a resource.
pub fn properties(name: &str) -> Value {
    template()["Resources"][name]["Properties"].take()
}

/// The resources of a type, by name.
pub fn resources(kind: &str) -> Vec<(String, Value)> {
    let resources = template()["Resources"].take();
    let Value::Object(resources) = resources else { panic!("no resources") };
    let found: Vec<_> = resources.into_iter().filter(|(_, resource)| resource["Type"] == kind).collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

/// A text in which CloudFormation may have something to put in: `!Sub …`, or as it is.
pub fn text(value: &Value) -> Option<&str> {
    value.as_str().or(value["Sub"].as_str())
}

fn untagged(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string().trim_start_matches('!').to_owned();
            json!({name: untagged(tagged.value)})
        }
        Yaml::Sequence(items) => items.into_iter().map(untagged).collect(),
        Yaml::Mapping(entries) => {
            let entry = |(name, value): (Yaml, Yaml)| (name.as_str().unwrap().to_owned(), untagged(value));
            Value::Object(entries.into_iter().map(entry).collect::<Map<_, _>>())
        }
        plain => serde_json::to_value(plain).unwrap(),
    }
}

/// What a new project's template lacks of this one: sockets, and what only they need.
const ONLY_OF_SOCKETS: [&str; 3] = ["TICKET_KEY", "CONNECTIONS_URL", "SOCKET_URL"];

#[test]
fn a_new_project_is_deployed_as_this_one_but_for_sockets_and_routes_of_its_own() {
    let new = include_str!("../../leasebox/local/src/scaffold/template.yaml").replace("{{name}}", "shop");
    let mut new = untagged(serde_yaml_ng::from_str(&new).unwrap());
    let mut this = template();
    let generic = leasebox::App::new().service().unwrap();
    let paths = this["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"].as_object_mut().unwrap();
    paths.retain(|path, _| path == "$default" || generic.routes.iter().any(|route| route.path == *path));
    for function in ["IngestFunction", "DrainFunction", "StatusFunction"] {
        let variables = &mut this["Resources"][function]["Properties"]["Environment"]["Variables"];
        variables.as_object_mut().unwrap().retain(|name, _| !ONLY_OF_SOCKETS.contains(&name.as_str()));
    }
    for role in ["IngestRole", "DrainRole"] {
        let policy = &mut this["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        policy.as_array_mut().unwrap().retain(|statement| statement["Sid"] != "PushToSockets");
    }
    let resources = this["Resources"].as_object_mut().unwrap();
    resources.retain(|name, _| !name.starts_with("Socket") && name != "TicketKey");
    for template in [&mut this, &mut new] {
        // What is said of sockets there, and what a dashboard shows of them.
        template["Resources"]["Dashboard"]["Properties"]["DashboardBody"].take();
        template["Parameters"]["AllowedOrigins"]["Description"].take();
        template["Globals"]["Function"]["CodeUri"].take();
    }
    for section in ["Parameters", "Rules", "Conditions", "Globals", "Resources"] {
        assert_eq!(new[section], this[section], "{section}");
    }
}
