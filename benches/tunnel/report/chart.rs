//! Charts as SVG, written by hand.

use std::fmt::Write;

use crate::metric::digits;

/// A line of a chart.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether the line is dashed.
    pub(super) dashed: bool,
    /// Which of the colours it has.
    pub(super) colour: usize,
}

/// The axes of a chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    /// Whether each step up is ten times the last.
    pub(super) logarithmic: bool,
}

/// A bar of a chart.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) colour: usize,
}

/// Colours that are told apart without telling red from green.
const COLOURS: [&str; 4] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"];
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const BAR: f64 = 16.0;
const NAMES: f64 = 190.0;

/// Draws lines.
pub(super) fn lines(axes: Axes, heading: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|line| line.points.iter());
    let most_x = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let most_y = points().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max);
    let least_y = points().map(|(_, y)| *y).fold(most_y, f64::min);
    let scale = Scale::new(axes.logarithmic, least_y, most_y);
    let x = |value: f64| LEFT + value / most_x * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - scale.place(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = begin(WIDTH, HEIGHT, &format!("{} – {heading}", axes.title));
    for mark in scale.marks() {
        let at = y(mark);
        push(
            &mut svg,
            &format!(
                r##"<line x1="{LEFT}" x2="{}" y1="{at:.1}" y2="{at:.1}" stroke="#ddd"/>"##,
                WIDTH - RIGHT
            ),
        );
        text(&mut svg, (LEFT - 6.0, at + 4.0), "end", &digits(mark));
    }
    for step in 0..=4 {
        let value = most_x * f64::from(step) / 4.0;
        text(
            &mut svg,
            (x(value), HEIGHT - BOTTOM + 16.0),
            "middle",
            &format!("{value:.0}"),
        );
    }
    text(
        &mut svg,
        (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 12.0),
        "middle",
        axes.x,
    );
    text(&mut svg, (LEFT, TOP - 8.0), "middle", axes.y);
    for (number, line) in series.iter().enumerate() {
        let path: Vec<String> = line
            .points
            .iter()
            .map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py)))
            .collect();
        let colour = COLOURS[line.colour % COLOURS.len()];
        let dash = if line.dashed {
            r#" stroke-dasharray="5 4""#
        } else {
            ""
        };
        push(
            &mut svg,
            &format!(
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>"#,
                path.join(" ")
            ),
        );
        let at = TOP + 18.0 * number as f64;
        let from = WIDTH - RIGHT + 12.0;
        push(
            &mut svg,
            &format!(
                r#"<line x1="{from}" x2="{}" y1="{at}" y2="{at}" stroke="{colour}" stroke-width="2"{dash}/>"#,
                from + 22.0
            ),
        );
        text(&mut svg, (from + 28.0, at + 4.0), "start", &line.name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Draws bars that grow from the left, with a line where both are equal.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    let height = TOP + BAR * 1.4 * bars.len() as f64 + 30.0;
    let most = bars.iter().map(|bar| bar.high).fold(2.0, f64::max);
    let x = |value: f64| NAMES + value / most * (WIDTH - NAMES - 60.0);
    let mut svg = begin(WIDTH, height, title);
    for (number, bar) in bars.iter().enumerate() {
        let top = TOP + BAR * 1.4 * number as f64;
        let middle = top + BAR / 2.0;
        let colour = COLOURS[bar.colour % COLOURS.len()];
        text(&mut svg, (NAMES - 6.0, middle + 4.0), "end", &bar.name);
        push(
            &mut svg,
            &format!(
                r#"<rect x="{NAMES}" y="{top:.1}" width="{:.1}" height="{BAR}" fill="{colour}"/>"#,
                x(bar.value) - NAMES
            ),
        );
        push(
            &mut svg,
            &format!(
                r##"<line x1="{:.1}" x2="{:.1}" y1="{middle:.1}" y2="{middle:.1}" stroke="#222"/>"##,
                x(bar.low),
                x(bar.high)
            ),
        );
        text(
            &mut svg,
            (x(bar.high) + 6.0, middle + 4.0),
            "start",
            &digits(bar.value),
        );
    }
    let one = x(1.0);
    push(
        &mut svg,
        &format!(
            r##"<line x1="{one:.1}" x2="{one:.1}" y1="{TOP}" y2="{:.1}" stroke="#222" stroke-dasharray="3 3"/>"##,
            height - 26.0
        ),
    );
    text(&mut svg, (one, height - 12.0), "middle", "1");
    svg.push_str("</svg>\n");
    svg
}

/// Where values lie between the bottom and the top.
struct Scale {
    logarithmic: bool,
    least: f64,
    most: f64,
}

impl Scale {
    fn new(logarithmic: bool, least: f64, most: f64) -> Self {
        if logarithmic {
            let (least, most) = (least.max(1e-9).log10().floor(), most.max(1e-9).log10().ceil());
            let most = if most > least { most } else { least + 1.0 };
            return Self {
                logarithmic,
                least,
                most,
            };
        }
        Self {
            logarithmic,
            least: 0.0,
            most: most * 1.05,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.max(1e-9).log10()
        } else {
            value
        };
        (value - self.least) / (self.most - self.least)
    }

    fn marks(&self) -> Vec<f64> {
        if self.logarithmic {
            let (least, most) = (self.least as i32, self.most as i32);
            return (least..=most).map(|power| 10f64.powi(power)).collect();
        }
        (0..=5).map(|step| self.most * f64::from(step) / 5.0).collect()
    }
}

fn begin(width: f64, height: f64, title: &str) -> String {
    let mut svg = String::new();
    push(
        &mut svg,
        &format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0}" font-family="sans-serif" font-size="12">"#
        ),
    );
    push(&mut svg, r##"<rect width="100%" height="100%" fill="#fff"/>"##);
    push(
        &mut svg,
        &format!(
            r#"<text x="{}" y="18" text-anchor="middle" font-size="14">{title}</text>"#,
            width / 2.0
        ),
    );
    svg
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    push(
        svg,
        &format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#),
    );
}

fn push(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").expect("a text takes every text");
}
