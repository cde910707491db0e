//! Shows the settings in force.

use serde_json::{Map, Value, json};

use super::{Loaded, SETTINGS};

impl Loaded {
    /// TOML with one dotted key a line, which can be used as a file; with the origin of each value behind it if asked.
    pub fn to_toml(&self, show_origin: bool) -> String {
        let mut text = String::new();
        for (key, value, origin) in self.rows() {
            text.push_str(&format!("{key} = {}", toml_value(&value)));
            if show_origin {
                text.push_str(&format!("  # {origin}"));
            }
            text.push('\n');
        }
        text
    }

    /// One JSON object: key to value, or to value and origin if asked.
    pub fn to_json(&self, show_origin: bool) -> Value {
        let entries = self.rows().into_iter().map(|(key, value, origin)| {
            let shown = if show_origin {
                json!({ "value": value, "origin": origin })
            } else {
                value
            };
            (key.to_owned(), shown)
        });
        Value::Object(entries.collect::<Map<_, _>>())
    }

    fn rows(&self) -> Vec<(&'static str, Value, &str)> {
        let tree = serde_json::to_value(&self.config).unwrap_or_default();
        SETTINGS
            .iter()
            .map(|setting| {
                let value = setting.key.split('.').try_fold(&tree, |tree, name| tree.get(name));
                let origin = self.origin.get(setting.key).map_or("default", String::as_str);
                (setting.key, value.cloned().unwrap_or_default(), origin)
            })
            .collect()
    }
}

/// Scalars, lists and inline tables; JSON's escapes within strings are TOML's too.
fn toml_value(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name} = {}", toml_value(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
