//! What an operator would have seen of a test: the alarms, and the values of histograms.

use std::fmt;
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// The names of the alarms.
    pub(crate) alarms: Vec<String>,
    /// Every value of a histogram, with its name.
    pub(crate) measured: Vec<(String, f64)>,
}

impl Heard {
    /// The values of one histogram.
    pub(crate) fn of(&self, metric: crate::metrics::Metric) -> Vec<f64> {
        self.measured.iter().filter(|(name, _)| name == metric.name).map(|(_, value)| *value).collect()
    }
}

/// Runs something and listens to it.
pub(crate) fn listen<T>(run: impl FnOnce() -> T) -> (T, Heard) {
    let ear = Ear::default();
    let result = tracing::subscriber::with_default(ear.clone(), || metrics::with_local_recorder(&ear, run));
    let heard = ear.0.lock().unwrap().clone();
    (result, heard)
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

impl Visit for Ear {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "alarm" {
            self.0.lock().unwrap().alarms.push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, _metadata: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Values(String, Ear);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.1.0.lock().unwrap().measured.push((self.0.clone(), value));
    }
}

impl Recorder for Ear {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(key.name().to_owned(), self.clone())))
    }
}
