//! The dashboards and alarms show what there is: every metric, under its name, with its labels, as what it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::emf::FUNCTION;
use shared::metrics::{ALL, Metric, Shape};

use crate::app;
use crate::template::{resources, template, text};

/// The namespace of a stack's metrics, as the template says it.
const TEMPLATED: &str = "Leasebox/${AWS::StackName}";

/// That of a stack called `shop`.
const NAMESPACE: &str = "Leasebox/shop";

const GRAFANA: &str = include_str!("../../local/grafana/leasebox.json");

/// What an expression asks of a metric.
#[derive(Debug, Default)]
struct Asked {
    /// The metric's name.
    name: String,
    /// The labels that it is taken to have.
    labels: BTreeSet<String>,
    /// The values that labels are compared with.
    values: Vec<String>,
    /// How its values are put together.
    statistic: String,
}

impl Asked {
    /// What is wrong with it, where a counter and a histogram allow these statistics. `exact` is whether labels that are left
    /// out make it another metric, as in CloudWatch.
    fn fault(&self, counter: &[&str], histogram: &[&str], exact: bool) -> Option<String> {
        let Self { name, labels, values, statistic } = self;
        let Some(Metric { labels: has, shape, help, .. }) = ALL.iter().find(|metric| metric.name == name) else {
            return Some(format!("there is no metric {name}"));
        };
        let has: BTreeSet<String> = has.iter().map(|label| (*label).to_owned()).collect();
        if (exact && *labels != has) || !labels.is_subset(&has) {
            return Some(format!("{name} has the labels {has:?}, not {labels:?}"));
        }
        let allowed = match shape {
            Shape::Counter => counter,
            Shape::Histogram => histogram,
        };
        if !allowed.contains(&statistic.as_str()) {
            return Some(format!("{name} is a {shape:?}, and {statistic} says nothing of it"));
        }
        let told = |value: &String| help.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == value);
        values.iter().find(|value| !told(value)).map(|value| format!("{name} does not speak of {value}"))
    }
}

/// What stands between two marks, each time that it does.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).map(move |rest| rest.split(to).next().unwrap_or(rest))
}

/// The texts in quotes.
fn quoted(text: &str, mark: char) -> Vec<String> {
    text.split(mark).skip(1).step_by(2).map(str::to_owned).collect()
}

/// The searches of a metric math expression that are for this project's metrics.
fn searches(expression: &str) -> Result<Vec<Asked>, String> {
    let mut all = Vec::new();
    for search in between(expression, "SEARCH(", ")") {
        let parts: Vec<String> = quoted(search, '\'');
        let [query, statistic] = parts.as_slice() else { return Err(format!("no search: {search}")) };
        let schema = between(query, "{", "}").next().ok_or_else(|| format!("no schema: {search}"))?;
        let mut schema = schema.split(',');
        // It has to be quoted: there is more in it than letters and digits.
        match schema.next().unwrap_or_default() {
            namespace if namespace == format!("\"{NAMESPACE}\"") => {}
            namespace if namespace.starts_with("AWS/") => continue,
            namespace => return Err(format!("{namespace} is not \"{NAMESPACE}\": {search}")),
        }
        let mut labels: BTreeSet<String> = schema.map(str::to_owned).collect();
        if !labels.remove(FUNCTION) {
            return Err(format!("every metric has the dimension {FUNCTION}: {search}"));
        }
        let name = between(query, "MetricName=\"", "\"").next().unwrap_or_default().to_owned();
        all.push(Asked { name, labels, values: vec![], statistic: statistic.clone() });
    }
    Ok(all)
}

