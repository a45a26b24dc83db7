//! The dotted map: where testers stand, to the city at best. The land is drawn by the stylesheet, the testers here.

use parallax_model::Vantage;

use super::gazetteer;
use super::glyph::Glyph;

/// Scale of the projection under which the land's dots were made.
const SCALE: f64 = 179.218_239_310_215_8;
/// Where longitude 0 and latitude 0 lie.
const CENTRE: (f64, f64) = (480.0, 249.968_241_830_383_33);
/// Pins nearer to each other than this are drawn as one with a count.
const NEAR: f64 = 15.0;

/// The part of the map that is drawn once more, larger: Europe, where testers stand nearest to each other. Left, top, width, height.
const INSET: (f64, f64, f64, f64) = (448.0, 38.0, 120.0, 85.0);
/// How much larger.
const LARGER: f64 = 2.0;

/// One pin: a tester, or several too near to each other to be told apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pin {
    /// Centre, in the map's units.
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The gravest state of its testers.
    pub(crate) state: Glyph,
    pub(crate) count: usize,
    /// Whether it is drawn on the larger Europe, in that one's units.
    pub(crate) inset: bool,
}

impl Pin {
    /// Left and top of its icon, which is 18 units wide.
    pub(crate) fn corner(&self) -> (String, String) {
        (format!("{:.0}", self.x - 9.0), format!("{:.0}", self.y - 9.0))
    }
}

/// The pins of these testers, trouble last so that it lies on top; then those of the larger Europe, where that tells more. Testers
/// whose place is not known have none.
pub(crate) fn pins<'a>(testers: impl Iterator<Item = (&'a Vantage, Glyph)>) -> Vec<Pin> {
    let (mut pins, mut europe) = (Vec::new(), Vec::new());
    let (left, top, width, height) = INSET;
    for (vantage, state) in testers {
        let Some((lat, lon)) = position(vantage) else { continue };
        let (x, y) = project(lat, lon);
        add(&mut pins, Pin { x, y, state, count: 1, inset: false });
        let (x, y) = (x - left, y - top);
        if (0.0..width).contains(&x) && (0.0..height).contains(&y) {
            add(&mut europe, Pin { x: x * LARGER, y: y * LARGER, state, count: 1, inset: true });
        }
    }
    pins.sort_by_key(|pin| pin.state);
    if europe.len() > 1 {
        europe.sort_by_key(|pin| pin.state);
        pins.extend(europe);
    }
    pins
}

/// Adds a pin, or counts it with one that is near.
fn add(pins: &mut Vec<Pin>, new: Pin) {
    match pins.iter_mut().find(|pin| (pin.x - new.x).hypot(pin.y - new.y) < NEAR) {
        Some(pin) => {
            pin.count += 1;
            pin.state = pin.state.max(new.state);
        }
        None => pins.push(new),
    }
}

/// Equal Earth (Šavrič, Patterson, Jenny 2018), from degrees to the map's units.
fn project(lat: f64, lon: f64) -> (f64, f64) {
    const A: [f64; 4] = [1.340_264, -0.081_106, 0.000_893, 0.003_796];
    let root = 3.0_f64.sqrt() / 2.0;
    let t = (root * lat.to_radians().sin()).asin();
    let (t2, t6) = (t * t, t.powi(6));
    let slope = A[0] + 3.0 * A[1] * t2 + t6 * (7.0 * A[2] + 9.0 * A[3] * t2);
    let x = lon.to_radians() * t.cos() / (root * slope);
    let y = t * (A[0] + A[1] * t2 + t6 * (A[2] + A[3] * t2));
    (CENTRE.0 + SCALE * x, CENTRE.1 - SCALE * y)
}

fn position(vantage: &Vantage) -> Option<(f64, f64)> {
    gazetteer::position(vantage.country.as_ref()?.as_str(), vantage.city.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What d3-geo's `geoEqualEarth` with the same extent says of the same places.
    #[test]
    fn the_projection_is_the_one_the_land_was_made_with() {
        let cases = [
            (52.5, 13.4, 509.170_367, 74.269_012),
            (40.7, -74.0, 304.032_405, 108.951_904),
            (-33.9, 151.2, 853.963_959, 369.194_151),
        ];
        for (lat, lon, x, y) in cases {
            let (px, py) = project(lat, lon);
            assert!((px - x).abs() < 0.001 && (py - y).abs() < 0.001, "{lat} {lon}: {px} {py}");
        }
    }

    #[test]
    fn near_pins_are_one_and_trouble_lies_on_top() {
        let at = |country: &str, city: &str| Vantage {
            country: Some(country.parse().unwrap()),
            city: Some(city.to_owned()),
            ..Vantage::default()
        };
        let (berlin, frankfurt, tokyo, nowhere) =
            (at("DE", "Berlin"), at("DE", "Frankfurt"), at("JP", "Tokyo"), Vantage::default());
        let testers =
            [(&berlin, Glyph::Down), (&frankfurt, Glyph::Up), (&tokyo, Glyph::Up), (&nowhere, Glyph::Up)];
        let pins = pins(testers.into_iter());
        let told: Vec<_> = pins.iter().map(|pin| (pin.state, pin.count, pin.inset)).collect();
        let world = [(Glyph::Up, 1, false), (Glyph::Down, 2, false)];
        // Told apart on the larger Europe.
        assert_eq!(told, [world.as_slice(), &[(Glyph::Up, 1, true), (Glyph::Down, 1, true)]].concat());
    }
}
