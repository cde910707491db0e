//! Plots of how Quorate grows, from the figures that `bench/grow` has measured: one SVG for each figure over each axis.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

const SIZE: (u32, u32) = (720, 440);
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(90, 90, 90),
];
/// Room above the largest figure.
const HEADROOM: f64 = 1.1;

/// Where plots come from and go to.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What `bench/grow` wrote.
    pub json: PathBuf,
    /// Where the plots go.
    pub directory: PathBuf,
}

/// What was drawn.
#[derive(Debug, Serialize)]
pub struct PlotReport {
    /// The files.
    pub files: Vec<PathBuf>,
}

/// The part of the file that is drawn.
#[derive(Debug, Deserialize)]
struct Growth {
    axes: Vec<Axis>,
}

/// One thing that was made larger while all else stayed.
#[derive(Debug, Deserialize)]
struct Axis {
    /// In the names of files.
    name: String,
    /// Below the plot.
    label: String,
    figures: Vec<Figure>,
}

/// What was measured at each size.
#[derive(Debug, Deserialize)]
struct Figure {
    /// In the names of files.
    name: String,
    /// Beside the plot.
    label: String,
    /// By name of the line, from the smallest size on: size and figure.
    lines: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Plot {
    /// Draws every plot.
    pub fn run(&self) -> Result<PlotReport, String> {
        let text = std::fs::read_to_string(&self.json);
        let text = text.map_err(|error| format!("cannot read {}: {error}", self.json.display()))?;
        let growth: Growth = serde_json::from_str(&text)
            .map_err(|error| format!("{} is not what bench/grow writes: {error}", self.json.display()))?;
        let mut files = Vec::new();
        for axis in &growth.axes {
            for figure in &axis.figures {
                let file = self
                    .directory
                    .join(format!("growth-{}-by-{}.svg", figure.name, axis.name));
                if draw(&file, axis, figure).map_err(|error| format!("{}: {error}", file.display()))? {
                    files.push(file);
                }
            }
        }
        Ok(PlotReport { files })
    }
}

/// Whether there was anything to draw.
fn draw(file: &Path, axis: &Axis, figure: &Figure) -> Result<bool, Box<dyn std::error::Error>> {
    let points = || figure.lines.values().flatten();
    let (smallest, largest) = points().fold((f64::MAX, 0.0_f64), |(least, most), (size, _)| {
        (least.min(*size), most.max(*size))
    });
    let most = points().fold(0.0_f64, |most, (_, value)| most.max(*value));
    if most <= 0.0 || smallest <= 0.0 {
        return Ok(false);
    }
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{} by {}", figure.label, axis.label), ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(86)
        // Sizes are far apart, so each step is as wide as the next.
        .build_cartesian_2d((smallest * 0.9..largest * 1.1).log_scale(), 0.0..most * HEADROOM)?;
    chart
        .configure_mesh()
        .x_desc(axis.label.as_str())
        .y_desc(figure.label.as_str())
        .x_label_formatter(&|size| grouped(*size))
        .y_label_formatter(&|value| grouped(*value))
        .light_line_style(WHITE)
        .draw()?;
    for ((name, line), colour) in figure.lines.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)).point_size(4))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .position(SeriesLabelPosition::LowerRight)
        .draw()?;
    area.present()?;
    Ok(true)
}

/// A number as people write it: `12,500`, or with two digits behind the point where it is small.
fn grouped(number: f64) -> String {
    if number < 10.0 && number.fract() != 0.0 {
        return format!("{number:.2}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: &str = r#"{"machine": {}, "axes": [{"name": "keys", "label": "keys", "figures": [
        {"name": "put", "label": "puts/s", "lines": {"quorate": [[10000, 5000.5], [100000, 4000], [1000000, 3000]]}},
        {"name": "get", "label": "gets/s", "lines": {}}]}]}"#;

    #[test]
    fn every_figure_that_was_measured_becomes_a_plot_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let plot = Plot {
            json: directory.path().join("growth.json"),
            directory: directory.path().to_owned(),
        };
        std::fs::write(&plot.json, GROWTH).unwrap();
        let files = plot.run().unwrap().files;
        assert_eq!(files, [directory.path().join("growth-put-by-keys.svg")]);
        let svg = std::fs::read_to_string(&files[0]).unwrap();
        for wanted in ["puts/s by keys", "quorate", "polyline", "1,000,000"] {
            assert!(svg.contains(wanted), "{wanted:?} is not in {svg}");
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let json = directory.path().join("other.json");
        std::fs::write(&json, "{}").unwrap();
        let plot = Plot {
            json,
            directory: directory.path().to_owned(),
        };
        assert!(plot.run().unwrap_err().contains("other.json"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0.0, 999.0, 1_000.0, 1_234_567.0]
                .map(grouped)
                .each_ref()
                .map(String::as_str)
        );
        assert_eq!(grouped(0.5), "0.50");
    }
}