/// The query of an alarm.
fn insights(query: &str) -> Result<Asked, String> {
    let part = |from: &str, to: &str| between(query, from, to).next().unwrap_or_default().to_owned();
    let mut schema = quoted(&part(" FROM SCHEMA(", ")"), '"').into_iter();
    if schema.next().as_deref() != Some(NAMESPACE) || schema.next().as_deref() != Some(FUNCTION) {
        return Err(format!("every metric is in {NAMESPACE} and has the dimension {FUNCTION}: {query}"));
    }
    let labels: BTreeSet<String> = schema.collect();
    let condition = query.split(" WHERE ").nth(1).unwrap_or_default();
    if let Some(foreign) = quoted(condition, '"').into_iter().find(|label| !labels.contains(label)) {
        return Err(format!("{foreign} is not in the schema: {query}"));
    }
    Ok(Asked { name: part("(\"", "\")"), labels, values: quoted(condition, '\''), statistic: part("SELECT ", "(") })
}

/// What a PromQL expression asks for. A histogram is its buckets, its sum and its count.
fn promql(expression: &str) -> Vec<Asked> {
    let by: BTreeSet<String> =
        between(expression, "by (", ")").flat_map(|labels| labels.split(", ")).map(str::to_owned).collect();
    let mut all = Vec::new();
    let mut before = String::new();
    for (n, rest) in expression.split("leasebox_").enumerate() {
        if n > 0 {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let series = format!("leasebox_{}", &rest[..end]);
            let matchers = rest[end..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
            let matched = matchers.split(',').filter_map(|matcher| matcher.split(['=', '!']).next());
            let mut labels = by.clone();
            labels.extend(matched.filter(|label| !label.is_empty()).map(str::to_owned));
            let growth = if before.ends_with("rate(") || before.ends_with("increase(") { "growth of " } else { "" };
            let part = ["_bucket", "_sum", "_count"].into_iter().find(|part| series.ends_with(part));
            let part = part.filter(|_| !ALL.iter().any(|metric| metric.name == series)).unwrap_or_default();
            // Only buckets have the label of their upper ends.
            let buckets = labels.remove("le") == (part == "_bucket");
            let name = series.strip_suffix(part).unwrap_or(&series).to_owned();
            let statistic =
                format!("{growth}{}{}", if part.is_empty() { "it" } else { part }, if buckets { "" } else { " le" });
            all.push(Asked { name, labels, values: vec![], statistic });
        }
        before.push_str(rest);
    }
    all
}

/// The faults of an expression, with what it asks for.
fn judged(asked: Result<Vec<Asked>, String>, judge: impl Fn(&Asked) -> Option<String>) -> (Vec<String>, Vec<String>) {
    match asked {
        Ok(all) => (all.iter().filter_map(judge).collect(), all.into_iter().map(|asked| asked.name).collect()),
        Err(fault) => (vec![fault], vec![]),
    }
}

fn in_cloudwatch(expression: &str) -> (Vec<String>, Vec<String>) {
    judged(searches(expression), |asked| asked.fault(&["Sum"], &["p50", "p90", "p99", "Maximum", "Average"], true))
}

fn in_alarm(query: &str) -> (Vec<String>, Vec<String>) {
    judged(insights(query).map(|asked| vec![asked]), |asked| asked.fault(&["SUM"], &["MAX", "AVG"], true))
}

fn in_grafana(expression: &str) -> (Vec<String>, Vec<String>) {
    let growth = ["growth of _bucket", "growth of _sum", "growth of _count"];
    judged(Ok(promql(expression)), |asked| asked.fault(&["growth of it"], &growth, false))
}

/// What refers to something of the template: a resource, or an attribute of one.
fn referred(text: &str) -> Vec<String> {
    between(text, "${", "}").filter(|name| !name.starts_with('!')).map(str::to_owned).collect()
}

/// The type of the resource that a dimension's value names, which must be the one that has such a dimension.
fn of_a_dimension(dimension: &str, value: &str) -> Option<String> {
    let (types, attribute): (&[&str], &str) = match dimension {
        "FunctionName" => (&["AWS::Serverless::Function"], ""),
        "TableName" => (&["AWS::DynamoDB::Table"], ""),
        "QueueName" => (&["AWS::SQS::Queue"], ".QueueName"),
        "ApiId" => (&["AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Api"], ""),
        "Stage" => return (value != "live").then(|| format!("there is no stage {value}")),
        other => return Some(format!("nobody has the dimension {other}")),
    };
    let name = value.strip_suffix(attribute).unwrap_or_default();
    let there = template()["Resources"][name]["Type"].take();
    let fits = there.as_str().is_some_and(|there| types.contains(&there));
    (!fits).then(|| format!("{value} is no {dimension}"))
}

/// A text of the template in the stack `shop`, but for what else CloudFormation puts in.
fn in_shop(text: &str) -> String {
    text.replace("${AWS::StackName}", "shop")
}

/// The dashboard as the template has it, and as CloudWatch gets it, but for what CloudFormation puts in.
fn body() -> (String, Value) {
    let [(_, dashboard)] = resources("AWS::CloudWatch::Dashboard").try_into().unwrap();
    let text = dashboard["Properties"]["DashboardBody"]["Sub"].as_str().unwrap().to_owned();
    let parsed = serde_json::from_str(&in_shop(&text)).unwrap();
    (text, parsed)
}

/// What the alarms ask of the functions' own metrics, by alarm.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for (name, alarm) in resources("AWS::CloudWatch::Alarm") {
        for metric in alarm["Properties"]["Metrics"].as_array().into_iter().flatten() {
            let query = text(&metric["Expression"]).filter(|query| query.starts_with("SELECT "));
            queries.extend(query.map(|query| (name.clone(), in_shop(query))));
        }
    }
    queries
}

