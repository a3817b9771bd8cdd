//! What is a trace and what is none, by the letter of both formats.

use serde_dynamo::AttributeValue;

use super::*;

const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_reads_back_what_it_writes() {
    let trace = Trace::parse(TEXT).unwrap();
    assert_eq!((trace.to_string().as_str(), trace.is_sampled()), (TEXT, true));
    let unsampled = Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap();
    assert!(!unsampled.is_sampled());
    // Flags that are not defined are not handed on.
    let flags = Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff").unwrap();
    assert_eq!(flags, trace);
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let later = |rest: &str| Trace::parse(&format!("01{}{rest}", &TEXT[2..]));
    assert_eq!(later(""), Trace::parse(TEXT));
    assert_eq!(later("-and-more"), Trace::parse(TEXT));
    assert_eq!(later("x"), None);
}

#[test]
fn what_is_not_by_the_letter_is_no_traceparent() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for wrong in [
        "",
        "-",
        "00",
        &TEXT[..54],
        &format!("{TEXT} "),
        &format!(" {TEXT}"),
        &format!("{TEXT}-"),
        &format!("{TEXT}-00"),
        &format!("{TEXT},{TEXT}"),
        &TEXT.to_uppercase(),
        &TEXT.replace("4bf", "4bF"),
        &TEXT.replace("4bf", "4bg"),
        &TEXT.replace("4bf", "4é"),
        &TEXT.replace("00-4", "ff-4"),
        &TEXT.replace("00-4", "0-4"),
        &TEXT.replace(id, &"0".repeat(32)),
        &TEXT.replace("00f067aa0ba902b7", &"0".repeat(16)),
        &TEXT.replace("-01", "-1"),
        &TEXT.replace("-01", "-0x"),
        &TEXT.replace("-01", "-+1"),
    ] {
        assert_eq!(Trace::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn the_root_of_x_ray_is_the_id_of_the_trace() {
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let trace = Trace::from_xray(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1|b:2")).unwrap();
    assert_eq!(trace.to_string(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    assert_eq!(trace.hop(7).parent_id().unwrap().to_string(), "53995c3f42cd8ad8");
    let first = Trace::from_xray(root).unwrap();
    assert!(!first.is_sampled() && first.hop(7).parent_id().is_none());
    for wrong in ["", "Root=", "Sampled=1", "Root=2-5759e988-bd862e3fe1be46a994272793", "Root=1-5759e98-bd"] {
        assert_eq!(Trace::from_xray(wrong), None, "{wrong}");
    }
    assert_eq!(Trace::from_xray(&format!("{root};Parent=x;Sampled=1")), None);
}

#[test]
fn a_hop_hangs_on_the_one_before_and_keeps_the_trace() {
    let trace = Trace::parse(TEXT).unwrap();
    let hop = trace.hop_of([1; 12], 7);
    assert_eq!(hop, trace.hop_of([1; 12], 7));
    assert_ne!(hop, trace.hop_of([1; 12], 8));
    assert_ne!(hop, trace.hop_of([2; 12], 7));
    assert_eq!(hop.parent_id().unwrap().to_string(), trace.span_id().to_string());
    assert_eq!(hop.trace.trace_id().to_string(), trace.trace_id().to_string());
    assert_eq!(trace.hop(0).trace.span_id().to_string(), "0000000000000001");
}

#[test]
fn a_new_trace_has_an_id_and_nobody_records_it() {
    let hop = Trace::begin(|| 0);
    assert!(hop.parent_id().is_none() && hop.carried().is_none());
    assert_eq!(Trace::parse(&hop.trace.to_string()), Some(hop.trace));
}

#[test]
fn it_is_stored_as_the_header_has_it() {
    let trace = Trace::parse(TEXT).unwrap();
    let stored: AttributeValue = serde_dynamo::to_attribute_value(trace).unwrap();
    assert_eq!((&stored, TEXT.len()), (&AttributeValue::S(TEXT.to_owned()), BYTES));
    assert_eq!(serde_dynamo::from_attribute_value::<_, Trace>(stored.clone()), Ok(trace));
    let short = AttributeValue::S(TEXT[1..].to_owned());
    assert!(serde_dynamo::from_attribute_value::<_, Trace>(short).is_err());
}
