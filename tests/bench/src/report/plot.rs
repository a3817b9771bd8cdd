//! Plots of lines over one axis, as SVG that a page can show.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// A plot of lines over one axis.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What grows to the right.
    pub x: &'a str,
    /// What grows upwards.
    pub y: &'a str,
    /// Whether each step to the right multiplies; 0 then lies at 1.
    pub scale: Scale,
    /// The lines.
    pub lines: Vec<Line>,
}

/// How an axis grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Each step adds.
    Linear,
    /// Each step multiplies, to the right.
    LogX,
    /// Each step multiplies, both ways.
    Log,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (720, 400);
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(127, 127, 127),
];

impl Plot<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// What the library says.
    pub fn draw(&self) -> Result<String, String> {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let most = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(1e-3, f64::max);
        let (right, top) = (most(|point| point.0), most(|point| point.1));
        let bottom = all().map(|point| point.1).fold(f64::INFINITY, f64::min).max(1e-2) / 1.5;
        match self.scale {
            Scale::Linear => self.on(0.0..right * 1.02, 0.0..top * 1.1),
            Scale::LogX => self.on((1.0..right.max(2.0) * 1.2).log_scale(), 0.0..top * 1.1),
            Scale::Log => self.on((1.0..right.max(2.0) * 1.2).log_scale(), (bottom..top * 1.5).log_scale()),
        }
    }

    fn on<X, Y>(&self, x: X, y: Y) -> Result<String, String>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut drawn = String::new();
        self.draw_on(x, y, &mut drawn).map_err(|error| error.to_string())?;
        Ok(drawn)
    }

    fn draw_on<X, Y>(&self, x: X, y: Y, drawn: &mut String) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let area = SVGBackend::with_string(drawn, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart.configure_mesh().light_line_style(WHITE).x_desc(self.x).y_desc(self.y).draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| (self.place(*x), *y)).collect();
            let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(dots)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
        Ok(())
    }

    /// Where a value lies: on a logarithmic axis 0 has no place.
    fn place(&self, x: f64) -> f64 {
        match self.scale {
            Scale::Linear => x,
            Scale::LogX | Scale::Log => x.max(1.0),
        }
    }
}
