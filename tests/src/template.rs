//! template.yaml as tests read it.

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// The template, with CloudFormation's short tags as objects: `!Ref Table` is `{"Ref": "Table"}`.
pub fn template() -> Value {
    untagged(serde_yaml_ng::from_str(include_str!("../../template.yaml")).unwrap())
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
