//! The page of a member at `/metrics`, and its other answers over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(10);

/// Asks for a path; the status and the body.
pub async fn http_get(address: &str, path: &str) -> Result<(u16, String), String> {
    let asked = tokio::time::timeout(DEADLINE, async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = asked.await.map_err(|_| format!("{address}{path}: no answer"))?;
    let answer = answer.map_err(|error| format!("{address}{path}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no body")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or("the answer has no status")?, body.to_owned()))
}

/// What a scrape said.
#[derive(Clone, Debug, Default)]
pub struct MetricsPage {
    /// By name with labels, as written.
    samples: BTreeMap<String, f64>,
    described: BTreeMap<String, String>,
}

impl MetricsPage {
    /// Scrapes `host:port`.
    pub async fn of(address: &str) -> Result<MetricsPage, String> {
        match http_get(address, "/metrics").await? {
            (200, text) => MetricsPage::read(&text),
            (status, text) => Err(format!("status {status}: {text}")),
        }
    }

    /// Reads the text of a page.
    pub fn read(text: &str) -> Result<MetricsPage, String> {
        let mut page = MetricsPage::default();
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').ok_or(line)?;
                page.described.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').ok_or(line)?;
                let value = value.parse().map_err(|_| line)?;
                if page.samples.insert(name.to_owned(), value).is_some() {
                    return Err(format!("{name} stands there twice"));
                }
            }
        }
        Ok(page)
    }

    /// The kind that the page gives a metric.
    pub fn kind(&self, name: &str) -> Option<&str> {
        self.described.get(name).map(String::as_str)
    }

    /// Sum over all labels of this name that contain all of `with`, each as it is written; none without any.
    pub fn sum(&self, name: &str, with: &[&str]) -> Option<f64> {
        let of_name = |sample: &&String| sample.split('{').next() == Some(name);
        let found = self.samples.keys().filter(of_name);
        let values: Vec<f64> = found
            .filter(|sample| with.iter().all(|label| sample.contains(label)))
            .map(|sample| self.samples[sample])
            .collect();
        (!values.is_empty()).then(|| values.into_iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_over_labels_and_told_apart_by_name() {
        let text = "# HELP a b c\n# TYPE a counter\na{x=\"1\",y=\"p q\"} 2\na{x=\"2\"} 3\na_bucket{le=\"1\"} 9\n";
        let page = MetricsPage::read(text).unwrap();
        assert_eq!(page.sum("a", &[]), Some(5.0));
        assert_eq!(page.sum("a", &["x=\"1\"", "y=\"p q\""]), Some(2.0));
        assert_eq!(page.sum("a", &["x=\"3\""]), None);
        assert_eq!((page.kind("a"), page.kind("b")), (Some("counter"), None));
        assert!(MetricsPage::read("a 1\na 2\n").is_err());
    }
}
