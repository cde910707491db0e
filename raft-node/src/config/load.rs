//! Merges the layers.

use std::collections::BTreeMap;

use config::{Config, Source, Value, ValueKind};

use super::{ConfigError, Layer, NodeConfig, Problem, SETTINGS};

/// Where each value came from, by key: `default`, `file ...`, `environment ...` or `flag ...`.
pub type Origin = BTreeMap<&'static str, String>;

/// Settings and their provenance.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, validated.
    pub config: NodeConfig,
    /// Where they came from.
    pub origin: Origin,
}

/// Merges `layers`, the lowest first, over the defaults, and validates what results. Every problem of every layer is
/// in the error.
pub fn load(layers: Vec<Layer>) -> Result<Loaded, ConfigError> {
    let mut problems: Vec<Problem> = layers.iter().flat_map(|layer| layer.problems().to_vec()).collect();
    let merge = |error: config::ConfigError| ConfigError::Merge(error.to_string());
    let merged = layers
        .into_iter()
        .fold(Config::builder(), |builder, layer| builder.add_source(layer))
        .build()
        .map_err(merge)?;
    let origin = origins(&merged).map_err(merge)?;
    problems.extend(super::validate::unreadable(&merged));
    if problems.is_empty() {
        let config: NodeConfig = merged.try_deserialize().map_err(merge)?;
        match config.validate() {
            Ok(()) => return Ok(Loaded { config, origin }),
            Err(ConfigError::Invalid(found)) => problems.extend(found),
            Err(other) => return Err(other),
        }
    }
    for problem in &mut problems {
        if problem.origin.is_none()
            && let Some(origin) = origin.get(problem.key.as_str())
            && origin != DEFAULT
        {
            problem.origin = Some(origin.clone());
        }
    }
    Err(ConfigError::Invalid(problems))
}

const DEFAULT: &str = "default";

/// Walks the merged tree itself: what `Config::get` returns has lost its origin.
fn origins(merged: &Config) -> Result<Origin, config::ConfigError> {
    let tree = Value::new(None, ValueKind::Table(merged.collect()?));
    let origins = SETTINGS.iter().map(|setting| {
        let value = setting.key.split('.').try_fold(&tree, |tree, name| match &tree.kind {
            ValueKind::Table(table) => table.get(name),
            _ => None,
        });
        let origin = value.and_then(Value::origin).unwrap_or(DEFAULT);
        (setting.key, origin.to_owned())
    });
    Ok(origins.collect())
}
