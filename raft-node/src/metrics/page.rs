//! The page that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;

use metrics_exporter_prometheus::formatting::{sanitize_label_value, write_help_line, write_type_line};

use super::histogram::{BOUNDS, Timed};
use super::table::{Kind, Metric, TABLE};

/// What the server says the page is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Values by metric and labels, shown in the order of the table.
#[derive(Debug)]
pub struct Page {
    /// By row of the table.
    metrics: Vec<Samples>,
}

#[derive(Debug, Default)]
struct Samples {
    /// By labels as they are written.
    values: BTreeMap<String, f64>,
    histograms: BTreeMap<String, Timed>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            metrics: TABLE.iter().map(|_| Samples::default()).collect(),
        }
    }
}

impl Page {
    /// Adds to the value of a metric under these labels, in the order of the table: what goes by one name counts together.
    ///
    /// # Panics
    ///
    /// If the table has other labels for it, or another kind.
    pub fn add(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        assert_ne!(metric.kind(), Kind::Histogram, "{}", metric.name());
        let labels = written(metric, labels);
        *self.metrics[metric.row()].values.entry(labels).or_default() += value;
    }

    /// Sets the value if it is greater than the one that is there: for what cannot be added, such as ages.
    pub fn raise(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        let labels = written(metric, labels);
        let there = self.metrics[metric.row()].values.entry(labels).or_insert(value);
        *there = there.max(value);
    }

    /// A count, an index, bytes.
    pub fn number(&mut self, metric: &Metric, labels: &[&str], value: u64) {
        self.add(metric, labels, value as f64);
    }

    /// Yes or no.
    pub fn truth(&mut self, metric: &Metric, labels: &[&str], value: bool) {
        self.raise(metric, labels, f64::from(u8::from(value)));
    }

    /// What a histogram holds.
    pub fn timed(&mut self, metric: &Metric, labels: &[&str], timed: Timed) {
        assert_eq!(metric.kind(), Kind::Histogram, "{}", metric.name());
        let labels = written(metric, labels);
        self.metrics[metric.row()].histograms.insert(labels, timed);
    }

    /// The text: every metric of the table with its help, then its samples.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(64 << 10);
        for (metric, samples) in TABLE.iter().zip(&self.metrics) {
            write_help_line(&mut text, metric.name(), None, None, metric.help());
            write_type_line(&mut text, metric.name(), None, None, metric.kind().name());
            for (labels, value) in &samples.values {
                line(&mut text, metric.name(), "", labels, None, *value);
            }
            for (labels, timed) in &samples.histograms {
                histogram(&mut text, metric.name(), labels, timed);
            }
        }
        text
    }
}

/// `a="x",b="y"`.
fn written(metric: &Metric, labels: &[&str]) -> String {
    assert_eq!(labels.len(), metric.labels().len(), "labels of {}", metric.name());
    let mut text = String::new();
    for (name, value) in metric.labels().iter().zip(labels) {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{name}=\"{}\"", sanitize_label_value(value));
    }
    text
}

fn histogram(text: &mut String, name: &str, labels: &str, timed: &Timed) {
    for ((_, bound), up_to) in BOUNDS.iter().zip(timed.up_to) {
        line(text, name, "_bucket", labels, Some(bound), up_to as f64);
    }
    line(text, name, "_bucket", labels, Some("+Inf"), timed.count as f64);
    line(text, name, "_sum", labels, None, timed.sum_ns as f64 / 1e9);
    line(text, name, "_count", labels, None, timed.count as f64);
}

fn line(text: &mut String, name: &str, suffix: &str, labels: &str, bound: Option<&str>, value: f64) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bound = bound.map(|bound| format!("{comma}le=\"{bound}\"")).unwrap_or_default();
    let (open, close) = if labels.is_empty() && bound.is_empty() {
        ("", "")
    } else {
        ("{", "}")
    };
    let _ = writeln!(text, "{name}{suffix}{open}{labels}{bound}{close} {value}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{HAS_LEADER, Histogram, LOG_SYNC_SECONDS, QUEUE_ITEMS, QUEUE_OLDEST_AGE_SECONDS};
    use super::*;

    fn lines_of(text: &str, name: &str) -> Vec<String> {
        let own = |line: &&str| line.starts_with(name);
        text.lines().filter(own).map(str::to_owned).collect()
    }

    #[test]
    fn every_metric_of_the_table_is_described_once() {
        let text = Page::default().text();
        for metric in TABLE {
            let (help, kind) = (
                format!("# HELP {} ", metric.name()),
                format!("# TYPE {} {}\n", metric.name(), metric.kind().name()),
            );
            assert_eq!(text.matches(&help).count(), 1, "{help}");
            assert_eq!(text.matches(&kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn names_of_users_are_escaped_and_what_has_one_name_counts_together() {
        let mut page = Page::default();
        page.number(QUEUE_ITEMS, &["a\"b\\c\nd", "ready"], 2);
        page.number(QUEUE_ITEMS, &["other", "ready"], 3);
        page.number(QUEUE_ITEMS, &["other", "ready"], 4);
        page.raise(QUEUE_OLDEST_AGE_SECONDS, &["other"], 3.5);
        page.raise(QUEUE_OLDEST_AGE_SECONDS, &["other"], 1.5);
        let text = page.text();
        assert_eq!(
            lines_of(&text, "quorate_queue_items{"),
            [
                "quorate_queue_items{queue=\"a\\\"b\\\\c\\nd\",state=\"ready\"} 2",
                "quorate_queue_items{queue=\"other\",state=\"ready\"} 7",
            ]
        );
        assert_eq!(
            lines_of(&text, "quorate_queue_oldest"),
            ["quorate_queue_oldest_age_seconds{queue=\"other\"} 3.5"]
        );
    }

    #[test]
    fn a_histogram_has_every_bound_a_sum_and_a_count() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(3));
        let mut page = Page::default();
        page.timed(LOG_SYNC_SECONDS, &[], histogram.read());
        page.truth(HAS_LEADER, &[], true);
        let text = page.text();
        let lines = lines_of(&text, "quorate_log_sync_seconds");
        assert_eq!(lines.len(), BOUNDS.len() + 3);
        let there = |line: &str| assert!(lines.iter().any(|own| own == line), "{line} is not in {lines:?}");
        there("quorate_log_sync_seconds_bucket{le=\"0.0025\"} 0");
        there("quorate_log_sync_seconds_bucket{le=\"0.005\"} 1");
        there("quorate_log_sync_seconds_bucket{le=\"+Inf\"} 1");
        there("quorate_log_sync_seconds_sum 0.003");
        there("quorate_log_sync_seconds_count 1");
        assert_eq!(lines_of(&text, "quorate_has_leader"), ["quorate_has_leader 1"]);
    }
}