/// The rows of all widgets of metrics.
fn rows(body: &Value) -> Vec<Vec<Value>> {
    let widgets = body["widgets"].as_array().unwrap().iter();
    let metrics = widgets.filter_map(|widget| widget["properties"]["metrics"].as_array());
    metrics.flatten().map(|row| row.as_array().unwrap().clone()).collect()
}

fn expressions_of_grafana() -> Vec<String> {
    let board: Value = serde_json::from_str(GRAFANA).unwrap();
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn hold(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn every_metric_is_among(names: &[String]) {
    for Metric { name, .. } in ALL {
        assert!(names.iter().any(|there| there == name), "{name} is not shown");
    }
}

#[test]
fn cloudwatch_shows_every_metric_as_it_is_written() {
    let mut names = Vec::new();
    for row in rows(&body().1) {
        let Some(expression) = row[0]["expression"].as_str() else { continue };
        let (faults, asked) = in_cloudwatch(expression);
        hold(&faults);
        names.extend(asked);
        // A legend can only name dimensions that the series have.
        for dimension in between(row[0]["label"].as_str().unwrap(), "Dim.", "'") {
            assert!(expression.contains(&format!(",{dimension}")), "{row:?}");
        }
    }
    every_metric_is_among(&names);
}

#[test]
fn cloudwatch_shows_every_function_table_and_queue() {
    let (text, body) = body();
    let template = template();
    for name in referred(&text) {
        let resource = name.split('.').next().unwrap();
        assert!(name.starts_with("AWS::") || template["Resources"][resource].is_object(), "there is no {name}");
    }
    for row in rows(&body).iter().filter(|row| row[0].is_string()) {
        let texts: Vec<&str> = row.iter().filter_map(Value::as_str).collect();
        for pair in texts[2..].chunks(2) {
            hold(
                &of_a_dimension(pair[0], pair[1].trim_start_matches("${").trim_end_matches('}'))
                    .into_iter()
                    .collect::<Vec<_>>(),
            );
        }
    }
    for kind in ["AWS::Serverless::Function", "AWS::DynamoDB::Table", "AWS::SQS::Queue"] {
        for (name, _) in resources(kind) {
            assert!(referred(&text).iter().any(|there| there.split('.').next() == Some(&name)), "{name} is not shown");
        }
    }
    for (name, _) in resources("AWS::CloudWatch::Alarm") {
        assert!(referred(&text).contains(&format!("{name}.Arn")), "the alarm {name} is not shown");
    }
}

#[test]
fn an_alarm_watches_what_there_is_and_says_what_to_do() {
    for (name, alarm) in resources("AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        let said = text(&alarm["AlarmDescription"]).unwrap();
        assert!(said.ends_with('.') && said.matches(['.', '?']).count() > 1, "{name} does not say what to do: {said}");
        assert!(alarm["AlarmActions"].is_array() && alarm["TreatMissingData"].is_string(), "{name}");
        let metrics = alarm["Metrics"].as_array().into_iter().flatten();
        let watched: Vec<&Value> = metrics.map(|metric| &metric["MetricStat"]["Metric"]).chain([alarm]).collect();
        for dimension in watched.iter().filter_map(|metric| metric["Dimensions"].as_array()).flatten() {
            let value = &dimension["Value"];
            let value = value["Ref"].as_str().or(value["GetAtt"].as_str()).or(value.as_str()).unwrap();
            hold(&of_a_dimension(dimension["Name"].as_str().unwrap(), value).into_iter().collect::<Vec<_>>());
        }
        // A command that it names is for the table of its stack, and one that the development server has.
        for command in between(said, "`cargo run -- ", "`") {
            assert!(command.starts_with("operator "), "{name}: {command}");
            assert!(command.ends_with(" --aws --table ${Table}"), "{name}: {command}");
        }
        assert!(!said.contains("leasebox "), "{name} names a program that nobody has: {said}");
    }
    let queries = queries();
    assert!(queries.len() >= 6, "{queries:?}");
    for (name, query) in queries {
        hold(&in_alarm(&query).0.iter().map(|fault| format!("{name}: {fault}")).collect::<Vec<_>>());
    }
}

#[test]
fn two_stacks_of_an_account_have_metrics_and_alarms_of_their_own() {
    let of_stack = json!({"Sub": TEMPLATED});
    assert_eq!(in_shop(TEMPLATED), NAMESPACE);
    assert_eq!(template()["Globals"]["Function"]["Environment"]["Variables"]["METRICS_NAMESPACE"], of_stack);
    for (name, function) in resources("AWS::Serverless::Function") {
        let own = &function["Properties"]["Environment"]["Variables"]["METRICS_NAMESPACE"];
        assert!(own.is_null(), "{name} has a namespace of its own");
    }
    let mut counted = BTreeSet::new();
    for (name, filter) in resources("AWS::Logs::MetricFilter") {
        for metric in filter["Properties"]["MetricTransformations"].as_array().unwrap() {
            assert_eq!(metric["MetricNamespace"], of_stack, "{name}");
            counted.insert(metric["MetricName"].as_str().unwrap().to_owned());
        }
    }
    for (name, alarm) in resources("AWS::CloudWatch::Alarm") {
        let metrics = alarm["Properties"]["Metrics"].as_array().into_iter().flatten();
        let watched = metrics.map(|metric| &metric["MetricStat"]["Metric"]).chain([&alarm["Properties"]]);
        for metric in watched.filter(|metric| !metric["Namespace"].is_null()) {
            let of_aws = metric["Namespace"].as_str().is_some_and(|namespace| namespace.starts_with("AWS/"));
            let own = metric["Namespace"] == of_stack && counted.contains(metric["MetricName"].as_str().unwrap());
            // What AWS counts is told apart by what it is of.
            assert!(own || (of_aws && metric["Dimensions"].is_array()), "{name}: {metric}");
        }
    }
}

#[test]
fn a_kind_is_shown_and_watched_without_being_named() {
    let searched = rows(&body().1).into_iter().filter_map(|row| row[0]["expression"].as_str().map(str::to_owned));
    let asked: Vec<String> = searched.chain(queries().into_iter().map(|(_, query)| query)).collect();
    for expression in asked.into_iter().chain(expressions_of_grafana()) {
        for kind in app::registry().names() {
            let names = expression.split(|c: char| !c.is_alphanumeric()).any(|word| word == kind);
            assert!(!names, "whoever adds a kind would have to add to this: {expression}");
        }
    }
}

#[test]
fn grafana_shows_every_metric_as_prometheus_gets_it() {
    let mut names = Vec::new();
    for expression in expressions_of_grafana() {
        let (faults, asked) = in_grafana(&expression);
        hold(&faults.iter().map(|fault| format!("{fault}: {expression}")).collect::<Vec<_>>());
        names.extend(asked);
    }
    every_metric_is_among(&names);
    let board: Value = serde_json::from_str(GRAFANA).unwrap();
    let source =
        json!({"type": "prometheus", "uid": format!("${{{}}}", board["__inputs"][0]["name"].as_str().unwrap())});
    for panel in board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"], source, "whoever imports it chooses the source: {}", panel["title"]);
    }
}

#[test]
fn what_is_wrong_is_found() {
    let search = |schema: &str, name: &str, statistic: &str| {
        let fault = in_cloudwatch(&format!("SEARCH('{{{schema}}} MetricName=\"{name}\"', '{statistic}')")).0;
        fault.into_iter().next().unwrap_or_default()
    };
    let own = |labels: &str| format!("\"{NAMESPACE}\",{labels}");
    let outcomes = &own("function,kind,outcome");
    assert_eq!(search(outcomes, "leasebox_posts_total", "Sum"), "");
    assert!(search(outcomes, "leasebox_post_total", "Sum").starts_with("there is no metric"));
    assert!(search(&own("function,kind"), "leasebox_posts_total", "Sum").contains("has the labels"));
    assert!(search(&own("kind,outcome"), "leasebox_posts_total", "Sum").contains("dimension function"));
    assert!(search(outcomes, "leasebox_posts_total", "p99").contains("says nothing"));
    assert!(search(&own("function,kind"), "leasebox_queue_depth", "Sum").contains("says nothing"));
    for foreign in ["Leasebox,function,kind,outcome", "Leasebox/shop,function,kind,outcome"] {
        assert!(search(foreign, "leasebox_posts_total", "Sum").contains("is not"), "{foreign}");
    }

    let alarm = |query: &str| in_alarm(query).0.into_iter().next().unwrap_or_default();
    let from = r#"FROM SCHEMA("Leasebox/shop", "function", "kind", "outcome") WHERE "outcome" ="#;
    assert_eq!(alarm(&format!(r#"SELECT SUM("leasebox_posts_total") {from} 'full'"#)), "");
    assert!(alarm(&format!(r#"SELECT SUM("leasebox_posts_total") {from} 'fool'"#)).contains("does not speak of fool"));
    assert!(alarm(&format!(r#"SELECT MAX("leasebox_posts_total") {from} 'full'"#)).contains("says nothing"));
    assert!(alarm(r#"SELECT SUM("leasebox_leases_lost_total") FROM SCHEMA("Other", "function")"#).contains("is in"));

    let prometheus = |expression: &str| in_grafana(expression).0.into_iter().next().unwrap_or_default();
    assert_eq!(prometheus("sum by (kind) (rate(leasebox_turns_total{outcome=\"dead\"}[5m]))"), "");
    assert_eq!(prometheus("histogram_quantile(0.9, sum by (le) (rate(leasebox_queue_depth_bucket[5m])))"), "");
    for wrong in [
        "rate(leasebox_turn_total[5m])",
        "leasebox_turns_total",
        "sum by (how) (rate(leasebox_turns_total[5m]))",
        "rate(leasebox_turns_total{id=\"alice\"}[5m])",
        "rate(leasebox_turns_total_sum[5m])",
        "rate(leasebox_queue_depth[5m])",
        "leasebox_queue_depth{quantile=\"0.5\"}",
        "histogram_quantile(0.9, sum by (kind) (rate(leasebox_queue_depth_bucket[5m])))",
    ] {
        assert_ne!(prometheus(wrong), "", "{wrong}");
    }
    for (dimension, value) in [("FunctionName", "Table"), ("TableName", "Tabel"), ("QueueName", "WakeQueue")] {
        assert!(of_a_dimension(dimension, value).is_some(), "{dimension} {value}");
    }
}
