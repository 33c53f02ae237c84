//! What was seen, and its spread.

use std::fmt;

use super::figure::figure;

/// What several rounds, or operations, of one case gave.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a figure.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Adds those of another.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle figure; 0 without any.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The figure below which the share `q` of them lies; 0 without any.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let [found] = self.quantiles([q]);
        found
    }

    /// Several [quantiles](Self::quantile) at once.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let sorted = self.sorted();
        shares.map(|q| {
            let at = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
            sorted.get(at).copied().unwrap_or(0.0)
        })
    }

    /// The least and the greatest figure.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        let [least, greatest] = self.quantiles([0.0, 1.0]);
        (least, greatest)
    }

    /// Each figure so many times.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|figure| figure * factor).collect())
    }

    /// Each figure over the one of the same round in `limit`.
    #[must_use]
    pub fn over(&self, limit: &Self) -> Self {
        Self(self.0.iter().zip(&limit.0).map(|(a, b)| a / b).collect())
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, greatest) = self.spread();
        write!(f, "{} ({}–{})", figure(self.median()), figure(least), figure(greatest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_has_its_spread() {
        let mut samples = Samples::default();
        for figure in [3.0, 1.0, 2.0] {
            samples.push(figure);
        }
        samples.append(Samples(vec![5.0, 4.0]));
        assert_eq!((samples.median(), samples.spread(), samples.len()), (3.0, (1.0, 5.0), 5));
        assert_eq!(samples.to_string(), "3.00 (1.00–5.00)");
        assert_eq!(Samples::default().quantile(0.99), 0.0);
    }
}
