//! `quorate metrics list`.

use clap::Subcommand;
use quorate::{CLIENT_METRICS, ClientMetric};
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::table;
use crate::metrics::{Metric, TABLE};

/// What to do with the metrics.
#[derive(Debug, Subcommand)]
pub enum MetricsVerb {
    /// Show every metric that members have at /metrics, and that clients have in the recorder of their program
    List,
}

/// Shows them.
pub fn run(verb: &MetricsVerb, global: &Global) -> Result<Exit, Failure> {
    let MetricsVerb::List = verb;
    global.output.show(&as_json(), || {
        let header = ["metric", "kind", "unit", "labels", "what it says"];
        let members = TABLE.iter().map(|metric| cells(metric).to_vec());
        let clients = CLIENT_METRICS.iter().map(|metric| client_cells(metric).to_vec());
        format!(
            "Members, at /metrics:\n\n{}\n\nClients, in the recorder of their program:\n\n{}",
            table(&header, members),
            table(&header, clients)
        )
    })?;
    Ok(Exit::Success)
}

fn cells(metric: &Metric) -> [String; 5] {
    [
        metric.name().to_owned(),
        metric.kind().name().to_owned(),
        metric.unit().name().to_owned(),
        metric.labels().join(", "),
        metric.help().to_owned(),
    ]
}

fn client_cells(metric: &ClientMetric) -> [String; 5] {
    [
        metric.name.to_owned(),
        metric.kind.to_owned(),
        metric.unit.to_owned(),
        metric.labels.join(", "),
        metric.help.to_owned(),
    ]
}

fn as_json() -> Value {
    let metrics = TABLE.iter().map(|metric| {
        json!({
            "name": metric.name(),
            "kind": metric.kind().name(),
            "unit": metric.unit().name(),
            "labels": metric.labels(),
            "help": metric.help(),
        })
    });
    let clients = CLIENT_METRICS.iter().map(|metric| {
        json!({
            "name": metric.name,
            "kind": metric.kind,
            "unit": metric.unit,
            "labels": metric.labels,
            "help": metric.help,
        })
    });
    json!({ "metrics": metrics.collect::<Vec<_>>(), "client_metrics": clients.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../../docs/guide/metrics.md");

    /// A table as it stands in the guide.
    fn markdown(rows: impl Iterator<Item = [String; 5]>) -> String {
        let mut text = String::from("| metric | kind | unit | labels | what it says |\n|---|---|---|---|---|\n");
        for [name, kind, unit, labels, help] in rows {
            text += &format!("| `{name}` | {kind} | {unit} | {labels} | {help} |\n");
        }
        text
    }

    #[test]
    fn the_guide_has_the_tables_that_are_in_the_code() {
        let members = markdown(TABLE.iter().map(|metric| cells(metric)));
        let clients = markdown(CLIENT_METRICS.iter().map(client_cells));
        for markdown in [members, clients] {
            assert!(
                GUIDE.contains(&markdown),
                "raft-node/docs/guide/metrics.md should hold this table:\n{markdown}"
            );
        }
    }

    #[test]
    fn the_list_as_json_names_every_metric() {
        let json = as_json();
        let metrics = json["metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), TABLE.len());
        assert!(metrics.iter().any(|metric| metric["name"] == "quorate_queue_items"
            && metric["labels"] == json!(["queue", "state"])
            && metric["kind"] == "gauge"));
    }
}
